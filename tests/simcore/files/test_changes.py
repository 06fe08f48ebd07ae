"""Laws of changes: a changed scenario is the one whose file was edited by hand, and a wrong change is told."""

import copy
import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from worlds import rate_of

from headway.simcore import Cluster, Scenario, load_scenario
from headway.simcore.files import schema
from headway.simcore.files.overrides.changes import Change, Drop, Scale, Set, ShiftTraces, parse_change
from headway.simcore.files.overrides.edit import apply_changes
from headway.simcore.files.overrides.keys import sections
from headway.simcore.files.yaml_document import Document, key_text, read_document
from headway.traces import InputError, Trace

BASE: dict[str, Any] = {
    "seed": 5,
    "model": {"shape": {"layers": 2, "width": 64, "heads": 4}},
    "source": "desk",
    "devices": {
        "desk": {"memory": "1 GB", "compute": "10 GFLOP/s", "memory_bandwidth": "unlimited", "availability": "40 %"},
        "pi": {
            "count": 2,
            "memory": "500 MB",
            "compute": "2 GFLOP/s", "memory_bandwidth": "unlimited",
            "availability": {"walk_mean": 0.5, "sigma": 0.2, "step": "1 s", "duration": "30 s"},
            "memory_used": {"steps": [["0 s", "1 MB"], ["4 s", "2 MB"]], "end": "loop", "duration": "9 s"},
        },
        "a.b": {"memory": "1 GiB", "compute": "1 TFLOP/s", "memory_bandwidth": "unlimited"},
    },
    "links": {
        "wifi": {"connect": [["desk", "pi"], ["pi", "pi"]], "bandwidth": {"shipped": "wifi-far.csv", "end": "loop"}},
        "wire": {"connect": [["desk", "a.b"]], "bandwidth": "100 Mbit/s", "latency": "0.3 ms"},
        "log": {"connect": [["a.b", "pi-2"]], "bandwidth": {"file": "log.csv"}},
    },
    "workload": [{"prompt": 3, "output": 5}, {"prompt": 2, "output": 4, "arrival": "1.5 s"}],
    "policies": ["greedy", {"name": "resource-aware", "parameters": {"deadline_s": 2.0}}],
}  # fmt: skip

EMPTY = Document("lab.yaml", "", {}, {(): 1})
SHARED_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "log.csv").write_text("time [s],rate [Mbit/s]\n0,20\n3,5\n7,60\n")
    return tmp_path


def written(folder: Path, values: Mapping[str, Any]) -> Path:
    path = folder / "lab.yaml"
    path.write_text(json.dumps(values, indent=1))
    return path


def changed(folder: Path, *changes: Change | str) -> Scenario:
    return load_scenario(written(folder, BASE), changes=changes)


def edited(folder: Path, path: Sequence[str | int], value: object) -> Scenario:
    """The scenario of a file in which somebody has typed in a value."""
    values = copy.deepcopy(BASE)
    at: Any = values
    for part in path[:-1]:
        at = at[part] if isinstance(part, int) else at.setdefault(part, {})
    at[path[-1]] = value
    return load_scenario(written(folder, values))


def content(world: Scenario) -> object:
    """All that a scenario says of its world, without text, changes, and lines."""
    plain = {
        field.name: getattr(world, field.name)
        for field in dataclasses.fields(world)
        if field.name not in {"text", "changes", "cluster", "policies"}
    }
    policies = [(p.name, p.label, p.parameters) for p in world.policies]
    return plain, world.cluster.devices, world.cluster.links, world.cluster.source, policies


def refusal(folder: Path, *changes: Change | str) -> str:
    with pytest.raises(InputError) as caught:
        changed(folder, *changes)
    return str(caught.value)


def assert_told(error: InputError) -> None:
    assert error.where
    assert len(str(error).splitlines()) == 1


# Set

