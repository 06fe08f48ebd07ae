"""All experiments by name, and the cases of the first three.

These are small worlds compared with the optimum, 25 devices over 1000 tokens, and changed assumptions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

from headway.analysis.paper import author_baselines, many_layers, overload
from headway.analysis.paper.placements import SLOWEST
from headway.analysis.paper.runs import Case, choice
from headway.analysis.paper.worlds import World
from headway.simcore import PRESETS
from headway.traces.errors import InputError, one_of, quoted

Experiment: TypeAlias = Literal[
    "small", "medium", "sensitivity", "overload", "author-baselines", "many-layers"
]
EXPERIMENTS: tuple[Experiment, ...] = get_args(Experiment)

SHAPES = tuple(name for name in PRESETS if name.startswith("paper-"))
DEVICES = (3, 4, 5)


POLICIES = (
    *map(choice, ("exact", "resource-aware", "static", "galaxy", "single", "edgeshard")),
    choice("edgeshard (throughput)", objective="throughput"),
    *map(choice, ("greedy", "random", "round-robin", "dynamic-layer", SLOWEST)),
)
"""All policies of the comparisons, in the order in which tables and figures show them."""

SHARDED = tuple(map(choice, ("resource-aware", "galaxy", "single")))
"""Two policies that use shards, and `single` as a baseline."""


@dataclass(frozen=True)
class Scale:
    """Numbers of worlds and tokens.

    Attributes:
        small_worlds: worlds per number of devices and model.
        small_tokens: tokens per small world.
        shapes: models of the small worlds.
        medium_worlds: worlds with 25 devices.
        medium_tokens: tokens per medium world.
        other_worlds: worlds per changed assumption.
        other_tokens: tokens per world with a changed assumption.
        overload_worlds: worlds per case of the experiment `overload`.
        layered_worlds: worlds per case with many layers.
        layered_tokens: tokens per world of the experiment `many-layers`.
    """

    small_worlds: int
    small_tokens: int
    shapes: tuple[str, ...]
    medium_worlds: int
    medium_tokens: int
    other_worlds: int
    other_tokens: int
    overload_worlds: int
    layered_worlds: int
    layered_tokens: int


FULL = Scale(100, 10, SHAPES, 32, 1000, 20, 100, 10, 8, 1000)
QUICK = Scale(4, 5, SHAPES[1:3], 2, 60, 2, 10, 1, 1, 10)


def chosen(name: str) -> tuple[Experiment, ...]:
    """The experiments with a name, or all.

    Raises:
        InputError: no experiment has this name.
    """
    if name == "all":
        return EXPERIMENTS
    matches = tuple(experiment for experiment in EXPERIMENTS if experiment == name)
    if not matches:
        raise InputError("experiment", quoted(name), one_of(name, (*EXPERIMENTS, "all")))
    return matches


def scale(quick: bool) -> Scale:
    """The full or the quick scale."""
    return QUICK if quick else FULL


def cases(experiment: Experiment, scale: Scale) -> tuple[Case, ...]:
    """The cases of an experiment."""
    return _CASES[experiment](scale)


def small(scale: Scale) -> tuple[Case, ...]:
    """3, 4 and 5 devices, a few tokens; every decision is compared with the exact optimum."""
    return tuple(
        Case(
            variant=f"{devices} devices, {shape}",
            world=World(devices=devices, shape=shape, tokens=scale.small_tokens),
            # Different seeds per model, so that worlds in the same table row are independent.
            seeds=tuple(range(number * scale.small_worlds, (number + 1) * scale.small_worlds)),
            choices=POLICIES,
        )
        for devices in DEVICES
        for number, shape in enumerate(scale.shapes)
    )


def medium(scale: Scale) -> tuple[Case, ...]:
    """25 devices and many tokens."""
    world = World(devices=25, tokens=scale.medium_tokens)
    seeds = tuple(range(scale.medium_worlds))
    return (
        Case(
            variant="25 devices",
            world=world,
            seeds=seeds,
            choices=POLICIES,
            every_token=True,
            compare_every=10,
        ),
    )


def sensitivity(scale: Scale) -> tuple[Case, ...]:
    """25 devices with one changed assumption per case; then shards, on devices without background load.

    Scarce memory is also tested with few devices, because head-wise placement is designed for it.
    """
    base = World(devices=25, tokens=scale.other_tokens)
    changed = {
        "as described": base,
        "FFN work 0.8 L D², as in the author's code": replace(base, ffn_factor=0.8),
        "K/V-cached decode costs": replace(base, cost="decode"),
        "no load from others": replace(base, load=0.0, memory_load=0.0),
        "load lasts 10 times as long": replace(base, load_tokens=10.0),
        "links 10 times slower": replace(base, link_scale=0.1),
        "links 10 times faster": replace(base, link_scale=10.0),
        "source is the fastest device": replace(base, source="fastest"),
        "source is the slowest device": replace(base, source="slowest"),
        "a decision every 5 tokens": replace(base, interval=5),
        "a decision every 25 tokens": replace(base, interval=25),
        "memory half full, run fails": replace(base, memory_fill=0.5),
        "memory half full, devices swap": replace(base, memory_fill=0.5, overflow="swap"),
        "3 devices, memory half full, run fails": replace(base, devices=3, memory_fill=0.5),
        "5 devices, memory half full, run fails": replace(base, devices=5, memory_fill=0.5),
    }
    seeds = tuple(range(scale.other_worlds))
    plain = [
        Case(variant=name, world=world, seeds=seeds, choices=POLICIES, compare_every=5)
        for name, world in changed.items()
    ]
    idle = replace(base, load=0.0, memory_load=0.0)
    sharded = [
        Case(
            variant=shard_variant(shards, sharded),
            world=replace(idle, ffn_shards=shards, sharded=sharded),
            seeds=seeds,
            choices=SHARDED,
            compare_every=0,
        )
        for sharded in (False, True)
        for shards in (1, 4, 16)
    ]
    return (*plain, *sharded)


def shard_variant(shards: int, sharded: bool) -> str:
    """Name of a case with shards."""
    return f"{shards} FFN shards, projection {'with the heads' if sharded else 'in one place'}"


_CASES: Mapping[Experiment, Callable[[Scale], tuple[Case, ...]]] = {
    "small": small,
    "medium": medium,
    "sensitivity": sensitivity,
    "overload": lambda scale: overload.cases(scale.overload_worlds, scale.other_tokens),
    "author-baselines": lambda scale: (
        *author_baselines.cases(1, scale.medium_worlds, scale.medium_tokens),
        *author_baselines.cases(many_layers.LAYERS, scale.layered_worlds, scale.other_tokens),
    ),
    "many-layers": lambda scale: many_layers.cases(scale.layered_worlds, scale.layered_tokens),
}
