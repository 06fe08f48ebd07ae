"""Draw docs/performance.md from docs/performance.json: python -m benchmarks.page."""

import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import Figures

_DOCS = Path(__file__).parents[1] / "docs"
FIGURES, PAGE = _DOCS / "performance.json", _DOCS / "performance.md"

_INTRO = """\
# Performance

<!-- Drawn by `python -m benchmarks.page` from docs/performance.json. Do not edit: change that module, run it again. -->

This page shows how fast Headway is, and how to measure it on your machine:

```text
python -m benchmarks --json docs/performance.json    # all benchmarks; --quick takes less than a minute
python -m benchmarks.page                            # draws this page
```

`--only a,f` runs some of the benchmarks. The JSON file has one object for each letter below, and more figures
than this page. {size} The first run of each case is not timed: it loads the compiled kernels, or compiles them
(`compile_s`).

The figures of this page are of {machine}. On that machine, one SimPy process makes {bare} events per second when it
only waits (`yield env.timeout(1)`). Other machines are faster or slower by about the same factor in all benchmarks, so
divide your figures by that speed before you compare them with these.
"""

_RUNS = """
## Tokens per second

(a) is the medium setting of the paper: one layer of 32 heads, 25 devices, a decision of `resource-aware` at every
token.
(b) is the same with the policy `static`. (c) is Llama-2-7B with 32 layers on 8 devices in one Wi-Fi cell, where all
messages share the medium; traces change every second, and `resource-aware` decides every 16 tokens. (d) is a model of
80
layers and 64 heads on 100 devices, with a fixed placement (`pinned`). Speeds are simulated tokens per second of wall
time under the faster executor. "Events" is how many events bare SimPy makes in the time of one token.

"""

_GRAPHS = """
## Graphs in flight

(e) runs step graphs without a scenario around them. In `shared`, 64 graphs start together and use the same 8 devices
and
all links between them. In `pipeline`, 8 graphs at a time follow each other through 8 devices, each of which has 4 of 32
layers. An event is the end of a task or of a message. The last column compares the events per second with bare SimPy.

"""

_FLOWS = """
## Flows per second

(f) sends messages between random hosts of a star of 20 hosts without latency; a SimPy process waits for each message.
At most the given number of messages is in flight. The table compares Headway with the simplest max-min fair network on
SimPy, which recomputes all rates by progressive filling whenever a flow starts or ends. The last messages arrive at the
same time under both, to 1e-9.

"""

_TOPOLOGIES = """
The next table has flows per second on a star, a mesh and a tree of 64 hosts; in the tree each switch has 4 children.
The supply of messages is unlimited, so the given number is always in flight.

"""

_QUERIES = """
## Traces

(g) queries a trace of 3,600 values that repeats (million queries per second).

"""

_DECISIONS = """
## Decisions

(h) is the median time of a decision [ms] of each policy. The columns are worlds, with their numbers of blocks and
devices. A dash means that the policy finds no placement, or takes too long.

"""

_STARTUP = """
## Start-up

(i) is the wall time of whole commands [s], each in a new process with an empty cache of compiled kernels, as at the
first call on a machine.

"""


def page(figures: Figures) -> str:
    """The page with these figures; the parts of benchmarks that were left out are missing."""
    bare = figures["bare_simpy_events_per_s"]
    repeats = figures["repeats"]
    intro = _INTRO.format(
        size=f"These are the sizes of `--quick`; figures are medians of {repeats} measurements, or of one if it needs "
        "new processes."
        if figures["quick"]
        else f"All figures are medians of {repeats} measurements.",
        machine=figures["machine"],
        bare=_number(bare),
    )
    parts = [intro]
    runs = {letter: figures[letter] for letter in "abcd" if letter in figures}
    if runs:
        parts += [_RUNS, _run_rows(runs, bare)]
    if "e" in figures:
        parts += [_GRAPHS, _graph_rows(figures["e"], bare)]
    if "f" in figures:
        parts += [_FLOWS, _flow_rows(figures["f"]), _TOPOLOGIES, _topology_rows(figures["f"])]
    if "g" in figures:
        parts += [_QUERIES, _query_rows(figures["g"])]
    if "h" in figures:
        parts += [_DECISIONS, _decision_rows(figures["h"])]
    if "i" in figures:
        rows = [(name, f"{one['seconds']:.2f}") for name, one in figures["i"].items()]
        parts += [_STARTUP, _table(("command", "time [s]"), rows)]
    parts += [_memory(figures["j"])] if "j" in figures else []
    parts += [_campaign(figures["k"])] if "k" in figures else []
    return "\n\n".join(_wrapped(part) for text in parts for part in text.strip("\n").split("\n\n")) + "\n"


