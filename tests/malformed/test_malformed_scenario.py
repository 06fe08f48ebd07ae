"""Malformed scenarios: the command refuses each with one sentence and exit code 2, and leaves nothing behind.

The sentence names the file and the line, quotes the mistake and shows an accepted form. A scenario that Hypothesis
damages is loaded or refused, and a scenario that was loaded can be run.
"""

import json
import os
import pickle
import subprocess
import sys
import tracemalloc
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from fuzzing import Some, attempt, broken, call, damaged, examine, extremes, parts, try_out, yaml_of
from hypothesis import given
from hypothesis import strategies as st
from test_malformed_graph import GRAPH
from test_malformed_model_config import CONFIG
from test_scenario import FILES, LARGE, RANDOM, SMALL

from headway.simcore import load_scenario, shipped_scenario, shipped_scenarios
from headway.simcore.files import bounds
from headway.simcore.world.batch import one_sequence
from headway.traces import InputError

EVERY_KEY = (SMALL, LARGE, RANDOM)

DEVICE = "memory: 1 GB, compute: 1 GFLOP/s, memory_bandwidth: unlimited"
GOOD = f"""\
name: lab
model:
  shape: {{layers: 1, width: 64, heads: 4}}
devices:
  left: {{{DEVICE}}}
  right: {{{DEVICE}}}
links:
  cable: {{connect: [[left, right]], bandwidth: 100 Mbit/s}}
workload:
  - {{prompt: 4, output: 2}}
"""
WORLD, REQUESTS = GOOD[: GOOD.index("workload")], GOOD[GOOD.index("workload") :]
LOG = "arrival [s],prompt,output\n0,1,1\n"
SHAPE = "shape: {layers: 1, width: 64, heads: 4}"
RATE = "bandwidth: 100 Mbit/s"
RATE_FORM = '"100 Mbit/s"'
WALK = "{{walk_mean: {mean}, sigma: {sigma}, step: {step}, duration: {duration}}}"


@dataclass(frozen=True)
class Case:
    """A broken input and what the message must contain."""

    id: str
    text: str | bytes
    says: tuple[str, ...]
    file: str = "scenario.yaml"
    beside: Mapping[str, str | bytes] = field(default_factory=dict)


def changed(old: str, new: str) -> str:
    """The good scenario with one thing replaced."""
    assert old in GOOD
    return GOOD.replace(old, new, 1)


def with_rate(trace: str) -> str:
    return changed(RATE, f"bandwidth: {trace}")


def walk(mean: str = "1 Mbit/s", sigma: str = "0.1", step: str = "1 s", duration: str = "9 s") -> str:
    return with_rate(WALK.format(mean=mean, sigma=sigma, step=step, duration=duration))


def in_file(id_: str, content: str | bytes, *says: str, name: str = "log.csv", options: str = "") -> Case:
    """A trace file that cannot be used; the message leads to it and not to the scenario."""
    return Case(id_, with_rate(f"{{file: {name}{options}}}"), says, file=name, beside={name: content})


def config(id_: str, content: str | bytes, *says: str) -> Case:
    """A model configuration that cannot be used."""
    return Case(id_, changed(SHAPE, "config: model.json"), says, "model.json", {"model.json": content})


NOT_YAML = [
    Case("empty file", "", ("no mapping of keys to values", "'key: value'")),
    Case("comments alone", "# nothing yet\n", ("no mapping of keys to values",)),
    Case("list at the top", "- a\n- b\n", ("no mapping of keys to values",)),
    Case("one word", "hello\n", ("no mapping of keys to values",)),
    Case("binary garbage", bytes(range(256)) * 8, ("not UTF-8",)),
    Case("invalid UTF-8", GOOD.encode() + b"description: caf\xe9\n", (":11", "not UTF-8", "UTF-8")),
    Case("UTF-16", GOOD.encode("utf-16"), ("not UTF-8",)),
    Case("zero bytes", GOOD.encode() + b"\0\0", (":11", r"'\x00'", "without control characters")),
    Case("escaped control character", GOOD + '"\\e[31m": 1\n', (":11", r"'\x1b'")),
    Case("lone surrogate", GOOD + 'description: "\\ud800"\n', (":11", r"'\ud800'")),
    Case("tab as indentation", changed("  left", "\tleft"), (":5", "a tab", "spaces")),
    Case("open quote", GOOD + 'description: "never closed\n', ("end of stream", "valid YAML")),
    Case("open bracket", GOOD + "policies: [greedy\n", ("valid YAML",)),
    Case("repeated key", GOOD + "seed: 1\nseed: 2\n", (":12", "'seed' a second time", "each key once")),
    Case("repeated device", changed("  right:", "  left:"), (":6", "'left' a second time")),
    Case("alias", GOOD + "seed: &n 1\ncontroller: {interval: *n}\n", (":12", "the alias 'n'", "written out")),
    Case(
        "alias bomb",
        "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60)),
        (":2", "the alias 'a0'"),
    ),
    Case("python tag", GOOD + "x: !!python/object/apply:os.system [exit]\n", (":11", "the tag", "python/object")),
    Case("binary tag", GOOD + "description: !!binary aGk=\n", (":11", "the tag", "without tags")),
    Case("merge key", changed("{memory: 1 GB", "{<<: {memory: 2 GB}"), ("devices.left", "'<<'", "memory")),
    Case("deep lists", "a: " + "[" * 200_000, ("more than 20 levels of nesting", "flatter")),
    Case("deep mappings", "a: " + "{a: " * 5_000, ("more than 20 levels of nesting",)),
    Case("second document", GOOD + "---\nseed: 1\n", (":11", "another document")),
    Case("file above 1 MB", GOOD + "#" * 1_000_001, ("more than 1,000,000 bytes", "smaller")),
]  # fmt: skip

