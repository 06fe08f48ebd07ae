"""What if: a scenario and variants of it in the same worlds, and what the difference is.

`what_if` compares variants with their base, or policies with each other; `sweep` turns one knob.
`simcore.files.overrides.changes` has the vocabulary of changes, docs/whatif.md the tutorial.
"""

from headway.analysis.whatif.api import sweep, what_if
from headway.analysis.whatif.runs import Findings
from headway.analysis.whatif.study import Study

__all__ = ["Findings", "Study", "sweep", "what_if"]
