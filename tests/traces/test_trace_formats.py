"""Public trace formats: small files of our own making, what they mean, and that damage gives nothing but an error."""

import gzip
import io
import json
import lzma
import re
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from headway.traces import InputError, Options, Trace, read, record
from headway.traces.readers import FORMATS
from headway.traces.units import Quantity

MBIT_S = 125_000.0
KBIT_S = 125.0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch") / "log"


def iperf3(*sums: tuple[float, float, float], **more: object) -> str:
    intervals = [
        {"streams": [], "sum": {"start": start, "end": end, "bits_per_second": rate, "omitted": False}}
        for start, end, rate in sums
    ]
    document = {"start": {"connected": [], "version": "iperf 3.12"}, "intervals": intervals, "end": {}}
    return json.dumps(document | more, indent=2)


BITBRAINS_HEADER = (
    "Timestamp [ms];\tCPU cores;\tCPU capacity provisioned [MHZ];\tCPU usage [MHZ];\tCPU usage [%];\t"
    "Memory capacity provisioned [KB];\tMemory usage [KB];\tDisk read throughput [KB/s];\t"
    "Disk write throughput [KB/s];\tNetwork received throughput [KB/s];\tNetwork transmitted throughput [KB/s]\n"
)
GNETTRACK_HEADER = "Timestamp,Longitude,Latitude,NetworkMode,SNR,DL_bitrate,UL_bitrate,State\n"
PODS_HEADER = (
    "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,"
    "creation_time,deletion_time,scheduled_time\n"
)

