"""Predictions stand beside measured values with their errors; every row is in the file, whatever happens to it."""

import contextlib
import csv
import io
import itertools
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table
from typer.testing import CliRunner, Result

from headway.analysis.cli import app
from headway.analysis.fidelity import predict_row
from headway.analysis.fidelity.known import Known, load_known
from headway.analysis.fidelity.plots import parity_plot
from headway.analysis.fidelity.results import (
    COLUMNS,
    QUANTITIES,
    Prediction,
    asked_quantities,
    measured_values,
    prediction,
    skipped,
    write_rows,
)
from headway.analysis.fidelity.rows import Row, read_rows
from headway.analysis.fidelity.tables import family, percentile, skipped_table, summary_table
from headway.traces.errors import InputError

LAB = Path(__file__).with_name("lab.csv")
ROWS = {row.id: row for row in read_rows(LAB)}
TTFT = Row(
    id="t", line=2, system="s", devices="d", model="m", phase="decode", other_metric="TTFT", other_unit="ms"
)


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def text(table: Table) -> str:
    output = io.StringIO()
    Console(file=output, width=200).print(table)
    return output.getvalue()


def fidelity(directory: Path, *arguments: object) -> Result:
    with contextlib.chdir(directory):
        return CliRunner().invoke(app, ["fidelity", *map(str, arguments)])


def halved(row: Row, _known: Known) -> list[Prediction]:
    """Half of every measured value; rows without one are skipped, and one row fails."""
    if row.id == "lab-pp":
        raise ZeroDivisionError("no pipeline")
    if row.id == "lab-busy":
        raise InputError("lab-busy", "no device", "a device")
    measured = measured_values(row)
    return [prediction(row, one, value / 2) for one, value in measured.items()] or skipped(row, ["no value"])


def test_a_row_asks_for_its_measured_quantities_and_its_further_metric() -> None:
    assert asked_quantities(ROWS["board-2"]) == [one for one in QUANTITIES if one != "ttft"]
    assert asked_quantities(ROWS["board-4"]) == ["ttft"]
    assert asked_quantities(ROWS["lab-memory"]) == []
    assert [one.quantity for one in skipped(ROWS["lab-memory"], ["no run"])] == ["total"]
    assert measured_values(ROWS["lab-busy"]) == {"ttft": 1.5}


def test_the_error_is_relative_to_the_measured_value() -> None:
    assert prediction(ROWS["board-2"], "total", 60.0).error == -0.25
    assert prediction(ROWS["board-1"], "transfer", 0.0).error == 0.0
    assert prediction(ROWS["board-1"], "transfer", 1.0).error == math.inf
    assert prediction(ROWS["lab-pp"], "total", 1.0).error is None
    assert skipped(ROWS["board-2"], ["no link"])[0].error is None


def test_kilobytes_are_rounded_down() -> None:
    assert prediction(ROWS["board-2"], "bytes_sent", 200.9).error == 0.0


def test_a_time_to_the_first_token_has_the_unit_of_the_row_in_its_note() -> None:
    assert prediction(TTFT, "ttft", 20.0, note="a guess").note == "in ms; a guess"
    assert skipped(ROWS["board-4"], ["no link"])[0].note == "in s; no link"
    assert prediction(ROWS["board-1"], "ttft", 20.0).unit == "s"


def test_a_value_outside_the_calibrated_range_is_extrapolated_with_the_reason() -> None:
    one = prediction(ROWS["board-1"], "total", 90.0, extrapolated="the context is long", note="a guess")
    assert (one.status, one.note) == ("extrapolated", "the context is long; a guess")


