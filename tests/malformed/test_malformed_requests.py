"""Malformed logs of requests: each is refused with one sentence that names the file and the line.

A log that Hypothesis damages is read or refused, and a log that was read can drive a run.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzzing import Some, attempt, broken, examine, small_world, try_out, yaml_of
from hypothesis import given
from hypothesis import strategies as st
from test_request_logs import ALL, MOONCAKE, OTHER_NAMES

from headway.simcore import load_scenario
from headway.traces import InputError
from headway.traces.requests import FORMATS, read_requests


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "log"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "an empty file"),
        ("\n\n", "no row of data"),
        ("a,b,c\n1,2,3\n", "log:1.*azure"),
        ("arrival,prompt,output\n1,2,3\n", "log:1.*no unit for the column arrival"),
        ("arrival [Mbit],prompt,output\n1,2,3\n", "log:1.*unit"),
        ("arrival [s],prompt,output\n", "no request"),
        ("arrival [s],prompt,output\n1,2\n", "log:2.*2 columns"),
        ("arrival [s],prompt,output\n-1,2,3\n", "log:2.*time"),
        ("arrival [s],prompt,output\nnan,2,3\n", "log:2.*time"),
        ("arrival [s],prompt,output\n1,2.5,3\n", "log:2.*whole number"),
        ("arrival [s],prompt,output\n1,99999999999999999999,3\n", "log:2.*whole number"),
        ("arrival [s],prompt,output\n1,²,3\n", "log:2.*whole number"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-02-30 00:00:00,1,1\n", "log:2.*date"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n12:00,1,1\n", "log:2.*date"),
        (f"arrival [s],prompt,output\n0,{'9' * 5000},1\n", "log:2"),
        (
            f'{{"timestamp": 1{"0" * 400}, "input_length": 1, "output_length": 1}}\n',
            "log:1: got the timestamp",
        ),
        ('{"timestamp": 0, "input_length": 1, "output_length": 1}\n{}\n', "log:2.*object"),
        ('{"timestamp": 0, "input_length": 1, "output_length": 1}\n[1]\n', "log:2.*object"),
        ('{"timestamp": 0, "input_length": true, "output_length": 1}\n', "log:1, input_length"),
        ('{"timestamp": NaN, "input_length": 1, "output_length": 1}\n', "log:1.*milliseconds"),
        ('{"timestamp": 0, "input_length": 1, "output_length": ' + "[" * 20000 + "}", "log:1"),
    ],
)
def test_a_malformed_log_is_refused_with_its_line(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=says):
        read_requests(written(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        ("ts,n_in,n_out\n5,1,1\n", {"columns": OTHER_NAMES}, "log:2: got '5'.*whose unit is given"),
        (
            '{"ts": 5, "n_in": 1, "n_out": 1}',
            {"columns": OTHER_NAMES},
            "log:1: got '5'.*whose unit is given",
        ),
        ('{"ts": 5, "n_in": 1}', {"columns": OTHER_NAMES, "time_unit": "s"}, 'log:1.*"n_out": 10'),
        ("a,b,c\n5,1,1\n", {"columns": OTHER_NAMES}, r"option columns\): got no column 'ts'"),
        ("a,b,c\n5,1,1\n", {"columns": {"arrival": "a"}}, "a column for each of arrival, prompt, output"),
        ("a,b,c\n5,1,1\n", {"columns": OTHER_NAMES, "format": "azure"}, "'azure' beside columns"),
        ("a,b,c\n5,1,1\n", {"time_unit": "s"}, "a unit without columns"),
        ("a,b,c\n5,1,1\n", {}, "or the option columns, for other names"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused(
    text: str, options: dict[str, Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=says):
        read_requests(written(tmp_path, text), **options)


def test_a_format_that_the_file_does_not_have_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, MOONCAKE)
    with pytest.raises(InputError, match="a header with the columns of"):
        read_requests(path, format="azure")
    with pytest.raises(InputError, match="option format"):
        read_requests(path, format="azur")


def test_a_stretch_cannot_move_an_arrival_beyond_the_largest_time(tmp_path: Path) -> None:
    rows = [f'{{"timestamp": {t}, "input_length": 1, "output_length": 1}}\n' for t in ("0", "1e99")]
    written(tmp_path, "".join(rows))
    path = tmp_path / "lab.yaml"
    path.write_text(yaml_of(small_world(workload={"file": "log", "stretch": 1000000})))
    with pytest.raises(InputError, match=r"workload\.file.*log: got a request 1e\+102 s after the first"):
        load_scenario(path)


@pytest.mark.parametrize("times", [1, pytest.param(50, marks=pytest.mark.thorough)])
def test_a_damaged_log_is_read_or_refused(times: int, tmp_path: Path) -> None:
    """It is refused with one sentence that names the file; a log that was read drives a run."""

    @given(
        data=broken(Some(text.encode() for text in ALL.values())),
        name=st.sampled_from([None, None, *FORMATS]),
        start_s=st.sampled_from([0.0, 1.0, 1e18]),
        limit=st.sampled_from([None, 1, 2]),
        stretch=st.sampled_from([1, 1e-300, 1e6]),
    )
    def check(data: bytes, name: str | None, start_s: float, limit: int | None, stretch: float) -> None:
        path = written(tmp_path, data)
        log = attempt(lambda: read_requests(path, format=name, start_s=start_s, limit=limit), str(path))
        if log is None:
            return
        assert np.isfinite(log.arrival_s).all()
        assert (np.diff(log.arrival_s) >= 0.0).all()
        assert (log.prompt > 0).all()
        assert (log.output > 0).all()
        workload = {"file": "log", "start": f"{start_s} s", "limit": 2, "stretch": stretch, "most_prompt": 9}
        world = tmp_path / "lab.yaml"
        world.write_text(yaml_of(small_world(workload=workload)))
        try_out(attempt(lambda: load_scenario(world), str(tmp_path)))

    examine(check, 120 * times, at_random=times > 1)
