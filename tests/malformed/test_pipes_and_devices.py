"""Inputs that are no regular files: nothing waits for ever, and a pipe is read where one reading is enough."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headway.analysis.cli import app
from headway.traces.files import open_input, read_input

WORLD = """\
name: lab
model: {shape: {layers: 1, width: 64, heads: 4}}
devices:
  left: {memory: 1 GB, compute: 1 GFLOP/s, memory_bandwidth: unlimited}
  right: {memory: 1 GB, compute: 1 GFLOP/s, memory_bandwidth: unlimited}
links:
  cable: {connect: [[left, right]], bandwidth: 100 Mbit/s}
workload:
  - {prompt: 4, output: 2}
"""

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    def late(*_: object) -> None:
        raise AssertionError("waits for ever")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(600)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def refusal(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 2, result.output
    assert len(result.stderr.splitlines()) == 1, result.stderr
    return result.stderr


@contextmanager
def piped(content: str) -> Iterator[str]:
    """The path of a pipe that gives this once, as a shell makes it of `<(command)`."""
    end, other = os.pipe()

    def write() -> None:
        with open(other, "w", encoding="utf-8") as file:
            file.write(content)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield f"/dev/fd/{end}"
    finally:
        writer.join()
        os.close(end)


@pytest.mark.parametrize(
    "command",
    [
        ["run", "FILE"],
        ["validate", "FILE"],
        ["whatif", "FILE", "--drop", "devices.right"],
        ["sweep", "plan", "FILE"],
        ["trace", "info", "FILE"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_pipes_without_a_writer_and_devices_are_refused(
    command: list[str], kind: str, tmp_path: Path
) -> None:
    path = Path("/dev/null") if kind == "device" else tmp_path / "input"
    if kind == "fifo":
        os.mkfifo(path)
    message = refusal(*(str(path) if part == "FILE" else part for part in command))
    assert "a device" in message if kind == "device" else "a pipe" in message
    assert "copy its content to a file first" in message


def test_a_trace_is_no_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    world = WORLD.replace("bandwidth: 100 Mbit/s", "bandwidth: {file: log}")
    (tmp_path / "world.yaml").write_text(world, encoding="utf-8")
    assert "a pipe; copy its content to a file first" in refusal("validate", tmp_path / "world.yaml")


def test_a_table_of_results_is_no_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "runs.parquet")
    refusal("report", tmp_path)


def test_a_scenario_may_come_through_a_pipe(tmp_path: Path) -> None:
    with piped(WORLD) as path:
        result = CliRunner().invoke(app, ["validate", path])
    assert result.exit_code == 0, result.output
    with piped(WORLD) as path:
        result = CliRunner().invoke(app, ["run", path, "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "scenario.yaml").read_text(encoding="utf-8") == WORLD


def test_a_scenario_may_come_through_standard_input(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "headway", "validate", "/dev/stdin"],
        input=WORLD, capture_output=True, text=True, check=False, env=dict(os.environ),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_a_command_that_reads_its_scenario_again_says_that_a_pipe_is_not_enough() -> None:
    with piped(WORLD) as path:
        message = refusal("whatif", path, "--set", "links.cable.bandwidth*0.5")
    assert "that was read before; copy its content to a file first" in message


def test_what_is_read_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_input(tmp_path / "file", 3) == b"123"
    with open_input(tmp_path / "file") as file:
        assert file.read() == b"12345"
    with piped("12345") as path:
        assert read_input(path, 3) == b"123"


def test_folders_and_missing_files_raise_the_errors_of_python(tmp_path: Path) -> None:
    for read in (open_input, lambda path: read_input(path, 9)):
        with pytest.raises(IsADirectoryError):
            read(tmp_path)
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "none")
