"""Build the requests of a scenario: from a list, at random, or from a log."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from headway.simcore.files import bounds, schema
from headway.simcore.files.builders.context import Context
from headway.simcore.rng import stream
from headway.simcore.scenario import Request
from headway.traces import InputError
from headway.traces.requests import read_requests
from headway.traces.rounding import rounded


def requests_of(context: Context) -> tuple[Request, ...]:
    """The requests of a scenario, in the order of the file or of their arrival.

    Raises:
        InputError: the log cannot be read, or has too many requests.
    """
    workload = context.file.workload
    if isinstance(workload, schema.FileWorkload):
        path = context.path(("workload", "file"), workload.file)
        with context.document.naming(("workload", "file")):
            return tuple(logged_requests(workload, path))
    if isinstance(workload, schema.PoissonWorkload):
        return tuple(poisson_requests(workload, context.seed))
    return tuple(Request(prompt=r.prompt, output=r.output, arrival_s=r.arrival) for r in workload)


def poisson_requests(section: schema.PoissonWorkload, seed: int) -> Iterator[Request]:
    """The requests of a Poisson workload.

    Arrivals, prompts and outputs have separate random streams: under one seed, another rate stretches the same
    arrivals, and other outputs do not change the prompts.
    """
    gaps = rounded(stream(seed, "workload/arrival").standard_exponential(section.count))
    arrivals = np.cumsum(gaps) / section.poisson
    prompts = lengths(stream(seed, "workload/prompt"), section.prompt, section.count)
    outputs = lengths(stream(seed, "workload/output"), section.output, section.count)
    for arrival_s, prompt, output in zip(arrivals.tolist(), prompts.tolist(), outputs.tolist(), strict=True):
        yield Request(prompt=prompt, output=output, arrival_s=arrival_s)


def logged_requests(section: schema.FileWorkload, path: Path) -> Iterator[Request]:
    """The requests of a log.

    Raises:
        InputError: the log cannot be read, or has too many requests.
    """
    most = bounds.MOST_REQUESTS
    log = read_requests(
        path,
        format=section.format,
        start_s=section.start,
        limit=section.limit or most + 1,
        columns=section.columns,
        time_unit=section.time_unit,
    )
    if len(log.prompt) > most:
        raise InputError(str(path), f"more than {most} requests", "a limit, such as limit: 100")
    arrivals = log.arrival_s * section.stretch
    if arrivals[-1] > bounds.LARGEST:
        got = f"a request {arrivals[-1]:g} s after the first"
        raise InputError(str(path), got, f"requests within {bounds.LARGEST:g} s")
    prompts = np.minimum(log.prompt, section.most_prompt)
    outputs = np.minimum(log.output, section.most_output)
    for arrival_s, prompt, output in zip(arrivals.tolist(), prompts.tolist(), outputs.tolist(), strict=True):
        yield Request(prompt=prompt, output=output, arrival_s=arrival_s)


def lengths(rng: np.random.Generator, section: schema.Length, count: int) -> npt.NDArray[np.int64]:
    """Independent numbers of tokens, shape (count,), each at least 1.

    A log-normal length has the given mean before it is rounded to the nearest whole number: its logarithm has the mean
    ln(mean) - sigma**2 / 2. A geometric length is n with probability (1 - p)**(n - 1) * p, where p = 1 / mean.

    The last bit of a logarithm or an exponential may differ between machines. Rounded lengths do not differ, except for
    values that lie within this bit of the middle between two whole numbers.
    """
    match section:
        case schema.UniformLength(uniform=[least, most]):
            return rng.integers(least, most, size=count, endpoint=True)
        case schema.LogNormalLength(lognormal_mean=mean, sigma=sigma, most=most):
            drawn = rng.lognormal(math.log(mean) - sigma**2 / 2, sigma, size=count)
            return np.clip(np.rint(drawn), 1, most).astype(np.int64)
        case schema.GeometricLength(geometric_mean=mean, most=most):
            return np.minimum(rng.geometric(1 / mean, size=count), most)
        case _:
            return np.full(count, section)