def _wrapped(paragraph: str) -> str:
    """A paragraph of prose in lines of the width of these pages; tables and code stay as they are."""
    return paragraph if paragraph.startswith(("#", "|", "`" * 3, "<!--")) else textwrap.fill(paragraph, 120)


def _run_rows(runs: Mapping[str, Figures], bare: float) -> str:
    head = (
        "",
        "devices",
        "blocks",
        "tokens",
        "tokens/s",
        "events",
        "share of the policy",
        "tokens/s by executor",
    )
    rows = []
    for letter, one in runs.items():
        executors = ", ".join(
            f"{name} {_number(one[name]['tokens_per_s'])}" for name in ("events", "compiled") if name in one
        )
        counts = (f"{one[name]:,}" for name in ("devices", "blocks", "tokens"))
        speed = one["tokens_per_s"]
        rows.append(
            (
                f"({letter})",
                *counts,
                _number(speed),
                _number(bare / speed),
                f"{one['policy_share']:.0%}",
                executors,
            )
        )
    return _table(head, rows)


def _graph_rows(graphs: Figures, bare: float) -> str:
    rows = [
        (
            name,
            executor,
            _number(one[executor]["events_per_s"]),
            f"{one[executor]['events_per_s'] / bare:.0%}",
        )
        for name, one in graphs.items()
        for executor in ("events", "compiled")
        if executor in one
    ]
    return _table(("", "executor", "events/s", "of bare SimPy"), rows)


def _flow_rows(flows: Figures) -> str:
    rows = []
    for in_flight in ("10", "100", "1000"):
        one = flows[in_flight]
        ours, simplest = one["flows_per_s"], one["simplest_flows_per_s"]
        compiled = _number(one["compiled_flows_per_s"]) if "compiled_flows_per_s" in one else "–"
        rows.append((in_flight, _number(ours), _number(simplest), f"{ours / simplest:.2g}", compiled))
    return _table(("in flight", "Headway on SimPy", "simplest", "ratio", "compiled executor"), rows)


def _topology_rows(flows: Figures) -> str:
    names = "star", "mesh", "tree"
    rows = [
        (in_flight, *(_number(flows[name][in_flight]["flows_per_s"]) for name in names))
        for in_flight in flows["star"]
    ]
    return _table(("in flight", *names), rows)


def _query_rows(queries: Figures) -> str:
    names = "value", "integral", "reach"
    rows = [
        (form, *(f"{queries[form][f'{name}_per_s'] / 1e6:.2g}" for name in names))
        for form in ("scalar", "array")
    ]
    return _table(("", *names), rows)


def _decision_rows(worlds: Mapping[str, Figures]) -> str:
    head = [f"{name} ({one['blocks']:,} × {one['devices']})" for name, one in worlds.items()]
    policies = [name for name, one in next(iter(worlds.values())).items() if isinstance(one, dict)]
    rows = [
        (
            policy,
            *(f"{one[policy]['decision_s'] * 1e3:.3g}" if one[policy] else "–" for one in worlds.values()),
        )
        for policy in policies
    ]
    return _table(("policy", *head), rows)


def _memory(memory: Figures) -> str:
    peaks = ", ".join(
        f"{peak / 1e6:.0f} MB with {int(tokens):,} tokens" for tokens, peak in memory["peak_bytes"].items()
    )
    growth = memory["bytes_per_million_tokens"] / 1e6
    return (
        f"\n## Memory\n\n(j) is the peak memory of `headway run` for a small world: {peaks}. A million more tokens "
        f"take {growth:,.0f} MB.\n"
    )


def _campaign(campaign: Figures) -> str:
    return (
        f"\n## Campaigns\n\n(k) makes {campaign['runs']:,} runs of the shipped campaign `weaker-wifi` with "
        f"{campaign['workers']} workers in {campaign['seconds']:.0f} s, start-up included: "
        f"{campaign['runs_per_s']:.1f} runs per second. The process that distributes them needs "
        f"{campaign['runner_peak_bytes'] / 1e6:.0f} MB.\n"
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _number(value: Any) -> str:
    """A number with three significant digits."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:g}"


def main() -> None:
    """Draw the page."""
    PAGE.write_text(page(json.loads(FIGURES.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
