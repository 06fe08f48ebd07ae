"""Recorded traces in their public formats, where the machine has some; they are not part of the project.

Figures are those that were counted from the files themselves, without Headway. Set HEADWAY_RECORDED_TRACES to a folder
with one folder for each data set, as named here.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from worlds import Shuffled, rate_of

from headway.analysis.statistics.recordings import UNITS, Summary, summary
from headway.simcore import load_scenario, simulate
from headway.traces import Options, record
from headway.traces.readers import FORMATS
from headway.traces.requests import read_requests

ROOT = Path(os.environ.get("HEADWAY_RECORDED_TRACES", ""))
MAHIMAHI = "mahimahi_cellular"
NORWAY = "norway_hsdpa_cooked"
FCC = "fcc_broadband_cooked"
UCC = "ucc_5g"
NAB = "nab_aws_cloudwatch"
BITBRAINS = "bitbrains_rnd/rnd/2013-7"
MECPERF = "mecperf_edge"

SCENARIO = """
model: {preset: gpt2}
devices:
  phone: {memory: 4 GB, compute: 10 GFLOP/s, memory_bandwidth: unlimited}
  box: {memory: 4 GB, compute: 50 GFLOP/s, memory_bandwidth: unlimited}
links: {cell: {connect: all, latency: 30 ms, bandwidth: {file: FILE}}}
workload: [{prompt: 4, output: 20}]
"""


def recorded(name: str) -> Path:
    """A file of a data set, or of the same name in a folder below."""
    path = ROOT / name
    if not os.environ.get("HEADWAY_RECORDED_TRACES") or not path.exists():
        pytest.skip(f"set HEADWAY_RECORDED_TRACES to a folder with {name}")
    return path


def close(found: float, expected: float, *, digits: int = 3) -> bool:
    """Whether a figure is the one that was published with so many digits, the last rounded or cut off."""
    unit = 10.0 ** (np.floor(np.log10(abs(expected))) + 1 - digits) if expected else 5e-4
    return abs(found - expected) <= unit


def figures(name: str, *, by_row: bool = False) -> tuple[Summary, float]:
    """Figures of a file in the units of a table, and the SI value of that unit."""
    found = record(recorded(name))
    return summary(found, by_row=by_row), UNITS[found.quantity][0]


@pytest.mark.parametrize(
    "name", ["ATT-LTE-driving-2016.down", "ATT-LTE-driving-2016.up", "Verizon-EVDO-driving.down"]
)
def test_a_mahimahi_recording_drives_a_link_by_its_name_in_a_scenario(name: str, tmp_path: Path) -> None:
    source = recorded(f"{MAHIMAHI}/{name}")
    path = tmp_path / "cellular.yaml"
    path.write_text(SCENARIO.replace("FILE", str(source)))
    scenario = load_scenario(path)
    trace = rate_of(scenario.cluster.links[0])
    opportunities = source.read_text().split()
    period_s = int(opportunities[-1]) / 1000
    assert trace.duration == pytest.approx(period_s)
    assert trace.integral(0.0, period_s) == pytest.approx(1500 * len(opportunities))
    result = simulate(scenario, Shuffled(1))
    assert result.runs.status[0] == "complete"


@pytest.mark.parametrize(
    ("name", "packets", "length_s", "mean", "p5", "p50", "p95", "zeros", "longest_ms"),
    [
        ("ATT-LTE-driving-2016.down", 45604, 120.0, 4.560, 0.576, 3.74, 11.1, 0, 1123),
        ("ATT-LTE-driving-2016.up", 19101, 120.0, 1.910, 0.035, 1.57, 4.79, 4, 4061),
        ("Verizon-EVDO-driving.down", 46065, 1062.0, 0.521, 0.012, 0.408, 1.45, 43, 11567),
    ],
)
def test_mahimahi_in_bins_of_a_second(
    name: str,
    packets: int,
    length_s: float,
    mean: float,
    p5: float,
    p50: float,
    p95: float,
    zeros: int,
    longest_ms: int,
) -> None:
    found = record(recorded(f"{MAHIMAHI}/{name}"))
    assert (found.format, found.rows, round(found.length_s)) == ("mahimahi", packets, length_s)
    assert found.longest_step_s == pytest.approx(longest_ms / 1000)
    shown = summary(found)
    assert shown.zeros == zeros
    for value, expected in ((shown.mean, mean), (shown.p5, p5), (shown.p50, p50), (shown.p95, p95)):
        # A packet is spread over its millisecond, which at the edge of a bin is shared by two bins.
        assert value / 125_000 == pytest.approx(expected, abs=0.0005 + 0.005 * expected)


@pytest.mark.parametrize(
    ("name", "rows", "length_s", "mean", "least", "p5", "p95", "most", "zeros"),
    [
        (f"{NORWAY}/norway_bus_1", 266, 154.8, 2.912, 0.375, 1.67, 4.38, 4.79, 0),
        (f"{NORWAY}/norway_bus_11", 251, 316.9, 1.235, 0.218, 0.477, 4.06, 4.63, 0),
        (f"{NORWAY}/norway_bus_13_part0.log", 45, 64.3, 1.036, 0.77, None, None, 1.52, 0),
        (f"{NORWAY}/norway_car_3", 266, 250.7, 1.684, 0.239, 0.758, 3.17, 4.29, 0),
        (f"{NORWAY}/norway_ferry_20", 223, 313, 1.090, 0.246, 0.31, 3.34, 4.71, 0),
        (f"{NORWAY}/norway_ferry_3", 255, 317, 1.218, 0.359, 0.65, 2.65, 2.95, 0),
        (f"{NORWAY}/norway_metro_2", 245, 316, 1.175, 0.366, 0.546, 2.22, 2.48, 0),
        (f"{NORWAY}/norway_tram_21", 157, 313, 0.728, 0.25, 0.457, 1.19, 1.50, 0),
        (f"{NORWAY}/norway_tram_29", 130, 308, 0.604, 0.32, 0.358, 0.943, 1.07, 0),
        (f"{FCC}/trace_10730_http---www.facebook.com", 336, 1675, 0.490, 0, 0.29, 0.563, 0.569, 9),
        (f"{FCC}/trace_28838_http---www.amazon.com", 372, 1855, 2.447, 0.000176, 0.867, 4.51, 4.66, 0),
        (f"{FCC}/trace_866_http---www.amazon.com", 369, 1840, 2.626, 0.74, 0.891, 5.23, 7.69, 0),
    ],
)
def test_pensieve(
    name: str,
    rows: int,
    length_s: float,
    mean: float,
    least: float,
    p5: float | None,
    p95: float | None,
    most: float,
    zeros: int,
) -> None:
    """The mean is over time, percentiles are over all rows, the first included, whose rate no simulator uses."""
    path = recorded(name)
    found = record(path)
    assert (found.format, found.rows, found.repairs) == ("pensieve", rows, {})
    assert found.length_s == pytest.approx(length_s, rel=2e-3)
    shown = summary(found)
    assert shown.mean / 125_000 == pytest.approx(mean, abs=5.1e-4)
    assert shown.zeros == zeros
    assert close(shown.least / 125_000, least, digits=2)
    assert close(shown.most / 125_000, most)
    first_rate = float(path.read_text().split()[1])
    rates = np.append(first_rate, found.trace.values / 125_000)
    for share, expected in ((0.05, p5), (0.95, p95)):
        if expected is not None:
            assert close(float(np.quantile(rates, share)), expected, digits=2)


def test_lines_of_hsdpa_logs() -> None:
    found = record(recorded("raw_log_examples/hsdpa_norway_page_example.log"))
    assert found.format == "cellular"
    assert found.trace.values / 125_000 == pytest.approx([1.97, 1.42, 2.24, 1.78], abs=0.006)
    assert found.length_s == pytest.approx(1.008 + 1.080 + 1.001 + 1.120)


@pytest.mark.parametrize(
    ("name", "rows", "seconds", "median", "p95", "most"),
    [
        ("Download/Driving/B_2019.12.16_11.49.59.csv", 401, 393, 5780, 18100, 22800),
        ("Download/Driving/B_2020.02.27_17.30.15.csv", 866, 885, 2380, 7790, 14300),
        ("Netflix/Driving/animated-RickandMorty/B_2019.11.21_10.20.17.csv", 268, 266, 0, 10000, 20900),
    ],
)
def test_logs_of_university_college_cork(
    name: str, rows: int, seconds: int, median: float, p95: float, most: float
) -> None:
    """Percentiles were counted before rows of one second are merged (4 to 15 % of rows): those move a little."""
    found = record(recorded(f"{UCC}/{name}"))
    assert (found.format, found.rows, found.trace.times[-1]) == ("gnettrack", rows, seconds)
    merged = found.repairs["duplicate times"]
    assert 0.04 <= merged / rows <= 0.15
    assert len(found.trace.values) == rows - merged
    # There is a value for each second but for those that are skipped.
    skipped = np.diff(found.trace.times) - 1
    assert skipped.sum() == seconds + 1 - (rows - merged)
    assert found.gaps == np.count_nonzero(skipped)
    assert found.longest_step_s in (2.0, 3.0)
    shown = summary(found, by_row=True)
    assert close(shown.most / 125, most)
    assert shown.p95 / 125 == pytest.approx(p95, rel=0.04)
    assert shown.p50 / 125 == pytest.approx(median, rel=0.08, abs=1)


@pytest.mark.parametrize(
    ("name", "mean", "p5", "p95"),
    [
        ("downstream-noise0M_Observer-Client_edge", 17.0, 8.7, 19.5),
        ("downstream-noise0M_Observer-Client_cloud", 14.2, 8.4, 16.2),
        ("downstream-noise30M_Observer-Client_edge", 7.1, None, None),
        ("downstream-noise30M_Observer-Client_cloud", 6.9, None, None),
        ("upstream-noise0M_Client-Observer_edge", 22.3, 18.4, 23.6),
        ("upstream-noise0M_Client-Observer_cloud", 13.1, None, None),
    ],
)
def test_mecperf_counted_by_test(name: str, mean: float, p5: float | None, p95: float | None) -> None:
    shown, unit = figures(f"{MECPERF}/wifi-TCPBandwidth-{name}.txt", by_row=True)
    assert shown.mean / unit == pytest.approx(mean, abs=0.06)
    for value, expected in ((shown.p5, p5), (shown.p95, p95)):
        assert expected is None or value / unit == pytest.approx(expected, abs=0.06)


def test_round_trip_times_of_mecperf() -> None:
    """The means of the first bursts of pings, 1.6 ms to the edge and 38.6 ms to the cloud."""
    for host, mean_s in (("edge", 1.6e-3), ("cloud", 38.6e-3)):
        recording = record(recorded(f"{MECPERF}/wifi-TCPRTT-noise0M_Client_{host}_trace0.txt"))
        assert recording.quantity == "time"
        assert recording.trace.values.mean() == pytest.approx(mean_s, rel=0.05)


@pytest.mark.parametrize(
    ("name", "mean", "p5", "p50", "p95", "most"),
    [
        ("24ae8d", 0.13, 0.07, 0.13, 0.14, 2.3),
        ("5f5533", 43.1, 37.5, 42.9, 51.0, 68.1),
        ("77c1ca", 10.5, 0.07, 0.10, 89.8, 99.9),
    ],
)
def test_cloudwatch(name: str, mean: float, p5: float, p50: float, p95: float, most: float) -> None:
    found = record(recorded(f"{NAB}/ec2_cpu_utilization_{name}.csv"))
    assert (found.format, found.rows, found.gaps, found.step_s) == ("cloudwatch", 4032, 0, 300.0)
    assert found.length_s == 14 * 86_400
    shown = summary(found)
    expected = (mean, p5, p50, p95, most)
    values = (shown.mean, shown.p5, shown.p50, shown.p95, shown.most)
    for value, figure in zip(values, expected, strict=True):
        assert value * 100 == pytest.approx(figure, abs=0.06 if figure > 2 else 0.006)


@pytest.mark.parametrize(("name", "most"), [("166", 62), ("203", 33), ("206", 81)])
def test_bitbrains(name: str, most: int) -> None:
    found = record(recorded(f"{BITBRAINS}/{name}.csv"))
    assert (found.format, found.step_s) == ("bitbrains", 300.0)
    shown = summary(found)
    assert 0.25 <= shown.mean * 100 <= 0.95
    assert round(shown.most * 100) == most


def test_planetlab_over_all_machines_of_a_day() -> None:
    folder = recorded("planetlab_cpu/20110303")
    found = [record(path) for path in sorted(folder.iterdir())]
    assert {(one.format, one.rows, one.length_s) for one in found} == {("planetlab", 288, 86_400.0)}
    loads = np.concatenate([one.trace.values for one in found]) * 100
    assert len(found) == 20
    assert loads.mean() == pytest.approx(6.2, abs=0.06)
    assert [np.quantile(loads, 0.5), np.quantile(loads, 0.95), loads.max()] == pytest.approx([3, 27, 86])


def test_pods_of_alibaba() -> None:
    found = record(recorded("alibaba_gpu_v2023/openb_pod_list_default.csv"))
    assert (found.format, found.rows) == ("alibaba-pods", 8152)
    assert found.repairs["pods that never ran"] >= 897
    assert found.trace.values.max() == 1.0
    assert 148 * 86_400 <= found.length_s <= 150 * 86_400


def test_weeks_of_telephones() -> None:
    path = next(recorded("stunner_phone_churn").iterdir())
    shares = []
    for number in range(1, 101):
        found = record(path, options=Options(select=str(number)))
        assert found.length_s % 86_400 == 0
        shares.append(found.trace.mean(0.0, found.length_s))
    assert 0 <= min(shares) <= 0.3 <= max(shares) <= 1


def test_every_recorded_trace_is_read_without_a_word_about_it() -> None:
    """All but round-trip times, lists of nodes, settings and logs of requests."""
    recorded(MAHIMAHI)
    formats = set()
    other = ("RTT", "node_list", "vllm_bench", "azure_llm", "mooncake", "vidur", ".md", "LICENSE", ".tar.gz")
    for path in sorted(path for path in ROOT.rglob("*") if path.is_file()):
        if not any(word in str(path.relative_to(ROOT)) for word in other):
            formats.add(record(path).format)
    assert formats <= set(FORMATS) - {"csv"}


def test_a_log_of_requests_with_names_of_its_own() -> None:
    path = recorded("llmservingsim_vllm_bench/RTXPRO6000/Llama-3.1-8B/requests.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    columns = {"arrival": "arrival_time", "prompt": "input_toks", "output": "output_toks"}
    log = read_requests(path, columns=columns, time_unit="s")
    assert log.prompt.sum() == sum(row["input_toks"] for row in rows)
    assert log.output.sum() == sum(row["output_toks"] for row in rows)
    arrivals = [row["arrival_time"] for row in rows]
    assert log.arrival_s[-1] == pytest.approx(max(arrivals) - min(arrivals), abs=1e-6)


def test_a_renamed_file_of_delays(tmp_path: Path) -> None:
    for path in recorded(MECPERF).glob("*.txt"):
        (tmp_path / "renamed").write_bytes(path.read_bytes())
        assert record(tmp_path / "renamed").quantity == ("time" if "RTT" in path.name else "rate")


@pytest.mark.parametrize(
    ("name", "requests", "prompt", "output"),
    [
        ("azure_llm_2023/AzureLLMInferenceTrace_code.csv", 8819, 2050, 27.9),
        ("mooncake_fast25/conversation_trace.head3000.jsonl", 3000, 13_500, 350),
    ],
)
def test_logs_of_requests(name: str, requests: int, prompt: float, output: float) -> None:
    log = read_requests(recorded(name))
    assert len(log.prompt) == requests
    assert close(float(log.prompt.mean()), prompt)
    assert close(float(log.output.mean()), output)
