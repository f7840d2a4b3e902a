"""Who is in the bonus programme: accounts whose numbers consent, from joining to leaving.

The consent is the subscribers feature's and belongs to a number; bonuses belong to the personal account that the
number spends from. An account is in the programme while one of its numbers consents. What changes a consent, a number
or its account leaves an event; its consumer looks at how things are and settles the membership accordingly, so events
may come late, twice, or in another order.

Contract: PSC-3.1.9, PSC-6.5
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from telco.billing.bonus import store
from telco.billing.bonus.desk import BonusDesk
from telco.billing.bonus.model import COST, Holder, LeaveGround, Member
from telco.billing.bonus.store import Q
from telco.db.outbox import Dispatcher, OutboxEvent
from telco.db.pool import Connection
from telco.kernel.ids import AccountRef, SubscriberId, uuid7
from telco.ledger import model as ledger_model
from telco.subscribers.model import ConsentHolder, ConsentKind
from telco.subscribers.service import Subscribers

TOPICS = (
    "subscribers.acceded",
    "subscribers.consent_given",
    "subscribers.consent_withdrawn",
    "subscribers.re_registered",
    "subscribers.account_changed",
    "subscribers.ended",
)
"""Events after which a number may hold another account in the programme, or none."""
DAY_READ_AFTER = timedelta(hours=1)
"""How long after its end a day is read: what was begun in it has been committed by then."""
BATCH = 200


class Membership:
    """Settles memberships and zeroes the bonuses of who left."""

    def __init__(self, desk: BonusDesk, subscribers: Subscribers) -> None:
        self._desk = desk
        self._subscribers = subscribers

    def subscribe_to(self, outbox: Dispatcher) -> None:
        """Hear of everything that may change a membership."""
        for topic in TOPICS:
            outbox.subscribe(topic, self.on_event)

    async def on_event(self, event: OutboxEvent) -> None:
        """Settle the accounts that the event's number holds, or held."""
        await self.settle(SubscriberId(event.payload["subscriber_id"]))

    async def settle(self, subscriber_id: SubscriberId) -> None:
        """Bring the membership of a number's accounts, the former and the present, in line with its consent.

        Contract: PSC-3.1.9, PSC-6.5
        """
        found = await self._subscribers.find_by_ids([subscriber_id])
        spends_from = {subscriber.account for subscriber in found.values()}

        async def body(conn: Connection) -> None:
            held = await store.account_of_number(conn, subscriber_id)
            accounts = spends_from | ({held} if held is not None else set())
            for account in sorted(accounts):
                await store.lock_account(conn, account)
            for account in sorted(accounts):
                await self._settle_account(conn, account)

        await self._desk.database.transact("bonus.settle_membership", body)

    async def _settle_account(self, conn: Connection, account: AccountRef) -> None:
        consenting = await self._subscribers.consents.holders(conn, account, ConsentKind.BONUS)
        holders = [self._holder(consent) for consent in consenting]
        member = await store.lock_member(conn, account)
        known = await store.numbers_of(conn, account)
        if not holders:
            if member is not None:
                in_use = await self._subscribers.find_by_account(account)
                await self._leave(conn, member, LeaveGround.LEFT if in_use else LeaveGround.ENDED)
        elif member is None:
            await self._join(conn, account, holders)
        elif not any(known.get(holder.subscriber_id) == holder.consent_at for holder in holders):
            await self._leave(conn, member, LeaveGround.JOINED_AGAIN)
            await self._join(conn, account, holders)
        else:
            tenure_from, birthday = _facts(holders)
            await conn.execute(Q.update_member, member.member_id, tenure_from, birthday)
        await store.set_numbers(conn, account, holders)

    def _holder(self, consent: ConsentHolder) -> Holder:
        """A person's birthday is in his IIN: YYMMDD."""
        acceded_on = self._desk.calendar.today(consent.acceded_at)
        birthday = int(consent.iin_bin[2:6]) if consent.person else None
        return Holder(consent.subscriber_id, consent.given_at, acceded_on, birthday)

    async def _join(self, conn: Connection, account: AccountRef, holders: Sequence[Holder]) -> None:
        tenure_from, birthday = _facts(holders)
        joined_at = min(holder.consent_at for holder in holders)
        await store.add_member(conn, account, joined_at, tenure_from, birthday)
        await conn.execute(Q.reread_days, account.shard, self._desk.calendar.today(joined_at))

    async def _leave(self, conn: Connection, member: Member, ground: LeaveGround) -> None:
        now = max(self._desk.clock.now(), member.joined_at)
        await self._zero(conn, [await store.leave(conn, member.member_id, now, ground)], now)

    async def _zero(self, conn: Connection, members: Sequence[Member], now: datetime) -> int:
        """Take back what is left of members' bonuses; what an open session holds is taken once it ends.

        Returns of how many nothing is left.

        Contract: PSC-3.1.9, PSC-6.5
        """
        # there may be several drains of a member: each takes what has come free since
        drains = [
            ledger_model.drain(
                member.account,
                f"{member.origin}:zero:{uuid7().hex}",
                origin=member.origin,
                contra=COST,
                details={"label": "bonus.zeroed"},
            )
            for member in members
        ]
        await self._desk.ledger.apply(conn, drains)
        views = await self._desk.ledger.balances_many({member.account for member in members}, conn)
        left = {bucket.origin for view in views.values() for bucket in view.buckets if bucket.balance}
        done = [member.member_id for member in members if member.origin not in left]
        await conn.execute(Q.zeroed, done, now)
        return len(done)

    async def zero_left(self) -> int:
        """Zero whoever left while sessions held bonuses, or got some back by a reversal since; returns how many.

        Contract: PSC-6.5
        """
        zeroed, after = 0, 0
        while True:

            async def body(conn: Connection, after: int = after) -> tuple[int, int]:
                return await self._zero_batch(conn, after)

            done, after = await self._desk.database.transact("bonus.zero", body)
            zeroed += done
            if after == 0:
                return zeroed

    async def _zero_batch(self, conn: Connection, after: int) -> tuple[int, int]:
        members = [store.member_of(row) for row in await conn.fetch(Q.lock_unzeroed, after, BATCH)]
        if not members:
            return 0, 0
        return await self._zero(conn, members, self._desk.clock.now()), members[-1].member_id


def _facts(holders: Sequence[Holder]) -> tuple[date, int | None]:
    """Whose time counts: the number that acceded first, and its owner's birthday."""
    first = min(holders, key=lambda holder: (holder.acceded_on, holder.subscriber_id))
    return first.acceded_on, first.birthday
