"""The same scenario and seed give the same bytes; another seed gives others."""

import os
import platform
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from features import ADAPTIVE, ROBUST, any_world
from hypothesis import given
from hypothesis import strategies as st
from worlds import Shuffled, eventful

from headway import policies
from headway.simcore import TABLES, Scenario, combine, load_result, load_scenario, simulate
from headway.simcore.manifest import MANIFEST
from headway.traces import InputError

SCENARIO = """
model: {preset: gpt2}
devices:
  a: {memory: 1 GB, compute: 20 GFLOP/s, memory_bandwidth: 5 GB/s}
  b:
    count: 3
    memory: 200 MB
    compute: 5 GFLOP/s
    memory_bandwidth: 2 GB/s
    availability: {walk_mean: 0.4, sigma: 0.2, step: 1 s, duration: 30 s}
links:
  mesh: {connect: all, latency: 1 ms, bandwidth: {walk_mean: 50 Mbit/s, sigma: 0.5, step: 0.5 s, duration: 20 s}}
workload: [{prompt: 8, output: 12}, {prompt: 4, output: 5, arrival: 1 s}]
controller: {interval: 3}
"""

RUN = """
import sys
from pathlib import Path
from headway import policies
from headway.simcore import combine, load_scenario, simulate
scenario = load_scenario(sys.argv[1], seed=int(sys.argv[2]))
combine([simulate(scenario, policies.create(name)) for name in policies.names()]).save(Path(sys.argv[3]))
"""

DRAWN = """
model: {preset: gpt2}
devices:
  a: {memory: 1 GB, compute: 20 GFLOP/s, memory_bandwidth: 5 GB/s}
  b:
    memory: 400 MB
    compute: 5 GFLOP/s
    memory_bandwidth: 2 GB/s
    availability: {diurnal_mean: 0.6, amplitude: 0.3, period: 20 s, step: 50 ms, duration: 200 s, sigma: 0.1}
  c:
    memory: 300 MB
    compute: 5 GFLOP/s
    memory_bandwidth: 2 GB/s
    availability: {reverting_mean: 0.8, deviation: 0.2, relaxation: 1 s, step: 50 ms, duration: 200 s}
links:
  ab: {connect: [[a, b]], bandwidth: {walk_mean: 50 Mbit/s, sigma: 0.5, step: 50 ms, duration: 200 s}}
  ac: {connect: [[a, c]], bandwidth: {fading_mean: 50 Mbit/s, coherence: 100 ms, step: 50 ms, duration: 200 s}}
  bc:
    connect: [[b, c]]
    bandwidth: {good: 40 Mbit/s, bad: 10 Mbit/s, good_time: 500 ms, bad_time: 200 ms, duration: 200 s}
workload:
  poisson: 6 /min
  count: 4
  prompt: {lognormal_mean: 8, sigma: 0.9, most: 20}
  output: {geometric_mean: 6, most: 12}
controller: {interval: 3}
"""
"""Every kind of synthetic trace, and lengths at random."""

DRAW_AND_RUN = """
import sys
from pathlib import Path
from headway import policies
from headway.analysis.experiments.identity import digest
from headway.simcore import combine, load_scenario, simulate
scenario = load_scenario(sys.argv[1])
print(digest(scenario))
names = ("resource-aware", "greedy", "edgeshard", "round-robin")
combine([simulate(scenario, policies.create(name)) for name in names]).save(Path(sys.argv[2]))
"""

POLICIES = {**ROBUST, **ADAPTIVE}
SAME = [name for name in TABLES if name != "timings"]


@pytest.fixture
def scenario_file(tmp_path: Path) -> Path:
    path = tmp_path / "mesh.yaml"
    path.write_text(SCENARIO)
    return path


def tables(folder: Path) -> dict[str, bytes]:
    return {name: (folder / f"{name}.parquet").read_bytes() for name in SAME}


@pytest.mark.slow
def test_other_processes_and_hash_seeds_give_the_same_bytes_and_other_seeds_do_not(
    scenario_file: Path, tmp_path: Path
) -> None:
    def run(seed: int) -> dict[str, bytes]:
        scenario = load_scenario(scenario_file, seed=seed)
        out = tmp_path / f"here-{seed}"
        combine([simulate(scenario, policies.create(name)) for name in policies.names()]).save(out)
        return tables(out)

    first = run(7)
    there = tmp_path / "there"
    environment = os.environ | {"PYTHONHASHSEED": "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"}
    subprocess.run(
        [sys.executable, "-c", RUN, str(scenario_file), "7", str(there)], check=True, env=environment
    )
    assert tables(there) == first
    other = run(8)
    # Nothing fails in this world.
    assert [name for name in SAME if other[name] == first[name]] == ["faults"]


