"""Randomness: one seed per run, one independent stream per name.

Streams are identified by name, not by order of use. Adding a stream therefore never changes another one, and all
policies run in the same world under one seed.
"""

import numpy as np


def stream(seed: int, name: str) -> np.random.Generator:
    """The random generator of the stream `name` under `seed`, the same on every machine and in every process."""
    return np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=tuple(name.encode())))
