"""How fast Headway is: python -m benchmarks [--quick] [--only a,b] --json FILE.

Writes one JSON object with an entry for each benchmark, named by a letter. docs/performance.md explains them and shows
the figures that `python -m benchmarks.page` draws.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks.campaign import campaign
from benchmarks.decisions import decisions
from benchmarks.flows import flows
from benchmarks.graphs import graphs_in_flight
from benchmarks.measure import (
    FULL,
    QUICK,
    Effort,
    Figures,
    bare_simpy_events_per_s,
    clock,
    machine,
    median_of,
)
from benchmarks.memory import memory
from benchmarks.runs import large, llama_wifi, paper_replanned, paper_static
from benchmarks.startup import startup
from benchmarks.trace_queries import trace_queries
from headway.traces import InputError
from headway.traces.errors import quoted

BENCHMARKS: Mapping[str, Callable[[Effort], Figures]] = {
    "a": paper_replanned,
    "b": paper_static,
    "c": llama_wifi,
    "d": large,
    "e": graphs_in_flight,
    "f": flows,
    "g": trace_queries,
    "h": decisions,
    "i": startup,
    "j": memory,
    "k": campaign,
}
"""Every benchmark by its letter."""


def measured(effort: Effort, letters: Sequence[str]) -> Figures:
    """The figures of some benchmarks, with the machine and the speed of SimPy alone.

    `bare_beside` is this speed just before and after each benchmark, because machines change theirs.
    """
    events = effort.choose(1_000_000, 1_000_000, 1_000)
    beside: dict[str, float] = {}
    figures: Figures = {
        "quick": effort is not FULL,
        "machine": machine(),
        "repeats": effort.repeats,
        "bare_simpy_events_per_s": median_of(effort.repeats, lambda: bare_simpy_events_per_s(events)),
        "bare_beside": beside,
    }
    for letter in letters:
        before = bare_simpy_events_per_s(events // 4)
        seconds, figures[letter] = clock(partial(BENCHMARKS[letter], effort))
        beside[letter] = (before + bare_simpy_events_per_s(events // 4)) / 2
        print(f"{letter}: {seconds:.1f} s", file=sys.stderr)
    return figures


def main(arguments: Sequence[str] | None = None, effort: Effort | None = None) -> None:
    """Run the benchmarks, and write the JSON file. Tests give a smaller effort."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure how fast Headway is.")
    parser.add_argument(
        "--quick", action="store_true", help="smaller sizes and fewer repetitions: under 50 s"
    )
    parser.add_argument("--only", metavar="LETTERS", help="some of the benchmarks, such as a,b,f")
    parser.add_argument("--json", metavar="FILE", type=Path, required=True, help="the file to write")
    options = parser.parse_args(arguments)
    try:
        letters = _letters(options.only)
        if not options.json.parent.is_dir():
            raise InputError("--json", quoted(str(options.json)), "a file in a folder that exists")
        figures = measured(effort or (QUICK if options.quick else FULL), letters)
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    except (InputError, OSError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        sys.exit(2)


def _letters(text: str | None) -> list[str]:
    """The letters of a list such as "a,b"; all of them for None."""
    letters = list(BENCHMARKS) if text is None else text.split(",")
    for letter in letters:
        if letter not in BENCHMARKS:
            raise InputError("--only", quoted(letter), f"letters from {', '.join(BENCHMARKS)}")
    return sorted(set(letters))


if __name__ == "__main__":
    main()
