"""The `headway` command as a user meets it: a process with arguments, exit codes, and two streams."""

import contextlib
import os
import pty
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import pytest
from interrupts import interrupted
from typer.testing import CliRunner, Result

from headway import analysis, policies, simcore, traces
from headway.analysis.cli import app
from headway.analysis.statistics.metrics import metrics
from headway.simcore import TABLES, load_result

SCENARIO = """\
name: {name}
seed: 3
model: {{shape: {{layers: 2, width: 64, heads: 4}}}}
source: desk
devices:
  desk: {{memory: {memory}, compute: 10 GFLOP/s, memory_bandwidth: unlimited}}
  shelf: {{memory: 100 MB, compute: 5 GFLOP/s, memory_bandwidth: unlimited}}
links:
  cable: {{connect: all, bandwidth: 100 Mbit/s}}
workload:
  - {{prompt: 4, output: {output}}}
{policies}
"""


def scenario(
    folder: Path, *, name: str = "lab", memory: str = "100 MB", output: int = 5, policies: str = ""
) -> Path:
    path = folder / "lab.yaml"
    path.write_text(SCENARIO.format(name=name, memory=memory, output=output, policies=policies))
    return path


def command(arguments: Iterable[object]) -> list[str]:
    return [sys.executable, "-m", "headway", *map(str, arguments)]


def environment() -> dict[str, str]:
    """Of a process in another folder, with defects of the interpreter's own made visible."""
    root = Path(next(iter(analysis.__path__))).parents[1]
    return os.environ | {"PYTHONPATH": str(root), "PYTHONWARNINGS": "error::RuntimeWarning"}


def headway(folder: Path, *arguments: object) -> Result:
    """Call the command in `folder`, with neither stream a terminal."""
    with contextlib.chdir(folder):
        return CliRunner().invoke(app, [*map(str, arguments)])


def assert_refused(done: Result, *words: str) -> None:
    """One message, exit code 2, nothing on standard output."""
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("headway: ")
    assert done.stderr.count("\n") == 1
    for word in words:
        assert word in done.stderr