def test_a_processor_without_extensions_gives_the_same_bytes_and_names(tmp_path: Path) -> None:
    """What NumPy, OpenBLAS and the C library do otherwise on another processor is seen in no trace and no table.

    NumPy is told not to use those instructions that it finds beyond its baseline. Where it finds none, as on a plain
    processor, the other two alone are told so.
    """
    path = tmp_path / "drawn.yaml"
    path.write_text(DRAWN)

    def run(**variables: str) -> tuple[str, dict[str, bytes]]:
        out = tmp_path / f"out-{len(list(tmp_path.iterdir()))}"
        command = [sys.executable, "-c", DRAW_AND_RUN, str(path), str(out)]
        done = subprocess.run(
            command, check=True, env=os.environ | variables, stdout=subprocess.PIPE, text=True
        )
        return done.stdout, tables(out)

    extensions = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    plain = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4"}
    if platform.machine() in {"x86_64", "AMD64"}:
        plain["OPENBLAS_CORETYPE"] = "Nehalem"
    if extensions:
        plain["NPY_DISABLE_CPU_FEATURES"] = " ".join(extensions)
    assert run(**plain) == run()


@given(any_world() | eventful(faults=True), st.sampled_from(sorted(POLICIES)))
def test_a_run_twice_in_one_process_is_the_same_run(scenario: Scenario, name: str) -> None:
    """Whatever happens in it; and another one in between leaves no trace."""
    first = simulate(scenario, POLICIES[name]())
    simulate(replace(scenario, requests=scenario.requests[:1]), Shuffled(1))
    second = simulate(scenario, POLICIES[name]())
    for table in SAME:
        assert getattr(first, table).equals(getattr(second, table)), table


def test_two_simulations_in_one_process_do_not_touch_each_other(scenario_file: Path) -> None:
    """One after another in either order, and at the same time in two threads over the same scenario object."""
    scenario = load_scenario(scenario_file)

    def run(name: str) -> pd.DataFrame:
        return simulate(scenario, policies.create(name)).tokens

    alone = {name: run(name) for name in ("resource-aware", "greedy")}
    together: dict[str, pd.DataFrame] = {}
    threads = [
        threading.Thread(target=lambda name=name: together.update({name: run(name)}))
        for name in ("greedy", "resource-aware")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, tokens in alone.items():
        assert tokens.equals(together[name])


def test_policies_under_one_seed_meet_the_same_world(scenario_file: Path) -> None:
    one, two = load_scenario(scenario_file), load_scenario(scenario_file)
    assert [link.bandwidth for link in one.cluster.links] == [link.bandwidth for link in two.cluster.links]
    assert len({link.bandwidth for link in one.cluster.links}) == len(one.cluster.links)


def test_saved_results_read_back_the_same(scenario_file: Path, tmp_path: Path) -> None:
    scenario = load_scenario(scenario_file)
    result = combine([simulate(scenario, policies.create(name)) for name in ("greedy", "single")])
    result.save(tmp_path / "out")
    back = load_result(tmp_path / "out")
    for name in TABLES:
        assert getattr(back, name).equals(getattr(result, name)), name
    back.save(tmp_path / "again")
    assert tables(tmp_path / "again") == tables(tmp_path / "out")


def test_foreign_and_missing_tables_are_told(tmp_path: Path, scenario_file: Path) -> None:
    with pytest.raises(InputError, match=r"runs\.parquet"):
        load_result(tmp_path)
    scenario = load_scenario(scenario_file)
    simulate(scenario, policies.create("greedy")).save(tmp_path / "out")
    (tmp_path / "out" / "tokens.parquet").write_bytes(b"not a table")
    with pytest.raises(InputError, match=r"tokens\.parquet"):
        load_result(tmp_path / "out")
    (tmp_path / "out" / "runs.parquet").write_bytes((tmp_path / "out" / "links.parquet").read_bytes())
    with pytest.raises(InputError, match=r"runs\.parquet"):
        load_result(tmp_path / "out")
    (tmp_path / "out" / MANIFEST).unlink()
    with pytest.raises(InputError, match="another schema"):
        load_result(tmp_path / "out")


def test_tables_of_an_older_schema_version_say_what_to_do(tmp_path: Path, scenario_file: Path) -> None:
    simulate(load_scenario(scenario_file), policies.create("greedy")).save(tmp_path / "out")
    path = tmp_path / "out" / "runs.parquet"
    older = pq.read_table(path).drop_columns("executor").replace_schema_metadata({"headway.schema": "3"})
    pq.write_table(older, path)
    (tmp_path / "out" / MANIFEST).unlink()
    with pytest.raises(InputError, match=r"schema version '3'; expected schema version 4 \(repeat the run\)"):
        load_result(tmp_path / "out")


def test_runs_of_one_name_cannot_be_combined(scenario_file: Path) -> None:
    result = simulate(load_scenario(scenario_file), policies.create("greedy"))
    with pytest.raises(ValueError, match="distinct"):
        combine([result, result])
    with pytest.raises(ValueError, match="no result"):
        combine([])
