"""`headway whatif`."""

# ruff: noqa: PLC0415

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headway.analysis.commands.results_options import Force, Out, Workers, process_count
from headway.analysis.console.progress import counted
from headway.analysis.console.terminal import (
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

_Base = Annotated[
    str,
    typer.Argument(
        metavar="BASE",
        help="A shipped scenario, the path of a scenario file, or the path of a study: a YAML file with the key "
        "`base`.",
    ),
]
_Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="CHANGE", help="PATH=VALUE or PATH*FACTOR. May be repeated."),
]
_Drop = Annotated[list[str] | None, typer.Option(metavar="PATH", help="Leave out a device, a link, any key.")]
_ShiftTrace = Annotated[
    list[str] | None,
    typer.Option(metavar="[PATH] TIME", help="Start all traces (or those under PATH) TIME later."),
]
_Variants = Annotated[
    list[str] | None,
    typer.Option(
        metavar="LABEL: CHANGE; ...",
        help="Add a variant. Changes by other options then apply to the base and all variants.",
    ),
]
_Sweep = Annotated[
    str | None,
    typer.Option(metavar="PATH=V,V,...", help="Several values of one key, or factors: PATH*F,F,..."),
]
_Policies = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Use this policy instead of those in the scenario. Without any change, policies are compared with the "
        "first.",
    ),
]
_Replications = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Number of worlds, each with its own seed; 10 by default, 1 if nothing depends on the seed.",
    ),
]
_FirstSeed = Annotated[
    int | None,
    typer.Option(min=0, max=2**63 - 1, help="Seed of the first world, instead of the scenario's."),
]


def whatif(
    base: _Base,
    set_: _Set = None,
    drop: _Drop = None,
    shift_trace: _ShiftTrace = None,
    variant: _Variants = None,
    sweep: _Sweep = None,
    policy: _Policies = None,
    replications: _Replications = None,
    seed: _FirstSeed = None,
    out: Out = None,
    force: Force = False,
    workers: Workers = None,
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
        from headway.analysis.files.results_folder import EXPORT, STUDY, results_folder
        from headway.analysis.results import scenario_texts, write_export, write_findings
        from headway.analysis.whatif.figures import figures
        from headway.analysis.whatif.runs import prepare, run
        from headway.analysis.whatif.study import study_text
        from headway.analysis.whatif.tables import summary
        from headway.simcore.simulate import RunOptions

        options = RunOptions(decision_limit_s=allowed(decision_limit))
        study = _study(base)
        study = _with_changes(
            study, _changes(set_ or [], drop or [], shift_trace or []), variant or [], sweep
        )
        study = _with_options(study, policy or [], replications, seed, smallest_difference)
        prepared = prepare(study)
        target = out or Path("results") / f"whatif-{prepared.base.name}"
        with results_folder(target, replace=force, numbered=out is None) as folder:
            with counted("whatif", len(prepared.tasks), "runs") as step:
                count = process_count(workers)
                findings = run(prepared, workers=count, options=options, progress=step)
            with writing(folder.target):
                texts = scenario_texts(findings.text, study.scenario.resolve()) | {
                    STUDY: study_text(findings.study)
                }
                write_findings(folder.path, findings.tables, figures(findings), texts)
                write_export(folder.path / EXPORT, findings.cases, findings.stored)
        show(*summary(findings), "", *findings.notes, f"Results: {folder}")


def _study(name: str) -> "Study":
    """The study in a file, or a study of a scenario without changes."""
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


def _with_changes(
    study: "Study", changes: "tuple[Change, ...]", variant: list[str], sweep: str | None
) -> "Study":
    """Add the changes, variants and sweep of the command line to a study."""
    from headway.analysis.whatif.study import parse_variant
    from headway.simcore.files.overrides.changes import parse_settings
    from headway.traces.errors import InputError, quoted

    variants = dict(study.variants)
    for label, parts in map(parse_variant, variant):
        if label in variants:
            raise InputError("--variant", f"a second variant {quoted(label)}", "distinct labels")
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
