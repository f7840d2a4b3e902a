"""The audit trail: every staff read of personal data and every manual change, with who and on what ground."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from telco.db import queries
from telco.db.pool import Connection

_Q = queries.load("telco.db")


async def record(
    connection: Connection,
    *,
    at: datetime,
    actor: str,
    action: str,
    subject: str,
    ground: str,
    details: dict[str, object] | None = None,
) -> None:
    """Write one audit row in the caller's transaction.

    `subject` names what was read or changed (``subscriber:42``); `ground` is the reason given by the actor.

    Contract: PSC-1.1.21
    """
    await connection.execute(_Q.record_audit, at, actor, action, subject, ground, details or {})


async def record_each(
    connection: Connection, subjects: Sequence[str], *, at: datetime, actor: str, action: str, ground: str
) -> None:
    """Write an audit row of each subject, all in one statement, in the caller's transaction. Contract: PSC-1.1.21"""
    await connection.execute(_Q.record_audit_of_each, at, actor, action, subjects, ground)