FILES: Mapping[str, tuple[str, Quantity, dict[str, Any], Trace, dict[str, int]]] = {
    "pensieve": (
        "0.0\t1.5\n2.5\t3.0\n4.0\t0.0\n",
        "rate",
        {},
        Trace([0.0, 2.5], [3 * MBIT_S, 0.0], "loop", 4.0),
        {},
    ),
    "cellular": (
        "1300000001 1000 59.1 10.2  1000 1000\n1300000002 2000 59.1 10.2 500 0999\n"
        "1300000002 1500 59.1 10.2 9 500\n1300000003 2000 59.1 10.2 9 0\n1300000004 3500 59.1 -10.2 3000 1500\n",
        "rate",
        {},
        Trace([0.0, 1.0, 2.0], [1000.0, 500 / 0.999, 2000.0], "loop", 3.5),
        {"backward times": 1, "missing values": 1},
    ),
    "gnettrack": (
        GNETTRACK_HEADER
        + "2020.02.28_23.59.58,-8.4,51.9,5G,-,800,80,D\n2020.02.28_23.59.59,-8.4,51.9,LTE,1.0,0,8,I\n"
        "2020.02.28_23.59.59,-8.4,51.9,LTE,1.0,400,8,D\n2020.02.29_00.00.02,-8.4,51.9,LTE,-,-,-,D\n"
        "2020.02.29_00.00.03,-8.4,51.9,LTE,-,16,-,D\n",
        "rate",
        {},
        Trace([0.0, 1.0, 5.0], [800 * KBIT_S, 200 * KBIT_S, 16 * KBIT_S]),
        {"duplicate times": 1, "missing values": 1},
    ),
    "mecperf": (
        "2020-01-24 15:37:25.000000_8.0,2020-01-24 15:37:27.500000_16.0,2020-01-24 16:37:25.000000_4\n",
        "rate",
        {},
        Trace([0.0, 2.5, 3600.0], [8 * MBIT_S, 16 * MBIT_S, 4 * MBIT_S]),
        {},
    ),
    "iperf3": (
        iperf3((0, 1.0, 8e6), (1.0, 2.5, 0), (2.5, 3.0, 4e6)),
        "rate",
        {},
        Trace([0.0, 1.0, 2.5], [1e6, 0.0, 5e5], "loop", 3.0),
        {},
    ),
    "ping": (
        "PING pi (192.0.2.7) 56(84) bytes of data.\n64 bytes from pi (192.0.2.7): icmp_seq=1 ttl=64 time=2.5 ms\n"
        "64 bytes from pi (192.0.2.7): icmp_seq=2 ttl=64 time=12 ms\nno answer yet for icmp_seq=3\n"
        "64 bytes from pi (192.0.2.7): icmp_seq=4 ttl=64 time=0.75 ms\n"
        "64 bytes from pi (192.0.2.7): icmp_seq=4 ttl=64 time=0.8 ms (DUP!)\n\n--- pi ping statistics ---\n"
        "4 packets transmitted, 3 received, 25% packet loss, time 3005ms\n",
        "time",
        {},
        Trace([0.0, 1.0, 3.0], [2.5e-3, 12e-3, 0.75e-3]),
        {"duplicate answers": 1},
    ),
    "jsonl": (
        '{"t [ms]": 1700000000123, "rate [Mbit/s]": 8}\n\n{"rate [Mbit/s]": 0.5, "t [ms]": 1700000000130}\n',
        "rate",
        {},
        Trace([0.0, 0.007], [8 * MBIT_S, 0.5 * MBIT_S]),
        {},
    ),
    "bitbrains": (
        BITBRAINS_HEADER + "1372629804;\t2;\t5200.0;\t0.0;\t50.0;\t1.6703488E7;\t1024.0;\t0;\t0;\t0;\t0\n"
        "1372630104;\t0;\t0.0;\t0.0;\t0.0;\t0.0;\t0.0;\t0;\t0;\t0;\t0\n"
        "1372630404;\t2;\t5200.0;\t0.0;\t107.0;\t0.0;\t2048.0;\t0;\t0;\t0;\t0\n"
        "1372630404;\t2;\t5200.0;\t0.0;\t20.0;\t0.0;\t2048.0;\t0;\t0;\t0;\t0\n"
        "1372630704;\t2;\t5200.0;\t0.0;\t106.0;\t0.0;\t2048.0;\t0;\t0;\t0;\t0\n",
        "fraction",
        {"load": False},
        Trace([0.0, 300.0, 600.0, 900.0], [0.5, 0.0, 0.635, 1.0]),
        {"duplicate times": 1, "rows of a machine that is off": 1, "loads above 100 %": 1},
    ),
    "planetlab": (
        "13\n0\n100\n7\n",
        "fraction",
        {"load": False},
        Trace([0.0, 300.0, 600.0, 900.0], [0.13, 0.0, 1.0, 0.07], "loop", 1200.0),
        {},
    ),
    "cloudwatch": (
        "timestamp,value\n2014-02-28 23:55:00,25.0\n2014-03-01 00:00:00,0.5\n2014-03-01 00:05:00,100\n",
        "fraction",
        {"load": False},
        Trace([0.0, 300.0, 600.0], [0.25, 0.005, 1.0]),
        {},
    ),
    "alibaba-pods": (
        PODS_HEADER + "a,1,1,1,500,,LS,Running,0,100,10\nb,1,1,2,1000,V100|P100,BE,Succeeded,5,60,20\n"
        "c,1,1,1,1000,,BE,Pending,6,90,\nd,1,1,1,1000,,BE,Failed,7,30,30\n",
        "fraction",
        {"load": False},
        Trace([0.0, 10.0, 50.0], [0.2, 1.0, 0.2], "loop", 90.0),
        {"pods that never ran": 2},
    ),
    "churn": (
        "x/anna 1 1400000000000 2 1000 2000 3000\nx/bert 0 1400000000000 -1 500 500\nx/bert 1 1400000003000 -1 1000\n",
        "fraction",
        {},
        Trace([0.0, 1.0, 3.0], [1.0, 0.0, 1.0], "loop", 6.0),
        {},
    ),
    "intervals": (
        "start [s],end [s]\n30,40\n10,20\n15,25\n",
        "fraction",
        {},
        Trace([0.0, 10.0, 25.0, 30.0, 40.0], [0.0, 1.0, 0.0, 1.0, 0.0]),
        {"overlapping intervals": 1},
    ),
    "mahimahi": ("1\n1\n4\n", "rate", {}, Trace([0.0, 0.001, 0.003], [3e6, 0.0, 1.5e6], "loop", 0.004), {}),
    "csv": (
        'when;speed [Mbit/s];note\n2024-01-01T00:00:00.5;8;"a;b"\n2024-01-01T00:00:02;16;\n',
        "rate",
        {"column": "speed"},
        Trace([0.0, 1.5], [1e6, 2e6]),
        {},
    ),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("told", [False, True])
def test_a_file_is_recognised_and_means_what_its_format_says(file: Path, name: str, told: bool) -> None:
    text, quantity, options, expected, repairs = FILES[name]
    file.write_text(text)
    found = record(file, quantity, format=name if told else None, options=Options(**options))
    assert (found.format, dict(found.repairs)) == (name, repairs)
    assert found.trace.times == pytest.approx(expected.times, abs=1e-12)
    assert found.trace.values == pytest.approx(expected.values, rel=1e-12)
    assert (found.trace.end, found.trace.duration) == (expected.end, expected.duration)
    assert record(file, options=Options(column=options.get("column"))).quantity == quantity
    assert read(file, quantity, **options) == found.trace


def test_every_format_has_a_file_here() -> None:
    assert {*FILES, "parquet"} == set(FORMATS)


def test_every_format_is_described_in_the_order_in_which_it_is_tried() -> None:
    page = (Path(__file__).parents[2] / "docs" / "traces.md").read_text(encoding="utf-8")
    table = page.partition("\n## Formats\n")[2]
    assert re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE) == list(FORMATS)


