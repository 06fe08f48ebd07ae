"""What a file may ask for: every size is bounded before anything is made of it, and nothing in a file runs code.

Each test is of something that once ended in a traceback, or could have filled a memory.
"""

import ast
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from headway.analysis.cli import app
from headway.analysis.report.data import described
from headway.simcore import load_scenario
from headway.simcore.files import bounds
from headway.simcore.results import read_table
from headway.traces import InputError, Trace, read
from headway.traces.fit import fit_all
from headway.traces.readers import parquet
from headway.traces.requests import read_requests

WORLD = """\
model: {shape: {layers: 1, width: 64, heads: 4}}
devices:
  left: {memory: 1 GB, compute: 1 GFLOP/s}
  right: {memory: 1 GB, compute: 1 GFLOP/s}
links:
  cable: {connect: [[left, right]], bandwidth: 100 Mbit/s}
"""
WORKLOAD = "workload:\n  - {prompt: 4, output: 2}\n"
GOOD = WORLD + WORKLOAD


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def command(*arguments: object) -> tuple[int, str]:
    """Exit code and standard error; what is not a mistake of a user is raised."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stderr


def refused(*arguments: object) -> str:
    code, message = command(*arguments)
    assert code == 2, message
    assert message.startswith("headway: "), message
    assert len(message.splitlines()) == 1, message
    return message


def in_little_memory(code: str, folder: Path, megabytes: int = 1500) -> str:
    """What a piece of Python says that may not take more memory than this, and not long."""
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({megabytes << 20},) * 2)\n"
    done = subprocess.run(
        [sys.executable, "-c", limit + code],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        cwd=folder,
        # Threads take memory too, and how many there are depends on the machine.
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    return done.stdout + done.stderr


class TestNumbersBeyondPython:
    def test_a_time_of_400_digits_in_a_log_of_requests(self, tmp_path: Path) -> None:
        line = f'{{"timestamp": 1{"0" * 400}, "input_length": 1, "output_length": 1}}\n'
        with pytest.raises(InputError, match="log:1: got the timestamp"):
            read_requests(written(tmp_path / "log", line))

    def test_tokens_of_5000_digits_in_a_log_of_requests(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="log:2"):
            read_requests(written(tmp_path / "log", f"arrival [s],prompt,output\n0,{'9' * 5000},1\n"))

    def test_arrivals_that_a_stretch_puts_beyond_all_times(self, tmp_path: Path) -> None:
        rows = [f'{{"timestamp": {t}, "input_length": 1, "output_length": 1}}\n' for t in ("0", "1e99")]
        written(tmp_path / "log", "".join(rows))
        path = written(tmp_path / "lab.yaml", WORLD + "workload: {file: log, stretch: 1000000}\n")
        with pytest.raises(InputError, match=r"workload\.file.*log: got a request 1e\+102 s after the first"):
            load_scenario(path)


FADING = "{walk_mean: 1, sigma: 1, step: 1 ns, duration: 9 d}"
TOO_MUCH = {
    "devices": (GOOD.replace("left: {", "left: {count: 1000000000, "), "1000000000"),
    "layers": (GOOD.replace("layers: 1,", "layers: 1000000000,"), "1000000000"),
    "heads": (GOOD.replace("heads: 4", "heads: 1000000000"), "1000000000"),
    "shards": (GOOD + "cost: {ffn_shards: 1000000000}\n", "1000000000"),
    "tokens": (GOOD.replace("output: 2", "output: 1000000000000"), "1000000000000"),
    "requests": (
        WORLD + "workload: {poisson: 1 /s, count: 1000000000, prompt: 1, output: 1}\n",
        "1000000000",
    ),
    "rows": (
        WORLD + "workload: {poisson: 1 /s, count: 100000, prompt: 1, output: 1000000}\n",
        "50,000,000 pairs",
    ),
    "pairs": (
        GOOD.replace("layers: 1,", "layers: 999,")
        .replace("heads: 4", "heads: 900, head_size: 1")
        .replace("left: {", "left: {count: 500, "),
        "50,000,000 pairs",
    ),
    "walk": (GOOD.replace("left: {", f"left: {{availability: {FADING}, "), "synthetic"),
    "list": (GOOD + "x: [" + "1," * 200_000 + "]\n", "more than 100000 keys and values"),
}
"""Scenarios, and what is told of each."""


class TestSizes:
    def test_a_scenario_that_asks_for_too_much_is_refused_in_little_memory(self, tmp_path: Path) -> None:
        for name, (text, _) in TOO_MUCH.items():
            written(tmp_path / f"{name}.yaml", text)
        told = in_little_memory(
            """
