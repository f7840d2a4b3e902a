"""The feature's own tables. Takes a connection, never commits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from telco.db import queries
from telco.db.pool import Connection, Record
from telco.email.model import Attachment, EmailId, EmailState, OutgoingEmail, StoredEmail

Q = queries.load("telco.email")


async def add(
    conn: Connection, email: OutgoingEmail, *, dedupe_key: str, now: datetime, valid_until: datetime
) -> EmailId | None:
    """Store a message; None when it was stored before."""
    fields = (email.recipient, email.subject, email.body, email.reference, dedupe_key)
    email_id: int | None = await conn.fetchval(Q.add_message, *fields, now, valid_until)
    if email_id is None:
        return None
    if email.attachments:
        await conn.execute(Q.add_attachments, email_id, *map(list, zip(*email.attachments, strict=True)))
    return EmailId(email_id)


async def claim(conn: Connection, now: datetime, leased_until: datetime, limit: int) -> list[StoredEmail]:
    """Take what is due in hand, the oldest first."""
    rows = await conn.fetch(Q.claim, now, leased_until, limit)
    files: dict[int, list[Attachment]] = defaultdict(list)
    for row in await conn.fetch(Q.attachments, [row["message_id"] for row in rows]):
        files[row["message_id"]].append(Attachment(row["name"], row["content_type"], row["data"]))
    rows.sort(key=lambda row: (row["not_before"], row["message_id"]))
    return [to_email(row, files[row["message_id"]]) for row in rows]


def to_email(row: Record, attachments: Sequence[Attachment] = ()) -> StoredEmail:
    email = OutgoingEmail(row["recipient"], row["subject"], row["body"], row["reference"], tuple(attachments))
    return StoredEmail(
        EmailId(row["message_id"]),
        email,
        EmailState(row["state"]),
        row["attempts"],
        row["created_at"],
        row["valid_until"],
        row["last_error"],
    )