KEYS = [
    Case("unknown key", changed("workload", "worklod"), (":9", "'worklod'", "did you mean 'workload'?")),
    Case("unknown key deep down", changed("memory:", "memroy:"), ("devices.left", "did you mean 'memory'?")),
    Case("unknown key unlike any", GOOD + "zzz: 1\n", (":11", "'zzz'", "one of headway, name")),
    Case("very long unknown key", GOOD + f"{'k' * 1000}: 1\n", (":11", "kkk...")),
    Case("missing model", GOOD.replace("model:\n  " + SHAPE, ""), ("no key 'model'", "the key model")),
    Case(
        "missing devices",
        "model: {preset: llama-2-7b}\nworkload: [{prompt: 1, output: 1}]\n",
        (":1", "no key 'devices'", "the key devices"),
    ),
    Case("missing bandwidth", changed(f", {RATE}", ""), (":8", "links.cable", "no key 'bandwidth'", "medium")),
    Case("missing prompt", changed("prompt: 4, ", ""), (":10", "workload.0", "no key 'prompt'")),
    Case("number as a device", changed("  left:", "  1:"), (":5", "the key '1'", "quote it")),
    Case("null as a device", changed("  left:", "  ~:"), (":5", "the key '~'", "text")),
    Case("list as a key", changed("  left:", "  [a]:"), (":5", "sequence", "text")),
    Case("device without description", changed(f"{{{DEVICE}}}", ""), ("nothing", "keys")),
    Case("no devices", "model: {preset: llama-2-7b}\ndevices: {}\nworkload: [{prompt: 1, output: 1}]", ("devices",)),
    Case("no requests", changed("\n  - {prompt: 4, output: 2}", " []"), ("workload", "at least 1")),
    Case("format of the future", GOOD + "headway: 2\n", (":11", "headway", "2", "1")),
    Case("name that leads elsewhere", changed("name: lab", 'name: "../../x"'), (":1", "'../../x'", "letters")),
    Case("name that is a number", changed("name: lab", "name: 7"), (":1", "name", "7", "text")),
    Case("device with a colon", changed("  left:", "  1:30:"), (":5", "'1:30'", "letters")),
    Case("device with an accent", changed("  left:", "  küche:"), (":5", "'küche'", "letters")),
    Case("unknown medium", changed(RATE, "medium: air"), (":8", "cable.medium", "'air'")),
    Case("medium of nothing", changed(RATE, "medium:"), (":8", "links.cable", "no key 'bandwidth'")),
    Case("routes of no list", GOOD + "routes: [left, right]\n", ("routes", "'left'", "[[laptop, switch, pi]]")),
    Case("route without links", GOOD + "relays: [hub]\n" + "routes: [[left, hub, right]]\n", ("links", "to hub")),
    Case("route of one", GOOD + "routes: [[left]]\n", ("routes", "[[laptop, switch, pi]]")),
    Case("route to nowhere", GOOD + "routes: [[left, rihgt]]\n", ("routes.0.1", "'rihgt'", "mean 'right'?")),
    Case("route in a circle", GOOD + "routes: [[left, right, left]]\n", ("routes", "left - right - left", "linked")),
    Case(
        "relay like a group of devices",
        changed("  right:", f"  pi: {{count: 2, {DEVICE}}}\n  right:") + "relays: [pi]\n",
        ("relays.0", "'pi'", "distinct"),
    ),
    Case("relay like a device", GOOD + "relays: [left]\n", ("relays.0", "'left'", "distinct")),
    Case("list of links", changed("  cable: ", "  - "), ("links", "keys with values")),
    Case("seed below 0", GOOD + "seed: -1\n", (":11", "-1", "greater than or equal to 0")),
    Case("seed that is no number", GOOD + "seed: yes\n", (":11", "'yes'", "a whole number")),
    Case("unknown choice", GOOD + "memory: {overflow: explode}\n", ("overflow", "'explode'", "'fail' or 'swap'")),
    Case("bad decision time", GOOD + "controller: {decision_time: 5}\n", ("the bare number 5", '"free"', '"2 ms"')),
    Case("interval 0", GOOD + "controller: {interval: 0}\n", ("controller.interval", "0", "equal to 1")),
]  # fmt: skip

QUANTITIES = [
    Case("bare number", with_rate("100"), (":8", "cable.bandwidth", "the bare number 100", RATE_FORM)),
    Case("not a number", with_rate(".nan"), ("bandwidth", "nan", RATE_FORM)),
    Case("infinity", with_rate(".inf"), ("bandwidth", "inf", RATE_FORM)),
    Case("negative rate", with_rate("-5 Mbit/s"), ("'-5 Mbit/s'", RATE_FORM, "not negative")),
    Case("wrong unit", with_rate("5 GB"), ("'GB'", RATE_FORM)),
    Case("ambiguous Mbps", with_rate("5 Mbps"), ("'Mbps'", RATE_FORM, "Mbit/s")),
    Case("ambiguous Mb", changed("memory: 1 GB", "memory: 1 Mb"), ("left.memory", "'Mb'", '"4 GiB"')),
    Case("overflowing rate", with_rate("1e999 Mbit/s"), ("'1e999 Mbit/s'", "finite")),
    Case("enormous rate", with_rate("1e30 Mbit/s"), ("'1e30 Mbit/s'", "at most 1e+18 B/s")),
    Case("enormous latency", changed(RATE, f"{RATE}, latency: 1e300 s"), ("cable.latency", "'1e300 s'", "1e+18 s")),
    Case("no bandwidth at all", with_rate(""), ("bandwidth", "None", RATE_FORM)),
    Case("list as a rate", with_rate("[100 Mbit/s]"), ("bandwidth", "['100 Mbit/s']", RATE_FORM)),
    Case("no memory", changed("memory: 1 GB", "memory: 0 GB"), (":5", "left.memory", "'0 GB'", '"4 GiB"')),
    Case("no compute", changed("1 GFLOP/s", "0 FLOP/s"), (":5", "left.compute", "'0 FLOP/s'", '"50 GFLOP/s"')),
    Case("hardly any compute", changed("1 GFLOP/s", "1e-320 FLOP/s"), ("'1e-320 FLOP/s'", "at least 1 FLOP/s")),
    Case("1:30 as a prompt", changed("prompt: 4", "prompt: 1:30"), ("prompt", "'1:30'", "a whole number")),
    Case("010 as a prompt", changed("prompt: 4", "prompt: 010"), ("prompt", "'010'", "a whole number")),
    Case("prompt 0", changed("prompt: 4", "prompt: 0"), (":10", "workload.0.prompt", "0", "equal to 1")),
    Case("output 0", changed("output: 2", "output: 0"), (":10", "workload.0.output", "0", "equal to 1")),
    Case("prompt of halves", changed("prompt: 4", "prompt: 4.5"), ("prompt", "4.5", "a whole number")),
    Case("number of 5000 digits", changed("output: 2", f"output: {'9' * 5000}"), ("output", "999...")),
    Case("many groups", changed("  left:", f"  d: {{count: 999, {DEVICE}}}\n  left:"), ("1001 devices", "most 1000")),
    Case("share above 1", changed("{memory", "{availability: 1.5, memory"), ("left.availability", "1.5", "at most 1")),
    Case("share above 100 %", changed("{memory", "{availability: 150 %, memory"), ("1.5", "100 %")),
]  # fmt: skip

