"""Scenario files that name devices and links of the library are the same worlds as files with the numbers."""

from pathlib import Path
from typing import Any

import pytest

from headway.analysis.experiments.identity import digest
from headway.simcore import Scenario, build_scenario, dump_scenario, load_scenario
from headway.simcore.files.library import device_entry, links
from headway.simcore.files.yaml_document import yaml_text

Values = dict[str, Any]

PI = {"device": "raspberry-pi-5-8gb"}
WORLD: Values = {
    "model": {"shape": {"layers": 2, "width": 64, "heads": 4}},
    "devices": {
        "pi": PI,
        "desk": {"memory": "1 GB", "compute": "1 GFLOP/s", "memory_bandwidth": "unlimited"},
    },
    "links": {"lan": {"connect": "all", "link": "ethernet-1g"}},
    "workload": [{"prompt": 4, "output": 3}],
}


def world(**changes: Any) -> Scenario:
    return build_scenario(WORLD | changes)


def device_numbers(name: str) -> Values:
    entry = device_entry(name)
    units = {"memory": "B", "compute": "FLOP/s", "sync": "s", "overhead": "s"}
    return {
        key: f"{value.amount!r} {units.get(key, 'B/s')}"
        for key, value in entry.values.items()
        if not key.startswith("power")
    }


def link_numbers(name: str) -> Values:
    units = {"bandwidth": "B/s", "latency": "s", "overhead": "s"}
    return {key: f"{value.amount!r} {units[key]}" for key, value in links()[name].values.items()}


def test_names_and_numbers_give_the_same_scenario() -> None:
    named = world(devices=WORLD["devices"] | {"pi": PI | {"count": 3}})
    numbers = world(
        devices=WORLD["devices"] | {"pi": device_numbers("raspberry-pi-5-8gb") | {"count": 3}},
        links={"lan": {"connect": "all"} | link_numbers("ethernet-1g")},
    )
    assert digest(named) == digest(numbers)
    assert numbers.provenance == ()


def test_keys_beside_the_name_win() -> None:
    pi = PI | {"memory": "3 GB", "kv_bandwidth": "unlimited", "sync": "1 ms"}
    lan = {"connect": "all", "link": "ethernet-1g", "latency": "7 ms"}
    scenario = world(devices={"pi": pi, "other": PI}, links={"lan": lan})
    mine, other = scenario.cluster.devices
    assert (mine.memory_bytes, mine.kv_bandwidth, mine.sync_s) == (3e9, float("inf"), 1e-3)
    assert mine.flops == other.flops == device_entry("raspberry-pi-5-8gb").compute.amount
    assert other.kv_bandwidth == device_entry("raspberry-pi-5-8gb").values["kv_bandwidth"].amount
    assert scenario.cluster.links[0].latency_s == 7e-3
    assert {use.key for use in scenario.provenance if use.key.startswith("links")} == {
        "links.lan.bandwidth",
        "links.lan.overhead",
    }
    assert "devices.pi.memory" not in {use.key for use in scenario.provenance}


def test_the_provenance_has_the_source_of_each_value() -> None:
    uses = {use.key: use for use in world().provenance}
    entry = device_entry("raspberry-pi-5-8gb")
    assert uses["devices.pi.compute"].entry == entry.name
    assert uses["devices.pi.compute"].value == entry.compute
    assert not any("power" in key for key in uses)


def test_a_dumped_scenario_has_plain_numbers(tmp_path: Path) -> None:
    path = tmp_path / "dumped.yaml"
    scenario = world(devices={"pi": PI | {"kv_bandwidth": "unlimited"}, "other": PI})
    path.write_text(dump_scenario(scenario), encoding="utf-8")
    assert "raspberry" not in path.read_text(encoding="utf-8")
    assert digest(load_scenario(path)) == digest(scenario)


SHARED = {"connect": "all", "medium": "air"} | {
    key: value for key, value in link_numbers("wifi-5").items() if key != "bandwidth"
}


@pytest.mark.parametrize(
    ("named", "numbers"),
    [
        (
            {"links": {"air": {"connect": "all", "link": "wifi-5"}}},
            {
                "media": {"air": {"bandwidth": link_numbers("wifi-5")["bandwidth"]}},
                "links": {"air": SHARED},
            },
        ),
        (
            {
                "media": {"air": {"link": "wifi-5"}},
                "links": {"near": {"connect": "all", "medium": "air", "link": "wifi-5"}},
            },
            {
                "media": {"air": {"bandwidth": link_numbers("wifi-5")["bandwidth"]}},
                "links": {"near": SHARED},
            },
        ),
        (
            {"links": {}, "topology": {"lan": {"kind": "star", "link": "ethernet-2.5g"}}},
            {"links": {}, "topology": {"lan": {"kind": "star"} | link_numbers("ethernet-2.5g")}},
        ),
        (
            {
                "links": {},
                "topology": {
                    "home": {
                        "kind": "cells",
                        "cells": [["pi"], ["desk"]],
                        "link": "wifi-6",
                        "backbone": {"link": "ethernet-1g"},
                    }
                },
            },
            {
                "links": {},
                "topology": {
                    "home": {
                        "kind": "cells",
                        "cells": [["pi"], ["desk"]],
                        "backbone": link_numbers("ethernet-1g"),
                    }
                    | link_numbers("wifi-6")
                },
            },
        ),
    ],
)
def test_links_media_and_topologies_take_the_values_of_a_link(named: Values, numbers: Values) -> None:
    assert digest(world(**named)) == digest(world(**numbers))


def test_a_bandwidth_beside_a_shared_link_needs_no_medium() -> None:
    air = {"connect": "all", "link": "wifi-5", "bandwidth": "80 Mbit/s"}
    assert world(links={"air": air}).cluster.media == ()


def test_a_file_of_the_scenario_changes_the_library(tmp_path: Path) -> None:
    (tmp_path / "lab.yaml").write_text(
        "devices: {raspberry-pi-5-8gb: {compute: {value: 7 GFLOP/s, quality: measured, source: lab}}}",
        encoding="utf-8",
    )
    path = tmp_path / "world.yaml"
    path.write_text(yaml_text(WORLD | {"library": "lab.yaml"}), encoding="utf-8")
    assert load_scenario(path).cluster.devices[0].flops == 7e9
    assert load_scenario(path, changes=["devices.pi.device=dgx-spark"]).cluster.devices[0].flops > 1e13


def test_factors_apply_to_values_of_the_library(tmp_path: Path) -> None:
    path = tmp_path / "world.yaml"
    values = WORLD | {
        "media": {"air": {"link": "wifi-5"}},
        "links": {"near": {"connect": "all", "link": "wifi-5", "medium": "air"}},
    }
    path.write_text(yaml_text(values), encoding="utf-8")
    base = load_scenario(path)
    changes = [
        "devices.pi.device=raspberry-pi-4-8gb",
        "devices.pi.memory*0.5",
        "media.air.bandwidth*2",
        "links.near.latency*3",
    ]
    changed = load_scenario(path, changes=changes)
    entry = device_entry("raspberry-pi-4-8gb")
    assert changed.cluster.devices[0].memory_bytes == entry.memory.amount / 2
    assert changed.cluster.devices[0].flops == entry.compute.amount
    assert changed.cluster.media[0].bandwidth.values[0] == 2 * base.cluster.media[0].bandwidth.values[0]
    assert changed.cluster.links[0].latency_s == 3 * links()["wifi-5"].latency.amount
    keys = {use.key for use in base.provenance} - {"devices.pi.kv_bandwidth"}  # A Raspberry Pi 4 has none.
    assert {use.key for use in changed.provenance} == keys
