"""`headway trace generate` and `headway trace fit`, as a user meets them."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner, Result

from headway.analysis.cli import app
from headway.simcore import load_scenario
from headway.traces import read, shipped, steps, write_csv
from headway.traces.synthesis import KINDS

KIND_OPTIONS: dict[str, list[str]] = {
    "walk": ["--mean", "50 Mbit/s", "--sigma", "0.4", "--correlation", "0.8", "--step", "1 s"],
    "ornstein-uhlenbeck": ["--mean", "50 Mbit/s", "--deviation", "20 Mbit/s", "--relaxation", "9 s", "--step", "1 s"],
    "gilbert-elliott": ["--good", "40 Mbit/s", "--bad", "0 Mbit/s", "--good-time", "8 s", "--bad-time", "2 s"],
    "diurnal": ["--mean", "50 Mbit/s", "--amplitude", "20 Mbit/s", "--period", "100 s", "--peak", "30 s", "--step=1s"],
    "fading": ["--mean", "50 Mbit/s", "--coherence", "3 s", "--rice-factor", "2", "--step", "1 s"],
}  # fmt: skip

SCENARIO = """\
model: {{shape: {{layers: 1, width: 8, heads: 2}}}}
devices:
  a: {{memory: 1 GB, compute: 1 GFLOP/s, memory_bandwidth: unlimited}}
  b: {{memory: 1 GB, compute: 1 GFLOP/s, memory_bandwidth: unlimited{device}}}
links:
  wire:
    connect: all
    bandwidth: {bandwidth}
