"""A Gymnasium environment in which an agent moves layers between devices (docs/learning.md). Needs `headway[gym]`.

    import headway.policies.gym

    env = gymnasium.make("headway/Placement-v0", scenario="home-cluster")

Only this package imports Gymnasium.
"""

from headway.traces import InputError

try:
    import gymnasium

    from headway.policies.gym.environment import PlacementEnv
except ModuleNotFoundError as error:
    got, expected = f"an installation without {error.name}", "one with it: pip install 'headway[gym]'"
    raise InputError("headway.policies.gym", got, expected) from error

__all__ = ["PlacementEnv"]

gymnasium.register("headway/Placement-v0", entry_point="headway.policies.gym:PlacementEnv")
