"""`headway whatif`."""

# ruff: noqa: PLC0415

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headway.analysis.console.progress import counted
from headway.analysis.console.terminal import (
    MOST_PROCESSES,
    DecisionLimit,
    SmallestDifference,
    reported,
    scenario_file,
    show,
)
from headway.analysis.console.terminal import decision_limit as allowed

if TYPE_CHECKING:
    from headway.analysis.whatif.study import Study
    from headway.simcore.files.overrides.changes import Change

_Texts = list[str] | None


def whatif(
    base: Annotated[
        str,
        typer.Argument(
            metavar="BASE",
            help="A shipped scenario, the path of a scenario file, or the path of a study: a YAML file with the key "
            "`base`.",
        ),
    ],
    set_: Annotated[
        _Texts,
        typer.Option("--set", metavar="CHANGE", help="PATH=VALUE or PATH*FACTOR. May be repeated."),
    ] = None,
    drop: Annotated[_Texts, typer.Option(metavar="PATH", help="Leave out a device, a link, any key.")] = None,
    shift_trace: Annotated[
        _Texts,
        typer.Option(metavar="[PATH] TIME", help="Start all traces (or those under PATH) TIME later."),
    ] = None,
    variant: Annotated[
        _Texts,
        typer.Option(
            metavar="LABEL: CHANGE; ...",
            help="Add a variant. Changes by other options then apply to the base and all variants.",
        ),
    ] = None,
    sweep: Annotated[
        str | None,
        typer.Option(metavar="PATH=V,V,...", help="Several values of one key, or factors: PATH*F,F,..."),
    ] = None,
    policy: Annotated[
        _Texts,
        typer.Option(
            metavar="NAME",
            help="Use this policy instead of those in the scenario. Without any change, policies are compared with the "
            "first.",
        ),
    ] = None,
    replications: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of worlds, each with its own seed; 10 by default, 1 if nothing depends on the seed.",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**63 - 1, help="Seed of the first world, instead of the scenario's."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder for the results, results/whatif-<scenario name> by default."
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST_PROCESSES,
            help="Processes; one per processor by default. Results are the same for any number.",
        ),
    ] = None,
    decision_limit: DecisionLimit = None,
    smallest_difference: SmallestDifference = None,
) -> None:
    """Compare a scenario with variants of it, run in the same worlds.

    The output says which variants are better or worse, with confidence intervals.

    Changes are made in the order --set, --drop, --shift-trace. A variant that ends early, for example out of memory, is
    a result like any other.

    Example: headway whatif mine.yaml --set "links.wifi.bandwidth*0.5"
    """
    with reported():
        from headway.analysis.files.atomic import writing
        from headway.analysis.files.results_folder import results_folder
        from headway.analysis.results import write_findings
        from headway.analysis.whatif.figures import figures
        from headway.analysis.whatif.runs import prepare, run
        from headway.analysis.whatif.tables import summary
        from headway.simcore.simulate import RunOptions

        options = RunOptions(decision_limit_s=allowed(decision_limit))
        study = _study(base)
        study = _asked(study, _changes(set_ or [], drop or [], shift_trace or []), variant or [], sweep)
        study = _with_options(study, policy or [], replications, seed, smallest_difference)
        prepared = prepare(study)
        target = out if out is not None else Path("results") / f"whatif-{prepared.base.name}"
        with results_folder(target) as folder:
            with counted("whatif", len(prepared.tasks), "runs") as step:
                count = workers or os.cpu_count() or 1
                findings = run(prepared, workers=count, options=options, progress=step)
            with writing(target):
                write_findings(folder, findings.tables, figures(findings), findings.text)
        show(*summary(findings), "", f"Results: {target}")


def _study(name: str) -> "Study":
    """The study in a file, or one of a scenario that asks nothing yet."""
    from headway.analysis.whatif.study import Study, is_study, read_study
    from headway.simcore.files.yaml_document import read_document

    path = scenario_file(name, "BASE")
    document = read_document(path)
    return read_study(document) if is_study(document) else Study(scenario=path)


def _changes(set_: list[str], drop: list[str], shift_trace: list[str]) -> "tuple[Change, ...]":
    from headway.simcore.files.overrides.changes import parse_change

    return (
        *(parse_change(text, f"--set {text}") for text in set_),
        *(parse_change(f"drop {text}", f"--drop {text}") for text in drop),
        *(parse_change(f"shift-trace {text}", f"--shift-trace {text}") for text in shift_trace),
    )


def _asked(study: "Study", changes: "tuple[Change, ...]", variant: list[str], sweep: str | None) -> "Study":
    """The study with what the command line asks."""
    from headway.analysis.whatif.study import parse_variant
    from headway.simcore.files.overrides.changes import parse_settings
    from headway.traces.errors import InputError, shown

    variants = dict(study.variants)
    for label, parts in map(parse_variant, variant):
        if label in variants:
            raise InputError("--variant", f"a second variant {shown(label)}", "distinct labels")
        variants[label] = parts
    knob = study.knob if sweep is None else parse_settings(sweep, f"--sweep {sweep}")
    if changes and not variants and not knob:
        return replace(study, variants={"; ".join(change.text for change in changes): changes})
    return replace(study, variants=variants, knob=knob, changes=(*study.changes, *changes))


def _with_options(
    study: "Study", policy: list[str], replications: int | None, seed: int | None, smallest: str | None
) -> "Study":
    from headway.analysis.statistics import smallest_difference

    return replace(
        study,
        policies=tuple(policy) or study.policies,
        replications=study.replications if replications is None else replications,
        seed=study.seed if seed is None else seed,
        smallest=study.smallest
        if smallest is None
        else smallest_difference(smallest, "--smallest-difference"),
    )
