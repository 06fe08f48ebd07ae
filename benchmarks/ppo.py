"""Train PPO of Stable-Baselines3 in `headway.policies.gym`, and compare it with shipped policies in other worlds.

    pip install -e '.[gym]' sb3-contrib
    python benchmarks/ppo.py

Not part of continuous integration; docs/learning.md shows a result.
"""

import argparse
import time
from collections.abc import Iterator

import gymnasium
import numpy as np
import torch
from sb3_contrib import MaskablePPO

import headway as hw
from headway.policies.gym import PlacementEnv


def main() -> None:
    parser = argparse.ArgumentParser(description="Train PPO and compare it with shipped policies.")
    parser.add_argument("--scenario", default="home-cluster")
    parser.add_argument(
        "--policies", nargs="*", default=["static", "edgeshard", "resource-aware", "look-ahead"]
    )
    parser.add_argument("--steps", type=int, default=16_384, help="decisions of each training")
    parser.add_argument(
        "--trainings", type=int, default=3, help="number of trainings, each with its own seed"
    )
    parser.add_argument("--worlds", type=int, default=10, help="number of seeds of the evaluation, from 1")
    options = parser.parse_args()
    torch.set_num_threads(1)
    worlds = range(1, options.worlds + 1)
    print(f"makespan [s] in {len(worlds)} worlds:    mean     min     max")
    for name in options.policies:
        show(name, [makespan(options.scenario, name, world) for world in worlds])
    for seed in range(options.trainings):
        begun_s = time.perf_counter()
        env = PlacementEnv(options.scenario)
        # Rewards of about 1 instead of tens of seconds suit the default step sizes of PPO.
        scaled = gymnasium.wrappers.TransformReward(env, lambda reward: float(reward) / 100.0)
        model = MaskablePPO(
            "MultiInputPolicy",
            scaled,
            seed=seed,
            device="cpu",
            gamma=1.0,
            n_steps=512,
            learning_rate=1e-3,
            ent_coef=0.01,
        )
        model.learn(options.steps)
        minutes = (time.perf_counter() - begun_s) / 60.0
        show(f"PPO, seed {seed} ({minutes:.1f} min)", [episode(model, env, world) for world in worlds])


def makespan(scenario: str, policy: str, seed: int) -> float:
    return float(hw.simulate(hw.load(scenario, seed=seed), policy).runs["end_s"].item())


def episode(model: MaskablePPO, env: PlacementEnv, seed: int) -> float:
    """The makespan under the most probable actions."""
    return -sum(rewards(model, env, seed))


def rewards(model: MaskablePPO, env: PlacementEnv, seed: int) -> Iterator[float]:
    arrays, _ = env.reset(seed=seed)
    ended = False
    while not ended:
        action, _ = model.predict(arrays, action_masks=env.action_masks(), deterministic=True)
        arrays, reward, ended, _, _ = env.step(np.int64(action))
        yield reward


def show(name: str, makespans: list[float]) -> None:
    print(f"{name:26} {np.mean(makespans):7.1f} {min(makespans):7.1f} {max(makespans):7.1f}", flush=True)


if __name__ == "__main__":
    main()