SETTINGS: list[tuple[str, tuple[str | int, ...], object]] = [
    ("seed=9", ("seed",), 9),
    ("devices.pi.count=6", ("devices", "pi", "count"), 6),
    ("devices.pi.count = 6", ("devices", "pi", "count"), 6),
    ("devices.desk.memory=2 GB", ("devices", "desk", "memory"), "2 GB"),
    ("devices.desk.memory_used=25 MB", ("devices", "desk", "memory_used"), "25 MB"),
    ('devices."a.b".memory=2 GB', ("devices", "a.b", "memory"), "2 GB"),
    ("devices.'a.b'.memory='2 GB'", ("devices", "a.b", "memory"), "2 GB"),
    ("workload.1.output=7", ("workload", 1, "output"), 7),
    ("controller.interval=3", ("controller", "interval"), 3),
    ("controller={interval: 3}", ("controller",), {"interval": 3}),
    ("links.wire.bandwidth={shipped: wifi-near.csv}", ("links", "wire", "bandwidth"), {"shipped": "wifi-near.csv"}),
    ("links.wifi.bandwidth=3 MB/s", ("links", "wifi", "bandwidth"), "3 MB/s"),
    ("links.wifi.connect.0.0=a.b", ("links", "wifi", "connect", 0, 0), "a.b"),
    ("policies.1.parameters.deadline_s=0.5", ("policies", 1, "parameters", "deadline_s"), 0.5),
    ("policies=[static]", ("policies",), ["static"]),
    ("model.bytes_per_kv=1", ("model", "bytes_per_kv"), 1),
    ("controller.triggers.slowdown=", ("controller", "triggers", "slowdown"), None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "path", "value"), SETTINGS)
def test_set_and_load_is_edit_and_load(
    text: str, path: tuple[str | int, ...], value: object, folder: Path
) -> None:
    assert content(changed(folder, text)) == content(edited(folder, path, value))


def test_a_device_can_be_added(folder: Path) -> None:
    world = changed(
        folder,
        "devices.new={memory: 1 GB, compute: 1 GFLOP/s, memory_bandwidth: unlimited}",
        "links.new={connect: [[new, desk]], bandwidth: 1 MB/s}",
    )
    assert world.cluster.names[-1] == "new"
    assert world.cluster.links[-1].ends == ("new", "desk")


def test_links_follow_the_count_of_a_group(folder: Path) -> None:
    """Each of 6 to the desk, each of 6 to each other, and what is linked by its own name."""
    world = changed(folder, "devices.pi.count=6")
    names = [link.name.partition(":")[0] for link in world.cluster.links]
    assert (names.count("wifi"), names.count("log")) == (6 + 15, 1)


def test_walks_of_devices_that_stay_do_not_change_with_the_count(folder: Path) -> None:
    """Common random numbers: streams go by name."""
    before, after = changed(folder), changed(folder, "devices.pi.count=4")
    assert before.cluster.devices[1:3] == after.cluster.devices[1:3]
    assert after.cluster.devices[3].availability != after.cluster.devices[4].availability


# Scale


TRACES: dict[str, Callable[[Cluster], Trace]] = {
    "links.wifi.bandwidth": lambda cluster: rate_of(cluster.links[0]),
    "links.wire.bandwidth": lambda cluster: rate_of(cluster.links[3]),
    "links.log.bandwidth": lambda cluster: rate_of(cluster.links[4]),
    "devices.desk.availability": lambda cluster: cluster.devices[0].availability,
    "devices.pi.availability": lambda cluster: cluster.devices[1].availability,
    "devices.pi.memory_used": lambda cluster: cluster.devices[2].used_bytes,
}


@pytest.mark.parametrize("path", TRACES)
def test_a_trace_of_any_form_is_scaled(path: str, folder: Path) -> None:
    before = TRACES[path](changed(folder).cluster)
    after = TRACES[path](changed(folder, f"{path}*0.5").cluster)
    assert np.array_equal(after.times, before.times)
    assert np.allclose(after.values, 0.5 * before.values, rtol=1e-15, atol=0.0)
    assert (after.end, after.duration) == (before.end, before.duration)


SCALABLE = [
    "links.wifi.bandwidth",
    "links.wire.bandwidth",
    "links.wire.latency",
    "links.log.bandwidth",
    "devices.desk.availability",
    "devices.pi.availability",
    "devices.pi.availability.sigma",
    "devices.pi.memory_used",
    "devices.pi.memory",
    'devices."a.b".compute',
    "devices.pi.count",
    "workload.0.output",
    "workload.1.arrival",
    "policies.1.parameters.deadline_s",
    "seed",
]


