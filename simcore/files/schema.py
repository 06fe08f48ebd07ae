"""What can be written in a scenario file.

These classes are the file format: names, units, defaults, bounds. `docs/scenario.md` is generated from them.
"""

from functools import partial
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from headway.simcore.engine.compute import DISCIPLINES
from headway.simcore.engine.network.network import SHARING_RULES
from headway.simcore.engine.network.transport import TRANSPORTS
from headway.simcore.engine.serving.scheduler import SCHEDULERS
from headway.simcore.files.bounds import (
    LARGEST,
    MOST_DEVICES,
    MOST_LINKS,
    MOST_REQUESTS,
    MOST_SEEDS,
    MOST_TOKENS,
)
from headway.simcore.files.section import Section as _Section
from headway.simcore.registry import Registry
from headway.simcore.steps.patterns import PATTERNS
from headway.simcore.world.cost import COST_MODELS
from headway.simcore.world.device_time import DEVICE_TIMES
from headway.traces.errors import InputError, one_of, shown
from headway.traces.units import ACCEPTED, UNITS, Quantity, parse

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
"""What a name is made of, as a pattern: nothing that means something to a shell, or leads out of a folder."""

RESERVED = frozenset(
    ("con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10)))
)
"""Names that Windows keeps for devices, whatever follows them after a dot."""


def bounded(value: object, quantity: Quantity, where: str) -> float:
    """A quantity as a user wrote it, in SI units; so small that sums and products of a few stay far from infinity."""
    number = parse(value, quantity, where)
    if number > LARGEST:
        accepted = f"{ACCEPTED[quantity]}, at most {LARGEST:g} {_base(quantity)}".rstrip()
        raise InputError(where, shown(value), accepted)
    return number


def _base(quantity: Quantity) -> str:
    """The unit in which a quantity is kept."""
    return next(unit for unit, factor in UNITS[quantity].items() if factor == 1.0)


def _quantity(quantity: Quantity, least: float = 0.0) -> BeforeValidator:
    def read(value: object) -> float:
        try:
            number = bounded(value, quantity, "")
        except InputError as error:
            raise _told(error.found, error.accepted) from error
        if number < least:
            raise _told(shown(value), f"{ACCEPTED[quantity]}, at least {least:g} {_base(quantity)}")
        return number

    return BeforeValidator(read, json_schema_input_type=str)


def _told(found: str, accepted: str) -> PydanticCustomError:
    """A mistake in the words of an `InputError`; `load.py` adds where it stands."""
    return PydanticCustomError("told", "{accepted}", {"found": found, "accepted": accepted})


def _part(registry: Registry[Any]) -> AfterValidator:
    """The name of a part of the simulator that is shipped or installed."""
    return AfterValidator(partial(_registered, registry=registry))


def _registered(name: str, *, registry: Registry[Any]) -> str:
    if name not in registry.names():
        raise _told(shown(name), one_of(name, registry.names()))
    return name


def _decision_time(value: object) -> object:
    if value in ("free", "measured"):
        return value
    try:
        return bounded(value, "time", "")
    except InputError as error:
        raise _told(error.found, f'"free", "measured", or {error.accepted}') from error


def _connect(value: object) -> object:
    if value == "all":
        return value
    if isinstance(value, list) and value and all(_is_pair(pair) for pair in value):
        return value
    raise _told(shown(value), '"all", or a list of pairs of device names such as [[laptop, pi], [pi, phone]]')


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(name, str) for name in value)


def _routes(value: object) -> object:
    if isinstance(value, list) and all(_is_path(path) for path in value):
        return value
    raise _told(shown(value), "a list of lists of node names such as [[laptop, switch, pi]]")


def _is_path(value: object) -> bool:
    return isinstance(value, list) and len(value) >= 2 and all(isinstance(name, str) for name in value)


def _placement(value: object) -> object:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, dict) and value and all(_is_items(items) for items in value.values()):
        return value
    raise _told(
        shown(value), "the path of a file, or what each device has, such as {laptop: layers 0-9, pi: rest}"
    )


def _is_items(value: object) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list) and all(isinstance(item, str) for item in value)
    )


