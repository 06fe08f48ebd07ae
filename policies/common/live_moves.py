"""Room for `live` moves, during which a block takes memory on its old and on its new device."""

from headway.simcore import Decision, Infeasible, IntArray, Observation, Placement, predict

NO_ROOM_ON_THE_WAY = "no room for blocks at both ends while they move"


def in_reach(seen: Observation, devices: IntArray) -> bool:
    """Whether the `live` moves to the placement `devices`, shape (B,), find room at both ends."""
    return bool((predict.excess_on_the_way(seen, devices) <= predict.TOLERANCE_BYTES).all())


def placement_in_reach(seen: Observation, devices: IntArray) -> Decision:
    """The decision for the placement `devices`, shape (B,): `Infeasible` where its `live` moves do not find room."""
    return Placement(devices) if in_reach(seen, devices) else Infeasible(NO_ROOM_ON_THE_WAY)
