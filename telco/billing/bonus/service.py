"""The bonus programme as the rest of telco uses it: join, leave, statement, and the nightly run.

Contract: PSC-3.1.9, PSC-6.5
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from telco.billing.bonus import rules, store
from telco.billing.bonus.crediting import Crediting
from telco.billing.bonus.desk import BonusDesk
from telco.billing.bonus.earning import Earning
from telco.billing.bonus.errors import NoProgrammeError
from telco.billing.bonus.gifts import Gifts
from telco.billing.bonus.membership import Membership
from telco.billing.bonus.model import BonusBucket, BonusStatement, EarnedOperation
from telco.billing.bonus.store import Q
from telco.catalog.bonus import BONUS, BonusProgramme
from telco.catalog.catalogue import Catalogue
from telco.db.pool import Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock
from telco.kernel.ids import AccountRef
from telco.kernel.money import Tiyn
from telco.ledger.service import Ledger
from telco.subscribers.model import ConsentKind, Origin, Subscriber
from telco.subscribers.service import Subscribers

STATEMENT_MONTHS = 6
STATEMENT_LINES = 50
MOST_OPERATIONS = 1_000


class Bonuses:
    """Use cases of the bonus programme."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        calendar: Calendar,
        catalogue: Callable[[], Catalogue],
        ledger: Ledger,
        subscribers: Subscribers,
    ) -> None:
        self._desk = BonusDesk(database, clock, calendar, catalogue, ledger)
        self._subscribers = subscribers
        self.membership = Membership(self._desk, subscribers)
        self.earning = Earning(self._desk)
        self.crediting = Crediting(self._desk, self.earning)
        self.gifts = Gifts(self._desk)

    def programme(self) -> BonusProgramme:
        """The rules in force now.

        Raises:
            NoProgrammeError
        """
        programme = self._desk.catalogue().bonus_at(self._desk.clock.now())
        if programme is None:
            raise NoProgrammeError
        return programme

    async def join(self, subscriber: Subscriber, origin: Origin) -> None:
        """Join the programme (again), from now on; what was before is not earned.

        Raises:
            NoProgrammeError
            ConsentGivenError: the number is in it already.

        Contract: PSC-3.1.9
        """
        version = f"bonus-{self.programme().version}"
        await self._subscribers.consents.give(subscriber.subscriber_id, ConsentKind.BONUS, origin, version=version)
        await self.membership.settle(subscriber.subscriber_id)

    async def leave(self, subscriber: Subscriber, origin: Origin) -> None:
        """Leave the programme at once; with the account's last number its bonuses are zeroed.

        Raises:
            ConsentAbsentError: the number is not in it.

        Contract: PSC-3.1.9, PSC-6.5
        """
        await self._subscribers.consents.withdraw(subscriber.subscriber_id, ConsentKind.BONUS, origin)
        await self.membership.settle(subscriber.subscriber_id)

    async def statement(self, account: AccountRef) -> BonusStatement:
        """What can be spent and until when, what the latest months earned, what was credited and given.

        Contract: PSC-3.1.9
        """
        view = await self._desk.ledger.balances(account)
        found = [bucket for bucket in view.buckets if bucket.code == BONUS and bucket.available > 0]
        async with self._desk.database.acquire() as conn:
            member = await store.member(conn, account)
            months = await store.months_of(conn, member, STATEMENT_MONTHS) if member else ()
            credited = await store.credits_of(conn, member, STATEMENT_LINES) if member else ()
            gifts = await store.gifts_of(conn, account, STATEMENT_LINES)
        return BonusStatement(
            member=member,
            available=Tiyn(sum(bucket.available for bucket in found)),
            buckets=tuple(BonusBucket(Tiyn(bucket.available), bucket.valid_until) for bucket in found),
            months=months,
            credits=credited,
            gifts=gifts,
        )

    async def proof(self, account: AccountRef, day: date) -> list[EarnedOperation]:
        """The operations of a day that earned bonuses, each with its rule and share, exact to a hundredth of a tiyn.

        Contract: PSC-3.1.9
        """
        start, end = self._desk.calendar.start_of_day(day), self._desk.calendar.start_of_day(day + timedelta(days=1))
        async with self._desk.database.acquire() as conn:
            member = await store.member(conn, account)
            rows = await conn.fetch(Q.operations_of, account.shard, account.account_id, start, end, MOST_OPERATIONS)
        if member is None:
            return []
        found = []
        for row in rows:
            earned_on = self._desk.calendar.today(row["earned_at"])
            rule = rules.rule_for(self.earning.rule_rows(), row["contra"], member.tenure_from, earned_on)
            if rule is not None and row["earned_at"] >= member.joined_at:
                paid = rules.earning_sum(row["contra"], row["paid"])
                e4 = paid * rule.basis_points
                found.append(EarnedOperation(row["op_id"], row["at"], rule.rule, Tiyn(paid), e4))
        return found

    async def run(self) -> dict[str, object]:
        """Do what is due: zero who left, read finished days, credit finished months, give gifts."""
        zeroed = await self.membership.zero_left()
        earned = await self.earning.run()
        credited = await self.crediting.run()
        return {
            "zeroed": zeroed,
            "days": earned.days,
            "earnings": earned.earnings,
            "members": credited.members,
            "credited_tiyn": credited.credited,
            "taken_back_tiyn": credited.taken_back,
            "gifts": await self.gifts.run(),
        }
