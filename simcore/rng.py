"""Randomness: one seed per run, one independent stream per name.

Streams are told apart by name and not by the order of their use, so that adding one never shifts another, and every
policy under one seed meets the same world.
"""

import numpy as np


def stream(seed: int, name: str) -> np.random.Generator:
    """The generator of the stream `name` under `seed`; the same one on every machine and in every process."""
    return np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=tuple(name.encode())))
