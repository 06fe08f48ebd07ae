"""What users write: scenario files, changes to them, and graphs, read, checked, and turned into a `Scenario`."""
