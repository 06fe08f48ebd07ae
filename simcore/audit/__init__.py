"""Checks the laws of the simulation after every event of a run.

An `Auditor` receives the spans and rows of a run and reads the state of the engine. It computes the expected state from
the scenario alone. Each module holds the laws of one kind; none of them uses the algorithms of the engine. The engine
does not depend on the auditor: a run without an audit pays nothing.
"""

from headway.simcore.audit.auditor import Audit, Auditor
from headway.simcore.audit.checks import AuditError, Law

__all__ = ["Audit", "AuditError", "Auditor", "Law"]
