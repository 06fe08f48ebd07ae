"""Packing of items into the memory of devices, by a search over all ways to do it."""

import numpy as np

from headway.simcore import BoolArray, FloatArray, IntArray, predict

_MOST_CHOICES = 20_000


def packed(sizes: FloatArray, room: FloatArray, preferred: BoolArray) -> IntArray | None:
    """Pack items into devices so that no device holds more than its room.

    The search places the largest item first, each item on the preferred device where it leaves the least room, and
    takes choices back where an item finds no device. It does not try again what has failed once: two states with the
    same number of items placed and the same free bytes are the same to the items to come.

    Args:
        sizes: of the items [bytes], shape (items,).
        room: free bytes of each device, shape (D,).
        preferred: devices that are tried before the others, shape (D,).

    Returns:
        The device of each item, shape (items,); None if no packing was found. None proves that there is none, unless
        the search stopped at its bound on choices.
    """
    order = np.argsort(-sizes, kind="stable")
    to_come = sizes[order][::-1].cumsum()[::-1]
    free = room.copy()
    devices = np.empty(len(sizes), dtype=np.int64)
    failed: set[tuple[int, bytes]] = set()
    options = [_options(sizes[order[0]], free, preferred)]
    for _ in range(_MOST_CHOICES):
        while not options[-1]:
            options.pop()
            failed.add((len(options), free.tobytes()))
            if not options:
                return None
            _take_back(free, sizes, devices, order[: len(options)], room)
        depth = len(options)
        item = order[depth - 1]
        devices[item] = options[-1].pop()
        free[devices[item]] -= sizes[item]
        if depth == len(order):
            return devices
        hopeless = free.sum() + predict.TOLERANCE_BYTES < to_come[depth] or (depth, free.tobytes()) in failed
        options.append([] if hopeless else _options(sizes[order[depth]], free, preferred))
    return None


def _take_back(
    free: FloatArray, sizes: FloatArray, devices: IntArray, items: IntArray, room: FloatArray
) -> None:
    """Take the last of `items` off its device, and restore the free bytes before it exactly, without rounding."""
    device = devices[items[-1]]
    free[device] = room[device]
    for item in items[:-1][devices[items[:-1]] == device]:
        free[device] -= sizes[item]


def _options(size: float, free: FloatArray, preferred: BoolArray) -> list[int]:
    """Devices with room for an item of this size, the best last."""
    rank = np.lexsort((-np.arange(len(free)), -free, preferred))
    options: list[int] = rank[free[rank] >= size].tolist()
    return options