TRACES = [
    Case("no kind of trace", with_rate("{}"), ("bandwidth", "no keys", "file, shipped, steps, walk_mean")),
    Case("unknown kind of trace", with_rate("{foo: 1}"), ("['foo']", "file, shipped, steps, walk_mean")),
    Case("two kinds of trace", with_rate("{file: a, shipped: b}"), ("cable.bandwidth.shipped", "'shipped'", "format")),
    Case("unknown shipped trace", with_rate("{shipped: wifi-naer.csv}"), (":8", "'wifi-naer.csv'", "wifi-near.csv")),
    Case("missing trace file", with_rate("{file: gone.csv}"), ("no such file", "the path of a file"), "gone.csv"),
    Case(
        "misspelt trace file",
        with_rate("{file: gogn.csv}"),
        ("no such file", "did you mean 'gone.csv'?"),
        "gogn.csv",
        {"gone.csv": ""},
    ),
    Case("folder as a trace", with_rate("{file: .}"), ("cannot be read", "a readable"), ""),
    Case("no trace file named", with_rate('{file: ""}'), ("bandwidth.file", "''", "not empty")),
    Case("trace file with a zero", with_rate('{file: "a\\0b"}'), (":8", r"'\x00'")),
    Case("steps not from 0", with_rate('{steps: [["1 s", "5 MB/s"]]}'), ("bandwidth", "1.0", "rise from 0")),
    Case("steps that repeat", with_rate('{steps: [["0 s", "5 MB/s"], ["0 s", "1 B/s"]]}'), ("0.0", "rise from 0")),
    Case("steps backwards", with_rate('{steps: [["0 s", "5 MB/s"], ["2 s", "1 B/s"], ["1 s", "1 B/s"]]}'), ("2.0",)),
    Case("steps without a unit", with_rate('{steps: [["0 s", 5]]}'), ("steps.0.1", "number 5", RATE_FORM)),
    Case("steps without a time", with_rate('{steps: [[0, "5 MB/s"]]}'), ("steps.0.0", "number 0", '"2 ms"')),
    Case("steps of three", with_rate('{steps: [["0 s", "5 MB/s", "1 B/s"]]}'), ("steps.0", "at most 2")),
    Case("no steps", with_rate("{steps: []}"), ("bandwidth.steps", "at least 1")),
    Case("loop without duration", with_rate('{steps: [["0 s", "5 MB/s"]], end: loop}'), ("'loop'", "a duration")),
    Case("unknown end", with_rate('{steps: [["0 s", "5 MB/s"]], end: stop}'), ("end", "'stop'", "'hold'")),
    Case("walk with step 0", walk(step="0 s"), (":8", "cable.bandwidth", "above 0")),
    Case("walk shorter than a step", walk(duration="0.5 s"), ("bandwidth", "not below the step")),
    Case("walk around 0", walk(mean="0 B/s"), ("bandwidth", "0.0", "above 0")),
    Case("walk without a unit", walk(mean="5"), ("walk_mean", "number 5", RATE_FORM)),
    Case(
        "more shards than columns",
        changed("devices:", "cost: {ffn_shards: 9999}\ndevices:"),
        ("cost.ffn_shards", "9999", "256"),
    ),
    Case("walk without spread", walk(sigma="0"), ("sigma", "0", "greater than 0")),
    Case("walk of 10^12 values", walk(step="1 ns", duration="1000 s"), ("1e+12 values", "a longer step")),
    Case("walk of 10^300 values", walk(step="1e-290 s", duration="1e10 s"), ("1e+300 values", "a longer step")),
    in_file("trace of prose", "hello\n", ":1", "'hello'", "csv"),
    in_file("binary trace", bytes(range(256)) * 9, ":"),
    in_file("trace with nan", "time [s],rate [Mbit/s]\n0,1\n1,nan\n", ":3", "'nan'", "12.5"),
    in_file("trace of unknown format", "0,1\n", "'xml'", "csv", options=", format: xml"),
    in_file("Mahimahi that holds", "5\n6\n", "hold", "loop", name="up.mahimahi", options=", end: hold"),
    Case(
        "enormous values in a trace",
        with_rate("{file: log.csv}"),
        (":8", "cable.bandwidth", "1e+18"),
        beside={"log.csv": "time [s],rate [GB/s]\n0,1e40\n"},
    ),
    Case(
        "Mahimahi as availability",
        changed("{memory", "{availability: {file: up.mahimahi, format: mahimahi}, memory"),
        ("mahimahi, which holds a rate", "fraction"),
        file="up.mahimahi",
        beside={"up.mahimahi": "1\n"},
    ),
    Case(
        "whole numbers as availability, which are a load or what it leaves",
        changed("{memory", "{availability: {file: cpu}, memory"),
        ("option load", "true for the share that they leave", "false for"),
        file="cpu",
        beside={"cpu": "1\n"},
    ),
]  # fmt: skip

MODELS = [
    Case("unknown preset", changed(SHAPE, "preset: lama-2-7b"), (":3", "model.preset", "'lama-2-7b'", "'llama-2-7b'?")),
    Case("model of Hugging Face", changed(SHAPE, "preset: meta-llama/Llama-2-7b"), (":3", "config: PATH")),
    Case("two models", changed(SHAPE, f"preset: llama-2-7b\n  {SHAPE}"), (":2", "preset and shape", "exactly one")),
    Case("no model", changed(f"\n  {SHAPE}", " {}"), (":2", "none of preset, config and shape", "exactly one")),
    Case("no heads", changed("heads: 4", "heads: 0"), ("model.shape.heads", "0", "equal to 1")),
    Case("heads do not divide width", changed("heads: 4", "heads: 5"), (":3", "64", "5 heads", "a multiple")),
    Case("kv_heads do not divide heads", changed("heads: 4", "heads: 4, kv_heads: 3"), ("kv_heads", "3", "divisor")),
    Case("experts alone", changed("heads: 4", "heads: 4, experts: 8"), ("experts", "without active_experts")),
    Case("experts of no number", changed("heads: 4", "heads: 4, expert_width: 8"), ("expert_width", "without experts")),
    Case(
        "more active experts than experts",
        changed("heads: 4", "heads: 4, experts: 8, active_experts: 9, expert_width: 5"),
        ("active_experts", "9", "at most experts (8)"),
    ),
    Case(
        "no layer with experts",
        changed("heads: 4", "heads: 4, experts: 8, active_experts: 2, expert_width: 5, dense_layers: 9"),
        ("dense_layers", "9", "fewer than layers"),
    ),
    Case("layers of no window", changed("heads: 4", "heads: 4, window_layers: 1"), ("window_layers", "without window")),
    Case(
        "more layers with a window than layers",
        changed("heads: 4", "heads: 4, window: 5, window_layers: 99"),
        ("window_layers", "99", "at most layers"),
    ),
    Case("half a latent cache", changed("heads: 4", "heads: 4, kv_rank: 8"), ("kv_rank", "without rope_size")),
    Case(
        "latent heads",
        changed("heads: 4", "heads: 4, kv_heads: 2, kv_rank: 8, rope_size: 4, nope_size: 8"),
        ("kv_heads", "2", "1 with kv_rank"),
    ),
    Case("weights of no bytes", changed(SHAPE, f"{SHAPE}\n  bytes_per_weight: 0"), ("per_weight", "0", "greater")),
    Case(
        "10^7 blocks",
        changed(SHAPE, "shape: {layers: 1000, width: 10000, heads: 10000}"),
        ("10002 blocks", "at most 1000000 blocks"),
    ),
    Case("no room beside the runtime", GOOD.replace("{mem", "{runtime_memory: 1 GB, mem"), (":2", "at most the 0 GB")),
    Case("too big for all", changed(SHAPE, "preset: llama-2-7b"), (":2", "13.48 GB", "the 2 GB that all devices have")),
    Case(
        "a block too big for any",
        changed("width: 64, heads: 4", "width: 10000, heads: 100, ffn_width: 55000").replace(
            "  right: {", "  right: {count: 3, "
        ),
        (":2", "L0.ffn", "2.2 GB", "the 0.9996 GB that the largest device has"),
    ),
    Case("missing config", changed(SHAPE, "config: gone.json"), ("no such file", "the path of a file"), "gone.json"),
    config("broken JSON config", "{", ":1", "invalid JSON", "a JSON object"),
    config("config of experts", '{"model_type": "llama", "num_experts": 8}', "a mixture of experts"),
]  # fmt: skip