@pytest.mark.parametrize("path", SCALABLE)
def test_scaling_by_one_changes_nothing(path: str, folder: Path) -> None:
    assert content(changed(folder, f"{path}*1")) == content(changed(folder))


@pytest.mark.parametrize("path", SCALABLE)
def test_scaling_twice_is_scaling_by_the_product(path: str, folder: Path) -> None:
    """Powers of two, so that rounding has no say."""
    assert content(changed(folder, f"{path}*4", f"{path}*0.5")) == content(changed(folder, f"{path}*2"))


@given(st.floats(0.0, 1e6), st.sampled_from(["Mbit/s", "kB/s", "GiB/s"]), st.floats(0.0, 1e6))
def test_a_quantity_keeps_its_unit(number: float, unit: str, factor: float) -> None:
    document = dataclasses.replace(EMPTY, values={"links": {"a": {"bandwidth": f"{number!r} {unit}"}}})
    after = apply_changes(document, [Scale("links.a.bandwidth", factor)]).values["links"]["a"]["bandwidth"]
    scaled, kept = after.split()
    assert (float(scaled), kept) == (number * factor, unit)


# Shift


def test_traces_are_met_later(folder: Path) -> None:
    """Of constants nothing changes; every other trace begins where it would have been 2.5 s later."""
    base, later = changed(folder), changed(folder, "shift-trace 2.5 s")
    times = np.linspace(0.0, 40.0, 97)
    for before, after in zip(base.cluster.links, later.cluster.links, strict=True):
        assert np.array_equal(rate_of(after).value(times), rate_of(before).value(times + 2.5))
    for old, new in zip(base.cluster.devices, later.cluster.devices, strict=True):
        assert np.array_equal(new.availability.value(times), old.availability.value(times + 2.5))
        assert np.array_equal(new.used_bytes.value(times), old.used_bytes.value(times + 2.5))


def test_a_path_bounds_what_is_shifted(folder: Path) -> None:
    base, later = changed(folder), changed(folder, "shift-trace devices.pi 2 s")
    assert later.cluster.links == base.cluster.links
    assert later.cluster.devices[0] == base.cluster.devices[0]
    assert later.cluster.devices[1].availability != base.cluster.devices[1].availability
    assert later.cluster.devices[1].used_bytes == Trace([0, 2, 7], [1e6, 2e6, 1e6], "loop", 9)


def test_shifts_add_up(folder: Path) -> None:
    assert content(changed(folder, "shift-trace 2 s", "shift-trace links 1500 ms")) == content(
        changed(folder, "shift-trace devices 2 s", "shift-trace links 3.5 s")
    )


# Drop


def test_a_device_goes_with_its_links(folder: Path) -> None:
    values = copy.deepcopy(BASE)
    del values["devices"]["pi"]
    values["links"] = {"wire": values["links"]["wire"]}
    assert content(changed(folder, "drop links.log", "drop devices.pi")) == content(
        load_scenario(written(folder, values))
    )
    assert content(changed(folder, "drop devices.pi")) == content(load_scenario(written(folder, values)))


def test_a_link_keeps_the_pairs_that_are_left(folder: Path) -> None:
    values = copy.deepcopy(BASE)
    values["links"]["wire"]["connect"].append(["pi", "a.b"])
    del values["links"]["wifi"], values["links"]["log"]
    path = written(folder, values)
    world = load_scenario(path, changes=["drop devices.pi"])
    assert [link.ends for link in world.cluster.links] == [("desk", "a.b")]


def test_routes_through_a_device_and_links_of_relays_to_it_go_with_it(folder: Path) -> None:
    values = copy.deepcopy(BASE)
    values["relays"] = ["switch"]
    pairs = [["desk", "switch"], ["pi", "switch"], ["a.b", "switch"]]
    values["links"]["lan"] = {"connect": pairs, "bandwidth": "1 MB/s"}
    values["routes"] = [["desk", "switch", "a.b"], ["desk", "switch", "pi-2"], ["pi-1", "pi-2", "a.b"]]
    world = load_scenario(written(folder, values), changes=["drop devices.pi"])
    assert world.cluster.pinned == (("desk", "switch", "a.b"),)
    assert [link.ends for link in world.cluster.links] == [
        ("desk", "a.b"),
        ("desk", "switch"),
        ("a.b", "switch"),
    ]
    del values["routes"][0]
    assert load_scenario(written(folder, values), changes=["drop devices.pi"]).cluster.pinned == ()


