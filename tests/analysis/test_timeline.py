"""Laws of timelines: they are what the trace-event format says, and show what happened and nothing else."""

import itertools
import json
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_explain import HEADS_AWAY, ONE_AWAY, headway, lab, world
from worlds import Scripted, Shuffled, eventful

from headway.analysis.replay.rerun import Replay, rerun, rerun_scenario
from headway.analysis.replay.timeline import trace_events
from headway.analysis.replay.trace_event_format import microseconds
from headway.analysis.replay.window import Window, levels, steps, window
from headway.simcore import Scenario, load_scenario, shipped_scenario
from headway.simcore.instrument import Compute, Message
from headway.traces import InputError, Trace, on_off

FEW = settings(max_examples=20, deadline=None)
ROUNDING = 0.0015  # [us]: the format keeps nanoseconds
REQUIRED: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    "X": {"pid": (int,), "tid": (int,), "name": (str,), "cat": (str,), "ts": (float,), "dur": (float,)},
    "C": {"pid": (int,), "tid": (int,), "name": (str,), "ts": (float,), "args": (dict,)},
    "M": {"pid": (int,), "name": (str,), "args": (dict,)},
}  # fmt: skip
"""What each kind of event must have, by "Trace Event Format" (Google, 2016)."""


def check_format(document: dict[str, Any]) -> None:
    """Events have what their kind needs, times rise, and slices of one track do not overlap."""
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["displayTimeUnit"] in {"ms", "ns"}
    events = document["traceEvents"]
    for event in events:
        for key, types in REQUIRED[event["ph"]].items():
            assert isinstance(event[key], types), (key, event)
    timed = [event for event in events if event["ph"] != "M"]
    assert [event["ts"] for event in timed] == sorted(event["ts"] for event in timed)
    assert all(math.isfinite(value) for e in events if e["ph"] == "C" for value in e["args"].values())
    for slices in by_track(events).values():
        assert all(one["dur"] >= 0.0 for one in slices)
        for before, after in itertools.pairwise(slices):
            assert nano(before["ts"]) + nano(before["dur"]) <= nano(after["ts"])


def nano(micro: float) -> int:
    """As Perfetto reads a time: a number of microseconds, times a thousand, cut off."""
    return int(micro * 1000.0)


