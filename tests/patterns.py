"""Execution patterns that only the tests need."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from headway.simcore import BlockTable, Chain, GraphBuilder, IntArray, StepGraph
from headway.simcore.steps.patterns import PATTERNS
from headway.simcore.world.cost import PER_BLOCK, Projection


@dataclass(frozen=True)
class OneByOne:
    """As the shipped patterns, except that every block is a task of its own, node by node and not by branches."""

    name: str = "one-by-one"
    projection: Projection = "gathered"

    def chain(self, blocks: BlockTable) -> Chain:
        return PATTERNS.find(self.projection).chain(blocks)

    def graphs(self, blocks: BlockTable) -> Callable[[IntArray, int], StepGraph]:
        chain = self.chain(blocks)

        def graph(placement: IntArray, source: int) -> StepGraph:
            step, where = GraphBuilder(), placement.tolist()
            holder, ends = source, list[int]()
            for number, stage in enumerate(chain.stages):
                end = where[stage.gathers]
                before, ends = ends, []
                for device, count in sorted(Counter(where[row] for row in stage.rows).items()):
                    sent = step.message(
                        holder, device, stage.input,
                        kind=stage.kind, layer=stage.layer, stage=number, after=before,
                    )  # fmt: skip
                    tasks = [
                        step.task(device, stage.kind, layer=stage.layer, stage=number, after=[sent])
                        for _ in range(count)
                    ]
                    carried = count if stage.output in PER_BLOCK else 1
                    out = step.message(
                        device, end, stage.output, carried,
                        kind=stage.kind, layer=stage.layer, stage=number, after=tasks,
                    )  # fmt: skip
                    ends.append(out)
                holder = end
            last = chain.stages[-1]
            step.message(
                holder, source, chain.result, kind=last.kind, layer=last.layer, stage=len(chain.stages) - 1,
                after=ends,
            )  # fmt: skip
            return step.graph()

        return graph


@dataclass(frozen=True)
class InARow(OneByOne):
    """Devices of a stage compute side by side, but hand what comes out from one to the next, in order of their number.

    Each adds its own before it sends on, so that a stage of n devices sends n - 1 outputs and one to the end. No
    shipped pattern does so.
    """

    name: str = "in-a-row"
    projection: Projection = "sharded"

    def graphs(self, blocks: BlockTable) -> Callable[[IntArray, int], StepGraph]:
        chain = self.chain(blocks)

        def graph(placement: IntArray, source: int) -> StepGraph:
            step, where = GraphBuilder(), placement.tolist()
            holder, before = source, list[int]()
            for number, stage in enumerate(chain.stages):
                hosts = sorted(Counter(where[row] for row in stage.rows).items())
                row = list[int]()
                for at, (device, count) in enumerate(hosts):
                    sent = step.message(
                        holder, device, stage.input,
                        kind=stage.kind, layer=stage.layer, stage=number, after=before,
                    )  # fmt: skip
                    task = step.task(device, stage.kind, count, layer=stage.layer, stage=number, after=[sent])
                    following = hosts[at + 1][0] if at + 1 < len(hosts) else where[stage.gathers]
                    out = step.message(
                        device, following, stage.output,
                        kind=stage.kind, layer=stage.layer, stage=number, after=[*row, task],
                    )  # fmt: skip
                    row = [out]
                holder, before = where[stage.gathers], row
            last = chain.stages[-1]
            step.message(
                holder, source, chain.result, kind=last.kind, layer=last.layer, stage=len(chain.stages) - 1,
                after=before,
            )  # fmt: skip
            return step.graph()

        return graph