WORLDS = [
    Case("unknown device in a link", changed("[left, right]", "[left, rihgt]"), ("connect.0.1", "mean 'right'?")),
    Case("unknown link of the library", GOOD.replace(RATE, "link: ethernet"), ("link", "--links", "'ethernet-1g'")),
    Case(
        "medium called like a link of the library",
        GOOD.replace("cable", "air").replace(RATE, "link: wifi-5") + "media: {air: {bandwidth: 1 MB/s}}\n",
        ("links.air", "no medium, and a medium called 'air' in `media`", "medium: air here"),
    ),
    Case("link to itself", changed("[left, right]", "[left, left]"), (":8", "connect.0", "itself", "different")),
    Case("link of three", changed("[left, right]", "[left, right, left]"), ("cable.connect", '"all"')),
    Case("link of numbers", changed("[left, right]", "[left, 1]"), ("cable.connect", '"all"')),
    Case("link to all but misspelt", changed("[[left, right]]", "al"), ("cable.connect", "'al'", '"all"')),
    Case("the same link twice", changed("[[left, right]]", "[[left, right], [left, right]]"), (":7", "left-right")),
    Case("disconnected", changed("connect: [[left, right]]", "connect: []"), ("connect", "[]", '"all"')),
    Case("no links", GOOD.replace("\n  cable: {connect: [[left, right]], bandwidth: 100 Mbit/s}", " {}"), ("right",)),
    Case("unreached device", changed("  left:", f"  far: {{{DEVICE}}}\n  left:"), (":8", "'far'", "connect all")),
    Case("unknown source", GOOD + "source: lef\n", (":11", "'lef'", "did you mean 'left'?")),
    Case("source that is a number", GOOD + "source: 1\n", (":11", "source", "1", "text")),
    Case(
        "two devices of one name",
        changed("  left: {", "  right-1: {").replace("  right: {", "  right: {count: 2, "),
        (":6", "'right-1'", "distinct names"),
    ),
    Case("too many links", changed("{memory", "{count: 999, memory").replace("[[left, right]]", "all"), (":8", "5000")),
    Case("swap without disk", GOOD + "memory: {overflow: swap}\n", ("left.disk", "no disk", RATE_FORM)),
    Case("unknown policy", GOOD + "policies: [greddy]\n", (":11", "'greddy'", "did you mean 'greedy'?")),
    Case("unknown parameter", GOOD + "policies: [{name: greedy, parameters: {x: 1}}]\n", (":11", "'x'", "no param")),
    Case("parameter called name", GOOD + "policies: [{name: greedy, parameters: {name: x}}]\n", (":11", "'name'")),
    Case(
        "misspelt policy parameter",
        GOOD + "policies: [{name: resource-aware, parameters: {dedline_s: 1}}]\n",
        (":11", "'dedline_s'", "did you mean 'deadline_s'?"),
    ),
    Case(
        "policy parameter of a wrong type",
        GOOD + "policies: [{name: resource-aware, parameters: {deadline_s: soon}}]\n",
        (":11", "'soon'", "number"),
    ),
    Case(
        "policy parameter out of range",
        GOOD + "policies: [{name: resource-aware, parameters: {deadline_s: -1}}]\n",
        (":11", "-1", "above 0"),
    ),
    Case("repeated policy", GOOD + "policies: [greedy, greedy]\n", (":11", "policies.1", "'greedy'", "distinct")),
    Case(
        "repeated label",
        GOOD + "policies: [{name: greedy, label: a}, {name: static, label: a}]\n",
        (":11", "policies.1", "'a'", "distinct"),
    ),
    Case("number as a policy", GOOD + "policies: [5]\n", (":11", "policies.0", "5", "keys with values")),
    Case("empty label", GOOD + 'policies: [{name: greedy, label: ""}]\n', ("label", "''", "not empty")),
]  # fmt: skip

RING = "bandwidth: 8 Mbit/s"
STAR = f"kind: star, {RING}"
TOPOLOGIES = {
    "list": ("[a]", "topology", "keys with values"),
    "name of a topology": (f"{{a b: {{{STAR}}}}}", "a b", "letters"),
    "text": ("{n: star}", "topology.n", "'star'", "a kind, one of mesh"),
    "neither kind nor file": ("{n: {members: [pi]}}", "topology.n", "a file or a kind"),
    "unknown kind": ("{n: {kind: rign}}", "topology.n.kind", "'rign'", "did you mean 'ring'?"),
    "kind as a list": ("{n: {kind: [ring]}}", "topology.n.kind", "['ring']"),
    "unknown key": (f"{{n: {{{STAR}, radius: 3}}}}", "topology.n.radius", "'radius'", "one of kind, members"),
    "no bandwidth": ("{n: {kind: ring}}", "topology.n", "no key 'bandwidth'", "or a medium"),
    "bare bandwidth": ("{n: {kind: ring, bandwidth: 7}}", "topology.n.bandwidth", "bare number 7"),
    "unknown medium": (f"{{n: {{{STAR}, medium: air}}}}", "topology.n.medium", "'air'"),
    "unknown member": (f"{{n: {{{STAR}, members: [laptop, pie]}}}}", "n.members.1", "'pie'", "did you mean 'pi'?"),
    "relay of a later one": (f"{{m: {{{STAR}, members: [n]}}, n: {{{STAR}}}}}", "m.members.0", "'n'"),
    "same member twice": (f"{{n: {{{STAR}, members: [pi, pi-2]}}}}", "n.members.1", "'pi-2' a second time"),
    "no members": (f"{{n: {{{STAR}, members: []}}}}", "n.members", "[]"),
    "relay like a device": (f"{{n: {{{STAR}, relay: laptop}}}}", "topology.n", "'laptop', like a device"),
    "relay like devices": (f"{{pi: {{{STAR}}}}}", "topology.pi", "'pi', like a device"),
    "unfit relay": (f"{{n: {{{STAR}, relay: a b}}}}", "n.relay", "'a b'", "letters, digits"),
    "branching of 0": (f"{{n: {{kind: tree, branching: 0, {RING}}}}}", "n.branching", "0"),
    "no radius": (f"{{n: {{kind: geometric, {RING}}}}}", "topology.n", "no key 'radius'"),
    "radius of 0": (f"{{n: {{kind: geometric, radius: 0, {RING}}}}}", "n.radius", "0"),
    "no backbone": (f"{{n: {{kind: cells, cells: [[pi]], {RING}}}}}", "topology.n", "no key 'backbone'"),
    "no cells": (f"{{n: {{kind: cells, cells: [], {RING}, backbone: {{{RING}}}}}}}", "n.cells", "[]"),
    "empty cell": (f"{{n: {{kind: cells, cells: [[]], {RING}, backbone: {{{RING}}}}}}}", "n.cells.0", "[]"),
    "unknown in a cell": (
        f"{{n: {{kind: cells, cells: [[pi], [tv]], {RING}, backbone: {{{RING}}}}}}}",
        "n.cells.1.0",
        "'tv'",
    ),
    "missing graph": ("{n: {file: gone.json}}", "topology.n.file", "gone.json: got no such file"),
    "broken graph": ("{n: {file: scenario.yaml}}", "topology.n.file", "scenario.yaml: got a file that begins with"),
    "unused graph": ("{n: {file: lab.json}}", "topology.n.file", "lab.json: edges.0: edge 'laptop' - 'pi-1'"),
    "medium of a graph": ("{n: {file: lab.json, medium: air}}", "topology.n.medium", "'air'"),
    "unreached device": (f"{{n: {{{STAR}, members: [pi]}}}}", "links", "'laptop'", "connect all nodes"),
}  # fmt: skip
"""Sections `topology`, and parts of the message."""

FAULTS = [
    ("{down: 5 s}", "none of device, link"),
    ("{device: pi, link: wire, down: 5 s}", "device and link"),
    ("{device: pi}", "none of down, slowed_to, online"),
    ("{device: pi, down: 5 s, slowed_to: 0.5}", "down and slowed_to"),
    ("{device: pie, down: 5 s}", "did you mean 'pi'"),
    ("{link: wirr, down: 5 s}", "did you mean 'wire'"),
    ("{device: pi, down: 5 s, up: 5 s}", "after it goes down at 5 s"),
    ("{device: pi, slowed_to: 0.5, up: 5 s}", "up without down"),
    ("{device: pi, down: 1 s, until: 5 s}", "until without slowed_to"),
    ("{device: pi, slowed_to: 2}", "at most 1"),
    ("{device: pi, slowed_to: 0.5, since: 3 s, until: 1 s}", "after it begins at 3 s"),
    ("{device: pi, online: 50 %}", "ones (up) and zeros (down)"),
    ("{link: wifi, slowed_to: 0.5}", "a link with a bandwidth"),
    ("{device: pi, down: soon}", "time"),
    ("{device: pi, broken: 5 s}", "broken"),
]
"""Items of the section `faults`, and a part of the message."""

