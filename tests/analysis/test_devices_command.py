"""`headway devices`: the library as tables."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from headway.analysis.cli import app
from headway.analysis.formatting import amount
from headway.simcore.files.library import devices, links


def printed(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["devices", *arguments], prog_name="headway", catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def test_list_has_a_row_for_every_entry() -> None:
    for text, known in ((printed("list"), devices()), (printed("list", "--links"), links())):
        assert [line.split()[0] for line in text.splitlines()[3:]] == list(known)


@pytest.mark.parametrize("name", ["raspberry-pi-5-8gb", "wifi-5"])
def test_show_prints_every_value_with_its_quality_and_source(name: str) -> None:
    text = printed("show", name)
    entry = {**devices(), **links()}[name]
    for key, value in entry.values.items():
        (line,) = (line for line in text.splitlines() if line.startswith(f"  {key}:"))
        assert value.quality in line
        assert line.endswith(value.source)


def test_another_library_is_shown_too(tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text("devices: {our-pi: {like: raspberry-pi-5-8gb, title: ours}}", encoding="utf-8")
    assert "our-pi" in printed("list", "--library", str(path))
    assert printed("show", "our-pi", "--library", str(path)).startswith("our-pi: ours")


def test_an_unknown_name_is_a_mistake_in_one_line() -> None:
    assert printed("show", "wifi5", code=2) == (
        "headway: NAME: got 'wifi5'; expected a device or link of `headway devices list` (did you mean 'wifi-5'?)\n"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (8.57e9, "8.57 GB"),
        (999.9, "1000 B"),
        (0.0, "0 B"),
        (1.1e-5, "11 uB"),
        (1e20, "100000 PB"),
        (1e-12, "1e-12 B"),
    ],
)
def test_amounts_have_three_digits_and_a_prefix(value: float, text: str) -> None:
    assert amount(value, "B") == text
