"""The design of a campaign: a scenario, axes that vary it, policies, and seeds."""

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headway.simcore.files.bounds import MOST_SEEDS
from headway.simcore.files.overrides.changes import Change, Scale, Set, parse_change
from headway.simcore.files.schema import NAME
from headway.simcore.results import TABLES
from headway.simcore.scenario import PolicyChoice
from headway.traces.errors import InputError, one_of, quoted
from headway.traces.files import is_number

MOST_RUNS = 1_000_000
"""Maximum number of runs of a campaign."""

KEEP = ("runs", "tokens")
"""The tables that are kept of every run by default."""

CASE = ("number", "run", "scenario", "changes", "policy", "seed")
"""Columns of the table of cases, in addition to the axes."""


@dataclass(frozen=True)
class Axis:
    """One variable of a campaign.

    Attributes:
        levels: the changes at each level, by label. Labels are all numbers or all text.
    """

    levels: Mapping[float | str, tuple[Change, ...]]


@dataclass(frozen=True)
class Point:
    """One combination of levels.

    Attributes:
        labels: of the levels, by axis.
        changes: to the scenario at this point.
    """

    labels: Mapping[str, float | str]
    changes: tuple[Change, ...]


def values(path: str | Sequence[str], levels: Sequence[Any], place: str = "axis") -> Axis:
    """An axis that sets a key, or several keys, to each of some values."""
    numbers = all(map(is_number, levels))
    labels = [float(value) if numbers else Set("", value).text.removeprefix("=") for value in levels]
    return _axis(labels, [[Set(key, value, place) for key in _paths(path)] for value in levels], place)


def factors(path: str | Sequence[str], levels: Sequence[float], place: str = "axis") -> Axis:
    """An axis that multiplies the value of a key, or of several keys, by each of some factors."""
    changes = [[Scale(key, float(factor), place) for key in _paths(path)] for factor in levels]
    return _axis([float(factor) for factor in levels], changes, place)


def variants(levels: Mapping[str, Sequence[Change | str]], place: str = "axis") -> Axis:
    """An axis of named variants; each is a list of changes, which may be empty."""
    changes = [
        [parse_change(change, f"{place}: {change}") if isinstance(change, str) else change for change in each]
        for each in levels.values()
    ]
    return _axis(list(levels), changes, place)


def _axis(labels: Sequence[float | str], changes: Sequence[Sequence[Change]], place: str) -> Axis:
    if not labels or len(set(labels)) < len(labels):
        raise InputError(
            place, f"the levels {quoted(list(labels))}", "at least one level, and no level twice"
        )
    return Axis({label: tuple(each) for label, each in zip(labels, changes, strict=True)})


def _paths(path: str | Sequence[str]) -> Sequence[str]:
    return (path,) if isinstance(path, str) else path


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """Runs of variants of one scenario.

    Attributes:
        name: of its files in a store; letters, digits and `._-`.
        scenario: path of the scenario file.
        seeds: one world per seed at every point.
        changes: to the scenario, made before those of the axes.
        product: axes by name; every level is combined with every level of the other axes.
        zipped: axes by name that advance together; their rows of levels are one more factor of the product.
        policies: with parameters; the policies of the scenario if empty.
        keep: the tables to keep of every run; `runs` is always kept.
        text: of the campaign file; empty if the campaign was made in Python.

    Raises:
        InputError: the arguments do not make a valid campaign.
    """

    name: str
    scenario: Path
    seeds: tuple[int, ...]
    changes: tuple[Change, ...] = ()
    product: Mapping[str, Axis] = field(default_factory=dict)
    zipped: Mapping[str, Axis] = field(default_factory=dict)
    policies: tuple[PolicyChoice, ...] = ()
    keep: tuple[str, ...] = KEEP
    text: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(NAME, self.name):
            raise InputError(
                "name",
                quoted(self.name),
                "a name of letters, digits and ._- that begins with a letter or a digit",
            )
        labels = [choice.label for choice in self.policies]
        if len(set(labels)) < len(labels):
            raise InputError("policies", f"the labels {quoted(labels)}", "distinct labels")
        self._check_axes()
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise InputError("seeds", quoted(list(self.seeds)), "at least one seed, and no seed twice")
        if not all(0 <= seed < MOST_SEEDS for seed in self.seeds):
            raise InputError("seeds", quoted(list(self.seeds)), f"whole numbers from 0 to {MOST_SEEDS - 1}")
        for table in self.keep:
            if table not in TABLES:
                raise InputError("keep", quoted(table), one_of(table, TABLES))
        check_size(self.points * len(self.seeds) * max(1, len(self.policies)))

    def _check_axes(self) -> None:
        for name in self.axes:
            if name in CASE or not name.strip() or not name.isprintable():
                expected = f"printable text other than {', '.join(CASE)}"
                raise InputError("axes", f"the axis {quoted(name)}", expected)
        if twice := sorted(self.product.keys() & self.zipped.keys()):
            raise InputError("axes", f"the axis {quoted(twice[0])} twice", "axes with distinct names")
        sizes = {name: len(axis.levels) for name, axis in self.zipped.items()}
        if len(set(sizes.values())) > 1:
            counts = ", ".join(f"{size} in {name}" for name, size in sizes.items())
            raise InputError(
                "axes: zip",
                f"different numbers of levels: {counts}",
                "the same number of levels on each axis",
            )

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of all axes."""
        return (*self.product, *self.zipped)

    @property
    def points(self) -> int:
        """The number of combinations of levels."""
        zipped = [len(axis.levels) for axis in self.zipped.values()]
        return math.prod([*(len(axis.levels) for axis in self.product.values()), *zipped[:1]])

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables to keep, in the order of `TABLES`."""
        return tuple(name for name in TABLES if name == "runs" or name in self.keep)

    def at(self) -> Iterator[Point]:
        """Every combination of levels; the last axis varies fastest."""
        factors_: list[list[tuple[tuple[str, float | str, tuple[Change, ...]], ...]]] = [
            [((name, label, changes),) for label, changes in axis.levels.items()]
            for name, axis in self.product.items()
        ]
        if self.zipped:
            rows = zip(*(axis.levels.items() for axis in self.zipped.values()), strict=True)
            factors_.append(
                [tuple((name, *level) for name, level in zip(self.zipped, row, strict=True)) for row in rows]
            )
        for chosen in itertools.product(*factors_):
            levels = [level for group in chosen for level in group]
            changes = itertools.chain(self.changes, *(each for _, _, each in levels))
            yield Point({name: label for name, label, _ in levels}, tuple(changes))


def check_size(runs: int) -> None:
    """Refuse a campaign that is too large.

    Raises:
        InputError: it has more than `MOST_RUNS` runs.
    """
    if runs > MOST_RUNS:
        raise InputError("campaign", f"{runs:,} runs", f"at most {MOST_RUNS:,}")
