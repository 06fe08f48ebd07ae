"""Optimal placements of one layer and of small models, and a lower bound for all models."""
