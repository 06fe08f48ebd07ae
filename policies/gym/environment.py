"""The environment: one run of a scenario per episode, one decision of its policy per step.

The simulator calls a policy in the middle of a run, but an agent calls `step`. Therefore the run is a greenlet: each
decision switches to the agent, and `step` switches back (docs/decisions, 39).
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium
import numpy as np
from greenlet import GreenletExit, getcurrent, greenlet
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box, Dict, Discrete, Space

from headway.policies.gym.turn import Arrays, Turn, groups_of
from headway.policies.registry import create
from headway.simcore import (
    BoolArray,
    Change,
    Decision,
    IntArray,
    Keep,
    Observation,
    Placement,
    Policy,
    PolicyError,
    Result,
    RunOptions,
    Scenario,
    simulate,
)
from headway.simcore.files.load import open_scenario, scenario_path
from headway.traces import InputError
from headway.traces.errors import quoted


class PlacementEnv(gymnasium.Env[dict[str, Any], np.int64]):
    """Move one group of layers per decision, so that the run takes little time.

    The blocks of the model form `G` groups of consecutive layers; the parts of a model of one layer are attention,
    projection and feed-forward network. The scenario has `D` devices.

    Actions: 0 keeps the placement; `1 + g * D + d` moves group g to device d. An action that `action_masks` forbids
    keeps the placement. Before the first token, and when a device of the placement is down, the policy `start` proposes
    a placement, and the action changes it.

    Observations are arrays of float32:

    - `free`, shape (D,), in [-1, 1]: memory that is free at the end of the horizon, as a share of the device's memory;
      negative if memory is missing.
    - `availability`, shape (D,), in [0, 1]: free share of each device's speed.
    - `rate`, shape (D, D), in [0, 1]: x / (x + 12.5 MB/s) for the rate x between two devices.
    - `placement`, shape (G, D), in [0, 1]: share of the bytes of each group on each device.
    - `horizon`, shape (1,), in [0, 1]: x / (x + 100) for the number x of tokens that a decision plans for.
    - `generated`, shape (1,), in [0, 1]: x / (x + 100) for the number x of tokens that the request has so far.

    Rewards: minus the simulated seconds since the previous decision or the start of the run. They contain tokens,
    migrations and waiting, and their sum over an episode is minus the makespan of the run. A run that ends early (its
    `status` is not `complete`) costs `penalty_s` more.

    `info` has `time_s` (simulated time), `seed` (of the world) and `action_mask`; at the end also `status`. The last
    observation of an episode repeats the one before.

    Use an environment in one thread.

    Args:
        scenario: the name of a shipped scenario, or the path of a file; or a `Scenario`, which does not depend on the
            seed of `reset`.
        changes: made to the file's values, such as "workload.0.output=50".
        start: a registered policy, or an object.
        groups: maximum number of groups.
        penalty_s: seconds.

    Attributes:
        result: the tables of the last run that ended; None before.

    Raises:
        InputError: an argument cannot be used.
    """

    def __init__(
        self,
        scenario: str | os.PathLike[str] | Scenario,
        *,
        changes: Sequence[Change | str] = (),
        start: str | Policy = "edgeshard",
        groups: int = 8,
        penalty_s: float = 1000.0,
    ) -> None:
        if groups < 1:
            raise InputError("groups", quoted(groups), "a whole number of at least 1")
        self._world = _worlds(scenario, changes)
        world = self._world(None)
        if world.controller.decision_time == "measured":
            raise InputError("controller.decision_time", "'measured'", "'free' or a time, in an environment")
        self._start = create(start) if isinstance(start, str) else start
        self._penalty_s = penalty_s
        self._group = groups_of(world.block_table, groups)
        self._current: tuple[greenlet, Turn] | None = None
        self.result: Result | None = None
        count, devices = int(self._group.max()) + 1, len(world.cluster.devices)
        self.action_space = Discrete(1 + count * devices)
        spaces: dict[str, Space[Any]] = {
            "availability": Box(0.0, 1.0, (devices,)),
            "free": Box(-1.0, 1.0, (devices,)),
            "generated": Box(0.0, 1.0, (1,)),
            "horizon": Box(0.0, 1.0, (1,)),
            "placement": Box(0.0, 1.0, (count, devices)),
            "rate": Box(0.0, 1.0, (devices, devices)),
        }
        self.observation_space = Dict(spaces)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Arrays, dict[str, Any]]:
        """Start a run in the world of a seed; without a seed, the random generator of the environment draws one.

        Raises:
            InputError: the seed cannot be used, or the run ends before its first decision.
            PolicyError: the policy `start` raises an exception.
        """
        super().reset(seed=seed)
        self.close()
        self._seed = int(self.np_random.integers(2**31)) if seed is None else seed
        world = self._world(self._seed)
        run = greenlet(_emulate)
        turn = run.switch(world, _Agent(self._start, self._group))
        if not isinstance(turn, Turn):
            got = "a run that ends before its first decision"
            raise InputError(f"scenario {quoted(world.name)}", got, "a run with decisions")
        self._current, self._time_s = (run, turn), 0.0
        return turn.arrays, self._info(turn)

    def step(self, action: np.int64) -> tuple[Arrays, float, bool, bool, dict[str, Any]]:
        """Carry out an action, and simulate until the next decision or the end of the run.

        Raises:
            ResetNeeded: no run is in progress.
            InputError: the number is not an action.
            PolicyError: the policy `start` raises an exception.
        """
        if not self.action_space.contains(action):
            raise InputError("action", quoted(action), f"an element of {self.action_space}")
        run, last = self._in_progress()
        self.close()  # an exception below ends the run
        outcome = run.switch(int(action))
        if isinstance(outcome, Turn):
            self._current = run, outcome
            return outcome.arrays, self._reward(outcome.observation.time_s), False, False, self._info(outcome)
        self.result = outcome
        status, end_s = outcome.runs["status"].item(), outcome.runs["end_s"].item()
        reward = self._reward(end_s) - (0.0 if status == "complete" else self._penalty_s)
        return last.arrays, reward, True, False, self._info(last) | {"status": status, "time_s": end_s}

    def action_masks(self) -> BoolArray:
        """Whether each action is possible now, shape (1 + G * D,): to keep the placement, or a move that fits.

        Raises:
            ResetNeeded: no run is in progress.
        """
        return self._in_progress()[1].mask

    def close(self) -> None:
        """Abandon the run in progress."""
        self._current = None  # without a reference, greenlet raises `GreenletExit` in it

    def _in_progress(self) -> tuple[greenlet, Turn]:
        if self._current is None:
            raise ResetNeeded("No run is in progress: call reset first.")
        return self._current

    def _reward(self, time_s: float) -> float:
        before_s, self._time_s = self._time_s, time_s
        return before_s - time_s

    def _info(self, turn: Turn) -> dict[str, Any]:
        mask = turn.mask.astype(np.int8)
        return {"time_s": turn.observation.time_s, "seed": self._seed, "action_mask": mask}


@dataclass(frozen=True, eq=False)
class _Agent:
    """The policy of the run: it switches to the caller of `step` for each decision."""

    name: ClassVar[str] = "gym"

    start: Policy
    group: IntArray

    def decide(self, observation: Observation) -> Decision:
        """The decision of the action that `step` receives."""
        proposed: Decision = Keep()
        devices = observation.placement
        if devices is None or not observation.up[devices].all():
            proposed = self.start.decide(observation)
            devices = proposed.devices if isinstance(proposed, Placement) else devices
        turn = Turn(observation, proposed, devices, self.group)
        return turn.decision(getcurrent().parent.switch(turn))


def _emulate(scenario: Scenario, agent: _Agent) -> Result | None:
    """The tables of a run; None if the environment abandons it."""
    try:
        return simulate(scenario, agent, RunOptions(decision_limit_s=None))
    except PolicyError as error:
        if isinstance(error.__cause__, GreenletExit):
            return None
        raise


def _worlds(
    scenario: str | os.PathLike[str] | Scenario, changes: Sequence[Change | str]
) -> Callable[[int | None], Scenario]:
    """The scenario as a function of its seed."""
    if not isinstance(scenario, Scenario):
        path = scenario_path(scenario) if isinstance(scenario, str) else scenario
        return open_scenario(path, changes=changes)
    if changes:
        expected = "no changes of a Scenario (change its file instead)"
        raise InputError("changes", quoted(list(changes)), expected)
    return lambda seed: scenario
