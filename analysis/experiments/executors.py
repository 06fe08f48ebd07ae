"""Who makes the runs: processes of this machine, a Dask cluster, or any `concurrent.futures.Executor`.

`Workers` is what the runner needs of any of them.
"""

import importlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from headway.analysis.experiments.identity import engine_code
from headway.analysis.experiments.worker import probe, save_trace
from headway.analysis.files.atomic import scratch, writing
from headway.traces import Trace
from headway.traces.errors import InputError, shown, told

_PATIENCE_S = 30.0


@dataclass
class Workers:
    """An executor, and what the runner must know of it.

    Attributes:
        executor: takes calls.
        count: how many calls it can make at a time, at present.
        share: lets a trace travel to every worker once; gives what stands for it in a call.
        restart: a new executor in place of one that is broken; None if there cannot be one.
        has_insisted: whether an exception says that the executor itself has tried a call on several workers that died.
    """

    executor: Executor
    count: Callable[[], int]
    share: Callable[[str, Trace], Any] = lambda _, trace: trace
    restart: Callable[[], Executor] | None = None
    has_insisted: Callable[[BaseException], bool] = lambda _: False
    _shared: dict[str, Any] = field(default_factory=dict)

    def shared(self, name: str, trace: Trace) -> Any:
        """What stands for a trace in a call."""
        if name not in self._shared:
            self._shared[name] = self.share(name, trace)
        return self._shared[name]

    def forget(self) -> None:
        """Let traces travel anew: something was lost that may have held them."""
        self._shared.clear()

    def renew(self) -> bool:
        """Replace a broken executor; whether that could be done."""
        if self.restart is None:
            return False
        self.forget()
        self.executor = self.restart()
        return True


def given_workers(executor: Executor, count: int) -> Workers:
    """Any executor; traces travel with every call.

    Args:
        executor: takes calls; is not shut down in the end.
        count: how many calls it can make at a time.
    """
    return Workers(executor, lambda: count)


@contextmanager
def processes(count: int | None = None) -> Iterator[Workers]:
    """Processes of this machine, one per processor by default; they end with the block, and with this process.

    They are new interpreters and not forks: nothing is inherited by accident, whatever threads this process has.
    """
    number = count or os.cpu_count() or 1
    with scratch("headway-traces-") as folder:

        def share(name: str, trace: Trace) -> Path:
            path = folder / name
            with writing(path):
                save_trace(trace, path)
            return path

        pool = _Pool(number)
        try:
            yield Workers(pool.executor, lambda: number, share, pool.restart)
        finally:
            pool.end()


class _Pool:
    """A pool of processes that can be begun anew."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._context = multiprocessing.get_context("spawn")
        self.executor = self._start()

    def restart(self) -> Executor:
        self.end()
        self.executor = self._start()
        return self.executor

    def end(self) -> None:
        """End all processes at once; when nothing is being made any more, that loses nothing."""
        self._ours.close()
        self.executor.shutdown(wait=True, cancel_futures=True)

    def _start(self) -> Executor:
        # Workers wait for the end of a pipe of which only we hold the other side: however we end, so do they.
        theirs, self._ours = self._context.Pipe(duplex=False)
        # Python begins a process here that counts semaphores, and tells of each if it ends with the terminal.
        with _blocked("SIGHUP"):
            return _Processes(self._count, self._context, _follow, (theirs,))


class _Processes(ProcessPoolExecutor):
    """A pool whose processes do not hear Ctrl-C, which a terminal sends to them too, from their first moment."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """As any pool; it is here that processes begin, and they inherit which signals are blocked."""
        with _blocked("SIGINT"):
            return super().submit(fn, *args, **kwargs)


@contextmanager
def _blocked(name: str) -> Iterator[None]:
    """Keep a signal from this thread for a while, and from processes that begin meanwhile for good."""
    if not hasattr(signal, "pthread_sigmask"):  # as on Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.Signals[name]})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _follow(parent: "Connection[Any, Any]") -> None:
    """End when the parent does and not with its terminal; so do processes that a policy may fork off."""

    def watch() -> None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.register_at_fork(after_in_child=watch)
    watch()


def _end_with(parent: "Connection[Any, Any]") -> None:
    parent.poll(None)
    os._exit(1)


@contextmanager
def dask_workers(address: str) -> Iterator[Workers]:
    """The workers of a Dask cluster; they must have the same version of Headway installed.

    Args:
        address: of the scheduler, such as "tcp://127.0.0.1:8786".

    Raises:
        InputError: there is no such cluster, it has no workers, they have other code, or Dask is not installed here.
    """
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError as error:
        expected = "an installation with Dask: pip install 'headway[dask]'"
        raise InputError("--dask", "an installation without the module distributed", expected) from error
    try:
        client = distributed.Client(address, timeout=_PATIENCE_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        got = f"no answer from {shown(address)}"
        raise InputError("--dask", got, 'the address of a scheduler, such as "tcp://host:8786"') from error
    with client:
        _check_dask(client, address)

        def count() -> int:
            with _answering(address):
                return sum(client.nthreads().values())

        def share(_: str, trace: Trace) -> Any:
            _wait_for_workers(client, address)
            with _answering(address):
                return client.scatter(trace, broadcast=True)

        yield Workers(
            client.get_executor(retries=0, pure=False),
            count,
            share,
            lambda: client.get_executor(retries=0, pure=False),
            lambda error: isinstance(error, distributed.KilledWorker),
        )


@contextmanager
def _answering(address: str) -> Iterator[None]:
    """Tell that a scheduler has gone away.

    Raises:
        InputError: in place of what Dask says.
    """
    try:
        yield
    except (OSError, CancelledError, RuntimeError) as error:
        got = f"no answer from {shown(address)} any more ({told(error)})"
        raise InputError(
            "--dask", got, "a scheduler that stays up (finished runs are in the store)"
        ) from error


def _wait_for_workers(client: Any, address: str) -> None:
    with _answering(address):
        try:
            client.wait_for_workers(1, timeout=_PATIENCE_S)
        except TimeoutError as error:
            got = f"no workers at {shown(address)} within {_PATIENCE_S:.0f} s"
            raise InputError("--dask", got, "a scheduler with workers: dask worker ADDRESS") from error


def _check_dask(client: Any, address: str) -> None:
    _wait_for_workers(client, address)
    with _answering(address):
        found = client.run(probe, on_error="return")
    for worker, answer in found.items():
        if answer != engine_code():
            said = (
                f"an error, {answer!r},"
                if isinstance(answer, BaseException)
                else "another version of headway"
            )
            raise InputError(
                "--dask", f"{said} on the worker {worker}", "workers with this version of headway"
            )
