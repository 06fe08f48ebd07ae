"""Make the traces that come with Headway: `python -m headway.traces.data.make DIRECTORY`.

They are models, not measurements. The mean rates of the Wi-Fi traces (320, 140 and 200 Mbit/s) are plausible for a
station near an access point, one far from it, and one with people walking in front of it. The values are rounded, so
that this program writes the same bytes on every machine.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from headway.traces.constructors import steps
from headway.traces.synthesis.walk import walk
from headway.traces.trace import FloatArray, Trace
from headway.traces.write import write_csv

_LENGTH_S = 600.0
_MBIT_S = 125_000.0
"""One Mbit/s [bytes/s]."""

_PACKET_BYTES = 1500


def main(directory: Path) -> None:
    """Write every shipped trace into an existing directory."""
    for name, mean, sigma, correlation, shadow in (
        ("wifi-near.csv", 320.0, 0.10, 0.9, None),
        ("wifi-far.csv", 140.0, 0.25, 0.95, None),
        ("wifi-fading.csv", 200.0, 0.20, 0.9, _shadow),
    ):
        rng = np.random.default_rng(list(name.encode()))
        rate = _wifi(rng, mean, sigma, correlation, shadow)
        write_csv(rate, directory / name, "rate", unit="Mbit/s")
    write_csv(_availability(np.random.default_rng(4)), directory / "cpu-load.csv", "fraction")
    stamps = _opportunities(np.random.default_rng(5))
    text = "".join(f"{stamp}\n" for stamp in stamps)
    (directory / "cellular.mahimahi").write_text(text, encoding="ascii", newline="\n")


def _wifi(
    rng: np.random.Generator,
    mean_mbit_s: float,
    sigma: float,
    correlation: float,
    shadow: Callable[[np.random.Generator, int], FloatArray] | None,
) -> Trace:
    """A rate [bytes/s] in steps of 0.5 s, scaled to the given mean over the whole length."""
    free = walk(rng, mean=1.0, sigma=sigma, step_s=0.5, duration_s=_LENGTH_S, correlation=correlation)
    shape = free.values if shadow is None else free.values * shadow(rng, len(free.values))
    return steps(np.round(shape * (mean_mbit_s / shape.mean()), 1) * _MBIT_S, step_s=0.5)


def _shadow(rng: np.random.Generator, n: int) -> FloatArray:
    """The factor on a rate due to passers-by: 1, but 3 to 25 % for 1 to 5 s about every 20 s; shape (n,)."""
    left = np.ones(n)
    for start in np.flatnonzero(rng.random(n) < 0.025):
        left[start : start + rng.integers(2, 11)] = rng.uniform(0.03, 0.25)
    return left


def _availability(rng: np.random.Generator) -> Trace:
    """A device's available share in steps of 1 s: close to 1, with bursts of background work."""
    n = int(_LENGTH_S)
    load = 0.06 * rng.random(n)
    for start in np.flatnonzero(rng.random(n) < 1 / 40):
        load[start : start + 1 + rng.geometric(1 / 8)] += rng.uniform(0.2, 0.8)
    return steps(np.round(np.clip(1 - load, 0.15, 1.0), 2), step_s=1.0)


def _opportunities(rng: np.random.Generator) -> list[int]:
    """Milliseconds at which a cellular link of about 6 Mbit/s may send a packet, for 10 s."""
    shape = walk(rng, mean=1.0, sigma=0.6, step_s=0.1, duration_s=10.0, correlation=0.95).values
    rate = steps(shape * (6 * _MBIT_S / shape.mean()), step_s=0.1)
    # Rounded to the nearest number, since rounding errors may put the total just below a whole number.
    packets = round(rate.integral(0.0, 10.0) / _PACKET_BYTES)
    left_at = rate.reach(0.0, _PACKET_BYTES * np.arange(1.0, packets + 1))
    stamps: list[int] = np.minimum(np.ceil(left_at * 1000), 10_000).astype(int).tolist()
    # The last stamp is the period.
    return [*stamps[:-1], 10_000]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