def hidden_and_shown(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_run_writes_its_folder_and_says_what_came_out(tmp_path: Path) -> None:
    path = scenario(tmp_path, policies="policies: [resource-aware, {name: round-robin, label: in-turn}]")
    done = headway(tmp_path, "run", path)
    assert (done.exit_code, done.stderr) == (0, "")
    result = load_result(tmp_path / "results" / "lab")
    assert list(result.runs["run"]) == ["resource-aware", "in-turn"]
    assert list(result.runs["status"]) == ["complete", "complete"]
    assert list(result.runs["tokens"]) == [5, 5]
    assert (tmp_path / "results" / "lab" / "scenario.yaml").read_bytes() == path.read_bytes()
    for word in ("resource-aware", "in-turn", "TTFT", "p50", "p95", "p99", "Peak memory", "desk", "shelf"):
        assert word in done.stdout
    *_, results, answer = done.stdout.splitlines()
    assert results == f"Results: {Path('results/lab')}"
    assert answer.startswith("Answer: ")
    assert hidden_and_shown(tmp_path) == {"lab.yaml", "results"}
    assert hidden_and_shown(tmp_path / "results") == {"lab"}


def test_options_choose_policies_seed_and_folder(tmp_path: Path) -> None:
    path = scenario(tmp_path, policies="policies: [resource-aware]")
    done = headway(
        tmp_path, "run", path, "--policy", "greedy", "--policy", "static", "--seed", 7, "--out", "x/y"
    )
    assert done.exit_code == 0
    runs = load_result(tmp_path / "x" / "y").runs
    assert list(runs["run"]) == ["greedy", "static"]
    assert list(runs["seed"]) == [7, 7]
    assert not (tmp_path / "results").exists()


def test_without_policies_a_scenario_is_run_under_the_default_policies(tmp_path: Path) -> None:
    assert headway(tmp_path, "run", scenario(tmp_path)).exit_code == 0
    expected = ["single", "edgeshard", "resource-aware", "look-ahead"]
    assert list(load_result(tmp_path / "results" / "lab").runs["policy"]) == expected


def test_a_long_run_that_streams_its_tables_has_the_same_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = scenario(tmp_path, policies="policies: [resource-aware, {name: round-robin, label: in-turn}]")
    short = headway(tmp_path, "run", path, "--out", "short")
    monkeypatch.setattr("headway.analysis.commands.run._MOST_IN_MEMORY", 1)
    long = headway(tmp_path, "run", path, "--out", "long")
    assert long.exit_code == 0, long.stderr
    assert long.stdout.replace("Results: long", "Results: short") == short.stdout
    in_memory, streamed = load_result(tmp_path / "short"), load_result(tmp_path / "long")
    for name in set(TABLES) - {"timings"}:
        assert streamed.table(name).equals(in_memory.table(name)), name
    assert hidden_and_shown(tmp_path) == {"lab.yaml", "short", "long"}


def test_the_shown_numbers_are_those_of_the_tables(tmp_path: Path) -> None:
    done = headway(tmp_path, "run", scenario(tmp_path), "--policy", "static")
    row = next(line for line in done.stdout.splitlines() if line.split()[:1] == ["static"])
    numbers = metrics(load_result(tmp_path / "results" / "lab")).iloc[0]
    shown = row.split()[1:7]
    columns = ["ttft_s", "tpot_p50_s", "tpot_p95_s", "tpot_p99_s", "tpot_max_s", "tokens_per_s"]
    factors = [1.0, 1e3, 1e3, 1e3, 1e3, 1.0]
    for text, column, factor in zip(shown, columns, factors, strict=True):
        assert float(text.replace(",", "")) == pytest.approx(factor * numbers[column], rel=5e-3)


def test_two_runs_of_one_scenario_give_the_same_bytes_but_for_wall_clock_times(tmp_path: Path) -> None:
    path = scenario(tmp_path, policies="policies: [resource-aware, greedy]")
    for out in ("one", "two"):
        assert headway(tmp_path, "run", path, "--out", out).exit_code == 0
    names = hidden_and_shown(tmp_path / "one") - {"timings.parquet", "manifest.json"}
    assert len(names) > 8
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


@pytest.mark.parametrize("most_in_memory", [1, 100])
def test_any_number_of_processes_gives_the_same_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most_in_memory: int
) -> None:
    monkeypatch.setattr("headway.analysis.commands.run._MOST_IN_MEMORY", most_in_memory)
    path = scenario(tmp_path, policies="policies: [greedy, {name: round-robin, label: in-turn}, static]")
    one, two = (
        headway(tmp_path, "run", path, "--audit", "--workers", count, "--out", "out", "--force").stdout
        for count in (1, 2)
    )
    assert one.replace("Results: out", "Results: out (replaced)") == two
    assert "checks" in two
    assert headway(tmp_path, "run", path, "--workers", 1, "--out", "one").exit_code == 0
    for name in set(TABLES) - {"timings"}:
        parts = [(tmp_path / folder / f"{name}.parquet").read_bytes() for folder in ("out", "one")]
        assert parts[0] == parts[1], name


def test_runs_that_must_follow_each_other_refuse_several_processes(tmp_path: Path) -> None:
    path = scenario(tmp_path)
    paced = headway(tmp_path, "run", path, "--workers", 2, "--realtime", 0.001)
    assert_refused(paced, "--workers", "--realtime", "one after another")
    own = headway(tmp_path, "run", path, "--workers", 2, "--policy", "headway.policies:Static")
    assert_refused(own, "--workers", "--policy headway.policies:Static")
    assert hidden_and_shown(tmp_path) == {"lab.yaml"}


def test_a_run_replaces_the_results_of_another_only_if_forced(tmp_path: Path) -> None:
    path = scenario(tmp_path)

    def run(policy: str, *options: str) -> str:
        done = headway(tmp_path, "run", path, "--policy", policy, *options)
        return done.stdout.splitlines()[-2] if done.exit_code == 0 else done.stderr

    def runs(name: str) -> list[str]:
        return list(load_result(tmp_path / "results" / name).runs["run"])

    assert run("static") == "Results: results/lab"
    assert run("greedy") == "Results: results/lab-2"
    assert run("greedy", "--out", "results/lab").startswith(
        "headway: results/lab: got a folder with results;"
    )
    assert (runs("lab"), runs("lab-2")) == (["static"], ["greedy"])
    assert run("greedy", "--force") == "Results: results/lab (replaced)"
    assert run("single", "--out", "results/lab-2", "--force") == "Results: results/lab-2 (replaced)"
    assert (runs("lab"), runs("lab-2")) == (["greedy"], ["single"])
    assert hidden_and_shown(tmp_path / "results") == {"lab", "lab-2"}