def by_track(events: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The slices of each track, under its name; every track of a slice has one, and no two the same."""
    names = {
        (e["pid"], e["tid"]): f"{e['pid']} {e['args']['name']}" for e in events if e["name"] == "thread_name"
    }
    assert len(set(names.values())) == len(names)
    tracks = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            tracks[names[event["pid"], event["tid"]]].append(event)
    return tracks


def whole(replay: Replay) -> dict[str, Any]:
    return trace_events(replay, Window(0.0, math.inf if replay.result.tokens.empty else _end(replay)))


def _end(replay: Replay) -> float:
    return float(replay.result.runs["end_s"].iloc[0])


@given(eventful(faults=True), st.integers(0, 100))
@FEW
def test_a_timeline_is_what_the_format_says(scenario: Scenario, seed: int) -> None:
    replay = rerun(scenario, Shuffled(seed), "run")
    if not replay.result.tokens.empty:
        check_format(whole(replay))


@given(eventful(), st.integers(0, 100))
@FEW
def test_every_span_is_on_its_track_once(scenario: Scenario, seed: int) -> None:
    """On a `fifo` device computations need no second lane; their times add up to those of the spans."""
    replay = rerun(scenario, Shuffled(seed), "run")
    tracks = by_track(whole(replay)["traceEvents"])
    for i, device in enumerate(scenario.cluster.devices):
        mine = [s for s in replay.spans if isinstance(s, Compute) and s.device == i]
        shown = [
            one
            for name, slices in tracks.items()
            if name == f"2 {device.name}" or name.startswith(f"2 {device.name} (")
            for one in slices
        ]
        if device.discipline == "fifo":
            assert f"2 {device.name} (2)" not in tracks
        spent = sum(one["dur"] for one in shown if one["cat"] in {"compute", "disk"})
        assert spent == pytest.approx(sum(s.end_s - s.start_s for s in mine) * 1e6, abs=0.01 * len(shown))
        assert sum(one["cat"] == "compute" for one in shown) == len(mine)
    routes = [scenario.cluster.routes[s.sender][s.receiver] for s in replay.spans if isinstance(s, Message)]
    hops = sum(len(route.links) for route in routes if route is not None)
    assert sum(len(slices) for name, slices in tracks.items() if name.startswith("3 ")) == hops


@given(eventful(), st.integers(0, 100), st.integers(0, 3), st.integers(0, 3))
@FEW
def test_a_range_shows_what_happened_in_it(scenario: Scenario, seed: int, first: int, more: int) -> None:
    replay = rerun(scenario, Shuffled(seed), "run")
    tokens = replay.result.tokens[replay.result.tokens.request == 0]
    if first >= len(tokens):
        with pytest.raises(InputError, match="--tokens"):
            window(replay, 0, first, first + more)
        return
    seen = window(replay, 0, first, first + more)
    events = trace_events(replay, seen)["traceEvents"]
    slices = [event for event in events if event["ph"] == "X"]
    assert all(
        one["ts"] <= seen.end_s * 1e6 + ROUNDING and one["ts"] + one["dur"] >= seen.start_s * 1e6 - ROUNDING
        for one in slices
    )
    names = {one["name"] for one in slices if one["cat"] == "token"}
    assert {f"token {t}" for t in tokens.token if first <= t <= first + more} <= names
    lasting = tokens[tokens.latency_s > 0.0].token
    assert not names & {f"token {t}" for t in lasting if not first <= t <= first + more}


def test_tracks_have_names_and_slices_those_of_blocks() -> None:
    replay = rerun(world(), Scripted(HEADS_AWAY, ONE_AWAY), "run")
    events = whole(replay)["traceEvents"]
    tracks = by_track(events)
    assert {"1 tokens", "1 decisions", "1 migrations", "1 pauses", "2 b1", "2 b2", "2 desk"} <= set(tracks)
    assert {"3 to-b1: desk → b1", "3 to-b2: desk → b2"} <= set(tracks)
    assert {"L0.head0", "L1.head0", "L0.head0-1"} <= {one["name"] for one in tracks["2 b1"]}
    assert {"L0.head1", "L1.head1"} == {one["name"] for one in tracks["2 b2"]}
    assert "output of L0.proj" not in {one["name"] for one in tracks["3 to-b1: desk → b1"]}
    assert {one["name"] for one in tracks["1 migrations"]} == {"L0.head1", "L1.head1"}
    assert {one["name"] for one in tracks["1 decisions"]} == {"adopted", "kept"}
    counters = {event["name"] for event in events if event["ph"] == "C"}
    assert {"memory of desk [MB]", "wifi offers [Mbit/s]", "to-b1: desk → b1 carries [Mbit/s]"} <= counters


def test_no_track_has_the_number_of_its_group() -> None:
    events = whole(rerun(world(), Scripted(ONE_AWAY), "run"))["traceEvents"]
    tracks = {event["tid"] for event in events if event["ph"] == "X"}
    assert not tracks & {event["pid"] for event in events}


def test_what_a_link_offers_is_drawn_to_the_end() -> None:
    replay = rerun(world(), Scripted(ONE_AWAY), "run")
    seen = window(replay, 0, 1, 2)
    offers = [e for e in trace_events(replay, seen)["traceEvents"] if e["name"] == "wifi offers [Mbit/s]"]
    assert [offers[0]["ts"], offers[-1]["ts"]] == pytest.approx([seen.start_s * 1e6, seen.end_s * 1e6])
    assert offers[-1]["args"] == offers[-2]["args"]


def test_messages_that_share_a_link_lie_in_lanes() -> None:
    """A live migration goes the way of the tokens."""
    scenario = world(migration="live")
    replay = rerun(scenario, Scripted(ONE_AWAY, HEADS_AWAY), "run")
    document = whole(replay)
    check_format(document)
    assert any(name.endswith("(2)") for name in by_track(document["traceEvents"]) if name.startswith("3 "))


def test_what_links_carry_sums_up_to_what_was_sent() -> None:
    replay = rerun(world(), Scripted(HEADS_AWAY), "run")
    rates: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for event in whole(replay)["traceEvents"]:
        if event["ph"] == "C" and "carries" in event["name"]:
            rates[event["name"]].append((event["ts"], event["args"]["rate"]))
    links = replay.result.links
    for row in links.to_dict("records"):
        points = rates[f"{row['link']}: {row['from_device']} → {row['to_device']} carries [Mbit/s]"]
        assert points[-1][1] == 0.0
        sent = sum((b[0] - a[0]) * a[1] for a, b in itertools.pairwise(points)) / 8.0
        assert sent == pytest.approx(row["size_bytes"], rel=1e-6)


def test_outages_are_slices() -> None:
    scenario = world(interval=10)
    devices = scenario.cluster.devices
    spare = replace(devices[2], up=on_off([(1.0, 2.0)]))
    gone = replace(scenario, cluster=replace(scenario.cluster, devices=(*devices[:2], spare)))
    tracks = by_track(whole(rerun(gone, Scripted(ONE_AWAY), "run"))["traceEvents"])
    assert [(one["ts"], one["dur"]) for one in tracks["2 b2 (down)"]] == [(1e6, 1e6)]


def test_the_outage_of_a_device_in_use_tells_what_was_lost() -> None:
    replay = rerun_scenario(load_scenario(shipped_scenario("phone-leaves")), "static")
    seen = window(replay, 0, 120, 130)
    document = trace_events(replay, seen)
    check_format(document)
    (outage,) = by_track(document["traceEvents"])["2 phone (down)"]
    (fault,) = replay.result.faults.to_dict("records")
    assert (outage["ts"], outage["dur"]) == (10e6, 120e6)
    assert outage["args"] == {"blocks lost": fault["lost_blocks"], "cache lost": fault["lost_cache"]}


@given(st.integers(0, 10**15))
def test_no_nanosecond_is_lost_on_the_way_to_a_viewer(time_ns: int) -> None:
    """However it is read: cut off after a multiplication, or digit by digit."""
    shown = json.loads(json.dumps(microseconds(time_ns)))
    assert nano(shown) == time_ns
    assert int(Decimal(repr(shown)) * 1000) == time_ns


def test_steps_join_what_is_equal() -> None:
    trace = Trace([0.0, 1.0, 2.0, 3.0], [5.0, 5.0, 7.0, 7.0])
    assert list(steps(trace, Window(0.5, 9.0))) == [(0.5, 2.0, 5.0), (2.0, 9.0, 7.0)]
    assert list(steps(Trace.constant(3.0), Window(0.0, 1.0))) == [(0.0, 1.0, 3.0)]


def test_a_trace_that_changes_too_often_is_shown_by_its_means() -> None:
    """The mean of the means is the mean."""
    trace = Trace([0.0, 0.25], [0.0, 8.0], end="loop", duration=1.0)
    shown = levels(trace, Window(0.0, 5000.0))
    assert len(shown) == 1000
    assert sum(value for _, value in shown) / 1000 == pytest.approx(6.0)
    assert levels(trace, Window(0.0, 2.0)) == [(0.0, 0.0), (0.25, 8.0), (1.0, 0.0), (1.25, 8.0)]


def test_the_command_writes_a_small_file(tmp_path: Path) -> None:
    folder = lab(tmp_path)
    done = headway(tmp_path, "timeline", folder, "--policy", "in-turn", "--tokens", "1-2", "-o", "t.json")
    assert (done.exit_code, done.stderr) == (0, "")
    text = (tmp_path / "t.json").read_text(encoding="utf-8")
    assert " → " in text
    document = json.loads(text)
    check_format(document)
    assert document["otherData"] == {"scenario": "lab", "run": "in-turn"}
    slices = sum(event["ph"] == "X" for event in document["traceEvents"])
    assert f"t.json ({slices:,} slices)" in done.stdout
    tokens = [e["name"] for e in document["traceEvents"] if e["ph"] == "X" and e["cat"] == "token"]
    assert tokens[1:-1] or tokens
    assert headway(tmp_path, "timeline", folder).exit_code == 0
    assert (tmp_path / "timeline.json").exists()
