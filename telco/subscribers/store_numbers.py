"""The number pool and the SIM stock, with the history of each subscription's numbers and SIMs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from telco.db.pool import Connection, Record
from telco.kernel.ids import SubscriberId
from telco.kernel.money import Tiyn
from telco.kernel.msisdn import Msisdn
from telco.subscribers.errors import (
    NoEsimLeftError,
    NoNumberLeftError,
    NumberCategoryError,
    NumberNotFreeError,
    SimKnownError,
    SimNotInStockError,
    violations,
)
from telco.subscribers.model import (
    NumberState,
    NumberUse,
    PoolNumber,
    Sim,
    SimId,
    SimKind,
    SimState,
    SimUse,
    Subscription,
)
from telco.subscribers.store import Q


def to_pool_number(row: Record) -> PoolNumber:
    return PoolNumber(
        msisdn=row["msisdn"],
        category=row["category"],
        price=Tiyn(row["price_tiyn"]),
        state=NumberState(row["state"]),
        reserved_by=row["reserved_by"],
        reserved_until=row["reserved_until"],
        quarantined_until=row["quarantined_until"],
    )


async def add_numbers(conn: Connection, msisdns: Sequence[Msisdn], category: str) -> int:
    """Put numbers into the pool and return how many were new.

    Raises:
        NumberCategoryError: no such category.
    """
    with violations({"number_category_fkey": NumberCategoryError(category=category)}):
        return len(await conn.fetch(Q.add_numbers, list(msisdns), category))


async def number(conn: Connection, msisdn: Msisdn) -> PoolNumber | None:
    row = await conn.fetchrow(Q.number, msisdn)
    return None if row is None else to_pool_number(row)


async def free_numbers(conn: Connection, category: str, ending: str, limit: int) -> list[PoolNumber]:
    return [to_pool_number(row) for row in await conn.fetch(Q.free_numbers, category, ending, limit)]


async def price(conn: Connection, category: str) -> Tiyn:
    """Read a category's price.

    Raises:
        NumberCategoryError: no such category.
    """
    found = await conn.fetchval(Q.category_price, category)
    if found is None:
        raise NumberCategoryError(category=category)
    return Tiyn(found)


async def pick(conn: Connection, category: str) -> Msisdn:
    """Choose any free number of a category, locked.

    Raises:
        NoNumberLeftError: none is free, or each is being taken by another command.
    """
    found = await conn.fetchval(Q.pick_number, category)
    if found is None:
        raise NoNumberLeftError(category=category)
    return Msisdn(found)


async def take(conn: Connection, msisdn: Msisdn, *, holder: str, porting_ref: str | None, now: datetime) -> str:
    """Give a number out and return its category; two commands never get the same.

    Raises:
        NumberNotFreeError: taken, reserved for another holder, resting, or not in the pool.

    Contract: PSC-2.5
    """
    state = NumberState.ASSIGNED if porting_ref is None else NumberState.TEMPORARY
    category = await conn.fetchval(Q.take_number, msisdn, state, porting_ref, holder, now)
    if category is None:
        raise NumberNotFreeError(msisdn=msisdn)
    return str(category)


async def open_number(
    conn: Connection, subscriber_id: SubscriberId, msisdn: Msisdn, now: datetime, reason: str
) -> None:
    with violations({"number_history_open_key": NumberNotFreeError(msisdn=msisdn)}):
        await conn.execute(Q.open_number_history, subscriber_id, msisdn, now, reason)


async def close_number(conn: Connection, msisdn: Msisdn, now: datetime) -> None:
    await conn.execute(Q.close_number_history, msisdn, now)


async def pass_on(conn: Connection, old: Subscription, now: datetime, reason: str) -> None:
    """A subscription has another holder or account from now on; the account and plan of before stay with their time."""
    account = old.account
    await conn.execute(
        Q.pass_numbers_on,
        old.subscriber_id,
        now,
        account.shard,
        account.account_id,
        old.plan_code,
        old.plan_version,
        old.language,
    )
    await open_number(conn, old.subscriber_id, old.msisdn, now, reason)


async def number_history(conn: Connection, subscriber_id: SubscriberId) -> list[NumberUse]:
    rows = await conn.fetch(Q.number_history, subscriber_id)
    return [NumberUse(row["msisdn"], row["from_at"], row["until_at"], row["reason"]) for row in rows]


# SIMs


def to_sim(row: Record) -> Sim:
    return Sim(
        sim_id=SimId(row["sim_id"]),
        iccid=row["iccid"],
        imsi=row["imsi"],
        kind=SimKind(row["kind"]),
        state=SimState(row["state"]),
        pack_msisdn=row["pack_msisdn"],
    )


async def add_sim(conn: Connection, iccid: str, imsi: str, kind: SimKind, pack: Msisdn | None) -> SimId:
    """Put a card into stock.

    Raises:
        SimKnownError: its ICCID or IMSI is known.
        NumberNotFreeError: the starter pack's number is not in the pool or already has a card in stock.
    """
    taken = NumberNotFreeError(msisdn=pack or "")
    known = {
        "sim_iccid_key": SimKnownError(),
        "sim_imsi_key": SimKnownError(),
        "sim_pack_key": taken,
        "sim_pack_msisdn_fkey": taken,
    }
    with violations(known):
        sim_id: int = await conn.fetchval(Q.add_sim, iccid, imsi, kind, pack)
    return SimId(sim_id)


async def add_sims(conn: Connection, cards: Sequence[tuple[str, str]], kind: SimKind) -> None:
    """Put a delivery of cards into stock.

    Raises:
        SimKnownError: the ICCID or IMSI of one is known.
    """
    with violations({"sim_iccid_key": SimKnownError(), "sim_imsi_key": SimKnownError()}):
        await conn.execute(Q.add_sims, [card[0] for card in cards], [card[1] for card in cards], kind)


async def lock_stock_sim(conn: Connection, iccid: str, msisdn: Msisdn) -> Sim:
    """Lock a card that may be given to `msisdn`.

    Raises:
        SimNotInStockError: unknown, in use, used up, or of another number's starter pack.
    """
    row = await conn.fetchrow(Q.lock_sim, iccid)
    sim = None if row is None else to_sim(row)
    if sim is None or sim.state is not SimState.STOCK or sim.pack_msisdn not in (None, msisdn):
        raise SimNotInStockError(iccid=iccid)
    return sim


async def pack_sim(conn: Connection, msisdn: Msisdn) -> Sim | None:
    """Lock the card in stock of a number's starter pack."""
    row = await conn.fetchrow(Q.lock_pack_sim, msisdn)
    return None if row is None else to_sim(row)


