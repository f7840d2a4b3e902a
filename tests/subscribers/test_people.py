"""Who subscribers are: identification, data, devices, applications, and the trace that every look leaves."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date, timedelta

import pytest

from telco.kernel.clock import ManualClock
from telco.kernel.i18n import Language
from telco.kernel.iin_bin import IinBinError
from telco.kernel.money import tenge
from telco.kernel.names import TextRefusedError
from telco.subscribers.errors import (
    ApplicationUnknownError,
    DeviceKnownError,
    DeviceUnknownError,
    GroundRequiredError,
    IdentityNumberError,
    NumbersLimitError,
    PartyDataError,
    SecretRefusedError,
    SubscriberUnknownError,
)
from telco.subscribers.model import Channel, CheckStatus, Origin, SecretKind, by_subscriber
from tests.subscribers.conftest import CLERK, SELF, Office, company, number, person

# Identification


@pytest.mark.clause("PSC-1.1.5")
async def test_a_pin_identifies(office: Office) -> None:
    who = (await office.accede()).subscriber_id
    assert (await office.subscribers.check_pin(who, "2580")).status is CheckStatus.NOT_SET
    await office.subscribers.set_pin(who, "2580", SELF)
    assert (await office.subscribers.check_pin(who, "2580")).identified
    assert (await office.subscribers.check_pin(who, "2581")).status is CheckStatus.WRONG
    stored = await office.database.fetchval("select hash from subscribers.secret")
    assert stored.startswith("$argon2id$")
    with pytest.raises(SecretRefusedError):
        await office.subscribers.set_pin(who, "1234", SELF)


@pytest.mark.clause("PSC-1.1.5")
async def test_a_code_word_identifies_whoever_speaks_it(office: Office) -> None:
    who = (await office.accede()).subscriber_id
    await office.subscribers.identification.set(who, SecretKind.CODE_WORD, "Құлагер", CLERK)
    assert (await office.subscribers.check_pin(who, "ҚҰЛАГЕР")).identified
    assert not (await office.subscribers.check_pin(who, "Құлагерх")).identified


@pytest.mark.clause("PSC-1.1.5")
async def test_five_wrong_tries_lock_the_secret_for_an_hour(office: Office, clock: ManualClock) -> None:
    who = (await office.accede()).subscriber_id
    await office.subscribers.set_pin(who, "2580", SELF)
    checks = [await office.subscribers.check_pin(who, "0852") for _ in range(5)]
    assert [(check.status, check.tries_left) for check in checks] == [
        (CheckStatus.WRONG, left) for left in (4, 3, 2, 1, 0)
    ]
    assert checks[-1].locked_until == clock.now() + timedelta(hours=1)

    clock.advance(timedelta(hours=1) - timedelta(microseconds=1))
    locked = await office.subscribers.check_pin(who, "2580")
    assert locked.status is CheckStatus.LOCKED  # the right one does not help
    clock.advance(timedelta(microseconds=1))
    assert (await office.subscribers.check_pin(who, "0852")).tries_left == 4  # five tries again
    assert (await office.subscribers.check_pin(who, "2580")).identified
    assert (await office.subscribers.check_pin(who, "0852")).tries_left == 4  # the right one clears them


@pytest.mark.clause("PSC-1.1.5")
async def test_guesses_at_once_count_each(office: Office) -> None:
    who = (await office.accede()).subscriber_id
    await office.subscribers.set_pin(who, "2580", SELF)
    guesses = [f"{n:04d}" for n in range(3000, 3040)]
    checks = await asyncio.gather(*(office.subscribers.check_pin(who, guess) for guess in guesses))
    statuses = [check.status for check in checks]
    assert (statuses.count(CheckStatus.WRONG), statuses.count(CheckStatus.LOCKED)) == (5, 35)


async def test_an_employee_unlocks(office: Office) -> None:
    who = (await office.accede()).subscriber_id
    await office.subscribers.set_pin(who, "2580", SELF)
    for _ in range(5):
        await office.subscribers.check_pin(who, "0852")
    await office.subscribers.identification.unlock(who, CLERK)
    assert (await office.subscribers.check_pin(who, "2580")).identified


@pytest.mark.parametrize("guess", ["", "' or 1=1 --", "2580\x00", "٢٥٨٠" * 9, "2" * 10_000])
async def test_odd_guesses_are_wrong(office: Office, guess: str) -> None:
    who = (await office.accede()).subscriber_id
    await office.subscribers.set_pin(who, "2580", SELF)
    assert (await office.subscribers.check_pin(who, guess)).status is CheckStatus.WRONG


# True data


@pytest.mark.clause("PSC-3.2.7")
async def test_changed_data_are_kept_with_their_history(office: Office, clock: ManualClock) -> None:
    accession = await office.accede()
    people, who = office.subscribers.people, accession.subscriber_id
    married = person(full_name="Омарова Асқар Серікқызы", postal_address=None, email="new@example.kz")
    change = await people.report_change(who, married, SELF, changed_on=date(2026, 2, 27))

    assert (change.fields, change.late) == (("full_name", "email"), False)
    data = (await people.card(accession.msisdn, CLERK)).party.data
    assert (data.full_name, data.email) == ("Омарова Асқар Серікқызы", "new@example.kz")
    assert data.postal_address == "Алматы, Абай даңғылы 10, 5"  # what was not named stays
    row = await office.database.fetchrow("select * from subscribers.party_change where field = 'full_name'")
    assert row is not None
    assert (row["old_value"], row["changed_on"], row["late"]) == ("Әлиев Асқар Серікұлы", date(2026, 2, 27), False)


@pytest.mark.clause("PSC-3.2.7")
async def test_a_change_reported_after_five_working_days_is_late(office: Office) -> None:
    who = (await office.accede()).subscriber_id
    # today is Monday 2 March; five working days from Monday 23 February end with today, from Friday 20 with 27
    report = office.subscribers.people.report_change
    moved = person(postal_address="Астана")
    assert not (await report(who, moved, SELF, changed_on=date(2026, 2, 23))).late
    again = person(postal_address="Тараз")
    assert (await report(who, again, SELF, changed_on=date(2026, 2, 20))).late


@pytest.mark.clause("PSC-3.2.7")
async def test_what_cannot_change(office: Office) -> None:
    who = (await office.accede()).subscriber_id
    report = office.subscribers.people.report_change
    with pytest.raises(PartyDataError, match="iin_bin"):
        await report(who, person(2), SELF, changed_on=date(2026, 3, 2))
    with pytest.raises(PartyDataError, match="ahead"):
        await report(who, person(), SELF, changed_on=date(2026, 3, 3))
    with pytest.raises(IinBinError):
        await report(who, person(iin_bin="123456789012"), SELF, changed_on=date(2026, 3, 2))
    unchanged = await report(who, person(contact_phone="87272588300"), SELF, changed_on=date(2026, 3, 2))
    assert unchanged.fields == ()  # the same phone, written otherwise


@pytest.mark.clause("PSC-3.1.5.9", "FUP-11")
async def test_a_number_passes_to_another_person_by_re_registration(office: Office) -> None:
    accession = await office.paid("1000")
    await office.subscribers.set_pin(accession.subscriber_id, "2580", SELF)
    heir = person(2, full_name="Омаров Ержан")
    sheet = office.sheet(heir, plan_code="kcell-start", initial_payment=tenge("3000"))
    passed = await office.subscribers.accession.re_register(accession.subscriber_id, sheet)
    assert (await office.subscribers.accession.re_register(accession.subscriber_id, sheet)).replayed

    found = await office.subscribers.get(accession.msisdn)
    assert found.subscriber_id == accession.subscriber_id
    assert found.contract_id == passed.contract_id != accession.contract_id
    assert found.account == passed.account != accession.account  # the money stays with who paid it
    assert await office.main(accession.account) == tenge("1000")
    assert (found.plan_code, await office.main(passed.account)) == ("kcell-start", tenge("10"))
    check = await office.subscribers.check_pin(accession.subscriber_id, "2580")
    assert check.status is CheckStatus.NOT_SET  # the secret was the old subscriber's
    for _ in range(9):
        await office.accede(heir)
    other = await office.accede()
    with pytest.raises(NumbersLimitError):
        await office.subscribers.accession.re_register(other.subscriber_id, office.sheet(heir))


@pytest.mark.clause("PSC-1.1.15")
async def test_a_user_is_noted_and_has_no_rights(office: Office) -> None:
    accession = await office.accede(user_note="daughter Айша")
    people = office.subscribers.people
    assert (await people.card(accession.msisdn, CLERK)).user_note == "daughter Айша"
    await people.note_user(accession.subscriber_id, None, SELF)
    card = await people.card(accession.msisdn, CLERK)
    assert (card.user_note, card.party.data.iin_bin) == (None, person().iin_bin)


async def test_the_language_is_the_subscribers(office: Office) -> None:
    accession = await office.accede()
    assert (await office.subscribers.get(accession.msisdn)).language is Language.KK
    await office.subscribers.set_language(accession.subscriber_id, Language.RU, SELF)
    assert (await office.subscribers.get(accession.msisdn)).language is Language.RU


# Devices


@pytest.mark.clause("PSC-3.2.16")
async def test_a_device_is_registered_with_its_owner_and_number(office: Office) -> None:
    devices = office.subscribers.devices
    one, other = await office.accede(), await office.accede(person(2))
    await devices.register(one.subscriber_id, "490154203237518", SELF)
    (device,) = await devices.of(one.subscriber_id)
    assert (device.imei, device.party_id) == ("490154203237518", one.party_id)
    with pytest.raises(DeviceKnownError):
        await devices.register(other.subscriber_id, "490154203237518", SELF)
    with pytest.raises(IdentityNumberError):
        await devices.register(other.subscriber_id, "490154203237519", SELF)
    with pytest.raises(DeviceUnknownError):
        await devices.end(other.subscriber_id, "490154203237518", SELF, reason="sold")
    await devices.end(one.subscriber_id, "490154203237518", SELF, reason="sold")
    await devices.register(other.subscriber_id, "490154203237518", SELF)
    assert await devices.of(one.subscriber_id) == []


# Applications


@pytest.mark.clause("PSC-1.1.7")
async def test_an_application_is_registered_and_decided_once(office: Office, clock: ManualClock) -> None:
    accession = await office.accede()
    applications = office.subscribers.applications
    when = clock.now()
    application_id = await office.subscribers.register_application(
        accession.msisdn, "refund", "Return 500 tenge, paid by mistake", by_subscriber(Channel.EMAIL)
    )
    (waiting,) = await applications.waiting()
    assert (waiting.application_id, waiting.registered_at, waiting.channel) == (
        application_id,
        when,
        Channel.EMAIL,
    )
    clock.advance(timedelta(days=1))
    decided = await applications.decide(application_id, CLERK, granted=True, outcome="returned 500 tenge")
    assert (decided.state, decided.decided_at, decided.decided_by) == ("done", clock.now(), "staff:aigul")
    with pytest.raises(ApplicationUnknownError):
        await applications.decide(application_id, CLERK, granted=False, outcome="again")
    assert await applications.waiting() == []


@pytest.mark.clause("PSC-1.1.7")
async def test_a_stranger_may_apply(office: Office) -> None:
    await office.subscribers.register_application(number(9_999_999), "coverage", "No network", SELF)
    (waiting,) = await office.subscribers.applications.waiting()
    assert (waiting.subscriber_id, waiting.applicant) == (None, number(9_999_999))


@pytest.mark.parametrize("text", ["", " ", "a\x00b", "a\x1bb", "x" * 2_001])
async def test_applications_are_text(office: Office, text: str) -> None:
    with pytest.raises(TextRefusedError):
        await office.subscribers.register_application(number(1), "refund", text, SELF)


async def test_sql_in_an_application_is_text(office: Office) -> None:
    text = "'); delete from subscribers.application; -- ; \\ % _ 😀"
    await office.subscribers.register_application(number(1), "refund", text, SELF)
    (waiting,) = await office.subscribers.applications.waiting()
    assert waiting.body == text


# Looks


@pytest.mark.clause("PSC-1.1.21")
async def test_every_look_at_personal_data_is_recorded(office: Office) -> None:
    accession = await office.accede()
    people = office.subscribers.people
    looker = Origin("staff:bolat", Channel.OFFICE, "complaint 17")
    await people.card(accession.msisdn, looker)
    await people.numbers_of(person(), looker)
    await people.party(accession.party_id, looker)

    rows = await office.database.fetch("select * from kernel.audit_trail where actor = 'staff:bolat'")
    assert [(row["action"], row["subject"], row["ground"]) for row in rows] == [
        ("subscribers.read_card", f"msisdn:{accession.msisdn}", "complaint 17"),
        ("subscribers.read_numbers", f"person:{person().iin_bin}", "complaint 17"),
        ("subscribers.read_party", f"party:{accession.party_id}", "complaint 17"),
    ]


@pytest.mark.clause("PSC-1.1.21")
async def test_without_a_ground_nobody_looks(office: Office) -> None:
    accession = await office.accede()
    with pytest.raises(GroundRequiredError):
        await office.subscribers.people.card(accession.msisdn, replace(CLERK, ground=""))


async def test_a_party_has_its_numbers(office: Office) -> None:
    one, two = await office.accede(), await office.accede(plan_code="kcell-start")
    found = await office.subscribers.people.numbers_of(person(), CLERK)
    assert found == [
        (one.subscriber_id, one.msisdn, "kcell-free"),
        (two.subscriber_id, two.msisdn, "kcell-start"),
    ]
    assert await office.subscribers.people.numbers_of(company(), CLERK) == []


async def test_an_unknown_number_has_no_card(office: Office) -> None:
    with pytest.raises(SubscriberUnknownError):
        await office.subscribers.people.card(number(9_999_999), CLERK)
