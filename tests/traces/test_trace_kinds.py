"""A kind of synthetic trace is one entry of `KINDS`: files, fits and commands need no other edit to know it."""

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner, Result

from headway.analysis.cli import app
from headway.simcore import build_scenario
from headway.simcore.rng import stream
from headway.traces import InputError, Trace, fit, fit_all, read, steps
from headway.traces.synthesis import KINDS
from headway.traces.synthesis.kind import Duration, Kind, Parameter, Step
from headway.traces.synthesis.model import Model
from headway.traces.synthesis.sample import Sample
from headway.traces.trace import FloatArray


def uniform(
    rng: np.random.Generator,
    *,
    low: Annotated[float, Parameter("value", "smallest value", key="uniform_low")],
    width: Annotated[float, Parameter("value", "range of the values")],
    step_s: Step,
    duration_s: Duration,
    shape: Annotated[float, Parameter("number", "exponent of the draws", gt=0, le=4)] = 1.0,
) -> Trace:
    """Independent values in a range.

    Raises:
        ValueError: the width is 0.
    """
    if width == 0:
        raise ValueError("the width is 0")
    values = low + width * rng.random(round(duration_s / step_s)) ** shape
    return steps(values, step_s=step_s, end="loop")


def model(*, low: float, width: float, shape: float, **_: float) -> Model:
    def correlation(lag_s: FloatArray) -> FloatArray:
        return np.where(lag_s == 0, 1.0, 0.0)

    def cdf(x: FloatArray) -> FloatArray:
        return np.clip((x - low) / width, 0.0, 1.0) ** (1 / shape)

    first = 1 / (shape + 1)
    return Model(low + width * first, width * (1 / (2 * shape + 1) - first**2) ** 0.5, correlation, cdf)


def estimate(sample: Sample) -> dict[str, float]:
    return {"low": float(sample.values.min()), "width": float(np.ptp(sample.values)), "shape": 1.0}


@pytest.fixture(autouse=True)
def kind(monkeypatch: pytest.MonkeyPatch) -> Kind:
    kind = Kind("uniform", uniform, model, estimate, needs="a width above 0")
    monkeypatch.setitem(KINDS, kind.name, kind)
    return kind


def trace(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["trace", *map(str, arguments)], catch_exceptions=False)


def rate(section: object, *, seed: int = 0) -> Trace:
    device = {"memory": "1 GB", "compute": "1 GFLOP/s", "memory_bandwidth": "unlimited"}
    values = {
        "seed": seed,
        "model": {"shape": {"layers": 1, "width": 8, "heads": 2}},
        "devices": {"a": device, "b": device},
        "links": {"wire": {"connect": "all", "bandwidth": section}},
        "workload": [{"prompt": 1, "output": 1}],
    }
    bandwidth = build_scenario(values).cluster.links[0].bandwidth
    assert bandwidth is not None
    return bandwidth


def drawn(seed: int, **changes: float) -> Trace:
    parameters = {"low": 1e6, "width": 2e6, "step_s": 1.0, "duration_s": 500.0} | changes
    return uniform(np.random.default_rng(seed), **parameters)


SECTION = {"uniform_low": "1 MB/s", "width": "2 MB/s", "step": "1 s", "duration": "500 s"}


def test_a_new_kind_is_fitted() -> None:
    best, *_ = fit_all(drawn(1))[0]
    assert best.kind == "uniform"
    assert best.distance < 0.05
    assert fit(drawn(1), "uniform").generate(np.random.default_rng(0), 20.0).duration == 20.0


def test_a_new_kind_is_a_section_of_a_scenario() -> None:
    expected = uniform(
        stream(3, "links.wire.bandwidth/wire"), low=1e6, width=2e6, step_s=1.0, duration_s=500.0
    )
    assert rate(SECTION, seed=3) == expected


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"width": "0 B/s"}, "width is 0; expected a width above 0"),
        ({"width": 5}, "width: got the bare number 5"),
        ({"shape": 5}, "shape: got 5"),
        ({"form": 1}, "unknown key 'form'; expected one of .*uniform_low, width, step, duration, shape"),
        ({"step": "1 us", "duration": "9 s"}, "9e.06 values"),
    ],
)
def test_the_section_of_a_new_kind_is_checked(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        rate(SECTION | wrong)


def test_the_first_key_of_a_new_kind_is_suggested() -> None:
    with pytest.raises(InputError, match=r"walk_mean, .*uniform_low"):
        rate({"uniform": 1})


def test_a_new_kind_has_options(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    options = ["--low", "1 MB/s", "--width", "2 MB/s", "--step", "1 s", "--duration", "500 s", "--seed", 4]
    done = trace("generate", "uniform", *options, "--unit", "B/s", "-o", path)
    assert done.exit_code == 0, done.output
    assert read(path, "rate") == Trace(drawn(4).times, drawn(4).values)
    assert "uniform: range of the values" in trace("generate", "--help").stdout
    done = trace("generate", "uniform", *options, "--rice-factor", 1, "-o", path)
    assert "uniform: got the option --rice-factor; expected --duration, --low, --shape" in done.stderr
    assert trace("generate", "walk", *options, "-o", path).exit_code == 2


def test_a_fitted_section_of_a_new_kind_loads(tmp_path: Path) -> None:
    path = tmp_path / "drawn.csv"
    rows = (f"{at:g},{value!r}" for at, value in zip(drawn(1).times, drawn(1).values.tolist(), strict=True))
    path.write_text("\n".join(["time [s],rate [B/s]", *rows]))
    done = trace("fit", path, "--kind", "uniform", "--yaml")
    section = yaml.safe_load(done.stdout)
    assert list(section) == ["uniform_low", "width", "shape", "step", "duration"]
    assert rate(json.loads(json.dumps(section))).mean(0.0, 500.0) == pytest.approx(2e6, rel=0.1)


def test_a_kind_that_is_removed_is_unknown_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(KINDS, "uniform")
    with pytest.raises(InputError, match=r"\['uniform_low'"):
        rate(SECTION)
    assert "--low" not in trace("generate", "--help").stdout
