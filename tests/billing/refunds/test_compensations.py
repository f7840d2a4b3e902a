"""Compensations: proven direct loss only, and no more than 5 MCI for an incident."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import pytest

from telco.billing.errors import RequestReusedError
from telco.billing.refunds.errors import ApplicantMismatchError, CompensationLimitError, IncidentDayError
from telco.billing.refunds.model import Compensation
from telco.catalog.errors import NoFigureError
from telco.kernel.ids import AccountId, AccountRef
from telco.kernel.money import Money, tenge
from telco.subscribers.model import Subscriber
from tests.billing.refunds.conftest import BOLAT, Office

DAY = date(2026, 3, 1)


async def grant(office: Office, one: Subscriber, amount: str, request_id: str = "c1", **changes: Any) -> Compensation:
    fields: dict[str, Any] = {
        "incident": "INC-1",
        "happened_on": DAY,
        "loss": tenge(1_000_000),
        "amount": tenge(amount),
        "ground": "claim 3",
        "evidence": "act 3, receipts",
        "actor": BOLAT,
        "request_id": request_id,
    }
    return await office.compensations.grant(changes.pop("account", one.account), **fields | changes)


@pytest.mark.clause("PSC-5.3")
@pytest.mark.parametrize(
    ("day", "limit"),
    [
        ("2024-12-31", "18460"),  # 5 x 3,692
        ("2025-01-01", "19660"),  # 5 x 3,932
        ("2025-12-31", "19660"),
        ("2026-01-01", "21625"),  # 5 x 4,325
    ],
)
async def test_the_limit_is_that_of_the_incidents_day(office: Office, day: str, limit: str) -> None:
    one = await office.world.subscriber()
    happened = date.fromisoformat(day)
    with pytest.raises(CompensationLimitError):
        await grant(office, one, f"{limit}.01", happened_on=happened)
    granted = await grant(office, one, limit, happened_on=happened)
    assert granted.limit == tenge(limit)
    assert await office.world.main(one) == tenge(limit)
    assert await office.books("cost.compensation") == -tenge(limit)


@pytest.mark.clause("PSC-5.3")
async def test_parts_of_an_incident_add_up(office: Office) -> None:
    one, other = await office.world.subscriber(), await office.world.subscriber()
    await grant(office, one, "21000")
    with pytest.raises(CompensationLimitError) as refused:
        await grant(office, one, "625.01", "c2")
    assert refused.value.left == Money(62_500)  # 21,625 - 21,000
    await grant(office, one, "625", "c2")
    await grant(office, other, "21625", "c3")  # another subscriber of the same incident
    await grant(office, one, "1", "c4", incident="INC-2")  # another incident of the same subscriber
    assert len(await office.compensations.listed("INC-1")) == 3


@pytest.mark.clause("PSC-5.3")
async def test_nobody_gets_more_than_is_proven(office: Office) -> None:
    one = await office.world.subscriber()
    with pytest.raises(CompensationLimitError):
        await grant(office, one, "100.01", loss=tenge(100))
    await grant(office, one, "60", loss=tenge(100))
    with pytest.raises(CompensationLimitError):
        await grant(office, one, "40.01", "c2", loss=tenge(100))


async def test_ten_clerks_at_once_stay_below_the_limit(office: Office) -> None:
    one = await office.world.subscriber()
    answers = await asyncio.gather(*(grant(office, one, "5000", f"c{n}") for n in range(10)), return_exceptions=True)
    assert sum(isinstance(answer, Compensation) for answer in answers) == 4  # 4 x 5,000 = 20,000 of 21,625
    assert await office.world.main(one) == tenge(20_000)


async def test_the_same_request_grants_once(office: Office) -> None:
    one = await office.world.subscriber()
    assert await grant(office, one, "5") == await grant(office, one, "5")
    with pytest.raises(RequestReusedError):
        await grant(office, one, "6")
    assert await office.world.main(one) == tenge(5)


async def test_what_is_refused(office: Office) -> None:
    one = await office.world.subscriber()
    with pytest.raises(ApplicantMismatchError):
        await grant(office, one, "5", account=AccountRef(0, AccountId(999)))
    with pytest.raises(IncidentDayError):
        await grant(office, one, "5", happened_on=date(2026, 3, 3))  # tomorrow
    with pytest.raises(NoFigureError):
        await grant(office, one, "5", happened_on=date(2001, 1, 1))
    await grant(office, one, "5")
    with pytest.raises(IncidentDayError):
        await grant(office, one, "5", "c2", happened_on=date(2026, 2, 28))  # INC-1 is known with 1 March
    assert await office.world.main(one) == tenge(5)
