"""The end of `headway run`: the answer, the placements, and the notes on the scenario."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

import headway as hw
from headway.analysis.console.placements import placements
from headway.analysis.notes import scenario_notes
from headway.analysis.statistics.answer import answer
from headway.simcore import PRESETS, TABLES, DecodeCost, Result, Scenario, build_scenario
from headway.traces import InputError

SHAPE = {"layers": 4, "width": 64, "heads": 4, "vocabulary": 8}


def world(count: int = 2, **more: Any) -> Scenario:
    device = {"memory": "100 MB", "compute": "5 GFLOP/s", "memory_bandwidth": "1 GB/s"}
    values: dict[str, Any] = {
        "model": {"shape": SHAPE},
        "devices": {f"pi-{number}": device for number in range(count)},
        "links": {"cable": {"connect": "all", "bandwidth": "100 Mbit/s"}},
        "workload": [{"prompt": 4, "output": 5}],
    }
    return build_scenario(values | more)


def result(**runs: tuple[float, str]) -> Result:
    """Runs of one token each: tokens per second (0: no token), and the devices of the blocks, separated by commas."""
    empty = hw.simulate(world(), "single")
    tables = {name: getattr(empty, name).iloc[:0] for name in TABLES}
    names, rates = list(runs), [rate for rate, _ in runs.values()]
    done = [name for name, rate in zip(names, rates, strict=True) if rate]
    statuses = ["complete" if rate else "infeasible" for rate in rates]
    tables["runs"] = pd.DataFrame({"run": names, "status": statuses})
    tables["requests"] = pd.DataFrame(
        {
            "run": names,
            "arrival_s": 0.0,
            "first_token_s": [1 / rate if rate else float("nan") for rate in rates],
        }
    ).assign(finish_s=lambda table: table["first_token_s"])
    tables["tokens"] = pd.DataFrame(
        {"run": done, "token": 0, "start_s": 0.0, "latency_s": [1 / rate for rate in rates if rate]}
    )
    cells = [(run, device) for run, (_, devices) in runs.items() for device in devices.split(",")]
    tables["placements"] = pd.DataFrame(cells, columns=["run", "device"])
    return Result(**tables)


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        (
            {"a": (2.0, "x,y"), "b": (2.5, "x,y")},
            "b is the best policy in this run, with 2.50 tokens/s, 25.0 % more than a.",
        ),
        (
            {"a": (1.0, "x,y"), "b": (3.0, "x,y")},
            "b is the best policy in this run, with 3.00 tokens/s, 3.00 times as many as a.",
        ),
        (
            {"a": (2.0, "x,y"), "b": (2.01, "x,y"), "c": (1.0, "x,y")},
            "b and a are equally good in this run, with 2.01 tokens/s, 2.01 times as many as c.",
        ),
        ({"a": (2.0, "x,y"), "b": (2.0, "x,y")}, "a and b are equally good in this run, with 2.00 tokens/s."),
        (
            {"a": (2.0, "x"), "b": (2.01, "x,y")},
            "One device is enough in this run: with the whole model on x, a generates 2.00 tokens/s, 0.498 % fewer "
            "than b on several devices.",
        ),
        (
            {"a": (2.0, "x"), "b": (2.0, "x")},
            "One device is enough in this run: with the whole model on x, a generates 2.00 tokens/s; no complete run "
            "used several devices.",
        ),
        (
            {"a": (2.0, "x"), "b": (2.5, "x,y")},
            "b is the best policy in this run, with 2.50 tokens/s, 25.0 % more than a.",
        ),
        ({"a": (2.0, "x")}, "a generates 2.00 tokens/s in this run."),
        (
            {"a": (2.0, "x"), "b": (0.0, "x")},
            "a generates 2.00 tokens/s in this run; no other policy completed its requests.",
        ),
        ({"a": (0.0, "x")}, "No policy completed its requests in this run."),
    ],
)
def test_the_answer_names_the_best_policy_and_its_lead(runs: dict[str, Any], expected: str) -> None:
    assert answer(result(**runs), world()) == expected


def test_a_cluster_of_one_device_has_no_answer_on_the_number_of_devices() -> None:
    same = result(a=(2.0, "pi-0"), b=(2.0, "pi-0"))
    assert answer(same, world(1)) == "a and b are equally good in this run, with 2.00 tokens/s."


def test_a_placement_has_one_line_per_device_with_blocks() -> None:
    pinned = {
        "pi-0": ["layers 0-1", "layers 2 heads 0-2", "layers 3 proj", "embed"],
        "pi-1": ["layers 2 heads 3", "layers 2 proj", "layers 2-3 ffn", "layers 3 heads", "lm_head"],
    }
    scenario = world(3, placement=pinned)
    run = hw.simulate(scenario, "pinned")
    held = run.devices.groupby("device")["held_bytes"].last() / 1e6
    assert placements(run, scenario, "pinned") == [
        "Placements at the end of the run: memory held of memory free, and parts of the model",
        "pinned:",
        f"  pi-0  {held['pi-0']:.3f} of 100 MB  layers 0-1, embedding, 3 of 4 heads in layer 2, projections in 3",
        f"  pi-1  {held['pi-1']:.3f} of 100 MB  output head, 5 of 8 heads in layers 2-3, FFNs in 2-3",
    ]


def test_placements_say_how_often_they_changed_and_are_narrow() -> None:
    """Processors that speed up and slow down make greedy move blocks, and scatter them."""
    phases = {"steps": [["0 s", 1], ["50 ms", 0.2], ["100 ms", 1]]}
    device = {"memory": "100 MB", "compute": "50 MFLOP/s", "memory_bandwidth": "1 GB/s"}
    devices = {
        f"board-with-a-long-name-{n}": device | {"availability": phases if n % 2 else 1} for n in range(4)
    }
    shape = SHAPE | {"layers": 9, "heads": 16}
    scenario = world(model={"shape": shape}, devices=devices, controller={"interval": 1})
    run = hw.simulate(scenario, "greedy")
    changes = len(run.placements) // len(scenario.block_table) - 1
    assert changes > 0
    lines = placements(run, scenario, "greedy")
    assert lines[1] == f"greedy (changed {changes} {'time' if changes == 1 else 'times'}):"
    assert max(map(len, lines)) <= 100
    assert len(lines) <= 2 + len(devices)


def test_of_more_than_four_runs_only_the_best_placement_is_shown() -> None:
    scenario = world()
    run = hw.simulate(scenario, "single", "static", "greedy", "round-robin", "edgeshard")
    lines = placements(run, scenario, "round-robin")
    assert [line for line in lines if line.endswith(":")] == ["round-robin:"]
    assert lines[-1] == "The file placements.yaml has the placements of all runs."


def test_equal_placements_share_their_lines() -> None:
    scenario = world(1)
    lines = placements(hw.simulate(scenario), scenario, "single")
    assert lines[1] == "single, edgeshard, resource-aware and look-ahead:"
    assert len(lines) == 3


@pytest.mark.parametrize("name", ["wifi", "home-Wi-Fi", "WLAN"])
def test_links_called_wifi_without_a_medium_are_noted(name: str) -> None:
    link = {"connect": "all", "bandwidth": "100 Mbit/s"}
    (note,) = scenario_notes(world(3, links={name: link}))
    assert note.startswith(f"each of the 3 links of '{name}' has its whole bandwidth for itself.")
    assert "medium: channel" in note
    shared = {"connect": "all", "medium": "channel"}
    media = {"channel": {"bandwidth": "80 Mbit/s"}}
    for quiet in (
        world(2, links={name: link}),
        world(3),
        world(3, links={name: shared}, media=media),
    ):
        assert scenario_notes(quiet) == []


def test_requests_beyond_the_context_are_noted() -> None:
    model = {"shape": SHAPE | {"context_length": 10}}
    requests = [{"prompt": 4, "output": output} for output in (5, 6, 7, 9)]
    (note,) = scenario_notes(world(model=model, workload=requests))
    assert note.startswith("the longest request has 13 tokens (prompt and output), but the context of ")
    assert note.endswith("this concerns 2 of 4 requests.")
    assert scenario_notes(world(model=model, workload=requests[:2])) == []
    assert scenario_notes(world(workload=requests)) == []


def test_a_guessed_shape_of_a_preset_is_noted() -> None:
    def notes(name: str, **formats: float) -> list[str]:
        scenario = world()
        model = replace(PRESETS[name], **formats)  # type: ignore[arg-type]
        return scenario_notes(replace(scenario, model=model, cost=DecodeCost(model)))

    (note,) = notes("llama-3-14b", bytes_per_weight=0.5625)
    assert note.startswith(
        "the shape of llama-3-14b is a guess (stacked layers of meta-llama/Meta-Llama-3-8B)"
    )
    assert notes("llama-3-8b") == []
    assert scenario_notes(world(name="llama-3-14b")) == []


def test_decoding_needs_a_memory_bandwidth_and_the_paper_does_not() -> None:
    device = {"memory": "100 MB", "compute": "5 GFLOP/s"}
    with pytest.raises(InputError) as error:
        world(devices={"pi": device})
    assert "devices.pi.memory_bandwidth: got no memory bandwidth" in str(error.value)
    assert '"20 GB/s"' in str(error.value)
    assert "unlimited" in str(error.value)
    unlimited = world(devices={"pi": device | {"memory_bandwidth": "unlimited"}})
    paper = world(devices={"pi": device}, cost={"model": "paper"})
    for scenario in (unlimited, paper):
        assert list(scenario.cluster.memory_bandwidth) == [float("inf")]


def test_each_guess_of_the_library_that_matters_is_noted_once() -> None:
    mac = {"device": "apple-m4-pro"}
    scenario = world(devices={"a": mac, "b": mac}, links={"lan": {"connect": "all", "link": "ethernet-1g"}})
    guessed = {use.key for use in scenario.provenance if use.value.quality == "guessed"}
    assert guessed == {*(f"devices.{name}.{key}" for name in "ab" for key in ("compute", "disk"))} | {
        "links.lan.overhead"
    }
    compute, overhead = scenario_notes(scenario)  # No disk: the devices do not swap.
    assert compute.startswith("the library guesses compute of apple-m4-pro (devices.a, devices.b): ")
    assert overhead.startswith("the library guesses overhead of ethernet-1g (links.lan): 20 us (")
    swapping = world(devices={"a": mac}, links={}, memory={"overflow": "swap"})
    assert [note.split()[3] for note in scenario_notes(swapping)] == ["compute", "disk"]


def test_measured_and_derived_values_of_the_library_need_no_note() -> None:
    spark = {"device": "dgx-spark", "overhead": "20 us"}
    assert scenario_notes(world(devices={"a": spark}, links={})) == []
