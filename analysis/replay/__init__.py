"""A run once more under an instrument: its timeline, and why a token took as long as it did.

`rerun` repeats a run, `spans` sorts what happened by token, `critical_path` finds the pieces of a token's latency,
`attribution` and `explain` say in words why they took so long, and `timeline` draws everything for a trace viewer.
"""
