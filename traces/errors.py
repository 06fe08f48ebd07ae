"""The one exception a user of Headway is meant to see.

Everything a user can get wrong (a scenario, a trace, a model configuration, a policy name) is raised as an
`InputError`. The command line turns it into one message and exit code 2. Any other exception is a defect of
Headway and is allowed to crash loudly.
"""

import difflib
from collections.abc import Iterable
from itertools import islice

_LONGEST_SHOWN = 80
_LONGEST_REASON = 400
_MOST_NAMES = 40
_MOST_COMPARED = 5_000


class InputError(ValueError):
    """Something a user wrote cannot be used.

    Attributes:
        where: the file, with line or key path, in which the mistake sits.
        got: what stands there, in a few words.
        expected: what would be accepted instead.
    """

    def __init__(self, where: str, got: str, expected: str) -> None:
        self.where = where
        self.got = got
        self.expected = expected
        super().__init__(f"{where}: got {got}; expected {expected}")

    def __reduce__(self) -> tuple[type["InputError"], tuple[str, str, str]]:
        """Survive the trip back from a worker process, which a custom `__init__` otherwise does not."""
        return type(self), (self.where, self.got, self.expected)


def shown(value: object) -> str:
    """The value as it may appear in a message: quoted, on one line and short, however long or deep it is."""
    try:
        text = repr(value[: 2 * _LONGEST_SHOWN] if isinstance(value, str) else value)
    except (ValueError, RecursionError):
        # Python refuses to spell out integers of thousands of digits and structures nested hundreds deep.
        return f"a {type(value).__name__} too long to show"
    return shortened(text, _LONGEST_SHOWN)


def shortened(text: str, most: int) -> str:
    """A text of at most so many letters, with dots for what was cut off."""
    return text if len(text) <= most else text[: most - 3] + "..."


def reason(error: Exception) -> str:
    """What a library or the system has against a file, on one line and printable; its name if it says nothing."""
    first = next(iter(str(error).splitlines()), "").strip()
    return visible(first)[:_LONGEST_REASON] or type(error).__name__


def told(error: BaseException) -> str:
    """An exception as it may appear in a message: its class and what it says, on one line and short."""
    try:
        words = " ".join(str(error)[: 4 * _LONGEST_SHOWN].split())
    except Exception:  # of somebody else's class, whose words are its own affair
        words = ""
    text = shortened(visible(words), 2 * _LONGEST_SHOWN)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def visible(text: str) -> str:
    """A text in which control characters, marks of direction and other unprintable letters are written as escapes.

    Names come from files of other people. Printed as they are, such letters move the cursor, change what was printed
    before, or show a name in another order than it is written. Line feeds stay.
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter == "\n" else ascii(letter)[1:-1] for letter in text
    )


def one_of(value: str, names: Iterable[str]) -> str:
    """What is accepted where a name is looked up, with a hint when one of them is nearly what was written."""
    known = list(names)
    near = nearest(value, known)
    hint = f" (did you mean {near!r}?)" if near else ""
    more = ", ..." if len(known) > _MOST_NAMES else ""
    return f"one of {', '.join(known[:_MOST_NAMES])}{more}{hint}"


def nearest(value: str, names: Iterable[str]) -> str:
    """The name that is nearly what was written, however long that is; empty if none is."""
    near = difflib.get_close_matches(value[:_LONGEST_SHOWN], islice(names, _MOST_COMPARED), 1)
    return near[0] if near else ""
