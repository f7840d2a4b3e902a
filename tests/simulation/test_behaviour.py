"""What people decide: pure, from facts and chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from telco.catalog.loader import load_directory
from telco.catalog.model import Settlement
from telco.kernel.calendar import Calendar
from telco.kernel.ids import AccountId, AccountRef, SubscriberId
from telco.kernel.money import Tiyn, tenge
from telco.kernel.msisdn import Msisdn
from telco.lab.people import CATALOGUE
from telco.simulation import behaviour, people
from telco.simulation.bank import CLOSED_ACCOUNT, PAYERS_ACCOUNT
from telco.simulation.chance import Chance
from telco.simulation.engine import day_of
from telco.simulation.model import Act, Actor, Kind, Scenario, Seat, Way
from telco.subscribers.model import PartyKind, PlanState
from telco.subscribers.rules import parse_imei

YEAR = 365
ENDED = Seat(
    subscriber_id=SubscriberId(1),
    msisdn=Msisdn("77010100000"),
    live=False,
    settlement=Settlement.PREPAID,
    brand="activ",
    plan="activ-simple",
    version=1,
    plan_state=PlanState.ACTIVE,
    next_fee_at=None,
    account=AccountRef(0, AccountId(1)),
    main=tenge(700),
    services=(),
    lost=False,
)


def acts(person: Actor, seats: Sequence[Seat], days: range = range(YEAR)) -> list[Act]:
    """What somebody does on each of these days with these numbers, if he is asked afresh."""
    chance, catalogue = Chance(1), load_directory(CATALOGUE)
    done = []
    for number in days:
        day = day_of(number)
        now = Calendar().start_of_day(day) + timedelta(hours=11)
        act = behaviour.in_the_day(person, seats, behaviour.Today(number, day, now, chance, catalogue, {}))
        done += [] if act is None else [act]
    return done


def person(**changes: object) -> Actor:
    found = next(one for one in people.population(Scenario(50, 1)) if one.kind is PartyKind.PERSON and not one.device)
    return replace(found, joins_on=YEAR, **changes)  # type: ignore[arg-type]


def test_who_left_asks_for_what_is_left_and_some_name_a_closed_account() -> None:
    """365 days with a chance of one in eight: about 46 applications, of which every sixth names a closed account."""
    asked = [act for act in acts(person(way=Way.TERMINAL), [ENDED]) if act.kind is Kind.ASK_REFUND]
    assert 30 < len(asked) < 65
    assert {act.terms["iban"] for act in asked} == {PAYERS_ACCOUNT, CLOSED_ACCOUNT}
    by_cash = [act for act in acts(person(way=Way.CASH_DESK), [ENDED]) if act.kind is Kind.ASK_REFUND]
    assert {act.terms["iban"] for act in by_cash} == {""}


@pytest.mark.parametrize(
    "seats",
    [
        [replace(ENDED, main=Tiyn(tenge(50) - 1))],
        [replace(ENDED, main=tenge(-700))],
        [ENDED, replace(ENDED, live=True)],  # another number still uses the account
    ],
)
def test_nobody_asks_where_nothing_is_left_or_a_number_is_in_use(seats: list[Seat]) -> None:
    assert Kind.ASK_REFUND not in {act.kind for act in acts(person(), seats)}


def test_a_limit_is_asked_for_and_a_device_bought_on_credit_only() -> None:
    """A device is bought and repaid on the days that the person is made with, with an IMEI that checks."""
    buyer = person(buys_on=20, repays_on=40)
    credit = replace(ENDED, live=True, settlement=Settlement.CREDIT, brand="kcell", plan="kcell-status")
    done = acts(buyer, [credit], range(3 * YEAR))
    bought = [act for act in done if act.kind in (Kind.BUY_DEVICE, Kind.REPAY_DEVICE)]
    assert [act.kind for act in bought] == [Kind.BUY_DEVICE, Kind.REPAY_DEVICE]
    # of 12,000 a tenth and then the rest, less the 700 of the balance, in whole hundreds
    assert [act.terms["brought"] for act in bought] == [tenge(500), tenge(10_100)]
    assert parse_imei(bought[0].terms["imei"]) == bought[0].terms["imei"]
    assert {act.terms["limit"] for act in done if act.kind is Kind.ASK_LIMIT} <= set(behaviour.LIMITS)
    kinds = {act.kind for act in done}
    assert Kind.ASK_LIMIT in kinds
    prepaid = {act.kind for act in acts(buyer, [replace(ENDED, live=True)], range(3 * YEAR))}
    assert prepaid.isdisjoint({Kind.ASK_LIMIT, Kind.BUY_DEVICE, Kind.REPAY_DEVICE})
