"""What a policy answers: made sure of, whatever it is, and held against what was shown to it."""

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
from headway.traces.errors import InputError, shortened, shown, told

_LONGEST_REASON = 500

_CALLERS = (policy_timeout.__file__, threading.__file__)
"""Files that call whatever has a limit of time."""


def name_of(policy: Policy) -> str:
    """How a policy is called in results.

    Raises:
        InputError: not by a text that can be written down.
    """
    try:
        name: object = policy.name
    except Exception as error:
        raise InputError(f"a policy of the class {type(policy).__name__}", told(error), "a name") from error
    if isinstance(name, str) and name == _written(name):
        return name
    raise InputError(f"a policy of the class {type(policy).__name__}", f"the name {shown(name)}", "a text")


def decided(policy: Policy, seen: Observation) -> Decision:
    """What a policy decides, as a decision that is well-formed and shares nothing with the policy.

    A placement has one existing device for each block. What is no decision, or no such placement, is infeasible.
    """
    said: object = policy.decide(seen)
    if isinstance(said, Placement):
        return _placement(said.devices, len(seen.blocks), seen.devices)
    if isinstance(said, Infeasible):
        return Infeasible(_reason(said.reason))
    if isinstance(said, Keep):
        return Keep()
    return Infeasible(f"{_shown(said)} is no decision: a Placement, Keep or Infeasible is")


def objection(seen: Observation, decision: Decision) -> str:
    """Why a well-formed decision cannot be followed; empty when it can."""
    if isinstance(decision, Infeasible):
        return decision.reason
    if isinstance(decision, Placement):
        return _complaint(seen, decision.devices)
    if seen.placement is None:
        return "asked to keep a placement before there is one"
    return _absent(seen, seen.placement)


def place(error: BaseException, through: Collection[str]) -> str:
    """Where in the policy's own code it was stopped or raised an exception, as FILE:LINE; empty if not in its code.

    Args:
        error: what it raised, or says that it took too long.
        through: files of ours that call it, directly or through one another.
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


def _placement(devices: object, blocks: int, count: int) -> Placement | Infeasible:
    try:
        given = np.asarray(devices)
    except Exception as error:
        return Infeasible(_reason(f"devices that are no array: {told(error)}"))
    if given.shape != (blocks,):
        return Infeasible(f"{given.shape} devices given for {blocks} blocks")
    # Times are whole numbers to numpy; and what counts are the numbers as they are now, whoever changes them later.
    if given.dtype.kind in "iu":
        chosen = given.astype(np.int64)
        if np.all((chosen >= 0) & (chosen < count)):
            return Placement(chosen)
    return Infeasible(f"devices must be whole numbers from 0 to {count - 1}")


def _reason(reason: object) -> str:
    """A reason that fits into a table."""
    text = _written(reason) if isinstance(reason, str) else _shown(reason)
    return shortened(text, _LONGEST_REASON) or "no reason given"


def _shown(value: object) -> str:
    """The value as in a message, without where in memory it is: that is another place in every run."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", shown(value))


def _written(text: str) -> str:
    """A text without what UTF-8 cannot express."""
    return str.encode(text, "utf-8", "replace").decode()


def _absent(seen: Observation, devices: IntArray) -> str:
    """Says which of the devices are down; empty when none is."""
    down = sorted(set(devices[~seen.up[devices]].tolist()))
    return ", ".join(f"device {seen.device_names[device]!r} is down" for device in down)


def _complaint(seen: Observation, devices: IntArray) -> str:
    """What is wrong with a placement; empty when nothing is."""
    if absent := _absent(seen, devices):
        return absent
    excess = predict.held_bytes(seen, devices) - seen.available_bytes
    worst = int(excess.argmax())
    if excess[worst] > predict.TOLERANCE_BYTES:
        return f"{excess[worst]:.0f} bytes too many on {seen.device_names[worst]!r}"
    excess = predict.excess_on_the_way(seen, devices)
    worst = int(excess.argmax())
    if excess[worst] > predict.TOLERANCE_BYTES:
        return f"{excess[worst]:.0f} bytes too many on {seen.device_names[worst]!r} while blocks move"
    return ""
