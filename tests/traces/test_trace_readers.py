"""Trace files: what is read, what is refused, and that nothing but `InputError` comes of a broken one."""

from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.traces import InputError, Options, Trace, read, record, shipped, shipped_names, write_csv
from headway.traces.units import Quantity

MBIT_S = 125_000.0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "log.txt"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file for tests with many examples, each of which overwrites it."""
    return tmp_path_factory.mktemp("scratch") / "log.txt"


@pytest.mark.parametrize(
    "text",
    [
        "time [s],rate [Mbit/s]\n0,8\n1,16\n3,0\n",
        "time (s),rate (Mbit/s)\n0,8\n1,16\n3,0\n",
        "time [ms];rate [kbit/s]\n0;8e3\n1000;16e3\n3000;0\n",
        "time [ms];\trate [kbit/s]\n0;\t8e3\n1000;\t16e3\n3000;\t0\n",
        "time [s]\trate [Mbit/s]\n0\t8\n1\t16\n3\t0\n",
        "time [s]   rate [Mbit/s]\n0 8\n1   16\n 3 0 \n",
        "Seconds since start [s], down-link rate (old) [Mbit/s]\n0, 8\n1, 16\n3, 0\n",
        "# logged at home\n\ntime [s],rate [MB/s]\n# start\n0,1\n\n1,2\n3,0\n\n",
        "time [s],rate [Mbit/s]\r\n0,8\r\n1,16\r\n3,0\r\n",
        "\ufefftime [s],rate [Mbit/s]\n0,8\n1,16\n3,0",
        "time [s],rate [Mbit/s]\n100.5,8\n101.5,16\n103.5,0\n",
    ],
)
def test_every_spelling_of_two_columns_gives_the_same_trace(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8", newline="")
    assert read(file, "rate") == Trace([0.0, 1.0, 3.0], [1e6, 2e6, 0.0])


def test_units_may_come_from_the_caller_whose_word_counts_more(file: Path) -> None:
    file.write_text("0 8\n1 16\n")
    assert read(file, "rate", unit="Mbit/s", time_unit="min") == Trace([0.0, 60.0], [1e6, 2e6])
    assert read(file, "size", unit="KiB", time_unit="s") == Trace([0.0, 1.0], [8192.0, 16384.0])
    file.write_text("Timestamp [ms],rate [bit/s]\n1372629804,8\n1372630104,16\n")
    assert read(file, "rate", unit="kbit/s", time_unit="s") == Trace([0.0, 300.0], [1000.0, 2000.0])


def test_a_fraction_needs_no_unit_and_takes_per_cent(file: Path) -> None:
    file.write_text("time [s],load\n0,0.57\n1,1\n")
    assert read(file, "fraction") == Trace([0.0, 1.0], [0.57, 1.0])
    file.write_text("time [s],load [%]\n0,57\n1,100\n")
    assert read(file, "fraction") == Trace([0.0, 1.0], [0.57, 1.0])


def test_the_end_rule_of_columns_is_hold_and_a_step_is_the_median_one(file: Path) -> None:
    file.write_text("time [s],load\n5,0.5\n6,0.6\n8,0.7\n9,0.8\n")
    assert read(file, "fraction").end == "hold"
    assert read(file, "fraction", end="loop").duration == 5.0
    assert read(file, "fraction", end="zero").duration == 5.0
    file.write_text("time [s],load\n0,0.5\n1e-9,0.6\n2e-9,0.6\n1e10,0.7\n")
    assert read(file, "fraction", end="loop").duration == np.nextafter(1e10, np.inf)


@pytest.mark.parametrize(
    ("stamps", "times_ms", "packets", "period_ms"),
    [
        ([1], [0], [1], 1),
        ([1, 1, 1], [0], [3], 1),
        ([3], [0, 2], [0, 1], 3),
        ([0, 3], [0, 2], [0, 2], 3),
        ([0, 0, 1], [0], [3], 1),
        ([1, 2, 2, 5, 7, 7], [0, 1, 2, 4, 5, 6], [1, 2, 0, 1, 0, 2], 7),
    ],
)
def test_packets_leave_in_the_millisecond_that_ends_with_their_stamp(
    file: Path, stamps: list[int], times_ms: list[int], packets: list[int], period_ms: int
) -> None:
    file.write_text("".join(f"{stamp}\n" for stamp in stamps))
    expected = Trace(np.array(times_ms) / 1000, np.array(packets) * 1.5e6, "loop", period_ms / 1000)
    assert read(file, "rate") == expected
    assert read(file, "rate", end="zero") == Trace(expected.times, expected.values, "zero", period_ms / 1000)


def test_one_packet_each_millisecond_is_12_mbit_per_second(file: Path) -> None:
    file.write_text("1")
    trace = read(file, "rate", format="mahimahi")
    assert trace.is_constant
    assert trace.value(123.4) == 12 * MBIT_S


@given(st.lists(st.integers(0, 50), min_size=1, max_size=50))
def test_a_period_carries_each_packet_by_its_stamp_and_no_more(scratch: Path, gaps_ms: list[int]) -> None:
    stamps = np.cumsum([*gaps_ms, 1])
    scratch.write_text("".join(f"{stamp}\n" for stamp in stamps))
    trace = read(scratch, "rate")
    period = float(stamps[-1]) / 1000
    assert trace.integral(0.0, period) == pytest.approx(1500 * len(stamps), rel=1e-12)
    assert trace.integral(7 * period, 9 * period) == pytest.approx(2 * 1500 * len(stamps), rel=1e-11)
    positive = stamps[stamps > 0]
    for count, stamp in enumerate(positive[:-1], 1):
        due = count if stamp < positive[count] else None
        if due is not None:
            assert trace.integral(0.0, stamp / 1000) == pytest.approx(1500 * due, rel=1e-9)
            assert trace.reach(0.0, 1500.0 * due) == pytest.approx(stamp / 1000, rel=1e-9)


def test_a_quantity_that_no_trace_holds_is_refused(file: Path) -> None:
    file.write_text("time [s],rate [Mbit/s]\n0,40\n")
    with pytest.raises(InputError, match=r"got 'speed'; expected 'fraction' or 'rate' or 'size' or 'time'"):
        read(file, cast("Quantity", "speed"))


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("rate", "values up to 40 without a unit"),
        ("rate [Mbps]", "the unit 'Mbps'"),
        ("compute [GFLOP/s]", "the unit 'GFLOP/s'"),
    ],
)
def test_where_nobody_says_what_values_are_no_unit_is_guessed(file: Path, header: str, found: str) -> None:
    file.write_text(f"time [s],{header}\n0,40\n1,10\n")
    with pytest.raises(InputError) as error:
        record(file)
    assert error.value.where == f"{file}:1"
    assert error.value.got == found
    assert '"Mbit/s" or "MB/s"' in error.value.expected
    if "GFLOP" not in header:
        assert record(file, options=Options(unit="%")).trace.values.tolist() == [0.4, 0.1]


def test_a_file_that_cannot_be_opened_is_an_input_error(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.csv", tmp_path / "a\0b", tmp_path / ("x" * 5000)):
        with pytest.raises(InputError) as caught:
            read(path, "rate")
        assert caught.value.where == str(path)


@pytest.mark.parametrize("quantity", ["rate", "size", "fraction"])
@given(
    st.lists(st.floats(1e-6, 1e6), max_size=8),
    st.lists(st.floats(0, 1e12), min_size=9, max_size=9),
)
def test_what_is_written_reads_back_the_same(
    scratch: Path, quantity: Quantity, spans: list[float], values: list[float]
) -> None:
    times = np.cumsum([0.0, *spans])
    trace = Trace(times, values[: len(times)])
    write_csv(trace, scratch, quantity)
    assert read(scratch, quantity) == trace


def test_a_regular_trace_reads_back_with_its_end_rule(file: Path) -> None:
    trace = Trace([0.0, 0.5, 1.0], [1.0, 2.0, 3.0], "loop", 1.5)
    write_csv(trace, file, "size")
    assert read(file, "size", end="loop") == trace


def test_a_file_may_be_written_in_a_unit_for_readers(file: Path) -> None:
    write_csv(Trace([0.0, 0.5], [310.5 * MBIT_S, 0.0]), file, "rate", unit="Mbit/s")
    assert file.read_bytes() == b"time [s],rate [Mbit/s]\n0,310.5\n0.5,0\n"
    with pytest.raises(InputError, match="Mbps"):
        write_csv(Trace.constant(1.0), file, "rate", unit="Mbps")


SHIPPED_MBIT_S = {"wifi-near.csv": 320, "wifi-far.csv": 140, "wifi-fading.csv": 200, "cellular.mahimahi": 6}


@pytest.mark.parametrize(("name", "mean_mbit_s"), SHIPPED_MBIT_S.items())
def test_a_shipped_rate_has_its_stated_mean_and_never_stays_at_zero(name: str, mean_mbit_s: float) -> None:
    trace = read(shipped(name), "rate")
    length = trace.duration or 600.0
    assert trace.mean(0.0, length) == pytest.approx(mean_mbit_s * MBIT_S, rel=1e-3)
    if name.startswith("wifi"):
        assert trace.values.min() > 0
        assert trace.times[-1] == 599.5
    if name == "wifi-fading.csv":
        assert trace.values.min() < 0.05 * trace.values.max()


def test_the_shipped_load_leaves_a_share_between_15_per_cent_and_all() -> None:
    trace = read(shipped("cpu-load.csv"), "fraction")
    assert 0.15 <= trace.values.min() < 0.4
    assert 0.95 < trace.values.max() <= 1
    assert trace.times[-1] == 599.0


def test_shipped_traces_are_small_and_asked_for_by_name() -> None:
    assert shipped_names() == sorted([*SHIPPED_MBIT_S, "cpu-load.csv"])
    assert all(shipped(name).stat().st_size < 40_000 for name in shipped_names())
    for name in ("wifi.csv", "", "make.py", "../errors.py"):
        with pytest.raises(InputError, match=r"wifi-near\.csv"):
            shipped(name)