LOGS = [
    ("file: none.csv", "none.csv: got no such file"),
    ("file: log.csv, format: azur", "option format"),
    ("file: log.csv, start: 1 h", "no request"),
    ("file: log.csv, limit: 0", "workload.limit"),
    ("file: log.csv, stretch: 0", "workload.stretch"),
    ("file: log.csv, prompt: 3", "unknown key 'prompt'"),
]
"""Sections `workload` with a log of requests, and a part of the message."""

SECTION = {
    "controller: {horizon: soon}": ("controller.horizon", "a number of tokens, or one of"),
    "controller: {horizon: 0}": ("controller.horizon", "a number of tokens, or one of"),
    "controller: {horizon: -1}": ("controller.horizon", "a number of tokens, or one of"),
    "controller: {horizon: 2.5}": ("controller.horizon", "a number of tokens, or one of"),
    "controller: {horizon: true}": ("controller.horizon", "a number of tokens, or one of"),
    "controller: {horizon:}": ("controller.horizon", "a number of tokens, or one of"),
    "controller: {triggers: all}": ("controller.triggers", "'all'"),
    "controller: {triggers: {slowdown: 0}}": ("controller.triggers.slowdown", "0"),
    "controller: {triggers: {misprediction: 150 %}}": ("controller.triggers.misprediction", "at most 1"),
    "controller: {triggers: {faults: true}}": ("controller.triggers", "'faults'"),
    "controller: {forecast: mean}": ("controller.forecast", "'mean'", "one of none, last, seasonal, oracle"),
    "controller: {forecast: seasonal}": ("controller.forecast", "seasonal forecasts without season", "season"),
    "controller: {forecast: {outages: mean}}": ("controller.forecast.outages", "mean"),
    "controller: {forecast: {memory: oracle, step: 0 s}}": ("controller.forecast.step", "greater than 0"),
    "controller: {forecast: {memory: oracle, step: 2 min}}": ("controller.forecast", "120 s for step"),
    "controller: {forecast: {memory: oracle, span: 24 h}}": ("controller.forecast", "1 s for step"),
    "controller: {forecast: {disks: oracle}}": ("controller.forecast.disks", "the unknown key 'disks'"),
    "controller: {forecast: 3}": ("controller.forecast", "3"),
    "memory: {overflow: swap, swap: fifo}": ("memory.swap", "'fifo'"),
    "library: nowhere.yaml": ("library", "nowhere.yaml: got no such file"),
    "profile: llama.cpp-rcp": ("profile", "did you mean 'llama.cpp-rpc'"),
    "execution: scattered": (":11", "execution", "'scattered'", "gathered", "ring"),
    "execution: gathered\ncost: {projection: sharded}": (":12", "sharded", "the execution gathered"),
    "execution: sharded\ncost: {projection: gathered}": (":12", "gathered", "the execution sharded"),
    "profile: petals\ncost: {projection: sharded}": ("projection",),
    "pipeline: {micro_batch: 4}": ("options of a pipeline for no execution",),
    "pipeline: {micro_batch: 4}\nexecution: ring": ("options of a pipeline for ring",),
    "pipeline: {micro_batch: 0}\nexecution: pipeline": ("micro_batch", "0"),
    "cost: {wire: {hidden: 0}}": ("hidden", "0"),
    "cost: {engine: {lm_head_reads: -1}}": ("lm_head_reads", "-1"),
    "media: {air: {bandwidth: 1 MB/s, frame: {size: 0 B}}}": ("media.air.frame", "0 B"),
    "media: {air: {bandwidth: 1 MB/s, frame: {overhead: -1 us}}}": ("media.air.frame", "-1 us"),
    "placement: 3": ("placement", "3"),
    "placement: []": ("placement", "[]"),
    "placement: {}": ("placement",),
    'placement: ""': ("placement",),
    "placement: {left: 3}": ("placement", "3"),
    "placement: {left: {layers: 3}}": ("placement",),
    "placement: gone.yaml": ("placement", "gone.yaml"),
    "placement: two.yaml": ("placement", "placements of a, b"),
    "placement: {file: two.yaml, run: c}": ("placement", "the run 'c'"),
    "placement: {file: one.yaml, run: c}": ("placement", "a file with one placement"),
}  # fmt: skip
"""Sections that are added to the good scenario, and parts of the message."""
PLACEMENTS = {
    "one.yaml": "left: rest",
    "two.yaml": "a: {left: rest}\nb: {left: rest}",
}
PLACED = {"left: 3": "left: got 3", "- 1": "no mapping", "left: layers 0-9": "left: got layers 0-9"}
"""Files of placements, and a part of the message."""

DEVICES = {
    "device: raspbery-pi-5-8gb": (
        "left.device",
        "a device of `headway devices list`",
        "mean 'raspberry-pi-5-8gb'?",
    ),
    "device: 5": ("left.device", "5", "the name of a device"),
    "compute: 1 GFLOP/s": ("devices.left", "no key 'memory'"),
    f"runtime_memory: -1 MB, {DEVICE}": ("left.runtime_memory", "-1 MB"),
}
"""Descriptions of a device, and parts of the message."""

LATENCIES = {
    "{steps: [[0 s, 1 ms]], end: zero, duration: 5 s}": "a latency that becomes 0",
    "{steps: [[0 s, 1 MB]]}": "the unit 'MB'",
    "1 MB": "the unit 'MB'",
    "3": "the bare number 3",
    "{file: missing.csv}": "missing.csv",
}
"""Latencies of links and topologies, and a part of the message."""

REVERTING = "reverting_mean: 8 Mbit/s, deviation: 4 Mbit/s, relaxation: 3 s, step: 1 s, duration: 20 s"
STATES = "good: 8 Mbit/s, bad: 80 kbit/s, good_time: 2 s, bad_time: 500 ms, duration: 20 s"
DIURNAL = "diurnal_mean: 8 Mbit/s, amplitude: 4 Mbit/s, period: 10 s, sigma: 0.2, step: 1 s, duration: 20 s"
FADES = "fading_mean: 8 Mbit/s, coherence: 1 s, rice_factor: 2, step: 1 s, duration: 20 s"
SYNTHETIC = [
    (REVERTING, "8 Mbit/s", "5", "reverting_mean: got the bare number 5"),
    (REVERTING, "4 Mbit/s", "5 %", "deviation: got the unit '%'"),
    (REVERTING, "3 s", "-1 s", "relaxation: got '-1 s'"),
    (REVERTING, "step: 1 s", "step: 30 s", "expected a step and a duration"),
    (REVERTING, "step: 1 s", "step: 0 s", "expected a step and a duration"),
    (REVERTING, "1 s, duration: 20 s", "1 us, duration: 1 h", "3.6e+09 values"),
    (STATES, "80 kbit/s", "9 Mbit/s", "expected a bad value below the good one"),
    (STATES, "good_time: 2 s", "good_time: 0 s", "expected a bad value below the good one"),
    (STATES, "2 s, bad_time: 500 ms, duration: 20 s", "1 us, bad_time: 1 us, duration: 2 s", "2e+06 values"),
    (STATES, "good: ", "step: 1 s, good: ", "unknown key 'step'"),
    (DIURNAL, "4 Mbit/s", "9 Mbit/s", "an amplitude of at most the mean"),
    (DIURNAL, "10 s", "1 s", "a period of at least two steps"),
    (DIURNAL, "0.2", "3.1", "sigma: got 3.1"),
    (FADES, "coherence: 1 s", "coherence: 400 ms", "not above two coherence times"),
    (FADES, "rice_factor: 2", "rice_factor: -1", "rice_factor: got -1"),
    ("shipped: wifi-near.csv, end: E, start: random", "E", "hold", "start: got random for a trace that ends with hold"),
    ("shipped: wifi-near.csv, end: E, start: random", "E", "zero", "start: got random for a trace that ends with zero"),
]  # fmt: skip
"""Synthetic traces, texts in them, other texts in their places, and a part of the message."""

