"""Helpers of several policies; no module here knows a policy."""
