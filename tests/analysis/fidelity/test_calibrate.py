"""A fit gives the parameters that made the rows, and names those that the rows cannot identify."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares

from headway.analysis.fidelity.calibrate import (
    LITTLE_EFFECT,
    NO_EFFECT,
    calibrate,
    identified,
    standard_errors,
)
from headway.analysis.fidelity.interpret import interpret
from headway.analysis.fidelity.known import Known, Parameter, load_known
from headway.analysis.fidelity.last_step import predicted, simulated
from headway.analysis.fidelity.predict_row import predicted_quantities
from headway.analysis.fidelity.results import Quantity
from headway.analysis.fidelity.row_residuals import independent_quantities
from headway.analysis.fidelity.rows import Row
from headway.analysis.fidelity.worlds import world_of
from headway.simcore.files.library import library_text

KNOWN = load_known()
BOARD = "raspberry-pi-5-8gb"
ENGINE = "distributed-llama-0.3"


def board(quantity: str) -> Parameter:
    return Parameter("devices", BOARD, quantity)


def engine(quantity: str) -> Parameter:
    return Parameter("profiles", ENGINE, quantity)


def question(name: str, **changes: object) -> Row:
    """A row without results."""
    row = Row(
        id=name,
        line=0,
        system="distributed-llama",
        version="0.3.1",
        devices="Raspberry Pi 5 8GB",
        n_devices="1",
        model="Llama 2 7B",
        phase="decode",
        weights_precision="Q40 (4-bit, 18 B per 32 weights)",
        network="none",
        parallelism="single",
        context_or_tokens="tg32",
    )
    return replace(row, **changes)  # type: ignore[arg-type]


def cluster(name: str, count: int, **changes: object) -> Row:
    more: dict[str, object] = {
        "n_devices": str(count),
        "network": "1 GbE, RTT 0.2 ms",
        "wire_precision": "Q80 (8-bit, 34 B per 32 values)",
        "parallelism": "tensor",
    }
    return question(name, **(more | changes))


def answered(row: Row, known: Known, factor: float = 1.0) -> Row:
    """A row with the predictions as its results, and an error of its times."""
    values = predicted_quantities(row, known)
    if "total" not in values:
        return replace(row, tokens_per_s=values["tokens_per_s"] / factor)
    return replace(
        row,
        ms_per_token_total=values["total"] * factor,
        ms_compute=values["compute"] * factor,
        ms_transfer_or_sync=values["transfer"] * factor,
        tokens_per_s=values["tokens_per_s"] / factor,
    )


SINGLE = [
    question("short"),
    question("small", model="TinyLlama 1.1B"),
    *(question(f"deep-{depth}", context_or_tokens=f"tg32 at depth {depth}") for depth in (2000, 3500)),
    question("prefill", phase="prefill", context_or_tokens="pp512"),
    question("prefill-small", phase="prefill", context_or_tokens="pp512", model="TinyLlama 1.1B"),
]
CLUSTERS = [
    *SINGLE,
    *(cluster(f"cluster-{count}", count) for count in (2, 4)),
    *(cluster(f"small-{count}", count, model="TinyLlama 1.1B") for count in (2, 4)),
]


def truth(values: Mapping[Parameter, float]) -> Known:
    return KNOWN.changed({one: KNOWN.value(one) * factor for one, factor in values.items()})


def fitted(rows: Sequence[Row], *parameters: Parameter) -> dict[Parameter, float]:
    result = calibrate(rows, KNOWN, parameters.__contains__)
    assert not result.unidentified
    return {one.parameter: one.value for one in result.fitted}


FACTOR = st.floats(0.6, 1.7)


@settings(max_examples=3, deadline=None)
@given(factors=st.tuples(FACTOR, FACTOR, FACTOR, FACTOR))
def test_a_fit_gives_the_parameters_of_a_device_that_made_the_rows(factors: tuple[float, ...]) -> None:
    parameters = [board(one) for one in ("memory_bandwidth", "kv_bandwidth", "compute", "overhead")]
    start = KNOWN.changed({board("overhead"): 1e-3})
    known = start.changed(
        {one: start.value(one) * factor for one, factor in zip(parameters, factors, strict=True)}
    )
    result = calibrate([answered(row, known) for row in SINGLE], start, parameters.__contains__)
    values = {one.parameter: one.value for one in result.fitted}
    assert values == {one: pytest.approx(known.value(one), rel=1e-3) for one in parameters}
    assert max(map(abs, result.residuals.values())) < 1e-3


@settings(max_examples=2, deadline=None)
@given(factors=st.tuples(FACTOR, FACTOR, FACTOR))
def test_a_fit_gives_the_parameters_of_an_engine_that_made_the_rows(factors: tuple[float, ...]) -> None:
    parameters = [board("memory_bandwidth"), engine("sync_s"), engine("layer_bytes")]
    known = truth(dict(zip(parameters, factors, strict=True)))
    values = fitted([answered(row, known) for row in CLUSTERS], *parameters)
    assert values == {one: pytest.approx(known.value(one), rel=1e-3) for one in parameters}


def test_a_written_calibration_gives_the_same_predictions(tmp_path: Path) -> None:
    known = truth({board("memory_bandwidth"): 1.1, engine("sync_s"): 1.3, engine("layer_bytes"): 0.7})
    path = tmp_path / "lab.yaml"
    devices, profiles = known.devices.entries[BOARD], known.profiles[ENGINE]
    path.write_text(library_text([devices], profiles=[profiles]), encoding="utf-8")
    read = load_known(path)
    for row in CLUSTERS:
        assert predicted_quantities(row, read) == predicted_quantities(row, known)
        assert predicted_quantities(row, read) != predicted_quantities(row, KNOWN)


def test_a_parameter_without_influence_and_one_of_a_collinear_pair_are_named() -> None:
    rate, efficiency, sync = board("memory_bandwidth"), engine("efficiency"), engine("sync_s")
    rows = [answered(row, KNOWN) for row in SINGLE[:2]]
    result = calibrate(rows, KNOWN, {rate, efficiency, sync}.__contains__)
    assert [one.parameter for one in result.fitted] == [rate]
    assert result.unidentified == {
        efficiency: f"the rows do not tell it from devices.{BOARD}.memory_bandwidth",
        sync: NO_EFFECT,
    }
    assert result.known.value(efficiency) == KNOWN.value(efficiency)


def test_a_parameter_that_loses_its_influence_during_the_fit_keeps_its_first_value() -> None:
    rate, compute = board("memory_bandwidth"), board("compute")
    slow = KNOWN.changed({compute: 4e9})
    rows = [answered(row, slow) for row in SINGLE[:2]]
    result = calibrate(rows, KNOWN.changed({compute: 60e9}), {rate, compute}.__contains__)
    values = {one.parameter for one in result.fitted}
    assert len(values) + len(result.unidentified) == 2
    for one in result.unidentified:
        assert result.known.value(one) == KNOWN.changed({compute: 60e9}).value(one)


def test_columns_of_a_jacobian_are_taken_in_order_as_long_as_all_errors_are_small() -> None:
    rates = np.array([[1.0, 0.5, 0.0], [1.0, 0.5, 0.0], [0.0, 0.0, 0.1]])
    pair = rates[:, [0]] + rates[:, [2]]
    taken, reasons = identified(list("abcd"), np.hstack([rates, 1e-6 * pair]))
    assert (taken, reasons) == (
        [0],
        {1: "the rows do not tell it from a", 2: LITTLE_EFFECT, 3: NO_EFFECT},
    )


def test_standard_errors_are_those_of_least_squares_for_small_residuals() -> None:
    generator = np.random.default_rng(1)
    jacobian, residuals = generator.normal(size=(12, 2)), 1e-3 * generator.normal(size=12)
    covariance = residuals @ residuals / 10 * np.linalg.inv(jacobian.T @ jacobian)
    assert standard_errors(jacobian, residuals, 10.0) == pytest.approx(np.sqrt(np.diag(covariance)), rel=1e-6)
    assert standard_errors(jacobian[:2], residuals[:2], 10.0) == [math.inf, math.inf]


def test_standard_errors_are_near_the_truth_for_residuals_with_outliers() -> None:
    # The mean of numbers by the loss soft_l1: the standard error against the deviation over many samples.
    generator = np.random.default_rng(2)
    means, errors = [], []
    for _ in range(200):
        sample = generator.standard_t(3, size=40)
        fit = least_squares(np.subtract, [0.0], args=(sample,), loss="soft_l1", f_scale=1.0)
        means.append(fit.x[0])
        errors += standard_errors(np.ones((40, 1)), fit.fun, 1.0)
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.2)


def test_standard_errors_shrink_with_more_rows_and_are_near_the_truth() -> None:
    rate, generator = board("memory_bandwidth"), np.random.default_rng(11)
    faster = predicted_quantities(SINGLE[0], truth({rate: 1.01}))["total"]
    share = -math.log(faster / predicted_quantities(SINGLE[0], KNOWN)["total"]) / math.log(1.01)
    errors = []
    for count in (10, 40):
        noise = np.exp(0.05 * generator.normal(size=count))
        rows = [
            replace(answered(SINGLE[0], KNOWN, float(factor)), id=f"run-{number:02}")
            for number, factor in enumerate(noise)
        ]
        (one,) = calibrate(rows, KNOWN, {rate}.__contains__).fitted
        assert one.error == pytest.approx(0.05 / share / math.sqrt(count), rel=0.35)
        assert abs(math.log(one.value / one.before)) < 4 * one.error
        errors.append(one.error)
    assert errors[1] < errors[0]


def test_a_time_and_its_rate_count_once() -> None:
    rows = [answered(SINGLE[0], KNOWN, 1.2)]
    (one,) = calibrate(rows, KNOWN, {board("memory_bandwidth")}.__contains__).fitted
    assert math.isinf(one.error)
    decode: dict[Quantity, float] = {
        "total": 3.0,
        "compute": 2.0,
        "transfer": 1.0,
        "tokens_per_s": 333.0,
        "ttft": 1.0,
    }
    assert independent_quantities(decode, decode) == {"compute", "transfer", "ttft"}
    assert independent_quantities({"total", "tokens_per_s"}, decode) == {"total"}
    assert independent_quantities({"compute", "tokens_per_s"}, decode) == {"compute", "tokens_per_s"}
    alone: dict[Quantity, float] = {**decode, "transfer": 0.0}
    assert independent_quantities({"compute", "tokens_per_s"}, alone) == {"tokens_per_s"}
    assert independent_quantities({"ttft", "tokens_per_s"}, {"ttft": 1.0, "tokens_per_s": 2.0}) == {"ttft"}


def test_a_fit_does_not_depend_on_the_order_of_rows() -> None:
    known = truth({board("memory_bandwidth"): 1.2, engine("sync_s"): 0.8})
    factors = [1.0, 1.05, 0.98, 1.1, 0.9, 1.0, 1.02, 0.97, 1.0, 1.04]
    rows = [answered(row, known, factor) for row, factor in zip(CLUSTERS, factors, strict=True)]
    wanted = {board("memory_bandwidth"), engine("sync_s")}.__contains__
    first, second = calibrate(rows, KNOWN, wanted), calibrate(rows[::-1], KNOWN, wanted)
    assert replace(first, known=KNOWN) == replace(second, known=KNOWN)


def test_rows_without_a_prediction_or_a_measured_time_are_ignored() -> None:
    rows = [
        answered(SINGLE[0], KNOWN, 1.2),
        SINGLE[1],
        question("unknown", devices="Board X", tokens_per_s=1.0),
    ]
    assert {name for name, _ in calibrate(rows, KNOWN).residuals} == {"short"}
    empty = calibrate(rows[1:], KNOWN)
    assert (empty.fitted, empty.residuals, empty.before) == ((), {}, {})


def test_two_devices_are_predicted_from_one_device() -> None:
    # The rule of a prediction: the row that is judged is not among those of the fit.
    known = truth({board("memory_bandwidth"): 1.15, board("kv_bandwidth"): 0.9})
    rows = [answered(row, known) for row in CLUSTERS]
    for judged in rows:
        if judged.n_devices != "2":
            continue
        others = [row for row in rows if row.n_devices == "1"]
        result = calibrate(others, KNOWN, {board("memory_bandwidth"), board("kv_bandwidth")}.__contains__)
        values = predicted_quantities(judged, result.known)
        assert values["compute"] == pytest.approx(judged.ms_compute, rel=1e-3)
        assert values["total"] == pytest.approx(judged.ms_per_token_total, rel=1e-3)


PIPELINE = {"system": "llama.cpp RPC", "parallelism": "pipeline (layer split)"}
PATTERNS = [
    *(cluster(f"distributed-llama {one}", 4, version=one) for one in ("0.1", "0.3.1", "0.5", "0.7.1", "0.12")),
    cluster("ring", 2, system="exo", version="", network="Thunderbolt 5"),
    cluster("rpc", 3, **PIPELINE),
    cluster("petals", 3, system="Petals", parallelism="pipeline"),
    cluster("prima", 3, system="prima.cpp", parallelism="pipeline"),
    question("single"),
    question("llama.cpp", system="llama.cpp"),
]  # fmt: skip


@pytest.mark.parametrize("tokens", [(40, 2), (40, 1)], ids=["decode", "prefill"])
@pytest.mark.parametrize("row", PATTERNS, ids=lambda row: row.id)
def test_the_last_step_by_its_graph_is_the_simulated_one(row: Row, tokens: tuple[int, int]) -> None:
    world = world_of(row, interpret(row), KNOWN)
    assert predicted(world, *tokens) == pytest.approx(simulated(world, *tokens), rel=1e-9, abs=1e-15)