def test_topologies_lose_their_member(folder: Path) -> None:
    values = copy.deepcopy(BASE)
    values["links"] = {}
    wire = {"bandwidth": "1 MB/s"}
    values["topology"] = {
        "star": wire | {"kind": "star", "members": ["desk", "pi", "a.b"]},
        "rooms": wire | {"kind": "cells", "cells": [["desk", "a.b"], ["pi-2"]], "backbone": wire},
    }
    edited = copy.deepcopy(values)
    edited["topology"]["star"]["members"].remove("pi")
    del edited["topology"]["rooms"]["cells"][1], edited["devices"]["pi"]
    after = load_scenario(written(folder, values), changes=["drop devices.pi"])
    assert content(after) == content(load_scenario(written(folder, edited)))


def test_what_a_list_says_of_a_lost_device_or_link_goes_with_it() -> None:
    """Faults are such a list."""
    faults = [
        {"device": "pi-2", "down": "1 s"},
        {"link": "wifi"},
        {"link": "wifi:a-b"},
        {"link": "wire"},
        {"device": "b"},
    ]
    links = {"wifi": {"connect": [["pi", "a"]]}, "wire": {"connect": [["a", "b"], ["b", "pi-1"]]}}
    values = {"devices": {"a": {}, "b": {}, "pi": {"count": 2}}, "links": links, "faults": faults}
    document = dataclasses.replace(EMPTY, values=values)
    found = apply_changes(document, [Drop("devices.pi")]).values
    assert found["links"] == {"wire": {"connect": [["a", "b"]]}}
    assert found["faults"] == [{"link": "wire"}, {"device": "b"}]
    assert apply_changes(document, [Drop("links.wire")]).values["faults"] == [*faults[:3], faults[4]]


@given(
    section=st.sampled_from(sorted(BASE)),
    wrong=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["pi", "desk", "1 s", "x"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["pi", "wifi", "shift", "scale", "connect", "file"]), inner, max_size=3
            )
        ),
        max_leaves=6,
    ),
    change=st.sampled_from(
        [
            "drop devices.pi",
            "shift-trace 1 s",
            "links.wifi.bandwidth*2",
            "devices.pi.count=3",
            "drop links.wifi",
        ]
    ),
)
@SHARED_FOLDER
def test_a_change_of_a_broken_file_is_a_told_mistake_too(
    section: str, wrong: object, change: str, folder: Path
) -> None:
    document = read_document(written(folder, BASE))
    try:
        apply_changes(
            dataclasses.replace(document, values=document.values | {section: wrong}), [parse_change(change)]
        )
    except InputError as error:
        assert_told(error)


def test_media_and_interfaces_are_scaled_like_any_trace(folder: Path) -> None:
    values = copy.deepcopy(BASE)
    values["media"] = {"cell": {"bandwidth": {"shipped": "wifi-near.csv"}}}
    values["links"]["wifi"]["medium"] = "cell"
    values["devices"]["desk"]["nic_up"] = "30 Mbit/s"
    path = written(folder, values)
    before = load_scenario(path).cluster
    after = load_scenario(path, changes=["media.cell.bandwidth*2", "devices.desk.nic_up*0.5"]).cluster
    (old,), (new,) = before.media, after.media
    assert np.array_equal(new.bandwidth.values, 2.0 * old.bandwidth.values)
    assert after.devices[0].nic_up == Trace.constant(15e6 / 8)


def test_any_key_and_any_item_can_be_dropped(folder: Path) -> None:
    assert changed(folder, "drop devices.desk.availability").cluster.devices[
        0
    ].availability == Trace.constant(1)
    assert [r.prompt for r in changed(folder, "drop workload.0").requests] == [2]
    assert [p.name for p in changed(folder, "drop policies.0").policies] == ["resource-aware"]


