"""The search of `score_search`, block by block: plain loops, which numba compiles for long work.

Both forms give the same bits. In the plain form all sequences are lists, in the compiled form arrays. Comparisons treat
a time that is not a number as NumPy does: it is the largest of several, and the first choice among scores.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from headway.simcore.steps.fork_join import FlatChain

NOWHERE = -1
_SOURCE = -1
_SEVERAL = -3
_LARGEST = 1e300


class Draft(NamedTuple):
    """A partial placement, and what the scores depend on; times are shares of the deadline.

    Attributes:
        devices: of each block, -1 if it is not placed yet, shape (B,).
        free: bytes of each device, shape (D,).
        queue: time of the blocks of a kind and layer on each device that run one after another, shape
            (kinds, layers, D).
        memory: bytes of each block, shape (B,).
        kind: of each block, shape (B,).
        layer: of each block that has a queue, shape (B,).
        queues: 1 if blocks of a kind run one after another, shape (kinds,).
        block_s: time of a block of each kind, shape (kinds, D).
        compute_s: time of a task with one block of each kind, shape (kinds, D).
        sent_s: time of a message with each payload from device to device, shape (6, D, D).
        arrives_s: the same from device to device in reverse, shape (6, D, D).
        move_s: time to move each block to each device, shape (B, D).
        source: index of the source.
        weights: of memory, computing and moving data, and their sum; a sum of 0 stands for the largest share.
        moving_s: working memory, shape (D,).
        score: working memory, shape (D,).
    """

    devices: Any
    free: Any
    queue: Any
    memory: Any
    kind: Any
    layer: Any
    queues: Any
    block_s: Any
    compute_s: Any
    sent_s: Any
    arrives_s: Any
    move_s: Any
    source: int
    weights: tuple[float, float, float, float]
    moving_s: Any
    score: Any


def _sender(draft: Draft, chain: FlatChain, block: int) -> tuple[int, int]:
    """The device that sends a block its input and the payload, from the nearest upstream block that is placed.

    The device is `_SEVERAL` if the outputs of several devices are the input, and `NOWHERE` if nothing counts.
    """
    number = chain.stage_of[block]
    if chain.embeds[number]:
        # The input is a few bytes of token ids; their transfer is ignored.
        return NOWHERE, 0
    if number > 0:
        before = number - 1
        if not chain.apart[before]:
            if draft.devices[chain.gathers[before]] != NOWHERE:
                return draft.devices[chain.gathers[before]], chain.input[number]
        else:
            placed = True
            for i in range(chain.begin[before], chain.begin[number]):
                placed = placed and draft.devices[chain.rows[i]] != NOWHERE
            if placed:
                return _SEVERAL, chain.output[before]
    # Back to the begin of the layer: the layers before it are placed.
    while number > 0 and chain.layer[number - 1] == chain.layer[number]:
        number -= 1
    return draft.devices[chain.gathers[number - 1]] if number else draft.source, chain.input[number]


def _receiver(draft: Draft, chain: FlatChain, block: int) -> int:
    """The device of the next block downstream that is placed; `NOWHERE` if there is none."""
    for i in range(chain.first[block], chain.first[block + 1]):
        receiver = chain.receivers[i]
        end = draft.source if receiver == _SOURCE else draft.devices[receiver]
        if end != NOWHERE:
            return int(end)
    return NOWHERE


def _moving(draft: Draft, chain: FlatChain, block: int) -> None:
    """Set the time to move data if a block were on each device: its input, its output, and the block itself."""
    moving_s, move_s = draft.moving_s, draft.move_s[block]
    start, payload = _sender(draft, chain, block)
    end = _receiver(draft, chain, block)
    sent_s, arrives_s = draft.sent_s[payload], draft.arrives_s[chain.sends[block]]
    number = chain.stage_of[block]
    for d in range(len(moving_s)):
        arriving = 0.0
        if start == _SEVERAL:
            for i in range(chain.begin[number - 1], chain.begin[number]):
                seconds = sent_s[draft.devices[chain.rows[i]]][d]
                if seconds > arriving or math.isnan(seconds):
                    arriving = seconds
                if math.isnan(arriving):
                    break
        elif start != NOWHERE:
            arriving = sent_s[start][d]
        leaving = 0.0 if end == NOWHERE else arrives_s[end][d]
        moving_s[d] = arriving + leaving + move_s[d]


def _best(draft: Draft, chain: FlatChain, block: int, refused: Any, late: bool) -> int:
    """The device with the lowest score among those not refused; -1 if that score is above 1.

    Equal scores are common: a head pays for crossing a link once, whichever end of the link it is on. Then the sum of
    the three shares decides. With `late` only memory must fit, and times may exceed the deadline: a device that cannot
    be reached now may be reachable when the message is sent.
    """
    _moving(draft, chain, block)
    size, kind, layer = draft.memory[block], draft.kind[block], draft.layer[block]
    free, compute_s, moving_s = draft.free, draft.compute_s[kind], draft.moving_s
    queue = draft.queue[kind][layer]
    queues = draft.queues[kind]
    of_memory, of_computing, of_moving, weight = draft.weights
    device, least, lowest = 0, np.inf, np.inf
    for d in range(len(free)):
        # The share is above 1 where the block does not fit, also where no byte is free.
        memory = size / (free[d] if free[d] > 1e-300 else 1e-300)
        compute = compute_s[d] + queue[d] if queues else compute_s[d]
        moving = moving_s[d]
        rest = memory + compute + moving
        if weight > 0.0:
            weighted = of_memory * memory + of_computing * compute + of_moving * moving
            score = weighted / weight if memory <= 1.0 else np.inf
        else:
            score = memory if memory > compute else compute
            score = score if score > moving or math.isnan(score) else moving
        if late and size <= free[d] and not refused[d]:
            score = _LARGEST if score > _LARGEST else score
        elif late or refused[d]:
            score = np.inf
        total = score + 1e-9 * (_LARGEST if rest > _LARGEST else rest)
        if total < least or math.isnan(total):
            device, least, lowest = d, total, score
            if math.isnan(total):
                break
    if lowest <= 1.0 or (late and np.isfinite(lowest)):
        return device
    return NOWHERE


def _put(draft: Draft, block: int, device: int) -> None:
    """Place a block on a device."""
    kind = draft.kind[block]
    draft.devices[block] = device
    draft.free[device] -= draft.memory[block]
    draft.queue[kind][draft.layer[block]][device] += draft.block_s[kind][device]


def _take(draft: Draft, block: int) -> int:
    """Remove a block from its device, and return the device."""
    kind, device = draft.kind[block], draft.devices[block]
    draft.devices[block] = NOWHERE
    draft.free[device] += draft.memory[block]
    draft.queue[kind][draft.layer[block]][device] -= draft.block_s[kind][device]
    return int(device)


def _make_room(draft: Draft, chain: FlatChain, block: int, refused: Any, most: int, only: Any) -> int:
    """Move at most `most` smaller blocks off one device so that `block` fits there.

    Devices are tried in the order of their scores without memory.

    Returns:
        The device; -1 if no device can be freed, and then no block has moved.
    """
    _moving(draft, chain, block)
    kind, score = draft.kind[block], draft.score
    for d in range(len(score)):
        compute = draft.compute_s[kind][d]
        if draft.queues[kind]:
            compute += draft.queue[kind][draft.layer[block]][d]
        moving = draft.moving_s[d]
        longest = compute if compute > moving or math.isnan(compute) else moving
        score[d] = longest if longest <= 1.0 and not refused[d] else np.inf
    for _ in range(len(score)):
        device = 0
        for d in range(len(score)):
            if score[d] < score[device]:
                device = d
        if score[device] == np.inf:
            break
        score[device] = np.inf
        if _evict(draft, chain, block, device, most, only):
            return device
    return NOWHERE


def _evict(draft: Draft, chain: FlatChain, block: int, device: int, most: int, only: Any) -> bool:
    """Move at most `most` smaller blocks off `device`; False, with no block moved, if `block` does not fit then."""
    memory, free = draft.memory, draft.free
    smaller = [
        (-memory[i], i)
        for i in range(len(memory))
        if draft.devices[i] == device and memory[i] < memory[block]
    ]
    smaller.sort()
    moved = [0 for _ in range(0)]
    only[device] = True
    for _, other in smaller:
        if memory[block] <= free[device] or len(moved) == most:
            break
        _take(draft, other)
        elsewhere = _best(draft, chain, other, only, False)
        _put(draft, other, device if elsewhere == NOWHERE else elsewhere)
        if elsewhere != NOWHERE:
            moved.append(other)
    only[device] = False
    if memory[block] <= free[device]:
        return True
    for i in range(len(moved) - 1, -1, -1):
        _take(draft, moved[i])
        _put(draft, moved[i], device)
    return False


def place_all(
    draft: Draft, chain: FlatChain, order: Any, most_evictions: int, most_backtracks: int, refused: Any
) -> bool:
    """Place all blocks in an order; whether a placement was found.

    Args:
        draft: receives the placement.
        chain: of the model.
        order: the blocks, shape (B,).
        most_evictions: blocks that may be moved to make room for one block.
        most_backtracks: choices that may be taken back.
        refused: all false; the last row is working memory, shape (most_backtracks + 2, D).
    """
    # The positions with refused devices, in rising order; each has a row of `refused`.
    positions = [0 for _ in range(0)]
    nothing, only = refused[len(refused) - 2], refused[len(refused) - 1]
    backtracks = position = 0
    while position < len(order):
        block = order[position]
        row = refused[len(positions) - 1] if positions and positions[-1] == position else nothing
        device = _best(draft, chain, block, row, False)
        if device == NOWHERE:
            device = _make_room(draft, chain, block, row, most_evictions, only)
        if device == NOWHERE:
            device = _best(draft, chain, block, row, True)
        if device != NOWHERE:
            _put(draft, block, device)
            position += 1
            continue
        if position == 0 or backtracks == most_backtracks:
            return False
        # Take the last choice back and forbid it; whatever was forbidden after it is open again.
        backtracks += 1
        if positions and positions[-1] == position:
            for d in range(len(row)):
                row[d] = False
            positions.pop()
        position -= 1
        if not (positions and positions[-1] == position):
            positions.append(position)
        refused[len(positions) - 1][_take(draft, order[position])] = True
    return True


HELPERS = (_sender, _receiver, _moving, _best, _put, _take, _make_room, _evict)
"""The functions that `place_all` calls."""
