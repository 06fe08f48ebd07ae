"""The public face: `import headway as hw`."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import headway as hw
from headway.analysis.experiments.identity import digest
from headway.simcore import Result, load_scenario, shipped_scenario, simulate
from headway.traces import InputError

VALUES = {
    "model": {"shape": {"layers": 1, "width": 64, "heads": 4}},
    "source": "desk",
    "devices": {
        "desk": {"memory": "1 MB", "compute": "1 GFLOP/s", "memory_bandwidth": "unlimited"},
        "pi": {"memory": "1 MB", "compute": "1 GFLOP/s", "memory_bandwidth": "unlimited", "count": 2},
    },
    "links": {"wifi": {"connect": "all", "bandwidth": {"file": "wifi.csv"}, "latency": "1 ms"}},
    "workload": [{"prompt": 4, "output": 3}],
    "policies": ["greedy", {"name": "static", "label": "stay"}],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "wifi.csv").write_text("time [s],rate [Mbit/s]\n0,8\n1,4\n")
    return tmp_path


def same(one: Result, other: Result) -> bool:
    return bool(one.tokens.drop(columns="run").equals(other.tokens.drop(columns="run")))


def test_a_shipped_scenario_goes_by_its_name_and_a_file_by_its_path(tmp_path: Path) -> None:
    assert hw.load("home-cluster").name == "home-cluster"
    copy = tmp_path / "mine.yaml"
    copy.write_bytes(shipped_scenario("home-cluster").read_bytes())
    assert hw.load(copy, seed=5).seed == 5
    changed = hw.load("home-cluster", changes=["workload.0.output=2"])
    assert changed.requests[0].output == 2


def test_a_shipped_name_is_the_shipped_scenario_even_beside_a_file_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on the command line: `./NAME` is the file."""
    monkeypatch.chdir(tmp_path)
    text = shipped_scenario("home-cluster").read_text().replace("seed:", "seed: 99 #")
    (tmp_path / "home-cluster").write_text(text)
    assert hw.load("home-cluster").seed != 99
    assert hw.load("./home-cluster").seed == hw.load(Path("home-cluster")).seed == 99


def test_values_make_the_scenario_that_their_file_makes(folder: Path) -> None:
    built = hw.build(VALUES, folder=folder)
    path = folder / "scenario.yaml"
    path.write_text(built.text)
    assert digest(load_scenario(path)) == digest(built)
    assert same(hw.simulate(built, "greedy"), hw.simulate(hw.load(path), "greedy"))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("source", "lamp", "scenario: source"),
        ("devices", {"desk": {"memory": "1 MB", "compute": "fast"}}, "scenario: devices.desk.compute"),
        ("seed", np.float64(1.0), "scenario"),
        ("devices", {}, "scenario: devices"),
    ],
)
def test_a_mistake_in_values_is_told_by_its_key(folder: Path, key: str, value: object, message: str) -> None:
    with pytest.raises(InputError) as told:
        hw.build(VALUES | {key: value}, folder=folder)
    assert str(told.value).startswith(message)


def test_what_is_used_twice_in_values_is_written_twice(folder: Path) -> None:
    """YAML would have an anchor and an alias, which scenario files do not have."""
    device = {"memory": "1 MB", "compute": "1 GFLOP/s", "memory_bandwidth": "unlimited"}
    built = hw.build(VALUES | {"devices": {"desk": device, "pi": device}}, folder=folder)
    assert [one.name for one in built.cluster.devices] == ["desk", "pi"]


def test_policies_are_names_or_objects_or_those_of_the_scenario(folder: Path) -> None:
    scenario = hw.build(VALUES, folder=folder)
    assert hw.simulate(scenario).runs["run"].tolist() == ["greedy", "stay"]
    greedy = hw.policies.create("greedy")
    result = hw.simulate(scenario, greedy, "static")
    assert result.runs["run"].tolist() == ["greedy", "static"]
    alone = simulate(scenario, hw.policies.create("greedy"))
    assert same(alone, hw.simulate(scenario, "greedy"))
    with pytest.raises(InputError, match="'greedy' more than once"):
        hw.simulate(scenario, "greedy", greedy)
    with pytest.raises(InputError, match="gredy"):
        hw.simulate(scenario, "gredy")


def test_metrics_and_a_figure_of_a_result(folder: Path) -> None:
    result = hw.simulate(hw.build(VALUES, folder=folder))
    assert hw.metrics(result)["tokens"].tolist() == [3, 3]
    hw.plot(result, folder / "cdf.svg")
    assert (folder / "cdf.svg").read_text().startswith("<?xml")
    assert hw.plot(result).axes
    with pytest.raises(InputError, match=r"cdf\.pdf: got the suffix '\.pdf'; expected one of \.svg, \.png"):
        hw.plot(result, folder / "cdf.pdf")


def test_what_is_offered_is_there_and_nothing_heavy_is_imported_for_it() -> None:
    assert sorted(hw.__all__) == hw.__all__
    assert set(hw.__all__) <= set(dir(hw))
    for name in hw.__all__:
        assert getattr(hw, name).__doc__, name
    with pytest.raises(AttributeError, match="'headway' has no attribute 'plots'"):
        hw.plots  # noqa: B018
    code = (
        "import sys, headway; print({'numba', 'numpy', 'pandas', 'matplotlib', 'simpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_small_run_does_not_wait_for_numba() -> None:
    code = (
        "import sys, headway as hw; hw.simulate(hw.load('home-cluster', changes=['workload.0.output=2']));"
        "print({'numba', 'llvmlite'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "set()\n"


def test_the_module_is_the_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "headway", "--version"],
        stdout=subprocess.PIPE, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout.startswith("headway ")
