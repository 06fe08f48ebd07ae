"""(j) Memory of long runs."""

from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import Effort, Figures, peak_bytes_of_headway
from benchmarks.startup import SMALL_WORLD

_MOST_OUTPUT = 1000


def memory(effort: Effort) -> Figures:
    """(j) Peak memory of `headway run` with two numbers of tokens, and its growth for each million tokens."""
    sizes = effort.choose((100_000, 1_000_000), (1_000, 4_000), (1_000, 2_000))
    peaks = {tokens: _peak_bytes(tokens) for tokens in sizes}
    small, large = sizes
    return {
        "peak_bytes": {str(tokens): peak for tokens, peak in peaks.items()},
        "bytes_per_million_tokens": (peaks[large] - peaks[small]) / (large - small) * 1e6,
        "ratio": peaks[large] / peaks[small],
    }


def _peak_bytes(tokens: int) -> int:
    request = f"  - {{prompt: 8, output: {_MOST_OUTPUT}}}\n"
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "long.yaml").write_text(SMALL_WORLD + "workload:\n" + request * (tokens // _MOST_OUTPUT))
        return peak_bytes_of_headway("run", "long.yaml", "--policy", "static", folder=folder)