def test_a_run_that_ends_early_is_a_result_and_is_explained(tmp_path: Path) -> None:
    """The weights fit on both devices together but on neither alone; the policies do not plan for the whole cache."""
    path = scenario(tmp_path, memory="110 kB", output=50, policies="controller: {horizon: interval}")
    path.write_text(path.read_text().replace("100 MB", "95 kB"))
    done = headway(tmp_path, "run", path, "--policy", "single", "--policy", "static")
    assert (done.exit_code, done.stderr) == (0, "")
    runs = load_result(tmp_path / "results" / "lab").runs
    assert list(runs["status"]) == ["infeasible", "out-of-memory"]
    for run, status, tokens, detail in runs[["run", "status", "tokens", "detail"]].itertuples(index=False):
        assert f"{run}: {status} after {tokens} tokens: {detail}\n" in done.stdout


def test_mistakes_are_told_in_one_line_and_leave_nothing(tmp_path: Path) -> None:
    path = scenario(tmp_path)
    assert_refused(headway(tmp_path, "run", "x" * 5000), "home-cluster")
    assert_refused(headway(tmp_path, "run", path, "--out", "x" * 300), "File name too long")
    assert_refused(headway(tmp_path, "run", path, "--out", "x" * 300 + "/out"), "File name too long")
    path.write_text("model: [")
    assert_refused(headway(tmp_path, "validate", path), "lab.yaml")
    assert hidden_and_shown(tmp_path) == {"lab.yaml"}


def test_an_unknown_policy_parameter_is_found_by_validate_too(tmp_path: Path) -> None:
    path = scenario(tmp_path, policies="policies: [{name: resource-aware, parameters: {wand: 1}}]")
    for verb in ("run", "validate"):
        assert_refused(headway(tmp_path, verb, path), "lab.yaml", "wand")
    assert hidden_and_shown(tmp_path) == {"lab.yaml"}


def test_usage_errors_have_exit_code_2(tmp_path: Path) -> None:
    for arguments in (["--nonsense"], ["validate"], ["fly"]):
        done = headway(tmp_path, *arguments)
        assert (done.exit_code, done.stdout) == (2, ""), arguments
        assert "Traceback" not in done.stderr
    assert hidden_and_shown(tmp_path) == set()


