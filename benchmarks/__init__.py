"""Benchmarks of Headway: `python -m benchmarks --json FILE` (docs/performance.md)."""
