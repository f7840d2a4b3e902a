"""The number pool and the cards: who gets which, for how long, and what is left of it in the history."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from telco.kernel.clock import ManualClock
from telco.kernel.errors import DomainError
from telco.kernel.ids import SubscriberId
from telco.kernel.money import tenge
from telco.subscribers.errors import (
    ChannelRefusedError,
    IdentityNumberError,
    NoEsimLeftError,
    NoNumberLeftError,
    NotEnoughMoneyError,
    NumberCategoryError,
    NumberNotFreeError,
    NumberReservationsError,
    NumberTemporaryError,
    SimKnownError,
    SimNotInStockError,
    SubscriberUnknownError,
    SuspendedError,
)
from telco.subscribers.model import Channel, EndGround, Ground, NumberState, Origin, SimKind, by_subscriber
from tests.subscribers.conftest import CLERK, SELF, Office, iccid, number, person

# Reservation


@pytest.mark.clause("PSC-2.5")
async def test_a_reserved_number_waits_for_its_holder(office: Office, clock: ManualClock) -> None:
    until = await office.subscribers.numbers.reserve(number(7), "ticket-31", CLERK)
    assert until == clock.now() + timedelta(minutes=30)
    with pytest.raises(NumberNotFreeError):
        await office.subscribers.numbers.reserve(number(7), "ticket-32", CLERK)
    with pytest.raises(NumberNotFreeError):
        await office.accede(msisdn=number(7))
    assert (await office.accede(msisdn=number(7), reserved_by="ticket-31")).msisdn == number(7)


@pytest.mark.clause("PSC-2.5")
async def test_a_reservation_ends_with_its_deadline(office: Office, clock: ManualClock) -> None:
    await office.subscribers.numbers.reserve(number(7), "ticket-31", CLERK)
    clock.advance(timedelta(minutes=30) - timedelta(microseconds=1))
    with pytest.raises(NumberNotFreeError):
        await office.accede(msisdn=number(7))
    clock.advance(timedelta(microseconds=1))
    assert (await office.accede(msisdn=number(7))).msisdn == number(7)


async def test_a_reservation_is_prolonged_and_given_up(office: Office, clock: ManualClock) -> None:
    numbers = office.subscribers.numbers
    first = await numbers.reserve(number(7), "ticket-31", CLERK)
    clock.advance(timedelta(minutes=10))
    assert await numbers.reserve(number(7), "ticket-31", CLERK) == first + timedelta(minutes=10)
    with pytest.raises(NumberNotFreeError):
        await numbers.unreserve(number(7), "ticket-32", CLERK)
    await numbers.unreserve(number(7), "ticket-31", CLERK)
    await numbers.reserve(number(7), "ticket-32", CLERK)


async def test_a_holder_keeps_five_numbers_at_once(office: Office) -> None:
    numbers = office.subscribers.numbers
    attempts = await asyncio.gather(
        *(numbers.reserve(number(n), "ticket-31", CLERK) for n in range(1, 9)), return_exceptions=True
    )
    assert sum(isinstance(result, NumberReservationsError) for result in attempts) == 3
    await numbers.reserve(number(20), "ticket-32", CLERK)


async def test_of_many_reservations_one_wins(office: Office) -> None:
    attempts = await asyncio.gather(
        *(office.subscribers.numbers.reserve(number(7), f"ticket-{n}", CLERK) for n in range(8)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, NumberNotFreeError) for result in attempts) == 7


# The pool


async def test_numbers_have_categories_and_prices(office: Office) -> None:
    numbers = office.subscribers.numbers
    assert await numbers.add([number(7777777), number(7777)], "gold", CLERK) == 2
    assert await numbers.add([number(7777777)], "silver", CLERK) == 0  # known numbers stay as they are
    with pytest.raises(NumberCategoryError):
        await numbers.add([number(8888)], "diamond", CLERK)
    listed = await numbers.free("gold", ending="777777")
    assert [(n.msisdn, n.price, n.state) for n in listed] == [(number(7777777), tenge("25000"), NumberState.FREE)]
    assert await numbers.free("gold", ending="%7") == await numbers.free("gold", ending="7")  # digits only


async def test_a_beautiful_number_costs_its_price(office: Office) -> None:
    await office.subscribers.numbers.add([number(7777777)], "silver", CLERK)
    with pytest.raises(NotEnoughMoneyError):
        await office.accede(msisdn=number(7777777), initial_payment=tenge("4999.99"))
    assert await office.subscribers.find(number(7777777)) is None
    accession = await office.accede(msisdn=number(7777777), initial_payment=tenge("5000"))
    assert await office.main(accession.account) == 0


async def test_a_pool_can_be_empty(office: Office) -> None:
    with pytest.raises(NoNumberLeftError):
        await office.accede(category="platinum")


# Change of number and quarantine


@pytest.mark.clause("PSC-2.11", "PSC-2.5", "PSC-1.1.28")
async def test_a_changed_number_rests_before_another_gets_it(office: Office, clock: ManualClock) -> None:
    accession = await office.paid("1000", msisdn=number(1))
    new = await office.subscribers.change_number(accession.subscriber_id, SELF, msisdn=number(2))

    assert new == number(2)
    assert await office.subscribers.find(number(1)) is None
    moved = await office.subscribers.get(number(2))
    assert (moved.subscriber_id, moved.account) == (accession.subscriber_id, accession.account)
    history = await office.subscribers.numbers.history(accession.subscriber_id)
    assert [(use.msisdn, use.until_at, use.reason) for use in history] == [
        (number(1), clock.now(), "accession"),
        (number(2), None, "change of number"),
    ]
    (event,) = await office.events("number_changed")
    assert (event["from"], event["to"]) == (number(1), number(2))

    clock.advance(timedelta(days=90) - timedelta(microseconds=1))
    with pytest.raises(NumberNotFreeError):
        await office.accede(person(2), msisdn=number(1))
    assert await office.subscribers.numbers.free_stale() == 0
    clock.advance(timedelta(microseconds=1))
    assert await office.subscribers.numbers.free_stale() == 1
    assert (await office.accede(person(2), msisdn=number(1))).msisdn == number(1)


async def test_a_change_to_a_dearer_number_takes_its_price(office: Office) -> None:
    await office.subscribers.numbers.add([number(70000)], "bronze", CLERK)
    accession = await office.paid("1999.99")
    with pytest.raises(NotEnoughMoneyError):
        await office.subscribers.change_number(accession.subscriber_id, SELF, category="bronze")
    assert (await office.subscribers.get(accession.msisdn)).subscriber_id == accession.subscriber_id
    await office.top_up(accession.account, "0.01")
    await office.subscribers.change_number(accession.subscriber_id, SELF, category="bronze")
    assert await office.main(accession.account) == 0


async def test_a_suspended_subscriber_keeps_his_number(office: Office) -> None:
    accession = await office.accede()
    await office.subscribers.suspend(accession.subscriber_id, Ground.FALSE_DATA, CLERK, reason="check")
    with pytest.raises(SuspendedError):
        await office.subscribers.change_number(accession.subscriber_id, SELF)
    assert await office.subscribers.change_number(accession.subscriber_id, CLERK) != accession.msisdn


async def test_two_who_want_one_number(office: Office) -> None:
    one, other = await office.accede(), await office.accede(person(2))
    results = await asyncio.gather(
        office.subscribers.change_number(one.subscriber_id, SELF, msisdn=number(20)),
        office.subscribers.change_number(other.subscriber_id, SELF, msisdn=number(20)),
        return_exceptions=True,
    )
    assert sorted(type(result).__name__ for result in results) == ["NumberNotFreeError", "str"]


# Temporary numbers


@pytest.mark.clause("PSC-1.1.3", "PSC-7.3")
async def test_a_temporary_number_is_not_passed_on_until_the_donor_confirms(office: Office) -> None:
    accession = await office.accede(msisdn=number(1), temporary_for_porting="MNP-2026-1")
    with pytest.raises(NumberTemporaryError):
        await office.subscribers.accession.re_register(accession.subscriber_id, office.sheet(person(2)))
    await office.subscribers.numbers.donor_confirmed(number(1), CLERK)
    with pytest.raises(NumberTemporaryError):
        await office.subscribers.numbers.donor_confirmed(number(1), CLERK)
    passed = await office.subscribers.accession.re_register(accession.subscriber_id, office.sheet(person(2)))
    assert passed.party_id != accession.party_id


@pytest.mark.clause("PSC-7.3")
async def test_a_returned_temporary_number_rests(office: Office) -> None:
    accession = await office.accede(msisdn=number(1), temporary_for_porting="MNP-2026-1")
    await office.subscribers.contracts.end(accession.subscriber_id, EndGround.REFUSAL, CLERK)
    with pytest.raises(NumberNotFreeError):
        await office.accede(person(2), msisdn=number(1))


@pytest.mark.clause("PSC-6.5", "PSC-6.3.2")
async def test_a_number_that_was_ported_out_is_gone(office: Office, clock: ManualClock) -> None:
    accession = await office.accede(msisdn=number(1))
    await office.subscribers.contracts.end(accession.subscriber_id, EndGround.PORTED_OUT, CLERK)
    clock.advance(timedelta(days=1000))
    assert await office.subscribers.numbers.free_stale() == 0
    with pytest.raises(NumberNotFreeError):
        await office.accede(msisdn=number(1))


# Cards


@pytest.mark.clause("PSC-1.1.28")
async def test_a_card_is_swapped_and_the_number_stays(office: Office, clock: ManualClock) -> None:
    subscribers, accession = office.subscribers, await office.accede(iccid=iccid(1))
    await subscribers.sims.add(iccid(900), "401020000000900", SimKind.SIM, CLERK)
    began = clock.now()
    clock.advance(timedelta(days=3))
    sim = await subscribers.swap_sim(accession.subscriber_id, CLERK, iccid=iccid(900), reason="lost")

    assert (sim.iccid, sim.kind) == (iccid(900), SimKind.SIM)
    assert (await subscribers.get(accession.msisdn)).subscriber_id == accession.subscriber_id
    history = await subscribers.sims.history(accession.subscriber_id)
    assert [(use.iccid, use.from_at, use.until_at, use.reason, use.author) for use in history] == [
        (iccid(1), began, clock.now(), "accession", "staff:aigul"),
        (iccid(900), clock.now(), None, "lost", "staff:aigul"),
    ]
    assert await subscribers.sims.last_change(accession.msisdn) == clock.now()
    assert await subscribers.sims.msisdn_of_imsi("401020000000900") == accession.msisdn
    assert await subscribers.sims.msisdn_of_imsi("401020000000001") is None  # the old card identifies nobody
    (event,) = await office.events("sim_swapped")
    assert (event["from"], event["to"]) == (iccid(1), iccid(900))


@pytest.mark.clause("PSC-1.1.28")
@pytest.mark.parametrize("kind", list(SimKind))
async def test_cards_of_every_kind(office: Office, kind: SimKind) -> None:
    await office.subscribers.sims.add(iccid(900), "401020000000900", kind, CLERK)
    accession = await office.accede(iccid=iccid(900))
    (use,) = await office.subscribers.sims.history(accession.subscriber_id)
    assert use.kind is kind


async def test_a_used_card_is_never_used_again(office: Office) -> None:
    accession = await office.accede(iccid=iccid(1))
    with pytest.raises(SimNotInStockError):
        await office.accede(person(2), iccid=iccid(1))
    await office.subscribers.swap_sim(accession.subscriber_id, CLERK, reason="broken")
    with pytest.raises(SimNotInStockError):
        await office.accede(person(2), iccid=iccid(1))
    with pytest.raises(SimNotInStockError):
        await office.subscribers.swap_sim(accession.subscriber_id, CLERK, iccid=iccid(5555), reason="unknown")


async def test_without_an_esim_left_the_refusal_says_so(office: Office) -> None:
    """30 are in stock: the first is with the accession, the others follow it."""
    accession = await office.accede(iccid=iccid(1))
    for _ in range(29):
        await office.subscribers.swap_sim(accession.subscriber_id, CLERK, reason="broken")
    with pytest.raises(NoEsimLeftError):
        await office.subscribers.swap_sim(accession.subscriber_id, CLERK, reason="broken")


async def test_one_card_swapped_into_two_numbers(office: Office) -> None:
    one, other = await office.accede(), await office.accede(person(2))
    results = await asyncio.gather(
        office.subscribers.swap_sim(one.subscriber_id, CLERK, iccid=iccid(20), reason="lost"),
        office.subscribers.swap_sim(other.subscriber_id, CLERK, iccid=iccid(20), reason="lost"),
        return_exceptions=True,
    )
    assert sorted(type(result).__name__ for result in results) == ["Sim", "SimNotInStockError"]


@pytest.mark.clause("PSC-3.2.13")
@pytest.mark.parametrize("channel", [Channel.SMS, Channel.USSD, Channel.IVR, Channel.HELPDESK, Channel.EMAIL])
async def test_a_card_is_swapped_where_identity_is_shown(office: Office, channel: Channel) -> None:
    accession = await office.accede()
    for origin in (by_subscriber(channel), Origin("staff:aigul", channel, "call")):
        with pytest.raises(ChannelRefusedError):
            await office.subscribers.swap_sim(accession.subscriber_id, origin, reason="lost")


@pytest.mark.parametrize(
    ("card", "imsi", "error"),
    [
        (iccid(1), "401020000000900", SimKnownError),
        (iccid(900), "401020000000001", SimKnownError),
        (iccid(900)[:-1] + "x", "401020000000900", IdentityNumberError),
        (iccid(900), "250020000000900", IdentityNumberError),
    ],
)
async def test_cards_that_do_not_enter_the_stock(
    office: Office, card: str, imsi: str, error: type[DomainError]
) -> None:
    with pytest.raises(error):
        await office.subscribers.sims.add(card, imsi, SimKind.SIM, CLERK)
    with pytest.raises(error):
        await office.subscribers.sims.receive([(iccid(901), "401020000000901"), (card, imsi)], SimKind.SIM, CLERK)
    with pytest.raises(SimNotInStockError):  # all or none
        await office.accede(iccid=iccid(901))


async def test_nobody(office: Office) -> None:
    nobody = SubscriberId(999)
    with pytest.raises(SubscriberUnknownError):
        await office.subscribers.change_number(nobody, SELF)
    with pytest.raises(SubscriberUnknownError):
        await office.subscribers.swap_sim(nobody, CLERK, reason="lost")