async def pack_number(conn: Connection, iccid: str) -> Msisdn | None:
    """The number of a card's starter pack."""
    row = await conn.fetchrow(Q.lock_sim, iccid)
    return None if row is None else row["pack_msisdn"]


async def pick_esim(conn: Connection) -> Sim:
    """Choose any eSIM profile in stock, locked.

    Raises:
        NoEsimLeftError: there is none.
    """
    row = await conn.fetchrow(Q.pick_esim)
    if row is None:
        raise NoEsimLeftError
    return to_sim(row)


async def put_in(
    conn: Connection, subscriber_id: SubscriberId, sim: Sim, *, now: datetime, reason: str, author: str
) -> None:
    """Bring a card into use with a subscription."""
    await conn.execute(Q.activate_sim, sim.sim_id)
    with violations({"sim_history_sim_key": SimNotInStockError(iccid=sim.iccid)}):
        await conn.execute(Q.open_sim_history, subscriber_id, sim.sim_id, now, reason, author)


async def take_out(conn: Connection, subscriber_id: SubscriberId, now: datetime) -> str | None:
    """Retire the present card of a subscription and return its ICCID."""
    iccid: str | None = await conn.fetchval(Q.retire_sim, subscriber_id, now)
    return iccid


async def sim_history(conn: Connection, subscriber_id: SubscriberId) -> list[SimUse]:
    rows = await conn.fetch(Q.sim_history, subscriber_id)
    return [
        SimUse(
            iccid=row["iccid"],
            imsi=row["imsi"],
            kind=SimKind(row["kind"]),
            from_at=row["from_at"],
            until_at=row["until_at"],
            reason=row["reason"],
            author=row["author"],
        )
        for row in rows
    ]
