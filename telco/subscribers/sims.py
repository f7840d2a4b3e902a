"""Identification cards: stock, starter packs, the swap that leaves the number as it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from telco.kernel.ids import SubscriberId
from telco.kernel.msisdn import Msisdn
from telco.kernel.names import clean_text
from telco.subscribers import rules, store, store_numbers, store_records
from telco.subscribers.desk import Desk, Filing, Work
from telco.subscribers.errors import ChannelRefusedError, NumberNotFreeError
from telco.subscribers.model import Channel, Origin, Sim, SimId, SimKind, SimUse
from telco.subscribers.numbers import FOREVER, pack_holder
from telco.subscribers.store import Q

MAX_CARDS_AT_ONCE = 10_000

SWAP_CHANNELS = frozenset({Channel.OFFICE, Channel.APP, Channel.CABINET, Channel.DOCUMENT, Channel.SYSTEM})
"""Where identity can be shown; whoever merely holds the phone cannot move the number to another card."""


class Sims:
    """Use cases of identification cards."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def add(
        self, iccid: str, imsi: str, kind: SimKind, origin: Origin, pack_msisdn: Msisdn | None = None
    ) -> SimId:
        """Put a card into stock; with `pack_msisdn` it is a starter pack, and its number waits for it alone.

        Raises:
            IdentityNumberError: ICCID or IMSI has a wrong form or check digit.
            SimKnownError: the ICCID or IMSI is known.
            NumberNotFreeError: the pack's number is not free.

        Contract: PSC-1.1.28
        """
        iccid, imsi = rules.parse_iccid(iccid), rules.parse_imsi(imsi)

        async def body(work: Work) -> SimId:
            if pack_msisdn is not None:
                kept = (pack_msisdn, pack_holder(iccid), FOREVER, work.now)
                if await work.conn.fetchval(Q.reserve_number, *kept) is None:
                    raise NumberNotFreeError(msisdn=pack_msisdn)
            work.details = {"iccid": iccid, "kind": kind, "pack": pack_msisdn}
            return await store_numbers.add_sim(work.conn, iccid, imsi, kind, pack_msisdn)

        return await self._desk.carry_out("add_sim", Filing("add_sim", "stock", iccid, origin), body)

    async def receive(self, cards: Sequence[tuple[str, str]], kind: SimKind, origin: Origin) -> int:
        """Put a delivery of cards into stock, as (ICCID, IMSI), all or none, and return how many.

        Raises:
            IdentityNumberError: a number has a wrong form or check digit.
            SimKnownError: one of them is known.

        Contract: PSC-1.1.28
        """
        if len(cards) > MAX_CARDS_AT_ONCE:
            raise ValueError(f"at most {MAX_CARDS_AT_ONCE} cards at once")
        checked = [(rules.parse_iccid(iccid), rules.parse_imsi(imsi)) for iccid, imsi in cards]

        async def body(work: Work) -> int:
            await store_numbers.add_sims(work.conn, checked, kind)
            work.outcome = f"{len(checked)} added"
            work.details = {"cards": len(checked), "kind": kind}
            return len(checked)

        filing = Filing("receive_sims", "stock", f"{len(cards)} cards ({kind})", origin)
        return await self._desk.carry_out("receive_sims", filing, body)

    async def swap(self, subscriber_id: SubscriberId, origin: Origin, *, iccid: str | None = None, reason: str) -> Sim:
        """Replace a subscription's card by one in stock, or by an eSIM; the number stays. Returns the new card.

        Raises:
            ChannelRefusedError: asked for by a way in which identity cannot be shown.
            SubscriberUnknownError, SimNotInStockError, NoEsimLeftError, IdentityNumberError

        Contract: PSC-1.1.28, PSC-3.2.13
        """
        if origin.channel not in SWAP_CHANNELS:
            raise ChannelRefusedError(channel=origin.channel)
        reason = clean_text(reason, field="reason", max_length=200)
        checked = None if iccid is None else rules.parse_iccid(iccid)

        async def body(work: Work) -> Sim:
            subscription = await store.lock_subscription(work.conn, subscriber_id)
            sim = await (
                store_numbers.pick_esim(work.conn)
                if checked is None
                else store_numbers.lock_stock_sim(work.conn, checked, subscription.msisdn)
            )
            old = await store_numbers.take_out(work.conn, subscriber_id, work.now)
            await store_numbers.put_in(work.conn, subscriber_id, sim, now=work.now, reason=reason, author=origin.author)
            work.outcome = f"{old} replaced by {sim.iccid}"
            work.details = {"from": old, "to": sim.iccid}
            await work.emit(
                "sim_swapped",
                subscriber_id,
                {"msisdn": subscription.msisdn, "from": old, "to": sim.iccid, "kind": sim.kind},
            )
            return sim

        filing = Filing("swap_sim", "", f"{iccid or 'eSIM'}: {reason}", origin, subscriber_id)
        return await self._desk.carry_out("swap_sim", filing, body)

    async def history(self, subscriber_id: SubscriberId) -> list[SimUse]:
        """The cards that a subscription had, with times, the oldest first."""
        async with self._desk.db.acquire() as conn:
            return await store_numbers.sim_history(conn, subscriber_id)

    async def last_change(self, msisdn: Msisdn) -> datetime | None:
        """When the card of a number in use was last put in; None for a number not in use."""
        found: datetime | None = await self._desk.db.fetchval(Q.last_sim_change, msisdn)
        return found

    async def msisdn_of_imsi(self, imsi: str) -> Msisdn | None:
        """Which number a card in use identifies to the network."""
        async with self._desk.db.acquire() as conn:
            return await store_records.msisdn_of_imsi(conn, imsi)