@pytest.mark.parametrize("name", ["bitbrains", "planetlab", "cloudwatch", "alibaba-pods"])
def test_a_load_becomes_the_share_that_is_left_only_when_asked(file: Path, name: str) -> None:
    text, *_, expected, _ = FILES[name]
    file.write_text(text)
    assert read(file, "fraction", load=True).values == pytest.approx(1 - expected.values)


def test_a_load_in_columns_is_turned_into_availability_when_asked(file: Path) -> None:
    file.write_text("time [s],cpu [%]\n0,25\n1,100\n")
    assert read(file, "fraction", load=True) == Trace([0.0, 1.0], [0.75, 0.0])
    assert read(file, "fraction") == Trace([0.0, 1.0], [0.25, 1.0])


def test_bitbrains_memory_is_a_size(file: Path) -> None:
    file.write_text(FILES["bitbrains"][0])
    assert read(file, "size").values.tolist() == [1024.0**2, 0.0, 2048 * 1024.0, 2048 * 1024.0]


def test_uplink_and_other_columns_are_chosen_by_name(file: Path) -> None:
    file.write_text(FILES["gnettrack"][0])
    assert read(file, "rate", column="UL") == Trace([0.0, 1.0], [80 * KBIT_S, 8 * KBIT_S])
    assert read(file, "rate", column="UL_bitrate") == read(file, "rate", column="7")


def test_a_line_or_all_lines_of_a_telephone_are_chosen(file: Path) -> None:
    file.write_text(FILES["churn"][0])
    assert read(file, "fraction", select="2") == Trace([0.0, 0.5], [0.0, 1.0], "loop", 1.0)
    bert = record(file, "fraction", options=Options(select="bert"))
    assert bert.trace == Trace([0.0, 0.5, 1.0, 3.0], [0.0, 1.0, 0.0, 1.0], "loop", 4.0)
    assert bert.repairs == {"times without record": 1}


def test_intervals_may_be_outages(file: Path) -> None:
    file.write_text("start [min]\tend [min]\n0\t1\n2\t3\n")
    assert read(file, "fraction", select="off") == Trace([0.0, 60.0, 120.0, 180.0], [0.0, 1.0, 0.0, 1.0])
    assert read(file, "fraction", end="loop") == Trace([0.0, 60.0, 120.0], [1.0, 0.0, 1.0], "loop", 180.0)


def test_gaps_are_kept_unless_they_are_to_be_shortened(file: Path) -> None:
    file.write_text(FILES["mecperf"][0])
    found = record(file, "rate", options=Options(max_gap_s=10.0))
    assert found.trace.times.tolist() == [0.0, 2.5, 12.5]
    assert found.repairs == {"gaps shortened": 1}


