"""The library of devices and links: every value has a source, texts name entries, files change them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from headway.simcore.files.library import (
    LibraryFile,
    device_entry,
    device_named,
    devices,
    library_text,
    link_named,
    links,
    overlaid,
    shipped_library,
)
from headway.simcore.files.mistakes import validated
from headway.simcore.files.profiles import profiles
from headway.simcore.files.yaml_document import read_document
from headway.simcore.world.library import Entry
from headway.traces.errors import InputError

FOLDER = Path(__file__).parents[3] / "simcore" / "library"
ENTRIES: list[Entry] = [*devices().values(), *links().values()]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_value_has_an_amount_a_quality_and_a_source(entry: Entry) -> None:
    assert entry.title
    for value in entry.values.values():
        assert value.amount >= 0.0
        assert value.quality in {"measured", "derived", "specified", "guessed"}
        assert len(value.source) > 5


def test_device_rates_are_plausible() -> None:
    for entry in devices().values():
        assert 2**29 <= entry.memory.amount <= 2**40, entry.name
        assert 1e9 <= entry.memory_bandwidth.amount <= 4e12, entry.name
        assert 5e9 <= entry.compute.amount <= 1e15, entry.name
        # A prefill computes at least as many FLOP/s as decoding, 2 FLOP for each weight of half a byte.
        assert entry.compute.amount >= 0.9 * 4.0 * entry.memory_bandwidth.amount, entry.name


def test_link_rates_are_plausible() -> None:
    for entry in links().values():
        assert 1e6 <= entry.bandwidth.amount <= 1e11, entry.name
        assert 1e-6 <= entry.latency.amount <= 0.2, entry.name


@pytest.mark.parametrize("name", ["devices.yaml", "links.yaml"])
def test_the_shipped_files_are_plain_yaml_as_scenario_files_are(name: str) -> None:
    """The fast parser reads them as the strict one does."""
    file = validated(read_document(FOLDER / name), LibraryFile)
    known = devices() if name == "devices.yaml" else links()
    assert list(file.devices or file.links) == list(known)


@pytest.mark.parametrize("kind", [devices, links])
def test_no_text_names_two_entries(kind: object) -> None:
    assert callable(kind)
    texts = [
        text for entry in kind().values() for text in {part.casefold() for part in (entry.name, *entry.also)}
    ]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize(
    ("named", "text", "name"),
    [
        (device_named, "Raspberry Pi 5 8GB (Cortex-A76 2.4 GHz x4)", "raspberry-pi-5-8gb"),
        (device_named, "Raspberry Pi 5", "raspberry-pi-5-8gb"),
        (device_named, "raspberry  pi 5 16gb (SDRAM_BANKLOW=1)", "raspberry-pi-5-16gb-banklow"),
        (device_named, "Raspberry Pi 500+ 16GB", "raspberry-pi-500-plus"),
        (device_named, "Raspberry Pi 500", "raspberry-pi-500"),
        (device_named, "Mac Studio M3 Ultra", "apple-m3-ultra"),
        (device_named, "Apple M1 Max 32-core 64GB", "apple-m1-max"),
        (device_named, "Apple M1 8GB", "apple-m1"),
        (device_named, "Mac mini M4 Pro 64GB", "apple-m4-pro"),
        (
            device_named,
            "Framework Desktop, AMD Ryzen AI Max+ 395 (Radeon 8060S), 128 GB",
            "ryzen-ai-max-395-128gb",
        ),
        (device_named, "NVIDIA GB10 (DGX Spark)", "dgx-spark"),
        (device_named, "RTX 3070 laptop", "rtx-3070-laptop-8gb"),
        (device_named, "RTX 3070", "rtx-3070-8gb"),
        (device_named, "Jetson Orin Nano 8GB Super mode, 102 GB/s", "jetson-orin-nano-super-8gb"),
        (device_named, "Intel N150 mini PC", "intel-n150-16gb"),
        (device_named, "epyc-7763-2t", "epyc-7763-2t"),
        (link_named, "1 GbE, unmanaged switch", "ethernet-1g"),
        (link_named, "2.5 GbE", "ethernet-2.5g"),
        (link_named, "home Wi-Fi", "wifi-5"),
        (link_named, "RDMA over Thunderbolt 5 (jaccl)", "rdma-thunderbolt-5"),
        (link_named, "Thunderbolt 4, 8.75 Gbit/s", "thunderbolt-4"),
        (link_named, "200 GbE RoCEv2 RDMA", "roce-200g"),
    ],
)
def test_a_text_names_the_entry_with_the_longest_fragment(
    named: Callable[[str], Entry | None], text: str, name: str
) -> None:
    entry = named(text)
    assert entry is not None
    assert entry.name == name


@pytest.mark.parametrize("text", ["", "not visible", "XRTX3090", "RTX 30905", "(three nodes)"])
def test_a_text_without_a_whole_fragment_names_no_device(text: str) -> None:
    assert device_named(text) is None


def test_a_file_changes_values_and_adds_entries(tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text(
        """\
