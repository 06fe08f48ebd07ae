"""A scenario file as a whole."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from headway.simcore.engine.serving.scheduler import SCHEDULERS
from headway.simcore.files.bounds import MOST_DEVICES, MOST_LINKS, MOST_SEEDS
from headway.simcore.files.schema.controller import ControllerSection, Policies, as_placement
from headway.simcore.files.schema.devices import DeviceSection, MemorySection
from headway.simcore.files.schema.faults import FaultSection
from headway.simcore.files.schema.links import LinkSection, MediumSection, NetworkSection, as_routes
from headway.simcore.files.schema.model import BlocksSection, CostSection, ModelSection
from headway.simcore.files.schema.topology import TopologySection
from headway.simcore.files.schema.values import FileName, LinkName, Name, part
from headway.simcore.files.schema.workload import Workload
from headway.simcore.files.section import Section
from headway.simcore.steps.patterns import PATTERNS
from headway.simcore.world.device_time import DEVICE_TIMES


class ScenarioFile(Section):
    """A scenario file."""

    headway: Literal[1] = Field(1, description="version of this format")
    name: FileName | None = Field(
        None, description="letters, digits and `._-`; the name of the file by default"
    )
    description: str = Field("", description="for people")
    seed: int = Field(0, ge=0, lt=MOST_SEEDS, description="of everything random in the world")
    model: ModelSection
    cost: CostSection = CostSection()
    execution: Annotated[str, part(PATTERNS)] | None = Field(
        None,
        description="who sends what to whom in a step: devices send the outputs of all their heads, or one sum; "
        "by default as `cost.projection` says",
    )
    device_time: Annotated[str, part(DEVICE_TIMES)] = Field(
        "roofline", description="how long devices take: from their peak speed and memory bandwidth"
    )
    scheduler: Annotated[str, part(SCHEDULERS)] = Field(
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
    links: dict[LinkName, LinkSection] = Field(default_factory=dict)
    routes: Annotated[list[list[str]], BeforeValidator(as_routes)] = Field(
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
    placement: Annotated[str | dict[str, str | list[str]] | None, BeforeValidator(as_placement)] = Field(
        None, description="what each device has, for the policy `pinned`; or the path of a file that says so"
    )
    policies: Policies = Field(
        default_factory=list, description="to compare; a name alone stands for a policy without parameters"
    )
