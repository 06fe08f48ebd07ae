"""Placements for a terminal: one line per device."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from headway.analysis.formatting import byte_unit, listed, number
from headway.simcore.arrays import BoolArray, IntArray
from headway.simcore.files.placement import last_placements, ranges
from headway.simcore.results import Result
from headway.simcore.scenario import Scenario
from headway.simcore.world.blocks import BlockTable

_MOST_RUNS = 4
"""Number of runs up to which the placements of all are shown."""

_MOST_RANGES = 3
_WIDTH = 100


def placements(result: Result, scenario: Scenario, best: str | None) -> list[str]:
    """The placement at the end of each run, one line per device, at most 100 characters wide.

    Runs with equal lines share them.

    Args:
        result: of the runs.
        scenario: their world.
        best: the run to show if there are more than four.
    """
    last = last_placements(result, scenario)
    labels = list(last) if len(last) <= _MOST_RUNS else [run for run in last if run == best]
    blocks = len(scenario.block_table)
    memory = _last_memory(result)
    runs_of: dict[tuple[str, ...], list[str]] = {}
    for run in labels:
        lines = tuple(_device_lines(last[run], memory.get(run, {}), scenario))
        changes = int((result.placements["run"] == run).sum()) // blocks - 1
        runs_of.setdefault((_times(changes), *lines), []).append(run)
    text = ["Placements at the end of the run: memory held of memory free, and parts of the model"]
    for (times, *rows), runs in runs_of.items():
        text += [f"{listed(runs)}{times}:", *rows]
    if len(labels) < len(last):
        text.append("The file placements.yaml has the placements of all runs.")
    return text


def _times(changes: int) -> str:
    return f" (changed {changes:,} {'time' if changes == 1 else 'times'})" if changes else ""


def _last_memory(result: Result) -> dict[str, dict[str, dict[str, float]]]:
    """The bytes that the model held and those that were available in the last token, by run and device."""
    last = pd.concat(
        [
            batch.to_pandas().groupby(["run", "device"], sort=False).last()
            for batch in result.batches("devices", ["run", "device", "held_bytes", "available_bytes"])
        ]
    )
    memory: dict[str, dict[str, dict[str, float]]] = {}
    last = last[~last.index.duplicated(keep="last")]
    for (run, device), row in last.to_dict("index").items():
        memory.setdefault(run, {})[device] = row
    return memory


def _device_lines(
    placement: IntArray, memory: Mapping[str, Mapping[str, float]], scenario: Scenario
) -> Iterator[str]:
    """One line for each device that has blocks: memory held and free in the last token, and the parts of the model."""
    devices = scenario.cluster.names
    factor, unit = byte_unit(max((row["available_bytes"] for row in memory.values()), default=1.0))
    cells = []
    for index, device in enumerate(devices):
        parts = ", ".join(_parts(placement == index, scenario.block_table))
        if parts:
            row = memory.get(device, {})
            held, free = (number(row.get(f"{key}_bytes", np.nan) / factor) for key in ("held", "available"))
            cells.append((device, f"{held} of {free} {unit}", parts))
    widths = [max((len(cell[column]) for cell in cells), default=0) for column in (0, 1)]
    for device, size, parts in cells:
        head = f"  {device:<{widths[0]}}  {size:<{widths[1]}}  "
        yield head + textwrap.shorten(parts, max(_WIDTH - len(head), 20), placeholder=" ...")


def _parts(mine: BoolArray, blocks: BlockTable) -> Iterator[str]:
    """The parts of the model on a device. A projection is listed only if the FFN of its layer is on another device."""
    heads, shards = mine[blocks.heads], mine[blocks.shards]
    proj: BoolArray = mine[blocks.proj]
    ffn: BoolArray = np.logical_and.reduce(shards, axis=1)
    whole: BoolArray = np.logical_and.reduce(heads, axis=1) & proj & ffn
    some_heads: BoolArray = heads & ~whole[:, None]
    some_shards: BoolArray = shards & ~ffn[:, None]
    if whole.any():
        yield _layers(whole)
    for name, row in (("embedding", blocks.embed), ("output head", blocks.lm_head)):
        if row is not None and mine[row]:
            yield name
    if some_heads.any():
        yield f"{_share(some_heads)} heads in {_layers(np.logical_or.reduce(some_heads, axis=1))}"
    if (ffn & ~whole).any():
        yield f"FFNs in {_numbers(ffn & ~whole)}"
    if some_shards.any():
        yield f"{_share(some_shards)} FFN shards in {_numbers(np.logical_or.reduce(some_shards, axis=1))}"
    if (proj & ~ffn).any():
        yield f"projections in {_numbers(proj & ~ffn)}"


def _share(mine: BoolArray) -> str:
    """The number of parts on a device, of all in the same layers; `mine` has shape (layers, parts per layer)."""
    return f"{mine.sum():,} of {mine[mine.any(axis=1)].size:,}"


def _layers(mine: BoolArray) -> str:
    return f"{'layer' if mine.sum() == 1 else 'layers'} {_numbers(mine)}"


def _numbers(mine: BoolArray) -> str:
    numbers: Sequence[int] = np.flatnonzero(mine).tolist()
    text = ranges(numbers, " ")
    if text.count(" ") >= _MOST_RANGES:
        return f"{len(numbers)} of {numbers[0]}-{numbers[-1]}"
    return text
