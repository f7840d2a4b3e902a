"""Suspensions on the database: several at once, and what the hot read says of them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from telco.kernel.clock import ManualClock
from telco.kernel.names import TextRefusedError
from telco.subscribers.errors import (
    SuspensionError,
    SuspensionNotYoursError,
    SuspensionOpenError,
    SuspensionUnknownError,
)
from telco.subscribers.model import EndGround, Ground, Scope, SuspensionId, by_system
from tests.subscribers.conftest import CLERK, SELF, Office, person

BILLING = by_system("billing", "invoice unpaid")


@pytest.mark.clause("PSC-3.1.5")
async def test_service_returns_when_nothing_forbids_it(office: Office) -> None:
    subscribers, accession = office.subscribers, await office.accede()
    who = accession.subscriber_id
    money = await subscribers.suspend(who, Ground.MONEY, BILLING, reason="unpaid", reference="INV-1")
    breach = await subscribers.suspend(who, Ground.BREACH, CLERK, reason="false emergency calls")
    lost = await subscribers.suspend(who, Ground.LOST_DEVICE, SELF, reason="stolen in the bus")

    barred = (await subscribers.get(accession.msisdn)).barred
    assert barred == {Scope.OUTGOING, Scope.DATA, Scope.FULL}

    # the device is found: still no money, still the breach
    assert await subscribers.resume(lost.suspension_id, SELF, reason="found") == {Scope.OUTGOING, Scope.DATA}
    # paid: the breach still forbids outgoing
    left = await subscribers.suspensions.resume_ground(who, Ground.MONEY, BILLING, reason="paid", reference="INV-1")
    assert left == {Scope.OUTGOING}
    assert (await subscribers.get(accession.msisdn)).allows(Scope.DATA)
    assert not (await subscribers.get(accession.msisdn)).allows(Scope.OUTGOING, Scope.VOICE)
    assert await subscribers.resume(breach.suspension_id, CLERK, reason="decided") == frozenset()
    assert (await subscribers.get(accession.msisdn)).barred == frozenset()

    history = await subscribers.suspensions.history(who)
    assert [(s.ground, s.author, s.ended_by) for s in history] == [
        (Ground.LOST_DEVICE, "subscriber", "subscriber"),
        (Ground.BREACH, "staff:aigul", "staff:aigul"),
        (Ground.MONEY, "system:billing", "system:billing"),
    ]
    assert money.started_at == history[2].started_at


@pytest.mark.clause("PSC-3.1.5.5")
async def test_a_stolen_device_is_suspended_at_once(office: Office) -> None:
    accession = await office.accede()
    await office.subscribers.suspend(accession.subscriber_id, Ground.LOST_DEVICE, SELF, reason="stolen")
    assert not (await office.subscribers.get(accession.msisdn)).allows()


@pytest.mark.clause("PSC-3.1.5")
async def test_two_invoices_are_two_suspensions(office: Office) -> None:
    subscribers, who = office.subscribers, (await office.accede()).subscriber_id
    for reference in ("INV-1", "INV-2"):
        await subscribers.suspend(who, Ground.MONEY, BILLING, reason="unpaid", reference=reference)
    with pytest.raises(SuspensionOpenError):
        await subscribers.suspend(who, Ground.MONEY, BILLING, reason="unpaid", reference="INV-1")

    ended = await subscribers.suspensions.resume_ground(who, Ground.MONEY, BILLING, reason="paid", reference="INV-1")
    assert ended == {Scope.OUTGOING, Scope.DATA}  # INV-2 is still unpaid
    with pytest.raises(SuspensionUnknownError):
        await subscribers.suspensions.resume_ground(who, Ground.MONEY, BILLING, reason="paid", reference="INV-1")


@pytest.mark.clause("PSC-3.1.5")
async def test_a_term_ends_by_itself_and_the_job_says_so(office: Office, clock: ManualClock) -> None:
    subscribers, accession = office.subscribers, await office.accede()
    who = accession.subscriber_id
    ends_at = clock.now() + timedelta(hours=1)
    await subscribers.suspend(who, Ground.NETWORK_HARM, CLERK, reason="check", ends_at=ends_at)

    clock.advance(timedelta(hours=1) - timedelta(microseconds=1))
    assert (await subscribers.get(accession.msisdn)).barred == {Scope.OUTGOING, Scope.DATA}
    clock.advance(timedelta(microseconds=1))
    assert (await subscribers.get(accession.msisdn)).barred == frozenset()  # before any job has run
    again = await subscribers.suspend(who, Ground.NETWORK_HARM, CLERK, reason="check again")
    assert again.ends_at is None

    assert await subscribers.suspensions.end_lapsed() == 0  # the new one made the old one's end known
    first = (await subscribers.suspensions.history(who))[1]
    assert (first.ended_at, first.ended_by) == (ends_at, "system:term")


async def test_the_job_marks_what_is_over(office: Office, clock: ManualClock) -> None:
    subscribers, who = office.subscribers, (await office.accede()).subscriber_id
    await subscribers.suspend(who, Ground.BREACH, CLERK, reason="x", ends_at=clock.now() + timedelta(minutes=1))
    clock.advance(timedelta(minutes=2))
    assert await subscribers.suspensions.end_lapsed() == 1
    assert await subscribers.suspensions.end_lapsed() == 0


@pytest.mark.clause("PSC-3.1.5")
async def test_who_is_served_again_after_a_term_is_told_so(office: Office, clock: ManualClock) -> None:
    """Not while another suspension goes on, and nobody after the end of the contract."""
    subscribers = office.subscribers
    free, barred, gone = [(await office.accede(person(n))).subscriber_id for n in (1, 2, 3)]
    for who in (free, barred, gone):
        await subscribers.suspend(who, Ground.BREACH, CLERK, reason="x", ends_at=clock.now() + timedelta(minutes=1))
    await subscribers.suspend(barred, Ground.MONEY, BILLING, reason="unpaid", reference="INV-1")
    await subscribers.contracts.end(gone, EndGround.BREACH, CLERK)
    clock.advance(timedelta(minutes=1))
    assert await subscribers.suspensions.end_lapsed() == 3
    told = {event["subscriber_id"]: event["barred"] for event in await office.events("resumed")}
    assert told == {free: [], barred: ["data", "outgoing"]}


@pytest.mark.clause("PSC-3.2.14", "PSC-1.1.24")
async def test_basic_services_are_refused_and_restored(office: Office) -> None:
    subscribers, accession = office.subscribers, await office.accede()
    refusal = await subscribers.suspend(
        accession.subscriber_id, Ground.REFUSED_BY_SUBSCRIBER, SELF, reason="data only", scopes=[Scope.VOICE]
    )
    found = await subscribers.get(accession.msisdn)
    assert not found.allows(Scope.VOICE, Scope.OUTGOING)
    assert found.allows(Scope.MESSAGES, Scope.OUTGOING)
    assert await subscribers.resume(refusal.suspension_id, SELF, reason="again please") == frozenset()


@pytest.mark.clause("PSC-3.1.5", "PSC-7.5")
async def test_only_the_operator_ends_the_operators_suspension(office: Office) -> None:
    subscribers, who = office.subscribers, (await office.accede()).subscriber_id
    demand = await subscribers.suspend(who, Ground.AUTHORITY, CLERK, reason="emergency", reference="demand 12/3")
    with pytest.raises(SuspensionNotYoursError):
        await subscribers.resume(demand.suspension_id, SELF, reason="please")
    assert await subscribers.suspensions.blocks_porting(who)
    await subscribers.resume(demand.suspension_id, CLERK, reason="demand withdrawn")
    assert not await subscribers.suspensions.blocks_porting(who)
    with pytest.raises(SuspensionUnknownError):
        await subscribers.resume(demand.suspension_id, CLERK, reason="again")
    with pytest.raises(SuspensionUnknownError):
        await subscribers.resume(SuspensionId(999), CLERK, reason="none")


@pytest.mark.clause("PSC-1.1.7", "PSC-1.1.21")
async def test_suspensions_leave_a_trace(office: Office) -> None:
    subscribers, who = office.subscribers, (await office.accede()).subscriber_id
    with pytest.raises(SuspensionError):
        await subscribers.suspend(who, Ground.LAW, CLERK, reason="which?")
    suspension = await subscribers.suspend(who, Ground.LAW, CLERK, reason="court", reference="Civil Code 401")
    await subscribers.resume(suspension.suspension_id, CLERK, reason="appeal")

    filed = await subscribers.applications.of(who)
    assert [(a.kind, a.state) for a in filed] == [
        ("resume", "done"),
        ("suspend", "done"),
        ("suspend", "refused"),
        ("accession", "done"),
    ]
    rows = await office.audit_rows(who)
    assert [row["action"] for row in rows] == [
        "subscribers.accede",
        "subscribers.suspend",
        "subscribers.resume",
    ]
    assert rows[1]["details"] == {
        "ground": "law",
        "clause": "PSC-3.1.5.10",
        "scopes": ["full"],
        "reference": "Civil Code 401",
    }


async def test_reasons_are_text(office: Office) -> None:
    who = (await office.accede()).subscriber_id
    for reason in ("", "a\x00b", "x" * 501):
        with pytest.raises(TextRefusedError):
            await office.subscribers.suspend(who, Ground.BREACH, CLERK, reason=reason)
