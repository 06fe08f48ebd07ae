"""How long a log takes to read, and how much memory: `python benchmarks/readers.py [MEGABYTES]`.

A process of its own reads each format. The output has its memory before reading, and its peak memory.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from headway.traces import record

FORMS: dict[str, tuple[str, Callable[[int], str]]] = {
    "csv": ("time [s],rate [Mbit/s]\n", lambda n: f"{n / 10:.1f},{n * 7919 % 99991 / 1000:.6f}\n"),
    "pensieve": ("", lambda n: f"{n / 10:.1f}\t{n * 7919 % 99991 / 1000:.6f}\n"),
    "mahimahi": ("", lambda n: f"{1 + n // 3}\n"),
    "cellular": ("", lambda n: f"1300000000 {n * 1000} 59.8518 10.7818 {n * 7919 % 99991} 1000\n"),
}


def write(path: Path, name: str, size: int) -> None:
    """Write a file of about so many bytes."""
    header, row = FORMS[name]
    with path.open("w") as out:
        written, number = out.write(header), 0
        while written < size:
            written += out.write("".join(map(row, range(number, number + 10_000))))
            number += 10_000


def measure(path: str, name: str) -> tuple[float, int, float, float]:
    """Seconds, rows, and megabytes of memory before and at most."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    found = record(path, format=name)
    seconds = time.perf_counter() - start
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return seconds, found.rows, before / 1024, most / 1024


def main(megabytes: int) -> None:
    """Write, read and measure a file of each form."""
    with tempfile.TemporaryDirectory() as folder:
        for name in FORMS:
            path = Path(folder) / name
            write(path, name, megabytes * 1_000_000)
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                seconds, rows, before, most = pool.submit(measure, str(path), name).result()
            path.unlink()
            print(
                f"{name:<9} {megabytes} MB, {rows:>10,} rows: {seconds:5.2f} s, {most:6,.0f} MB of memory, "
                f"{before:,.0f} MB of them before ({(most - before) * 1024**2 / rows:.0f} bytes a row)"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
