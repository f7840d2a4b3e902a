"""Scheduled work of SMS. Sending needs none: the sender looks for what waits by itself."""

from __future__ import annotations

from datetime import datetime, timedelta

from telco.db.jobs import Job
from telco.db.pool import Connection, Database
from telco.sms.notices import Notices
from telco.sms.service import SmsService


def jobs(database: Database, sms: SmsService, notices: Notices) -> list[Job]:
    """Return the jobs: what the day has left over, while the SMSC was away, is put off until the morning."""

    async def put_off(_: datetime) -> dict[str, object]:
        async def body(connection: Connection) -> int:
            return await sms.put_off(connection, await notices.daytime(connection))

        return {"put_off": await database.transact("sms.put_off", body)}

    return [Job("sms.put_off_notices", timedelta(minutes=1), put_off)]
