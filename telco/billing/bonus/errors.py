"""What the bonus programme refuses, in words for the person who asked."""

from __future__ import annotations

from telco.kernel.errors import DomainError


class NoProgrammeError(DomainError):
    """There is no bonus programme at present. Publish its rules first."""

    code = "no_bonus_programme"
    status = 409


class BonusRefusedError(DomainError):
    """The ledger refused the bonus operation {operation}: {why}."""

    code = "bonus_refused"
    status = 500
    operation: str
    why: str
