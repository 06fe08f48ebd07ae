"""A recorded trace or a log of requests that somebody has damaged is read, or refused in one message; and if it is
read, it can be described, drawn, fitted and converted.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzzing import EXTREMES, NUMBERS, Some, attempt, broken, clean, examine, invoke, yaml_of
from hypothesis import given
from hypothesis import strategies as st
from test_fuzz_scenario import check
from test_request_logs import ALL
from test_trace_formats import FILES

from headway.traces import Options, record
from headway.traces.fit import fit_all
from headway.traces.readers import FORMATS
from headway.traces.requests import read_requests
from headway.traces.trace import Trace

TRACES = Some(text.encode() for text, *_ in FILES.values())
LOGS = Some(text.encode() for text in ALL.values())
UNITS = st.sampled_from(["Mbit/s", "B", "%", "s", "ms", "x", ""])
OPTIONS = st.builds(
    Options,
    unit=st.none() | UNITS,
    time_unit=st.none() | UNITS,
    end=st.sampled_from([None, "hold", "loop", "zero", "stop"]),
    column=st.sampled_from([None, "1", "2", "99", "0", "-1", "rate", "", "9" * 5000, "²"]),
    time_column=st.sampled_from([None, "1", "2", "²"]),
    load=st.sampled_from([None, True, False]),
    repair=st.sampled_from([None, True]),
    max_gap_s=st.sampled_from([None, 0.0, 1e-320, 1.0, 1e308, float("nan"), -1.0]),
    select=st.sampled_from([None, "1", "off", "DL", "UL", "memory", "x", "²", "9" * 5000, "anna"]),
    where=st.sampled_from([None, {}, {"1": 0}, {"2": "x"}, {"rate": "0"}, {"": 1e400}, {"²": "²"}]),
    merge=st.sampled_from([None, "sum", "first", "x"]),
    step_s=st.sampled_from([None, None, None, 0.5, 0.0, 1e-320, 1e308, float("nan")]),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def use(path: Path, quantity: Any, name: str | None, options: Options) -> None:
    found = attempt(lambda: record(path, quantity, format=name, options=options), str(path))
    if found is not None:
        assert np.isfinite(found.trace.values).all()
        assert (np.diff(found.trace.times) > 0).all()
        assert np.isfinite(found.trace.integral(0.0, found.length_s))


def fuzz_readers(folder: Path) -> Any:
    @given(
        data=broken(TRACES),
        quantity=st.sampled_from([None, None, "rate", "fraction", "size"]),
        name=st.sampled_from([None, None, None, *FORMATS]),
        options=st.just(Options()) | OPTIONS,
    )
    def check_reader(data: bytes, quantity: Any, name: str | None, options: Options) -> None:
        (folder / "log").write_bytes(data)
        use(folder / "log", quantity, name, options)

    return check_reader


def fuzz_commands(folder: Path) -> Any:
    out = folder / "out"
    out.mkdir(exist_ok=True)

    @given(
        data=broken(TRACES, most=1),
        what=st.sampled_from(["info", "info", "info", "plot", "fit", ".csv", ".parquet", ".mahimahi"]),
        step=st.sampled_from([None, "1 s", "1 ns", "1e18 s", "1e-320 s"]),
    )
    def check_command(data: bytes, what: str, step: str | None) -> None:
        path = folder / "log"
        path.write_bytes(data)
        stepped = [] if step is None else ["--step", step]
        if what in ("info", "fit"):
            with clean(folder):
                invoke("trace", what, path, *stepped, usage=True)
        elif what == "plot":
            invoke("trace", "plot", path, "-o", out / "figure.png", usage=True)
        else:
            invoke("trace", "convert", path, out / f"log{what}", usage=True)

    return check_command


def fuzz_logs(folder: Path) -> Any:
    @given(
        data=broken(LOGS),
        start_s=st.sampled_from([0.0, 1.0, 1e18]),
        limit=st.sampled_from([None, 1, 2]),
        stretch=st.sampled_from([1, 1e-300, 1e6]),
    )
    def check_log(data: bytes, start_s: float, limit: int | None, stretch: float) -> None:
        path = folder / "requests"
        path.write_bytes(data)
        log = attempt(lambda: read_requests(path, start_s=start_s, limit=limit), str(path))
        if log is not None:
            assert np.isfinite(log.arrival_s).all()
            workload = {
                "file": "requests",
                "start": f"{start_s} s",
                "limit": 2,
                "stretch": stretch,
                "most_prompt": 9,
            }
            model = {"shape": {"layers": 1, "width": 64, "heads": 4}}
            devices = {name: {"memory": "1 GB", "compute": "1 GFLOP/s"} for name in ("left", "right")}
            links = {"cable": {"connect": "all", "bandwidth": "1 Mbit/s"}}
            world = {"model": model, "devices": devices, "links": links, "workload": workload}
            check(folder, yaml_of({**world, "policies": ["greedy"]}))

    return check_log


COLUMNS = st.sampled_from(
    [
        *(pa.float64(), pa.float32(), pa.int64(), pa.uint64(), pa.int8(), pa.bool_(), pa.string()),
        *(pa.timestamp("s"), pa.timestamp("ns"), pa.timestamp("us", "UTC"), pa.date32(), pa.duration("s")),
        *(pa.large_binary(), pa.null(), pa.decimal128(38, 5), pa.list_(pa.float64())),
        *(pa.struct([("a", pa.int64())]), pa.dictionary(pa.int32(), pa.string())),
    ]
)
NAMES = st.sampled_from(["time [s]", "rate [Mbit/s]", "rate", "", "é", "time [x]", "a.b"])


@st.composite
def parquet_bytes(draw: st.DrawFn) -> bytes:
    """A file of columns of any types, perhaps damaged."""
    size = draw(st.integers(0, 4))
    names = draw(st.lists(NAMES, min_size=1, max_size=3))
    columns = []
    for _ in names:
        kind = draw(COLUMNS)
        values = draw(st.lists(st.sampled_from([*NUMBERS, None, "1", "x"]), min_size=size, max_size=size))
        try:
            columns.append(pa.array(values, kind))
        except (pa.ArrowException, TypeError, OverflowError, ValueError):
            columns.append(pa.array([*range(size)], pa.int64()))
    target = pa.BufferOutputStream()
    try:
        pq.write_table(pa.Table.from_arrays(columns, names=names), target)
    except pa.ArrowException:
        target = pa.BufferOutputStream()  # the other may have got the beginning of a file
        pq.write_table(pa.table({"a": [1.0]}), target)
    data: bytes = target.getvalue().to_pybytes()
    return draw(broken(Some([data]))) if draw(st.booleans()) else data


def fuzz_parquet(folder: Path) -> Any:
    @given(
        data=parquet_bytes(),
        quantity=st.sampled_from([None, "rate", "fraction"]),
        options=st.just(Options()) | OPTIONS,
    )
    def check_parquet(data: bytes, quantity: Any, options: Options) -> None:
        (folder / "log.parquet").write_bytes(data)
        use(folder / "log.parquet", quantity, None, options)

    return check_parquet


def fuzz_generate(folder: Path) -> Any:
    kinds = ["walk", "ornstein-uhlenbeck", "gilbert-elliott", "diurnal", "fading", "x"]
    names = [
        "mean",
        "sigma",
        "correlation",
        "deviation",
        "relaxation",
        "good",
        "bad",
        "good-time",
        "bad-time",
    ]
    names += ["amplitude", "period", "peak", "coherence", "rice-factor", "unit", "as"]
    own = {
        "walk": {"mean": "5 Mbit/s", "sigma": "0.3"},
        "ornstein-uhlenbeck": {"mean": "5 Mbit/s", "deviation": "1 Mbit/s", "relaxation": "2 s"},
        "gilbert-elliott": {"good": "5 Mbit/s", "bad": "1 Mbit/s", "good-time": "1 s", "bad-time": "1 s"},
        "diurnal": {"mean": "5 Mbit/s", "amplitude": "1 Mbit/s", "period": "9 s"},
        "fading": {"mean": "5 Mbit/s", "coherence": "2 s"},
    }
    values = st.sampled_from([str(value) for value in EXTREMES if "\0" not in str(value)])

    @given(data=st.data(), kind=st.sampled_from(kinds))
    def check_generate(data: st.DataObject, kind: str) -> None:
        given_ = {
            "duration": "20 s",
            **({} if kind == "gilbert-elliott" else {"step": "1 s"}),
            **own.get(kind, {}),
        }
        for _ in range(data.draw(st.integers(0, 2))):
            given_[data.draw(st.sampled_from([*given_, *given_, *names]))] = data.draw(values)
        options = [f"--{name}={value}" for name, value in given_.items()]
        path = folder / "made.csv"
        path.unlink(missing_ok=True)
        invoke("trace", "generate", kind, "-o", path, *options, usage=True)
        if path.exists() and given_.get("as", "rate") == "rate":
            use(path, "rate", "csv", Options())

    return check_generate


def fuzz_fit(folder: Path) -> Any:
    levels = st.sampled_from([0.0, 1.0, 5e-324, 1e-300, 1e99, 2.0, 3.0]) | st.floats(0, 1e99)
    gaps = st.sampled_from([1.0, 1e-9, 1e-300, 1e99, 0.5]) | st.floats(1e-300, 1e90)

    @given(
        rows=st.lists(st.tuples(gaps, levels), min_size=1, max_size=40),
        step_s=st.sampled_from([None, 1.0, 1e-9]),
    )
    def check_fit(rows: list[tuple[float, float]], step_s: float | None) -> None:
        times = np.concatenate(([0.0], np.cumsum([gap for gap, _ in rows])[:-1]))
        try:
            trace = Trace(times, [level for _, level in rows])
        except ValueError:
            return
        attempt(lambda: fit_all(trace, step_s=step_s))

    return check_fit


FUZZ = {
    fuzz_readers: 400,
    fuzz_commands: 40,
    fuzz_logs: 60,
    fuzz_parquet: 200,
    fuzz_generate: 100,
    fuzz_fit: 30,
}
"""Every kind of damage, with the examples of a quick run."""


@pytest.mark.parametrize("fuzz", FUZZ, ids=lambda fuzz: fuzz.__name__)
def test_a_damaged_recording_is_read_or_told(fuzz: Any, folder: Path) -> None:
    examine(fuzz(folder), FUZZ[fuzz])


@pytest.mark.thorough
@pytest.mark.parametrize("fuzz", FUZZ, ids=lambda fuzz: fuzz.__name__)
def test_thousands_of_damaged_recordings(fuzz: Any, folder: Path) -> None:
    examine(fuzz(folder), 50 * FUZZ[fuzz], at_random=True)
