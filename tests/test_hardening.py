"""What a file may ask for: every size is bounded before anything is made of it, and nothing in a file runs code.

Each test is of something that once ended in a traceback, or could have filled a memory.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from analysis.cli import app
from simcore import load_scenario
from traces import InputError, read
from traces.readers import parquet
from traces.requests import read_requests

WORLD = """\
model: {shape: {layers: 1, width: 64, heads: 4}}
devices:
  left: {memory: 1 GB, compute: 1 GFLOP/s}
  right: {memory: 1 GB, compute: 1 GFLOP/s}
links:
  cable: {connect: [[left, right]], bandwidth: 100 Mbit/s}
"""
WORKLOAD = "workload:\n  - {prompt: 4, output: 2}\n"
GOOD = WORLD + WORKLOAD


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def command(*arguments: object) -> tuple[int, str]:
    """Exit code and standard error; what is not a mistake of a user is raised."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stderr


def refused(*arguments: object) -> str:
    code, message = command(*arguments)
    assert code == 2, message
    assert message.startswith("headway: "), message
    assert len(message.splitlines()) == 1, message
    return message


def in_little_memory(code: str, folder: Path, megabytes: int = 1500) -> str:
    """What a piece of Python says that may not take more memory than this, and not long."""
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({megabytes << 20},) * 2)\n"
    done = subprocess.run(
        [sys.executable, "-c", limit + code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=folder,
    )
    return done.stdout + done.stderr


class TestNumbersBeyondPython:
    def test_a_time_of_400_digits_in_a_log_of_requests(self, tmp_path: Path) -> None:
        line = f'{{"timestamp": 1{"0" * 400}, "input_length": 1, "output_length": 1}}\n'
        with pytest.raises(InputError, match="log:1: found the timestamp"):
            read_requests(written(tmp_path / "log", line))

    def test_tokens_of_5000_digits_in_a_log_of_requests(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="log:2"):
            read_requests(written(tmp_path / "log", f"arrival [s],prompt,output\n0,{'9' * 5000},1\n"))

    def test_arrivals_that_a_stretch_puts_beyond_all_times(self, tmp_path: Path) -> None:
        rows = [f'{{"timestamp": {t}, "input_length": 1, "output_length": 1}}\n' for t in ("0", "1e99")]
        written(tmp_path / "log", "".join(rows))
        path = written(tmp_path / "lab.yaml", WORLD + "workload: {file: log, stretch: 1000000}\n")
        with pytest.raises(
            InputError, match=r"workload\.file.*log: found a request 1e\+102 s after the first"
        ):
            load_scenario(path)


class TestTraces:
    def test_a_small_parquet_file_of_very_many_rows_is_refused_unread(self, tmp_path: Path) -> None:
        path, rows = tmp_path / "bomb.parquet", np.zeros(parquet.MOST_ROWS // 4)
        table = pa.table({"time [s]": rows, "rate [B/s]": rows})
        with pq.ParquetWriter(path, table.schema) as file:
            for _ in range(5):
                file.write_table(table)
        assert path.stat().st_size < 1_000_000
        with pytest.raises(InputError, match=r"25,000,000 rows; accepted: at most 20,000,000"):
            read(path, "rate")

    def test_texts_in_parquet_are_refused_before_they_are_unfolded(self, tmp_path: Path) -> None:
        texts = pa.DictionaryArray.from_arrays(
            pa.array(np.zeros(60_000, np.int32)), pa.array(["1" * 100_000])
        )
        path = tmp_path / "bomb.parquet"
        pq.write_table(pa.table({"time [s]": np.arange(60_000.0), "rate [B/s]": texts}), path)
        with pytest.raises(InputError, match=r"the column 'rate \[B/s\]' of type dictionary"):
            read(path, "rate")

    def test_a_library_s_complaint_is_told_on_one_printable_line(self, tmp_path: Path) -> None:
        path = tmp_path / "log.parquet"
        pq.write_table(pa.table({"time [s]": pa.array([], pa.duration("s"))}), path)
        data = path.read_bytes()
        path.write_bytes(data.replace(b"\x19\x1c\x19\x1c", b"\x19,nan\x00", 1))
        with pytest.raises(InputError) as caught:
            read(path, "rate")
        assert str(caught.value).isprintable()

    @pytest.mark.parametrize(
        ("rows", "options"),
        [
            ("1\n999999999999999\n", []),
            ("time [s],rate [Mbit/s]\n0,1\n1000,2\n", ["--step", "1 ns"]),
            ("time [s],rate [Mbit/s]\n0,1\n1e99,2\n", ["--step", "1 s"]),
        ],
        ids=["two packets 30,000 years apart", "steps of a nanosecond", "a log of 1e99 seconds"],
    )
    def test_steps_are_counted_before_a_recording_is_averaged(
        self, rows: str, options: list[str], tmp_path: Path
    ) -> None:
        path = written(tmp_path / "log.mahimahi", rows)
        assert "a step that makes at most 10,000,000" in refused("trace", "info", path, *options)
        assert "np.float64" not in refused("trace", "fit", path, *options)
        if not options:
            assert command("trace", "plot", path, "-o", tmp_path / "figure.png") == (0, "")
