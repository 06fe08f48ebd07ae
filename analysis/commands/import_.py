"""`headway import`."""

# ruff: noqa: PLC0415

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headway.analysis.console.terminal import reported, show

if TYPE_CHECKING:
    from headway.simcore.files.imported_scenario import Additions


def import_(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="File of exo, mesh-llm, Parallax or prima.cpp.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="SCENARIO", help="YAML file to write; it must not exist.")
    ],
    model: Annotated[str, typer.Option(metavar="PRESET", help="Model of the scenario, such as llama-3-8b.")],
    bytes_per_weight: Annotated[
        float, typer.Option(min=0.01, max=16, help="Bytes per weight, such as 0.5625 for 4-bit weights.")
    ] = 2.0,
    prompt: Annotated[int, typer.Option(min=1, help="Tokens of the prompt.")] = 64,
    output: Annotated[int, typer.Option(min=1, help="Tokens to generate.")] = 64,
    form: Annotated[
        str | None,
        typer.Option("--format", help="exo, mesh-llm, parallax or prima.cpp; by default from the content."),
    ] = None,
    memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Memory of devices without a measured one in the file.")
    ] = None,
    compute: Annotated[
        str | None, typer.Option(metavar="SPEED", help="Speed of devices without a measured one in the file.")
    ] = None,
    memory_bandwidth: Annotated[
        str | None,
        typer.Option(metavar="RATE", help="Memory bandwidth of devices without a measured one in the file."),
    ] = None,
    bandwidth: Annotated[
        str | None, typer.Option(metavar="RATE", help="Bandwidth of the links; the files have none.")
    ] = None,
    latency: Annotated[
        str | None, typer.Option(metavar="TIME", help="One-way latency of links without one in the file.")
    ] = None,
) -> None:
    """Write a scenario with the cluster in a file of another program.

    The library of devices and links gives values that neither the file nor an option has. Comments in the scenario give
    the origin of each value.

    Example: headway import status.json --model llama-3-8b --bandwidth "1 Gbit/s" --latency "0.2 ms" -o lab.yaml
    """
    with reported():
        from headway.simcore.files.imported_scenario import Additions

        assumed = {
            "memory": memory,
            "compute": compute,
            "memory_bandwidth": memory_bandwidth,
            "bandwidth": bandwidth,
            "latency": latency,
        }
        additions = Additions(
            model=model, bytes_per_weight=bytes_per_weight, prompt=prompt, output=output, assumed=assumed
        )
        _write(out, file, form, additions)


def _write(out: Path, file: str, form: str | None, additions: "Additions") -> None:
    """Write the scenario, which must not exist yet, and print what is in it."""
    from headway.analysis.files.whole_file import write_whole
    from headway.simcore.files.imported_scenario import imported_scenario
    from headway.simcore.files.importers.clusterfile import read_cluster_file
    from headway.traces.errors import InputError

    if out.exists():
        raise InputError(str(out), "an existing file", "a new file, so that no scenario is lost")
    program, cluster = read_cluster_file(file, form)
    text = imported_scenario(cluster, program, file, additions)
    write_whole(out, lambda path: path.write_text(text, encoding="utf-8"))
    show(f"{out}: a cluster of {program} (devices: {len(cluster.nodes)}, links: {len(cluster.connections)})")
