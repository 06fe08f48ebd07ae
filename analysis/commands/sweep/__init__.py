"""`headway sweep`: plan, run, status, resume, export, verify."""

import typer

from headway.analysis.commands.sweep.export import export
from headway.analysis.commands.sweep.plan import plan
from headway.analysis.commands.sweep.run import resume, run
from headway.analysis.commands.sweep.status import status
from headway.analysis.commands.sweep.verify import verify

sweep = typer.Typer(
    help="Run a campaign: a scenario, varied along axes, under policies, with many seeds.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
for command in (plan, run, resume, status, export, verify):
    sweep.command()(command)
