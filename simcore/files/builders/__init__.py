"""Build a `Scenario` from a validated scenario file: one module for each part, and a common context."""
