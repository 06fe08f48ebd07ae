"""Compare a scenario with variants of it in the same worlds.

`what_if` compares variants with their base, or policies with each other; `sweep` tries several values of one key.
`simcore.files.overrides.changes` documents the changes; docs/whatif.md is the tutorial.
"""

from headway.analysis.whatif.api import sweep, what_if
from headway.analysis.whatif.runs import Findings
from headway.analysis.whatif.study import Study

__all__ = ["Findings", "Study", "sweep", "what_if"]