from pathlib import Path
from headway.simcore import load_scenario
from headway.simcore.files import bounds
for path in sorted(Path().glob("*.yaml")):
    try:
        load_scenario(path)
    except ValueError as error:
        print(error)
""",
            tmp_path,
        )
        for line, name in zip(told.splitlines(), sorted(TOO_MUCH), strict=True):
            assert line.startswith(f"{name}.yaml:"), told
            assert TOO_MUCH[name][1] in line

    def test_faults_may_make_so_many_values_and_no_more(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bounds, "MOST_FAULT_VALUES", 1_000_000)
        faults = "faults:\n" + "- {device: left, slowed_to: 0.5, since: 1 s}\n" * 3
        few, many = (GOOD.replace("left: {", f"left: {{count: {n}, ") + faults for n in (50, 70))
        load_scenario(written(tmp_path / "few.yaml", few))
        with pytest.raises(InputError, match=r"faults.2: got faults that change more than 1,000,000 values"):
            load_scenario(written(tmp_path / "many.yaml", many))

    @pytest.mark.parametrize(
        ("beside", "text"),
        [
            (
                '{"nodes": [' + ",".join(f'{{"id": {i}}}' for i in range(250_000)) + '], "edges": []}',
                "250000 nodes",
            ),
            ('{"nodes": ' + "[" * 2_000_000, "nested too deeply"),
            ("<graphml>" + "<graph>" * 100_000, "20 elements inside each other"),
            ('<!DOCTYPE a [<!ENTITY b "x">]><graphml>&b;</graphml>', "document type declaration"),
        ],
        ids=["nodes", "deep JSON", "deep XML", "entities"],
    )
    def test_a_graph_that_asks_for_too_much(self, beside: str, text: str, tmp_path: Path) -> None:
        written(tmp_path / "graph", beside)
        path = written(tmp_path / "lab.yaml", GOOD + "topology: {net: {file: graph, bandwidth: 1 Mbit/s}}\n")
        with pytest.raises(InputError, match=text) as caught:
            load_scenario(path)
        assert len(str(caught.value)) < 500

    @pytest.mark.parametrize(
        "asked",
        [
            "replications: 1000000000000",
            "replications: 100000\naxes: {product: {a: {path: seed, values: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]}}}",
            "replications: 2\naxes:\n  product:\n"
            + "".join(
                f"    a{i}: {{path: seed, values: [{', '.join(map(str, range(99)))}]}}\n" for i in range(9)
            ),
        ],
    )
    def test_a_campaign_of_too_many_runs(self, asked: str, tmp_path: Path) -> None:
        written(tmp_path / "lab.yaml", GOOD)
        path = written(tmp_path / "many.yaml", f"scenario: lab.yaml\n{asked}\n")
        message = refused("sweep", "plan", path, "--store", tmp_path / "store")
        assert "1,000,000" in message or "1000000" in message

    def test_a_study_of_too_many_worlds_and_a_command_of_too_many_processes(self, tmp_path: Path) -> None:
        path = written(tmp_path / "lab.yaml", GOOD)
        change = ("--set", "workload.0.output=3")
        assert "10000" in refused("whatif", path, *change, "--replications", 10**12)
        for asked in (["whatif", path, *change], ["paper"], ["sweep", "run", "weaker-wifi"]):
            code, message = command(*asked, "--workers", 10**9)
            assert code == 2
            assert "--workers" in message


class TestTraces:
    def test_a_small_parquet_file_of_very_many_rows_is_refused_unread(self, tmp_path: Path) -> None:
        path, rows = tmp_path / "bomb.parquet", np.zeros(parquet.MOST_ROWS // 4)
        table = pa.table({"time [s]": rows, "rate [B/s]": rows})
        with pq.ParquetWriter(path, table.schema) as file:
            for _ in range(5):
                file.write_table(table)
        assert path.stat().st_size < 1_000_000
        with pytest.raises(InputError, match=r"25,000,000 rows; expected at most 20,000,000"):
            read(path, "rate")

    def test_texts_in_parquet_are_refused_before_they_are_unfolded(self, tmp_path: Path) -> None:
        texts = pa.DictionaryArray.from_arrays(
            pa.array(np.zeros(60_000, np.int32)), pa.array(["1" * 100_000])
        )
        path = tmp_path / "bomb.parquet"
        pq.write_table(pa.table({"time [s]": np.arange(60_000.0), "rate [B/s]": texts}), path)
        with pytest.raises(InputError, match=r"the column 'rate \[B/s\]' of type dictionary"):
            read(path, "rate")

    def test_a_library_s_complaint_is_told_on_one_printable_line(self, tmp_path: Path) -> None:
        path = tmp_path / "log.parquet"
        pq.write_table(pa.table({"time [s]": pa.array([], pa.duration("s"))}), path)
        data = path.read_bytes()
        path.write_bytes(data.replace(b"\x19\x1c\x19\x1c", b"\x19,nan\x00", 1))
        with pytest.raises(InputError) as caught:
            read(path, "rate")
        assert str(caught.value).isprintable()

    @pytest.mark.parametrize(
        ("rows", "options"),
        [
            ("1\n999999999999999\n", []),
            ("time [s],rate [Mbit/s]\n0,1\n1000,2\n", ["--step", "1 ns"]),
            ("time [s],rate [Mbit/s]\n0,1\n1e99,2\n", ["--step", "1 s"]),
        ],
        ids=["two packets 30,000 years apart", "steps of a nanosecond", "a log of 1e99 seconds"],
    )
    def test_steps_are_counted_before_a_recording_is_averaged(
        self, rows: str, options: list[str], tmp_path: Path
    ) -> None:
        path = written(tmp_path / "log.mahimahi", rows)
        assert "a step long enough for at most 10,000,000" in refused("trace", "info", path, *options)
        assert "np.float64" not in refused("trace", "fit", path, *options)
        if not options:
            assert command("trace", "plot", path, "-o", tmp_path / "figure.png") == (0, "")

    def test_a_trace_of_numbers_beyond_measure_is_fitted_by_nothing(self) -> None:
        values = [5.6e16, 1e99, 1.8e98, 0.0, 1.8e98, 2.0] * 3
        with pytest.raises(InputError, match=r"values of 1e\+99"):
            fit_all(Trace(np.arange(float(len(values))), values))


class TestNames:
    @pytest.mark.parametrize(
        "name", ["nul", "CON.x", "com1", "lpt9.a.b", "lab.", "..", "a/b", "~", "/x", "a\\b"]
    )
    def test_a_name_that_is_no_file_s_everywhere_is_refused(self, name: str, tmp_path: Path) -> None:
        lab = written(tmp_path / "lab.yaml", f"name: '{name}'\n{GOOD}")
        assert "lab.yaml:1: name" in refused("run", lab)
        many = written(tmp_path / "many.yaml", f"name: '{name}'\nscenario: home-cluster\nreplications: 1\n")
        assert "many.yaml:1: name" in refused("sweep", "run", many)

    @pytest.mark.parametrize(
        "name", ["...yaml", " .yaml", "a\nb.yaml", "~.yaml", "a:b.yaml", f"{'x' * 240}.yaml"]
    )
    def test_a_file_without_a_name_gets_one_that_stays_below_results(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "in").mkdir()
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        path = written(tmp_path / "in" / name, GOOD)
        assert command("run", path, "--policy", "single") == (0, "")
        (made,) = (tmp_path / "here" / "results").iterdir()
        assert made.name.isprintable()
        assert (made / "runs.parquet").is_file()
        assert sorted(p.name for p in tmp_path.iterdir()) == ["here", "in"]

    @pytest.mark.slow
    def test_labels_of_policies_and_axes_are_no_names_of_files(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        label = "../../../evil"
        path = written(
            tmp_path / "lab.yaml",
            GOOD + f"policies: [{{name: single, label: {label}}}, {{name: greedy, label: /x}}]\n",
        )
        assert command("run", path, "--out", "out") == (0, "")
        assert command("report", "out", "-o", "out.html", "--figures", "figures") == (0, "")
        assert command("timeline", "out", "--policy", label, "-o", "line.json") == (0, "")
        assert command("whatif", path, "--variant", f"{label}: workload.0.output=3", "--out", "what") == (
            0,
            "",
        )
        kept = {"lab.yaml", "out", "out.html", "figures", "line.json", "what"}
        assert {p.name for p in tmp_path.iterdir()} == kept
        for folder in ("out", "figures", "what"):
            assert all(p.is_file() and p.name[0] != "." for p in (tmp_path / folder).iterdir())

    def test_links_in_a_folder_of_results_go_with_it_and_what_they_lead_to_stays(
        self, tmp_path: Path
    ) -> None:
        path = written(tmp_path / "lab.yaml", GOOD)
        mine = written(tmp_path / "mine", "mine")
        assert command("run", path, "--policy", "single", "--out", tmp_path / "out") == (0, "")
        for name in ("runs.parquet", "scenario.yaml", "latency_cdf.svg"):
            (tmp_path / "out" / name).unlink()
            (tmp_path / "out" / name).symlink_to(mine)
        assert command("run", path, "--policy", "single", "--out", tmp_path / "out") == (0, "")
        assert mine.read_text() == "mine"
        assert not any(p.is_symlink() for p in (tmp_path / "out").iterdir())

    @pytest.mark.parametrize(
        "name",
        [
            "journal",
            "parts",
            "campaigns",
            "log.txt",
            ".judging",
            "store.json",
            "journal/x",
            "campaigns/many.yaml",
        ],
    )
    def test_a_store_with_a_link_in_it_is_refused_and_nothing_behind_it_is_touched(
        self, name: str, tmp_path: Path
    ) -> None:
        written(tmp_path / "lab.yaml", GOOD)
        many = written(tmp_path / "many.yaml", "scenario: lab.yaml\npolicies: [single]\nreplications: 1\n")
        home = tmp_path / "home"
        (home / ".secret").mkdir(parents=True)
        store = tmp_path / "store"
        for folder in ("journal", "parts", "campaigns"):
            (store / folder).mkdir(parents=True)
        written(store / "store.json", '{"headway store": 1}')
        place = store / name
        if place.is_dir():
            place.rmdir()
        place.unlink(missing_ok=True)
        place.symlink_to(home / "file" if "." in name else home)
        for asked in (["run", many, "--workers", "1"], ["status", many], ["plan", many]):
            assert "a symbolic link in a store" in refused("sweep", *asked, "--store", store)
        assert "a symbolic link in a store" in refused(
            "sweep", "export", many, "--store", store, "--out", tmp_path / "out"
        )
        assert [p.name for p in home.iterdir()] == [".secret"]


class TestNoCode:
    """Reading a file imports nothing, whatever it names."""

    MARK = "import pathlib\npathlib.Path(__file__).with_name('imported').touch()\nclass Mine:\n    name = 'mine'\n"

    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A folder with a module that leaves a mark when it is imported, as the working folder and on the path."""
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend(str(tmp_path))
        written(tmp_path / "leaves_mark.py", self.MARK)
        written(tmp_path / "lab.yaml", GOOD)
        return tmp_path

    @pytest.mark.parametrize(
        "name", ["leaves_mark:Mine", "leaves_mark", "leaves_mark.Mine", "os:system", ".:x", ":"]
    )
    def test_a_policy_in_a_file_is_a_registered_one(self, name: str, folder: Path) -> None:
        listed = f'policies: ["{name}"]\n'
        written(folder / "bad.yaml", GOOD + listed)
        written(folder / "many.yaml", f"scenario: lab.yaml\nreplications: 1\n{listed}")
        variants = f"axes: {{product: {{a: {{variants: {{b: ['policies=[\"{name}\"]']}}}}}}}}\n"
        written(folder / "axes.yaml", f"scenario: lab.yaml\nreplications: 1\n{variants}")
        written(folder / "study.yaml", f"base: lab.yaml\nvariants: {{b: [workload.0.output=3]}}\n{listed}")
        store = ("--store", "store", "--workers", "1")
        for asked in (
            ["run", "bad.yaml"],
            ["validate", "bad.yaml"],
            ["explain", "bad.yaml"],
            ["timeline", "bad.yaml"],
            ["sweep", "run", "many.yaml", *store],
            ["sweep", "plan", "many.yaml", *store],
            ["whatif", "study.yaml"],
            ["whatif", "lab.yaml", "--set", f'policies=["{name}"]'],
            ["whatif", "lab.yaml", "--set", f'policies=[{{name: "{name}", parameters: {{a: 1}}}}]'],
        ):
            assert "policy" in refused(*asked)
        command("sweep", "plan", "axes.yaml", *store)
        assert not (folder / "imported").exists()

    def test_a_scenario_s_folder_brings_no_modules_and_no_policies(self, folder: Path) -> None:
        """Not even as the working folder, where a file may be called like a module that Headway imports late."""
        for module in ("seaborn", "matplotlib", "PIL", "mine"):
            written(folder / f"{module}.py", self.MARK)
        info = folder / "mine-1.0.dist-info"
        info.mkdir()
        written(info / "METADATA", "Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
        written(info / "entry_points.txt", "[headway.policies]\nmine = mine:Mine\n")
        written(folder / "bad.yaml", GOOD + "policies: [mine]\n")
        code = "import sys; from headway.__main__ import main; sys.argv[1:] = {}; main()"
        for asked, says in (
            (["run", "bad.yaml"], "got the policy 'mine'"),
            (["run", "lab.yaml"], "Results: "),
        ):
            done = subprocess.run(
                [sys.executable, "-P", "-c", code.format(asked)], capture_output=True, text=True, check=False
            )
            assert says in done.stdout + done.stderr
        assert not (folder / "imported").exists()

    def test_a_relative_module_on_the_command_line_is_a_mistake(self, folder: Path) -> None:
        assert "'.x:Y'" in refused("run", "lab.yaml", "--policy", ".x:Y")


class TestNoPickles:
    ALLOWED = frozenset(
        {"analysis/experiments/world.py", "analysis/experiments/worker.py", "analysis/whatif/runs.py"}
    )
    """Where worlds are packed for other processes, or compared; none of it reads what somebody else has written."""

    MODULES = frozenset(
        {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
    )
    CALLS = frozenset(
        {"eval", "exec", "compile", "__import__", "read_pickle", "to_pickle", "unsafe_load", "full_load"}
    )
    YAML = frozenset({"load", "load_all", "safe_load", "Loader", "UnsafeLoader", "FullLoader"})

    def test_no_source_reads_or_writes_them(self) -> None:
        root = Path(__file__).parents[3]
        sources = [
            p
            for package in ("traces", "simcore", "policies", "analysis")
            for p in (root / package).rglob("*.py")
        ]
        assert len(sources) > 100
        found = {
            f"{path.relative_to(root).as_posix()}: {what}" for path in sources for what in self._odd(path)
        }
        assert found == {f"{path}: import pickle" for path in self.ALLOWED}

    def _odd(self, path: Path) -> Iterator[str]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Import(names=names):
                    yield from (f"import {n.name}" for n in names if n.name.partition(".")[0] in self.MODULES)
                case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in self.MODULES:
                    yield f"from {module}"
                case ast.Call(func=ast.Name(id=name)) if name in self.CALLS:
                    yield name
                case ast.Attribute(value=ast.Name(id="yaml"), attr=name) if name in self.YAML:
                    yield f"yaml.{name}"
                case ast.Attribute(attr=name) if name in self.CALLS - {"compile"}:
                    yield name
                case ast.keyword(arg="allow_pickle"):
                    yield "allow_pickle"

    @pytest.mark.slow
    def test_no_stored_file_is_one(self, tmp_path: Path) -> None:
        written(tmp_path / "lab.yaml", GOOD)
        many = written(tmp_path / "many.yaml", "scenario: lab.yaml\npolicies: [single]\nreplications: 2\n")
        store = tmp_path / "store"
        assert command("sweep", "run", many, "--store", store, "--workers", "1") == (0, "")
        assert command("sweep", "export", many, "--store", store, "--out", tmp_path / "export") == (0, "")
        assert command("run", tmp_path / "lab.yaml", "--policy", "single", "--out", tmp_path / "out") == (
            0,
            "",
        )
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        texts = {".yaml", ".scenario", ".json", ".txt", ".svg", ""}
        assert {path.suffix for path in files} <= {*texts, ".parquet", ".png"}
        for path in files:
            if path.suffix == ".parquet":
                kinds = pq.read_schema(path).types
                assert not any(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) for kind in kinds)
            else:
                # From its second version on a pickle begins with 0x80, as nothing of these does.
                assert not path.read_bytes().startswith(b"\x80")


class TestResults:
    def test_a_description_of_aliases_is_not_unfolded(self, tmp_path: Path) -> None:
        lines = [
            "a0: &a0 [x, x]",
            *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60)),
            "description: *a59",
        ]
        assert described("\n".join(lines)) == {}

    @pytest.mark.parametrize(
        "text", ["a: " + "[" * 5000, "a: 2024-13-45", "a: !!python/name:os.system", "\x00"]
    )
    def test_a_text_beside_results_that_is_no_yaml_of_ours_says_nothing(self, text: str) -> None:
        assert described(text).keys() <= {"a"}

    def test_a_table_of_very_many_rows_is_refused_unread(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "runs.parquet"
        pq.write_table(pa.table({"run": ["x"] * 1001}), path)
        monkeypatch.setattr("headway.simcore.results.MOST_ROWS", 1000)
        with pytest.raises(InputError, match="1,001 rows"):
            read_table(path)

    @pytest.mark.parametrize("value", [math.inf, -math.inf, 1e308, 1e-320])
    def test_a_number_that_no_run_comes_to_is_refused(self, value: float, tmp_path: Path) -> None:
        pq.write_table(pa.table({"run": ["x"], "latency_s": [value]}), tmp_path / "tokens.parquet")
        with pytest.raises(InputError, match="latency_s"):
            read_table(tmp_path / "tokens.parquet")
