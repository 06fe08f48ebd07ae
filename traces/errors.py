"""The exception for mistakes of users, and the texts of messages.

A mistake in a scenario, a trace, a model configuration or a name raises an `InputError`. The command line turns it
into one message and exit code 2. Any other exception is a defect of Headway.
"""

import difflib
from collections.abc import Iterable, Sequence
from itertools import islice

_LONGEST_SHOWN = 80
_LONGEST_REASON = 400
_MOST_NAMES = 40
_MOST_COMPARED = 5_000


class InputError(ValueError):
    """The input of a user cannot be used.

    Attributes:
        where: the file, with line or key path, of the mistake.
        got: the text or value at that place, in a few words.
        expected: the accepted forms.
    """

    def __init__(self, where: str, got: str, expected: str) -> None:
        self.where = where
        self.got = got
        self.expected = expected
        super().__init__(f"{where}: got {got}; expected {expected}")

    def __reduce__(self) -> tuple[type["InputError"], tuple[str, str, str]]:
        """Rebuild the exception in another process; a custom `__init__` needs this."""
        return type(self), (self.where, self.got, self.expected)


def quoted(value: object) -> str:
    """A value of any size as the text of a message: quoted, short and on one line."""
    try:
        text = repr(value[: 2 * _LONGEST_SHOWN] if isinstance(value, str) else value)
    except (ValueError, RecursionError):
        # Python refuses to write integers of thousands of digits and deeply nested structures.
        return f"a {type(value).__name__} too long to show"
    return shortened(text, _LONGEST_SHOWN)


def shortened(text: str, most: int) -> str:
    """The first `most` characters of a text; dots at the end stand for the rest."""
    return text if len(text) <= most else text[: most - 3] + "..."


def reason(error: Exception) -> str:
    """The first line of an error of a library or the system, printable; the name of its class if it has no text."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "a folder"
    text = getattr(error, "strerror", None) or str(error)
    first = next(iter(text.splitlines()), "").strip()
    return visible(first)[:_LONGEST_REASON] or type(error).__name__


def error_text(error: BaseException) -> str:
    """An exception as the text of a message: its class and its own text, short and on one line."""
    try:
        words = " ".join(str(error)[: 4 * _LONGEST_SHOWN].split())
    except Exception:  # A class of the user can fail here in any way.
        words = ""
    text = shortened(visible(words), 2 * _LONGEST_SHOWN)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def visible(text: str) -> str:
    """A text with escapes in place of control characters, marks of direction and other unprintable characters.

    A terminal would move its cursor or reorder the text at such characters, which may be in names in files. Line feeds
    stay.
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter == "\n" else ascii(letter)[1:-1] for letter in text
    )


def some_of(names: Sequence[str], most: int = 5) -> str:
    """The first few names as the text of a message, and the number of the others."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def one_of(value: str, names: Iterable[str]) -> str:
    """The accepted names as the text of a message, with the nearest one as a hint."""
    known = list(names)
    more = ", ..." if len(known) > _MOST_NAMES else ""
    return f"one of {', '.join(known[:_MOST_NAMES])}{more}{did_you_mean(value, known)}"


def did_you_mean(value: str, names: Iterable[str], similarity: float = 0.6) -> str:
    """The end of a message with the nearest name; empty if there is none."""
    near = nearest(value, names, similarity)
    return f" (did you mean {near!r}?)" if near else ""


def nearest(value: str, names: Iterable[str], similarity: float = 0.6) -> str:
    """The known name that is most similar to `value`; empty if none is similar enough."""
    near = difflib.get_close_matches(value[:_LONGEST_SHOWN], islice(names, _MOST_COMPARED), 1, similarity)
    return near[0] if near else ""
