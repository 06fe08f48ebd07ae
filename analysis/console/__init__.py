"""How commands meet a terminal: messages, progress bars, tables, and Ctrl-C."""
