"""Compiled functions on disk."""

import os
import subprocess
import sys
from pathlib import Path

from headway import simcore

MODULE = """\
from typing import NamedTuple
import numpy as np
from headway.simcore import jit
class {name}(NamedTuple):
    values: np.ndarray
def total(one): return one.values.sum()
print(jit.compiled(total)({name}(np.ones(3))))
"""


KEPT = """\
from headway.simcore import jit
def twice(one): return 2 * one
function = jit.compiled(twice)
print(jit.is_on_disk(twice), jit.is_on_disk(function), function(2), jit.is_on_disk(function))
"""


def imported(folder: Path, name: str) -> tuple[str, str]:
    """Output and complaint of a new process that imports a module of the folder, with kernels in the folder."""
    root = Path(next(iter(simcore.__path__))).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", f"import {name}"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(root), "NUMBA_CACHE_DIR": str(folder / "kernels")},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout, done.stderr


def test_what_an_older_version_compiled_is_compiled_again(tmp_path: Path) -> None:
    """Also if the types of its arguments do not exist any more, so that numba cannot read its own index."""
    for name in ("Before", "After"):
        (tmp_path / "sums.py").write_text(MODULE.format(name=name))
        assert imported(tmp_path, "sums") == ("3.0\n", "")
    assert len(list((tmp_path / "kernels").rglob("*.nbi"))) == 1


def test_compiled_code_is_on_disk_after_its_first_call_and_until_its_file_changes(tmp_path: Path) -> None:
    (tmp_path / "doubles.py").write_text(KEPT)
    assert imported(tmp_path, "doubles") == ("False False 4 True\n", "")
    assert imported(tmp_path, "doubles") == ("False True 4 True\n", "")
    (tmp_path / "doubles.py").write_text(KEPT.replace("2 * one", "one + one "))
    assert imported(tmp_path, "doubles") == ("False False 4 True\n", "")
