"""Accession: who becomes a subscriber, by what, and what the first minute gives."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from telco.kernel.errors import DomainError
from telco.kernel.iin_bin import IinBinError
from telco.kernel.money import Tiyn, tenge
from telco.kernel.names import TextRefusedError
from telco.subscribers.errors import (
    AccountUnknownError,
    ChannelRefusedError,
    ContractUnknownError,
    GroundRequiredError,
    NumberNotFreeError,
    NumbersLimitError,
    PartyDataError,
    PartyNameDiffersError,
    PlanUnfitError,
    SheetDiffersError,
    SimNotInStockError,
)
from telco.subscribers.model import (
    Accession,
    Channel,
    ConsentKind,
    DeviceKind,
    Origin,
    PartyData,
    PartyKind,
    PlanState,
    SimKind,
    by_subscriber,
)
from tests.subscribers.conftest import CLERK, Office, company, iccid, number, person


@pytest.mark.clause("PSC-2.3", "PSC-2.5", "PSC-1.1.18")
async def test_a_signed_sheet_makes_a_subscriber(office: Office) -> None:
    accession = await office.paid("5000", plan_code="kcell-start")

    found = await office.subscribers.get(accession.msisdn)
    assert found.subscriber_id == accession.subscriber_id
    assert (found.brand, found.plan_code, found.plan_version) == ("kcell", "kcell-start", 2)
    assert found.plan_state is PlanState.ACTIVE
    assert found.barred == frozenset()
    # 5000.00 paid, 2990.00 for the first month of kcell-start v2
    assert await office.main(accession.account) == tenge("2010")
    assert await office.buckets(accession.account) == {
        "data.any": 12_000_000_000,
        "voice.any": 6_000,
        "sms.any": 50,
    }
    proof = await office.database.fetchrow("select * from subscribers.registration_sheet")
    assert proof is not None
    assert (proof["author"], proof["channel"], proof["edition"]) == ("staff:aigul", "office", "2026-1")
    assert proof["body"]["plan_code"] == "kcell-start"


@pytest.mark.clause("PSC-1.1.2", "PSC-3.2.5")
async def test_a_plan_waits_when_the_balance_does_not_cover_its_fee(office: Office) -> None:
    # kcell-start costs 2990.00: one tiyn less waits, exactly enough does not
    short = await office.accede(plan_code="kcell-start", initial_payment=tenge("2989.99"))
    exact = await office.accede(person(2), plan_code="kcell-start", initial_payment=tenge("2990"))

    assert short.plan_state is PlanState.AWAITING_PAYMENT
    assert short.first_fee == 0
    assert await office.main(short.account) == tenge("2989.99")
    assert await office.buckets(short.account) == {}
    assert exact.plan_state is PlanState.ACTIVE
    assert await office.main(exact.account) == 0


async def test_the_same_sheet_again_gives_the_first_result(office: Office) -> None:
    sheet = office.sheet(plan_code="kcell-start", initial_payment=tenge("5000"))
    first = await office.subscribers.accede(sheet)
    again = await office.subscribers.accede(sheet)

    assert again == replace(first, replayed=True, first_fee=Tiyn(0))
    assert await office.main(first.account) == tenge("2010")
    assert await office.database.fetchval("select count(*) from subscribers.subscription") == 1


async def test_another_sheet_under_a_known_number_is_refused(office: Office) -> None:
    sheet = office.sheet()
    await office.subscribers.accede(sheet)

    with pytest.raises(SheetDiffersError):
        await office.subscribers.accede(replace(sheet, plan_code="kcell-start"))
    with pytest.raises(SheetDiffersError):
        await office.subscribers.accede(replace(sheet, party=person(2)))


async def test_the_same_sheet_at_once_accedes_once(office: Office) -> None:
    sheet = office.sheet()
    results = await asyncio.gather(*(office.subscribers.accede(sheet) for _ in range(6)))

    assert len({accession.subscriber_id for accession in results}) == 1
    assert sum(not accession.replayed for accession in results) == 1


@pytest.mark.clause("PSC-2.3", "PSC-1.1.30", "PSC-1.1.28", "PSC-3.2.2")
async def test_a_message_from_a_starter_pack_accedes(office: Office) -> None:
    await office.subscribers.numbers.add([number(5000)], "ordinary", CLERK)
    await office.subscribers.sims.add(iccid(5000), "401029999999999", SimKind.SIM, CLERK, number(5000))
    sheet = replace(
        office.sheet(person(postal_address=None, email=None, contact_phone=None)),
        msisdn=number(5000),
        origin=by_subscriber(Channel.SMS),
        message="ҚОСЫЛУ 900101300037 Әлиев Асқар",
    )
    accession = await office.subscribers.accede_by_message(sheet)

    assert (accession.msisdn, accession.iccid) == (number(5000), iccid(5000))
    proof = await office.database.fetchrow("select channel, body from subscribers.registration_sheet")
    assert proof is not None
    assert proof["channel"] == "sms"
    assert proof["body"]["message"] == "ҚОСЫЛУ 900101300037 Әлиев Асқар"
    card = await office.subscribers.people.card(accession.msisdn, CLERK)
    assert card.missing_data == ("postal_address", "email", "contact_phone")
    assert [answer.manner for answer in card.editions] == ["message"]


@pytest.mark.clause("PSC-2.3", "PSC-1.1.30")
@pytest.mark.parametrize("channel", [Channel.SMS, Channel.USSD, Channel.IVR])
async def test_a_phone_accedes_with_the_starter_pack_in_it(office: Office, channel: Channel) -> None:
    await office.subscribers.numbers.add([number(5000)], "ordinary", CLERK)
    await office.subscribers.sims.add(iccid(5000), "401029999999999", SimKind.SIM, CLERK, number(5000))
    origin = by_subscriber(channel)

    accession = await office.subscribers.accede_by_message(office.sheet(msisdn=number(5000), origin=origin))
    assert (accession.msisdn, accession.iccid) == (number(5000), iccid(5000))
    with pytest.raises(NumberNotFreeError):  # a number of the pool without a card was never in a phone
        await office.subscribers.accede_by_message(office.sheet(msisdn=number(1), origin=origin))
    with pytest.raises(NumberNotFreeError):  # somebody has it already
        await office.subscribers.accede_by_message(office.sheet(msisdn=number(5000), origin=origin))


@pytest.mark.clause("PSC-3.2.6")
async def test_credit_is_agreed_in_an_office(office: Office) -> None:
    sheet = office.sheet(plan_code="kcell-status", origin=by_subscriber(Channel.SITE))
    with pytest.raises(PlanUnfitError):
        await office.subscribers.accede_by_message(sheet)


async def test_a_starter_packs_number_waits_for_its_card(office: Office) -> None:
    await office.subscribers.numbers.add([number(5000)], "ordinary", CLERK)
    await office.subscribers.sims.add(iccid(5000), "401029999999999", SimKind.SIM, CLERK, number(5000))

    with pytest.raises(NumberNotFreeError):
        await office.accede(msisdn=number(5000), iccid=iccid(1))
    with pytest.raises(SimNotInStockError):
        await office.accede(msisdn=number(1), iccid=iccid(5000))


@pytest.mark.clause("PSC-2.3")
@pytest.mark.parametrize("channel", sorted(set(Channel) - {Channel.OFFICE}))
async def test_a_sheet_is_signed_on_paper(office: Office, channel: Channel) -> None:
    with pytest.raises(ChannelRefusedError):
        await office.accede(origin=Origin("staff:aigul", channel, "x"))


@pytest.mark.clause("PSC-2.3", "PSC-1.1.30")
@pytest.mark.parametrize(
    ("channel", "accepted"),
    [
        (Channel.EMAIL, True),
        (Channel.CABINET, True),
        (Channel.APP, True),
        (Channel.SITE, True),
        (Channel.DOCUMENT, True),
        (Channel.OFFICE, False),
        (Channel.HELPDESK, False),
    ],
)
async def test_messages_that_accede(office: Office, channel: Channel, accepted: bool) -> None:
    sheet = office.sheet(origin=by_subscriber(channel))
    if accepted:
        assert (await office.subscribers.accede_by_message(sheet)).plan_code == "kcell-free"
    else:
        with pytest.raises(ChannelRefusedError):
            await office.subscribers.accede_by_message(sheet)


@pytest.mark.clause("FUP-11")
async def test_a_person_has_at_most_ten_numbers(office: Office) -> None:
    for _ in range(10):
        await office.accede()
    with pytest.raises(NumbersLimitError) as refusal:
        await office.accede()
    assert refusal.value.limit == 10

    await office.accede(person(2))  # somebody else may
    for serial in range(11):
        await office.accede(company(), plan_code="kcell-business", msisdn=number(20 + serial), iccid=None)


@pytest.mark.clause("FUP-11")
async def test_of_twenty_accessions_at_once_ten_succeed(office: Office) -> None:
    sheets = [office.sheet() for _ in range(20)]
    results = await asyncio.gather(*(office.subscribers.accede(sheet) for sheet in sheets), return_exceptions=True)

    acceded = [result for result in results if isinstance(result, Accession)]
    assert len(acceded) == 10
    assert len({accession.msisdn for accession in acceded}) == 10
    assert len({accession.iccid for accession in acceded}) == 10
    assert [type(result) for result in results if not isinstance(result, Accession)] == [NumbersLimitError] * 10


@pytest.mark.clause("FUP-11")
async def test_a_number_given_back_makes_room(office: Office) -> None:
    accessions = [await office.accede() for _ in range(10)]
    await office.subscribers.contracts.refuse(accessions[0].subscriber_id, CLERK)
    assert not (await office.accede()).replayed


async def test_one_number_is_given_once(office: Office) -> None:
    sheets = [office.sheet(person(n), msisdn=number(7)) for n in range(1, 9)]
    results = await asyncio.gather(*(office.subscribers.accede(sheet) for sheet in sheets), return_exceptions=True)
    assert sum(isinstance(result, Accession) for result in results) == 1
    assert sum(isinstance(result, NumberNotFreeError) for result in results) == 7


@pytest.mark.clause("PSC-1.1.12")
async def test_a_contract_holds_several_accounts(office: Office) -> None:
    first = await office.accede(account_name="voice")
    second = await office.accede(contract_id=first.contract_id, account_name="data")
    third = await office.accede(contract_id=first.contract_id, account=first.account)

    assert first.contract_id == second.contract_id == third.contract_id
    assert first.account != second.account
    assert first.account == third.account
    accounts = await office.subscribers.contracts.accounts(first.contract_id)
    assert [account.name for account in accounts] == ["voice", "data"]
    found = await office.subscribers.find_by_account(first.account)
    assert [subscriber.msisdn for subscriber in found] == [first.msisdn, third.msisdn]


async def test_contract_and_account_must_be_the_subscribers_own(office: Office) -> None:
    mine, other = await office.accede(), await office.accede(person(2))

    with pytest.raises(ContractUnknownError):
        await office.accede(contract_id=other.contract_id)
    with pytest.raises(AccountUnknownError):
        await office.accede(contract_id=mine.contract_id, account=other.account)


@pytest.mark.clause("PSC-3.2.7", "PSC-3.2.2")
@pytest.mark.parametrize(
    ("party", "field"),
    [
        (person(postal_address=None), "postal_address"),
        (person(email=None), "email"),
        (person(contact_phone=None), "contact_phone"),
    ],
)
async def test_the_sheet_needs_true_data(office: Office, party: PartyData, field: str) -> None:
    with pytest.raises(PartyDataError, match=field):
        await office.accede(party)


@pytest.mark.clause("PSC-3.2.7")
@pytest.mark.parametrize(
    ("party", "error"),
    [
        (person(iin_bin="900101300030"), IinBinError),  # check digit
        (person(iin_bin=company().iin_bin), IinBinError),  # a BIN is no IIN
        (replace(company(), iin_bin=person().iin_bin), IinBinError),
        (person(full_name="Асқар"), PartyDataError),  # family and first name
        (person(email="askar@"), PartyDataError),
        (person(email="as kar@example.kz"), PartyDataError),
        (person(contact_phone="12"), PartyDataError),
        (person(full_name="Әлиев\x00 Асқар"), TextRefusedError),
        (person(full_name="Әлиев " + "А" * 200), TextRefusedError),
        (person(postal_address="Алматы\nАбай"), TextRefusedError),
    ],
)
async def test_false_forms_are_refused(office: Office, party: object, error: type[DomainError]) -> None:
    with pytest.raises(error):
        await office.accede(party)  # type: ignore[arg-type]  # parametrised


async def test_sql_in_a_name_is_a_name(office: Office) -> None:
    name = "Robert'); DROP TABLE subscribers.party;-- Тест"
    accession = await office.accede(person(full_name=name, postal_address="'\"<script>; --"))
    card = await office.subscribers.people.card(accession.msisdn, CLERK)
    assert (card.party.data.full_name, card.party.data.postal_address) == (name, "'\"<script>; --")


@pytest.mark.clause("PSC-3.1.5.9")
async def test_a_known_iin_with_another_name_is_refused(office: Office) -> None:
    await office.accede()
    await office.accede(person(full_name="ӘЛИЕВ  Асқар Серікұлы"))  # letter case and spaces do not matter
    with pytest.raises(PartyNameDiffersError):
        await office.accede(person(full_name="Омаров Ержан"))


@pytest.mark.clause("PSC-3.1.9", "PSC-3.1.13", "PSC-3.2.10")
async def test_accession_gives_consents_with_version_time_and_channel(office: Office) -> None:
    accession = await office.accede(bonus_programme=False)
    consents = await office.subscribers.consents.of(accession.subscriber_id)

    assert {consent.kind for consent in consents} == {
        ConsentKind.PERSONAL_DATA,
        ConsentKind.PHOTO,
        ConsentKind.MARKETING,
    }
    assert {(c.version, c.channel, c.withdrawn_at) for c in consents} == {("2026-1", Channel.OFFICE, None)}


@pytest.mark.clause("PSC-1.1.31", "PSC-1.1.22")
@pytest.mark.parametrize(
    ("kind", "device", "plan", "accepted"),
    [
        (PartyKind.PERSON, DeviceKind.PHONE, "kcell-start", True),
        (PartyKind.PERSON, DeviceKind.PHONE, "kcell-business", False),
        (PartyKind.PERSON, DeviceKind.PHONE, "kcell-m2m", False),
        (PartyKind.COMPANY, DeviceKind.PHONE, "kcell-business", True),
        (PartyKind.COMPANY, DeviceKind.PHONE, "kcell-start", False),
        (PartyKind.COMPANY, DeviceKind.M2M, "kcell-m2m", True),
        (PartyKind.COMPANY, DeviceKind.M2M, "kcell-business", False),
        (PartyKind.PERSON, DeviceKind.M2M, "kcell-m2m", True),
    ],
)
async def test_plans_are_for_their_audience(
    office: Office, kind: PartyKind, device: DeviceKind, plan: str, accepted: bool
) -> None:
    party = person() if kind is PartyKind.PERSON else company()
    if accepted:
        assert (await office.accede(party, plan_code=plan, device_kind=device)).plan_code == plan
    else:
        with pytest.raises(PlanUnfitError):
            await office.accede(party, plan_code=plan, device_kind=device)


@pytest.mark.clause("PSC-3.2.6", "PSC-1.1.26")
async def test_a_credit_plan_has_its_limit_and_owes_its_fee(office: Office) -> None:
    accession = await office.accede(plan_code="kcell-status")
    view = await office.ledger.balances(accession.account)

    assert accession.plan_state is PlanState.ACTIVE
    # nothing paid, 8990.00 owed, limit 20000.00
    assert (view.main, view.credit_limit) == (-tenge("8990"), tenge("20000"))


@pytest.mark.clause("PSC-1.1.7", "PSC-1.1.21")
async def test_an_accession_is_filed_and_audited(office: Office) -> None:
    accession = await office.accede()
    (filed,) = await office.subscribers.applications.of(accession.subscriber_id)
    assert (filed.kind, filed.channel, filed.state) == ("accession", Channel.OFFICE, "done")
    (row,) = await office.audit_rows(accession.subscriber_id)
    assert (row["actor"], row["action"], row["ground"]) == ("staff:aigul", "subscribers.accede", "identity shown")


@pytest.mark.clause("PSC-1.1.7")
async def test_a_refused_accession_is_filed_with_its_reason(office: Office) -> None:
    with pytest.raises(PlanUnfitError):
        await office.accede(plan_code="kcell-business")
    row = await office.database.fetchrow("select * from subscribers.application where kind = 'accession'")
    assert row is not None
    assert row["state"] == "refused"
    assert row["outcome"].startswith("plan_unfit: ")
    assert await office.database.fetchval("select count(*) from subscribers.party") == 0


async def test_an_employee_gives_a_ground(office: Office) -> None:
    with pytest.raises(GroundRequiredError):
        await office.accede(origin=Origin("staff:aigul", Channel.OFFICE, " "))