def test_a_message_about_a_later_item_still_has_its_line(folder: Path) -> None:
    values = copy.deepcopy(BASE)
    values["workload"][1]["output"] = "many"
    path = written(folder, values)
    line = next(i for i, text in enumerate(path.read_text().splitlines(), 1) if "many" in text)
    with pytest.raises(InputError) as caught:
        load_scenario(path, changes=["drop workload.0"])
    assert caught.value.where == f"{path}:{line}: workload.0.output"


# Composition, text, and record


def test_changes_are_made_from_left_to_right(folder: Path) -> None:
    one = changed(folder, "devices.pi.count=4", "devices.pi.count*2")
    other = changed(folder, "devices.pi.count*2", "devices.pi.count=4")
    assert (len(one.cluster.devices), len(other.cluster.devices)) == (10, 6)
    assert refusal(folder, "drop devices.pi", "drop links.wifi") == (
        "change 'drop links.wifi': got no key 'wifi' in links; expected one of wire"
    )
    assert changed(folder, "source=a.b", "drop devices.pi").cluster.source == "a.b"


def test_changes_and_texts_mean_the_same_and_are_recorded(folder: Path) -> None:
    texts = ("devices.pi.count=3", "links.wire.bandwidth*0.5", "drop links.log", "shift-trace links 30 s")
    changes = (
        Set("devices.pi.count", 3),
        Scale("links.wire.bandwidth", 0.5),
        Drop("links.log"),
        ShiftTraces(30.0, "links"),
    )
    assert tuple(parse_change(text) for text in texts) == changes
    one, other = changed(folder, *texts), changed(folder, *changes)
    assert one.changes == other.changes == texts
    assert content(one) == content(other)
    assert one.text == (folder / "lab.yaml").read_text()


def test_no_change_changes_nothing_and_the_file_stays_as_it_is(folder: Path) -> None:
    document = read_document(written(folder, BASE))
    before = copy.deepcopy(document.values)
    assert apply_changes(document, []) == document
    apply_changes(document, [Set("seed", 1), Drop("links.wifi"), Scale("devices.pi.availability", 2.0)])
    assert document.values == before


KEYS = st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "), max_size=12)
PATHS = st.lists(KEYS, min_size=1, max_size=4).map(tuple).map(key_text)
FACTORS = st.floats(0.0, 1e300)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | FINITE | KEYS
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=5
)
CHANGES = st.one_of(
    st.builds(Set, PATHS, VALUES),
    st.builds(Scale, PATHS, FACTORS),
    st.builds(Drop, PATHS),
    st.builds(ShiftTraces, FACTORS, st.just("") | PATHS),
)


@given(CHANGES)
@example(ShiftTraces(0.0, "0"))
@example(ShiftTraces(0.5, '0¹."a b"'))
def test_the_text_of_a_change_means_the_change(change: Change) -> None:
    assert parse_change(change.text) == change


@given(st.lists(KEYS.filter(bool), min_size=1, max_size=4), PLAIN)
def test_any_key_can_be_named(keys: list[str], value: object) -> None:
    values: Any = "old"
    for key in reversed(keys):
        values = {key: values}
    document = dataclasses.replace(EMPTY, values=values)
    found: Any = apply_changes(document, [Set(key_text(tuple(keys)), value)]).values
    for key in keys:
        found = found[key]
    assert found == value


