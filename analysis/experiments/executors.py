"""Workers that make the runs: processes of this machine, a Dask cluster, or any `concurrent.futures.Executor`."""

import importlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headway.analysis.experiments.identity import engine_code
from headway.analysis.experiments.worker import probe, save_trace
from headway.analysis.files.atomic import scratch, writing
from headway.analysis.process_pool import process_pool
from headway.traces import Trace
from headway.traces.errors import InputError, error_text, quoted


@dataclass
class Workers:
    """An executor with the properties that a campaign needs.

    Attributes:
        executor: accepts calls.
        count: the number of calls that it can make at a time, at present.
        share: sends a trace once to every worker, and returns a reference to the trace for the calls.
        restart: starts a new executor after the old one has broken; None if that is not possible.
        has_retried: whether an exception says that the executor itself tried a call on several workers, which died.
    """

    executor: Executor
    count: Callable[[], int]
    share: Callable[[str, Trace], Any] = lambda _, trace: trace
    restart: Callable[[], Executor] | None = None
    has_retried: Callable[[BaseException], bool] = lambda _: False
    _shared: dict[str, Any] = field(default_factory=dict)

    def shared(self, name: str, trace: Trace) -> Any:
        """The reference to a trace for a call."""
        if name not in self._shared:
            self._shared[name] = self.share(name, trace)
        return self._shared[name]

    def forget(self) -> None:
        """Send all traces again when they are needed: the worker that held them may be lost."""
        self._shared.clear()

    def renew(self) -> bool:
        """Replace a broken executor; False if that is not possible."""
        if self.restart is None:
            return False
        self.forget()
        self.executor = self.restart()
        return True


def given_workers(executor: Executor, count: int) -> Workers:
    """Any executor; every call contains its traces.

    Args:
        executor: accepts calls; the caller shuts it down.
        count: the number of calls that it can make at a time.
    """
    return Workers(executor, lambda: count)


@contextmanager
def processes(count: int | None = None) -> Iterator[Workers]:
    """Processes of this machine, one per processor by default. They end with the block, and with this process.

    They are no forks of this process, whose threads and open files they would inherit.
    """
    number = count or os.cpu_count() or 1
    with scratch("headway-traces-") as folder, ExitStack() as running:

        def share(name: str, trace: Trace) -> Path:
            path = folder / name
            with writing(path):
                save_trace(trace, path)
            return path

        def start() -> Executor:
            running.close()
            return running.enter_context(process_pool(number))

        yield Workers(start(), lambda: number, share, start)


@contextmanager
def dask_workers(address: str, patience_s: float = 30.0) -> Iterator[Workers]:
    """The workers of a Dask cluster, which must have the same version of Headway.

    Args:
        address: of the scheduler, such as "tcp://127.0.0.1:8786".
        patience_s: time to wait for the scheduler, and for its first worker [s].

    Raises:
        InputError: there is no such cluster, it has no workers, they have other code, or Dask is not installed here.
    """
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError as error:
        expected = "an installation with Dask: pip install 'headway[dask]'"
        raise InputError("--dask", "an installation without the module distributed", expected) from error
    try:
        client = distributed.Client(address, timeout=patience_s, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        got = f"no answer from {quoted(address)}"
        raise InputError("--dask", got, 'the address of a scheduler, such as "tcp://host:8786"') from error
    with client:
        _wait_for_workers(client, address, patience_s)
        _check_code(client, address)

        def count() -> int:
            with _answering(address):
                return sum(client.nthreads().values())

        def share(_: str, trace: Trace) -> Any:
            _wait_for_workers(client, address, patience_s)
            with _answering(address):
                return client.scatter(trace, broadcast=True)

        def start() -> Executor:
            executor: Executor = client.get_executor(retries=0, pure=False)
            return executor

        yield Workers(start(), count, share, start, lambda error: isinstance(error, distributed.KilledWorker))


@contextmanager
def _answering(address: str) -> Iterator[None]:
    """Report that the scheduler has stopped.

    Raises:
        InputError: replaces an exception of Dask.
    """
    try:
        yield
    except (OSError, CancelledError, RuntimeError) as error:
        got = f"no answer from {quoted(address)} any more ({error_text(error)})"
        raise InputError(
            "--dask", got, "a scheduler that stays up (finished runs are in the store)"
        ) from error


def _wait_for_workers(client: Any, address: str, patience_s: float) -> None:
    with _answering(address):
        try:
            client.wait_for_workers(1, timeout=patience_s)
        except TimeoutError as error:
            got = f"no workers at {quoted(address)} within {patience_s:g} s"
            raise InputError("--dask", got, "a scheduler with workers: dask worker ADDRESS") from error


def _check_code(client: Any, address: str) -> None:
    with _answering(address):
        answers = client.run(probe, on_error="return")
    for worker, answer in answers.items():
        if answer != engine_code():
            is_error = isinstance(answer, BaseException)
            got = f"an error, {answer!r}," if is_error else "another version of headway"
            raise InputError(
                "--dask", f"{got} on the worker {worker}", "workers with this version of headway"
            )
