"""The schema of scenario files: keys, units, defaults and limits.

The classes define the file format, and `docs/scenario.md` is generated from them. The schema checks each value of a
file and converts it to SI units; no later code does.
"""

from headway.simcore.files.schema.controller import (
    ControllerSection,
    Policies,
    PolicySection,
    TriggersSection,
)
from headway.simcore.files.schema.devices import DeviceSection, MemorySection
from headway.simcore.files.schema.engine import EngineSection, PipelineSection, WireSection
from headway.simcore.files.schema.faults import FaultSection
from headway.simcore.files.schema.file import ScenarioFile
from headway.simcore.files.schema.links import FrameSection, LinkSection, MediumSection, NetworkSection
from headway.simcore.files.schema.model import BlocksSection, CostSection, ModelSection, Shape
from headway.simcore.files.schema.topology import (
    BackboneSection,
    CellsTopology,
    FileTopology,
    GeometricTopology,
    PlainTopology,
    StarTopology,
    TopologySection,
    TreeTopology,
)
from headway.simcore.files.schema.traces import (
    TRACES,
    FileTrace,
    RateTrace,
    RecordedTrace,
    ShareTrace,
    ShippedTrace,
    SizeTrace,
    StepsTrace,
    SyntheticTrace,
    TimeTrace,
    TraceForm,
    synthetic_section,
    synthetic_sections,
)
from headway.simcore.files.schema.values import (
    NAME,
    FileName,
    Frequency,
    LinkName,
    Name,
    Seconds,
    Share,
    SomeBytes,
    SomeCompute,
    SomeRate,
    bounded,
)
from headway.simcore.files.schema.workload import (
    FileWorkload,
    GeometricLength,
    Length,
    LogNormalLength,
    PoissonWorkload,
    RequestSection,
    UniformLength,
    Workload,
)

__all__ = [
    "NAME",
    "TRACES",
    "BackboneSection",
    "BlocksSection",
    "CellsTopology",
    "ControllerSection",
    "CostSection",
    "DeviceSection",
    "EngineSection",
    "FaultSection",
    "FileName",
    "FileTopology",
    "FileTrace",
    "FileWorkload",
    "FrameSection",
    "Frequency",
    "GeometricLength",
    "GeometricTopology",
    "Length",
    "LinkName",
    "LinkSection",
    "LogNormalLength",
    "MediumSection",
    "MemorySection",
    "ModelSection",
    "Name",
    "NetworkSection",
    "PipelineSection",
    "PlainTopology",
    "PoissonWorkload",
    "Policies",
    "PolicySection",
    "RateTrace",
    "RecordedTrace",
    "RequestSection",
    "ScenarioFile",
    "Seconds",
    "Shape",
    "Share",
    "ShareTrace",
    "ShippedTrace",
    "SizeTrace",
    "SomeBytes",
    "SomeCompute",
    "SomeRate",
    "StarTopology",
    "StepsTrace",
    "SyntheticTrace",
    "TimeTrace",
    "TopologySection",
    "TraceForm",
    "TreeTopology",
    "TriggersSection",
    "UniformLength",
    "WireSection",
    "Workload",
    "bounded",
    "synthetic_section",
    "synthetic_sections",
]
