"""Draw sentences to read aloud: python docs/draw_sentences.py [SEED] [COUNT].

Half of them come from the pages, the others from docstrings and from messages to users. A sentence that has to be read
twice is a defect.
"""

import ast
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_ERRORS = frozenset({"InputError", "DoesNotFitError", "RunEndedError", "ValueError"})


def of_pages() -> list[str]:
    """Sentences of the documentation: paragraphs and lists, without code, tables and headings."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [one for page in pages for one in _of_page(page.read_text(encoding="utf-8"))]


def _of_page(text: str) -> Iterator[str]:
    prose = re.sub(r"^```[^`]*^```$|^ {4}[^\n]*$|^[|#!][^\n]*$", "\n\n", text, flags=re.MULTILINE)
    for paragraph in re.split(r"\n\s*\n|\n(?=- |\d+\. )", prose):
        yield from _sentences(re.sub(r"^(- |\d+\. )", "", paragraph.strip()))


def of_code() -> list[str]:
    """Sentences of docstrings, and texts of errors, of the four packages."""
    found: list[str] = []
    for name in ("traces", "simcore", "policies", "analysis"):
        for path in sorted((ROOT / name).rglob("*.py")):
            found.extend(_of_module(ast.parse(path.read_text(encoding="utf-8"))))
    return found


def _of_module(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            text = ast.get_docstring(node) or ""
            for paragraph in re.split(
                r"\n\s*\n", re.split(r"\n\s*(?:Args|Attributes|Raises|Returns):", text)[0]
            ):
                yield from _sentences(paragraph)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in _ERRORS:
            texts = [ast.unparse(one) for one in node.args if isinstance(one, ast.Constant | ast.JoinedStr)]
            if texts:
                yield "message: " + ", ".join(texts)


def _sentences(paragraph: str) -> list[str]:
    words = " ".join(paragraph.split())
    return [one for one in re.split(r"(?<=[.!?]) (?=[A-Z`*])", words) if len(one.split()) > 4]


def main() -> None:
    """Print the sentences."""
    seed, count = (int(one) for one in (sys.argv[1:] + ["1", "30"][len(sys.argv) - 1 :])[:2])
    chance = random.Random(seed)
    drawn = chance.sample(of_pages(), count // 2) + chance.sample(of_code(), count - count // 2)
    for number, one in enumerate(drawn, 1):
        print(f"{number}. {one}")


if __name__ == "__main__":
    main()
