"""Local search over placements, with many changes evaluated at once."""
