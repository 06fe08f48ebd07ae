"""Tables on narrow terminals: whatever the width, every number can be read whole, and every column is there."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table

from headway.analysis.console.grid import grid
from headway.analysis.console.table_layout import fitted

WIDEST = 10_000


def table(names: list[str], columns: int, *, last: bool = False) -> Table:
    made = grid("Rate [Mbit/s]", ["File", "Format"], [f"Head\n{index}" for index in range(columns)])
    made.caption = "* a star"
    if last:
        made.add_column("Why", overflow="fold")
    for row, name in enumerate(names):
        numbers = [f"{row},{index:03}.{index:02}" for index in range(columns)]
        made.add_row(name, "pensieve", *numbers, *(["because " * 9] if last else []))
    return made


def printed(part: Table, width: int) -> list[str]:
    to = io.StringIO()
    Console(file=to, width=width).print(part)
    return to.getvalue().splitlines()


@given(
    names=st.lists(st.text("abc/_", min_size=1, max_size=90), min_size=1, max_size=3),
    columns=st.integers(1, 12),
    width=st.integers(50, 200),
    last=st.booleans(),
)
def test_each_number_stands_whole_in_lines_that_fit(
    names: list[str], columns: int, width: int, last: bool
) -> None:
    parts = list(fitted(table(names, columns, last=last), width))
    lines = [line for part in parts for line in printed(part, width)]
    assert max(map(len, lines)) <= width
    found = sorted(re.findall(r"\d,\d{3}\.\d\d", "\n".join(lines)))
    assert found == sorted(
        f"{row},{index:03}.{index:02}" for row in range(len(names)) for index in range(columns)
    )


def test_a_table_that_fits_stays_as_it_is() -> None:
    made = table(["tram.log"], 3)
    assert list(fitted(made, WIDEST)) == [made]
    assert made.columns[2].no_wrap is False


def test_what_is_continued_has_one_title_one_caption_and_names_its_rows_each_time() -> None:
    text = ["\n".join(printed(part, 60)) for part in fitted(table(["tram.log"], 12), 60)]
    assert len(text) > 1
    assert ["Rate" in part for part in text] == [True] + [False] * (len(text) - 1)
    assert ["a star" in part for part in text] == [False] * (len(text) - 1) + [True]
    assert all("tram.log" in part for part in text)


@pytest.mark.parametrize("width", [50, 80])
def test_a_heading_longer_than_a_line_is_folded_and_not_cut(width: int) -> None:
    label = "links.wifi.bandwidth*0.5, " * 5
    made = grid(None, ["Device"], [label, "b"])
    made.add_row("laptop", "3.84*", "1.00")
    lines = [line for part in fitted(made, width) for line in printed(part, width)]
    assert max(map(len, lines)) <= width
    assert "".join("".join(lines).split()).count("0.5") == 5
    assert "3.84*" in "\n".join(lines)
