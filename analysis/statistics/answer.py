"""The answer of `headway run`: the best policy, and its lead over the next."""

from collections.abc import Container, Mapping

from headway.analysis.formatting import listed, number
from headway.analysis.statistics import SMALLEST
from headway.analysis.statistics.metrics import metrics
from headway.simcore.results import Result
from headway.simcore.scenario import Scenario

_ROUNDING = 1e-9
_TIMES_FROM = 2.0
"""A rate is so many times another from this ratio on; below, it is so many percent more."""


def rates(result: Result) -> dict[str, float]:
    """The tokens per second of each complete run, the best first; equal runs in the order of `result.runs`."""
    table = metrics(result)
    done = table[(table["status"] == "complete") & table["tokens_per_s"].notna()]
    ordered = done.sort_values("tokens_per_s", ascending=False, kind="stable")
    return dict(zip(map(str, ordered["run"]), map(float, ordered["tokens_per_s"]), strict=True))


def answer(result: Result, scenario: Scenario) -> str:
    """One sentence: the best policy by tokens per second, and by how much it is better than the next.

    Policies whose rates are less than 1 % (`SMALLEST`) below the best are equally good. If one of them keeps all blocks
    on one device of several, the sentence says that one device is enough. Each policy has one run, so there is no
    confidence interval, and the sentence is about these runs only.

    Args:
        result: of the runs, one per policy.
        scenario: their world.
    """
    rate = rates(result)
    if not rate:
        return "No policy completed its requests in this run."
    best = next(iter(rate))
    equal = [run for run, value in rate.items() if rate[best] / value - 1.0 < SMALLEST]
    if len(rate) == 1:
        others = "; no other policy completed its requests" if len(result.runs) > 1 else ""
        return f"{best} generates {number(rate[best])} tokens/s in this run{others}."
    one = _single_devices(result) if len(scenario.cluster.devices) > 1 else {}
    alone = next((run for run in equal if run in one), None)
    if alone is None:
        verb = "is the best policy" if len(equal) == 1 else "are equally good"
        lead = _lead(rate, best, equal)
        return f"{listed(equal)} {verb} in this run, with {number(rate[best])} tokens/s{lead}."
    lead = _lead(rate, alone, one)
    several = f"{lead} on several devices" if lead else "; no complete run used several devices"
    return (
        f"One device is enough in this run: with the whole model on {one[alone]}, {alone} generates "
        f"{number(rate[alone])} tokens/s{several}."
    )


def _lead(rate: Mapping[str, float], run: str, equal: Container[str]) -> str:
    """The rate of a run in relation to the best that is not in `equal`, such as ", 12.0 % more than static"."""
    following = next((other for other in rate if other not in equal), None)
    if following is None:
        return ""
    ratio = rate[run] / rate[following]
    if abs(ratio - 1.0) < _ROUNDING:
        return f", as many as {following}"
    if ratio >= _TIMES_FROM:
        return f", {number(ratio)} times as many as {following}"
    return f", {number(100.0 * abs(ratio - 1.0))} % {'more' if ratio > 1.0 else 'fewer'} than {following}"


def _single_devices(result: Result) -> dict[str, str]:
    """The device of each run that has all blocks on one device from beginning to end."""
    names = result.placements.groupby("run")["device"].unique()
    return {str(run): str(devices[0]) for run, devices in names.items() if len(devices) == 1}
