"""`headway trace generate`."""

# ruff: noqa: PLC0415

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from headway.analysis.commands.trace.options import known
from headway.analysis.console.terminal import reported, show

if TYPE_CHECKING:
    from headway.traces import Quantity, Trace
    from headway.traces.synthesis.kind import Kind

_VALUES = "headway.traces.parameters"


class GenerateCommand(TyperCommand):
    """A command with an option for each parameter of each kind of synthetic trace.

    The options are added when the command runs or shows its help: `headway` starts without loading the kinds.
    """

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters of the command, those of the kinds before `--help`."""
        *own, help_option = super().get_params(ctx)
        return [*own, *_kind_options(), help_option]

    def invoke(self, ctx: Any) -> Any:
        """Call the function of the command; it finds the options of the kinds in `ctx.meta`."""
        names = [name for name in ctx.params if name not in {option.name for option in self.params}]
        ctx.meta[_VALUES] = {name: ctx.params.pop(name) for name in names}
        return super().invoke(ctx)


def generate(
    context: typer.Context,
    kind: Annotated[
        str,
        typer.Argument(metavar="KIND", help="Kind of trace; the help of an option names its kinds."),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="CSV file; replaced if it exists.")
    ],
    duration: Annotated[str, typer.Option(metavar="TIME", help="Length of the trace.")],
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="The same seed gives the same file.")] = 0,
    quantity: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="QUANTITY",
            help="What the values measure: rate, load, availability, size or time.",
        ),
    ] = "rate",
    unit: Annotated[
        str | None, typer.Option(help="Unit of the values in the file; Mbit/s, % or MB by default.")
    ] = None,
) -> None:
    """Write a synthetic trace to a file for scenarios.

    docs/generators.md describes the kinds and their parameters.

    Example: headway trace generate walk --mean "50 Mbit/s" --sigma 0.5 --step 1s --duration 60s --out walk.csv
    """
    given = {name: value for name, value in context.meta[_VALUES].items() if value is not None}
    with reported():
        from headway.analysis.files.atomic import writing
        from headway.analysis.statistics.recordings import UNITS
        from headway.traces import write_csv

        measured = known(quantity)
        trace = _drawn(kind, given | {"duration": duration}, measured, seed)
        with writing(out):
            write_csv(trace, out, measured, unit=UNITS[measured][1] if unit is None else unit)
        show(f"{out}: {len(trace.times):,} values over {trace.duration:g} s")


def _kind_options() -> list[Any]:
    """An option for each parameter of the kinds, but for the duration; parameters of one name share an option."""
    from headway.traces.synthesis import KINDS

    users: dict[str, dict[str, list[str]]] = {}
    types: dict[str, Any] = {}
    for kind in KINDS.values():
        for name, parameter in kind.parameters.items():
            if name != "duration_s":
                option = _option(name)
                users.setdefault(option, {}).setdefault(parameter.description, []).append(kind.name)
                metavar = {"value": "VALUE", "time": "TIME", "number": None}[parameter.measure]
                types.setdefault(option, (str if metavar else float, metavar))
    arguments = [
        inspect.Parameter(
            option,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                types[option][0] | None,
                typer.Option(
                    metavar=types[option][1],
                    help="; ".join(f"{', '.join(kinds)}: {text}" for text, kinds in texts.items()) + ".",
                ),
            ],
        )
        for option, texts in users.items()
    ]

    def options(**_: Any) -> None: ...

    # Typer reads the options of a command from its signature and its annotations.
    options.__signature__ = inspect.Signature(arguments)  # type: ignore[attr-defined]
    options.__annotations__ = {one.name: one.annotation for one in arguments}
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(options)
    return list(typer.main.get_command(app).params)


def _drawn(name: str, given: Mapping[str, Any], quantity: "Quantity", seed: int) -> "Trace":
    """The trace of a kind with the options of the command.

    Raises:
        InputError: the kind is unknown, an option is missing, unknown to the kind or unusable, or no trace has these
            values.
    """
    import numpy as np

    from headway.simcore.files import schema
    from headway.traces import InputError
    from headway.traces.errors import one_of, quoted
    from headway.traces.synthesis import KINDS

    if name not in KINDS:
        raise InputError("KIND", quoted(name), one_of(name, KINDS))
    kind = KINDS[name]
    _check_options(kind, given)
    arguments = {}
    for argument, parameter in kind.parameters.items():
        option = _option(argument)
        if option in given:
            measured: Quantity | None = {"value": quantity, "time": "time"}.get(parameter.measure)
            value = given[option]
            arguments[argument] = (
                value if measured is None else schema.bounded(value, measured, _flag(option))
            )
    try:
        return kind.generate(np.random.default_rng(seed), **arguments)
    except ValueError as error:
        raise InputError(name, str(error), kind.needs) from error


def _check_options(kind: "Kind", given: Mapping[str, Any]) -> None:
    """Refuse options of other kinds, and the lack of an option without a default."""
    from headway.traces import InputError

    own = {_option(name): parameter for name, parameter in kind.parameters.items()}
    expected = ", ".join(sorted(map(_flag, own)))
    for option in given:
        if option not in own:
            raise InputError(kind.name, f"the option {_flag(option)}", expected)
    for option, parameter in own.items():
        if parameter.default is None and option not in given:
            raise InputError(
                kind.name, f"no option {_flag(option)}", f"{_flag(option)} (options: {expected})"
            )


def _option(parameter: str) -> str:
    return parameter.removesuffix("_s")


def _flag(option: str) -> str:
    return f"--{option.replace('_', '-')}"