def test_the_file_has_fixed_columns_and_blanks_for_missing_numbers(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    write_rows(
        path, [prediction(ROWS["board-2"], "total", 60.0), *skipped(ROWS["lab-memory"], ["no run", "blank"])]
    )
    assert path.read_bytes().splitlines() == [
        ",".join(COLUMNS).encode(),
        b"board-2,engine (patched),total,80,60,-0.25,predicted,",
        b"lab-memory,copy test,total,,,,skipped,no run; blank",
    ]


@given(values=st.lists(st.floats(0.0, 1e6), min_size=1), share=st.sampled_from([50.0, 90.0]))
def test_percentiles_lie_between_the_extremes(values: list[float], share: float) -> None:
    assert min(values) <= percentile(values, share) <= max(values) * (1 + 1e-12)
    assert percentile([*values, *[math.inf] * (9 * len(values) + 9)], share) == math.inf


def test_the_summary_has_rows_and_errors_by_system() -> None:
    predictions = [one for row in ROWS.values() for one in safely_halved(row)]
    shown = " ".join(text(summary_table(predictions)).split())
    assert "engine 3 2 total 2 50.0 50.0" in shown
    assert "copy test 1 0 - - - -" in shown
    assert "All systems 6 2 total 2 50.0 50.0" in shown
    table = skipped_table(predictions)
    assert table is not None
    assert " board-4 ttft in s; no value" in " ".join(text(table).split())
    assert skipped_table([one for one in predictions if one.status != "skipped"]) is None


def safely_halved(row: Row) -> list[Prediction]:
    try:
        return halved(row, load_known())
    except (ZeroDivisionError, InputError) as error:
        return skipped(row, [str(error)])


@pytest.mark.parametrize(
    ("system", "name"),
    [("engine (patched)", "engine"), ("engine, 1 thread", "engine"), ("(x)", "(x)"), ("", "without a name")],
)
def test_a_family_is_a_system_without_remarks(system: str, name: str) -> None:
    assert family(system) == name


def drawn(predictions: list[Prediction]) -> Figure:
    figure = parity_plot(predictions)
    assert figure is not None
    figure.canvas.draw()
    return figure


def test_the_parity_plot_has_a_panel_per_quantity_and_no_overlapping_labels() -> None:
    names = [f"engine {letter}" for letter in "abcdefghijkl"]
    values = [10 ** (index / 3.0) for index in range(24)]
    predictions = [
        Prediction(f"r{index}", names[index % 12], quantity, value, value * 1.05, "predicted", "", "s")
        for quantity in QUANTITIES
        for index, value in enumerate(values[: 6 + 3 * QUANTITIES.index(quantity)])
    ]
    figure = drawn(predictions)
    panels = [axes for axes in figure.axes if axes.axison]
    assert len(panels) == len(QUANTITIES)
    for axes in panels:
        for axis, limits, side in ((axes.xaxis, axes.get_xlim(), "x"), (axes.yaxis, axes.get_ylim(), "y")):
            labels = zip(axis.get_majorticklocs(), axis.get_ticklabels(), strict=True)
            boxes = [label.get_window_extent() for place, label in labels if limits[0] <= place <= limits[1]]
            ordered = sorted(boxes, key=lambda box: float(box.x0 + box.y0))
            assert len(ordered) >= 2
            for first, second in itertools.pairwise(ordered):
                assert getattr(first, f"{side}1") < getattr(second, f"{side}0")
    legend = [entry.get_text() for entry in figure.legends[0].get_texts()]
    assert legend[-4:] == ["other systems", "equal", "within 10 %", "extrapolated"]
    assert len(legend) == 8 + 4


def test_without_a_measured_and_predicted_value_there_is_no_plot() -> None:
    assert parity_plot(skipped(ROWS["board-1"], ["no link"])) is None
    assert parity_plot([prediction(ROWS["board-1"], "transfer", 0.0)]) is None


def test_the_command_writes_every_row_and_the_plot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict_row, "predict_row", halved)
    done = fidelity(tmp_path, LAB, "--out", "out")
    assert (done.exit_code, done.stderr) == (0, "")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "parity.png",
        "parity.svg",
        "rows.csv",
    ]
    written = lines(tmp_path / "out" / "rows.csv")
    assert list(dict.fromkeys(line["id"] for line in written)) == list(ROWS)
    notes = {line["id"]: line["note"] for line in written if line["status"] == "skipped"}
    assert notes == {
        "board-4": "in s; no value",
        "lab-pp": "a defect of Headway: ZeroDivisionError: no pipeline",
        "lab-busy": "in s; lab-busy: got no device; expected a device",
        "lab-memory": "no value",
    }
    assert {line["error"] for line in written if line["id"] == "board-1"} == {"-0.5", "0"}
    assert done.stdout.splitlines()[-1] == "Results: out"


def test_a_measured_quantity_without_a_prediction_is_skipped_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(predict_row, "predict_row", lambda row, _known: [prediction(row, "total", 60.0)])
    board, busy = (
        predict_row.predict_rows([ROWS["board-2"], ROWS["board-4"]], load_known())[:7],
        ROWS["lab-busy"],
    )
    assert [(one.quantity, one.status) for one in board] == [
        ("total", "predicted"),
        *((one, "skipped") for one in QUANTITIES if one not in ("total", "ttft")),
        ("total", "predicted"),
    ]
    assert board[1].note == "compute is not predicted for this phase"
    assert (
        predict_row.predict_rows([busy], load_known())[1].note
        == "in s; the length of the prompt is not stated"
    )


def test_equal_rows_give_equal_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict_row, "predict_row", halved)
    for name in ("a", "b"):
        assert fidelity(tmp_path, LAB, "--out", name).exit_code == 0
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_a_folder_in_use_is_replaced_on_request_only(tmp_path: Path) -> None:
    assert fidelity(tmp_path, LAB, "--out", "out").exit_code == 0
    refused = fidelity(tmp_path, LAB, "--out", "out")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "--force" in refused.stderr
    assert fidelity(tmp_path, LAB, "--out", "out", "--force").exit_code == 0
    assert fidelity(tmp_path, LAB).stdout.splitlines()[-1] == f"Results: {Path('results/fidelity-lab')}"


def test_a_mistake_or_an_interruption_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad.csv").write_text("id\n1\n")
    done = fidelity(tmp_path, "bad.csv", "--out", "out")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "headway: bad.csv:1: got a header without system, devices, model, phase; expected a CSV file with a header "
        "that has the columns id, system, devices, model, phase\n"
    )

    def interrupt(_row: Row, _known: Known) -> list[Prediction]:
        raise KeyboardInterrupt

    monkeypatch.setattr(predict_row, "predict_row", interrupt)
    done = fidelity(tmp_path, LAB, "--out", "out")
    assert (done.exit_code, done.stderr) == (130, "headway: interrupted\n")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.csv"]
