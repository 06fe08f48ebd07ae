"""A user's own measurements as rows: the JSON output of llama-bench and iperf3, or a CSV file of rows.

- `llama-bench -o json` or `-o jsonl`: an object per test (llama.cpp, tools/llama-bench/llama-bench.cpp, class `test`).
  A test of `n_prompt` tokens measures prefill, one of `n_gen` tokens decoding, both after `n_depth` tokens.
- `iperf3 -J`: one object (iperf, src/iperf_api.c, function `iperf_print_results`). The rate is that of the receiver.
  The delay is half of the shortest round trip of the sender's streams; the mean includes queues that the test fills.
"""

import re
from pathlib import Path

from headway.analysis.fidelity.rows import Row, rows_in
from headway.simcore.files.importers.jsonobject import JsonObject
from headway.simcore.world.presets import model_named
from headway.traces.errors import InputError, quoted
from headway.traces.files import parse_json, read_text

LARGEST_FILE = 1 << 26
"""Largest file [bytes]."""

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
    text = read_text(path, LARGEST_FILE, f"{_FORM}, or a CSV file of rows")
    if not text.lstrip().startswith(("[", "{")):
        return rows_in(text, str(path))
    objects, name = _objects(text, str(path)), Path(path).stem
    if len(objects) == 1 and not {"avg_ts", "n_gen"} & objects[0].values.keys():
        return [_link_row(name, objects[0])]
    return [_test_row(f"{name}-{number}", test) for number, test in enumerate(objects, 1)]


def _objects(text: str, path: str) -> list[JsonObject]:
    """The JSON objects of a text: of a list, of lines, or the only one."""
    try:
        document = parse_json(text, path, _FORM)
        entries = document if isinstance(document, list) else [document]
        places = {f"{path} (entry {number})": entry for number, entry in enumerate(entries, 1)}
    except InputError as error:
        lines = {f"{path}:{number}": line for number, line in enumerate(text.splitlines(), 1) if line.strip()}
        try:
            places = {place: parse_json(line, path, _FORM) for place, line in lines.items()}
        except InputError:
            raise error from None
    if not places:
        raise InputError(path, "no test", _FORM)
    for place, entry in places.items():
        if not isinstance(entry, dict):
            raise InputError(place, quoted(entry), _FORM)
    return [JsonObject(entry, place) for place, entry in places.items() if isinstance(entry, dict)]


def _test_row(name: str, test: JsonObject) -> Row:
    """One test of llama-bench."""
    rate = test.required_number("avg_ts")
    prompt, generated = (round(test.required_number(key)) for key in ("n_prompt", "n_gen"))
    depth = round(test.number("n_depth") or 0.0)
    if rate == 0.0 or prompt + generated == 0:
        raise InputError(
            test.where, "a test without tokens or with the rate 0", "a test that processed tokens"
        )
    values, model, backends = test.values, _text(test, "model_type"), test.text("backends")
    on_cpu = not values.get("gpu_info") or backends in ("CPU", "BLAS") or values.get("n_gpu_layers") == 0
    form = _TYPE.fullmatch(model)
    return Row(
        id=name,
        record_type="measurement",
        system="llama.cpp RPC (llama-bench)" if "RPC" in backends else "llama.cpp (llama-bench)",
        devices=_text(test, "cpu_info" if on_cpu else "gpu_info"),
        # llama-bench does not list the servers of its RPC backend.
        n_devices="" if "RPC" in backends else "1",
        model=_model(form["model"] if form else model, test.text("model_filename")),
        weights_precision=_weights(form, test.required_number("model_size")),
        kv_precision=test.text("type_k").upper(),
        network="" if "RPC" in backends else "none",
        parallelism="pipeline (layer split)" if "RPC" in backends else "single",
        # The option -pg of llama-bench gives one rate of both phases; it is not that of generated tokens.
        phase="one rate of prefill and decode" if prompt and generated else "prefill" if prompt else "decode",
        context_or_tokens=_context(prompt, generated, depth, values.get("n_threads") if on_cpu else None),
        ms_per_token_total=None if prompt else 1e3 / rate,
        tokens_per_s=rate,
    )


def _text(test: JsonObject, key: str) -> str:
    return " ".join(test.required(key).split())


def _model(model: str, file: str) -> str:
    """The text that names the model: the name of its file if that names a preset, because "llama 8B" is ambiguous."""
    name = re.split(r"[/\\]", file)[-1].removesuffix(".gguf")
    words = re.sub(r"[._](?=[A-Za-z])", " ", name)
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


def _link_row(name: str, document: JsonObject) -> Row:
    """The link that a test of iperf3 measured."""
    error = document.values.get("error")
    if error:
        raise InputError(document.where, f"a test that failed: {quoted(error)}", _FORM)
    if "end" not in document.values:
        raise InputError(document.where, 'no object "end"', _FORM)
    end = document.child("end")
    total = end.child("sum_received" if "sum_received" in end.values else "sum")
    rate = total.required_number("bits_per_second")
    if rate == 0.0:
        raise InputError(document.where, "the rate 0", "a test that received bytes")
    # 0 if the sender's system does not report it.
    trips_us = filter(None, (stream.child("sender").number("min_rtt") for stream in end.items("streams")))
    shortest_us = min(trips_us, default=None)
    return Row(
        id=name,
        record_type="microbench",
        system="iperf3",
        devices="two hosts",
        n_devices="2",
        model="",
        phase="",
        network=f"iperf3 {rate / 1e6:.6f} Mbit/s"
        + (f", RTT {shortest_us / 1e3:.3f} ms" if shortest_us else ""),
    )
