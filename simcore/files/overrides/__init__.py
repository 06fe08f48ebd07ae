"""Changes to a scenario file: how they are written, and how they are made before the schema reads the file."""
