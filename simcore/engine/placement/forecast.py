"""Forecasts: the periods after an observation, as far as the scenario lets policies know them."""

import math
from itertools import pairwise

import numpy as np

from headway.simcore.arrays import FloatArray, sealed
from headway.simcore.engine.network.network import shared_cluster
from headway.simcore.observe import Period
from headway.simcore.scenario import Scenario
from headway.simcore.world.options import Forecast
from headway.traces.trace import values_between

_Span = tuple[float, float] | None
"""A span of time [s] whose values stand for those of a period; None: the values at the observation do."""


class Forecaster:
    """Makes the forecasts of a run."""

    def __init__(self, scenario: Scenario) -> None:
        self._options = scenario.controller.forecast
        self._window_s = scenario.controller.window_s
        self._cluster = shared_cluster(scenario.cluster, scenario.network.sharing)

    def periods(self, now_s: float, reserved_bytes: float) -> tuple[Period, ...]:
        """The periods of the forecast; none if the scenario grants no forecast.

        Args:
            now_s: time of the observation.
            reserved_bytes: memory of each device that the activations of a step take.
        """
        options = self._options
        if not options.methods:
            return ()
        count = math.ceil(options.span_s / options.step_s)
        edges = [now_s + min(number * options.step_s, options.span_s) for number in range(count + 1)]
        return tuple(self._period(now_s, span, reserved_bytes) for span in pairwise(edges))

    def _period(self, now_s: float, period: tuple[float, float], reserved_bytes: float) -> Period:
        options, cluster = self._options, self._cluster
        outages = self._span(options.outages, now_s, *period) or (now_s, now_s)
        rates = self._window(self._span(options.rates, now_s, *period), now_s)
        shares = self._window(self._span(options.availability, now_s, *period), now_s)
        up = np.array([min(values_between(device.up, *outages)) > 0.0 for device in cluster.devices])
        used = self._used(self._span(options.memory, now_s, *period), now_s)
        unused = np.maximum(cluster.memory_bytes - used, 0.0) * up - cluster.runtime_bytes
        free = np.array([device.availability.mean_before(*shares) for device in cluster.devices])
        return Period(
            begin_s=period[0],
            end_s=period[1],
            available_bytes=sealed(np.maximum(unused - reserved_bytes, 0.0)),
            availability=sealed(free * up),
            rate=cluster.rates(*rates, outages),
            crossings=cluster.crossings(*rates),
            up=sealed(up),
        )

    def _span(self, method: Forecast, now_s: float, begin_s: float, end_s: float) -> _Span:
        if method == "oracle":
            return begin_s, end_s
        if method == "mean":
            return (0.0, now_s) if now_s > 0.0 else None
        if method == "seasonal":
            season_s = self._options.season_s
            assert season_s is not None
            earlier_s = math.ceil((end_s - now_s) / season_s) * season_s
            if begin_s >= earlier_s:
                return begin_s - earlier_s, min(end_s - earlier_s, now_s)
        return None

    def _window(self, span: _Span, now_s: float) -> tuple[float, float]:
        """The end and the length of a span, as `Trace.mean_before` takes them."""
        return (now_s, self._window_s) if span is None else (span[1], span[1] - span[0])

    def _used(self, span: _Span, now_s: float) -> FloatArray:
        """The most that other programs use of each device [bytes], or the mean if that is forecast, shape (D,)."""
        traces = [device.used_bytes for device in self._cluster.devices]
        if span is None:
            return np.array([trace.value(now_s) for trace in traces])
        if self._options.memory == "mean":
            return np.array([trace.mean(*span) for trace in traces])
        return np.array([max(values_between(trace, *span)) for trace in traces])
