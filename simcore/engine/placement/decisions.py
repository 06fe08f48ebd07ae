"""Observe the world, ask the policy, and judge and record its decisions; none of this takes simulated time."""

import time
from dataclasses import dataclass, replace

import numpy as np

from headway.simcore import predict
from headway.simcore.arrays import BoolArray, IntArray
from headway.simcore.engine.placement import decision_validation, policy_timeout
from headway.simcore.engine.placement.context import RunContext
from headway.simcore.engine.placement.observer import Observer
from headway.simcore.engine.placement.pause_budget import within_budget
from headway.simcore.engine.placement.triggers import Trigger
from headway.simcore.errors import PolicyError
from headway.simcore.instrument import Asked
from headway.simcore.observe import Decision, Keep, Observation, Placement, Policy, is_fixed, is_prompt
from headway.simcore.recorder import Labels, every_label
from headway.simcore.world.batch import SequenceStep, recomputed
from headway.traces.errors import error_text


@dataclass(frozen=True, eq=False)
class Judgement:
    """How a decision is carried out.

    Attributes:
        target: the next placement, shape (blocks,); None: there is none.
        outcome: as in the table `decisions`.
        reason: why the decision, or a part of it, cannot be followed; empty if it can.
        copies: the warm copies that a first placement asks for, shape (blocks, devices).
        recomputes: whether all caches are dropped, and the next step computes them again.
        unfinished: whether moves are left to later decisions by the pause budget.
    """

    target: IntArray | None
    outcome: str
    reason: str = ""
    copies: BoolArray | None = None
    recomputes: bool = False
    unfinished: bool = False


class Decisions:
    """Asks a policy, judges its answers and records them.

    Args:
        run: the run.
        policy: the policy.
        limit_s: wall time that it may take for one decision [s]; None for no limit.

    Attributes:
        observer: makes the observations.
        fixed: whether the policy keeps its first placement (`is_fixed`).
    """

    def __init__(self, run: RunContext, policy: Policy, limit_s: float | None) -> None:
        self._run = run
        self.observer = Observer(run)
        self._scenario = run.scenario
        self._deployment = run.deployment
        self._policy = policy
        self.fixed = is_fixed(policy)
        self._name = decision_validation.name_of(policy)
        self._timeout = policy_timeout.Deadline(limit_s, ends=is_prompt(policy))
        self._block_labels = every_label(self._scenario.block_table.names)
        self._recorded: IntArray | None = None

    def close(self) -> None:
        """End the thread in which the policy is called, if there is one."""
        self._timeout.close()

    def ask(self, observation: Observation) -> tuple[Decision, float]:
        """Ask the policy; its decision and the wall time that it took [s].

        Raises:
            PolicyError: the policy raises an exception, or exceeds the time limit.
        """
        begun = time.perf_counter()
        decision = self._decided(observation)
        wall_s = time.perf_counter() - begun
        self._run.recorder.add("timings", observation.request, observation.generated, wall_s)
        return decision, wall_s

    def _decided(self, observation: Observation) -> Decision:
        try:
            # Let the policy change how NumPy treats overflows, without an effect outside.
            with np.errstate():
                return self._timeout.call(lambda: decision_validation.decided(self._policy, observation))
        except KeyboardInterrupt:
            raise
        except policy_timeout.OverdueError as error:
            place = decision_validation.place(error, _OURS)
            got = f"{error}" + (place and f", stopped at {place}")
            expected = (
                "a decision within the limit (raise it by --decision-limit, or decision_limit_s in Python)"
            )
            raise self._mistake(observation, got, expected) from None
        except BaseException as error:
            place = decision_validation.place(error, _OURS)
            got = error_text(error) + (place and f", raised at {place}")
            raise self._mistake(observation, got, "a Placement, Keep or Infeasible") from error

    def _mistake(self, observation: Observation, got: str, expected: str) -> PolicyError:
        return PolicyError(
            self._name, observation.request, observation.generated, observation.time_s, got, expected
        )

    def charged_s(self, wall_s: float) -> float:
        """The simulated time that a decision costs [s]."""
        rule = self._scenario.controller.decision_time
        if rule == "free":
            return 0.0
        return wall_s if rule == "measured" else float(rule)

    def judge(self, observation: Observation, decision: Decision) -> Judgement:
        """Decide how a decision is carried out."""
        judgement = self._judged(observation, decision)
        if judgement.target is None:
            return judgement
        return replace(judgement, recomputes=predict.recomputes(observation, judgement.target))

    def _judged(self, observation: Observation, decision: Decision) -> Judgement:
        reason = decision_validation.objection(observation, decision)
        if isinstance(decision, Keep) and not reason:
            return Judgement(observation.placement, "kept")
        if isinstance(decision, Placement) and not reason:
            return self._adopted(observation, decision)
        if self._scenario.controller.on_infeasible == "fail":
            return Judgement(None, "infeasible", reason)
        target = observation.placement
        if target is None and isinstance(decision, Placement):
            # A complete placement that is only too large, and there is no other placement: apply it, and
            # let the overflow rule act.
            target = decision.devices
        if target is not None and not observation.up[target].all():
            target = None
        return Judgement(target, "infeasible", reason)

    def _adopted(self, observation: Observation, decision: Placement) -> Judgement:
        reached = predict.reachable(observation, decision.devices)
        target = within_budget(observation, reached)
        same = observation.placement is not None and np.array_equal(target, observation.placement)
        stuck, later = int((reached != decision.devices).sum()), int((target != reached).sum())
        reason = f"{stuck} moves never find room at both ends" if stuck else ""
        if later:
            reason = f"{later} moves are left to later decisions, to keep the pause short"
        return Judgement(target, "kept" if same else "adopted", reason, decision.copies, unfinished=later > 0)

    def record(self, observation: Observation, judgement: Judgement, trigger: Trigger) -> None:
        """Record a decision with its trigger and its predicted delays."""
        target, moved = judgement.target, 0
        batch = observation.batch
        count = self.observer.left(batch[0]) if self.fixed else self.observer.interval(batch[0])
        due = recomputed(batch) if judgement.recomputes else self._deployment.due(batch)
        interval = observation.with_steps(self.observer.steps(due, count))
        if target is not None and observation.placement is not None:
            moved = int(((target != observation.placement) | observation.lost).sum())
        self._run.recorder.add(
            "decisions",
            observation.request,
            observation.generated,
            observation.time_s,
            trigger,
            judgement.outcome,
            judgement.reason,
            moved,
            None if target is None else predict.shared_delay(interval, target),
            None if target is None else predict.pause(observation, target),
            judgement.recomputes,
        )
        asked = observation.request, observation.generated, observation.time_s, self._run.env.now
        copies = judgement.copies if observation.placement is None else None
        self._run.instrument.policy_asked(
            Asked(*asked, judgement.outcome, judgement.reason, moved, target, copies, judgement.recomputes)
        )

    @property
    def up_to_date(self) -> bool:
        """Whether the placement in force has been recorded."""
        return self._recorded is not None and self._recorded is self._deployment.placement

    def record_placement(self, first: SequenceStep) -> None:
        """Record the placement of a step if it differs from that of the step before."""
        placement = self._deployment.placement
        if placement is None or placement is self._recorded:
            return
        self._recorded = placement
        self._run.recorder.add_many(
            "placements",
            len(placement),
            first.request,
            first.token,
            self._block_labels,
            Labels(self._scenario.cluster.names, placement),
        )


_OURS = frozenset((__file__, decision_validation.__file__))
"""Our files in the call stack of a policy."""
