"""The simulation engine: tasks, messages, memory, serving, decisions, migrations, outages."""
