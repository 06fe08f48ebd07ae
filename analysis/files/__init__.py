"""Files and folders that appear whole or not at all. Campaign workers import it, so it imports no matplotlib."""