def test_a_target_that_is_not_headways_is_refused_and_kept(tmp_path: Path) -> None:
    path = scenario(tmp_path)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.tex").write_text("mine")
    assert_refused(headway(tmp_path, "run", path, "--out", "file"), "file: got", "not a folder")
    assert_refused(headway(tmp_path, "run", path, "--out", "file/out"), "file/out: got", "not a folder")
    assert_refused(headway(tmp_path, "run", path, "--out", "folder"), "thesis.tex")
    assert (tmp_path / "file").read_text() == "mine"
    assert hidden_and_shown(tmp_path / "folder") == {"thesis.tex"}
    assert hidden_and_shown(tmp_path) == {"lab.yaml", "file", "folder"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_behind_standard_output_is_told_in_one_line(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command(["validate", scenario(tmp_path)]),
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment(),
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.startswith("headway: standard output: got No space left on device")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [["run", "--list"], ["run", "lab.yaml"], ["--help"]])
def test_a_reader_that_has_gone_away_is_no_reason_to_complain(tmp_path: Path, arguments: list[str]) -> None:
    scenario(tmp_path)
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.Popen(
        command(arguments), cwd=tmp_path, env=environment(), stdout=writing, stderr=subprocess.PIPE, text=True
    )
    os.close(writing)
    _, complaint = process.communicate()
    assert complaint == ""
    assert process.returncode == 1


def test_ctrl_c_ends_a_run_with_130_and_leaves_what_was_there(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = scenario(tmp_path)
    assert headway(tmp_path, "run", path, "--out", "out").exit_code == 0
    before = (tmp_path / "out" / "tokens.parquet").read_bytes()
    scenario(tmp_path, memory="100 GB", output=1_000_000)
    command = ("run", str(path), "--out", "out", "--force")
    done = interrupted(tmp_path_factory.mktemp("site"), tmp_path, *command)
    assert done == (130, "", "headway: interrupted\n")
    assert hidden_and_shown(tmp_path) == {"lab.yaml", "out"}
    assert (tmp_path / "out" / "tokens.parquet").read_bytes() == before


def test_ctrl_c_leaves_no_folder_where_there_was_none(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = scenario(tmp_path, memory="100 GB", output=1_000_000)
    (tmp_path / "a").mkdir()
    done = interrupted(tmp_path_factory.mktemp("site"), tmp_path, "run", str(path), "--out", "a/b/c")
    assert done == (130, "", "headway: interrupted\n")
    assert hidden_and_shown(tmp_path / "a") == set()


def test_ctrl_c_ends_runs_on_several_processes(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = scenario(tmp_path, memory="100 GB", output=1_000_000)
    options = ("--workers", "2", "--policy", "single", "--out", "out")
    done = interrupted(tmp_path_factory.mktemp("site"), tmp_path, "run", str(path), *options)
    assert done == (130, "", "headway: interrupted\n")
    assert hidden_and_shown(tmp_path) == {"lab.yaml"}


def on_a_terminal(folder: Path, *arguments: object) -> str:
    """What the command writes to a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command(arguments), cwd=folder, env=environment(), stdout=theirs) as process:
        os.close(theirs)
        written = b""
        while chunk := _read(ours):
            written += chunk
    os.close(ours)
    assert process.returncode == 0
    return written.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux reports the end of a terminal as an error
        return b""


def test_progress_counts_the_tokens_of_all_policies_on_a_terminal_only(tmp_path: Path) -> None:
    arguments = ["run", scenario(tmp_path), "--policy", "static", "--policy", "greedy"]
    assert "10/10" in on_a_terminal(tmp_path, *arguments)
    done = headway(tmp_path, *arguments)
    assert "/10" not in done.stdout
    assert "\x1b" not in done.stdout


def test_validate_says_what_a_scenario_contains_and_writes_nothing(tmp_path: Path) -> None:
    done = headway(tmp_path, "validate", scenario(tmp_path, policies="policies: [greedy, static]"))
    assert (done.exit_code, done.stderr) == (0, "")
    for words in ("lab", "2 layers", "desk, shelf", "5 tokens", "greedy, static"):
        assert words in done.stdout
    blocks = len(simcore.load_scenario(tmp_path / "lab.yaml").block_table)
    assert f"blocks:    {blocks}\n" in done.stdout
    assert hidden_and_shown(tmp_path) == {"lab.yaml"}


def test_list_names_everything_that_is_shipped(tmp_path: Path) -> None:
    done = headway(tmp_path, "run", "--list")
    assert done.exit_code == 0
    shown = {line.split()[0] for line in done.stdout.splitlines()}
    for names in (simcore.shipped_scenarios(), simcore.PRESETS, traces.shipped_names(), policies.names()):
        assert shown >= set(names)
    assert policies.summary("resource-aware") in done.stdout
    assert hidden_and_shown(tmp_path) == set()


def test_every_shipped_scenario_is_valid_by_name(tmp_path: Path) -> None:
    for name in simcore.shipped_scenarios():
        done = headway(tmp_path, "validate", name)
        assert (done.exit_code, done.stderr) == (0, ""), name
        assert name in done.stdout


def test_version_is_that_of_the_installed_package(tmp_path: Path) -> None:
    done = headway(tmp_path, "--version")
    assert (done.exit_code, done.stdout) == (0, f"headway {metadata.version('headway')}\n")


@pytest.mark.parametrize("group", [[], ["trace"], ["sweep"], ["policy"]])
def test_what_commands_are_for_is_told_whole_in_a_narrow_terminal(
    group: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    _, _, commands = CliRunner().invoke(app, [*group, "--help"]).output.partition("Commands:")
    assert commands
    assert "..." not in commands


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["run", "--help"],
        ["whatif", "--help"],
        ["sweep", "run", "--help"],
        ["trace", "fit", "--help"],
        ["--version"],
    ],
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from headway.analysis.cli import app; app(sys.argv[1:], standalone_mode=False);"
        "heavy = {'pandas', 'numpy', 'numba', 'seaborn', 'matplotlib', 'simpy', 'pyarrow'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_trace_info_imports_neither_the_simulator_nor_pandas() -> None:
    code = (
        "import sys; from headway.analysis.cli import app; app(sys.argv[1:], standalone_mode=False);"
        "heavy = {'pandas', 'matplotlib', 'numba', 'simpy', 'networkx', 'headway.simcore'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    arguments = ["trace", "info", str(traces.shipped("wifi-near.csv"))]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_rooms_that_the_package_names_are_sorted_and_exist() -> None:
    assert analysis.__all__ == sorted(analysis.__all__)
    for name in analysis.__all__:
        assert getattr(analysis, name).__name__ == f"headway.analysis.{name}"
