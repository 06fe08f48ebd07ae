"""The simulator: the model, the world, the engine, the results.

`load_scenario` reads a scenario file, `simulate` runs it under a policy, and a `Result` holds the tables that come out.
`load_scenario` also takes changes: `Set`, `Scale`, `Drop`, `ShiftTraces`, or the text of one; `dump_scenario` writes
the file of a scenario.
In Python the same worlds are built from `ModelSpec` (with `Experts`, `LatentAttention` and `Window`), `Cluster`,
`Device`, `Medium`, `Link`, `Request`, `Scenario`.
Options come in the same groups as in the file: `BlockOptions`, `NetworkOptions`, `ControllerOptions`, `MemoryOptions`.
"""

from headway.simcore import predict
from headway.simcore.arrays import BoolArray, FloatArray, IntArray
from headway.simcore.audit import Audit, AuditError
from headway.simcore.engine.network.transport import Ideal, Tcp
from headway.simcore.engine.realtime import Lateness
from headway.simcore.engine.serving.scheduler import Queue, Scheduler, Sequence
from headway.simcore.errors import PolicyError
from headway.simcore.files.dump import dump_scenario
from headway.simcore.files.importers.graphs import from_networkx
from headway.simcore.files.importers.huggingface import from_config
from headway.simcore.files.load import build_scenario, load_scenario, shipped_scenario, shipped_scenarios
from headway.simcore.files.overrides.changes import Change, Drop, Scale, Set, ShiftTraces, parse_change
from headway.simcore.files.placement import read_placement, write_placement
from headway.simcore.instrument import Instrument, Spans
from headway.simcore.observe import Decision, Infeasible, Keep, Observation, Period, Placement, Policy, Step
from headway.simcore.results import MODEL_VERSION, SCHEMA_VERSION, TABLES, Result, combine, load_result
from headway.simcore.rng import stream
from headway.simcore.scenario import PolicyChoice, Request, Scenario
from headway.simcore.simulate import RunOptions, simulate
from headway.simcore.steps.fork_join import Chain, ForkJoin, Stage
from headway.simcore.steps.graph import GraphBuilder, StepGraph
from headway.simcore.steps.step_graphs import Pattern
from headway.simcore.world import topology
from headway.simcore.world.batch import Batch, SequenceStep, one_sequence
from headway.simcore.world.blocks import BlockTable, Kind, block_table
from headway.simcore.world.cluster import Cluster
from headway.simcore.world.cost import CostModel, Payload, StepCost
from headway.simcore.world.decode_cost import DecodeCost
from headway.simcore.world.decoder_parts import Experts, LatentAttention, Window
from headway.simcore.world.device import Device
from headway.simcore.world.device_time import DeviceTime, Roofline, TaskTimes
from headway.simcore.world.link import Link, Medium
from headway.simcore.world.model import ModelSpec
from headway.simcore.world.options import (
    PAPER_CONTROLLER,
    BlockOptions,
    ControllerOptions,
    ForecastOptions,
    MemoryOptions,
    NetworkOptions,
    TriggerOptions,
)
from headway.simcore.world.paper_cost import PaperCost
from headway.simcore.world.presets import PRESETS, preset
from headway.simcore.world.route import Resource, Route

__all__ = [
    "MODEL_VERSION",
    "PAPER_CONTROLLER",
    "PRESETS",
    "SCHEMA_VERSION",
    "TABLES",
    "Audit",
    "AuditError",
    "Batch",
    "BlockOptions",
    "BlockTable",
    "BoolArray",
    "Chain",
    "Change",
    "Cluster",
    "ControllerOptions",
    "CostModel",
    "Decision",
    "DecodeCost",
    "Device",
    "DeviceTime",
    "Drop",
    "Experts",
    "FloatArray",
    "ForecastOptions",
    "ForkJoin",
    "GraphBuilder",
    "Ideal",
    "Infeasible",
    "Instrument",
    "IntArray",
    "Keep",
    "Kind",
    "Lateness",
    "LatentAttention",
    "Link",
    "Medium",
    "MemoryOptions",
    "ModelSpec",
    "NetworkOptions",
    "Observation",
    "PaperCost",
    "Pattern",
    "Payload",
    "Period",
    "Placement",
    "Policy",
    "PolicyChoice",
    "PolicyError",
    "Queue",
    "Request",
    "Resource",
    "Result",
    "Roofline",
    "Route",
    "RunOptions",
    "Scale",
    "Scenario",
    "Scheduler",
    "Sequence",
    "SequenceStep",
    "Set",
    "ShiftTraces",
    "Spans",
    "Stage",
    "Step",
    "StepCost",
    "StepGraph",
    "TaskTimes",
    "Tcp",
    "TriggerOptions",
    "Window",
    "block_table",
    "build_scenario",
    "combine",
    "dump_scenario",
    "from_config",
    "from_networkx",
    "load_result",
    "load_scenario",
    "one_sequence",
    "parse_change",
    "predict",
    "preset",
    "read_placement",
    "shipped_scenario",
    "shipped_scenarios",
    "simulate",
    "stream",
    "topology",
    "write_placement",
]