def test_a_cut_out_part_begins_at_0(file: Path) -> None:
    file.write_text("180.5\t1.0\n185.5\t2.0\n190.5\t3.0\n")
    assert read(file, "rate") == Trace([0.0, 5.0], [2 * MBIT_S, 3 * MBIT_S], "loop", 10.0)
    assert read(file, "rate", format="pensieve", unit="MB/s").values.tolist() == [2e6, 3e6]


PUFFER_NOTE = "The unit Mbit/s is assumed: the file states none. Puffer's logs are most likely in MB/s"


def test_the_unit_of_a_pensieve_file_may_be_given_and_is_noted_where_it_is_assumed(file: Path) -> None:
    """The value of a row holds for the time before it, whatever its unit is."""
    file.write_text(FILES["pensieve"][0])
    for quantity in (None, "rate"):
        assumed = record(file, quantity)
        given_unit = record(file, quantity, options=Options(unit="MB/s"))
        assert given_unit.format == "pensieve"
        assert given_unit.trace == Trace([0.0, 2.5], [3e6, 0.0], "loop", 4.0)
        assert [PUFFER_NOTE in note for note in assumed.notes] == [True]
        assert given_unit.notes == ()


@pytest.mark.parametrize(
    "text",
    [
        "0.0,1.5\n1.0,2.5\n",
        "0.0 1.5\n1.0 2.5\n",
        "0\t1\n1\t2\n",
        "0.0\t1500.5\n1.0\t2500.5\n",
        "0.0\t1.5\n",
        "1.0\t1.5\n0.5\t2.5\n",
        "1300000000.5\t1.5\n1300000001.5\t2.5\n",
        "time [s]\trate [kbit/s]\n0.0\t1.5\n1.0\t2.5\n",
        "0.0\t1.5\t1.0\n1.0\t2.5\t1.0\n",
    ],
)
def test_two_columns_that_may_be_anything_are_not_taken_for_pensieve(file: Path, text: str) -> None:
    """Comma or blank for a tab, whole numbers, kbit/s by size, one row, falling or epoch times, headers, others."""
    file.write_text(text)
    try:
        name = record(file, "rate").format
    except InputError:
        name = "none"
    assert name != "pensieve"


def test_a_unit_of_the_times_keeps_a_file_from_being_taken_for_pensieve(file: Path) -> None:
    file.write_text(FILES["pensieve"][0])
    kbit = read(file, "rate", unit="kbit/s", time_unit="ms")
    assert kbit == Trace([0.0, 0.0025, 0.004], [1.5 * KBIT_S, 3 * KBIT_S, 0.0])


def test_omitted_intervals_of_iperf3_are_left_out(file: Path) -> None:
    document = json.loads(iperf3((0, 1, 8.0), (0, 1, 16.0), (1, 2, 24.0)))
    document["intervals"][0]["sum"]["omitted"] = True
    file.write_text(json.dumps(document))
    found = record(file)
    assert found.trace == Trace([0.0, 1.0], [2.0, 3.0], "loop", 2.0)
    assert found.repairs == {"omitted intervals": 1}


def test_round_trip_times_are_times_and_not_taken_for_rates(tmp_path: Path) -> None:
    path = tmp_path / "wifi-TCPRTT-noise0M_Client_edge.txt"
    path.write_text("2020-01-24 15:37:25.000000_1.5,2020-01-24 15:37:26.000000_2.5")
    trace = read(path, "time")
    assert (trace.times.tolist(), trace.values.tolist()) == ([0.0, 1.0], [1.5e-3, 2.5e-3])
    with pytest.raises(InputError, match="a time"):
        read(path, "rate")


def items(*pairs: tuple[float, float]) -> str:
    """A file of MECPerf: seconds after half past three, and a value."""
    return ",".join(f"2020-01-24 15:30:{second:09.6f}_{value}" for second, value in pairs)


def test_delays_of_mecperf_are_known_by_their_content_too(file: Path) -> None:
    """Its pings follow one another, so that each value is the time since the one before in milliseconds."""
    file.write_text(items((1.0, 39.0), (1.038, 38.0), (1.079, 41.0), (1.116, 37.0)))
    found = record(file)
    assert (found.quantity, found.notes) == ("time", ())
    assert found.trace.values == pytest.approx([39e-3, 38e-3, 41e-3, 37e-3])
    with pytest.raises(InputError, match="holds a time"):
        read(file, "rate")
    file.write_text(items((1.0, 15.8), (3.0, 15.5), (6.0, 15.8), (8.0, 14.9)))
    assert record(file).quantity == "rate"


