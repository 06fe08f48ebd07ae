"""Build the traces of a scenario: from files, from the seed, or from values in the scenario file."""

import functools
import math
from typing import Any

import numpy as np

from headway.simcore.files import bounds, schema
from headway.simcore.files.builders.context import Context
from headway.simcore.files.builders.tracefiles import read_trace
from headway.simcore.files.yaml_document import KeyPath
from headway.simcore.rng import stream
from headway.traces import Trace, shipped
from headway.traces.rounding import rounded
from headway.traces.transform import scaled, shifted
from headway.traces.units import Quantity

# All scenarios of a campaign have the same few constants.
_constant = functools.lru_cache(maxsize=1024)(Trace.constant)


def is_individual(section: Any) -> bool:
    """Whether each link or device of a section draws its own trace, or its own start in a recording."""
    recorded = isinstance(section, schema.RecordedTrace) and section.start is not None
    return recorded or isinstance(section, schema.SyntheticTrace)


class Traces:
    """The traces of one scenario; each file is read once, and random values are counted."""

    def __init__(self, context: Context) -> None:
        self._context = context
        # Hundreds of links may share the trace of one file.
        self._read = functools.cache(read_trace)
        self._fixed: dict[KeyPath, Trace] = {}
        self._drawn = 0

    def trace(self, owner: str, key: KeyPath, section: Any, quantity: Quantity) -> Trace:
        """The trace of one link or device.

        Args:
            owner: name of the link or device; each has its own synthetic trace and its own random start.
            key: of the section.
            section: from the schema: a number in SI units, or a form of a trace.
            quantity: of the values.

        Raises:
            InputError: a file cannot be read, or the values are no trace.
        """
        if isinstance(section, schema.SyntheticTrace):
            return self._adjusted(key, section, quantity, self._synthetic(owner, key, section))
        trace = self._recorded(key, section, quantity)
        return self._started(owner, key, trace) if is_individual(section) else trace

    def _recorded(self, key: KeyPath, section: Any, quantity: Quantity) -> Trace:
        """The trace that all links or devices of a section share, before a random start."""
        if key not in self._fixed:
            trace = self._adjusted(key, section, quantity, self._shared(key, section, quantity))
            if quantity == "time" and trace.end == "zero":
                self._context.fail(
                    key, "a latency that becomes 0 after its last value", "end: hold or end: loop"
                )
            self._fixed[key] = trace
        return self._fixed[key]

    def rate(self, owner: str, key: KeyPath, section: Any, name: str) -> Trace | None:
        """The rate of an optional key of a section."""
        if name not in section.model_fields_set:
            return None
        return self.trace(owner, (*key, name), getattr(section, name), "rate")

    def _shared(self, key: KeyPath, section: Any, quantity: Quantity) -> Trace:
        """A trace that is the same for all links or devices of its section."""
        match section:
            case schema.FileTrace():
                return self._bounded(key, quantity, self._of_file(key, section, quantity))
            case schema.ShippedTrace():
                with self._context.located((*key, "shipped")):
                    return self._read(shipped(section.shipped), quantity, end=section.end)
            case schema.StepsTrace():
                times, values = zip(*section.steps, strict=True)
                expected = "times that rise from 0, and a duration after the last of them with the ends loop and zero"
                with self._context.located(key, expected):
                    return Trace(times, values, end=section.end, duration=section.duration)
        return _constant(section)

    def _of_file(self, key: KeyPath, section: schema.FileTrace, quantity: Quantity) -> Trace:
        path = self._context.path((*key, "file"), section.file)
        with self._context.document.naming((*key, "file")):
            return self._read(
                path,
                quantity,
                format=section.format,
                unit=section.unit,
                time_unit=section.time_unit,
                end=section.end,
                column=section.column,
                time_column=section.time_column,
                load=section.load,
                repair=section.repair,
                max_gap_s=section.max_gap,
                select=section.select,
                where=None if section.where is None else tuple(section.where.items()),
                merge=section.merge,
                step_s=section.step,
            )

    def _synthetic(self, owner: str, key: KeyPath, section: schema.SyntheticTrace) -> Trace:
        """The synthetic trace of one link or device."""
        parameters = section.parameters()
        spacing_s = section.kind.spacing_s(parameters)
        values = parameters["duration_s"] / spacing_s if spacing_s > 0.0 else 0.0
        self._count(key, "a synthetic trace", values, "a shorter duration or a longer step")
        with self._context.located(key, section.kind.needs):
            return section.kind.generate(self._stream(owner, key), **parameters)

    def _started(self, owner: str, key: KeyPath, trace: Trace) -> Trace:
        """A recorded trace from the random start of one link or device."""
        if trace.duration is None or trace.end != "loop":
            self._context.fail((*key, "start"), f"random for a trace that ends with {trace.end}", "end: loop")
        self._count(key, "a recording", len(trace.times), "fewer links or devices, or a shorter recording")
        phase = rounded(self._stream(owner, key).random(1))[0]
        return shifted(trace, float(phase) * trace.duration)

    def _stream(self, owner: str, key: KeyPath) -> np.random.Generator:
        return stream(self._context.seed, f"{'.'.join(map(str, key))}/{owner}")

    def _count(self, key: KeyPath, noun: str, values: float, expected: str) -> None:
        """Refuse too many values of traces that only one link or device has, before they are made."""
        self._drawn += math.ceil(min(values, bounds.MOST_DRAWN + 1))
        if self._drawn > bounds.MOST_DRAWN:
            got = f"{noun} of {values:.4g} values, more than {bounds.MOST_DRAWN} with those before it"
            self._context.fail(key, got, expected)

    def _adjusted(self, key: KeyPath, section: Any, quantity: Quantity, trace: Trace) -> Trace:
        """The trace with the `scale` and `shift` of its section."""
        if not isinstance(section, schema.TraceForm) or (section.scale, section.shift) == (1.0, 0.0):
            return trace
        with self._context.located(key, "a scale and a shift that leave all values finite"):
            adjusted = scaled(shifted(trace, section.shift), section.scale)
        return self._bounded(key, quantity, adjusted)

    def _bounded(self, key: KeyPath, quantity: Quantity, trace: Trace) -> Trace:
        """Refuse values above the largest quantity."""
        largest = trace.values.max()
        if largest > bounds.LARGEST:
            expected = f"values of at most {bounds.LARGEST:g} in SI units"
            self._context.fail(key, f"a {quantity} of {largest:g}", expected)
        return trace
