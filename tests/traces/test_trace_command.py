"""`headway trace`: what it says of files is what is in them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from headway.analysis.cli import app
from headway.analysis.statistics.recordings import summary
from headway.traces import Options, record
from headway.traces.recording import quantiles


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
    assert printed.startswith(f"headway: {file}:3: got the time 0;")
    assert trace("info", file, "--as", "speed")[1].startswith("headway: --as: got 'speed'")
    assert trace("info", file, "--max-gap", "0 s")[0] == 2


def test_converted_files_hold_the_same_trace(file: Path) -> None:
    file.write_text("0.0\t1.5\n2.5\t3.25\n4.0\t0.0\n5.5\t7.0\n")
    expected = record(file, "rate").trace
    for suffix in ("csv", "parquet"):
        out = file.with_suffix(f".{suffix}.{suffix}")
        code, printed = trace("convert", file, out)
        assert code == 0
        assert "say `end: loop` where it is used" in printed
        assert "holds 1.5 s" not in printed
        found = record(out, "rate", options=Options(end="loop")).trace
        assert (found.times == expected.times).all()
        assert (found.values == expected.values).all()
    assert trace("convert", file, file.with_suffix(".txt"))[0] == 2


def test_a_file_for_mahimahi_carries_the_same_bytes_to_within_a_packet(file: Path) -> None:
    file.write_text("time [s],rate [Mbit/s]\n0,12\n0.5,0\n1,6\n1.5,0\n")
    out = file.with_suffix(".mahimahi")
    assert trace("convert", file, out)[0] == 0
    stamps = [int(line) for line in out.read_text().split()]
    # 12 Mbit/s are a packet each millisecond; the last of all leaves at the end.
    assert stamps[:500] == list(range(1, 501))
    assert stamps[500:749] == list(range(1002, 1500, 2))
    assert stamps[749:] == [2000]
    source, back = record(file).trace, record(out).trace
    times = np.linspace(0.0, 1.9, 50)
    assert (
        np.abs(source.integral(np.zeros(50), times) - back.integral(np.zeros(50), times)).max()
        <= 1500 * 1.001
    )
    file.write_text("time [s],rate [Mbit/s]\n0,0\n1,0\n")
    assert "from 1 to 20,000,000 packets" in trace("convert", file, out)[1]
    file.write_text("time [s],share\n0,0.5\n1,0\n")
    assert "a trace of a rate (a .mahimahi file holds nothing else)" in trace("convert", file, out)[1]


def test_a_plot_is_written_in_the_kind_that_is_asked_for(file: Path) -> None:
    file.write_text("".join(f"{stamp}\n" for stamp in range(1, 3000)))
    for suffix, begins in ((".svg", b"<?xml"), (".png", b"\x89PNG")):
        out = file.with_suffix(suffix)
        assert trace("plot", file, "-o", out) == (0, f"Figure: {out}\n")
        first = out.read_bytes()
        assert first.startswith(begins)
        assert trace("plot", file, "-o", out)[0] == 0
        assert out.read_bytes() == first
    assert "Rate [Mbit/s], mean over 1 s" in file.with_suffix(".svg").read_text()
    assert trace("plot", file, "-o", file.with_suffix(".gif"))[0] == 2


def test_a_load_is_shown_as_it_is_or_as_what_it_leaves(file: Path) -> None:
    file.write_text("10\n30\n0\n0\n")
    assert "Load [%]" in trace("info", file)[1]
    shown = trace("info", file, "--as", "availability")[1]
    assert "Share [%]" in shown
    assert "90.0" in shown


def test_a_share_above_1_is_no_availability(file: Path) -> None:
    for text, most in (("time [s],cpu [%]\n0,50\n1,108\n", "1.08"), ("time [s],cores [%]\n0,300\n", "3")):
        file.write_text(text)
        code, printed = trace("info", file, "--as", "availability")
        assert code == 2
        assert f"got the value {most}; expected a share of the device, at most 1 (or 100 %)" in printed
        code, printed = trace("info", file, "--as", "load")
        assert code == 0
        assert f"A load of {most} is no share: a scenario refuses it" in " ".join(printed.split())


def test_info_tells_logs_of_requests_from_traces(file: Path, tmp_path: Path) -> None:
    file.write_text("time [s],rate [Mbit/s]\n0,10\n1,20\n")
    log = tmp_path / "chat.csv"
    log.write_text(
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,100,10\n"
        "2023-11-16 18:17:05.9799600,300,0\n2023-11-16 18:17:07.9799600,200,30\n"
    )
    code, printed = trace("info", file, log)
    assert code == 0
    words = printed.split()
    assert words[words.index("azure") + 1 :][:13] == [
        "2", "4.00", "0.500", "150", "105", "150", "195", "200", "20.0", "11.0", "20.0", "29.0", "30.0"
    ]  # fmt: skip
    assert "1 failed requests" in printed
    assert "Rate [Mbit/s]" in printed
    assert trace("info", log, "--as", "rate")[0] == 2
    assert trace("info", log, "--format", "azure") == trace("info", log)


def test_an_assumed_unit_is_noted_by_info_convert_and_plot(file: Path) -> None:
    file.write_text("0.0\t1.5\n2.5\t3.25\n4.0\t0.0\n")
    commands = (
        ("info", file),
        ("convert", file, file.with_suffix(".parquet")),
        ("plot", file, "-o", file.with_suffix(".svg")),
    )
    for command in commands:
        assert "Mbit/s is assumed" in " ".join(trace(*command)[1].split())
        assert "is assumed" not in trace(*command, "--unit", "MB/s")[1]


def test_one_recording_is_picked_and_rows_are_merged_by_options(file: Path) -> None:
    file.write_text("run,seq,rate [Mbit/s]\n1,0,10\n1,0,20\n1,1,30\n2,0,7\n")
    merged = ("--column", "rate", "--time-column", "seq", "--time-unit", "s", "--repair", "--merge", "sum")
    code, printed = trace("info", file, "--where", "run=1", *merged)
    assert (code, printed.split()[printed.split().index("csv") :][1:4]) == (0, ["3", "2.00", "30.0"])
    code, printed = trace("info", file, "--where", "run=1", "--column", "rate", "--row-step", "2 s")
    assert (code, printed.split()[printed.split().index("csv") :][1:4]) == (0, ["3", "6.00", "20.0"])
    assert trace("info", file, "--where", "run")[1].startswith("headway: --where: got 'run'")


def test_a_log_of_requests_with_other_names_is_described(file: Path) -> None:
    file.write_text("ts,n_in,n_out\n500,100,10\n2000,200,30\n")
    code, printed = trace("info", file, "--requests", "ts,n_in,n_out", "--time-unit", "ms")
    assert (code, printed.split()[printed.split().index("csv") :][1:4]) == (0, ["2", "1.50", "1.33"])
    assert trace("info", file, "--requests", "ts")[1].startswith("headway: --requests: got 'ts'")


def test_what_was_repaired_is_told(file: Path) -> None:
    file.write_text("time [s],rate [Mbit/s]\n0,10\n1,\n2,6\n2,8\n1,3\n3,1\n")
    code, printed = trace("info", file, "--repair")
    assert code == 0
    assert f"{file}: 1 missing values, 1 backward times, 1 duplicate times" in printed.replace("\n", "")
