"""Editions, consents and the end of a contract."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from telco.catalog.catalogue import Catalogue
from telco.db.pool import Connection, Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import ManualClock
from telco.kernel.i18n import Language, Translator
from telco.kernel.ids import AccountRef
from telco.kernel.money import tenge
from telco.ledger.service import Ledger
from telco.subscribers.errors import (
    AccountUnknownError,
    ChannelRefusedError,
    ConsentAbsentError,
    ConsentGivenError,
    EditionError,
    EditionLateError,
    NoEditionError,
    NumberNotFreeError,
    ObligationsOpenError,
    StopDateError,
    SubscriberUnknownError,
)
from telco.subscribers.model import (
    Channel,
    ConsentKind,
    EndGround,
    Obligation,
    ObligationKind,
    Origin,
    by_subscriber,
    by_system,
)
from telco.subscribers.service import Subscribers
from telco.web.problem import sentence
from tests.subscribers.conftest import CLERK, SELF, Office, open_office, person

PAPER = by_subscriber(Channel.OFFICE)


async def publish(office: Office, name: str = "2026-2") -> None:
    await office.subscribers.contracts.publish_edition(name, f"https://www.example.kz/{name}", b"\2" * 32, CLERK)


# Editions


@pytest.mark.clause("PSC-2.4", "PSC-6.6")
async def test_an_edition_is_refused_in_writing_within_thirty_days(office: Office, clock: ManualClock) -> None:
    contracts = office.subscribers.contracts
    accession = await office.accede()
    sister = await office.accede(contract_id=accession.contract_id)
    clock.advance(timedelta(days=1))
    await publish(office)  # 3 March, 11:00; the last day is 2 April

    with pytest.raises(ChannelRefusedError):
        await contracts.refuse_edition(accession.subscriber_id, "2026-2", SELF)  # USSD is not written
    with pytest.raises(EditionError):
        await contracts.refuse_edition(accession.subscriber_id, "2030-1", PAPER)
    clock.advance(timedelta(days=30, hours=12, minutes=59, seconds=59))  # 2 April, 23:59:59
    ended = await contracts.refuse_edition(accession.subscriber_id, "2026-2", PAPER)

    assert ended == [accession.msisdn, sister.msisdn]  # the contract ends with all its numbers
    assert await office.subscribers.find(sister.msisdn) is None
    answers = await contracts.editions_of(accession.contract_id)
    assert [(a.edition, a.accepted, a.manner, a.channel) for a in answers] == [
        ("2026-1", True, "sheet", Channel.OFFICE),
        ("2026-2", False, "written", Channel.OFFICE),
    ]


@pytest.mark.clause("PSC-2.4", "PSC-6.6")
async def test_silence_is_acceptance(office: Office, clock: ManualClock) -> None:
    contracts = office.subscribers.contracts
    silent, late = await office.accede(), await office.accede(person(2))
    clock.advance(timedelta(days=1))
    await publish(office)
    newcomer = await office.accede(person(3))  # accedes to the new edition by its sheet
    clock.advance(timedelta(days=30, hours=12, minutes=59, seconds=59))
    while await contracts.count_silence():
        pass
    assert [answer.edition for answer in await contracts.editions_of(silent.contract_id)] == ["2026-1"]

    clock.advance(timedelta(seconds=1))
    with pytest.raises(EditionLateError) as refusal:
        await contracts.refuse_edition(late.subscriber_id, "2026-2", PAPER)
    assert refusal.value.until == "2026-04-03"
    while await contracts.count_silence():
        pass
    for accession in (silent, late):
        answer = (await contracts.editions_of(accession.contract_id))[-1]
        assert (answer.edition, answer.accepted, answer.manner) == ("2026-2", True, "silence")
    (only,) = await contracts.editions_of(newcomer.contract_id)
    assert (only.edition, only.manner) == ("2026-2", "sheet")


async def test_an_edition_is_published_once(office: Office) -> None:
    await publish(office)
    with pytest.raises(EditionError):
        await publish(office)


async def test_without_a_contract_nobody_accedes(database: Database, subscribers: Subscribers, ledger: Ledger) -> None:
    office = Office(subscribers, database, ledger)
    await office.stock(1)
    with pytest.raises(NoEditionError):
        await office.accede()


# Consents


@pytest.mark.clause("PSC-3.1.9")
async def test_promotions_can_be_left_at_any_time(office: Office, clock: ManualClock) -> None:
    consents, accession = office.subscribers.consents, await office.accede()
    who = accession.subscriber_id
    assert await consents.has(who, ConsentKind.MARKETING)
    clock.advance(timedelta(days=1))
    assert await consents.withdraw(who, ConsentKind.MARKETING, by_subscriber(Channel.SMS)) == []
    assert not await consents.has(who, ConsentKind.MARKETING)
    with pytest.raises(ConsentAbsentError):
        await consents.withdraw(who, ConsentKind.MARKETING, by_subscriber(Channel.SMS))
    await consents.give(who, ConsentKind.MARKETING, SELF, version="2026-2")
    with pytest.raises(ConsentGivenError):
        await consents.give(who, ConsentKind.MARKETING, SELF, version="2026-2")

    kept = [c for c in await consents.of(who) if c.kind is ConsentKind.MARKETING]
    assert [(c.version, c.channel, c.withdrawn_at, c.withdrawn_channel) for c in kept] == [
        ("2026-1", Channel.OFFICE, clock.now(), Channel.SMS),
        ("2026-2", Channel.USSD, None, None),
    ]


@pytest.mark.clause("PSC-3.1.9")
async def test_promotions_are_left_by_number(office: Office) -> None:
    one, other = await office.accede(), await office.accede()
    await office.subscribers.consents.withdraw(one.subscriber_id, ConsentKind.BONUS, SELF)
    assert not await office.subscribers.consents.has(one.subscriber_id, ConsentKind.BONUS)
    assert await office.subscribers.consents.has(other.subscriber_id, ConsentKind.BONUS)


@pytest.mark.clause("PSC-3.2.11", "PSC-6.7")
async def test_without_data_there_is_no_service(office: Office) -> None:
    one, other, stranger = await office.accede(), await office.accede(), await office.accede(person(2))
    with pytest.raises(ChannelRefusedError):
        await office.subscribers.consents.withdraw(one.subscriber_id, ConsentKind.PERSONAL_DATA, SELF)
    ended = await office.subscribers.consents.withdraw(one.subscriber_id, ConsentKind.PERSONAL_DATA, PAPER)
    assert ended == [one.msisdn, other.msisdn]
    assert await office.subscribers.find(other.msisdn) is None
    assert await office.subscribers.find(stranger.msisdn) is not None


@pytest.mark.clause("PSC-3.2.11")
async def test_a_debtor_cannot_withdraw(
    database: Database, clock: ManualClock, calendar: Calendar, operator: Catalogue, ledger: Ledger
) -> None:
    owed = [Obligation(ObligationKind.DEVICE_INSTALMENTS, "17", tenge("120000"))]

    async def obligations(_conn: Connection, _accounts: Sequence[AccountRef]) -> Sequence[Obligation]:
        return owed

    subscribers = Subscribers(database, clock, calendar, lambda: operator, ledger, obligations=obligations)
    office = await open_office(subscribers, database, ledger)
    accession = await office.accede()
    owed.append(Obligation(ObligationKind.DEBT, "0:4", tenge("26980.50")))
    with pytest.raises(ObligationsOpenError) as refused:
        await subscribers.consents.withdraw(accession.subscriber_id, ConsentKind.PERSONAL_DATA, PAPER)
    assert [Translator.load().render(sentence(refused.value), language) for language in Language] == [
        "Міндеттемелер орындалмайынша келісімді қайтарып алуға болмайды:"
        " 17 бөліп төлеу шарты: 120 000 ₸; 0:4 жеке шотының берешегі: 26 980,50 ₸.",
        "Согласие нельзя отозвать, пока есть обязательства:"
        " договор рассрочки 17: 120 000 ₸; долг лицевого счёта 0:4: 26 980,50 ₸.",
        "The consent cannot be withdrawn while obligations are open:"
        " device agreement 17: 120,000 KZT; debt of the personal account 0:4: 26,980.50 KZT.",
    ]
    assert await subscribers.consents.has(accession.subscriber_id, ConsentKind.PERSONAL_DATA)
    # promotions are no service that is owed for
    await subscribers.consents.withdraw(accession.subscriber_id, ConsentKind.MARKETING, SELF)
    owed.clear()
    assert await subscribers.consents.withdraw(accession.subscriber_id, ConsentKind.PERSONAL_DATA, PAPER) == [
        accession.msisdn
    ]


# Accounts


@pytest.mark.clause("PSC-1.1.12")
async def test_a_number_can_spend_from_another_account_of_its_contract(office: Office) -> None:
    accession, stranger = await office.accede(), await office.accede(person(2))
    opened = await office.subscribers.contracts.open_account(accession.subscriber_id, "data", SELF)
    await office.subscribers.contracts.use_account(accession.subscriber_id, opened.account, SELF)
    assert (await office.subscribers.get(accession.msisdn)).account == opened.account
    with pytest.raises(AccountUnknownError):
        await office.subscribers.contracts.use_account(accession.subscriber_id, stranger.account, SELF)


# The end


@pytest.mark.clause("PSC-6.3.1")
async def test_services_stop_on_the_date_of_the_application(office: Office, clock: ManualClock) -> None:
    contracts, accession = office.subscribers.contracts, await office.accede()
    stop_at = clock.now() + timedelta(days=10)
    with pytest.raises(StopDateError):
        await contracts.refuse(accession.subscriber_id, PAPER, stop_at=clock.now() - timedelta(seconds=1))
    with pytest.raises(ChannelRefusedError):
        await contracts.refuse(accession.subscriber_id, SELF)
    assert await contracts.refuse(accession.subscriber_id, PAPER, stop_at=stop_at) == stop_at

    clock.advance(timedelta(days=10) - timedelta(microseconds=1))
    assert await office.subscribers.find(accession.msisdn) is not None
    assert await contracts.end_stopped() == 0
    clock.advance(timedelta(microseconds=1))
    assert await office.subscribers.find(accession.msisdn) is None  # before the job
    assert await contracts.end_stopped() == 1
    assert await contracts.end_stopped() == 0
    (event,) = await office.events("ended")
    assert (event["msisdn"], event["ground"]) == (accession.msisdn, "refusal")


@pytest.mark.clause("PSC-6.5", "PSC-2.11", "PSC-6.3.5")
async def test_what_ends_with_a_contract(office: Office) -> None:
    accession = await office.paid("1000")
    who = accession.subscriber_id
    await office.subscribers.switch_service_on(who, "russia-calls", SELF, "r1")
    await office.subscribers.devices.register(who, "490154203237518", CLERK)
    await office.subscribers.contracts.end(who, EndGround.UNUSED, by_system("billing", "12 months without use"))

    assert await office.subscribers.find(accession.msisdn) is None
    with pytest.raises(SubscriberUnknownError):
        await office.subscribers.contracts.end(who, EndGround.UNUSED, CLERK)
    with pytest.raises(NumberNotFreeError):
        await office.accede(msisdn=accession.msisdn)
    assert await office.main(accession.account) == tenge("710")  # the money stays to be returned
    (use,) = await office.subscribers.sims.history(who)
    assert use.until_at is not None
    again = await office.accede()
    await office.subscribers.devices.register(again.subscriber_id, "490154203237518", CLERK)


async def test_an_employee_takes_a_refusal_by_any_channel(office: Office) -> None:
    accession = await office.accede()
    letter = Origin("staff:aigul", Channel.HELPDESK, "letter 17")
    await office.subscribers.contracts.refuse(accession.subscriber_id, letter)
    assert await office.subscribers.find(accession.msisdn) is None
