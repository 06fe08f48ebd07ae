"""Placements as text: the parts of the model on each device.

    laptop: layers 0-9, lm_head
    pi-1: layers 10-15 heads 0-3 6, layers 10-15 proj
    pi-2: rest

An item is one or several ranges of layers, alone or with a part of them (`heads` and `ffn` with or without numbers, or
`proj`); or `embed`, `lm_head`, or `rest`, which means all blocks that no other item names. By default the embedding is
on the device of the first layer's projection, and the output head on that of the last layer's output.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from headway.simcore.arrays import BoolArray, IntArray
from headway.simcore.files.schema.values import is_texts
from headway.simcore.files.yaml_document import read_document
from headway.simcore.results import Result
from headway.simcore.scenario import Scenario
from headway.simcore.world.blocks import BlockTable
from headway.traces.errors import InputError, one_of, quoted

_ACCEPTED = (
    "items such as 'layers 0-9', 'layers 3 heads 0-3', 'layers 3 proj', 'layers 3 ffn', embed, lm_head, rest"
)
_RANGE = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?")
_NOWHERE = -1


def read_placement(
    items_of: Mapping[str, str | Sequence[str]], blocks: BlockTable, devices: Sequence[str], where: str
) -> IntArray:
    """The device of each block, shape (blocks,).

    Args:
        items_of: items of each device, by its name: one text with commas, or a list of texts.
        blocks: of the model.
        devices: names, in order of their index.
        where: place of the items, for messages.

    Raises:
        InputError: an item is invalid, or a block has no device or two.
    """
    placement = np.full(len(blocks), _NOWHERE, dtype=np.int64)
    rest: str | None = None
    for device, texts in items_of.items():
        here = f"{where}.{device}"
        if device not in devices:
            raise InputError(where, f"the device {quoted(device)}", one_of(device, devices))
        for item in _items(texts):
            if item == "rest":
                if rest is not None:
                    raise InputError(here, f"rest, which {rest} has already", "rest on one device")
                rest = device
                continue
            rows = _rows(item, blocks, here)
            placed = rows[placement[rows] != _NOWHERE]
            if len(placed):
                other = devices[placement[placed[0]]]
                got = f"{blocks.names[placed[0]]} in {quoted(item)}, which {other} has already"
                raise InputError(here, got, "each block on one device")
            placement[rows] = devices.index(device)
    if rest is not None:
        placement[placement == _NOWHERE] = devices.index(rest)
    _complete(placement, blocks, where)
    return placement


def placement_file(path: Path, run: str | None, where: str) -> dict[str, Any]:
    """Read the items of each device from a file.

    Args:
        path: a YAML file: the items of each device, or those of each device for each of several runs.
        run: name of one of the runs; None for a file with one placement.
        where: place that names the file, for messages.

    Raises:
        InputError: the file cannot be read, or has other content.
    """
    values = read_document(path).values
    if values and all(isinstance(items, dict) for items in values.values()):
        if run is None and len(values) > 1:
            names = ", ".join(values)
            raise InputError(where, f"a file with placements of {names}", "{file: PATH, run: one of them}")
        run = next(iter(values)) if run is None else run
        if run not in values:
            raise InputError(where, f"the run {quoted(run)}", one_of(run, list(values)))
        values = values[run]
    elif run is not None:
        raise InputError(where, f"the run {quoted(run)} of a file with one placement", "the file alone")
    for device, items in values.items():
        if not (isinstance(items, str) or is_texts(items)):
            raise InputError(f"{path}: {device}", quoted(items), _ACCEPTED)
    return values


def write_placement(placement: IntArray, blocks: BlockTable, devices: Sequence[str]) -> dict[str, list[str]]:
    """The items of each device that has blocks, as `read_placement` reads them; `placement` has shape (blocks,)."""
    items_of: dict[str, list[str]] = {}
    for number, device in enumerate(devices):
        items = [*_layer_items(placement == number, blocks)]
        for name, row in (("embed", blocks.embed), ("lm_head", blocks.lm_head)):
            if row is not None and placement[row] == number:
                items.append(name)
        if items:
            items_of[device] = items
    return items_of


def last_placements(result: Result, scenario: Scenario) -> dict[str, IntArray]:
    """The device of each block at the end of each run that placed blocks, shape (blocks,)."""
    index = {name: number for number, name in enumerate(scenario.cluster.names)}
    blocks = len(scenario.block_table)
    # Each change of the placement is recorded as all rows of the new one.
    return {
        str(run): np.array([index[device] for device in rows["device"].iloc[-blocks:]], dtype=np.int64)
        for run, rows in result.placements.groupby("run", sort=False)
    }


def _items(texts: str | Sequence[str]) -> Iterator[str]:
    for text in [texts] if isinstance(texts, str) else texts:
        yield from (" ".join(item.split()) for item in text.split(","))


def _rows(item: str, blocks: BlockTable, where: str) -> IntArray:
    """Rows of the blocks that an item names."""
    first, *words = item.split() or [""]
    if first in {"embed", "lm_head"} and not words:
        row = blocks.embed if first == "embed" else blocks.lm_head
        if row is None:
            raise InputError(where, f"{first}, which is no block of this model", "a block of this model")
        return np.array([row])
    if first not in {"layer", "layers"} or not words:
        raise InputError(where, quoted(item), _ACCEPTED)
    split = next((i for i, word in enumerate(words) if not word[0].isdigit()), len(words))
    layers = _numbers(words[:split], blocks.layers, "layers", item, where)
    of_layers = (blocks.heads[layers], blocks.proj[layers, None], blocks.shards[layers])
    if split == len(words):
        return np.concatenate([rows.ravel() for rows in of_layers])
    part, numbers = words[split], words[split + 1 :]
    parts = {"head": 0, "heads": 0, "proj": 1, "ffn": 2}
    if part not in parts or (part == "proj" and numbers):
        raise InputError(where, quoted(item), _ACCEPTED)
    rows = of_layers[parts[part]]
    if numbers:
        what = "shards" if part == "ffn" else "heads"
        rows = rows[:, _numbers(numbers, rows.shape[1], what, item, where)]
    return rows.ravel()


def _numbers(words: Sequence[str], count: int, what: str, item: str, where: str) -> IntArray:
    """The numbers in ranges such as `3` and `5-8`, each below `count`."""
    numbers: list[int] = []
    for word in words:
        match = _RANGE.fullmatch(word)
        if match is None:
            raise InputError(where, f"{quoted(word)} in {quoted(item)}", "ranges such as 3 or 5-8")
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last < count:
            raise InputError(where, f"{what} {word} in {quoted(item)}", f"{what} 0-{count - 1}")
        numbers += range(first, last + 1)
    if not numbers:
        raise InputError(where, quoted(item), _ACCEPTED)
    return np.unique(numbers)


def _complete(placement: IntArray, blocks: BlockTable, where: str) -> None:
    """Place the embedding and the output head beside their neighbours; refuse other blocks without a device."""
    for row, beside in ((blocks.embed, blocks.proj[0]), (blocks.lm_head, blocks.ffn[-1])):
        if row is not None and placement[row] == _NOWHERE:
            placement[row] = placement[beside]
    missing = np.flatnonzero(placement == _NOWHERE)
    if len(missing):
        more = f" and {len(missing) - 1} more blocks" if len(missing) > 1 else ""
        raise InputError(
            where,
            f"no device for {blocks.names[missing[0]]}{more}",
            "a device for each block, such as rest on one of them",
        )


def _layer_items(mine: BoolArray, blocks: BlockTable) -> Iterator[str]:
    """The items of a device: layers with the same parts on the device form one item."""
    layers_of: dict[tuple[str, ...], list[int]] = {}
    for layer in range(blocks.layers):
        heads, shards = (np.flatnonzero(mine[rows[layer]]).tolist() for rows in (blocks.heads, blocks.shards))
        proj = bool(mine[blocks.proj[layer]])
        complete = proj and (len(heads), len(shards)) == (blocks.heads.shape[1], blocks.shards.shape[1])
        parts = [""] if complete else []
        if not complete:
            parts += [_part("heads", heads, blocks.heads.shape[1])] * bool(heads)
            parts += ["proj"] * proj
            parts += [_part("ffn", shards, blocks.shards.shape[1])] * bool(shards)
        layers_of.setdefault(tuple(parts), []).append(layer)
    for shared, layers in layers_of.items():
        for part in shared:
            yield f"layers {ranges(layers, ' ')} {part}".rstrip()


def _part(name: str, numbers: Sequence[int], count: int) -> str:
    return name if len(numbers) == count else f"{name} {ranges(numbers, ' ')}"


def ranges(numbers: Iterable[int], between: str = ",") -> str:
    """Ascending whole numbers as ranges, such as `0-2,5`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return between.join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
