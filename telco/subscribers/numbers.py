"""The number pool: reservation, assignment, change, quarantine, numbers lent while another is being ported in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from telco.kernel.ids import SubscriberId
from telco.kernel.money import Tiyn, json_money
from telco.kernel.msisdn import Msisdn
from telco.kernel.names import clean_text
from telco.subscribers import money, store, store_numbers
from telco.subscribers.desk import Desk, Filing, Work
from telco.subscribers.errors import (
    NumberNotFreeError,
    NumberNotOursError,
    NumberReservationsError,
    NumberTemporaryError,
    SuspendedError,
)
from telco.subscribers.model import NumberUse, Origin, PoolNumber, Scope, Subscription
from telco.subscribers.store import Q

FOREVER = datetime(9999, 12, 31, tzinfo=UTC)
"""Deadline of what has none: the number of a starter pack waits for its card."""

MAX_NUMBERS_AT_ONCE = 10_000
MAX_LISTED = 100


def pack_holder(iccid: str) -> str:
    """Who keeps the number of a starter pack: the pack's card."""
    return f"pack:{iccid}"


class Numbers:
    """Use cases of the number pool."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def add(self, msisdns: Sequence[Msisdn], category: str, origin: Origin) -> int:
        """Put numbers into the pool and return how many were new; known ones stay as they are.

        Raises:
            NumberCategoryError: no such category.
        """
        if len(msisdns) > MAX_NUMBERS_AT_ONCE:
            raise ValueError(f"at most {MAX_NUMBERS_AT_ONCE} numbers at once")
        filing = Filing("add_numbers", "pool", f"{len(msisdns)} numbers of category {category}", origin)

        async def body(work: Work) -> int:
            added = await store_numbers.add_numbers(work.conn, msisdns, category)
            work.outcome = f"{added} added"
            work.details = {"added": added, "category": category}
            return added

        return await self._desk.carry_out("add_numbers", filing, body)

    async def set_price(self, category: str, price: Tiyn, origin: Origin) -> None:
        """Set the price of a category of numbers, making the category if it is new."""
        category = clean_text(category, field="category", max_length=32)
        if price < 0:
            raise ValueError("a number is not paid for by the operator")

        async def body(work: Work) -> None:
            await work.conn.execute(Q.set_category_price, category, price)
            work.details = {"category": category, "price_tiyn": price}

        filing = Filing("set_number_price", "pool", f"{category} {json_money(price)}", origin)
        await self._desk.carry_out("set_number_price", filing, body)

    async def free(self, category: str, *, ending: str = "", limit: int = 20) -> list[PoolNumber]:
        """List free numbers of a category, with their price; `ending` are the last digits wished for."""
        digits = "".join(character for character in ending if character in "0123456789")
        async with self._desk.db.acquire() as conn:
            return await store_numbers.free_numbers(conn, category, digits, min(limit, MAX_LISTED))

    async def get(self, msisdn: Msisdn) -> PoolNumber:
        """Say where a number of the pool stands.

        Raises:
            NumberNotOursError: it is not in the pool.

        Contract: PSC-2.11
        """
        async with self._desk.db.acquire() as conn:
            found = await store_numbers.number(conn, msisdn)
        if found is None:
            raise NumberNotOursError(msisdn=msisdn)
        return found

    async def reserve(self, msisdn: Msisdn, holder: str, origin: Origin) -> datetime:
        """Keep a free number for `holder` and return until when; the same holder again prolongs it.

        Raises:
            NumberNotFreeError: taken, reserved for somebody else, or resting.
            NumberReservationsError: the holder keeps as many as allowed already.
        """
        holder = clean_text(holder, field="holder", max_length=64)

        async def body(work: Work) -> datetime:
            terms = await work.terms()
            until = work.now + timedelta(minutes=terms["number_reservation_minutes"])
            await work.conn.execute(Q.lock_holder, holder)
            kept = await work.conn.fetchval(Q.count_reserved, holder, work.now, msisdn)
            if kept >= terms["numbers_reserved_at_once"]:
                raise NumberReservationsError(limit=terms["numbers_reserved_at_once"])
            if await work.conn.fetchval(Q.reserve_number, msisdn, holder, until, work.now) is None:
                raise NumberNotFreeError(msisdn=msisdn)
            work.outcome = f"reserved until {until.isoformat()}"
            return until

        filing = Filing("reserve_number", msisdn, f"for {holder}", origin)
        return await self._desk.carry_out("reserve_number", filing, body)

    async def unreserve(self, msisdn: Msisdn, holder: str, origin: Origin) -> None:
        """Give a reservation up.

        Raises:
            NumberNotFreeError: not reserved by this holder.
        """

        async def body(work: Work) -> None:
            if await work.conn.fetchval(Q.unreserve_number, msisdn, holder) is None:
                raise NumberNotFreeError(msisdn=msisdn)

        await self._desk.carry_out("unreserve_number", Filing("unreserve_number", msisdn, "", origin), body)

    async def change(
        self,
        subscriber_id: SubscriberId,
        origin: Origin,
        *,
        msisdn: Msisdn | None = None,
        category: str = "ordinary",
        holder: str = "",
    ) -> Msisdn:
        """Give a subscription another number and return it; the old one is withdrawn and rests.

        Without `msisdn` any free number of `category` is given. The price of the number's category is taken. SIM, plan,
        services, money and suspensions stay.

        Raises:
            SubscriberUnknownError, SuspendedError, NumberNotFreeError, NoNumberLeftError, NotEnoughMoneyError

        Contract: PSC-2.5, PSC-2.11
        """

        async def body(work: Work) -> Msisdn:
            subscription = await store.lock_subscription(work.conn, subscriber_id)
            await refuse_when_suspended(work, subscription)
            number = msisdn or await store_numbers.pick(work.conn, category)
            await give(work, subscriber_id, number, holder=holder, porting_ref=None, reason="change of number")
            await money.pay_for_number(self._desk.ledger, work, subscription, number)
            await work.conn.execute(Q.set_msisdn, subscriber_id, number)
            await withdraw(work, subscription.msisdn)
            work.outcome = f"{subscription.msisdn} became {number}"
            work.details = {"from": subscription.msisdn, "to": number}
            await work.emit("number_changed", subscriber_id, {"from": subscription.msisdn, "to": number})
            return number

        filing = Filing("change_number", "", msisdn or category, origin, subscriber_id)
        return await self._desk.carry_out("change_number", filing, body)

    async def donor_confirmed(self, msisdn: Msisdn, origin: Origin) -> None:
        """A temporary number becomes an ordinary one: the donor has confirmed the porting request.

        Raises:
            NumberTemporaryError: the number is not a temporary one.

        Contract: PSC-7.3
        """

        async def body(work: Work) -> None:
            if await work.conn.fetchval(Q.end_temporary, msisdn) is None:
                raise NumberTemporaryError(msisdn=msisdn)

        await self._desk.carry_out("donor_confirmed", Filing("donor_confirmed", msisdn, "", origin), body)

    async def history(self, subscriber_id: SubscriberId) -> list[NumberUse]:
        """The numbers that a subscription had, the oldest first."""
        async with self._desk.db.acquire() as conn:
            return await store_numbers.number_history(conn, subscriber_id)

    async def free_stale(self, limit: int = 1_000) -> int:
        """Return numbers whose reservation or quarantine is over to the pool; a job calls it.

        Contract: PSC-2.11
        """
        now = self._desk.clock.now()
        return len(await self._desk.db.fetch(Q.free_stale_numbers, now, limit))


async def give(
    work: Work, subscriber_id: SubscriberId, msisdn: Msisdn, *, holder: str, porting_ref: str | None, reason: str
) -> str:
    """Take a number out of the pool for a subscription and return its category.

    Raises:
        NumberNotFreeError
    """
    category = await store_numbers.take(work.conn, msisdn, holder=holder, porting_ref=porting_ref, now=work.now)
    await store_numbers.open_number(work.conn, subscriber_id, msisdn, work.now, reason)
    return category


async def withdraw(work: Work, msisdn: Msisdn) -> None:
    """Take a number from its subscription: it rests before anybody else can have it.

    Contract: PSC-2.11, PSC-6.5
    """
    terms = await work.terms()
    await store_numbers.close_number(work.conn, msisdn, work.now)
    rests_until = work.now + timedelta(days=terms["number_quarantine_days"])
    await work.conn.execute(Q.quarantine_number, msisdn, rests_until)


async def refuse_when_suspended(work: Work, subscription: Subscription) -> None:
    """A subscriber whose number is suspended in full changes nothing alone; an employee may.

    Raises:
        SuspendedError
    """
    if work.origin.manual or work.origin.automatic:
        return
    found = await store.find_by_ids(work.conn, [subscription.subscriber_id], work.now)
    subscriber = found.get(subscription.subscriber_id)
    if subscriber is not None and Scope.FULL in subscriber.barred:
        raise SuspendedError()
