"""Stages of placements and the tables of their times, as tuples that array code and compiled code share."""

from typing import NamedTuple

from headway.simcore import FloatArray, IntArray


class Tables(NamedTuple):
    """Times and bytes of the branches of stages, for K steps, V variants of stages, D devices and R resources.

    Attributes:
        variant: of each stage, shape (S,).
        repeats: how often each step occurs in the horizon, shape (K,).
        once: seconds of a branch whatever the number of its blocks, by start, device and end, shape (K, V, D, D, D).
        each: seconds for each of its blocks, by device and end, shape (K, V, D, D).
        in_bytes: of the input of a branch, shape (K, V).
        out_bytes: of the output of a branch whatever the number of its blocks, shape (K, V).
        out_bytes_each: of the output for each of its blocks, shape (K, V).
        per_byte: seconds per byte between devices, shape (D, D).
        shared: seconds per byte of each shared resource between devices, shape (D, D, R).
        back: time of the result from each device to the source over the horizon, shape (D,).
    """

    variant: IntArray
    repeats: FloatArray
    once: FloatArray
    each: FloatArray
    in_bytes: FloatArray
    out_bytes: FloatArray
    out_bytes_each: FloatArray
    per_byte: FloatArray
    shared: FloatArray
    back: FloatArray


class State(NamedTuple):
    """A placement, stage by stage, for S stages and D devices.

    Attributes:
        devices: of each block, shape (B,).
        used: bytes of blocks on each device, shape (D,).
        counts: blocks of each stage on each device, shape (S, D).
        starts: the device that holds the input of each stage, and at last the device that holds the result, shape
            (S + 1,).
        seconds: of each stage over the horizon, shape (S,).
        back_s: time of the result on its way to the source over the horizon.
        delay_s: delay of the horizon: the sum of all these times.
    """

    devices: IntArray
    used: FloatArray
    counts: IntArray
    starts: IntArray
    seconds: FloatArray
    back_s: float
    delay_s: float
