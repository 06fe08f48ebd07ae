"""`headway trace`: what it says of files is what is in them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from analysis.cli import app
from analysis.recordings import summary
from traces import record
from traces.recording import quantiles


def trace(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(
        app, ["trace", *map(str, arguments)], prog_name="headway", catch_exceptions=False
    )
    return done.exit_code, done.output


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "log.csv"


def test_info_weighs_values_by_the_time_they_hold_or_as_rows(file: Path) -> None:
    file.write_text("time [s],rate [Mbit/s]\n0,10\n9,100\n10,0\n")
    recording = record(file)
    # The last row has no end; it counts for the median step, 5 s.
    assert recording.length_s == 15.0
    assert summary(recording).mean == pytest.approx((9 * 10 + 1 * 100) / 15 * 125_000)
    assert summary(recording, by_row=True).mean == pytest.approx(110 / 3 * 125_000)
    code, printed = trace("info", file, "--step", "5 s")
    assert code == 0
    row = printed.split()[printed.split().index("csv") :]
    # Means over 5 s: 10, 28 (four seconds of 10 and one of 100), 0.
    assert row == ["csv", "3", "15.0", "12.7", "0", "1.00", "10.0", "26.2", "28.0", "1", "1", "9.00"]


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.floats(0.1, 10))
def test_quantiles_of_equal_weights_are_those_of_numpy(values: list[float], weight: float) -> None:
    shares = np.array([0.0, 0.05, 0.5, 0.95, 1.0])
    array = np.array(values)
    found = quantiles(array, np.full(len(array), weight), shares)
    assert found == pytest.approx(np.quantile(array, shares), rel=1e-6, abs=1e-6)


def test_a_mistake_is_told_in_one_line_with_exit_code_2(file: Path) -> None:
    file.write_text("time [s],rate [Mbit/s]\n0,10\n0,11\n")
    code, printed = trace("info", file)
    assert code == 2
    assert printed.startswith(f"headway: {file}:3: found the time 0;")
    assert trace("info", file, "--as", "speed")[1].startswith("headway: --as: found 'speed'")
    assert trace("info", file, "--max-gap", "0 s")[0] == 2


def test_what_was_repaired_is_told(file: Path) -> None:
    file.write_text("time [s],rate [Mbit/s]\n0,10\n1,\n2,6\n2,8\n1,3\n3,1\n")
    code, printed = trace("info", file, "--repair")
    assert code == 0
    assert f"{file}: 1 missing values, 1 backward times, 1 duplicate times" in printed.replace("\n", "")
