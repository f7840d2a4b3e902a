"""Payment cards: credited once, by whoever has the code, and guessed by nobody."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

import pytest

from telco.billing.errors import BatchExistsError, CardNotReadyError, CardTermsError, RequestReusedError
from telco.billing.model import ActivationStatus, CardState, PrintedCard
from telco.kernel.money import tenge
from tests.world import World

END = date(2027, 3, 2)


async def _cards(world: World, count: int = 1, value: str = "1000", reference: str = "b1") -> list[PrintedCard]:
    _, cards = await world.cards.make_batch(
        reference, face_value=tenge(value), count=count, expires_on=END, actor="staff:test"
    )
    return cards


@pytest.mark.clause("PSC-1.1.10", "PSC-4.1")
async def test_a_card_tops_up_by_its_face_value_once(world: World) -> None:
    [card] = await _cards(world)
    first, second = await world.subscriber(), await world.subscriber()
    activation = await world.cards.activate(first, card.code, "m1")
    assert (activation.status, activation.face_value) == (ActivationStatus.CREDITED, tenge(1000))
    assert activation.balance == await world.main(first) == tenge(1000)
    assert (await world.cards.activate(second, card.code, "m2")).status is ActivationStatus.CARD_USED
    assert await world.main(second) == 0


@pytest.mark.clause("PSC-1.1.10")
async def test_the_same_message_twice_is_answered_alike_and_credits_once(world: World) -> None:
    [card] = await _cards(world)
    subscriber = await world.subscriber()
    answers = [await world.cards.activate(subscriber, card.code, "m1") for _ in range(2)]
    assert [answer.status for answer in answers] == [ActivationStatus.CREDITED] * 2
    assert [answer.replayed for answer in answers] == [False, True]
    assert await world.main(subscriber) == tenge(1000)
    with pytest.raises(RequestReusedError):
        await world.cards.activate(subscriber, "1" * 14, "m1")


@pytest.mark.clause("PSC-1.1.10")
async def test_many_phones_with_one_code_at_once_credit_one(world: World) -> None:
    [card] = await _cards(world)
    subscribers = [await world.subscriber() for _ in range(6)]
    answers = await asyncio.gather(*(world.cards.activate(s, card.code, f"m{s.msisdn}") for s in subscribers))
    assert sorted(answer.status for answer in answers) == sorted(
        [ActivationStatus.CREDITED, *[ActivationStatus.CARD_USED] * 5]
    )
    assert sum([await world.main(subscriber) for subscriber in subscribers]) == tenge(1000)


async def test_the_fifth_wrong_code_of_an_hour_closes_the_command_and_not_the_number(world: World) -> None:
    [card] = await _cards(world)
    guesser, neighbour = await world.subscriber(), await world.subscriber()
    left = [(await world.cards.activate(guesser, f"{n:014d}", f"m{n}")).tries_left for n in range(5)]
    assert left == [4, 3, 2, 1, 0]
    refused = await world.cards.activate(guesser, card.code, "m5")
    assert refused.status is ActivationStatus.COMMAND_BLOCKED
    assert refused.blocked_until == world.clock.now() + timedelta(hours=1)
    assert (await world.again(guesser)).barred == frozenset()  # the number itself works on
    assert (await world.cards.activate(neighbour, "0" * 14, "m6")).status is ActivationStatus.WRONG_CODE
    world.clock.advance(timedelta(hours=1))
    assert (await world.cards.activate(guesser, card.code, "m7")).status is ActivationStatus.CREDITED


async def test_guesses_sent_at_once_are_all_counted(world: World) -> None:
    guesser = await world.subscriber()
    answers = await asyncio.gather(*(world.cards.activate(guesser, f"{n:014d}", f"m{n}") for n in range(12)))
    wrong = [answer for answer in answers if answer.status is ActivationStatus.WRONG_CODE]
    assert len(wrong) == 5


@pytest.mark.parametrize("code", ["", "'; drop table billing.payment_card; --", "\x00\x1b[2J", "9" * 10_000, "٣" * 14])
async def test_a_hostile_code_is_a_wrong_code(world: World, code: str) -> None:
    subscriber = await world.subscriber()
    assert (await world.cards.activate(subscriber, code, "m1")).status is ActivationStatus.WRONG_CODE


async def test_a_card_ends_after_its_last_day(world: World) -> None:
    first, second = await _cards(world, 2)
    subscriber = await world.subscriber()
    world.clock.advance(world.calendar.start_of_day(END + timedelta(days=1)) - world.clock.now() - timedelta(seconds=1))
    assert (await world.cards.activate(subscriber, first.code, "m1")).status is ActivationStatus.CREDITED
    world.clock.advance(timedelta(seconds=1))
    assert (await world.cards.activate(subscriber, second.code, "m2")).status is ActivationStatus.CARD_EXPIRED


@pytest.mark.clause("PSC-3.1.5.4")
async def test_a_stolen_card_is_refused(world: World) -> None:
    [card] = await _cards(world)
    subscriber = await world.subscriber()
    blocked = await world.cards.block(card.serial, actor="staff:test", reason="stolen")
    assert blocked.state is CardState.BLOCKED
    assert (await world.cards.activate(subscriber, card.code, "m1")).status is ActivationStatus.CARD_BLOCKED
    with pytest.raises(CardNotReadyError):
        await world.cards.block(card.serial, actor="staff:test", reason="again")


async def test_the_database_holds_no_code(world: World) -> None:
    [card] = await _cards(world)
    rows = await world.database.fetch("select payment_card::text as row from billing.payment_card")
    trail = await world.database.fetch("select audit_trail::text as row from kernel.audit_trail")
    assert all(card.code not in row["row"] for row in [*rows, *trail])


@pytest.mark.parametrize(
    ("count", "value", "expires_on"), [(0, "1000", END), (1, "0.99", END), (1, "1", date(2026, 3, 2))]
)
async def test_a_batch_without_sense_is_refused(world: World, count: int, value: str, expires_on: date) -> None:
    with pytest.raises(CardTermsError):
        await world.cards.make_batch("b", face_value=tenge(value), count=count, expires_on=expires_on, actor="staff:x")


async def test_a_batch_is_printed_once(world: World) -> None:
    await _cards(world)
    with pytest.raises(BatchExistsError):
        await _cards(world)


@pytest.mark.clause("PSC-1.1.10")
async def test_an_activation_is_found_by_the_cards_serial(world: World) -> None:
    [card] = await _cards(world)
    subscriber = await world.subscriber()
    ready = await world.cards.find(card.serial)
    assert ready is not None
    assert (ready.state, ready.used_by) == (CardState.READY, None)
    await world.cards.activate(subscriber, card.code, "m1")
    used = await world.cards.find(card.serial)
    assert used is not None
    assert (used.state, used.used_by, used.used_at) == (CardState.USED, subscriber.subscriber_id, world.clock.now())
    assert await world.cards.find("999999999999") is None
