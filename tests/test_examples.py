"""The examples of docs/examples print what stands beside them.

After a change that is meant: `cd docs/examples && for e in *.py; do python $e > ${e%.py}.out; done`, and read the diff.
"""

import contextlib
import io
import runpy
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
DRAW = ("topologies", "wifi_cell")
"""Examples that draw a figure of the documentation into a folder, if they are given one."""


@pytest.mark.slow
@pytest.mark.parametrize("script", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_prints_what_stands_beside_it(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Examples run in this process, because a new one would spend most of its time on imports."""
    here, figures = tmp_path / "here", tmp_path / "figures"
    here.mkdir()
    figures.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "argv", [str(script), *([str(figures)] if script.stem in DRAW else [])])
    printed, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors):
        runpy.run_path(str(script), run_name="__main__")
    assert errors.getvalue() == ""
    assert printed.getvalue() == script.with_suffix(".out").read_text(encoding="utf-8")
    assert list(here.iterdir()) == [], "an example leaves nothing behind"
    drawn = sorted(path.suffix for path in figures.iterdir())
    assert drawn == ([".png", ".svg"] if script.stem in DRAW else [])


def test_every_expected_output_belongs_to_an_example() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.out")} == {path.stem for path in EXAMPLES.glob("*.py")}
    assert len(list(EXAMPLES.glob("*.py"))) >= 5
