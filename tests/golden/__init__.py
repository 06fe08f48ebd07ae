"""Runs whose tables were recorded before the code that makes them was changed, and the comparison with the record."""
