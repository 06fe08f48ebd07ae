"""What kernels report to Python."""

from headway.simcore.engine.compiled.jit import kernel
from headway.simcore.engine.compiled.layout import CLOCK, REPORTS, SUBJECTS, World


@kernel
def report(w: World, sort: int, subject: int) -> None:
    """Report an event that Python handles; kernels stop at the end of the present moment."""
    at = w.rows[CLOCK].reported
    w.lists[REPORTS, at], w.lists[SUBJECTS, at] = sort, subject
    w.rows[CLOCK].reported += 1