def test_a_file_of_mecperf_whose_name_does_not_say_what_it_holds_is_noted(tmp_path: Path) -> None:
    text = items((1.0, 15.8), (3.0, 15.5))
    for name, noted in (("log", True), ("wifi-TCPBandwidth-noise0M_edge.txt", False)):
        (tmp_path / name).write_text(text)
        notes = record(tmp_path / name).notes
        assert ["A bandwidth in Mbit/s is assumed" in note for note in notes] == [True] * noted


def test_udp_tests_of_mecperf_are_noted_as_no_capacity(tmp_path: Path) -> None:
    for name, rate in (("wifi-UDPBandwidth-upstream-noise0M_edge.txt", 499), ("wifi-Bandwidth.txt", 2290)):
        (tmp_path / name).write_text(items((1.0, 15.8), (3.0, rate)))
        (note,) = record(tmp_path / name).notes
        assert "UDP" in note
        assert f"{rate} Mbit/s" in note
        assert "no capacity" in note


@pytest.mark.parametrize("told", ["s", "ms", "us"])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_the_start_is_subtracted_before_the_unit_of_the_times_is_applied(
    file: Path, told: str, suffix: str
) -> None:
    """Counted from 1970, a time has no digits to spare once it is divided; the step of one is exact before that."""
    starts = {"s": 1_700_000_000, "ms": 1_700_000_000_123, "us": 1_700_000_000_123_457}
    start = starts[told]
    file.write_text(f"time [{told}],rate [B/s]\n{start},1\n{start + 7},2\n{start + 10},3\n")
    if suffix == "parquet":
        pq.write_table(pa_csv.read_csv(file), file)
    factor = {"s": 1, "ms": 1000, "us": 1_000_000}[told]
    assert read(file, "rate").times.tolist() == [0.0, 7 / factor, 10 / factor]
    assert read(file, "rate", repair=True).times.tolist() == [0.0, 7 / factor, 10 / factor]


def test_the_start_of_a_telephone_is_subtracted_before_milliseconds_become_seconds(file: Path) -> None:
    file.write_text("x/anna 1 1400000000123 2 1 6 3\n")
    assert read(file, "fraction").times.tolist() == [0.0, 0.001, 0.007]


def test_columns_out_of_order_are_put_in_order_when_asked(file: Path) -> None:
    file.write_text("time [s],rate [B/s]\n0,10\n1,\n2,6\n2,8\n1,3\n3,1\n")
    assert read(file, "rate", repair=True) == Trace([0.0, 2.0, 3.0], [10.0, 7.0, 1.0])


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_name_that_several_columns_have_is_refused(file: Path, suffix: str) -> None:
    file.write_text("time [s],cpu [MHZ],cpu [%]\n0,2600,50\n1,1300,25\n")
    if suffix == "parquet":
        pq.write_table(pa_csv.read_csv(file), file)
    with pytest.raises(
        InputError, match=r"'cpu', which 2 columns .*'cpu \[MHZ\]' \(number 2\) or 'cpu \[%\]'"
    ):
        read(file, "fraction", column="cpu")
    for told in ("cpu [%]", "3"):
        assert read(file, "fraction", column=told).values.tolist() == [0.5, 0.25]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("header", "unit", "fits"),
    [
        ("cpu [MHZ]", "%", False),
        ("rate [Mbit/s]", "%", False),
        ("rate [Mbit/s]", "ms", False),
        ("rate [MB]", "MB/s", False),
        ("rate [Mbit/s]", "kB/s", True),
        ("rate [Mbps]", "Mbit/s", True),
        ("rate", "Mbit/s", True),
    ],
)
def test_a_unit_of_another_quantity_than_in_the_header_is_refused(
    file: Path, suffix: str, header: str, unit: str, fits: bool
) -> None:
    file.write_text(f"time [s],{header}\n0,0.5\n1,0.25\n")
    if suffix == "parquet":
        pq.write_table(pa_csv.read_csv(file), file)
    if fits:
        assert record(file, options=Options(unit=unit)).quantity == "rate"
        return
    with pytest.raises(InputError, match=rf"option unit\): got the unit '{unit}' for the column") as error:
        record(file, options=Options(unit=unit))
    assert repr(header) in error.value.got
    with pytest.raises(InputError, match=r"option time_unit\)"):
        record(file, options=Options(time_unit="MB"))


