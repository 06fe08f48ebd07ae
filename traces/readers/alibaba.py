"""Alibaba's GPU cluster of 2023: pods, with the GPUs that each was given and the time from schedule to deletion.

Comma-separated, with a header that has `num_gpu`, `gpu_milli`, `scheduled_time` and `deletion_time` [s] (Weng et al.
2023, "Beware of fragmentation: scheduling GPU-sharing workloads with fragmentation gradient descent"). The file does
not say on which node a pod was, nor how busy it kept its GPUs. What it tells truly is how many GPUs were given away
at a time in the whole cluster; this reader gives it as a share of the most that were given away at once. Pods that
were never scheduled, or deleted at once, are left out.
"""

from collections.abc import Sequence

import numpy as np

from headway.traces.errors import InputError, shown
from headway.traces.readers.assemble import assembled, check_quantity
from headway.traces.readers.lines import head as head_of
from headway.traces.readers.options import Options
from headway.traces.readers.table import Layout, read_table
from headway.traces.recording import Recording
from headway.traces.trace import FloatArray
from headway.traces.units import Quantity

NAME = "alibaba-pods"
_WANTED = ("scheduled_time", "deletion_time", "num_gpu", "gpu_milli")


def recognises(head: Sequence[str], quantity: Quantity | None, options: Options) -> bool:
    """Whether a file that begins with these lines is in the format, by its header."""
    return set(_WANTED) <= set(head[0].split(","))


def read(path: str, quantity: Quantity | None, options: Options) -> Recording:
    """A load: the share of GPUs that are given away, 1 where the most are.

    Raises:
        InputError: the file breaks the format, or something is asked of it that it cannot give.
    """
    check_quantity(path, NAME, "fraction", quantity)
    options.allow(path, "end", "load", "max_gap_s")
    first = (head_of(path) or [""])[0]
    headings = first.split(",")
    if not recognises([first], None, options):
        raise InputError(f"{path}:1", shown(first), f"a header with {', '.join(_WANTED)}")
    layout = Layout(
        ",",
        len(headings),
        tuple(map(headings.index, _WANTED)),
        f"{len(headings)} columns, as in the header",
        time=None,
        header=1,
        missing=frozenset({""}),
    )
    starts, ends, count, thousandths = read_table(path, layout)
    gpus = np.round(count * thousandths)
    ran = (ends > starts) & ~np.isnan(gpus)
    if not (gpus[ran] > 0).any():
        raise InputError(path, "no pod that had a GPU for some time", "at least one")
    times, used = _in_use(starts[ran], ends[ran], gpus[ran])
    return assembled(
        path,
        times,
        used / used.max(),
        options,
        format=NAME,
        quantity="fraction",
        rows=len(starts),
        repairs={"pods that never ran": int(np.count_nonzero(~ran))} if not ran.all() else {},
        is_load=True,
        sampled=False,
    )


def _in_use(starts: FloatArray, ends: FloatArray, amounts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """When the sum over all that has started and not ended changes, shape (n + 1,), and the sums between, (n,)."""
    times, at = np.unique(np.concatenate((starts, ends)), return_inverse=True)
    changes = np.bincount(at, weights=np.concatenate((amounts, -amounts)))
    return times, np.maximum(np.cumsum(changes)[:-1], 0.0)
