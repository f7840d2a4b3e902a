"""Suspensions: many at once on a number, each with its ground, scope, author, start and end."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from telco.db import outbox
from telco.db.pool import Connection, Record
from telco.kernel.ids import SubscriberId
from telco.kernel.names import clean_text
from telco.subscribers import rules, store, store_records
from telco.subscribers.desk import Desk, Filing, Work
from telco.subscribers.errors import SuspensionUnknownError
from telco.subscribers.model import Ground, Origin, Scope, Suspension, SuspensionId
from telco.subscribers.store import Q


class Suspensions:
    """Use cases of suspensions."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def suspend(
        self,
        subscriber_id: SubscriberId,
        ground: Ground,
        origin: Origin,
        *,
        reason: str,
        scopes: Iterable[Scope] = (),
        reference: str = "",
        ends_at: datetime | None = None,
    ) -> Suspension:
        """Suspend services to a number from this moment, without notice; no scopes means the ground's usual ones.

        `reference` tells suspensions on one ground apart: an invoice, a case, a demand. Others are not touched.

        Raises:
            SuspensionError: the ground does not allow it (who, scope, end, missing law or demand).
            SubscriberUnknownError
            SuspensionOpenError: this very ground and reference are in force already.

        Contract: PSC-3.1.5, PSC-3.1.5.5, PSC-3.1.3, PSC-3.2.14
        """
        reason = clean_text(reason, field="reason", max_length=500)
        reference = clean_text(reference, field="reference", max_length=100) if reference else ""

        async def body(work: Work) -> Suspension:
            wanted = rules.check_suspension(ground, scopes, reference, origin, work.now, ends_at)
            subscription = await store.lock_subscription(work.conn, subscriber_id)
            suspension = await store_records.add_suspension(
                work.conn,
                subscriber_id,
                ground,
                wanted,
                reference=reference,
                reason=reason,
                author=origin.author,
                now=work.now,
                ends_at=ends_at,
            )
            clause = rules.GROUNDS[ground].clause
            work.outcome = f"suspended: {', '.join(sorted(wanted))} ({clause})"
            work.details = {"ground": ground, "clause": clause, "scopes": sorted(wanted), "reference": reference}
            payload: dict[str, object] = {
                "msisdn": subscription.msisdn,
                "language": subscription.language,
                "suspension_id": suspension.suspension_id,
                "ground": ground,
                "scopes": sorted(wanted),
                "ends_at": ends_at and ends_at.isoformat(),
                "asked": not origin.automatic,
            }
            await work.emit("suspended", subscriber_id, payload)
            return suspension

        filing = Filing("suspend", "", f"{ground}: {reason}", origin, subscriber_id)
        return await self._desk.carry_out("suspend", filing, body)

    async def resume(self, suspension_id: SuspensionId, origin: Origin, *, reason: str) -> frozenset[Scope]:
        """End one suspension and return what is still forbidden by others; empty means that service is back in full.

        Raises:
            SuspensionUnknownError: unknown or ended.
            SuspensionNotYoursError: a subscriber ends only what he started himself.

        Contract: PSC-3.1.5, PSC-3.2.14
        """
        reason = clean_text(reason, field="reason", max_length=500)

        async def body(work: Work) -> frozenset[Scope]:
            suspension = await store_records.lock_suspension(work.conn, suspension_id)
            return await self._end(work, suspension, reason)

        return await self._desk.carry_out("resume", Filing("resume", "", f"{suspension_id}: {reason}", origin), body)

    async def resume_ground(
        self,
        subscriber_id: SubscriberId,
        ground: Ground,
        origin: Origin,
        *,
        reason: str,
        reference: str = "",
    ) -> frozenset[Scope]:
        """End the suspension on a ground with a reference, as whoever made it knows it; otherwise as `resume`."""
        reason = clean_text(reason, field="reason", max_length=500)

        async def body(work: Work) -> frozenset[Scope]:
            suspension = await store_records.open_suspension(work.conn, subscriber_id, ground, reference)
            if suspension is None:
                raise SuspensionUnknownError(suspension_id=ground)
            return await self._end(work, suspension, reason)

        filing = Filing("resume", "", f"{ground}: {reason}", origin, subscriber_id)
        return await self._desk.carry_out("resume", filing, body)

    async def _end(self, work: Work, suspension: Suspension, reason: str) -> frozenset[Scope]:
        rules.check_resumption(suspension, work.origin)
        work.subscriber_id = suspension.subscriber_id
        await store_records.end_suspension(
            work.conn, suspension.suspension_id, now=work.now, author=work.origin.author, reason=reason
        )
        left = await store_records.in_force(work.conn, suspension.subscriber_id, work.now)
        barred = rules.barred(left, work.now)
        work.outcome = f"ended; still forbidden: {', '.join(sorted(barred)) or 'nothing'}"
        work.details = {"ground": suspension.ground, "reference": suspension.reference, "barred": sorted(barred)}
        payload: dict[str, object] = {
            "suspension_id": suspension.suspension_id,
            "ground": suspension.ground,
            "barred": sorted(barred),
            "asked": not work.origin.automatic,
        }
        await work.emit("resumed", suspension.subscriber_id, payload)
        return barred

    async def in_force(self, subscriber_id: SubscriberId) -> list[Suspension]:
        """What forbids a number service now."""
        async with self._desk.db.acquire() as conn:
            return await store_records.in_force(conn, subscriber_id, self._desk.clock.now())

    async def history(self, subscriber_id: SubscriberId, limit: int = 100) -> list[Suspension]:
        """A number's suspensions, the newest first."""
        async with self._desk.db.acquire() as conn:
            return await store_records.suspensions(conn, subscriber_id, limit)

    async def blocks_porting(self, subscriber_id: SubscriberId) -> bool:
        """Whether a suspension in force keeps the number from being ported out. Contract: PSC-7.5"""
        return any(rules.GROUNDS[s.ground].blocks_porting for s in await self.in_force(subscriber_id))

    async def end_lapsed(self, limit: int = 1_000) -> int:
        """Mark suspensions whose planned end has come as ended, and tell; a job calls it. Reads do not wait for it.

        Contract: PSC-3.1.5
        """

        async def body(conn: Connection) -> int:
            now = self._desk.clock.now()
            rows = await conn.fetch(Q.end_lapsed_suspensions, now, limit)
            await outbox.emit_many(conn, [_lapsed(row) for row in rows if row["in_use"]], at=now)
            return len(rows)

        return await self._desk.db.transact("subscribers.end_suspensions", body)


def _lapsed(row: Record) -> tuple[str, str, dict[str, object]]:
    subscriber_id = row["subscription_id"]
    payload = {name: row[name] for name in ("suspension_id", "ground", "barred")}
    return "subscribers.resumed", f"subscriber:{subscriber_id}", {"subscriber_id": subscriber_id, **payload}
