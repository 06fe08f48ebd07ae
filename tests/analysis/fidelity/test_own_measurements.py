"""A user's own output of llama-bench and iperf3 gives the rows that a person would write from it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.analysis.fidelity import own_measurements
from headway.analysis.fidelity.interpret import interpret, missing_fields
from headway.analysis.fidelity.own_measurements import read_measurements
from headway.simcore.world.presets import model_named
from headway.traces.errors import InputError

LAB = Path(__file__).with_name("lab.csv")

TEST: dict[str, Any] = {
    "build_commit": "0123abcd",
    "build_number": 7000,
    "cpu_info": "Board CPU  @ 2.00GHz",
    "gpu_info": "Maker GPU 12GB",
    "backends": "CUDA",
    "model_filename": "models/small.gguf",
    "model_type": "llama 1B Q4_K - Medium",
    "model_size": 800_000_000,
    "model_n_params": 1_200_000_000,
    "n_batch": 2048,
    "n_ubatch": 512,
    "n_threads": 4,
    "cpu_mask": "0x0",
    "cpu_strict": False,
    "poll": 50,
    "type_k": "f16",
    "type_v": "f16",
    "n_gpu_layers": 99,
    "split_mode": "layer",
    "main_gpu": 0,
    "no_kv_offload": False,
    "flash_attn": 0,
    "devices": "auto",
    "tensor_split": "0.00",
    "tensor_buft_overrides": "none",
    "embeddings": False,
    "n_prompt": 0,
    "n_gen": 128,
    "n_depth": 0,
    "test_time": "2026-01-01T00:00:00Z",
    "avg_ns": 3_200_000_000,
    "stddev_ns": 1_000_000,
    "avg_ts": 40.0,
    "stddev_ts": 0.1,
    "samples_ns": [3_200_000_000],
    "samples_ts": [40.0],
}
"""One test as llama-bench prints it."""

STREAM = {
    "socket": 5,
    "start": 0,
    "end": 10.0,
    "seconds": 10.0,
    "bytes": 1_175_000_000,
    "bits_per_second": 940e6,
}
IPERF3: dict[str, Any] = {
    "start": {"connected": [], "version": "iperf 3.16", "test_start": {"protocol": "TCP", "num_streams": 2}},
    "intervals": [],
    "end": {
        "streams": [
            {
                "sender": STREAM | {"max_rtt": 3000, "min_rtt": minimum, "mean_rtt": 1500, "sender": True},
                "receiver": STREAM | {"sender": True},
            }
            for minimum in (500, 400)
        ],
        "sum_sent": STREAM | {"bits_per_second": 942e6, "retransmits": 0, "sender": True},
        "sum_received": STREAM | {"sender": True},
    },
}
"""A test of TCP as iperf3 prints it, without its intervals."""


def written(folder: Path, content: object, name: str = "bench.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_decoding_test_is_a_row_with_a_rate_and_a_context(tmp_path: Path) -> None:
    (row,) = read_measurements(written(tmp_path, [TEST]))
    assert (row.id, row.system, row.devices, row.model) == (
        "bench-1",
        "llama.cpp (llama-bench)",
        "Maker GPU 12GB",
        "llama 1B",
    )
    assert (row.ms_per_token_total, row.tokens_per_s) == (25.0, 40.0)
    values = interpret(row)
    assert missing_fields(row, values) == []
    assert (values.work.phase, values.work.generated, values.work.context) == ("decode", 128, 64)
    assert (values.weights.name, values.kv.bytes_per_number) == ("Q4_K_M", 2)
    assert values.weights.total_bytes == pytest.approx(800e6, rel=1e-3)
    assert (values.network.name, values.execution.kind, values.work.threads) == ("none", "single", None)


@pytest.mark.parametrize(
    ("changes", "phase", "prompt", "generated", "context"),
    [
        ({"n_prompt": 512, "n_gen": 0}, "prefill", 512, None, 256),
        ({"n_prompt": 512, "n_gen": 0, "n_depth": 4096}, "prefill", 512, None, 4352),
        ({"n_depth": 4096}, "decode", 0, 128, 4160),
        ({"n_prompt": 512}, None, 512, 128, 576),
    ],
)
def test_prompt_depth_and_generation_are_the_work_of_the_row(
    changes: dict[str, int],
    phase: str | None,
    prompt: int,
    generated: int | None,
    context: float,
    tmp_path: Path,
) -> None:
    (row,) = read_measurements(written(tmp_path, [TEST | changes]))
    work = interpret(row).work
    assert (work.phase, work.prompt, work.generated, work.context) == (phase, prompt, generated, context)
    assert (row.ms_per_token_total is None) == (phase != "decode")


@pytest.mark.parametrize(
    ("model_type", "model", "name"),
    [
        ("qwen2 7B Q8_0", "qwen2 7B", "Q8_0"),
        ("llama 1B all F32", "llama 1B", "F32"),
        ("llama 8B F16", "llama 8B", "F16"),
        ("gpt-oss 120B MXFP4 MoE", "gpt-oss 120B", "MXFP4"),
        ("qwen3moe 30B.A3B Q6_K", "qwen3moe 30B.A3B", "Q6_K"),
        ("llama 8B Q2_K - Medium", "llama 8B", "Q2_K"),
        ("llama 8B (guessed) Q3_K - Large", "llama 8B", "Q3_K_L"),
        ("llama 8B IQ2_XXS - 2.0625 bpw", "llama 8B", "IQ2_XXS"),
        ("a model", "a model", ""),
    ],
)
def test_the_type_of_a_model_has_a_name_and_a_format(
    model_type: str, model: str, name: str, tmp_path: Path
) -> None:
    (row,) = read_measurements(written(tmp_path, [TEST | {"model_type": model_type}]))
    form = interpret(row).weights
    assert (row.model, form.name) == (model, name)
    assert (form.bytes_per_number is None) == (name == "")


def test_a_run_on_the_processor_names_it_and_its_threads(tmp_path: Path) -> None:
    tests = [TEST | {"gpu_info": "", "backends": "CPU"}, TEST | {"n_gpu_layers": 0}]
    for row in read_measurements(written(tmp_path, tests)):
        assert row.devices == "Board CPU @ 2.00GHz"
        assert (interpret(row).work.threads, interpret(row).work.generated) == (4, 128)


def test_a_run_over_servers_lacks_their_number(tmp_path: Path) -> None:
    (row,) = read_measurements(written(tmp_path, [TEST | {"backends": "CUDA,RPC"}]))
    assert row.system == "llama.cpp RPC (llama-bench)"
    assert missing_fields(row, interpret(row)) == ["the number of devices is blank"]


def test_json_lines_give_the_same_rows_as_a_list(tmp_path: Path) -> None:
    tests = [TEST, TEST | {"n_gen": 64}]
    lines = "\n".join(map(json.dumps, tests)) + "\n\n"
    assert read_measurements(written(tmp_path, lines)) == read_measurements(written(tmp_path, tests))
    assert read_measurements(written(tmp_path, json.dumps(TEST))) == read_measurements(
        written(tmp_path, [TEST])
    )


def test_a_test_of_iperf3_is_a_link(tmp_path: Path) -> None:
    (row,) = read_measurements(written(tmp_path, IPERF3, "link.json"))
    links = interpret(row).network
    assert (row.id, row.record_type) == ("link", "microbench")
    assert links.rate_bit_s == pytest.approx(940e6)
    assert links.delay_s == pytest.approx(200e-6)


def test_a_sender_that_reports_no_round_trip_gives_a_rate_only(tmp_path: Path) -> None:
    udp = IPERF3 | {"end": {"streams": [{"udp": STREAM}], "sum": STREAM | {"bits_per_second": 5e8}}}
    links = interpret(read_measurements(written(tmp_path, udp))[0]).network
    assert links.rate_bit_s == pytest.approx(5e8)
    assert links.delay_s is None


def test_a_csv_file_is_read_as_rows() -> None:
    assert [row.id for row in read_measurements(LAB)][:2] == ["board-1", "board-2"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", ": got no test;"),
        ("[1]", r" \(entry 1\): got 1;"),
        ('{"a": 1}', r' \(entry 1\): got no object "end";'),
        (IPERF3 | {"error": "no route"}, r" \(entry 1\): got a test that failed: 'no route';"),
        (IPERF3 | {"end": {}}, r" \(entry 1\): end.sum.bits_per_second: got no number;"),
        (json.dumps([TEST])[:-9], ":1: got invalid JSON"),
        (json.dumps(TEST) + "\n{", ":2: got invalid JSON"),
        ([TEST | {"avg_ts": "fast"}], r" \(entry 1\): avg_ts: got 'fast';"),
        ([TEST, TEST | {"avg_ts": float("nan")}], r" \(entry 2\): avg_ts: got nan;"),
        ([TEST | {"avg_ts": 0}], r" \(entry 1\): got a test without tokens or with the rate 0;"),
        ([TEST | {"model_type": ""}], r" \(entry 1\): got no model_type;"),
        ("[" * 100_000, ": got JSON nested too deeply"),
    ],
)
def test_a_mistake_is_reported_with_its_place(content: object, message: str, tmp_path: Path) -> None:
    path = written(tmp_path, content)
    with pytest.raises(InputError, match=re.escape(str(path)) + message):
        read_measurements(path)


def test_missing_and_very_large_files_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="got no such file"):
        read_measurements(tmp_path / "bench.json")
    monkeypatch.setattr(own_measurements, "LARGEST_FILE", 10)
    with pytest.raises(InputError, match="got more than 10 bytes"):
        read_measurements(written(tmp_path, [TEST]))


values: st.SearchStrategy[Any] = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
nested: st.SearchStrategy[Any] = values | st.lists(values) | st.just({})
entries = st.dictionaries(st.sampled_from([*TEST, *IPERF3, "error"]), nested)


@given(changes=entries, whole=st.booleans())
def test_any_json_is_read_or_refused(
    changes: dict[str, Any], whole: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps([(TEST if whole else IPERF3) | changes]))
    try:
        rows = read_measurements(path)
    except InputError:
        return
    assert all(isinstance(missing_fields(row, interpret(row)), list) for row in rows)


@pytest.mark.parametrize(
    ("file", "model"),
    [
        ("models/Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf", "llama-3.1-8b"),
        ("C:\\models\\llama-2-7b.Q4_0.gguf", "llama-2-7b"),
        ("models/small.gguf", None),
    ],
)
def test_the_name_of_the_file_tells_models_of_one_type_apart(
    file: str, model: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "bench.json"
    path.write_text(json.dumps([TEST | {"model_filename": file, "model_type": "llama 8B Q4_K - Medium"}]))
    (row,) = read_measurements(path)
    assert model_named(row.model) == model
    assert model is not None or row.model == "llama 8B"
