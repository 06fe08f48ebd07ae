"""Ctrl-C ends a command with one line and exit code 130, whenever it is pressed."""

import subprocess
import sys
from pathlib import Path

import pytest

PRESS = "os.kill(os.getpid(), signal.SIGINT)"

AT_AN_IMPORT = f"""\
import os, signal, sys
from headway.__main__ import main
at, imports = int(sys.argv.pop(1)), 0
def press(event, _):
    global imports
    imports += event == "import"
    if event == "import" and imports == at:
        {PRESS}
sys.addaudithook(press)
main()
"""

AT_THE_END = f"""\
import atexit, os, signal
from headway.__main__ import main
atexit.register(lambda: {PRESS})
main()
"""

IN_A_CALLBACK = f"""\
import os, signal, time
from headway.analysis.console import interrupts
class Presses:
    def __del__(self):
        {PRESS}
interrupts.end_at_once()
try:
    with interrupts.raised():
        presses = Presses()
        del presses
        time.sleep(60.0)
except KeyboardInterrupt:
    print("raised")
"""


CAUGHT = f"""\
import os, signal
from headway.analysis.console import interrupts
interrupts.end_at_once()
try:
    with interrupts.raised():
        try:
            {PRESS}
        except BaseException:
            pass
        raise ValueError("what the block says otherwise")
except KeyboardInterrupt:
    print("raised")
"""


def ended(code: str, folder: Path, *arguments: object) -> tuple[int, str, str]:
    """Exit code, output and complaint of a script."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("number", [1, 30, 300, 900])
def test_ctrl_c_while_modules_are_imported(number: int, tmp_path: Path) -> None:
    assert ended(AT_AN_IMPORT, tmp_path, number, "run") == (130, "", "headway: interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_when_the_command_has_ended(tmp_path: Path) -> None:
    code, _, complaint = ended(AT_THE_END, tmp_path, "--version")
    assert (code, complaint) == (130, "headway: interrupted\n")


@pytest.mark.parametrize("code", [IN_A_CALLBACK, CAUGHT], ids=["in a callback", "caught"])
def test_ctrl_c_is_not_lost_where_its_exception_is(code: str, tmp_path: Path) -> None:
    """Python drops what callbacks of its garbage collector raise, and some libraries catch everything on import."""
    assert ended(code, tmp_path) == (0, "raised\n", "")
