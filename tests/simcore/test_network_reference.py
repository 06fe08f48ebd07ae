"""Completion times of flows under max-min fair sharing, computed by others: every one of them must come out."""

import json
import math
import os
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from flowcases import Case, MakeNetwork, compiled, fair, read_case, simulated, solved
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from headway.simcore.engine.network import fluid, maxmin_incremental
from headway.simcore.engine.network.flow import Flow, State

OURS = Path(__file__).parents[1] / "flows"
THEIRS = Path(os.environ.get("HEADWAY_REFERENCE_FLOWS") or OURS)


NETWORKS: dict[str, MakeNetwork] = {"events": fair, "compiled": compiled}
"""Every network with max-min fair sharing."""

every_network = pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)


@every_network
@pytest.mark.parametrize(
    "path", sorted({*OURS.glob("*.json"), *THEIRS.glob("*.json")}), ids=lambda path: path.stem
)
def test_every_flow_ends_when_the_reference_says(path: Path, make: MakeNetwork) -> None:
    case = read_case(path)
    expected = [flow["finish_s"] for flow in case["flows"]]
    np.testing.assert_allclose(simulated(case, make), expected, rtol=1e-6)


def test_the_folder_of_references_holds_some() -> None:
    assert any(THEIRS.glob("*.json"))


@every_network
@pytest.mark.parametrize("path", sorted(OURS.glob("*.json")), ids=lambda path: path.stem)
def test_our_cases_hold_what_the_slow_solver_finds_in_them(path: Path, make: MakeNetwork) -> None:
    case = read_case(path)
    np.testing.assert_allclose(solved(case), [flow["finish_s"] for flow in case["flows"]], rtol=1e-12)
    np.testing.assert_allclose(simulated(case, make), solved(case), rtol=1e-12)


@every_network
@pytest.mark.parametrize("seed", range(100, 120))
def test_random_cases_agree_with_exact_fractions(seed: int, make: MakeNetwork) -> None:
    case = drawn(seed)
    np.testing.assert_allclose(simulated(case, make), solved(case), rtol=1e-12)


@st.composite
def crowds(draw: st.DrawFn, least: int = 1, most_links: int = 10) -> Case:
    """Up to forty flows that come at a few moments, over up to ten links that change, go down and come back."""
    moments = st.sampled_from([0.0, 0.5, 1.0, 1.25])
    rates = st.sampled_from([0.0, 1.0, 3.0, 10.0])
    links = {}
    for i in range(draw(st.integers(1, most_links))):
        changes = draw(st.lists(st.tuples(st.sampled_from([0.5, 1.0, 1.5, 2.0, 3.0]), rates), max_size=3))
        profile = [[time, rate] for time, rate in sorted(dict(changes).items())]
        links[f"l{i}"] = {
            "bandwidth_Bps": draw(st.sampled_from([1.0, 3.0, 10.0])),
            "latency_s": 0.0,
            "profile": [*profile, [4.0, 5.0]],
        }
    path = st.lists(st.sampled_from(sorted(links)), min_size=1, max_size=4, unique=True)
    paths = draw(st.lists(path, min_size=least, max_size=40))
    flows = [
        {
            "src": i,
            "dst": i + 1,
            "start_s": draw(moments),
            "bytes": draw(st.sampled_from([0.5, 1.0, 2.0, 7.0])),
        }
        for i in range(len(paths))
    ]
    return {"links": links, "routes": {f"{i}-{i + 1}": way for i, way in enumerate(paths)}, "flows": flows}


def ends(
    case: Case, whole: Callable[[], bool], local_flows: float = maxmin_incremental.LOCAL_FLOWS
) -> list[float]:
    """Ends of the flows [s] if `whole` says at each change whether the rates of all flows are computed again."""

    def refill(
        states: Sequence[State], changed: Iterable[Flow], now: float, **_: object
    ) -> maxmin_incremental.Rates:
        return maxmin_incremental.refill(states, changed, now, complete=whole())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fluid, "refill", refill)
        patch.setattr(maxmin_incremental, "LOCAL_FLOWS", local_flows)
        return simulated(case)


