"""Where blocks are: decisions of policies, migrations, and the memory they take."""
