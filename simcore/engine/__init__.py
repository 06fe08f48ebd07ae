"""What happens in simulated time: work, messages, memory, tokens, decisions, migrations, failures."""