def _policy(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


Seconds: TypeAlias = Annotated[float, _quantity("time")]
Bytes: TypeAlias = Annotated[float, _quantity("size")]
Rate: TypeAlias = Annotated[float, _quantity("rate")]
SomeBytes: TypeAlias = Annotated[float, _quantity("size", least=1.0)]
SomeRate: TypeAlias = Annotated[float, _quantity("rate", least=1.0)]
Frequency: TypeAlias = Annotated[float, _quantity("frequency", least=1e-9)]
SomeCompute: TypeAlias = Annotated[float, _quantity("compute", least=1.0)]
Count: TypeAlias = Annotated[int, Field(ge=1, le=MOST_TOKENS)]


def _file_name(name: str) -> str:
    if name.endswith(".") or name.partition(".")[0].lower() in RESERVED:
        raise _told(
            shown(name),
            "a name that can be that of a file on every system: not con or nul, no dot at its end",
        )
    return name


Name: TypeAlias = Annotated[str, Field(pattern=f"^{NAME}$")]
FileName: TypeAlias = Annotated[Name, AfterValidator(_file_name)]
End: TypeAlias = Literal["hold", "loop", "zero"]


class TraceForm(_Section):
    """What every form of a trace that varies may have beside its own keys."""

    scale: float = Field(1.0, ge=0, description="every value is multiplied by it")
    shift: Seconds = Field(0.0, description="the trace begins so much later in itself")


class FileTrace(TraceForm):
    """A trace read from a file."""

    file: str = Field(min_length=1, description="path, relative to the scenario file")
    format: str | None = Field(None, description="its format, where it is not recognised from the content")
    unit: str | None = Field(None, description="unit of the values, where the file does not say")
    time_unit: str | None = Field(None, description="unit of the times, where the file does not say")
    end: End | None = Field(None, description="what follows the last value; by default what the format says")
    column: str | None = Field(None, description="column with the values, by name or number from 1")
    time_column: str | None = Field(None, description="column with the times, likewise")
    load: bool | None = Field(
        None,
        description="the file has the share of a device that others use: `true` for what they leave of it",
    )
    repair: bool | None = Field(
        None, description="rows in columns that are not in order are left out or merged, and not refused"
    )
    max_gap: Seconds | None = Field(None, description="longer steps from row to row are shortened to this")
    select: str | None = Field(None, description="which recording, in formats with several in one file")
    where: dict[str, str | float] | None = Field(
        None, description="only rows that have these values in these columns, such as `{run: 3}`"
    )
    merge: Literal["mean", "sum", "first"] | None = Field(
        None, description="with `repair`, what becomes of rows of one time; by default their mean"
    )
    step: Seconds | None = Field(
        None, description="time from one row to the next, of rows in columns without a time"
    )


class ShippedTrace(TraceForm):
    """A trace that comes with Headway; `headway run --list` names them."""

    shipped: str = Field(description="its name")
    end: End | None = Field(None, description="what follows the last value; by default what the format says")


class StepsTrace(TraceForm):
    """A trace written out as pairs of time and value."""

    steps: Annotated[list[Annotated[list[Any], Field(min_length=2, max_length=2)]], Field(min_length=1)] = (
        Field(
            description='pairs such as ["10 s", "50 Mbit/s"]; the first at "0 s", each value holds until the next'
        )
    )
    end: End = Field("hold", description="what follows the last value")
    duration: Seconds | None = Field(None, description="length of one round (loop) or of the whole (zero)")


class GeneratedTrace(TraceForm):
    """A seeded synthetic trace; every link and device draws its own.

    Attributes:
        kind: its name in `traces.generate.KINDS`.
        needs: what its values must be to one another.
    """

    kind: ClassVar[str]
    needs: ClassVar[str]


class WalkTrace(GeneratedTrace):
    """A seeded log-normal random walk; every link and device draws its own."""

    kind: ClassVar[str] = "walk"
    needs: ClassVar[str] = "a mean, a step and a duration above 0, the duration not below the step"

    walk_mean: Any = Field(description="mean value, with its unit")
    sigma: float = Field(gt=0, le=3, description="standard deviation of the logarithm of the values")
    step: Seconds = Field(description="time from one value to the next")
    duration: Seconds = Field(description="length of one round; the walk then repeats")
    correlation: float = Field(0.9, ge=0, lt=1, description="correlation of one logarithm with the next")


class RevertingTrace(GeneratedTrace):
    """A seeded Ornstein-Uhlenbeck process, cut off at 0; every link and device draws its own."""

    kind: ClassVar[str] = "ornstein-uhlenbeck"
    needs: ClassVar[str] = "a step and a duration above 0, the duration not below the step"

    reverting_mean: Any = Field(description="mean before values below 0 are cut off, with its unit")
    deviation: Any = Field(description="standard deviation before that, with its unit")
    relaxation: Seconds = Field(description="time in which the distance from the mean falls to 1/e")
    step: Seconds = Field(description="time from one value to the next")
    duration: Seconds = Field(description="length of one round; the trace then repeats")


class TwoStateTrace(GeneratedTrace):
    """A seeded Gilbert-Elliott process: two values in turn, each for an exponentially distributed time."""

    kind: ClassVar[str] = "gilbert-elliott"
    needs: ClassVar[str] = "a bad value below the good one, and mean times and a duration above 0"

    good: Any = Field(description="value in the good state, with its unit")
    bad: Any = Field(description="value in the bad state, with its unit")
    good_time: Seconds = Field(description="mean time in the good state until the next change")
    bad_time: Seconds = Field(description="mean time in the bad state")
    duration: Seconds = Field(description="length of one round; the trace then repeats")


class DiurnalTrace(GeneratedTrace):
    """A daily wave, with seeded noise on request; every link and device draws its own."""

    kind: ClassVar[str] = "diurnal"
    needs: ClassVar[str] = (
        "a mean and a step above 0, an amplitude of at most the mean, a period of at least two steps, a duration of at "
        "least one"
    )

    diurnal_mean: Any = Field(description="mean value, with its unit")
    amplitude: Any = Field(description="height of the wave over the mean, with its unit")
    period: Seconds = Field(description="length of a wave")
    peak: Seconds = Field(0.0, description="when the wave is highest")
    sigma: float = Field(0.0, ge=0, le=3, description="standard deviation of the logarithm of the noise")
    correlation: float = Field(0.0, ge=0, lt=1, description="correlation of one logarithm with the next")
    step: Seconds = Field(description="time from one value to the next")
    duration: Seconds = Field(description="length of one round; the trace then repeats")


class FadingTrace(GeneratedTrace):
    """A seeded Rayleigh or Rician fading channel; every link and device draws its own."""

    kind: ClassVar[str] = "fading"
    needs: ClassVar[str] = (
        "a mean, a step and a duration above 0, the duration not below the step, the step not above two coherence times"
    )

    fading_mean: Any = Field(description="mean value, with its unit")
    coherence: Seconds = Field(
        description="time over which the correlation of the diffuse power falls to 1/2"
    )
    rice_factor: float = Field(
        0.0,
        ge=0,
        le=1000,
        description="power of the direct wave over that of all others; 0 is Rayleigh fading",
    )
    step: Seconds = Field(description="time from one value to the next")
    duration: Seconds = Field(description="length of one round; the trace then repeats")


Generated: TypeAlias = WalkTrace | RevertingTrace | TwoStateTrace | DiurnalTrace | FadingTrace
"""The section of a synthetic trace, of any kind."""


def generated_key(section: type[Generated], parameter: str) -> str:
    """The key under which a section has a parameter of its kind, for example `walk_mean` for the mean of a walk."""
    name = parameter.removesuffix("_s")
    return next(
        key for key in section.model_fields if key == name or (name == "mean" and key.endswith("_mean"))
    )


_TRACE_KEYS = (
    "file",
    "shipped",
    "steps",
    "walk_mean",
    "reverting_mean",
    "good",
    "diurnal_mean",
    "fading_mean",
)


def _keyed(keys: tuple[str, ...], otherwise: str) -> Discriminator:
    """Tells sections apart by the key that only one of them has; what is no mapping is tagged `otherwise`."""

    def tag(value: object) -> str:
        if isinstance(value, dict):
            return next((f"({key})" for key in keys if key in value), "(unknown)")
        return otherwise

    return Discriminator(tag)


def _unknown(what: str, keys: tuple[str, ...]) -> BeforeValidator:
    """Refuses a mapping with none of the keys."""

    def refuse(value: dict[str, object]) -> object:
        found = f"the keys {shown(list(value))}" if value else "no keys"
        raise _told(found, f"{what} one of the keys {', '.join(keys)}")

    return BeforeValidator(refuse)


TraceSection: TypeAlias = Annotated[
    Annotated[Any, Tag("(constant)")]
    | Annotated[FileTrace, Tag("(file)")]
    | Annotated[ShippedTrace, Tag("(shipped)")]
    | Annotated[StepsTrace, Tag("(steps)")]
    | Annotated[WalkTrace, Tag("(walk_mean)")]
    | Annotated[RevertingTrace, Tag("(reverting_mean)")]
    | Annotated[TwoStateTrace, Tag("(good)")]
    | Annotated[DiurnalTrace, Tag("(diurnal_mean)")]
    | Annotated[FadingTrace, Tag("(fading_mean)")]
    | Annotated[Any, _unknown("a value with its unit, or a trace with", _TRACE_KEYS), Tag("(unknown)")],
    _keyed(_TRACE_KEYS, "(constant)"),
]


class Shape(_Section):
    """A decoder described by its shape."""

    layers: int = Field(ge=1, le=1000, description="decoder layers, N")
    width: int = Field(ge=1, le=1_000_000, description="model width, D")
    heads: int = Field(ge=1, le=10_000, description="query heads per layer, h")
    kv_heads: int | None = Field(
        None, ge=1, le=10_000, description="key/value heads per layer; as many as heads"
    )
    head_size: int | None = Field(None, ge=1, le=100_000, description="size of a head, d; width / heads")
    ffn_width: int | None = Field(None, ge=1, le=10_000_000, description="feed-forward width, F; 4 * width")
    gated_ffn: bool = Field(False, description="three matrices in the feed-forward network instead of two")
    vocabulary: int = Field(0, ge=0, le=100_000_000, description="size of the vocabulary, V")


class ModelSection(_Section):
    """The decoder: exactly one of `preset`, `config`, `shape`; number formats may be set beside it."""

    preset: str | None = Field(
        None, description="a model that comes with Headway; `headway run --list` names them"
    )
    config: str | None = Field(
        None, min_length=1, description="path of a Hugging Face config.json, relative to the scenario file"
    )
    shape: Shape | None = Field(None, description="the shape, written out")
    bytes_per_weight: float | None = Field(
        None, gt=0, le=16, description="4-bit groups with scales are 0.5625"
    )
    bytes_per_kv: float | None = Field(None, gt=0, le=16, description="bytes per entry of the K/V cache")
    bytes_per_activation: float | None = Field(None, gt=0, le=16, description="bytes per number on the wire")


class CostSection(_Section):
    """How blocks are costed."""

    model: Annotated[str, _part(COST_MODELS)] = Field("decode", description="see docs/model.md")
    ffn_shards: int = Field(1, ge=1, le=10_000, description="blocks of columns of each feed-forward network")
    projection: Literal["gathered", "sharded"] | None = Field(
        None,
        description="W_O in a block of its own, or each head's rows with the head; by default as `execution` says",
    )
    ffn_factor: float = Field(
        8.0, gt=0, le=1e6, description="`paper` only: feed-forward work in units of L * D^2"
    )


class BlocksSection(_Section):
    """Which blocks there are beside heads, projections and feed-forward networks."""

    embed: bool | None = Field(None, description="the embedding is a block; by default under `decode`")
    lm_head: bool | None = Field(None, description="the output head is a block; by default under `decode`")


class DeviceSection(_Section):
    """A device, or several of a kind."""

    count: int = Field(1, ge=1, le=MOST_DEVICES, description="more than one are called NAME-1, NAME-2, ...")
    memory: SomeBytes = Field(description="capacity")
    compute: SomeCompute = Field(description="peak speed")
    memory_bandwidth: SomeRate | None = Field(None, description="unlimited by default")
    overhead: Seconds = Field(
        0.0, description="fixed time per task: all blocks of one kind and layer on the device"
    )
    disk: SomeRate | None = Field(
        None,
        description="rate at which swapped bytes and weights are read; needed where memory may swap or weights load",
    )
    runtime_memory: SomeBytes = Field(
        0.0, description="what the inference engine itself takes, beside the model, where there are blocks"
    )
    availability: TraceSection = Field(
        1.0, description="share that is free for the model, 0 to 1 or in %; synthetic traces are cut off at 1"
    )
    memory_used: TraceSection = Field("0 B", description="memory taken by others")
    discipline: Annotated[str, _part(DISCIPLINES)] = Field(
        "fifo", description="tasks run one after another, or all at once on equal shares"
    )
    nic_up: TraceSection = Field(
        None, description="rate at which it sends over all its links together; by default only they limit it"
    )
    nic_down: TraceSection = Field(None, description="rate at which it receives, likewise")


class FrameSection(_Section):
    """What a frame carries, and the airtime that it takes beside its bytes; for `sharing: airtime` only."""

    size: SomeBytes = Field("1500 B", validate_default=True, description="payload")
    overhead: Seconds = Field(
        "98 us",
        validate_default=True,
        description="airtime per frame beside that of its payload; by default that of 802.11g without back-off",
    )


class MediumSection(_Section):
    """A half-duplex medium, such as a Wi-Fi cell: all links on it, in both directions, have one budget together."""

    bandwidth: TraceSection = Field(
        description="the budget; under `sharing: airtime` the highest PHY rate, that of links without `bandwidth`"
    )
    frame: FrameSection = FrameSection()


class LinkSection(_Section):
    """A link between two nodes (devices or relays), or links of one kind between several pairs."""

    connect: Annotated[Literal["all"] | list[list[str]], BeforeValidator(_connect)] = Field(
        description='"all" for every pair of devices, or a list of pairs; a device with a count stands for all of them'
    )
    bandwidth: TraceSection = Field(
        None, description="rate in each direction; may only be left out where `medium` gives one"
    )
    medium: str | None = Field(
        None, description="what it shares with all links that name the same medium, one of `media`"
    )
    latency: TraceSection = Field("0 s", description="one-way; a message pays what it is when it is sent")
    overhead: Seconds = Field(0.0, description="fixed time per message")


class _Topology(_Section):
    """What all kinds of topology have in common."""

    kind: str
    members: list[str] | None = Field(
        None,
        min_length=1,
        description="names of devices, of devices with a count, and of relays; every device by default",
    )
    bandwidth: TraceSection = Field(
        None, description="rate of each link in each direction; may only be left out where `medium` gives one"
    )
    medium: str | None = Field(None, description="what all the links share, one of `media`")
    latency: TraceSection = Field("0 s", description="one-way, of each link")
    overhead: Seconds = Field(0.0, description="fixed time per message and link")


class PlainTopology(_Topology):
    """Each member linked with every other (`mesh`), with the next (`line`), or so in a circle (`ring`)."""

    kind: Literal["mesh", "line", "ring"] = Field(description="the shape")


class StarTopology(_Topology):
    """Each member linked with one relay, a switch or an access point."""

    kind: Literal["star"] = Field(description="the shape")
    relay: Name | None = Field(None, description="name of the relay; the name of the topology by default")


class TreeTopology(_Topology):
    """The first member is the root, the next ones are its children, and so on, level by level."""

    kind: Literal["tree"] = Field(description="the shape")
    branching: int = Field(2, ge=1, le=MOST_DEVICES, description="children of each member")


class GeometricTopology(_Topology):
    """Members at random places of a unit square, linked where they are near; parts are joined by the shortest links."""

    kind: Literal["geometric"] = Field(description="the shape")
    radius: float = Field(
        gt=0, le=2, description="longest distance over which two are linked; the square has side 1"
    )


class BackboneSection(_Section):
    """The wired links between access points and their switch."""

    bandwidth: TraceSection = Field(description="rate in each direction")
    latency: TraceSection = Field("0 s", description="one-way; a message pays what it is when it is sent")
    overhead: Seconds = Field(0.0, description="fixed time per message")


class CellsTopology(_Section):
    """Wi-Fi cells, each a star over an access point with a medium of its own; a switch wires the access points."""

    kind: Literal["cells"] = Field(description="the shape")
    cells: Annotated[list[Annotated[list[str], Field(min_length=1)]], Field(min_length=1)] = Field(
        description="for each cell, names as in `members` above"
    )
    bandwidth: TraceSection = Field(description="rate of each medium, which its cell shares")
    frame: FrameSection = FrameSection()
    latency: TraceSection = Field("0 s", description="one-way, of each link in a cell")
    overhead: Seconds = Field(0.0, description="fixed time per message and link in a cell")
    backbone: BackboneSection


class FileTopology(_Section):
    """A graph from a file, GraphML or node-link JSON."""

    file: str = Field(min_length=1, description="path, relative to the scenario file")
    ignore: list[str] = Field(
        default_factory=list, description="attributes of nodes and edges that mean nothing here"
    )
    bandwidth: TraceSection = Field(None, description="of edges without the attribute")
    medium: str | None = Field(None, description="of edges without the attribute, one of `media`")
    latency: TraceSection = Field("0 s", description="of edges without the attribute")
    overhead: Seconds = Field(0.0, description="of edges without the attribute")


_TOPOLOGIES = {
    "mesh": "plain",
    "line": "plain",
    "ring": "plain",
    "star": "star",
    "tree": "tree",
    "geometric": "geometric",
    "cells": "cells",
}


def _topology_kind(value: object) -> str:
    if not isinstance(value, dict):
        return "(unknown)"
    if "file" in value:
        return "(file)"
    kind = value.get("kind")
    return f"({_TOPOLOGIES.get(kind, 'unknown')})" if isinstance(kind, str) else "(unknown)"


def _unknown_topology(value: object) -> object:
    if isinstance(value, dict) and "kind" in value:
        kind = value["kind"]
        problem = {"key": "kind", "found": shown(kind), "accepted": one_of(str(kind), _TOPOLOGIES)}
        raise PydanticCustomError("told", "{accepted}", problem)
    found = f"the keys {shown(list(value))}" if isinstance(value, dict) else shown(value)
    raise _told(found, f"a mapping with a file or a kind, {one_of('', _TOPOLOGIES)}")


TopologySection: TypeAlias = Annotated[
    Annotated[PlainTopology, Tag("(plain)")]
    | Annotated[StarTopology, Tag("(star)")]
    | Annotated[TreeTopology, Tag("(tree)")]
    | Annotated[GeometricTopology, Tag("(geometric)")]
    | Annotated[CellsTopology, Tag("(cells)")]
    | Annotated[FileTopology, Tag("(file)")]
    | Annotated[Any, BeforeValidator(_unknown_topology), Tag("(unknown)")],
    Discriminator(_topology_kind),
]


class FaultSection(_Section):
    """Something that happens to a device or a link: one of `down`, `slowed_to` and `online`."""

    device: str | None = Field(None, description="which device; one with a count stands for all of them")
    link: str | None = Field(None, description="which link; one that stands for several, for all of them")
    down: Seconds | None = Field(None, description="when it goes down; a device loses all that it holds")
    up: Seconds | None = Field(None, description="when it is back; never by default")
    slowed_to: Any = Field(None, description="share of its speed or bandwidth that is left, 0 to 1 or in %")
    since: Seconds = Field(0.0, description="when it is slowed down")
    until: Seconds | None = Field(None, description="when it no longer is; never by default")
    online: TraceSection | None = Field(
        None, description="a trace that is 1 while it is up and 0 while it is down"
    )


class NetworkSection(_Section):
    """How messages share links."""

    sharing: Annotated[str, _part(SHARING_RULES)] = Field(
        "fair",
        description="`fair`: messages share what they meet, max-min fair; `airtime`: likewise, but media share their "
        "airtime and not bytes; `dedicated`: each message has its whole way for itself",
    )
    transport: Annotated[str, _part(TRANSPORTS)] = Field(
        "ideal", description="latency and bytes over rate, or also handshake, headers and slow start"
    )
    connection: Literal["fresh", "persistent"] = Field(
        "fresh", description="`tcp` only: one for every message, or one that is kept for each pair of devices"
    )
    idle_restart: bool = Field(
        True, description="a `persistent` connection that was idle starts again with a small window"
    )


class RequestSection(_Section):
    """A sequence to generate."""

    prompt: Count = Field(description="tokens of the prompt")
    output: Count = Field(description="tokens to generate")
    arrival: Seconds = Field(0.0, description="when it arrives at the source")


class UniformLength(_Section):
    """A number of tokens between two, all equally likely."""

    uniform: Annotated[list[Count], Field(min_length=2, max_length=2)] = Field(
        description="the least and the most, both possible"
    )


class LogNormalLength(_Section):
    """A number of tokens whose logarithm is normal: most are short, a few are long."""

    lognormal_mean: float = Field(ge=1, le=MOST_TOKENS, description="mean, before rounding and cutting off")
    sigma: float = Field(gt=0, le=3, description="standard deviation of the logarithm")
    most: Count = Field(MOST_TOKENS, description="longer ones are cut off there")


class GeometricLength(_Section):
    """A number of tokens after each of which the text ends with the same probability."""

    geometric_mean: float = Field(ge=1, le=MOST_TOKENS, description="mean, before cutting off")
    most: Count = Field(MOST_TOKENS, description="longer ones are cut off there")


_LENGTH_KEYS = ("uniform", "lognormal_mean", "geometric_mean")


Length: TypeAlias = Annotated[
    Annotated[Count, Tag("(fixed)")]
    | Annotated[UniformLength, Tag("(uniform)")]
    | Annotated[LogNormalLength, Tag("(lognormal_mean)")]
    | Annotated[GeometricLength, Tag("(geometric_mean)")]
    | Annotated[Any, _unknown("a number of tokens, or a distribution with", _LENGTH_KEYS), Tag("(unknown)")],
    _keyed(_LENGTH_KEYS, "(fixed)"),
]


class PoissonWorkload(_Section):
    """Requests that arrive independently of each other, with seeded times and lengths."""

    poisson: Frequency = Field(description="mean number of arrivals in a time")
    count: int = Field(ge=1, le=MOST_REQUESTS, description="how many requests")
    prompt: Length = Field(description="tokens of each prompt")
    output: Length = Field(description="tokens to generate for each")


class FileWorkload(_Section):
    """Requests as a log has them."""

    file: str = Field(min_length=1, description="path, relative to the scenario file")
    format: str | None = Field(None, description="its format, where it is not recognised from the first line")
    columns: dict[str, str] | None = Field(
        None, description="of a log with other names: the columns of `arrival`, `prompt` and `output`"
    )
    time_unit: str | None = Field(
        None, description="of arrivals in such a log; where nobody says it, they are dates"
    )
    start: Seconds = Field(0.0, description="leave out what came sooner than this after the first row")
    limit: int | None = Field(None, ge=1, le=MOST_REQUESTS, description="take so many and no more")
    stretch: float = Field(
        1.0,
        gt=0,
        le=1e6,
        description="make times between arrivals longer by this; logs of large clusters are dense",
    )
    most_prompt: Count = Field(MOST_TOKENS, description="longer prompts are cut off there")
    most_output: Count = Field(MOST_TOKENS, description="longer outputs are cut off there")


_WORKLOAD_KEYS = ("poisson", "file")

Workload: TypeAlias = Annotated[
    Annotated[list[RequestSection], Field(min_length=1, max_length=MOST_REQUESTS), Tag("(requests)")]
    | Annotated[PoissonWorkload, Tag("(poisson)")]
    | Annotated[FileWorkload, Tag("(file)")]
    | Annotated[Any, _unknown("a list of requests, or a mapping with", _WORKLOAD_KEYS), Tag("(unknown)")],
    _keyed(_WORKLOAD_KEYS, "(requests)"),
]


class ControllerSection(_Section):
    """When the policy is asked, and what follows."""

    interval: Count = Field(1, description="tokens from one decision to the next")
    window: Seconds = Field(
        1.0,
        description="policies see rates and availabilities as means over this time; 0 s shows the very instant",
    )
    migration: Literal["blocking", "live"] = Field(
        "blocking",
        description="decoding waits until all moves are done, or goes on meanwhile and waits for the rest only",
    )
    weights_on_disk: bool = Field(
        False,
        description="blocks that move send their cache only; their weights come from the `disk` of the new device",
    )
    on_infeasible: Literal["keep", "fail"] = Field(
        "keep", description="keep the placement in force, or end the run"
    )
    decision_time: Annotated[Literal["free", "measured"] | float, BeforeValidator(_decision_time)] = Field(
        "free",
        description='what a decision costs in simulated time: nothing, what it really took, or a time ("5 ms")',
    )


class MemorySection(_Section):
    """What happens when a device holds more than it can."""

    overflow: Literal["fail", "swap"] = Field("fail", description="end the run, or read from disk every step")
    swap: Literal["pinned", "lru", "prefetch"] = Field(
        "pinned",
        description="what is read then: what does not fit; all, as of files that are mapped into memory; or what does "
        "not fit, while the device computes",
    )


class PolicySection(_Section):
    """A policy with parameters."""

    name: str = Field(description="a registered policy; `headway run --list` names them")
    label: str | None = Field(
        None, min_length=1, max_length=64, description="its name in results; the policy's name by default"
    )
    parameters: dict[str, Any] = Field(default_factory=dict, description="as the policy documents them")


Policies: TypeAlias = list[Annotated[PolicySection, BeforeValidator(_policy)]]


class ScenarioFile(_Section):
    """A scenario file."""

    headway: Literal[1] = Field(1, description="version of this format")
    name: FileName | None = Field(
        None, description="letters, digits and `._-`; the name of the file by default"
    )
    description: str = Field("", description="for people")
    seed: int = Field(0, ge=0, lt=MOST_SEEDS, description="of everything random in the world")
    model: ModelSection
    cost: CostSection = CostSection()
    execution: Annotated[str, _part(PATTERNS)] | None = Field(
        None,
        description="who sends what to whom in a step: devices send the outputs of all their heads, or one sum; "
        "by default as `cost.projection` says",
    )
    device_time: Annotated[str, _part(DEVICE_TIMES)] = Field(
        "roofline", description="how long devices take: from their peak speed and memory bandwidth"
    )
    scheduler: Annotated[str, _part(SCHEDULERS)] = Field(
        "fcfs",
        description="which sequences are in each step: one at a time, from its first token to its last",
    )
    blocks: BlocksSection = BlocksSection()
    source: str | None = Field(
        None, description="device with the prompt, to which tokens return; the first by default"
    )
    devices: dict[Name, DeviceSection] = Field(min_length=1)
    relays: list[Name] = Field(
        default_factory=list,
        max_length=MOST_DEVICES,
        description="nodes at which links meet and nothing is placed: switches, access points",
    )
    media: dict[Name, MediumSection] = Field(default_factory=dict, max_length=MOST_DEVICES)
    topology: dict[Name, TopologySection] = Field(
        default_factory=dict,
        description="networks of a known shape, or from a file, beside or instead of `links`",
    )
    links: dict[Name, LinkSection] = Field(default_factory=dict)
    routes: Annotated[list[list[str]], BeforeValidator(_routes)] = Field(
        default_factory=list,
        max_length=MOST_LINKS,
        description="paths of nodes that messages between the first and the last take, in both directions; "
        "every other route is the one of least latency",
    )
    network: NetworkSection = NetworkSection()
    faults: list[FaultSection] = Field(
        default_factory=list, max_length=10_000, description="devices and links that fail or are slowed down"
    )
    workload: Workload = Field(description="the requests: one by one, as a Poisson process, or from a log")
    controller: ControllerSection = ControllerSection()
    memory: MemorySection = MemorySection()
    placement: Annotated[str | dict[str, str | list[str]] | None, BeforeValidator(_placement)] = Field(
        None, description="what each device has, for the policy `pinned`; or the path of a file that says so"
    )
    policies: Policies = Field(
        default_factory=list, description="to compare; a name alone stands for a policy without parameters"
    )
