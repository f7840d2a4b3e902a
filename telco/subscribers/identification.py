"""Identification by PIN or code word, with limited tries."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import argon2

from telco.db.pool import Connection, Record
from telco.kernel.ids import SubscriberId
from telco.subscribers import rules, store
from telco.subscribers.desk import Desk, Filing, Work
from telco.subscribers.errors import SecretRefusedError
from telco.subscribers.model import CheckStatus, Origin, SecretCheck, SecretKind
from telco.subscribers.store import Q


class Identification:
    """Use cases of secrets. They are kept as argon2id hashes and never leave this class."""

    def __init__(self, desk: Desk, hasher: argon2.PasswordHasher | None = None) -> None:
        self._desk = desk
        self._hasher = hasher or argon2.PasswordHasher()

    async def set(self, subscriber_id: SubscriberId, kind: SecretKind, secret: str, origin: Origin) -> None:
        """Set the PIN or code word; it takes the place of the one before and clears the tries.

        Raises:
            SecretRefusedError: too short, too long, or a sequence that anybody would try first.
            SubscriberUnknownError

        Contract: PSC-1.1.5
        """
        digest = await asyncio.to_thread(self._hasher.hash, rules.check_secret(kind, secret))

        async def body(work: Work) -> None:
            await store.lock_subscription(work.conn, subscriber_id)
            await work.conn.execute(Q.set_secret, subscriber_id, kind, digest, work.now)

        filing = Filing("set_secret", "", kind, origin, subscriber_id)
        await self._desk.carry_out("set_secret", filing, body)

    async def check(self, subscriber_id: SubscriberId, secret: str) -> SecretCheck:
        """Check a PIN or code word. A try is used up before the secret is looked at, so guesses at once count too.

        After the allowed tries the secret is locked for a while, and the right one does not help until then.

        Contract: PSC-1.1.5
        """
        now = self._desk.clock.now()
        tries_allowed = 0

        async def claim(conn: Connection) -> Record | None:
            nonlocal tries_allowed
            terms = await store.terms(conn, self._desk.calendar.today(now))
            tries_allowed = terms["secret_tries"]
            locked_until = now + timedelta(minutes=terms["secret_lock_minutes"])
            return await conn.fetchrow(Q.claim_try, subscriber_id, now, tries_allowed, locked_until)

        claimed = await self._desk.db.transact("subscribers.claim_try", claim)
        if claimed is None:
            row = await self._desk.db.fetchrow(Q.secret, subscriber_id)
            if row is None:
                return SecretCheck(CheckStatus.NOT_SET, 0, None)
            return SecretCheck(CheckStatus.LOCKED, 0, row["locked_until"])
        if await asyncio.to_thread(self._matches, claimed["hash"], SecretKind(claimed["kind"]), secret):
            await self._desk.db.fetch(Q.clear_tries, subscriber_id, claimed["hash"])
            return SecretCheck(CheckStatus.RIGHT, tries_allowed, None)
        left = max(0, tries_allowed - claimed["tries"])
        return SecretCheck(CheckStatus.WRONG, left, claimed["locked_until"])

    def _matches(self, digest: str, kind: SecretKind, secret: str) -> bool:
        try:
            return self._hasher.verify(digest, rules.check_secret(kind, secret))
        except (argon2.exceptions.VerifyMismatchError, SecretRefusedError):
            return False

    async def unlock(self, subscriber_id: SubscriberId, origin: Origin) -> None:
        """Clear the tries after showing identity to an employee."""

        async def body(work: Work) -> None:
            await store.lock_subscription(work.conn, subscriber_id)
            await work.conn.execute(Q.unlock_secret, subscriber_id)

        filing = Filing("unlock_secret", "", "", origin, subscriber_id)
        await self._desk.carry_out("unlock_secret", filing, body)
