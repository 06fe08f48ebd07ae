"""The `headway` command.

Exit codes: 0, success (also if a simulated run ended early: that is a result); 1, the reader of standard output has
ended; 2, a mistake in the user's input; 3, a policy breaks the contract, or a store is damaged; 130, interrupted. Any
other exception is a defect and shows its traceback.
"""

from importlib import metadata
from typing import Annotated

import typer

from headway.analysis.commands.calibrate import calibrate
from headway.analysis.commands.devices import devices
from headway.analysis.commands.explain import explain
from headway.analysis.commands.fidelity import fidelity
from headway.analysis.commands.import_ import import_
from headway.analysis.commands.paper import paper
from headway.analysis.commands.policy import policy
from headway.analysis.commands.report import report
from headway.analysis.commands.run import run
from headway.analysis.commands.sweep import sweep
from headway.analysis.commands.timeline import timeline
from headway.analysis.commands.trace import trace
from headway.analysis.commands.validate import validate
from headway.analysis.commands.whatif import whatif

app = typer.Typer(
    help="Emulate the inference of large language models that are split across edge devices.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"headway {metadata.version('headway')}")
        raise typer.Exit


@app.callback()
def _headway(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    pass


for command in (run, validate, paper, whatif, timeline, explain, report, fidelity, calibrate):
    app.command()(command)
app.command("import")(import_)
app.add_typer(trace, name="trace")
app.add_typer(sweep, name="sweep", short_help="Make the runs of a campaign, and resume it.")
app.add_typer(policy, name="policy")
app.add_typer(devices, name="devices")
