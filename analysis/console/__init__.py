"""Terminal output of commands: messages, progress bars, tables, and Ctrl-C."""
