"""Alibaba's GPU cluster of 2023: pods, with the GPUs of each and the time from schedule to deletion.

Comma-separated, with a header that has `num_gpu`, `gpu_milli`, `scheduled_time` and `deletion_time` [s] (Weng et al.
2023, "Beware of fragmentation: scheduling GPU-sharing workloads with fragmentation gradient descent"). The file does
not say on which node a pod was, nor how busy it kept its GPUs. It does give the number of allocated GPUs in the whole
cluster over time; this reader returns it as a share of the largest number. Pods that were never scheduled, or deleted
at once, are left out.
"""

from collections.abc import Sequence

import numpy as np

from headway.traces.errors import InputError
from headway.traces.readers.assemble import check_quantity, recording_of
from headway.traces.readers.headings import has_headings, headings_of, layout_below
from headway.traces.readers.options import Options
from headway.traces.readers.table import read_table
from headway.traces.recording import Recording
from headway.traces.trace import FloatArray
from headway.traces.units import Quantity

NAME = "alibaba-pods"
_WANTED = ("scheduled_time", "deletion_time", "num_gpu", "gpu_milli")


def recognises(head: Sequence[str], quantity: Quantity | None, options: Options) -> bool:
    """Whether a file that begins with these lines is in the format, by its header."""
    return has_headings(head[0], _WANTED)


def read(path: str, quantity: Quantity | None, options: Options) -> Recording:
    """A load: the number of allocated GPUs over the largest such number."""
    check_quantity(path, NAME, "fraction", quantity)
    options.allow(path, "end", "load", "max_gap_s")
    headings = headings_of(path, _WANTED)
    columns = tuple(map(headings.index, _WANTED))
    layout = layout_below(headings, columns, time=None, missing=frozenset({""}))
    starts, ends, count, thousandths = read_table(path, layout)
    gpus = np.round(count * thousandths)
    ran = (ends > starts) & ~np.isnan(gpus)
    if not (gpus[ran] > 0).any():
        raise InputError(path, "no pod that had a GPU for some time", "at least one")
    times, used = _in_use(starts[ran], ends[ran], gpus[ran])
    load, rows, repairs = used / used.max(), len(starts), {"pods that never ran": int(np.count_nonzero(~ran))}
    return recording_of(
        path, times, load, options, NAME, "fraction", rows=rows, repairs=repairs, is_load=True, sampled=False
    )


def _in_use(starts: FloatArray, ends: FloatArray, amounts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The times at which the sum over the running pods changes, shape (n + 1,), and the sums between them, (n,)."""
    times, at = np.unique(np.concatenate((starts, ends)), return_inverse=True)
    changes = np.bincount(at, weights=np.concatenate((amounts, -amounts)))
    return times, np.maximum(np.cumsum(changes)[:-1], 0.0)
