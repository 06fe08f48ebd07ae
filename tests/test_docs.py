"""What the pages show is what happens: every fenced block of README.md and docs/*.md is run.

The blocks of one page are run in order, in one temporary folder. What is done with a block is in its info string,
`LANGUAGE [title=FILE] [broken] [needs=MODULE]`:

- `title=FILE`: the block is first written to that file; a file that is also in docs/examples must be equal to it.
- `console`: lines that begin with `$ ` are commands, and what follows is all that they print, errors included; a line
  `...` stands for any number of lines. `headway` and `python` are run; nothing else may stand there but `pip install`
  and `pytest`, which are passed over (continuous integration runs those of the README). A command must fail with exit
  code 2 where its output begins with `headway: `, and succeed everywhere else.
- `python`: executed, all blocks of a page in one namespace; with a title it is only written, for a command to run. With
  `needs=MODULE` it is executed where the module can be imported, and compiled everywhere.
- `output`: what the `python` block before it printed.
- `yaml`: a whole scenario (it has `model`, `devices` and `workload`) must load, or be refused if it is marked `broken`;
  everything else must be YAML.
- Other languages are only written, if they have a title.

Blanks at the ends of lines do not count. Links to other pages and to headings must lead somewhere.

After a change that is meant: `HEADWAY_WRITE_PAGES=1 pytest -m slow tests/test_docs.py` puts what is printed now into
the pages (not where `...` stands), and the diff is to be read.
"""

import contextlib
import dataclasses
import functools
import importlib.util
import io
import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from typer.testing import CliRunner

from headway import policies
from headway.analysis.cli import app
from headway.simcore import TABLES, BlockTable, Observation, load_scenario
from headway.simcore.errors import Status
from headway.traces import InputError

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
EXAMPLES = DOCS / "examples"

_FENCED = re.compile(r"^```(?P<info>[^`\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_LANGUAGES = {"console", "python", "output", "yaml", "csv", "text", "json"}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    line: int
    language: str
    title: str | None
    broken: bool
    needs: str | None
    body: str


def blocks(text: str) -> list[Block]:
    return [_block(match, text) for match in _FENCED.finditer(text)]


def _block(match: re.Match[str], text: str) -> Block:
    line = text.count("\n", 0, match.start()) + 1
    language, *flags = match["info"].split() or [""]
    options = dict(flag.split("=", 1) for flag in flags if "=" in flag)
    assert language in _LANGUAGES, f"line {line}: {language!r} is not a language of these pages"
    assert options.keys() <= {"title", "needs"}, f"line {line}: {match['info']}"
    assert {flag for flag in flags if "=" not in flag} <= {"broken"}, f"line {line}: {match['info']}"
    return Block(line, language, options.get("title"), "broken" in flags, options.get("needs"), match["body"])


class Reader:
    """Somebody who types in a page from top to bottom."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: dict[str, Any] = {"__name__": "page"}
        self.printed = ""
        self.outdated: list[tuple[str, str]] = []

    def follow(self, block: Block) -> None:
        if block.title is not None:
            self.write(block.title, block.body)
        if block.language == "console":
            for command, expected in commands(block.body):
                self.type_in(command, expected)
        elif block.language == "python" and block.title is None:
            self.execute(block)
        elif block.language == "output":
            if tidy(self.printed) != tidy(block.body):
                self.note(block.body, self.printed)
        elif block.language == "yaml":
            self.load(block)

    def write(self, name: str, body: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(body, encoding="utf-8")
        example = EXAMPLES / name
        if example.exists():
            assert body == example.read_text(encoding="utf-8"), f"{name} is not as in docs/examples"

    def type_in(self, command: str, expected: str) -> None:
        program, *arguments = shlex.split(command)
        if program == "pytest" or [program, *arguments[:1]] == ["pip", "install"]:
            return
        assert program in {"headway", "python"}, f"a page may not run {program!r}"
        code, printed = self.headway(arguments) if program == "headway" else self.python(arguments)
        assert code == (2 if expected.startswith("headway: ") else 0), printed
        if not matches(printed, expected):
            assert "\n...\n" not in f"\n{expected}", f"$ {command}\n{printed}"
            self.note(expected, printed)

    def note(self, expected: str, printed: str) -> None:
        """What the page shows is not what is printed: to be put right, or a failure."""
        assert "HEADWAY_WRITE_PAGES" in os.environ, f"printed:\n{printed}\nexpected:\n{expected}"
        assert expected.strip(), "to be found, what is to be replaced must have a line: write any"
        self.outdated.append((expected, tidy(printed)))

    def headway(self, arguments: list[str]) -> tuple[int, str]:
        """Run the command in this process, which has imported already what each new one would have to."""
        done = CliRunner().invoke(app, arguments, prog_name="headway", catch_exceptions=False)
        return done.exit_code, done.output

    def python(self, arguments: list[str]) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, *arguments],
            check=False,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=600,
        )
        return done.returncode, done.stdout

    def execute(self, block: Block) -> None:
        # Empty lines first, so that a traceback shows the line of the page.
        code = compile("\n" * block.line + block.body, "page", "exec")
        if block.needs is not None and importlib.util.find_spec(block.needs) is None:
            return
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(code, self.names)
        self.printed = printed.getvalue()

    def load(self, block: Block) -> None:
        values = yaml.safe_load(block.body)
        if not {"model", "devices", "workload"} <= set(values):
            assert not block.broken, "only a whole scenario can be refused"
            return
        path = self.folder / (block.title or "untitled.yaml")
        path.write_text(block.body, encoding="utf-8")
        if block.broken:
            with pytest.raises(InputError):
                load_scenario(path)
        else:
            load_scenario(path)


def follow(text: str, folder: Path) -> str:
    """Do everything that a page shows; the page, brought up to date where that is asked for."""
    reader = Reader(folder)
    for block in blocks(text):
        try:
            reader.follow(block)
        except Exception as error:
            error.add_note(f"in the block at line {block.line} of the page")
            raise
    for expected, printed in reader.outdated:
        text = text.replace(expected, printed, 1)
    return text


def commands(body: str) -> Iterator[tuple[str, str]]:
    """Each command of a console block, with what it shall print."""
    before, *parts = re.split(r"^\$ ", body, flags=re.MULTILINE)
    assert not before.strip(), "a console block begins with a command"
    for part in parts:
        command, _, expected = part.partition("\n")
        yield command, expected


def matches(printed: str, expected: str) -> bool:
    pattern = "".join(
        r"(?:.*\n)*?" if line == "..." else re.escape(line) + r"\n" for line in tidy(expected).splitlines()
    )
    return re.fullmatch(pattern, tidy(printed)) is not None


def tidy(text: str) -> str:
    """Without blanks at the ends of lines, or empty lines at the end."""
    lines = "\n".join(line.rstrip() for line in text.splitlines()).rstrip("\n")
    return f"{lines}\n" if lines else ""


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_block_of_a_page_does_what_the_page_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = page.read_text(encoding="utf-8")
    followed = follow(text, tmp_path)
    if followed != text:
        page.write_text(followed, encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """Where links into a page can point to: GitHub's names of its headings."""
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    for match in _LINK.finditer(text):
        path, _, anchor = match["target"].partition("#")
        if re.match(r"\w+:", path):
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), match["target"]
        if anchor:
            assert anchor in anchors(target), match["target"]


