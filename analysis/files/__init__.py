"""Files and folders that appear whole or not at all. Nothing here draws: campaign workers import it."""