@given(crowds(), st.integers(2, 3))
@settings(max_examples=60)
def test_local_updates_of_rates_equal_updates_of_all_flows(case: Case, every: int) -> None:
    """The network as it is, with local updates alone, and with a local update at every second or third change."""
    number = count()
    expected = ends(case, lambda: True)
    np.testing.assert_allclose(simulated(case), expected, rtol=1e-9)
    np.testing.assert_allclose(ends(case, lambda: False, math.inf), expected, rtol=1e-9)
    np.testing.assert_allclose(ends(case, lambda: next(number) % every > 0), expected, rtol=1e-9)


@every_network
@given(case=crowds(), data=st.data())
@settings(max_examples=100)
def test_flows_that_are_cancelled_leave_their_shares_as_exact_fractions_say(
    case: Case, data: st.DataObject, make: MakeNetwork
) -> None:
    """Where they share and where they are alone, when they begin, and when they have ended."""
    cancelled = st.lists(st.integers(0, len(case["flows"]) - 1), min_size=1, max_size=8, unique=True)
    for i in data.draw(cancelled):
        flow = case["flows"][i]
        flow["cancel_s"] = flow["start_s"] + data.draw(st.sampled_from([0.0, 0.013, 0.29, 1.1, 2.3, 20.7]))
    ends = solved(case)
    for flow, end_s in zip(case["flows"], ends, strict=True):
        # Which of a cancellation and an end at one moment comes first is left open.
        assume(not abs(flow.get("cancel_s", math.inf) - end_s) < 1e-9)
    np.testing.assert_allclose(simulated(case, make), ends, rtol=1e-9)


@given(case=crowds(least=24, most_links=6))
@settings(max_examples=40)
def test_kernels_fill_all_rates_at_once_as_exact_fractions_say(case: Case) -> None:
    """So many routes share so few links that kernels no longer search for those that a change affects."""
    np.testing.assert_allclose(simulated(case, compiled), solved(case), rtol=1e-9)


def drawn(seed: int) -> Case:
    """Hosts in a row, with links that vary and go down, and flows between any two of them."""
    random = np.random.default_rng(seed)
    hosts = int(random.integers(3, 6))
    links = {}
    for i in range(hosts - 1):
        whole = float(random.integers(10, 100)) * 1e4
        times = np.cumsum(random.integers(50, 400, 6)) / 1e3
        shares = [*random.choice([0.0, 0.1, 0.5, 1.0, 2.0], 5), 1.0]
        profile = [[float(t), float(share) * whole] for t, share in zip(times, shares, strict=True)]
        links[f"l{i}"] = {
            "bandwidth_Bps": whole,
            "latency_s": float(random.integers(0, 10)) / 1e3,
            "profile": profile if random.random() < 0.6 else None,
        }
    routes = {f"{a}-{b}": [f"l{i}" for i in range(a, b)] for b in range(hosts) for a in range(b)}
    flows = []
    for _ in range(int(random.integers(4, 14))):
        source, sink = (int(host) for host in random.choice(hosts, 2, replace=False))
        flows.append(
            {
                "src": source,
                "dst": sink,
                "start_s": float(random.integers(0, 8)) / 4.0,
                "bytes": float(random.integers(1, 500)) * 1e3,
            }
        )
    return {"links": links, "routes": routes, "flows": flows}


def write_ours() -> None:
    """Make the shipped cases; `python tests/simcore/test_network_reference.py` does."""
    OURS.mkdir(exist_ok=True)
    for seed in range(6):
        case = drawn(seed)
        for flow, finish_s in zip(case["flows"], solved(case), strict=True):
            flow["finish_s"] = finish_s
        (OURS / f"row_{seed}.json").write_text(json.dumps(case, indent=1) + "\n")


if __name__ == "__main__":
    write_ours()
