"""Train PPO in `headway.policies.gym`, and compare it with shipped policies in other worlds.

    pip install -e '.[gym]' sb3-contrib
    python benchmarks/ppo.py [--seeds N ...] [--steps N] [--policies NAME ...] [--worlds N] [--scenario NAME]

PPO is that of Stable-Baselines3 with masks for actions, from sb3-contrib. Each seed is one training on one processor
core. The comparison takes place in the worlds of the seeds 1 to N; trainings draw their worlds from 2^31 seeds. The
result is a table for docs/learning.md. Continuous integration does not run this.
"""

import argparse
import time

import gymnasium
import numpy as np
import torch
from sb3_contrib import MaskablePPO

import headway as hw
from headway.policies.gym import PlacementEnv

POLICIES = ["static", "edgeshard", "resource-aware", "look-ahead"]


def main() -> None:
    parser = argparse.ArgumentParser(description="Train PPO, and compare it with shipped policies.")
    parser.add_argument("--scenario", default="home-cluster")
    parser.add_argument("--policies", nargs="*", default=POLICIES)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2], help="of the trainings")
    parser.add_argument("--steps", type=int, default=8192, help="decisions of a training")
    parser.add_argument("--worlds", type=int, default=10, help="number of worlds of the comparison")
    options = parser.parse_args()
    torch.set_num_threads(1)
    worlds = range(1, options.worlds + 1)
    print(
        f"| policy | mean makespan of {len(worlds)} worlds [s] | shortest [s] | longest [s] |\n|---|---|---|---|"
    )
    for name in options.policies:
        show(f"`{name}`", [of_policy(options.scenario, name, world) for world in worlds])
    for seed in options.seeds:
        begun_s = time.process_time()
        model = trained(options.scenario, seed, options.steps)
        minutes = (time.process_time() - begun_s) / 60.0
        env = PlacementEnv(options.scenario)
        show(f"PPO, seed {seed} ({minutes:.1f} min)", [of_model(model, env, world) for world in worlds])


def trained(scenario: str, seed: int, steps: int) -> MaskablePPO:
    # Rewards of about 1 instead of tens of seconds suit the step sizes of PPO.
    env = gymnasium.wrappers.TransformReward(PlacementEnv(scenario), lambda reward: float(reward) / 100.0)
    model = MaskablePPO(
        "MultiInputPolicy",
        env,
        seed=seed,
        device="cpu",
        gamma=1.0,
        n_steps=256,
        learning_rate=1e-3,
        ent_coef=0.01,
    )
    return model.learn(steps)


def of_policy(scenario: str, policy: str, seed: int) -> float:
    return float(hw.simulate(hw.load(scenario, seed=seed), policy).runs["end_s"].item())


def of_model(model: MaskablePPO, env: PlacementEnv, seed: int) -> float:
    """The makespan under the most probable actions."""
    arrays, info = env.reset(seed=seed)
    ended = False
    while not ended:
        action, _ = model.predict(arrays, action_masks=env.action_masks(), deterministic=True)
        arrays, _, ended, _, info = env.step(np.int64(action))
    return float(info["time_s"])


def show(name: str, makespans_s: list[float]) -> None:
    print(
        f"| {name} | {np.mean(makespans_s):.1f} | {min(makespans_s):.1f} | {max(makespans_s):.1f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
