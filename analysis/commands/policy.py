"""`headway policy`: list policies, and check a policy against the contract."""

# ruff: noqa: PLC0415

import inspect
import re
import shlex
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headway.analysis.console.terminal import look_here, reported, show

if TYPE_CHECKING:
    from rich.table import Table

    from headway.policies.contract import Finding, Report
    from headway.policies.contract.report import Level
    from headway.policies.contract.subject import Factory

policy = typer.Typer(
    help="List policies, and check a policy against the contract.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[
    str, typer.Argument(metavar="POLICY", help="A name as in `headway policy list`, or module:Class.")
]

_WORDS = {
    "kept": "kept",
    "broken": "BROKEN",
    "declared": "declared",
    "unfounded": "declared, not seen",
    "not reached": "not reached",
}


@policy.command("list")
def list_() -> None:
    """List the policies that scenario files can name.

    For a policy that cannot be used, the reason is printed.

    Example: headway policy list
    """
    with reported():
        from headway import policies

        table = _table("policy", "how it decides", "laws it does not keep")
        for name in policies.names():
            usable = not policies.trouble(name)
            declared = ", ".join(policies.declared_laws(policies.create(name))) if usable else ""
            table.add_row(name, policies.description(name), declared)
        show(table)


@policy.command("show")
def show_(name: Name) -> None:
    """Print how a policy decides, its parameters and declared exceptions.

    Example: headway policy show resource-aware
    """
    with reported():
        from headway import policies

        example = _factory(name)()
        declares = policies.declared_laws(example)
        show(inspect.getdoc(type(example)) or f"{example.name} does not say how it decides.")
        parameters = _table("parameter", "default")
        for key, value in _parameters(example).items():
            parameters.add_row(key, repr(value))
        declared = _table("law it does not keep", "why")
        for law, reason in declares.items():
            declared.add_row(law, reason)
        for table in (parameters, declared):
            if table.row_count:
                show("", table)


@policy.command()
def check(
    name: Name,
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Ask hundreds of questions for each law, not dozens.")
    ] = False,
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Folder for an example of each broken law, as a scenario file."),
    ] = Path("counter-examples"),
) -> None:
    """Check a policy under every law. The exit code is 3 if it breaks a law without declaring it.

    Example: headway policy check my_module:MyPolicy
    """
    with reported():
        factory, check_policy = _factory(name), _examiner()
        with _each_warning_once():
            report = check_policy(factory, "thorough" if thorough else "quick")
        show(_laws(report), report.growth)
        if any(finding.outcome == "not reached" for finding in report.findings):
            show("Not reached: the law applied to no question, usually because another law is broken.")
        for finding in report.broken:
            show("", str(finding), *_saved(finding, name, out))
    if not report.ok:
        raise typer.Exit(3)


@contextmanager
def _each_warning_once() -> Iterator[None]:
    """Python forgets which warnings it has shown when a warning is caught; without this, hundreds would be repeated."""
    printed: set[tuple[str, str, int]] = set()
    with warnings.catch_warnings():
        tell = warnings.showwarning

        def tell_once(
            message: Warning | str, category: type[Warning], file: str, line: int, *more: Any
        ) -> None:
            if (str(message), file, line) not in printed:
                printed.add((str(message), file, line))
                tell(message, category, file, line, *more)

        settable: Any = warnings
        settable.showwarning = tell_once
        yield


def _factory(name: str) -> "Factory":
    """A registered policy, or one from a module on Python's path or in the working directory."""
    from headway import policies

    look_here([name])
    return policies.policy_factory(name)


def _examiner() -> "Callable[[Factory, Level], Report]":
    """`check_policy`, which needs more than the other commands do."""
    from headway.traces import InputError

    try:
        from headway.policies.contract import check_policy
    except ModuleNotFoundError as error:
        expected = "an installation with the extra `test`: pip install 'headway[test]'"
        raise InputError(
            "policy check", f"an installation without the module {error.name}", expected
        ) from error
    return check_policy


def _parameters(example: object) -> dict[str, Any]:
    import dataclasses

    if not dataclasses.is_dataclass(example):
        return {}
    return {field.name: getattr(example, field.name) for field in dataclasses.fields(example)}


def _laws(report: "Report") -> "Table":
    table = _table("law", report.policy, "examples", "what it guards, or why not")
    for finding in report.findings:
        why = finding.reason or finding.guards
        table.add_row(
            finding.law, _WORDS[finding.outcome], f"{finding.applicable} of {finding.examples}", why
        )
    return table


def _saved(finding: "Finding", name: str, out: Path) -> list[str]:
    """Write the example of a broken law; lines that say how to run it.

    Where a placement is in force in it there is a module as well, whose policy begins with that one.
    """
    from headway.analysis.files.atomic import writing

    if finding.scenario is None:
        return []
    stem = f"{name}-{finding.law}".replace(":", ".")
    path, module = out / f"{stem}.yaml", re.sub(r"\W", "_", stem)
    wrapper = finding.module(name)
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        path.write_text(finding.scenario, encoding="utf-8")
        if wrapper is not None:
            (out / f"{module}.py").write_text(wrapper, encoding="utf-8")
    if wrapper is None:
        return [f"  headway run {shlex.quote(str(path))} --policy {name}"]
    inside = not out.is_absolute() and ".." not in out.parts
    path_variable = "" if inside else f"PYTHONPATH={shlex.quote(str(out))} "
    policy = ".".join([*(out.parts if inside else ()), f"{module}:asked"])
    return [f"  {path_variable}headway run {shlex.quote(str(path))} --policy {shlex.quote(policy)}"]


def _table(*columns: str) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE)
    for column in columns:
        table.add_column(column)
    return table
