"""Laws of the benchmarks: the file has all announced figures, and the networks that are compared agree."""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))  # benchmarks are not installed

from benchmarks.__main__ import BENCHMARKS, main  # noqa: E402
from benchmarks.flows import as_graph, beside_simplest, messages, star  # noqa: E402
from benchmarks.graphs import pipeline, shared  # noqa: E402
from benchmarks.measure import FULL, TINY, Figures  # noqa: E402
from benchmarks.memory import memory  # noqa: E402
from benchmarks.page import FIGURES, PAGE, page  # noqa: E402
from benchmarks.workloads import Workload, compiled_end_s, events_end_s  # noqa: E402

PROCESSES = "jk"
"""Benchmarks that start commands, which takes seconds."""

KEYS = {
    **{run: {"tokens_per_s", "seconds", "compile_s", "policy_share", "executor", "events"} for run in "abcd"},
    "e": {"shared", "pipeline"},
    "f": {"10", "100", "1000", "star", "mesh", "tree"},
    "g": {"queries", "seconds", "scalar", "array"},
    "h": {"paper-8x5"},
    "i": {"import headway", "python -c pass"},
    "j": {"peak_bytes", "bytes_per_million_tokens", "ratio"},
    "k": {"runs", "runs_per_s", "seconds"},
}


def written(path: Path, letters: str) -> Figures:
    main(["--json", str(path), "--only", ",".join(letters)], TINY)
    figures: Figures = json.loads(path.read_text(encoding="utf-8"))
    assert {letter for letter in figures if letter in BENCHMARKS} == set(letters)
    for letter in letters:
        assert figures[letter].keys() >= KEYS[letter], letter
    return figures


def test_the_file_has_the_announced_figures(tmp_path: Path) -> None:
    figures = written(tmp_path / "figures.json", "abcdefghi")
    assert figures["quick"] is True
    assert figures["bare_simpy_events_per_s"] > 0.0
    assert figures["bare_beside"].keys() == set("abcdefghi")
    of_flows = figures["f"]["10"]
    assert of_flows.keys() >= {"flows_per_s", "simplest_flows_per_s", "end_s", "simplest_end_s"}
    assert of_flows.keys() >= {"compiled_flows_per_s", "compiled_end_s", "compiled_compile_s"}
    assert figures["h"]["paper-8x5"]["policies"]["resource-aware"]["decision_s"] > 0.0
    assert page(figures).startswith("# Performance\n")


@pytest.mark.slow
def test_the_file_has_the_figures_of_commands(tmp_path: Path) -> None:
    figures = written(tmp_path / "figures.json", PROCESSES)
    assert figures["k"]["runs"] > 0


@pytest.mark.slow
def test_the_memory_of_a_command_does_not_grow_with_the_number_of_tokens() -> None:
    """Up to a million tokens, through all that `headway run` writes and prints after its runs."""
    assert memory(FULL)["ratio"] < 1.2


@pytest.mark.parametrize("letters", ["z", "a,z", "", "a,,b"])
def test_an_unknown_letter_is_refused_in_one_sentence(
    letters: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--json", str(tmp_path / "figures.json"), "--only", letters], TINY)
    assert exit_.value.code == 2
    [sentence] = capsys.readouterr().err.splitlines()
    assert sentence.startswith("benchmarks: --only: got '")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_refused_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--json", str(tmp_path / "missing" / "figures.json")], TINY)
    assert exit_.value.code == 2
    assert "expected a file in a folder that exists" in capsys.readouterr().err


@pytest.mark.parametrize(("rounds", "in_flight", "length"), [(3, 10, 20), (1, 60, 4)])
def test_the_last_message_arrives_at_the_same_time_under_every_network(
    rounds: int, in_flight: int, length: int
) -> None:
    cluster, waiting = star(20), messages(20, rounds, in_flight, length)
    figures = beside_simplest(cluster, waiting, TINY)
    assert figures["simplest_end_s"] == pytest.approx(figures["end_s"], rel=1e-9)
    assert figures["compiled_end_s"] == pytest.approx(figures["end_s"], rel=1e-9)
    assert events_end_s(as_graph(cluster, waiting)) == pytest.approx(figures["end_s"], rel=1e-9)


@pytest.mark.parametrize("workload", [shared(8, 2), pipeline(4, 12)], ids=["shared", "pipeline"])
def test_both_executors_end_the_graphs_at_the_same_time(workload: Workload) -> None:
    assert compiled_end_s(workload) == pytest.approx(events_end_s(workload), rel=1e-9)


def test_the_page_shows_the_figures_of_its_file() -> None:
    assert page(json.loads(FIGURES.read_text(encoding="utf-8"))) == PAGE.read_text(encoding="utf-8")
