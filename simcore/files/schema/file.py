"""The top level of a scenario file."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from headway.simcore.engine.serving.scheduler import SCHEDULERS
from headway.simcore.files.bounds import MOST_DEVICES, MOST_LINKS, MOST_SEEDS
from headway.simcore.files.schema.controller import ControllerSection, Policies, as_placement
from headway.simcore.files.schema.devices import DeviceSection, MemorySection
from headway.simcore.files.schema.engine import PipelineSection
from headway.simcore.files.schema.faults import FaultSection
from headway.simcore.files.schema.links import LinkSection, MediumSection, NetworkSection, as_routes
from headway.simcore.files.schema.model import BlocksSection, CostSection, ModelSection
from headway.simcore.files.schema.topology import TopologySection
from headway.simcore.files.schema.values import FileName, LinkName, Name, part
from headway.simcore.files.schema.workload import Workload
from headway.simcore.files.section import Section
from headway.simcore.steps.patterns import PATTERNS
from headway.simcore.world.device_time import DEVICE_TIMES
from headway.simcore.world.options import ExecutorChoice


class ScenarioFile(Section):
    """A scenario file."""

    headway: Literal[1] = Field(1, description="version of the file format")
    name: FileName | None = Field(None, description="letters, digits and `._-`; by default that of the file")
    description: str = Field("", description="free text")
    seed: int = Field(0, ge=0, lt=MOST_SEEDS, description="seed of all random values")
    model: ModelSection
    cost: CostSection = CostSection()
    execution: Annotated[str, part(PATTERNS)] | None = Field(
        None,
        description="execution pattern of a step: devices send the outputs of all their heads (`gathered`) or one "
        "partial sum (`sharded`) to the projection; the source broadcasts and gathers 2, 3 or 4 times per layer "
        "(`star-2`, `star-3`, `star-4`); all devices add their sums (`mesh-2`, `ring`, `recursive-doubling`); or "
        "hidden states pass from device to device (`pipeline`); by default the pattern for `cost.projection`",
    )
    pipeline: PipelineSection | None = None
    profile: str | None = Field(
        None,
        description="engine profile, such as `llama.cpp-rpc`: the execution pattern, number formats and costs of a "
        "real inference engine; other keys of this file precede those of the profile",
    )
    device_time: Annotated[str, part(DEVICE_TIMES)] = Field(
        "roofline", description="model of the time of a task; `roofline` uses peak speed and memory bandwidth"
    )
    scheduler: Annotated[str, part(SCHEDULERS)] = Field(
        "fcfs",
        description="chooses the sequences of each step; `fcfs` serves one request after another",
    )
    executor: ExecutorChoice = Field(
        "auto",
        description="code that carries out the steps: `events` (SimPy), `compiled` (array code, faster in long runs), "
        "or `auto`, which chooses by the size of the run; the results agree to 1e-9 of each value",
    )
    blocks: BlocksSection = BlocksSection()
    source: str | None = Field(
        None, description="device that holds the prompt and receives the tokens; the first device by default"
    )
    library: str | None = Field(
        None,
        min_length=1,
        description="path of a file that changes or adds devices and links of the [library](devices.md), or changes "
        "costs of engine profiles",
    )
    devices: dict[Name, DeviceSection] = Field(min_length=1)
    relays: list[Name] = Field(
        default_factory=list,
        max_length=MOST_DEVICES,
        description="nodes that forward messages and hold no blocks, such as switches and access points",
    )
    media: dict[Name, MediumSection] = Field(default_factory=dict, max_length=MOST_DEVICES)
    topology: dict[Name, TopologySection] = Field(
        default_factory=dict,
        description="networks of a known shape or from a file, in addition to `links` or instead of them",
    )
    links: dict[LinkName, LinkSection] = Field(default_factory=dict)
    routes: Annotated[list[list[str]], BeforeValidator(as_routes)] = Field(
        default_factory=list,
        max_length=MOST_LINKS,
        description="pinned routes, each a list of nodes from one device to another, for both directions; "
        "all other messages take the route of least latency",
    )
    network: NetworkSection = NetworkSection()
    faults: list[FaultSection] = Field(
        default_factory=list, max_length=10_000, description="failures and slowdowns of devices and links"
    )
    workload: Workload = Field(description="the requests: a list, a Poisson process, or a log")
    controller: ControllerSection = ControllerSection()
    memory: MemorySection = MemorySection()
    placement: Annotated[str | dict[str, str | list[str]] | None, BeforeValidator(as_placement)] = Field(
        None, description="items of each device for the policy `pinned`, or the path of a file with them"
    )
    policies: Policies = Field(
        default_factory=list,
        description="policies to compare; a name alone means a policy with default parameters",
    )
