"""`headway calibrate` prints a fit and writes a file that gives the same predictions, or it writes nothing."""

import contextlib
import itertools
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from headway.analysis.cli import app
from headway.analysis.fidelity import calibrate as fits
from headway.analysis.fidelity.calibrate import Calibration, calibrate
from headway.analysis.fidelity.known import load_known
from headway.analysis.fidelity.own_devices import with_device
from headway.analysis.fidelity.own_measurements import read_measurements
from headway.analysis.fidelity.plots import residual_plot
from headway.analysis.fidelity.predict_row import predicted_quantities
from headway.analysis.fidelity.rows import Row
from headway.traces.errors import InputError

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
DESK = ("desk-pc.jsonl", "--device", "desk-pc", "--memory", "16 GiB")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("desk-pc.jsonl", "lan.json"):
        shutil.copy(EXAMPLES / name, tmp_path)
    return tmp_path


def command(folder: Path, *arguments: str, name: str = "calibrate") -> Result:
    with contextlib.chdir(folder):
        return CliRunner().invoke(app, [name, *arguments])


def test_a_new_device_and_a_link_are_fitted_written_and_used(folder: Path) -> None:
    done = command(folder, *DESK, "lan.json", "--out", "lab.yaml", "--plot", "lab.svg")
    assert (done.exit_code, done.stderr) == (0, "")
    words = " ".join(done.stdout.split())
    assert "desk-pc compute" in words
    assert "llama.cpp kv_efficiency the rows do not tell it from devices.desk-pc.kv_bandwidth" in words
    assert "Link lan: 940 Mbit/s, 206 us one way (measured)." in words
    assert words.endswith("Plot: lab.svg Values: lab.yaml")
    known = load_known(folder / "lab.yaml")
    entry = known.devices.find("desk-pc")
    assert (entry.memory.amount, entry.memory.quality) == (16 * 2**30, "specified")
    assert entry.memory_bandwidth.quality == "derived"
    assert entry.memory_bandwidth.source.startswith("fitted to desk-pc.jsonl, standard error ")
    assert known.links.find("lan").latency.amount == pytest.approx(206e-6)
    rows = read_measurements(folder / "desk-pc.jsonl")
    fit = calibrate(rows, with_device(load_known(), "desk-pc", rows, 16 * 2**30))
    for row in rows:
        assert predicted_quantities(row, known) == predicted_quantities(row, fit.known)
    used = command(folder, "desk-pc.jsonl", "--calibration", "lab.yaml", "--out", "out", name="fidelity")
    assert "Skipped" not in used.stdout
    again = command(folder, "desk-pc.jsonl", "--start", "lab.yaml", "--only", "compute", "--out", "two.yaml")
    assert again.exit_code == 0
    assert "memory_bandwidth" not in again.stdout
    assert load_known(folder / "two.yaml").devices.find("desk-pc").memory == entry.memory


def test_one_rate_of_prefill_and_decode_is_no_part_of_a_fit(folder: Path) -> None:
    lines = (folder / "desk-pc.jsonl").read_text().splitlines()
    mixed = lines[1].replace('"n_prompt": 0', '"n_prompt": 512')
    (folder / "desk-pc.jsonl").write_text("\n".join([*lines, mixed]))
    rows = read_measurements(folder / "desk-pc.jsonl")
    known = with_device(load_known(), "desk-pc", rows)
    assert calibrate(rows, known).fitted == calibrate(rows[:-1], known).fitted


def test_an_existing_file_is_replaced_on_request_only(folder: Path) -> None:
    (folder / "lab.yaml").write_text("mine")
    done = command(folder, *DESK, "--out", "lab.yaml")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "headway: lab.yaml: got a file that exists; expected a new file, or the option --force, which replaces a file\n"
    )
    assert (folder / "lab.yaml").read_text() == "mine"
    assert command(folder, *DESK, "--out", "lab.yaml", "--force").exit_code == 0
    assert "desk-pc" in load_known(folder / "lab.yaml").devices.entries


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("desk-pc.jsonl",),
            "desk-pc.jsonl: got no usable row (desk-pc-1: the device '12th Gen Intel(R) Core(TM) i5-12400' is not in "
            "the library); expected measured rows that can be predicted, or --device NAME to add their device",
        ),
        (("desk-pc.jsonl", "desk-pc.jsonl"), "got the id 'desk-pc-1' of another file; expected unique ids"),
        (
            ("desk-pc.jsonl", "--device", "dgx-spark"),
            "--device: got 'dgx-spark'; expected a name that no device",
        ),
        (("desk-pc.jsonl", "--device", "my pc"), "--device: got 'my pc'; expected"),
        (
            ("lan.json", "--device", "pc"),
            "--device: got no measured row of a single device; expected rows of one",
        ),
        (("desk-pc.jsonl", "--memory", "8 GiB"), "--memory: got no option --device"),
        ((*DESK, "--out", "lab.txt"), "lab.txt: got the suffix '.txt'; expected one of .yaml, .yml"),
        ((*DESK, "--plot", "lab.pdf"), "lab.pdf: got the suffix '.pdf'; expected one of .svg, .png"),
        (("none.csv",), "none.csv: got no such file"),
    ],
)
def test_a_mistake_is_one_sentence_and_writes_nothing(
    folder: Path, arguments: tuple[str, ...], message: str
) -> None:
    before = sorted(folder.iterdir())
    done = command(folder, *arguments, *(() if "--out" in arguments else ("--out", "lab.yaml")))
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert sorted(folder.iterdir()) == before


def test_an_interruption_writes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> Calibration:
        raise KeyboardInterrupt

    before = sorted(folder.iterdir())
    monkeypatch.setattr(fits, "calibrate", interrupt)
    done = command(folder, *DESK, "--out", "lab.yaml", "--plot", "lab.svg")
    assert (done.exit_code, done.stderr) == (130, "headway: interrupted\n")
    assert sorted(folder.iterdir()) == before


def test_a_link_alone_is_written_without_a_fit(folder: Path) -> None:
    done = command(folder, "lan.json", "--out", "lab.yaml")
    assert (done.exit_code, "Errors" in done.stdout) == (0, False)
    assert load_known(folder / "lab.yaml").links.find("lan").bandwidth.quality == "measured"


def test_rows_of_two_devices_define_no_new_device(folder: Path) -> None:
    rows = read_measurements(folder / "desk-pc.jsonl")
    both = [*rows, replace(rows[0], id="other", devices="Board X")]
    with pytest.raises(InputError, match=r"rows of '12th .*' and 'Board X'; expected rows of one device"):
        with_device(load_known(), "desk-pc", both)


def test_the_names_of_systems_in_the_plot_do_not_overlap() -> None:
    rows = [
        Row(id=f"{number:02}", line=0, system=f"system {number % 7}", devices="", model="", phase="")
        for number in range(15)
    ]
    before = {(row.id, "total"): 0.1 * number - 0.5 for number, row in enumerate(rows)}
    figure = residual_plot(Calibration(load_known(), (), {}, before, before), rows)
    assert figure is not None
    figure.canvas.draw()
    boxes = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
    assert len(boxes) == 7
    assert all(upper.y0 > lower.y1 for upper, lower in itertools.pairwise(boxes))
    assert residual_plot(Calibration(load_known(), (), {}, {}, {}), rows) is None