workload: [{{prompt: 1, output: 1}}]
"""


def trace(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["trace", *map(str, arguments)], catch_exceptions=False)


def told(*arguments: object) -> str:
    done = trace(*arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    return done.stderr.removeprefix("headway: ")


def generated(folder: Path, kind: str, *more: object, name: str = "out.csv") -> Path:
    done = trace("generate", kind, *KIND_OPTIONS[kind], "--duration", "20 min", *more, "-o", folder / name)
    assert done.exit_code == 0, done.output
    return folder / name


@pytest.mark.parametrize("kind", KINDS)
def test_a_generated_file_is_the_trace_that_python_makes(kind: str, tmp_path: Path) -> None:
    path = generated(tmp_path, kind, "--seed", 3, "--unit", "B/s")
    si = {
        "walk": {"mean": 6.25e6, "sigma": 0.4, "correlation": 0.8, "step_s": 1.0},
        "ornstein-uhlenbeck": {"mean": 6.25e6, "deviation": 2.5e6, "relaxation_s": 9.0, "step_s": 1.0},
        "gilbert-elliott": {"good": 5e6, "bad": 0.0, "good_time_s": 8.0, "bad_time_s": 2.0},
        "diurnal": {"mean": 6.25e6, "amplitude": 2.5e6, "period_s": 100.0, "peak_s": 30.0, "step_s": 1.0},
        "fading": {"mean": 6.25e6, "coherence_s": 3.0, "rice_factor": 2.0, "step_s": 1.0},
    }[kind]
    expected = KINDS[kind].generate(np.random.default_rng(3), **si, duration_s=1200.0, end="hold")
    assert read(path, "rate") == expected


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_bytes_and_another_others(kind: str, tmp_path: Path) -> None:
    noise = ["--sigma", "0.1"] if kind == "diurnal" else []
    one, again = (generated(tmp_path, kind, *noise, name=name).read_bytes() for name in ("1.csv", "2.csv"))
    assert one == again
    assert generated(tmp_path, kind, *noise, "--seed", 1).read_bytes() != one


def test_units_and_quantities_of_a_file(tmp_path: Path) -> None:
    assert generated(tmp_path, "walk").read_text().startswith("time [s],rate [Mbit/s]\n")
    out = tmp_path / "share.csv"
    options = ["--mean", "40 %", "--sigma", "0.1", "--step", "1 s", "--duration", "1 min"]
    options += ["--as", "availability"]
    assert trace("generate", "walk", *options, "-o", out).exit_code == 0
    assert 0.3 < read(out, "fraction").values.mean() < 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["wlak"], "KIND: got 'wlak'; expected .*did you mean 'walk'"),
        (["walk", "--sigma", "1", "--step", "1 s"], "walk: got no option --mean"),
        (["walk", "--mean", "5", "--sigma", "1", "--step", "1 s"], "--mean: got a number without a unit"),
        (
            ["walk", *KIND_OPTIONS["walk"], "--good", "1 B/s"],
            "walk: got the option --good; expected --correlation",
        ),
        (["gilbert-elliott", *KIND_OPTIONS["gilbert-elliott"], "--step", "1 s"], "got the option --step"),
        (
            ["gilbert-elliott", *KIND_OPTIONS["gilbert-elliott"], "--good-time", "0 s"],
            "a bad value below the good",
        ),
        (["walk", *KIND_OPTIONS["walk"], "--sigma", "nan"], "walk: .*sigma"),
        (["walk", *KIND_OPTIONS["walk"], "--step", "1 ns"], "at most 10000000 values"),
        (["walk", *KIND_OPTIONS["walk"], "--as", "rats"], "--as: got 'rats'"),
        (["walk", *KIND_OPTIONS["walk"], "--unit", "MB"], "the unit 'MB'"),
        (["walk", *KIND_OPTIONS["walk"], "-o", "/nowhere/x.csv"], "/nowhere/x.csv"),
    ],
)
def test_what_cannot_be_generated_is_told(arguments: list[str], message: str, tmp_path: Path) -> None:
    out = [] if "-o" in arguments else ["-o", str(tmp_path / "out.csv")]
    assert re.search(message, told("generate", *arguments, "--duration", "1 h", *out))
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_generated_is_fitted_best_by_its_kind(kind: str, tmp_path: Path) -> None:
    done = trace("fit", generated(tmp_path, kind, "--duration", "2 h"))
    assert done.exit_code == 0
    assert re.findall(r"^ ([a-z-]+) ", done.stdout, re.MULTILINE)[0] == kind
    for other in KINDS:
        assert other in done.stdout


def test_a_correlation_just_below_1_is_not_told_as_1(tmp_path: Path) -> None:
    path = tmp_path / "slow.csv"
    slow = 5.0 + 2.0 * np.sin(2 * np.pi * np.arange(20_000) / 20_000)
    rows = (f"{second},{value:.9f}" for second, value in enumerate(slow))
    path.write_text("\n".join(["time [s],rate [Mbit/s]", *rows]))
    told = trace("fit", path, "--kind", "walk").stdout
    correlation = re.search(r"correlation ([0-9.]+)", told)
    assert correlation is not None
    assert 0.99 < float(correlation[1]) < 1.0, told


@pytest.mark.parametrize("kind", KINDS)
def test_the_section_that_is_printed_loads_and_is_like_the_file(kind: str, tmp_path: Path) -> None:
    path = generated(tmp_path, kind, "--duration", "2 h")
    done = trace("fit", path, "--kind", kind, "--yaml")
    assert done.exit_code == 0
    section = yaml.safe_load(done.stdout)
    (tmp_path / "s.yaml").write_text(SCENARIO.format(bandwidth=section, device=""))
    drawn = load_scenario(tmp_path / "s.yaml").cluster.links[0].bandwidth
    assert drawn is not None
    # A file does not say for how long its last value holds.
    last = 0.0 if "step_s" in KINDS[kind].parameters else 7200.0 - read(path, "rate").times[-1] + 10.0
    assert drawn.duration == pytest.approx(7200.0, abs=last + 1e-6)
    recorded = read(path, "rate", end="loop")
    assert drawn.mean(0.0, 7200.0) == pytest.approx(recorded.mean(0.0, 7200.0), rel=0.2)


@pytest.mark.parametrize("name", ["wifi-near.csv", "wifi-far.csv", "wifi-fading.csv", "cellular.mahimahi"])
def test_sections_for_shipped_traces_load(name: str, tmp_path: Path) -> None:
    step = ["--step", "100 ms"] if name.endswith("mahimahi") else []
    for kind in KINDS:
        done = trace("fit", shipped(name), "--kind", kind, "--yaml", *step)
        if done.exit_code == 2:
            assert kind == "diurnal"
            assert "no wave" in done.stderr
            continue
        section = yaml.safe_load(done.stdout)
        (tmp_path / "s.yaml").write_text(SCENARIO.format(bandwidth=section, device=""))
        load_scenario(tmp_path / "s.yaml")


def test_a_share_is_fitted_as_one(tmp_path: Path) -> None:
    done = trace("fit", shipped("cpu-load.csv"), "--as", "availability", "--yaml")
    section = yaml.safe_load(done.stdout)
    text = SCENARIO.format(bandwidth="1 MB/s", device=f", availability: {section}")
    (tmp_path / "s.yaml").write_text(text)
    availability = load_scenario(tmp_path / "s.yaml").cluster.devices[1].availability
    recorded = read(shipped("cpu-load.csv"), "fraction")
    assert availability.mean(0.0, 600.0) == pytest.approx(recorded.mean(0.0, 600.0), rel=0.1)


def test_what_cannot_be_fitted_is_told(tmp_path: Path) -> None:
    path = tmp_path / "flat.csv"
    write_csv(steps([5.0] * 20, step_s=1.0), path, "rate")
    assert told("fit", path).startswith(f"{path}: got a trace that always is 5; expected ")
    assert "always is 5" in told("fit", path, "--kind", "walk", "--yaml")
    good = shipped("wifi-far.csv")
    assert "did you mean 'walk'" in told("fit", good, "--kind", "wolk")
    assert told("fit", good, "--step", "0 s").startswith("--step: got ")
    assert told("fit", good, "--step", "5").startswith("--step: got ")
    assert told("fit", good, "--as", "x").startswith("--as: got 'x'")
    assert told("fit", tmp_path / "none.csv").startswith(f"{tmp_path / 'none.csv'}: ")
