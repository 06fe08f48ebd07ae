"""Files of unknown origin: their names stay below the folder of the output, and nothing in them runs code."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzzing import command, refused
from test_malformed_scenario import GOOD as NAMED

GOOD = NAMED.removeprefix("name: lab\n")


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


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
            files = [p for p in (tmp_path / folder).rglob("*") if p != tmp_path / "what" / "export"]
            assert all(p.is_file() and p.name[0] != "." for p in files)

    def test_links_in_a_folder_of_results_go_with_it_and_what_they_lead_to_stays(
        self, tmp_path: Path
    ) -> None:
        path = written(tmp_path / "lab.yaml", GOOD)
        mine = written(tmp_path / "mine", "mine")
        assert command("run", path, "--policy", "single", "--out", tmp_path / "out") == (0, "")
        for name in ("runs.parquet", "scenario.yaml", "latency_cdf.svg"):
            (tmp_path / "out" / name).unlink()
            (tmp_path / "out" / name).symlink_to(mine)
        assert command("run", path, "--policy", "single", "--out", tmp_path / "out", "--force") == (0, "")
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

    @pytest.mark.slow
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
        root = Path(__file__).parents[2]
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