def test_the_scenario_reference_is_what_the_schema_says() -> None:
    generator = runpy.run_path(str(DOCS / "generate_reference.py"))
    written = (DOCS / "scenario.md").read_text(encoding="utf-8")
    assert generator["reference"]() == written, "run docs/generate_reference.py"


def test_every_column_of_every_table_is_described_and_no_other() -> None:
    described: dict[str, list[str]] = {}
    sections = re.split(r"^## ", (DOCS / "results.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    for section in sections:
        head = re.match(r"`(\w+)`\n", section)
        if head:
            table = section.partition("| column | unit | meaning |\n")[2].partition("\n\n")[0]
            described[head[1]] = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert described == {name: schema.names for name, schema in TABLES.items()}


def first_cells(page: str, heading: str) -> set[str]:
    """What stands in code marks in the first cells of all tables below a heading of the second level."""
    section = (
        (DOCS / page).read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    )
    rows = re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
    return {found for row in rows for found in re.findall(r"`([\w-]+)`", row)}


def test_every_field_of_an_observation_is_described_and_no_other() -> None:
    fields = {field.name for kind in (Observation, BlockTable) for field in dataclasses.fields(kind)}
    derived = {
        key
        for key, value in vars(Observation).items()
        if isinstance(value, property | functools.cached_property)
    }
    assert first_cells("policies.md", "What an observation holds") == fields | derived | {"names", "ffn"}


def test_every_shipped_policy_and_its_parameters_are_described() -> None:
    parameters = {field.name for field in dataclasses.fields(policies.ResourceAware)}
    assert first_cells("policies.md", "The shipped policies") == {*policies.names(), *parameters}
    page = (DOCS / "policies.md").read_text(encoding="utf-8")
    for name in policies.names():
        for field in dataclasses.fields(policies.create(name)):  # type: ignore[arg-type]
            assert f"`{field.name}`" in page


def test_every_status_of_a_run_is_described() -> None:
    assert set(get_args(Status)) <= first_cells("results.md", "`runs`")


@pytest.mark.parametrize(
    ("printed", "expected", "same"),
    [
        ("a  \nb\n", "a\nb\n", True),
        ("a\nb\nc\n", "a\n...\nc\n", True),
        ("a\n", "...\na\n", True),
        ("a\nb\n", "a\n", False),
        ("a\nb\n", "a\n...\nc\n", False),
        ("", "", True),
        ("a\n", "", False),
    ],
)
def test_output_is_compared_line_by_line(printed: str, expected: str, same: bool) -> None:
    assert matches(printed, expected) is same


def test_a_page_that_is_wrong_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of these blocks must fail, or the tests above would prove nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HEADWAY_WRITE_PAGES", raising=False)
    device = "{memory: 1 GB, compute: 1 GFLOP/s, memory_bandwidth: 1 GB/s}"
    whole = f"model: {{preset: gpt2}}\ndevices: {{a: {device}}}\nworkload: []\n"
    wrong = [
        "```console\n$ headway --version\nheadway 0\n```\n",
        "```console\n$ headway validate nowhere.yaml\n...\n```\n",
        "```console\n$ rm x\n```\n",
        f"```yaml\n{whole}```\n",
        f"```yaml broken\n{whole.replace('[]', '[{prompt: 1, output: 1}]')}```\n",
        "```python\nprint(1)\n```\n```output\n2\n```\n",
        "```python needs=polars\n1 +\n```\n",
        "```python title=five_lines.py\nprint(1)\n```\n",
        "```pyhton\nprint(1)\n```\n",
    ]
    for text in wrong:
        with pytest.raises((AssertionError, InputError, SyntaxError, pytest.fail.Exception)):
            follow(text, tmp_path)