devices:
  raspberry-pi-5-8gb:
    memory_bandwidth: {value: 9 GB/s, quality: measured, source: our laboratory}
  bench-pi:
    like: raspberry-pi-5-8gb
    title: the one on the bench
    memory: {value: 16 GiB, quality: specified, source: label}
links:
  lab:
    title: switch of the laboratory
    bandwidth: {value: 930 Mbit/s, quality: measured, source: iperf3}
    latency: {value: 80 us, quality: measured, source: ping}
""",
        encoding="utf-8",
    )
    shipped = shipped_library()
    library = overlaid(shipped, path)
    changed = library.devices.find("raspberry-pi-5-8gb")
    assert changed.memory_bandwidth.amount == 9e9
    assert changed.compute == device_entry("raspberry-pi-5-8gb").compute
    bench = library.devices.find("bench-pi")
    assert (bench.memory_bandwidth.amount, bench.memory.amount, bench.also) == (9e9, 16 * 2**30, ())
    assert library.links.find("lab").bandwidth.amount == 930e6 / 8
    assert shipped.devices.find("raspberry-pi-5-8gb").memory_bandwidth.amount != 9e9
    assert list(library.devices.entries)[:-1] == list(shipped.devices.entries)


def test_the_text_of_a_library_is_read_as_the_same_library(tmp_path: Path) -> None:
    path = tmp_path / "all.yaml"
    text = library_text(devices().values(), links().values(), profiles().values())
    path.write_text(text, encoding="utf-8")
    library = overlaid(shipped_library(), path)
    assert (library.devices.entries, library.links.entries) == (devices(), links())
    assert library.profiles == profiles()


def test_a_file_changes_only_the_costs_of_a_profile_that_it_names(tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text("profiles: {exo: {sync: 2 ms, layer_bytes: 3, costs: my lab}}", encoding="utf-8")
    changed = overlaid(shipped_library(), path).profiles
    old = profiles()["exo"]
    assert changed["exo"] == replace(
        old, sync_s=0.002, work=replace(old.work, layer_bytes=3.0), costs="my lab"
    )
    assert {name: one for name, one in changed.items() if name != "exo"} == {
        name: one for name, one in profiles().items() if name != "exo"
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("devices: {pi: {like: raspberry-pi-5-8g, title: pi}}", "did you mean 'raspberry-pi-5-8gb'"),
        ("devices: {pi: {title: pi}}", "devices.pi: got no key 'memory'"),
        (
            "devices: {dgx-spark: {compute: {value: 9 W, quality: measured, source: us}}}",
            "devices.dgx-spark.compute.value: got the unit 'W'",
        ),
        (
            "devices: {dgx-spark: {power_busy: {value: 9 GB, quality: measured, source: us}}}",
            "expected a power in watts",
        ),
        (
            "devices: {dgx-spark: {compute: {value: 9 TFLOP/s, quality: sure, source: us}}}",
            "quality: got 'sure'",
        ),
        ("devices: {dgx-spark: {compute: 9 TFLOP/s}}", "expected keys with values"),
        ("devices: {dgx-spark: {speed: 9}}", "the unknown key 'speed'"),
        ("profiles: {ex: {sync: 2 ms}}", "profiles.ex: got 'ex'"),
        ("profiles: {exo: {efficiency: 0}}", "profiles.exo.efficiency: got 0"),
        ("profiles: {exo: {wire: 2}}", "the unknown key 'wire'"),
    ],
)
def test_mistakes_in_a_library_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        overlaid(shipped_library(), path)
    assert str(error.value).startswith(f"{path}:1: ")
    assert message in str(error.value)


def test_unknown_names_are_refused_with_the_nearest_one() -> None:
    with pytest.raises(InputError, match="did you mean 'apple-m2-ultra'"):
        device_entry("aple-m2-ultra")
    with pytest.raises(InputError, match="did you mean 'ethernet-1g'"):
        shipped_library().links.find("etherne-1g")
