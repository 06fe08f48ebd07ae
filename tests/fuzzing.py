"""Damaged files for the tests in `tests/malformed`: a damaged file is used or refused in one sentence per mistake.

A document is a tree of mappings, lists and plain values. A mutation deletes, doubles, renames, wraps or moves a part of
it, or replaces a part with an extreme value. Bytes are cut, flipped, joined and repeated.
"""

import contextlib
import copy
import json
import math
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from headway import policies
from headway.analysis.cli import app
from headway.analysis.statistics.metrics import metrics
from headway.simcore import Scenario, simulate
from headway.traces import InputError

_Made = TypeVar("_Made")

SETTINGS = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)
MOST_CELLS = 20_000
"""Largest number of blocks times devices of a world that is run."""

LONGEST_MESSAGE = 4000
MOST_SECONDS = 20.0
"""Processor time of the thread: more than any example takes, and less than a user waits."""

NUMBERS: tuple[Any, ...] = (
    math.nan, math.inf, -math.inf, -0.0, 0, -1, 1, 2, 3, 0.5, 1.0, 7, 100, 1000, 10_000, 10**6, 10**9, 10**12,
    1e308, -1e308, 1e-320, 5e-324, 1e18, 1e-18, 2**31, 2**63 - 1, 2**63, 2**64, 10**30, 10**99, -(10**30),
)  # fmt: skip
QUANTITIES = tuple(
    f"{number} {unit}".strip()
    for number in ("0", "1", "1e18", "1e-320", "1e-9", "1e308", "-1", "1e999", "0.3", "nan")
    for unit in ("", "s", "ns", "B", "GB", "bit/s", "Gbit/s", "FLOP/s", "TFLOP/s", "%", "/s")
)
TEXTS = (
    "", " ", "x", "é漢", "\u202e", "\x00", "\x1b[31m", "\ud800", "x" * 70, "x" * 5000, "=", "{}", "'", '"', "%s",
    "../../x", "/etc/passwd", "~", "a/b", "nul", "con.txt", ".", "..", "a.", "module:Class", "os:system", "\\",
    "left", "right", "pi", "hub", "air", "greedy", "resource-aware", "loop", "zero", "hold", "paper", "log.csv",
    "all", "true",
)  # fmt: skip
SHAPES: tuple[Any, ...] = (
    True, False, None, [], {}, [[]], [None], {"a": {"b": {}}}, {"": 1}, [[[[[[[[]]]]]]]],
)  # fmt: skip
BLOWS = ("number", "number", "number", "word", "cut", "drop", "flip", "insert", "repeat", "splice")
EXTREMES = (*NUMBERS, *QUANTITIES, *TEXTS, *SHAPES)


def small_world(**sections: Any) -> dict[str, Any]:
    """The document of a scenario of two devices with a link; sections may be replaced."""
    device = {"memory": "9 GB", "compute": "1 GFLOP/s", "memory_bandwidth": "unlimited"}
    return {
        "model": {"shape": {"layers": 1, "width": 64, "heads": 4}},
        "devices": {"left": device, "right": device},
        "links": {"cable": {"connect": "all", "bandwidth": "1 Mbit/s"}},
        "workload": [{"prompt": 2, "output": 2}],
        "policies": ["greedy"],
    } | sections


class Some(list[_Made]):
    """A list with a short text form: Hypothesis prints the lists from which it draws."""

    def __repr__(self) -> str:
        return f"{len(self)} things"

    def __deepcopy__(self, memo: object) -> "Some[_Made]":
        return self


def any_of(things: "Some[_Made]") -> st.SearchStrategy[_Made]:
    """One of many things."""
    return st.integers(0, len(things) - 1).map(lambda number: things[number])


def extremes() -> st.SearchStrategy[Any]:
    """An unusual value, or a plain number or text."""
    return st.sampled_from(EXTREMES) | st.integers(-5, 5000) | st.floats() | st.text(max_size=8)


