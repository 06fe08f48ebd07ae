"""The table `devices`: memory and busy time of each device, step by step."""

import numpy as np

from headway.simcore.arrays import FloatArray
from headway.simcore.engine.compiled.stretch_rows import StretchRows
from headway.simcore.engine.placement.context import RunContext
from headway.simcore.engine.stretch import Stretch
from headway.simcore.recorder import every_label
from headway.simcore.world.batch import Batch
from headway.simcore.world.memory import swapped_bytes


class DeviceRows:
    """Records a row for each device and step."""

    def __init__(self, run: RunContext) -> None:
        self._run = run
        self._labels = every_label(run.scenario.cluster.names)
        self._busy_s = run.executor.busy_s()

    def begin(self) -> None:
        """Busy time counts from now on, for the next step."""
        self._busy_s = self._run.executor.busy_s()

    def add_step(
        self, batch: Batch, held_bytes: FloatArray, available_bytes: FloatArray, swapped: FloatArray
    ) -> None:
        """A step has ended; its memory on each device has the shape (devices,)."""
        before_s, self._busy_s = self._busy_s, self._run.executor.busy_s()
        first, memory = batch[0], (held_bytes, available_bytes, swapped)
        of_step = first.request, first.token, self._labels, *memory, self._busy_s - before_s
        self._run.recorder.add_many("devices", len(before_s), *of_step)

    def add_stretch(self, stretch: Stretch, rows: StretchRows, count: int) -> None:
        """The first `count` steps of a stretch have ended."""
        busy_s = np.diff(rows.busy_s[:count], axis=0, prepend=self._busy_s[None, :])
        self._busy_s = rows.busy_s[count - 1]
        of_blocks, beside = stretch.load.of_blocks[:count], stretch.load.beside[:count]
        held_bytes, available_bytes = of_blocks + beside, rows.available_bytes[:count]
        first = stretch.batch[0]
        self._run.recorder.add_many(
            "devices",
            held_bytes.size,
            first.request,
            np.repeat(np.arange(first.token, first.token + count), held_bytes.shape[1]),
            self._labels,
            held_bytes.ravel(),
            available_bytes.ravel(),
            swapped_bytes(of_blocks, available_bytes - beside).ravel(),
            busy_s.ravel(),
        )