RUNS = "run,carrier,time [s],rate [B/s]\n" + "".join(
    f"{run},{'A' if run < 3 else 'B'},{time},{10 * run + time}\n" for run in range(6) for time in range(4)
)
"""Six recordings of four rows in one file."""


def test_a_repair_refuses_a_file_that_is_more_likely_many_recordings(file: Path) -> None:
    file.write_text(RUNS)
    options: dict[str, Any] = {"column": "rate", "time_column": "time"}
    with pytest.raises(InputError, match=r"20 of 24 rows that a repair would drop or merge.*many recordings"):
        read(file, "rate", repair=True, **options)
    # A way to merge accepts rows of one time, but not times that fall.
    with pytest.raises(InputError, match=r"15 of 24 rows"):
        read(file, "rate", repair=True, merge="mean", **options)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_one_recording_of_many_is_picked_by_the_values_of_columns(file: Path, suffix: str) -> None:
    file.write_text(RUNS)
    if suffix == "parquet":
        pq.write_table(pa_csv.read_csv(file), file)
    options: dict[str, Any] = {"column": "rate", "time_column": "time"}
    picks: list[dict[str, str | float]] = [{"run": "4"}, {"run": 4.0}, {"1": 4, "carrier": "B"}]
    for wanted in picks:
        assert read(file, "rate", where=wanted, **options) == Trace([0.0, 1, 2, 3], [40.0, 41, 42, 43])
    missing: list[dict[str, str | float]] = [{"run": "7"}, {"run": 4, "carrier": "A"}]
    for wanted in missing:
        with pytest.raises(InputError, match=r"option where\): got no row in which run is"):
            read(file, "rate", where=wanted, **options)
    with pytest.raises(InputError, match=r"option where\): got no column 'walk'"):
        read(file, "rate", where={"walk": 1}, **options)


def test_rows_that_are_not_wanted_may_hold_anything(file: Path) -> None:
    file.write_text("run,time [s],rate [B/s]\n1,0,5\n2,,x\n2,now,-1\n1,1,6\n")
    assert read(file, "rate", column="rate", time_column="time", where={"run": 1}) == Trace(
        [0.0, 1], [5.0, 6]
    )


@pytest.mark.parametrize(("merge", "merged"), [("mean", 7.0), ("sum", 14.0), ("first", 6.0), (None, 7.0)])
def test_rows_of_one_time_become_one_as_the_user_says(file: Path, merge: Any, merged: float) -> None:
    file.write_text("time [s],rate [B/s]\n0,10\n1,3\n2,6\n2,8\n3,1\n")
    assert read(file, "rate", repair=True, merge=merge).values.tolist() == [10.0, 3.0, merged, 1.0]


def test_rows_without_a_clock_are_a_step_apart(file: Path) -> None:
    file.write_text("run,rate [MB/s]\n1,8\n1,0\n2,5\n1,4\n")
    expected = Trace([0.0, 0.5, 1.0], [8e6, 0.0, 4e6])
    assert read(file, "rate", step_s=0.5, column="rate", where={"run": 1}) == expected
    file.write_text("8\n0\n4\n")
    found = record(file, options=Options(step_s=0.5, unit="MB/s"))
    assert (found.format, found.trace, found.length_s, found.gaps) == ("csv", expected, 1.5, 0)
    assert read(file, "rate", step_s=0.5, unit="MB/s", end="loop").duration == 1.5


