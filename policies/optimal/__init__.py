"""Optimal placements of one layer, and what no placement of several layers can beat."""
