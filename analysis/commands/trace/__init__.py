"""`headway trace`: recorded traces at the command line."""

import typer

from headway.analysis.commands.trace.convert import convert
from headway.analysis.commands.trace.fit import fit
from headway.analysis.commands.trace.generate import GenerateCommand, generate
from headway.analysis.commands.trace.info import info
from headway.analysis.commands.trace.plot import plot

trace = typer.Typer(help="Inspect, convert and generate traces.", no_args_is_help=True, rich_markup_mode=None)
for command in (info, plot, convert, generate, fit):
    trace.command(cls=GenerateCommand if command is generate else None)(command)