def test_a_block_that_is_not_clean_is_read_as_a_clean_one(file: Path) -> None:
    """Quotes and foreign blanks send a block through the slow reader, which must come to the same; so must comments."""
    rng = np.random.default_rng(1)
    rows = [
        f"{time!r},{value!r}"
        for time, value in zip(np.cumsum(rng.random(500)), rng.random(500) * 1e9, strict=True)
    ]
    rows = [row.replace("np.float64(", "").replace(")", "") for row in rows]
    file.write_text("\n".join(rows))
    clean = read(file, "rate", unit="kbit/s", time_unit="ms")
    for unclean in (
        ["# pause", "", " # 7,8"],
        ["\u00a0"],
        [f'"{rows[250].partition(",")[0]}",{rows[250].partition(",")[2]}'],
    ):
        rest = rows[251:] if unclean[0].startswith('"') else rows[250:]
        file.write_text("\n".join([*rows[:250], *unclean, *rest, "#"]), encoding="utf-8")
        assert read(file, "rate", unit="kbit/s", time_unit="ms") == clean


def test_a_long_file_is_read_across_blocks_with_the_line_of_a_mistake(file: Path) -> None:
    rows = [f"{number} {number % 7}" for number in range(300_000)]
    file.write_text("\n".join(rows))
    found = read(file, "rate", unit="B/s", time_unit="s")
    assert (len(found.times), found.integral(0.0, 7.0)) == (300_000, 21.0)
    rows[250_000] = "250000 x"
    file.write_text("\n".join(rows))
    with pytest.raises(InputError, match=r"log:250001: got 'x'"):
        read(file, "rate", unit="B/s", time_unit="s")


def test_memory_is_that_of_arrays_and_not_of_objects_for_each_row(file: Path) -> None:
    """A Python float takes 24 bytes and its place in a list 8; here times, values and what searches them are arrays."""
    rows = 400_000
    file.write_text("".join(f"{number}\t{number % 97}.5\n" for number in range(rows)))
    tracemalloc.start()
    try:
        found = read(file, "rate", format="pensieve")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found.times) == rows - 1
    assert peak <= 120 * rows + 20e6


def test_long_traces_answer_as_short_ones_do() -> None:
    """A trace of 200,050 values is stored in arrays, a short one in lists: a loop equals the loop written out."""
    rng = np.random.default_rng(2)
    period, values = np.arange(50.0), rng.random(50)
    short = Trace(period, values, "loop", 50.0)
    long = Trace(np.arange(200_050.0), np.tile(values, 4001), "loop", 200_050.0)
    times = np.sort(rng.random(200) * 200_000)
    assert (long.value(times) == short.value(times)).all()
    assert long.integral(times[:-1], times[1:]) == pytest.approx(short.integral(times[:-1], times[1:]))
    assert long.reach(times, 7.0) == pytest.approx(short.reach(times, 7.0))
    assert isinstance(long.value(3.0), float)


def parquet(path: Path, columns: Mapping[str, Any]) -> None:
    pq.write_table(pa.table(columns), path)


def test_parquet_files_are_read_by_the_names_of_their_columns(file: Path) -> None:
    parquet(file, {"time [ms]": [0, 500, 2000], "rate [Mbit/s]": [8.0, 0.0, 16.0]})
    assert read(file, "rate") == Trace([0.0, 0.5, 2.0], [1e6, 0.0, 2e6])
    dates = np.array(["2024-01-01T00:00:00", "2024-01-01T00:00:05"], dtype="datetime64[ms]")
    parquet(file, {"note": ["a", "b"], "cpu [%]": [50, 100], "when": dates})
    found = read(file, "fraction", column="cpu", time_column="when", load=True)
    assert found == Trace([0.0, 5.0], [0.5, 0.0])


def test_json_lines_take_the_options_of_columns(file: Path) -> None:
    rows: list[dict[str, object]] = [
        {"when": f"2024-01-01T00:00:0{second}", "run": run, "cpu": 20 * run + second, "note": {"a": []}}
        for run in (1, 2)
        for second in (0, 1, 4)
    ]
    rows[-1]["cpu"] = None
    file.write_text("\n".join(map(json.dumps, rows)))
    options: dict[str, Any] = {"column": "cpu", "unit": "%", "where": {"run": 2}}
    with pytest.raises(InputError, match="log:6: got None"):
        read(file, "fraction", **options)
    assert read(file, "fraction", repair=True, **options) == Trace([0.0, 1.0], [0.4, 0.41])
    assert read(file, "fraction", repair=True, step_s=2.0, **options) == Trace([0.0, 2.0], [0.4, 0.41])
    with pytest.raises(
        InputError, match=r"log:1: got the keys \['when', 'run', 'cpu', 'note'\].*option column"
    ):
        read(file, "fraction", unit="%")
    with pytest.raises(InputError, match="If these are requests, name the keys of"):
        read(file, "fraction", unit="%")
    with pytest.raises(InputError, match="log:4: got the time '2024-01-01T00:00:00'"):
        read(file, "fraction", column="cpu", unit="%")