POISSON = "{poisson: 30 /min, count: 5, prompt: 3, output: 4}"
WORKLOADS = [
    ("30 /min", "3", "workload.poisson: got the bare number 3"),
    ("30 /min", "3 s", "workload.poisson: got the unit 's'"),
    ("30 /min", "0 /s", "at least 1e-09 /s"),
    ("count: 5", "count: 0", "workload.count: got 0"),
    ("count: 5", "count: 100001", "workload.count: got 100001"),
    ("prompt: 3", "prompt: 0", "workload.prompt: got 0"),
    ("prompt: 3", "prompt: many", "workload.prompt: got 'many'; expected a whole number"),
    ("prompt: 3", "prompt: {gamma: 3}", "workload.prompt: got the keys ['gamma']; expected"),
    ("prompt: 3", "prompt: {uniform: [5, 3]}", "workload.prompt.uniform: got [5, 3]"),
    ("prompt: 3", "prompt: {uniform: [5]}", "workload.prompt.uniform: got"),
    ("output: 4", "output: {lognormal_mean: 5, sigma: 0}", "workload.output.sigma: got 0"),
    ("output: 4", "output: {geometric_mean: 0.5}", "workload.output.geometric_mean: got 0.5"),
    ("count: 5", "count: 5, rate: 3", "workload.rate: got the unknown key 'rate'"),
    *((POISSON, other, "workload") for other in ("{}", "{prompt: 3}", "5", "x", "", "[]")),
]
"""Texts in a section `workload`, other texts in their places, and a part of the message."""

BOARDS = f"""\
model: {{shape: {{layers: 1, width: 64, heads: 4}}}}
workload: [{{prompt: 2, output: 2}}]
devices:
  laptop: {{{DEVICE}}}
  pi: {{count: 4, {DEVICE}}}
"""
FAULTY = f"""\
model: {{shape: {{layers: 1, width: 64, heads: 4}}}}
devices:
  pi: {{count: 2, {DEVICE}, availability: 80 %}}
  phone: {{{DEVICE}}}
media: {{air: {{bandwidth: 8 Mbit/s}}}}
links:
  wire: {{connect: [[pi, pi], [pi, phone]], bandwidth: 8 Mbit/s}}
  wifi: {{connect: [[pi-1, phone]], medium: air, latency: 1 s}}
workload: [{{prompt: 3, output: 5}}]
faults:
  - {{device: phone, down: 1 s}}
"""
GRAPH_FILE = (
    '{"nodes": [{"id": "laptop"}, {"id": "pi-1"}], "edges": [{"source": "laptop", "target": "pi-1"}]}'
)
SECTIONS = [
    Case(
        "synthetic traces that are too long together",
        with_rate(f"{{{STATES.replace('20 s', '500000 s')}}}").replace("left: {", "left: {count: 3, "),
        ("bandwidth", "more than 1000000 with those before it"),
    ),
    *(Case(f"with {text}", f"{GOOD}{text}\n", says, beside=PLACEMENTS) for text, says in SECTION.items()),
    *(
        Case(
            f"placement in a file: {text}",
            f"{GOOD}placement: it.yaml\n",
            (says,),
            "it.yaml",
            {"it.yaml": text},
        )
        for text, says in PLACED.items()
    ),
    *(Case(f"device {text}", changed(DEVICE, text), says) for text, says in DEVICES.items()),
    *(
        Case(f"latency of {what}: {text}", f"{start}, latency: {text}}}}}\n{rest}", ("latency", says))
        for text, says in LATENCIES.items()
        for what, start, rest in (
            ("a link", GOOD[: GOOD.index("links")] + f"links: {{n: {{connect: all, {RATE}", REQUESTS),
            ("a topology", GOOD[: GOOD.index("links")] + f"topology: {{n: {{kind: mesh, {RATE}", REQUESTS),
        )
    ),
    *(
        Case(
            f"trace: {new} for {old} in {trace}",
            with_rate(f"{{{trace.replace(old, new)}}}"),
            ("bandwidth", says),
        )
        for trace, old, new, says in SYNTHETIC
    ),
    *(
        Case(f"workload: {new} for {old}", f"{WORLD}workload: {POISSON.replace(old, new)}\n", (says,))
        for old, new, says in WORKLOADS
    ),
    *(
        Case(f"topology: {id_}", f"{BOARDS}topology: {section}", tuple(says), beside={"lab.json": GRAPH_FILE})
        for id_, (section, *says) in TOPOLOGIES.items()
    ),
    *(
        Case(f"fault: {fault}", f"{FAULTY}  - {fault}\n", (f":{len(FAULTY.splitlines()) + 1}", says))
        for fault, says in FAULTS
    ),
    *(
        Case(f"log: {log}", f"{WORLD}workload: {{{log}}}\n", (says,), beside={"log.csv": LOG})
        for log, says in LOGS
    ),
]

CASES = NOT_YAML + KEYS + QUANTITIES + TRACES + MODELS + WORLDS + SECTIONS


def put(folder: Path, case: Case) -> Path:
    """The case's scenario, with the files beside it."""
    folder.mkdir()
    for name, content in {"scenario.yaml": case.text, **case.beside}.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder / "scenario.yaml"


def check_message(code: int, out: str, err: str) -> None:
    """Exit code 2, nothing on standard output, and one line that quotes and suggests."""
    assert code == 2, (out, err)
    assert out == ""
    assert err.endswith("\n")
    assert len(err.splitlines()) == 1, err
    assert err.startswith("headway: ")
    assert ": got " in err
    assert "; expected " in err
    assert len(err) < 1500


