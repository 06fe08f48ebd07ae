"""Prose is plain English: no idiom of this list is in the pages, docstrings, comments and messages that were cleaned.

Add an idiom when you remove it from the tree; add a module to `CLEAN` when you have rewritten its prose.
"""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

CLEAN = [
    "analysis",
    "benchmarks",
    "headway/__init__.py",
    "headway/__main__.py",
    "policies",
    "simcore",
    "traces",
]
"""Modules and packages whose prose was rewritten; the list grows."""

IDIOMS = {
    r"to be had": "available",
    r"(?:is|are|was|were) told": "receives, is shown, is reported",
    r"tells? of": "describes, reports",
    r"seen to": "checked",
    r"sees? to it": "ensures",
    r"ma(?:d|k)e sure of": "check",
    r"held against": "compared with",
    r"what becomes of": "how ... is carried out, the outcome of",
    r"of (?:its|their|somebody else's) own? ?making": "own",
    r"wherefore|thereof|therein|thereby|hereby|whence|hence": "therefore, of it, from which",
    r"nought|naught": "nothing, 0",
    r"begets?|lest|forbears?|upon|whilst|amongst": "causes, so that ... not, on, while, among",
    r"likewise": "also, in the same way",
    r"besides": "in addition to",
    r"in the midst": "during",
    r"beyond measure": "too large",
    r"to the brim": "full",
    r"for good": "permanently",
    r"but for rounding": "up to rounding",
    r"by way of": "through",
    r"in vain": "without effect, wasted",
    r"any more than": "say it directly",
    r"the like": "name the things",
    r"go(?:es)? on with": "continue with",
    r"does nothing but": "only",
    r"by which scenarios ask": "the name in scenarios",
    r"is its own affair": "say what is ignored",
    r"at the door": "once, when it is read",
    r"back to speed": "as fast as before",
    r"by chance": "at random",
    r"half a minute in": "after 30 s",
    r"hangs? together": "is related, is correlated",
    r"how like": "how similar",
    r"is called as": "has the name of",
    r"(?:is|are) passed over": "is ignored",
    r"such as are": "that are",
    r"the air": "the medium, the channel",
    r"worth a (?:look|word)": "important",
}
"""Idioms (regular expressions, whole words) and what to say instead."""

_WORD = re.compile(r"\b(?:" + "|".join(f"(?:{idiom})" for idiom in IDIOMS) + r")\b", re.IGNORECASE)


def modules() -> list[Path]:
    paths = (ROOT / name for name in CLEAN)
    return [file for path in paths for file in (sorted(path.rglob("*.py")) if path.is_dir() else [path])]


def prose(path: Path) -> list[tuple[int, str]]:
    """The prose of a file with its line numbers: all of a page; comments, docstrings and messages of a module."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return list(enumerate(text.splitlines(), 1))
    found = [
        (token.start[0], token.string)
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
    ]
    strings = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant))
    return found + [(node.lineno, node.value) for node in strings if isinstance(node.value, str)]


def idioms(path: Path) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line}: {match[0]!r}; say: {instead(match[0])}"
        for line, text in prose(path)
        for match in _WORD.finditer(text)
    ]


def instead(words: str) -> str:
    return next(plain for idiom, plain in IDIOMS.items() if re.fullmatch(idiom, words, re.IGNORECASE))


@pytest.mark.parametrize("path", [*PAGES, *modules()], ids=lambda path: str(path.relative_to(ROOT)))
def test_prose_has_no_banned_idiom(path: Path) -> None:
    assert idioms(path) == []


def test_the_check_finds_idioms_in_docstrings_comments_and_messages(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text('"""Nothing is to be had."""\n# lest it fails\nx = f"{1} is told"\n', encoding="utf-8")
    assert [bool(_WORD.search(text)) for _, text in sorted(prose(path))] == [True, True, True]
