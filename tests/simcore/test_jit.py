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


def test_what_an_older_version_compiled_is_compiled_again(tmp_path: Path) -> None:
    """Also if the types of its arguments do not exist any more, so that numba cannot read its own index."""
    root = Path(next(iter(simcore.__path__))).parents[1]
    for name in ("Before", "After"):
        (tmp_path / "sums.py").write_text(MODULE.format(name=name))
        done = subprocess.run(
            [sys.executable, "-c", "import sums"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(root), "NUMBA_CACHE_DIR": str(tmp_path / "kernels")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.stdout, done.stderr) == ("3.0\n", "")
    assert len(list((tmp_path / "kernels").rglob("*.nbi"))) == 1