def run(*arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `headway run`."""
    result = call("run", *arguments)
    return result.exit_code, result.stdout, result.stderr


def test_the_scenario_that_the_cases_break_is_good(tmp_path: Path) -> None:
    path = put(tmp_path / "in", Case("good", GOOD, ()))
    code, _, err = run(path, "--policy", "single", "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    assert (tmp_path / "out" / "tokens.parquet").is_file()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_malformed_scenario_is_refused_in_one_sentence(case: Case, tmp_path: Path) -> None:
    path = put(tmp_path / "in", case)
    code, out, err = run(path, "--out", tmp_path / "out")
    check_message(code, out, err)
    assert str(path.parent / case.file) in err
    for part in case.says:
        assert part in err.removeprefix(f"headway: {path}"), err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in"]


def wrong(count: int) -> str:
    """The good scenario with so many more devices, each without a unit on a line of its own."""
    lines = "".join(f"  d{n}: {{{DEVICE.replace('1 GB', str(n))}}}\n" for n in range(count))
    return GOOD.replace("links:", f"{lines}links:")


@pytest.mark.parametrize("count", [2, 10, 13])
def test_one_message_lists_all_mistakes_of_a_file(count: int, tmp_path: Path) -> None:
    path = put(tmp_path / "in", Case("", wrong(count), ()))
    code, out, err = run(path, "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    lines = err.splitlines()
    assert lines[0].startswith(f"headway: {path}:7: devices.d0.memory: ")
    for number, line in enumerate(lines[1:10], 1):
        assert line.startswith(f"{path}:{7 + number}: devices.d{number}.memory: ")
    assert lines[10:] == (["... and 3 more"] if count == 13 else [])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in"]


def test_many_mistakes_survive_a_worker_process(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_scenario(put(tmp_path / "in", Case("", wrong(3), ())))
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert len(str(again).splitlines()) == 3


def test_every_case_has_a_name_of_its_own() -> None:
    assert len({case.id for case in CASES}) == len(CASES) >= 50


def test_missing_scenario(tmp_path: Path) -> None:
    code, out, err = run(tmp_path / "gone.yaml", "--out", tmp_path / "out")
    check_message(code, out, err)
    assert str(tmp_path / "gone.yaml") in err
    assert "home-cluster" in err


@pytest.mark.parametrize("name", ["a\0b", ""], ids=["with a zero", "empty"])
def test_impossible_scenario_name(name: str, tmp_path: Path) -> None:
    check_message(*run(name, "--out", tmp_path / "out"))
    assert not list(tmp_path.iterdir())


def test_folder_as_scenario(tmp_path: Path) -> None:
    code, out, err = run(tmp_path, "--out", tmp_path / "out")
    check_message(code, out, err)
    assert str(tmp_path) in err
    assert "got a folder" in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("trace", [False, True], ids=["scenario", "trace"])
def test_a_line_of_200_mb_is_refused_unread(trace: bool, tmp_path: Path) -> None:
    path = put(tmp_path / "in", Case("", with_rate("{file: log.csv}"), ()))
    huge = path.parent / "log.csv" if trace else path
    with huge.open("wb") as file:
        file.truncate(200_000_000)
    code, out, err = run(path, "--out", tmp_path / "out")
    check_message(code, out, err)
    assert str(huge) in err
    # Once more, with everything imported.
    tracemalloc.start()
    try:
        assert run(path, "--out", tmp_path / "out") == (code, out, err)
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most_bytes < 50_000_000


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--policy", "greddy"], "did you mean 'greedy'?"),
        (["--policy", ""], "one of"),
        (["--policy", "greedy", "--policy", "greedy"], "--policy: got 'greedy' more than once"),
    ],
    ids=["unknown policy", "empty policy", "policy twice"],
)
def test_an_unusable_option_is_refused_in_one_sentence(options: list[str], says: str, tmp_path: Path) -> None:
    path = put(tmp_path / "in", Case("", GOOD, ()))
    code, out, err = run(path, *options, "--out", tmp_path / "out")
    check_message(code, out, err)
    assert says in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--seed", "-1"], "'--seed'"),
        (["--seed", "x"], "'--seed'"),
        (["--seed", "1.5"], "'--seed'"),
        (["--seed", "9223372036854775808"], "'--seed'"),
        (["--sed", "1"], "--sed"),
        (["--policy"], "'--policy' requires an argument"),
        (["extra"], "extra"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_malformed_option_is_a_usage_error(options: list[str], says: str, tmp_path: Path) -> None:
    path = put(tmp_path / "in", Case("", GOOD, ()))
    code, out, err = run(path, "--out", tmp_path / "out", *options)
    assert (code, out) == (2, "")
    assert says in err
    assert not (tmp_path / "out").exists()


def test_the_installed_command_shows_no_traceback(tmp_path: Path) -> None:
    """In a process of its own, where nothing stands between an exception and the user."""
    path = put(tmp_path / "in", next(case for case in CASES if case.id == "lone surrogate"))
    done = subprocess.run(
        [sys.executable, "-m", "headway", "run", str(path), "--out", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
    )
    check_message(done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in"]


def write(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


def in_little_memory(code: str, folder: Path, megabytes: int = 1500) -> str:
    """What a piece of Python says that may not take more memory than this, and not long."""
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({megabytes << 20},) * 2)\n"
    done = subprocess.run(
        [sys.executable, "-c", limit + code],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        cwd=folder,
        # Threads take memory too, and how many there are depends on the machine.
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    return done.stdout + done.stderr


FADING = "{walk_mean: 1, sigma: 1, step: 1 ns, duration: 9 d}"
TOO_MUCH = {
    "devices": (GOOD.replace("left: {", "left: {count: 1000000000, "), "1000000000"),
    "layers": (GOOD.replace("layers: 1,", "layers: 1000000000,"), "1000000000"),
    "heads": (GOOD.replace("heads: 4", "heads: 1000000000"), "1000000000"),
    "shards": (GOOD + "cost: {ffn_shards: 1000000000}\n", "1000000000"),
    "tokens": (GOOD.replace("output: 2", "output: 1000000000000"), "1000000000000"),
    "requests": (
        WORLD + "workload: {poisson: 1 /s, count: 1000000000, prompt: 1, output: 1}\n",
        "1000000000",
    ),
    "rows": (
        WORLD + "workload: {poisson: 1 /s, count: 100000, prompt: 1, output: 1000000}\n",
        "50,000,000 pairs",
    ),
    "pairs": (
        GOOD.replace("layers: 1,", "layers: 999,")
        .replace("heads: 4", "heads: 900, head_size: 1")
        .replace("left: {", "left: {count: 500, "),
        "50,000,000 pairs",
    ),
    "walk": (GOOD.replace("left: {", f"left: {{availability: {FADING}, "), "synthetic"),
    "list": (GOOD + "x: [" + "1," * 200_000 + "]\n", "more than 100000 keys and values"),
}
"""Scenarios that ask for too much, and a part of the message."""


def test_a_scenario_that_asks_for_too_much_is_refused_in_little_memory(tmp_path: Path) -> None:
    for name, (text, _) in TOO_MUCH.items():
        write(tmp_path / f"{name}.yaml", text)
    output = in_little_memory(
        """
from pathlib import Path
from headway.simcore import load_scenario
from headway.simcore.files import bounds
for path in sorted(Path().glob("*.yaml")):
    try:
        load_scenario(path)
    except ValueError as error:
        print(error)
""",
        tmp_path,
    )
    for line, name in zip(output.splitlines(), sorted(TOO_MUCH), strict=True):
        assert line.startswith(f"{name}.yaml:"), output
        assert TOO_MUCH[name][1] in line


def test_faults_may_make_so_many_values_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MOST_FAULT_VALUES", 1_000_000)
    faults = "faults:\n" + "- {device: left, slowed_to: 0.5, since: 1 s}\n" * 3
    few, many = (GOOD.replace("left: {", f"left: {{count: {n}, ") + faults for n in (50, 70))
    load_scenario(write(tmp_path / "few.yaml", few))
    with pytest.raises(InputError, match=r"faults.2: got faults that change more than 1,000,000 values"):
        load_scenario(write(tmp_path / "many.yaml", many))


DAMAGED: Some[Any] = Some(
    yaml.safe_load(text)
    for text in (
        """
name: lab
description: text
seed: 3
model: {shape: {layers: 2, width: 64, heads: 4, kv_heads: 2, head_size: 16, ffn_width: 128, gated_ffn: true,
  vocabulary: 100}, bytes_per_weight: 2.0, bytes_per_kv: 2, bytes_per_activation: 2}
cost: {model: decode, ffn_shards: 2, projection: sharded}
blocks: {embed: true, lm_head: true}
source: left
devices:
  left: {memory: 1 GB, compute: 1 GFLOP/s, memory_bandwidth: 1 GB/s, overhead: 1 ms, disk: 10 MB/s,
    availability: {file: load.csv, end: loop, scale: 0.5, shift: 1 s}, memory_used: 10 MB, discipline: ps,
    nic_up: 1 Gbit/s, nic_down: {steps: [[0 s, 1 Gbit/s], [1 s, 0 bit/s], [2 s, 5 Mbit/s]], end: loop, duration: 3 s}}
  pi: {count: 2, memory: 1 GB, compute: 1 GFLOP/s, memory_bandwidth: unlimited, disk: 10 MB/s,
    availability: {walk_mean: 0.9, sigma: 0.1, step: 1 s, duration: 9 s, correlation: 0.5}}
links:
  cable: {connect: [[left, pi]], latency: 1 ms, overhead: 1 ms,
    bandwidth: {good: 9 Mbit/s, bad: 1 Mbit/s, good_time: 1 s, bad_time: 1 s, duration: 9 s}}
  air: {connect: all, medium: air}
media: {air: {bandwidth: {fading_mean: 9 Mbit/s, coherence: 1 s, rice_factor: 1, step: 1 s, duration: 9 s}}}
network: {sharing: fair, transport: tcp, connection: persistent, idle_restart: true}
faults:
  - {device: pi, down: 0.1 s, up: 2 s}
  - {link: cable, slowed_to: 50 %, since: 0 s, until: 1 s}
workload: [{prompt: 4, output: 3}, {prompt: 2, output: 2, arrival: 1 s}]
controller: {interval: 1, window: 1 s, migration: live, weights_on_disk: true, on_infeasible: keep, decision_time: 1 ms}
memory: {overflow: swap}
policies: [greedy, {name: resource-aware, label: ours, parameters: {deadline_s: 1}}]
""",
        """
model: {config: config.json}
cost: {model: paper, ffn_factor: 8.0}
devices:
  left: {memory: 1 GB, compute: 1 GFLOP/s, memory_bandwidth: unlimited, memory_used: {steps: [[0 s, 0 B], [1 s, 1 GB]]}}
  right: {memory: 1 GB, compute: 1 GFLOP/s, memory_bandwidth: 1 TB/s, availability: {shipped: cpu-load.csv, end: loop}}
  third: {memory: 1 GB, compute: 1 GFLOP/s, memory_bandwidth: unlimited}
relays: [hub]
topology:
  net: {kind: star, relay: hub, bandwidth: {reverting_mean: 9 Mbit/s, deviation: 1 Mbit/s, relaxation: 2 s, step: 1 s,
    duration: 9 s}, latency: 1 ms}
  lan: {kind: line, members: [left, right], bandwidth: 1 Mbit/s}
routes: [[left, hub, right]]
faults: [{device: third, online: {steps: [[0 s, 1], [3 s, 0], [4 s, 1]]}}]
workload: {poisson: 1 /s, count: 2, prompt: {uniform: [1, 5]}, output: {lognormal_mean: 2, sigma: 1, most: 4}}
policies: [round-robin, static]
""",
        """
model: {preset: gpt2}
devices:
  left: {memory: 9 GB, compute: 1 GFLOP/s, memory_bandwidth: 9 GB/s}
  pi: {count: 3, memory: 9 GB, compute: 1 GFLOP/s, memory_bandwidth: 9 GB/s}
media: {air: {bandwidth: {file: up.mahimahi, format: mahimahi}}}
topology:
  cells: {kind: cells, cells: [[left], [pi-1, pi-2]], bandwidth: {diurnal_mean: 9 Mbit/s, amplitude: 1 Mbit/s,
    period: 9 s, peak: 1 s, sigma: 0.1, correlation: 0.1, step: 1 s, duration: 9 s},
    backbone: {bandwidth: 1 Gbit/s, latency: 1 ms}}
  tree: {kind: tree, branching: 2, medium: air}
  geo: {kind: geometric, radius: 0.5, members: [left, pi-3], bandwidth: 1 Mbit/s}
  file: {file: graph.json, ignore: [weight], bandwidth: 1 Mbit/s}
workload: {file: log.csv, format: csv, start: 0 s, limit: 2, stretch: 2, most_prompt: 4, most_output: 2}
network: {sharing: dedicated}
policies: [single, random]
""",
    )
)
BESIDE = {
    "config.json": json.dumps(CONFIG),
    "graph.json": json.dumps(GRAPH),
    "load.csv": "time [s],share\n0,0.5\n1,1\n2,0\n3,0.7\n",
    "up.mahimahi": "1\n5\n9\n",
    "log.csv": "arrival [s],prompt,output\n0,3,2\n1,2,2\n",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("fuzz")
    for name, text in {**BESIDE, **FILES}.items():
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text(text)
    return place


def check(folder: Path, data: str | bytes, changes: tuple[str, ...] = ()) -> None:
    path = folder / "scenario.yaml"
    path.write_bytes(data.encode("utf-8", "replace") if isinstance(data, str) else data)
    try_out(attempt(lambda: load_scenario(path, changes=changes), str(folder), "change"))


def shipped() -> list[bytes]:
    return [shipped_scenario(name).read_bytes() for name in shipped_scenarios()]


PATHS = [".".join(map(str, path)) for tree in DAMAGED for path in parts(tree)]


@st.composite
def changes(draw: st.DrawFn) -> tuple[str, ...]:
    """One change of a scenario, or any other text in its place."""
    path = draw(
        st.sampled_from(PATHS) | st.sampled_from(["", "x", "devices", "links.cable.x", 'devices."a b"'])
    )
    operand = draw(extremes())
    forms = [f"{path}={yaml_of(operand)}", f"{path}={operand}", f"{path}*{operand}", f"drop {path}"]
    shifts = [f"shift-trace {path} {operand}", f"shift-trace {operand} s"]
    return (draw(st.sampled_from([*forms, *shifts, str(operand)]) | st.text(max_size=40)),)


def test_undamaged_worlds_run(folder: Path) -> None:
    for tree in DAMAGED:
        path = folder / "scenario.yaml"
        path.write_text(yaml_of(tree))
        try_out(load_scenario(path))


def fuzz_tree(folder: Path) -> Any:
    @given(tree=damaged(DAMAGED))
    def check_tree(tree: Any) -> None:
        check(folder, yaml_of(tree))

    return check_tree


def fuzz_loading(folder: Path) -> Any:
    """Scenarios that ship, and scenarios that use every key; they are loaded, and not run."""
    trees = Some([*(yaml.safe_load(text) for text in shipped()), *EVERY_KEY])

    @given(tree=damaged(trees))
    def check_tree(tree: Any) -> None:
        path = folder / "scenario.yaml"
        path.write_bytes(yaml_of(tree).encode("utf-8", "replace"))
        world = attempt(lambda: load_scenario(path), str(folder))
        if world is not None:
            assert np.isfinite(world.cluster.latencies(0.0, 0.0)).all()
            assert np.isfinite(world.cost.step(one_sequence(world.requests[0].prompt, 0)).memory_bytes).all()

    return check_tree


def fuzz_bytes(folder: Path) -> Any:
    @given(data=broken(Some([*shipped(), *(yaml_of(tree).encode() for tree in DAMAGED)])))
    def check_bytes(data: bytes) -> None:
        check(folder, data)

    return check_bytes


def fuzz_changes(folder: Path) -> Any:
    @given(number=st.integers(0, len(DAMAGED) - 1), changed=changes())
    def check_changes(number: int, changed: tuple[str, ...]) -> None:
        check(folder, yaml_of(DAMAGED[number]), changed)

    return check_changes


FUZZ = {
    fuzz_tree: 100,
    fuzz_loading: 150,
    fuzz_bytes: 60,
    fuzz_changes: 60,
}
"""Every kind of damage, with the examples of a quick run."""


@pytest.mark.parametrize("times", [1, pytest.param(50, marks=pytest.mark.thorough)])
@pytest.mark.parametrize("fuzz", FUZZ, ids=lambda fuzz: fuzz.__name__)
def test_a_damaged_scenario_is_loaded_or_refused(fuzz: Any, times: int, folder: Path) -> None:
    examine(fuzz(folder), times * FUZZ[fuzz], at_random=times > 1)
