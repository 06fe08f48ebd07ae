"""A user's own measurements as rows: the JSON output of llama-bench and iperf3, or a CSV file of rows.

- `llama-bench -o json` or `-o jsonl`: an object per test (llama.cpp, tools/llama-bench/llama-bench.cpp, class `test`).
  A test of `n_prompt` tokens measures prefill, one of `n_gen` tokens decoding, both after `n_depth` tokens.
- `iperf3 -J`: one object (iperf, src/iperf_api.c, function `iperf_print_results`). The rate is that of the receiver.
  The delay is half of the shortest round trip of the sender's streams; the mean includes queues that the test fills.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headway.analysis.fidelity.rows import Row, read_rows
from headway.simcore.world.presets import model_named
from headway.traces.errors import InputError, quoted, reason
from headway.traces.files import open_input, read_input

LARGEST_FILE = 1 << 26
"""Largest file [bytes]."""

_LARGEST = 1e18
_FORM = "the output of llama-bench -o json, llama-bench -o jsonl or iperf3 -J"
_TYPE = re.compile(
    r"(?P<model>.+?) (?:\(guessed\) )?(?P<format>all F32|B?F16|MXFP4|I?T?Q\d\w*)(?: - (?P<size>\w+).*| MoE)?"
)
_SIZES = {"Small": "_S", "Medium": "_M", "Large": "_L"}
_PLAIN = ("Q2_K", "Q6_K")
"""Formats that llama.cpp lists without the size of their mixture, although it prints it."""


def read_measurements(path: str | Path) -> list[Row]:
    """The rows of a file of any of these formats.

    Raises:
        InputError: the file cannot be read, or breaks its format.
    """
    try:
        with open_input(path) as file:
            head = file.read(1 << 12).lstrip(b"\xef\xbb\xbf \t\r\n")
    except (OSError, ValueError) as error:
        raise InputError(str(path), reason(error), f"{_FORM}, or a CSV file of rows") from error
    return read_json(path) if head[:1] in (b"[", b"{") else read_rows(path)


def read_json(path: str | Path) -> list[Row]:
    """The rows of an output of llama-bench or iperf3.

    Raises:
        InputError: the file cannot be read, or breaks its format.
    """
    objects = _objects(str(path))
    name = Path(path).stem
    if len(objects) == 1 and not {"avg_ts", "n_gen"} & objects[0][1].keys():
        return [_link_row(name, *objects[0])]
    return [_test_row(f"{name}-{number}", where, test) for number, (where, test) in enumerate(objects, 1)]


def _objects(path: str) -> list[tuple[str, dict[str, Any]]]:
    """The JSON objects of a file: of a list, of lines, or the only one; each with its place."""
    content = read_input(path, LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise InputError(path, "a very large file", f"at most {LARGEST_FILE:,} bytes")
    text = content.decode("utf-8-sig", errors="replace")
    try:
        document = json.loads(text)
        entries = document if isinstance(document, list) else [document]
        places = [f"{path} (entry {number})" for number in range(1, len(entries) + 1)]
    except (ValueError, RecursionError) as error:
        lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        try:
            entries = [json.loads(line) for _, line in lines]
        except (ValueError, RecursionError):
            line = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
            got = f"JSON that is broken or cut off ({reason(error)})"
            raise InputError(f"{path}{line}", got, _FORM) from error
        places = [f"{path}:{number}" for number, _ in lines]
    if not entries:
        raise InputError(path, "no test", _FORM)
    for place, entry in zip(places, entries, strict=True):
        if not isinstance(entry, dict):
            raise InputError(place, quoted(entry), _FORM)
    return list(zip(places, entries, strict=True))


def _test_row(name: str, where: str, test: Mapping[str, Any]) -> Row:
    """One test of llama-bench."""
    rate = _number(where, test, "avg_ts")
    prompt, generated = (round(_number(where, test, key)) for key in ("n_prompt", "n_gen"))
    depth = round(_number(where, test, "n_depth", 0.0))
    if rate == 0.0 or prompt + generated == 0:
        raise InputError(where, "a test without tokens or with the rate 0", "a test that processed tokens")
    model = _text(where, test, "model_type")
    backends = str(test.get("backends", ""))
    on_cpu = not test.get("gpu_info") or backends in ("CPU", "BLAS") or test.get("n_gpu_layers") == 0
    form = _TYPE.fullmatch(model)
    return Row(
        id=name,
        line=0,
        record_type="measurement",
        system="llama.cpp RPC (llama-bench)" if "RPC" in backends else "llama.cpp (llama-bench)",
        version=f"build {test.get('build_number', '')} ({test.get('build_commit', '')})",
        devices=_text(where, test, "cpu_info" if on_cpu else "gpu_info"),
        # llama-bench does not list the servers of its RPC backend.
        n_devices="" if "RPC" in backends else "1",
        model=_model(form["model"] if form else model, test.get("model_filename")),
        weights_precision=_weights(form, _number(where, test, "model_size")),
        kv_precision=str(test.get("type_k", "")).upper(),
        network="" if "RPC" in backends else "none",
        parallelism="pipeline (layer split)" if "RPC" in backends else "single",
        # The option -pg of llama-bench gives one rate of both phases; it is not that of generated tokens.
        phase="one rate of prefill and decode" if prompt and generated else "prefill" if prompt else "decode",
        context_or_tokens=_context(prompt, generated, depth, test.get("n_threads") if on_cpu else None),
        ms_per_token_total=None if prompt else 1e3 / rate,
        tokens_per_s=rate,
        notes=f"{_number(where, test, 'model_n_params'):.0f} weights",
    )


def _model(model: str, file: object) -> str:
    """The text that names the model: the name of its file if that names a preset, because "llama 8B" is ambiguous."""
    name = re.split(r"[/\\]", file)[-1] if isinstance(file, str) else ""
    words = re.sub(r"[._](?=[A-Za-z])", " ", name.removesuffix(".gguf"))
    return words if model_named(words) else model


def _weights(form: re.Match[str] | None, size_bytes: float) -> str:
    """The text of a format and the size of the file, as in "Q4_K_M (4.58 GiB)"."""
    name = "" if form is None else form["format"].removeprefix("all ")
    if form is not None and name not in _PLAIN:
        name += _SIZES.get(form["size"] or "", "")
    return f"{name} ({size_bytes / 2**30:.4f} GiB)".strip()


def _context(prompt: int, generated: int, depth: int, threads: object) -> str:
    """The text of a test in the column `context_or_tokens`."""
    if prompt and generated:
        text = f"{depth + prompt} prompt, {generated} generated"
    else:
        text = f"pp{prompt}" if prompt else f"tg{generated}"
        text += f" at depth {depth}" if depth else ""
    return f"{text}, {threads} threads" if isinstance(threads, int) else text


def _link_row(name: str, where: str, document: Mapping[str, Any]) -> Row:
    """The link that a test of iperf3 measured."""
    end = document.get("end")
    if document.get("error") or not isinstance(end, dict):
        got = (
            f"a test that failed: {quoted(document['error'])}" if document.get("error") else 'no object "end"'
        )
        raise InputError(where, got, _FORM)
    total: dict[str, Any] = next(
        (end[key] for key in ("sum_received", "sum") if isinstance(end.get(key), dict)), {}
    )
    rate = _number(f"{where} (end)", total, "bits_per_second")
    if rate == 0.0:
        raise InputError(where, "the rate 0", "a test that received bytes")
    trips = [_shortest_round_trip(stream) for stream in end.get("streams") or ()]
    known = [trip for trip in trips if trip]
    trip = f", RTT {min(known) / 1e3:.3f} ms" if known else ""
    return Row(
        id=name,
        line=0,
        record_type="microbench",
        system="iperf3",
        devices="two hosts",
        n_devices="2",
        model="",
        phase="",
        network=f"iperf3 {rate / 1e6:.6f} Mbit/s{trip}",
        other_metric="link rate",
        other_value=f"{rate / 1e6:.6f}",
        other_unit="Mbit/s",
    )


def _shortest_round_trip(stream: object) -> float:
    """The shortest round trip of a stream [us]; 0 if the sender's system does not report it."""
    sender = stream.get("sender") if isinstance(stream, dict) else None
    value = sender.get("min_rtt") if isinstance(sender, dict) else None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 < value < _LARGEST else 0.0  # type: ignore[arg-type,operator]


def _text(where: str, test: Mapping[str, Any], key: str) -> str:
    value = test.get(key)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{where} ({key})", quoted(value), "a text")
    return " ".join(value.split())


def _number(where: str, test: Mapping[str, Any], key: str, default: float | None = None) -> float:
    value = test.get(key, default)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value < _LARGEST:
        raise InputError(f"{where} ({key})", quoted(value), f"a number from 0 to below {_LARGEST:g}")
    return float(value)
