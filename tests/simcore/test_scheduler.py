"""Laws of serving: schedulers of one's own, batches of any shape, and what they cost."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import Shuffled, eventful, models, scenarios

from headway import policies
from headway.analysis.replay.critical_path import critical_path
from headway.analysis.replay.rerun import rerun
from headway.simcore import (
    TABLES,
    DecodeCost,
    PaperCost,
    Queue,
    Result,
    RunOptions,
    Scenario,
    SequenceStep,
    load_scenario,
    one_sequence,
    preset,
    shipped_scenario,
    simulate,
)
from headway.simcore.instrument import Attempt, Compute, Formed, Message, Span, Spans
from headway.simcore.world.batch import Batch, after, without_work
from headway.traces import InputError

ROOT = Path(__file__).parents[2]
FEW = settings(max_examples=15, deadline=None)
SEEDS = st.integers(0, 2**32 - 1)


@dataclass(frozen=True)
class UpTo:
    """Some sequences at a time, the first that came; prefills in chunks of so many tokens at most."""

    sequences: int = 2
    chunk: int = 10**9
    name: str = "up-to"

    def next_step(self, queue: Queue) -> Mapping[int, int]:
        return {one.request: min(one.missing, self.chunk) for one in queue.sequences[: self.sequences]}


@dataclass(frozen=True)
class Random:
    """Any sequences, any numbers of tokens; the same at the same time."""

    seed: int
    name: str = "random"

    def next_step(self, queue: Queue) -> Mapping[int, int]:
        random = np.random.default_rng((self.seed, int(queue.time_s * 1e6)))
        count = int(random.integers(1, len(queue.sequences) + 1))
        some = random.permutation(len(queue.sequences))[:count].tolist()
        return {
            queue.sequences[i].request: int(random.integers(1, queue.sequences[i].missing + 1)) for i in some
        }


def tables(result: Result) -> dict[str, pd.DataFrame]:
    return {name: getattr(result, name) for name in TABLES if name not in ("runs", "timings")}


@given(eventful(faults=True), SEEDS)
@FEW
def test_a_batch_of_one_is_fcfs(scenario: Scenario, seed: int) -> None:
    """Whatever happens in the world: tables and spans are the same to the last bit."""
    spans: tuple[list[Span], list[Span]] = ([], [])
    one, other = (
        tables(simulate(world, Shuffled(seed), instrument=Spans(heard.append)))
        for world, heard in zip((scenario, replace(scenario, scheduler=UpTo(1))), spans, strict=True)
    )
    for name, table in one.items():
        pd.testing.assert_frame_equal(table, other[name], check_exact=True)
    assert str(spans[0]) == str(spans[1])


@given(
    eventful(faults=True),
    SEEDS,
    st.one_of(st.builds(UpTo, st.integers(2, 3), st.integers(1, 9)), SEEDS.map(Random)),
)
@settings(max_examples=40, deadline=None)
def test_every_law_of_the_audit_holds_under_any_scheduler(
    scenario: Scenario, seed: int, scheduler: UpTo | Random
) -> None:
    """Ledger, work, bytes, order, and that no sequence is lost, served twice, or without its cache."""
    result = simulate(replace(scenario, scheduler=scheduler), Shuffled(seed), RunOptions(audit=True))
    tokens, requests = result.tokens, result.requests
    assert not tokens.duplicated(["request", "token"]).any()
    for number, made in tokens.groupby("request"):
        assert made["token"].tolist() == list(range(len(made)))
        generated = requests.loc[requests["request"] == number, "generated"].tolist()
        assert generated == [len(made)]
    if (result.runs["status"] == "complete").all():
        assert requests["generated"].sum() == sum(one.output for one in scenario.requests)


@given(scenarios(requests=3), st.integers(2, 3), SEEDS)
@FEW
def test_the_critical_path_of_every_token_of_a_batch_is_its_latency(
    scenario: Scenario, sequences: int, seed: int
) -> None:
    scenario = replace(scenario, scheduler=UpTo(sequences, chunk=3))
    replay = rerun(scenario, Shuffled(seed), "one")
    for row in replay.result.tokens.to_dict("records"):
        path = critical_path(replay, row["request"], row["token"])
        assert sum(piece.length_s for piece in path.pieces) == pytest.approx(row["latency_s"], rel=1e-9)
        for part in ("compute", "disk", "transfer", "wait", "migration", "decision", "fault"):
            seconds = sum(piece.length_s for piece in path.pieces if piece.part == part)
            assert seconds == pytest.approx(row[f"{part}_s"], rel=1e-9, abs=1e-12 * row["latency_s"])


@given(scenarios(requests=3), SEEDS)
@FEW
def test_every_span_and_row_names_a_request_and_a_token_of_its_batch(scenario: Scenario, seed: int) -> None:
    spans: list[Span] = []
    scenario = replace(scenario, scheduler=UpTo(2))
    simulate(scenario, Shuffled(seed), instrument=Spans(spans.append))
    batch: Batch = ()
    for span in spans:
        if isinstance(span, Formed):
            batch = span.batch
        if isinstance(span, Attempt):
            assert span.batch == batch
        if isinstance(span, Compute | Attempt) or (isinstance(span, Message) and span.block is None):
            assert (span.request, span.token) == batch[0][:2]


# What a batch costs


def steps() -> st.SearchStrategy[SequenceStep]:
    """Prefills, chunks, decode steps, and sequences that wait."""
    counts = st.integers(0, 30)
    return st.builds(
        lambda token, prompt, cached, tokens: SequenceStep(
            0, token, prompt, (known := min(cached, prompt + token - 1)), min(tokens, prompt + token - known)
        ),
        counts, st.integers(1, 30), counts, counts,
    )  # fmt: skip


@given(models(), st.lists(steps(), min_size=1, max_size=5), st.sampled_from([DecodeCost, PaperCost]))
@FEW
def test_work_reads_of_the_cache_and_messages_add_up_and_weights_are_read_once(
    model: object, batch: list[SequenceStep], kind: type
) -> None:
    cost = kind(model)
    whole, each = cost.step(tuple(batch)), [cost.step((one,)) for one in batch]
    weights = cost.idle_memory_bytes
    for part in ("work_flop", "kv_bytes", "message_bytes"):
        np.testing.assert_allclose(getattr(whole, part), sum(getattr(one, part) for one in each), rtol=1e-12)
    np.testing.assert_allclose(
        whole.memory_bytes - weights, sum(one.memory_bytes - weights for one in each), rtol=1e-9, atol=1e-6
    )
    np.testing.assert_array_equal(whole.weight_bytes[:3], each[0].weight_bytes[:3])


@given(models(), st.lists(steps(), min_size=1, max_size=5), st.sampled_from([DecodeCost, PaperCost]))
@FEW
def test_what_a_step_leaves_is_what_the_next_one_begins_with(
    model: object, batch: list[SequenceStep], kind: type
) -> None:
    cost = kind(model)
    np.testing.assert_array_equal(
        cost.step(tuple(batch)).memory_bytes, cost.step(after(tuple(batch))).memory_bytes
    )
    assert not cost.step(without_work(tuple(batch))).work_flop.any()


def test_chunks_of_a_prefill_do_its_work() -> None:
    """Attention included: P^2 / 2 pairs, however they are cut."""
    cost = DecodeCost(preset("gpt2"))
    chunks = [SequenceStep(0, 0, 40, begin, 8) for begin in range(0, 40, 8)]
    work = sum(cost.step((one,)).work_flop for one in chunks)
    np.testing.assert_allclose(work, cost.step(one_sequence(40, 0)).work_flop, rtol=1e-12)


# Schedulers that are wrong


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({}, "an empty batch at 0 s"),
        ({7: 1}, "1 tokens of request 7"),
        ({0: 0}, "0 tokens of request 0"),
        ({0: 10**6}, "1000000 tokens of request 0"),
        ({0: 1.0}, "1.0 tokens of request 0"),
        (None, "TypeError"),
    ],
)
def test_a_scheduler_that_asks_for_what_cannot_be_done_is_named(answer: object, problem: str) -> None:
    class Wrong:
        name = "wrong"

        def next_step(self, queue: Queue) -> object:
            return answer

    with pytest.raises(InputError, match=f"scheduler 'wrong': .*{re.escape(problem)}"):
        simulate(replace(lab(), scheduler=Wrong()), policies.create("static"))


def lab() -> Scenario:
    return load_scenario(shipped_scenario("home-cluster"))


# By entry point, as the documentation has it


def test_the_scheduler_of_the_documentation_runs_by_entry_point(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    example = (ROOT / "docs" / "examples" / "two_at_a_time.py").read_text(encoding="utf-8")
    shown = re.search(r"```python\n.*?(class TwoAtATime:.*?)```", page, re.DOTALL)
    assert shown is not None
    assert shown[1].strip() in example.replace("\n\n\nclass", "\nclass")
    assert len([line for line in shown[1].splitlines() if line.strip()]) <= 10
    entry = re.search(r'entry-points\."headway\.schedulers"\]\n(.*?)\n', page)
    assert entry is not None
    name, value = entry[1].split(" = ")
    site = tmp_path / "site"
    metadata = site / "two_at_a_time-0.1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: two-at-a-time\nVersion: 0.1.0\n")
    (metadata / "entry_points.txt").write_text(f"[headway.schedulers]\n{name} = {value.strip(chr(34))}\n")
    shutil.copy(ROOT / "docs" / "examples" / "two_at_a_time.py", site)
    world = tmp_path / "world.yaml"
    text = (ROOT / "docs" / "examples" / "fill-fastest" / "two-boards.yaml").read_text(encoding="utf-8")
    text = text.replace(
        "policies: [fill-fastest, resource-aware]", "policies: [static]\nscheduler: two-at-a-time"
    )
    text = text.replace(
        "  - {prompt: 20, output: 40}", "  - {prompt: 20, output: 8}\n  - {prompt: 20, output: 8}"
    )
    world.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "headway", "run", str(world), "--audit", "--out", str(tmp_path / "out")],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])},
        check=False,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    requests = pd.read_parquet(tmp_path / "out" / "requests.parquet")
    assert len(requests) == 2
    for column in ("start_s", "finish_s"):
        assert len(set(requests[column])) == 1, "both are in the same steps"