# Mistakes


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("", ["''", "PATH=VALUE", "drop PATH"]),
        ("devices.pi", ["'devices.pi'", "PATH*FACTOR"]),
        ("devices..pi=1", ["PATH=VALUE"]),
        ('devices."pi=1', ["PATH=VALUE"]),
        ("drop", ["PATH=VALUE"]),
        ("shift-trace soon", ["shift-trace TIME"]),
        ("shift-trace 30", ["a number without a unit", "2 ms"]),
        ("shift-trace links.wire 30 s", ["no varying trace in links.wire"]),
        ("links.wire.bandwidth*fast", ["'fast'", "a factor such as 0.5"]),
        ("links.wire.bandwidth*-1", ["'-1'", "a factor such as 0.5"]),
        ("links.wire.bandwidth*1e999", ["a factor such as 0.5"]),
        ("device.pi.count=2", ["no key 'device'", "did you mean 'devices'?"]),
        ("devices.pie.count=2", ["no key 'pie' in devices", "did you mean 'pi'?"]),
        ("drop devices.pie", ["no key 'pie' in devices", "did you mean 'pi'?"]),
        ("links.wiif.bandwidth*2", ["no key 'wiif' in links", "did you mean 'wifi'?"]),
        ("links.wifi.bandwith*2", ["no key 'bandwith' in links.wifi", "did you mean 'bandwidth'?"]),
        ("devices.pi.cuont=2", ["devices.pi.cuont: got the unknown key 'cuont'", "did you mean 'count'?"]),
        ("workload.2.output=1", ["no item '2' in workload", "from 0 to 1"]),
        ("workload.x.output=1", ["no item 'x' in workload", "from 0 to 1"]),
        ("seed.x=1", ["the key 'x' below seed", "single value"]),
        ("controler.interval=2", ["no key 'controler'", "did you mean 'controller'?"]),
        ("devices.desk.disk*2", ["no key 'disk' in devices.desk", "default", "devices.desk.disk=VALUE before"]),
        ("source*2", ["'desk' at source", "a number, a quantity with its unit, or a trace"]),
        ("devices.desk*2", ["a section at devices.desk"]),
        ("workload*2", ["a list at workload"]),
        ("devices.pi.count*1.25", ["devices.pi.count: got 2.5", "whole number"]),
        ("devices.pi.count=x", ["devices.pi.count: got 'x'", "whole number"]),
        ("devices.pi.memory=4", ["devices.pi.memory: got the bare number 4", "GiB"]),
        ("devices.pi.memory=[1", ["valid YAML"]),
        ("devices.pi.memory=*x", ["the alias 'x'"]),
        ("devices.pi.memory=!x 1", ["the tag"]),
        ('devices.pi.memory="\\a"', ["the character"]),
        ("devices.desk.availability*3", ["devices.desk.availability: got", "at most 1"]),
        ("links.log.bandwidth*1e300", ["links.log.bandwidth: got"]),
        ("links.log.bandwidth*1e15", ["links.log.bandwidth: got a rate of 7.5e+21", "at most 1e+18"]),
        ("drop devices.desk", ["'desk', the source", "source=pi before this one"]),
        ('drop devices."a.b".memory', ['devices."a.b": got no key \'memory\'']),
        ("links.wifi.connect.0.0=nobody", ["links.wifi.connect.0.0: got 'nobody'", "desk"]),
    ],
)  # fmt: skip
def test_a_mistake_names_the_change_and_what_is_accepted(change: str, words: list[str], folder: Path) -> None:
    message = refusal(folder, change)
    assert message.startswith("change ")
    for word in words:
        assert word in message


def test_a_mistake_in_the_file_still_names_file_and_line(folder: Path) -> None:
    path = written(folder, BASE | {"sede": 1})
    with pytest.raises(InputError) as caught:
        load_scenario(path, changes=["devices.pi.count=3"])
    line = next(i for i, text in enumerate(path.read_text().splitlines(), 1) if "sede" in text)
    assert caught.value.where == f"{path}:{line}: sede"


def test_a_graph_that_falls_apart_is_told_with_the_change(folder: Path) -> None:
    message = refusal(folder, "drop links.log", "drop links.wire")
    assert message.startswith("change 'drop links.wire': links: got no path of links from 'desk' to a.b")
    values = copy.deepcopy(BASE)
    del values["links"]["wire"]
    with pytest.raises(InputError, match=r"change 'drop devices.pi': links: got no path"):
        load_scenario(written(folder, values), changes=["drop devices.pi"])


def test_the_last_device_stays(folder: Path) -> None:
    message = refusal(folder, "drop devices.pi", "source=desk", 'drop devices."a.b"', "drop devices.desk")
    assert "'desk', the only device" in message


def test_every_form_of_a_trace_can_be_scaled_and_shifted() -> None:
    forms = sections(("links", "wifi", "bandwidth"))
    assert len(forms) >= 4
    assert all(issubclass(form, schema.TraceForm) for form in forms)


def test_numbers_out_of_range_are_told_in_python_too(folder: Path) -> None:
    for change in (Scale("seed", float("nan")), Scale("seed", -1.0), ShiftTraces(float("inf")), Drop("a..b")):
        assert refusal(folder, change).startswith("change ")
