"""Validate a policy's decision, whatever it returns, against its observation."""

import re
import threading
import traceback
from collections.abc import Collection

import numpy as np

from headway.simcore import predict
from headway.simcore.arrays import IntArray
from headway.simcore.engine.placement import policy_timeout
from headway.simcore.engine.placement.policy_timeout import OverdueError
from headway.simcore.observe import Decision, Infeasible, Keep, Observation, Placement, Policy
from headway.traces.errors import InputError, error_text, quoted, shortened

_LONGEST_REASON = 500

_CALLERS = (policy_timeout.__file__, threading.__file__)
"""Our files in the call stack of a call with a time limit."""


def name_of(policy: Policy) -> str:
    """The name of a policy in results.

    Raises:
        InputError: the name is not a text, or not valid UTF-8.
    """
    try:
        name: object = policy.name
    except Exception as error:
        raise InputError(
            f"a policy of the class {type(policy).__name__}", error_text(error), "a name"
        ) from error
    if isinstance(name, str) and name == _written(name):
        return name
    raise InputError(f"a policy of the class {type(policy).__name__}", f"the name {quoted(name)}", "a text")


def decided(policy: Policy, observation: Observation) -> Decision:
    """Ask a policy for a well-formed decision that shares no memory with the policy.

    A placement has one existing device for each block. Anything else that the policy returns counts as infeasible.
    """
    said: object = policy.decide(observation)
    if isinstance(said, Placement):
        return _placement(said.devices, said.copies, (len(observation.blocks), observation.devices))
    if isinstance(said, Infeasible):
        return Infeasible(_reason(said.reason))
    if isinstance(said, Keep):
        return Keep()
    return Infeasible(f"{_shown(said)} is no decision: a Placement, Keep or Infeasible is")


def objection(observation: Observation, decision: Decision) -> str:
    """Why a well-formed decision cannot be followed; empty if it can."""
    if isinstance(decision, Infeasible):
        return decision.reason
    if isinstance(decision, Placement):
        return _complaint(observation, decision.devices)
    if observation.placement is None:
        return "asked to keep a placement before there is one"
    return _absent(observation, observation.placement)


def place(error: BaseException, through: Collection[str]) -> str:
    """FILE:LINE in the policy's own code where an exception was raised or the policy was stopped; empty if outside.

    Args:
        error: the exception, or the `OverdueError` of a policy that took too long.
        through: files of Headway that call the policy, directly or indirectly.
    """
    if isinstance(error, OverdueError):
        steps = error.stack
    else:
        steps = tuple(
            (frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)
        )
    outside = [(file, line) for file, line in steps if file not in (*through, *_CALLERS)]
    if not outside:
        return ""
    own = outside[0][0]
    return f"{own}:{[line for file, line in outside if file == own][-1]}"


def _placement(devices: object, copies: object, shape: tuple[int, int]) -> Placement | Infeasible:
    blocks, count = shape
    try:
        given = np.asarray(devices)
    except Exception as error:
        return Infeasible(_reason(f"devices that are no array: {error_text(error)}"))
    if given.shape != (blocks,):
        return Infeasible(f"{given.shape} devices given for {blocks} blocks")
    # By kind, because NumPy's datetimes pass as integers otherwise. Copy, so that the policy cannot change it later.
    chosen = given.astype(np.int64) if given.dtype.kind in "iu" else np.array([-1])
    if not np.all((chosen >= 0) & (chosen < count)):
        return Infeasible(f"devices must be whole numbers from 0 to {count - 1}")
    if copies is None:
        return Placement(chosen)
    if isinstance(copies, np.ndarray) and copies.dtype == np.bool_ and copies.shape == shape:
        return Placement(chosen, np.array(copies))
    return Infeasible(f"copies must be an array of {shape} truth values")


def _reason(reason: object) -> str:
    """A reason, shortened for a table."""
    text = _written(reason) if isinstance(reason, str) else _shown(reason)
    return shortened(text, _LONGEST_REASON) or "no reason given"


def _shown(value: object) -> str:
    """The value as shown in a message, without its memory address, which differs from run to run."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", quoted(value))


def _written(text: str) -> str:
    """A text with replacements for what UTF-8 cannot express."""
    return str.encode(text, "utf-8", "replace").decode()


def _absent(observation: Observation, devices: IntArray) -> str:
    """Names the devices that are down; empty if none is."""
    down = sorted(set(devices[~observation.up[devices]].tolist()))
    return ", ".join(f"device {observation.device_names[device]!r} is down" for device in down)


def _complaint(observation: Observation, devices: IntArray) -> str:
    """Why a placement cannot be followed; empty if it can. With swapping, memory is no obstacle."""
    absent = _absent(observation, devices)
    if absent or observation.overflow == "swap":
        return absent
    excess = predict.held_bytes(observation, devices) - observation.available_bytes
    worst = int(excess.argmax())
    if excess[worst] > predict.TOLERANCE_BYTES:
        return f"{excess[worst]:.0f} bytes too many on {observation.device_names[worst]!r}"
    return ""
