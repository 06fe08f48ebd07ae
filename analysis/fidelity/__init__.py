"""Predictions of clusters that exist, compared with published measurements."""
