"""Checks, after every event of a run, that nothing has happened that cannot happen.

An `Auditor` is told what a run tells about itself (spans and rows) and looks at what the engine holds. From the
scenario alone it works out what must then be so. One module holds the laws of each kind; none of them asks the engine
how it came to its figures. The engine does not know of it: a run that is not audited pays nothing.
"""

from headway.simcore.audit.auditor import Audit, Auditor
from headway.simcore.audit.checks import AuditError, Law

__all__ = ["Audit", "AuditError", "Auditor", "Law"]
