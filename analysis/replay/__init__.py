"""Repeat a run under an instrument, to draw its timeline or to explain the latency of a token.

`rerun` repeats a run, `spans` groups its spans by token, `critical_path` splits the latency of a token into pieces,
`attribution` and `explain` describe the reasons for their lengths, and `timeline` writes a file for trace viewers.
"""