def parts(tree: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The key paths of everything in a tree but its top."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, item in items:
        yield (*at, key)
        yield from parts(item, (*at, key))


def at(tree: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        tree = tree[key]
    return tree


@st.composite
def damaged(draw: st.DrawFn, trees: Some[Any], most: int = 3) -> Any:
    """One of the trees, after at most this many mutations."""
    tree = copy.deepcopy(draw(any_of(trees)))
    for _ in range(draw(st.integers(1, most))):
        paths = list(parts(tree))
        if paths:
            _mutate(draw, tree, draw(st.sampled_from(paths)), paths)
    return tree


def _mutate(draw: st.DrawFn, tree: Any, path: tuple[Any, ...], paths: list[tuple[Any, ...]]) -> None:
    above, key = at(tree, path[:-1]), path[-1]
    match draw(
        st.sampled_from(["value", "value", "value", "value", "delete", "rename", "double", "move", "wrap"])
    ):
        case "value":
            above[key] = copy.deepcopy(draw(extremes()))
        case "delete":
            del above[key]
        case "rename" if isinstance(above, dict):
            known = [part[-1] for part in paths if isinstance(part[-1], str)]
            name = draw(st.sampled_from([*known, *TEXTS]))
            above[name] = above.pop(key)
        case "double" if isinstance(above, list):
            above.extend(copy.deepcopy(above[key]) for _ in range(draw(st.sampled_from([1, 2, 50]))))
        case "double":
            above[f"{key}-2"] = copy.deepcopy(above[key])
        case "move":
            above[key] = copy.deepcopy(at(tree, draw(st.sampled_from(paths))))
        case _:
            above[key] = [above[key]] if draw(st.booleans()) else {"a": above[key]}


def yaml_of(tree: Any) -> str:
    """A tree as YAML in flow style; texts as JSON writes them, extremes as YAML does."""
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{_quoted(str(k))}: {yaml_of(v)}" for k, v in tree.items()) + "}"
    if isinstance(tree, list):
        return "[" + ", ".join(map(yaml_of, tree)) + "]"
    if isinstance(tree, str):
        return _quoted(tree)
    if isinstance(tree, float) and not math.isfinite(tree):
        return ".nan" if math.isnan(tree) else ".inf" if tree > 0 else "-.inf"
    return "null" if tree is None else str(tree).lower() if isinstance(tree, bool) else repr(tree)


def _quoted(text: str) -> str:
    return json.dumps(text)


@st.composite
def broken(draw: st.DrawFn, samples: Some[bytes], most: int = 3) -> bytes:
    """The bytes of one of the files, after at most this many changes."""
    data = draw(any_of(samples))
    for _ in range(draw(st.integers(1, most))):
        data = _struck(draw, data, samples)
    return data


def _struck(draw: st.DrawFn, data: bytes, samples: Some[bytes]) -> bytes:
    first, last = sorted(draw(st.tuples(*[st.integers(0, len(data))] * 2)))
    head, middle, tail = data[:first], data[first:last], data[last:]
    match draw(st.sampled_from(BLOWS)):
        case "number":
            pattern = rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
            data = _swapped(draw, data, pattern, [*NUMBERS, "", "9" * 400, "1e-400", "x"])
        case "word":
            data = _swapped(draw, data, rb"[A-Za-z_]+", [*TEXTS, *NUMBERS])
        case "cut":
            data = head
        case "drop":
            data = head + tail
        case "flip":
            data = head + bytes([draw(st.integers(0, 255))]) + data[first + 1 :]
        case "insert":
            new = draw(st.binary(max_size=4) | st.sampled_from([b"\n", b"\r", b",", b'"', b"\0"]))
            data = head + new + middle + tail
        case "repeat":
            data = head + middle * draw(st.sampled_from([2, 4, 40])) + tail
        case _:
            data = head + draw(any_of(samples))[last:]
    return data


def _swapped(draw: st.DrawFn, data: bytes, pattern: bytes, values: list[Any]) -> bytes:
    found = list(re.finditer(pattern, data))
    if not found:
        return data
    match = draw(st.sampled_from(found))
    value = str(draw(st.sampled_from(values))).encode("utf-8", "replace")
    return data[: match.start()] + value + data[match.end() :]


def check_lines(message: str) -> None:
    """A message has one printable line per mistake, at most ten, and then the number of the others."""
    lines = message.strip().split("\n")
    assert len(lines) <= 11, message
    assert all(line.isprintable() and 0 < len(line) < LONGEST_MESSAGE for line in lines), message


def attempt(make: Callable[[], _Made], *names: str) -> _Made | None:
    """The result of `make`, or None if it raises an `InputError` whose message names one of `names`."""
    begun = time.thread_time()
    try:
        return make()
    except InputError as error:
        message = str(error)
        check_lines(message)
        assert not names or any(name in message for name in names), message
        return None
    finally:
        assert time.thread_time() - begun < MOST_SECONDS


def examine(check: Callable[..., None], examples: int, *, at_random: bool = False) -> None:
    """Run a check on this many examples, which are the same every time unless `at_random`."""
    settings(SETTINGS, max_examples=examples, derandomize=not at_random)(check)()


def call(*arguments: object) -> Result:
    """The result of a command that is called in this process; errors that are no mistakes of the user are raised."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def command(*arguments: object) -> tuple[int, str]:
    """Exit code and standard error of a command."""
    result = call(*arguments)
    return result.exit_code, result.stderr


def refused(*arguments: object) -> str:
    """The one line on standard error with which a command refuses its input, with exit code 2."""
    code, message = command(*arguments)
    assert code == 2, message
    assert message.startswith("headway: "), message
    assert len(message.splitlines()) == 1, message
    return message


def invoke(*arguments: object, usage: bool = False) -> str:
    """The output of a command, which must succeed, or fail with exit code 2 and one line per mistake.

    Args:
        arguments: of the command.
        usage: whether it may also refuse its options.
    """
    result = call(*arguments)
    assert result.exit_code in (0, 2), result.output
    if result.exit_code == 2 and not (usage and result.stderr.startswith("Usage")):
        assert result.stderr.startswith("headway: "), result.stderr
        check_lines(result.stderr)
    return result.output


@contextlib.contextmanager
def clean(folder: Path, *but: Path) -> Iterator[None]:
    """Check that the block neither adds files to a folder nor removes any, except the files `but`."""
    before = set(folder.rglob("*"))
    yield
    assert set(folder.rglob("*")) - set(but) == before - set(but)


def try_out(scenario: Scenario | None) -> None:
    """Run a scenario for a few tokens: every run ends with tables."""
    if scenario is None or len(scenario.block_table) * len(scenario.cluster.devices) > MOST_CELLS:
        return
    requests = tuple(replace(one, output=min(one.output, 2)) for one in scenario.requests[:2])
    short = replace(scenario, requests=requests)
    for choice in scenario.policies[:2]:
        policy = attempt(partial(policies.from_choice, choice))
        if policy is not None and choice.name not in ("exact", "exact-milp"):
            metrics(simulate(short, policy, run=choice.label))
