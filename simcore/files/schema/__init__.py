"""The schema of scenario files: keys, units, defaults and limits.

The classes define the file format, and `docs/scenario.md` is generated from them. The schema checks each value of a
file and converts it to SI units; no later code does.
"""

from headway.simcore.files.schema.controller import Policies
from headway.simcore.files.schema.devices import DeviceSection
from headway.simcore.files.schema.faults import FaultSection
from headway.simcore.files.schema.file import ScenarioFile
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
    RecordedTrace,
    ShippedTrace,
    StepsTrace,
    SyntheticTrace,
    TraceForm,
    synthetic_sections,
)
from headway.simcore.files.schema.values import (
    NAME,
    FileName,
    Frequency,
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
)

__all__ = [
    "NAME",
    "TRACES",
    "BackboneSection",
    "CellsTopology",
    "DeviceSection",
    "FaultSection",
    "FileName",
    "FileTopology",
    "FileTrace",
    "FileWorkload",
    "Frequency",
    "GeometricLength",
    "GeometricTopology",
    "Length",
    "LogNormalLength",
    "Name",
    "PlainTopology",
    "PoissonWorkload",
    "Policies",
    "RecordedTrace",
    "RequestSection",
    "ScenarioFile",
    "Seconds",
    "Share",
    "ShippedTrace",
    "SomeBytes",
    "SomeCompute",
    "SomeRate",
    "StarTopology",
    "StepsTrace",
    "SyntheticTrace",
    "TopologySection",
    "TraceForm",
    "TreeTopology",
    "UniformLength",
    "bounded",
    "synthetic_sections",
]
