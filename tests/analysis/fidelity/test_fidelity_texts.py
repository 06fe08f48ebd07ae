"""Free texts of rows have one reading each: values where a text states them, None or a reason where it does not."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.analysis.fidelity.contexts import work_of
from headway.analysis.fidelity.device_texts import devices_of
from headway.analysis.fidelity.engines import Execution, execution_of
from headway.analysis.fidelity.interpret import interpret, missing_fields
from headway.analysis.fidelity.networks import network
from headway.analysis.fidelity.precisions import precision
from headway.analysis.fidelity.results import SECONDS, first_token
from headway.analysis.fidelity.rows import Row

ROW = Row(
    id="a",
    line=2,
    system="engine",
    devices="Board 8GB",
    n_devices="1",
    model="Model 1B",
    phase="decode",
    parallelism="single",
)


def row(**changes: str) -> Row:
    return dataclasses.replace(ROW, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "prompt", "generated", "context"),
    [
        ("20 tokens", 0, 20, 10),
        ('20 tokens, prompt "9 tokens are here"', 0, 20, 10),
        ("80 predicted tokens, max-seq-len 4096", 0, 80, 40),
        ("300 steps, n=20, 3 threads per node", 0, 300, 150),
        ("1000 generated tokens", 0, 1000, 500),
        ("context 600", None, None, 600),
        ("context position 175 (mean of 50-token bin)", None, None, 175),
        ("tg100", 0, 100, 50),
        ("tg20 at depth 16384", 0, 20, 16394),
        ("tg", None, None, None),
        ("20 prompt + 100 tokens", 20, 100, 70),
        ("30 + 40 tokens", 30, 40, 50),
        ("3000 prompt, 40 generated", 3000, 40, 3020),
        ("3000-token prompt, 40 generated", 3000, 40, 3020),
        ("2K prompt, 100 generated", 2048, 100, 2098),
        ("short prompt, 300 generated", 0, 300, 150),
        ("sequence length 256", 0, 256, 128),
        ("100 and 300 generated", 0, 200, 100),
        ("60 generated at 2-8k", 0, 60, 4030),
        ("600 tokens in total over the samples", None, 600, None),
        ("2 concurrent requests", None, None, None),
        ("", None, None, None),
    ],
)
def test_decoding_has_tokens_and_a_mean_context(
    text: str, prompt: int | None, generated: int | None, context: float | None
) -> None:
    work = work_of(row(context_or_tokens=text))
    assert (work.prompt, work.generated, work.context) == (prompt, generated, context)


@pytest.mark.parametrize(
    ("text", "prompt", "depth", "layers"),
    [
        ("300 prompt tokens", 300, 0, None),
        ("pp256", 256, 0, None),
        ("pp256 at depth 4096", 256, 4096, None),
        ("100 tokens through 12 layers", 100, 0, 12),
        ("400-900 tokens", 600, 0, None),
        ("50 tokens", 50, 0, None),
    ],
)
def test_prefill_has_a_prompt_and_a_depth(text: str, prompt: int, depth: int, layers: int | None) -> None:
    work = work_of(row(context_or_tokens=text, phase="prefill"))
    assert (work.prompt, work.depth, work.layers, work.generated) == (prompt, depth, layers, None)


@pytest.mark.parametrize(
    ("changes", "requests"),
    [
        ({}, 1),
        ({"phase": "decode, 3 request(s) in flight"}, 3),
        ({"phase": "decode, 12 requests in flight"}, 12),
        ({"context_or_tokens": "5 concurrent requests"}, 5),
        ({"parallelism": "pipeline, several requests in flight"}, None),
        ({"parallelism": "pipeline with >= n samples in flight"}, None),
        ({"phase": "decode, batch"}, None),
        ({"phase": "prefill (batch gain missing)"}, 1),
    ],
)
def test_requests_in_flight_are_a_number_or_several(changes: dict[str, str], requests: int | None) -> None:
    assert work_of(row(**changes)).requests == requests


@pytest.mark.parametrize(
    ("changes", "threads"),
    [
        ({}, None),
        ({"context_or_tokens": "20 tokens, 6 threads"}, 6),
        ({"context_or_tokens": "20 steps, n=8, 2 threads per node"}, 2),
        ({"devices": "Cloud VM, 4 vCPU, two Torch threads"}, 2),
        ({"version": "fork of 1.2, 3 threads"}, 3),
        ({"devices": "one host; workers with one (1t) or two (2t) threads", "id": "x-2x1t-q8"}, 1),
        ({"devices": "one host; workers with one (1t) or two (2t) threads", "id": "x-2t-q1"}, 2),
        ({"devices": "one host; workers with one (1t) or two (2t) threads", "id": "x"}, None),
    ],
)
def test_threads_are_stated_in_any_of_several_columns(changes: dict[str, str], threads: int | None) -> None:
    assert work_of(row(**changes)).threads == threads


def test_flags_mark_work_that_differs_from_plain_decoding() -> None:
    assert work_of(row()).flags == frozenset()
    assert work_of(row(parallelism="single with speculative decoding")).flags == {"speculative"}
    assert work_of(row(phase="decode with failures")).flags == {"failures"}
    assert work_of(row(weights_precision="FP32 streamed from disk")).flags == {"offload"}


@pytest.mark.parametrize(
    ("text", "name", "bits", "total"),
    [
        ("Q40 (4-bit, 18 B per 32 weights)", "Q40", 4.5, None),
        ("Q4_0", "Q4_0", 4.5, None),
        ("Q80", "Q80", 8.5, None),
        ("Q8_0 (9 GB)", "Q8_0", 8.5, 9e9),
        ("Q4_K_M (2 GiB)", "Q4_K_M", 4.85, 2**31),
        ("UD-Q4_K_XL (90 GB on GPUs)", "UD-Q4_K_XL", 4.7, 90e9),
        ("Q3_K_M (draft Q4_K_M)", "Q3_K_M", 4.0, None),
        ("FP32 streamed from disk", "FP32", 32, None),
        ("F16 (10 KB per token and hop)", "F16", 16, None),
    ],
)
def test_a_format_has_bits_and_sometimes_a_size(
    text: str, name: str, bits: float, total: float | None
) -> None:
    form = precision(text)
    assert (form.name, form.bytes_per_number, form.total_bytes) == (name, bits / 8, total)


@pytest.mark.parametrize(
    "text", ["4-bit", "q4f16_1", "INT4", "Q4K", "q5", "ollama default tag (not printed)"]
)
def test_a_text_that_leaves_the_format_open_is_an_assumption(text: str) -> None:
    form = precision(text)
    assert form.bytes_per_number is not None
    assert 0.5 <= form.bytes_per_number <= 0.75


@pytest.mark.parametrize("text", ["", "not stated", "GGUF (quant not quoted)", "activations under 4 KB"])
def test_an_unknown_format_has_a_reason(text: str) -> None:
    form = precision(text)
    assert (form.name, form.bytes_per_number) == ("", None)


@pytest.mark.parametrize(
    ("text", "name", "rate", "delay"),
    [
        ("none", "none", None, None),
        ("1 GbE", "ethernet-1g", 1e9, None),
        ("1 GbE, 0.25 ms", "ethernet-1g", 1e9, 125e-6),
        ("1 GbE, all on one switch, measured 110 MB/s", "ethernet-1g", 880e6, None),
        ("10 GbE direct, iperf3 9.4 Gbit/s, about 0.2 ms round trip", "ethernet-10g", 9.4e9, 100e-6),
        ("direct 1 GbE cable, 940 Mbit/s, ping 1/2/4 ms", "ethernet-1g", 940e6, 1e-3),
        ("RJ45 1 Gbit/s", "ethernet-1g", 1e9, None),
        ("QSFP 200 Gbit/s, TCP", "ethernet-200g", 200e9, None),
        ("25 GbE, RoCEv2 RDMA", "roce", 25e9, None),
        ("RDMA over Thunderbolt 5 (under 40 us)", "rdma-thunderbolt-5", None, 20e-6),
        ("RDMA over Thunderbolt 5 (RTT 0.3-0.9 ms by TCP ping)", "rdma-thunderbolt-5", None, None),
        ("Thunderbolt 5, TCP", "thunderbolt-5", None, None),
        ("Thunderbolt 4, 8.5 Gbit/s, RTT 0.2 ms", "thunderbolt-4", 8.5e9, 100e-6),
        ("home Wi-Fi, 200-800 Mbps, 2-8 ms link latency", "wifi-5", 400e6, 4e-3),
        ("300 Mbps, 2 ms per link", None, 300e6, 2e-3),
        ("300 Mbps, 2 ms per link, devices behind 4 gateways + core router", None, 300e6, 8e-3),
        ("100 Mbit/s, RTT 80 ms (shaped)", None, 100e6, 40e-3),
        ("RTT 80 ms", "wan", None, 40e-3),
        ("internet, about 30 ms RTT", "wan", None, 15e-3),
        ("internet (RTT not published; author models 100-250 ms)", "wan", None, None),
        ("Cloud VPC; 20 Gbps per issue 9 (RTT not published)", "vpc", 20e9, None),
        ("PCIe inside one host", "pcie", None, None),
        ("loopback TCP", "loopback", None, None),
        ('direct Ethernet, "about 4 GB/sec" as written (unit doubtful)', "ethernet-1g", None, None),
        ("not visible", None, None, None),
        ("", None, None, None),
    ],
)
def test_a_network_has_a_class_a_rate_and_a_one_way_delay(
    text: str, name: str | None, rate: float | None, delay: float | None
) -> None:
    links = network(text)
    assert links.name == name
    assert links.rate_bit_s == (None if rate is None else pytest.approx(rate))
    assert links.delay_s == (None if delay is None else pytest.approx(delay))
    assert name is not None or rate is not None or links.notes


def test_injected_delays_and_slow_uplinks_are_apart_from_the_link() -> None:
    slept = network("loopback + 15 ms sleep injected before every GRAPH_COMPUTE at each RPC worker")
    assert (slept.name, slept.injected_s, slept.delay_s) == ("loopback", 0.015, None)
    assert slept.injected_on == "before every GRAPH_COMPUTE at each RPC worker"
    added = network("Cloud VNet (hop about 0.5 ms assumed) + 90 ms netem on vm2")
    assert (added.delay_s, added.injected_s, added.injected_on) == (0.5e-3, 0.09, "on vm2")
    groups = network("two switches; 110 MB/s inside a group, 11 MB/s between groups (100 Mb uplink)")
    assert (groups.name, groups.rate_bit_s, groups.uplink_bit_s) == ("ethernet-1g", 880e6, 88e6)


@pytest.mark.parametrize(
    ("number", "text", "parts"),
    [
        ("4", "Board 8GB (Core 2.4 GHz x4)", [(4, "Board 8GB (Core 2.4 GHz x4)")]),
        ("2", "2 x Desktop, Chip Max+ 395, 128 GB", [(2, "Desktop, Chip Max+ 395, 128 GB")]),
        ("4", "1x Pi 8GB + 3x Pi 4GB", [(1, "Pi 8GB"), (3, "Pi 4GB")]),
        ("2", "Studio (40 layers) + Laptop (8 layers)", [(1, "Studio", 40), (1, "Laptop", 8)]),
        ("2", "Card, stages of 8, 7 blocks", [(1, "Card", 8), (1, "Card", 7)]),
        ("8", "Board (4x16GB + 4x8GB)", [(4, "Board 16GB"), (4, "Board 8GB")]),
        ("6", "Board (2x512GB, 4x256GB)", [(2, "Board 512GB"), (4, "Board 256GB")]),
        ("3", "Board (4x16GB + 4x8GB)", [(3, "Board 16GB")]),
        ("5", "5 servers: 2x3060, 3xA5000", [(2, "3060"), (3, "A5000")]),
        ("8", "Board x8", [(8, "Board")]),
        ("8", "8 containers on 2x Xeon 5220", [(8, "Xeon 5220")]),
        ("1", "desktop i9 + RTX 2080 (best device)", [(1, "desktop i9 + RTX 2080 (best device)")]),
        ("3", "3 servers with one A100 each; client 8 CPU cores", [(3, "servers with one A100 each")]),
        ("2", "GTX 1660 (host B), client on host A", [(1, "GTX 1660 (host B)")]),
        ("2", "host without GPU -> RTX 5090 + GTX 1660 host", [(1, "RTX 5090"), (1, "GTX 1660")]),
    ],
)
def test_devices_are_fragments_with_numbers(number: str, text: str, parts: list[tuple[object, ...]]) -> None:
    devices = devices_of(row(n_devices=number, devices=text))
    values = [(part.count, part.name, part.layers) for part in devices.parts]
    assert values == [(*part, None)[:3] for part in parts]
    assert not devices.missing


def test_a_device_may_have_a_link_of_its_own() -> None:
    text = "2 laptops: Book 8GB (500 Mbps, 5 ms), Air i5 (300 Mbps, 7 ms)"
    first, second = devices_of(row(n_devices="2", devices=text)).parts
    assert (first.name, first.rate_bit_s, first.delay_s) == ("Book 8GB", 500e6, 0.005)
    assert (second.name, second.rate_bit_s, second.delay_s) == ("Air i5", 300e6, 0.007)


@pytest.mark.parametrize(
    ("number", "text", "reason"),
    [
        ("", "Board", "the number of devices is blank"),
        ("2-4 (not stated)", "Board", "the number of devices is only '2-4 (not stated)'"),
        ("3", "Studio + Mini (third node not named)", "names 2 of 3 devices"),
        ("3", "(three nodes)", "are not named"),
        ("2", "", "the devices are blank"),
    ],
)
def test_devices_that_are_not_clear_have_a_reason(number: str, text: str, reason: str) -> None:
    assert reason in devices_of(row(n_devices=number, devices=text)).missing


@pytest.mark.parametrize(
    ("parallelism", "model", "expected"),
    [
        ("single", "Model", Execution("single")),
        ("tensor, star all-reduce", "Model", Execution("tensor")),
        ("pipeline (layer split 10/20)", "Model", Execution("pipeline", split=(10, 20))),
        ("pipeline (layer split)", "Model (30 layers, 15/15)", Execution("pipeline", split=(15, 15))),
        ("pipeline", "Model (20 layers, split 12/8)", Execution("pipeline", split=(12, 8))),
        ("pipeline, microbatch 64", "Model", Execution("pipeline", micro_batch=64)),
        ("pipeline ring (8B: 1:1:30)", "Model 3-8B", Execution("ring", split=(1, 1, 30))),
        ("pipeline ring (8B: 1:1:30)", "Model 3-18B", Execution("ring")),
        ("pipeline (all layers remote)", "Model", Execution("pipeline")),
        ("two whole replicas", "Model", Execution("replicas")),
        ("not visible", "Model", Execution("other", note="the parallelism 'not visible' is not known")),
    ],
)
def test_parallelism_has_a_kind_and_a_split(parallelism: str, model: str, expected: Execution) -> None:
    assert execution_of(row(parallelism=parallelism, model=model)) == expected


@pytest.mark.parametrize(
    ("metric", "value", "unit", "measured_s"),
    [
        ("TTFT", "200", "ms", 0.2),
        ("TTFT median", "1700 / 1800 / 1900", "ms", 1.8),
        ("TTFT median; GPU busy local / peer", "2.5; 40 / 60", "s; %", 2.5),
        ("prefill time", "", "ms", None),
        ("time to rebuild the KV cache by recomputation", "500", "ms", 0.5),
        ("prefill / generation / total", "1.5 / 2.5 / 4.0", "s", 1.5),
    ],
)
def test_another_metric_may_be_the_time_to_the_first_token(
    metric: str, value: str, unit: str, measured_s: float | None
) -> None:
    first = first_token(row(other_metric=metric, other_value=value, other_unit=unit))
    assert first is not None
    assert (None if first.measured is None else first.measured * SECONDS[first.unit]) == measured_s


@pytest.mark.parametrize(
    "metric",
    [
        "",
        "peak memory",
        "TTFT by local prefill / by fetching K/V",
        "sync time",
        "client completion p50",
        "pp512",
    ],
)
def test_another_metric_is_no_time_to_the_first_token(metric: str) -> None:
    assert first_token(row(other_metric=metric, other_value="3", other_unit="ms")) is None


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("Model 3.1 8B", "Model 3.1 8B"),
        ("Model 70B + draft Model 1B", "Model 70B"),
        ("Model 13B (40 layers, 20/20)", "Model 13B (40 layers)"),
        ("Model 1B (22 layers, split 13/9)", "Model 1B (22 layers)"),
        ("Model 3.1/3.3 70B", "Model 3.1/3.3 70B"),
    ],
)
def test_a_model_may_have_a_draft_model_and_a_split(text: str, model: str) -> None:
    assert interpret(row(model=text)).model == model


def test_a_row_lacks_everything_that_no_library_can_supply() -> None:
    empty = row(model="", phase="", n_devices="", parallelism="pipeline, several requests in flight")
    assert missing_fields(empty, interpret(empty)) == [
        "the phase is blank",
        "the model is blank",
        "the number of devices is blank",
    ]
    assert missing_fields(ROW, interpret(ROW)) == []
    assert missing_fields(row(record_type="microbench"), interpret(ROW)) == [
        "a row of type 'microbench' is no run of a model"
    ]


texts = st.text(st.characters(codec="utf-8"), max_size=40) | st.from_regex(
    r"([0-9]{1,4}[xK]? ?)?(tokens|GbE|x Pi|layers|ms|pp|tg|at depth |\(|\)| \+ |, |/|split ){1,5}[0-9]{0,4}",
    fullmatch=True,
)


@given(
    changes=st.fixed_dictionaries(
        {}, optional={field.name: texts for field in dataclasses.fields(Row) if field.type is str}
    )
)
def test_any_text_has_a_reading(changes: dict[str, str]) -> None:
    other = row(**changes)
    assert isinstance(missing_fields(other, interpret(other)), list)
