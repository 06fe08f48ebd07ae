"""The options of `headway trace` for reading a recorded trace."""

# ruff: noqa: PLC0415

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, cast

import typer

if TYPE_CHECKING:
    from headway.traces import Options, Quantity, Recording

Given: TypeAlias = dict[str, Any]
"""Values of the options of `reading` on the command line, by parameter."""

_WORDS: "dict[str, Quantity]" = {
    "rate": "rate",
    "load": "fraction",
    "availability": "fraction",
    "size": "size",
    "time": "time",
}
File = Annotated[str, typer.Argument(metavar="FILE", help="A recorded trace.")]
Files = Annotated[list[str], typer.Argument(metavar="FILE", help="Recorded traces.")]
Format = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Format, if it is not recognised; a wrong name lists all formats."),
]
As = Annotated[
    str | None,
    typer.Option(
        "--as",
        metavar="QUANTITY",
        help="What the values measure: rate, load, availability, size or time; by default as in the file. A file of "
        "load as availability gives the rest, 1 - load.",
    ),
]
Unit = Annotated[
    str | None, typer.Option(metavar="UNIT", help="Unit of the values, if the file does not say it.")
]
TimeUnit = Annotated[
    str | None, typer.Option(metavar="UNIT", help="Unit of the times, if the file does not say it.")
]

ColumnName = Annotated[
    str | None, typer.Option(metavar="NAME", help="Column with the values, or its number from 1.")
]
TimeColumn = Annotated[
    str | None, typer.Option(metavar="NAME", help="Column with the times, or its number from 1.")
]
Repair = Annotated[
    bool, typer.Option("--repair", help="Merge or leave out rows in columns that are not in order.")
]
MaxGap = Annotated[
    str | None, typer.Option(metavar="TIME", help='Shorten longer gaps to this, such as "10 s".')
]
Select = Annotated[
    str | None, typer.Option(metavar="WHICH", help="The recording to use, if the file has several.")
]
Where = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN=VALUE", help="Only rows with this value in this column; may be repeated."),
]
Merge = Annotated[
    str | None,
    typer.Option(metavar="HOW", help="With --repair, rows of one time become their mean, sum or first."),
]
RowStep = Annotated[
    str | None, typer.Option(metavar="TIME", help="Time from row to row, of rows without a time.")
]
Requests = Annotated[
    str | None,
    typer.Option(
        metavar="ARRIVAL,PROMPT,OUTPUT",
        help="The files are logs of requests with these columns; --time-unit is the unit of arrivals.",
    ),
]
Step = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Average over this time; 1 s for packet logs by default."),
]


def reading(
    unit: Unit = None,
    time_unit: TimeUnit = None,
    column: ColumnName = None,
    time_column: TimeColumn = None,
    repair: Repair = False,
    max_gap: MaxGap = None,
    select: Select = None,
    where: Where = None,
    merge: Merge = None,
    row_step: RowStep = None,
) -> "Options":
    """The options for the reader, from those of the command line.

    Raises:
        InputError: an option cannot be used.
    """
    from headway.traces import Options

    return Options(
        unit=unit,
        time_unit=time_unit,
        column=column,
        time_column=time_column,
        repair=repair or None,
        max_gap_s=duration(max_gap, "--max-gap"),
        select=select,
        where=dict(map(_wanted, where)) if where else None,
        merge=cast("Any", merge),
        step_s=duration(row_step, "--row-step"),
    )


def with_reading(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `reading`, in place of its parameter `given`, which receives their values."""
    shared = inspect.signature(reading).parameters

    @functools.wraps(command)
    def wrapper(**values: Any) -> None:
        command(given={name: values.pop(name) for name in shared}, **values)

    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        parameters.extend(shared.values() if name == "given" else [parameter])
    # Typer reads the options of a command from its signature and its annotations.
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {one.name: one.annotation for one in parameters}
    return wrapper


def columns_of_requests(text: str) -> dict[str, str]:
    """The columns of a log of requests in the option `--requests`.

    Raises:
        InputError: their number is not three.
    """
    from headway.traces import InputError
    from headway.traces.errors import quoted

    names = [name.strip() for name in text.split(",")]
    if len(names) != 3:
        expected = "three columns: of the arrival, the prompt and the output"
        raise InputError("--requests", quoted(text), expected)
    return dict(zip(("arrival", "prompt", "output"), names, strict=True))


def _wanted(text: str) -> tuple[str, str]:
    """The column and the value in the option `--where`.

    Raises:
        InputError: the option has no equals sign.
    """
    from headway.traces import InputError
    from headway.traces.errors import quoted

    column, equals, value = text.partition("=")
    if not equals:
        raise InputError("--where", quoted(text), "a column and a value, such as run=3")
    return column.strip(), value.strip()


def recording(name: str, quantity: str | None, format: str | None, options: "Options") -> "Recording":  # noqa: A002
    """Read a recording as the quantity that the option `--as` names.

    Raises:
        InputError: the quantity is unknown, the file has another quantity, or a share of a device is above 1.
    """
    from dataclasses import replace

    from headway.traces import InputError, record

    measured = None if quantity is None else known(quantity)
    if quantity == "load":
        options = replace(options, load=False)
    recorded = record(name, measured, format=format, options=options)
    if quantity == "availability" and recorded.is_load:
        return record(name, measured, format=recorded.format, options=replace(options, load=True))
    most = float(recorded.trace.values.max())
    if quantity == "availability" and most > 1:
        raise InputError(name, f"the value {most:g}", "a share of the device, at most 1 (or 100 %)")
    if quantity == "load" and most > 1:
        note = f"A load of {most:g} is no share: a scenario refuses it, as it needs at most 1 (or 100 %)."
        return replace(recorded, notes=(*recorded.notes, note))
    return recorded


def known(word: str) -> "Quantity":
    """The quantity that a word of the option `--as` stands for.

    Raises:
        InputError: the word is unknown.
    """
    from headway.traces import InputError
    from headway.traces.errors import one_of, quoted

    if word not in _WORDS:
        raise InputError("--as", quoted(word), one_of(word, _WORDS))
    return _WORDS[word]


def duration(text: str | None, option: str) -> float | None:
    """The time in an option [s].

    Raises:
        InputError: the option is not a time above 0.
    """
    from headway.traces import InputError, parse
    from headway.traces.errors import quoted
    from headway.traces.units import ACCEPTED

    if text is None:
        return None
    seconds = parse(text, "time", option)
    if seconds == 0:
        raise InputError(option, quoted(text), f"{ACCEPTED['time']}, above 0")
    return seconds
