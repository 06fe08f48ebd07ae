"""`headway sweep verify`."""

# ruff: noqa: PLC0415

from pathlib import Path
from typing import Annotated

import typer

from headway.analysis.console.terminal import reported, show


def verify(
    store: Annotated[Path, typer.Argument(metavar="STORE", help="Folder of the store.")],
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Set damaged parts aside, and keep the undamaged tables of them; the next `headway sweep run` makes "
            "again what is lost.",
        ),
    ] = False,
) -> None:
    """Check all files of a store and list damage. The exit code is 3 if damage remains.

    Example: headway sweep verify results/campaigns/weaker-wifi
    """
    with reported():
        from headway.analysis.experiments import Store
        from headway.analysis.store.verify import DAMAGED, damages
        from headway.analysis.store.verify import repair as repaired
        from headway.traces.errors import InputError

        place = Store(store)
        if not place.exists:
            raise InputError(
                str(store), "a folder that is not a campaign store", "a store that `headway sweep run` made"
            )
        damage = repaired(place) if repair else damages(place)
        show(*(f"Damaged: {path}: {words}" for one in damage for path, words in one.files.items()))
        if not damage:
            show(f"No damage: {store}")
        elif repair:
            show(
                f"Repaired: what was damaged is in {store / DAMAGED}; undamaged tables of it are still in the store.",
                "The next `headway sweep run` of each campaign makes again what is missing.",
            )
        else:
            show(f"To repair: headway sweep verify {store} --repair")
            raise typer.Exit(3)
