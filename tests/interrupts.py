"""Commands that are interrupted in the midst of their runs, however long it takes them to come to it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from headway import analysis

MODULE = """\
import os
from pathlib import Path

from headway import policies


class Tells:
    \"\"\"Decides as another policy does, and leaves a file when it is asked for the second time.\"\"\"

    name = "tells"

    def decide(self, seen):
        if seen.placement is not None:
            Path(__file__).with_name(f"asked-{os.getpid()}").touch()
        return policies.create("single").decide(seen)
"""


BEGUN = """\
import os
from pathlib import Path

Path(__file__).with_name(f"begun-{os.getpid()}").touch()
"""


def interrupted(
    site: Path, folder: Path, *arguments: str, processes: int = 1, sign: str = "asked"
) -> tuple[int, str, str]:
    """Exit code, output and complaint of a command that is interrupted, as from a terminal, with all its processes.

    Args:
        site: an empty folder outside of `folder`, where the policy is installed that tells that runs are under way.
        folder: where the command is called.
        arguments: of the command; this policy is added to them.
        processes: how many must have left the sign.
        sign: what they do then; "asked", a policy was asked for the second time, or "begun", an interpreter began.
    """
    (site / "telling.py").write_text(MODULE, encoding="utf-8")
    (site / "sitecustomize.py").write_text(BEGUN, encoding="utf-8")
    package = site / "telling-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: telling\nVersion: 1.0\n", encoding="utf-8"
    )
    (package / "entry_points.txt").write_text("[headway.policies]\ntells = telling:Tells\n", encoding="utf-8")
    root = Path(next(iter(analysis.__path__))).parents[1]
    with subprocess.Popen(
        [sys.executable, "-m", "headway", *arguments, "--policy", "tells"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join((str(root), str(site)))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        while len(list(site.glob(f"{sign}-*"))) < processes and process.poll() is None:
            time.sleep(0.02)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        output, complaint = process.communicate()
    return process.returncode, output, complaint