@pytest.mark.parametrize(
    "answer",
    [
        "64 bytes from 192.0.2.1: icmp_seq={} ttl=57 time={} ms",
        "64 bytes from host.example (192.0.2.1): icmp_seq={} ttl=57 time={} ms",
        "64 bytes from 2001:db8::1: icmp_seq={} ttl=57 time={} ms",
        "64 bytes from fe80::1%eth0: icmp_seq={} hlim=64 time={} ms",
        "64 bytes from 192.0.2.1: seq={} ttl=64 time={} ms",
    ],
)
def test_answers_to_pings_are_read_in_the_forms_of_several_systems(file: Path, answer: str) -> None:
    file.write_text("\n".join(answer.format(number, number + 0.5) for number in (65534, 65535, 0, 2)))
    found = record(file)
    assert found.trace == Trace([0.0, 1.0, 2.0, 4.0], [65.5345, 65.5355, 0.0005, 0.0025])
    assert ["A second from one request" in note for note in found.notes] == [True]
    fast = record(file, options=Options(step_s=0.2))
    assert (fast.trace.times.tolist(), fast.notes) == ([0.0, 0.2, 0.4, 0.8], ())


def test_the_time_of_a_ping_is_its_stamp_where_it_has_one(file: Path) -> None:
    file.write_text(
        "[1700000000.123456] 64 bytes from 192.0.2.1: icmp_seq=1 ttl=57 time=10 ms\n"
        "[1700000000.373456] 64 bytes from 192.0.2.1: icmp_seq=2 ttl=57 time=11 ms\n"
    )
    found = record(file)
    assert (found.trace, found.notes) == (Trace([0.0, 0.25], [0.010, 0.011]), ())
    with pytest.raises(InputError, match="holds a time"):
        read(file, "rate")


def zipped(content: bytes, *names: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names or ("log.csv", "__MACOSX/._log.csv"):
            archive.writestr(name, content)
    return target.getvalue()


def tarred(content: bytes) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        member = tarfile.TarInfo("log.csv")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


COMPRESSED: Mapping[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "xz": lzma.compress,
    "zst": lambda content: pa.compress(content, "zstd", asbytes=True),
    "zip": zipped,
}


@pytest.mark.parametrize("compressed", COMPRESSED)
@pytest.mark.parametrize("name", ["csv", "iperf3", "mecperf", "mahimahi", "churn"])
def test_a_compressed_file_is_read_as_what_is_in_it(file: Path, name: str, compressed: str) -> None:
    text, quantity, options, *_ = FILES[name]
    file.write_text(text)
    plain = record(file, quantity, options=Options(**options))
    file.write_bytes(COMPRESSED[compressed](text.encode()))
    found = record(file, quantity, options=Options(**options))
    assert (found.format, found.trace) == (name, plain.trace)


@pytest.mark.parametrize("compressed", COMPRESSED)
def test_the_size_of_what_is_in_a_compressed_file_is_bounded(
    file: Path, compressed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A megabyte of lines in about a kilobyte."""
    monkeypatch.setattr("headway.traces.readers.compressed.MOST_DECOMPRESSED", 1_000_000)
    file.write_bytes(COMPRESSED[compressed](b"1\n" * 500_001))
    with pytest.raises(InputError, match="more than 1,000,000 bytes when decompressed: decompress it first"):
        read(file, "rate")
    file.write_bytes(COMPRESSED[compressed](b"1\n" * 499_999 + b"1"))
    assert read(file, "rate").integral(0.0, 0.001) == 1500 * 500_000
