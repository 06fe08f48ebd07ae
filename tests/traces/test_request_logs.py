"""Request logs: every format, its quirks, and that nothing but an `InputError` comes of a broken file."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.traces import InputError
from headway.traces.requests import FORMATS, read_requests

# Small logs of our own in the forms of the published ones.
AZURE = (
    "TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
    "2023-11-16 18:17:03.9799600,4808,10\r\n"
    "2023-11-16 18:17:04.0319601,3180,8\r\n"
    "2023-11-17 18:17:03.9799600,110,27"  # no end of line
)
AZURE_2024 = (
    "TIMESTAMP,ContextTokens,GeneratedTokens\n"
    "2024-05-10 00:00:00.009930+00:00,2162,5\n"
    "2024-05-10 02:00:01.509930+02:00,2399,6\n"
)
BURSTGPT = (
    "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
    "5,ChatGPT,472,18,490,Conversation log\n"
    "45,GPT-4,1087,0,1087,API log\n"
    '118.5,"Chat,GPT",417,276,693,Conversation log\n'
)
BURSTGPT_3 = (
    "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
    "5,abc,1.5,ChatGPT,472,18,490,Conversation log\n"
)
MOONCAKE = (
    '{"timestamp": 0, "input_length": 6758, "output_length": 500, "hash_ids": [0, 1]}\n'
    '{"timestamp": 3001, "input_length": 7322, "output_length": 490, "hash_ids": [0, 2]}\n'
)
VIDUR = "arrived_at,num_prefill_tokens,num_decode_tokens\n0.5,10,20\n1.5,11,21\n"
GENERIC = "arrival [ms],user,prompt,output\n100,a,3,4\n2100,b,5,6\n600,c,7,8\n"
ALL = {
    "azure": AZURE,
    "burstgpt": BURSTGPT,
    "mooncake": MOONCAKE,
    "vidur": VIDUR,
    "csv": GENERIC,
}


def written(folder: Path, text: str) -> Path:
    path = folder / "log"
    path.write_bytes(text.encode())
    return path


def test_every_format_has_a_sample_here() -> None:
    assert set(ALL) == set(FORMATS)


@pytest.mark.parametrize(
    ("name", "text", "arrivals", "prompts", "outputs"),
    [
        ("azure", AZURE, [0.0, 0.0520001, 86400.0], [4808, 3180, 110], [10, 8, 27]),
        ("azure", AZURE_2024, [0.0, 1.5], [2162, 2399], [5, 6]),
        ("burstgpt", BURSTGPT, [0.0, 113.5], [472, 417], [18, 276]),
        ("burstgpt", BURSTGPT_3, [0.0], [472], [18]),
        ("mooncake", MOONCAKE, [0.0, 3.001], [6758, 7322], [500, 490]),
        ("vidur", VIDUR, [0.0, 1.0], [10, 11], [20, 21]),
        ("csv", GENERIC, [0.0, 0.5, 2.0], [3, 7, 5], [4, 8, 6]),
    ],
)
@pytest.mark.parametrize("told", [True, False])
def test_each_format_is_recognised_or_told_and_read(
    name: str,
    text: str,
    arrivals: list[float],
    prompts: list[int],
    outputs: list[int],
    told: bool,
    tmp_path: Path,
) -> None:
    log = read_requests(written(tmp_path, text), format=name if told else None)
    assert log.format == name
    np.testing.assert_allclose(log.arrival_s, arrivals, rtol=1e-15, atol=0.0)
    assert log.prompt.tolist() == prompts
    assert log.output.tolist() == outputs


@pytest.mark.parametrize(
    ("text", "arrivals"),
    [
        ("arrival [ms],prompt,output\n1700000000123,1,1\n1700000000130,1,1\n", [0.0, 0.007]),
        ("arrival [s],prompt,output\n1700000000.123,1,1\n1700000000.13,1,1\n", [0.0, 0.007]),
        ('{"timestamp": 1700000000123, "input_length": 1, "output_length": 1}\n'
         '{"timestamp": 1700000000130, "input_length": 1, "output_length": 1}\n', [0.0, 0.007]),
        (AZURE, [0.0, 0.0520001, 86400.0]),
    ],
)  # fmt: skip
def test_arrivals_are_exact_differences_whenever_the_log_begins(
    text: str, arrivals: list[float], tmp_path: Path
) -> None:
    assert read_requests(written(tmp_path, text)).arrival_s.tolist() == arrivals


def test_a_compressed_log_is_read_as_what_is_in_it(tmp_path: Path) -> None:
    path = written(tmp_path, AZURE)
    plain = read_requests(path)
    path.write_bytes(gzip.compress(AZURE.encode()))
    assert read_requests(path).arrival_s.tolist() == plain.arrival_s.tolist()


OTHER_NAMES = {"arrival": "ts", "prompt": "n_in", "output": "n_out"}


@pytest.mark.parametrize(
    ("text", "time_unit"),
    [
        ("id,ts [ms],n_in,n_out\na,500,3,4\nb,2000,5,6\n", None),
        ("id,ts,n_in,n_out\na,500,3,4\nb,2000,5,6\n", "ms"),
        ("id,ts,n_in,n_out\na,2024-01-01 10:00:00.5,3,4\nb,2024-01-01 10:00:02,5,6\n", None),
        ('{"ts": 500, "n_in": 3, "n_out": 4}\n{"ts": 2000, "n_in": 5, "n_out": 6}\n', "ms"),
        ('{"ts": "2024-01-01T10:00:00.5Z", "n_in": 3, "n_out": 4, "x": []}\n'
         '{"ts": "2024-01-01T10:00:02Z", "n_in": 5, "n_out": 6}\n', None),
    ],
)  # fmt: skip
def test_a_log_with_other_names_is_read_by_a_mapping(
    text: str, time_unit: str | None, tmp_path: Path
) -> None:
    log = read_requests(written(tmp_path, text), columns=OTHER_NAMES, time_unit=time_unit)
    assert log.arrival_s.tolist() == [0.0, 1.5]
    assert (log.prompt.tolist(), log.output.tolist()) == ([3, 5], [4, 6])


def test_failed_requests_and_wrong_order_are_counted(tmp_path: Path) -> None:
    log = read_requests(written(tmp_path, BURSTGPT))
    assert (log.failed, log.out_of_order) == (1, 0)
    log = read_requests(written(tmp_path, GENERIC))
    assert (log.failed, log.out_of_order) == (0, 1)


def test_a_limit_stops_before_what_follows_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, MOONCAKE + "not a request\n")
    assert len(read_requests(path, limit=2).prompt) == 2
    with pytest.raises(InputError, match=r"log:3"):
        read_requests(path, limit=3)


def test_a_start_leaves_out_what_came_before_and_counts_from_what_is_left(tmp_path: Path) -> None:
    path = written(tmp_path, AZURE)
    log = read_requests(path, start_s=0.01)
    assert log.prompt.tolist() == [3180, 110]
    assert log.arrival_s[0] == 0.0
    assert log.arrival_s[1] == pytest.approx(86400.0 - 0.0520001, abs=1.2e-7)
    with pytest.raises(InputError, match="no request with a prompt and an output from 100000 s on"):
        read_requests(path, start_s=1e5)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 10**5), st.integers(1, 10**5)), min_size=1))
def test_a_log_of_ours_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, requests: list[tuple[int, int, int]]
) -> None:
    path = tmp_path_factory.mktemp("written") / "log"
    keys = ("timestamp", "input_length", "output_length")
    path.write_text("\n".join(json.dumps(dict(zip(keys, request, strict=True))) for request in requests))
    log = read_requests(path)
    ordered = sorted(requests, key=lambda request: request[0])
    np.testing.assert_allclose(log.arrival_s * 1e3, [r[0] - ordered[0][0] for r in ordered], atol=1e-6)
    assert log.prompt.tolist() == [r[1] for r in ordered]
    assert log.output.tolist() == [r[2] for r in ordered]
