"""What actors do: facts about one actor and the chance of the day in, an act out. Pure functions.

The people are careless on purpose. They forget to pay, run out of money, lose phones, leave and come back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import Final

from telco.catalog.catalogue import Catalogue
from telco.catalog.model import Service, Settlement
from telco.kernel.money import Tiyn, tenge
from telco.kernel.msisdn import Msisdn
from telco.simulation import bank
from telco.simulation.chance import Chance
from telco.simulation.model import Act, Actor, Kind, Seat, Way
from telco.simulation.people import LIVES
from telco.subscribers.model import PartyKind, PlanState
from telco.subscribers.rules import luhn_digit

_ROUND: Final = tenge(100)
_SOON: Final = timedelta(days=2)
"""How long before a fee people think of it."""
_ENOUGH: Final = tenge(300)
"""Below it people without a fee top up."""
_OWING: Final = tenge(1_000)
"""Less debt than this nobody pays off."""
FACES: Final = (tenge(500), tenge(1_000), tenge(2_000), tenge(5_000), tenge(10_000))
"""What payment cards are worth."""

_JOIN_AGAIN: Final = 1 / 60
_LEAVE: Final = 1 / 1_500
_LOSE_PHONE: Final = 1 / 2_000
_CHANGE_PLAN: Final = 1 / 110
_SERVICE_ON: Final = 1 / 70
_SERVICE_OFF: Final = 1 / 60
_ASK_LIMIT: Final = 1 / 150
_TRUST: Final = 0.05
_ASK_REFUND: Final = 1 / 8
_WORTH_ASKING: Final = tenge(50)
"""Less than this nobody writes an application for."""
_CLOSED_ACCOUNT: Final = 1 / 6
"""Chance that the bank account that an application names is closed."""
_TRIP: Final = 0.05
"""Chance that a traveller is abroad in a week."""

_ABROAD: Final = ("25001", "43701", "28601", "42402", "26201", "20801", "45005")
"""Networks that travellers visit; usage in the last two is not controlled in real time."""
_PLANS: Final[Mapping[str, tuple[str, ...]]] = {
    "activ": ("activ-week", "activ-simple", "activ-day", "activ-spring"),
    "kcell": ("kcell-start", "kcell-free", "kcell-unlim"),
}
_SERVICES: Final = (
    "data-1gb",
    "data-1gb",
    "data-5gb",
    "sms-100",
    "minutes-120",
    "russia-calls",
    "music-day",
    "roaming-travel",
)
LIMITS: Final = (tenge(30_000), tenge(50_000), tenge(80_000), tenge(150_000), tenge(200_000))
"""What people in credit settlement ask for; the last is above the ceiling of their plan."""
_DEVICES: Final = (tenge(12_000), tenge(25_000), tenge(60_000), tenge(140_000))
"""Prices; who repays early buys the first, whose rest is within a plan's limit."""
_DEVICE_MONTHS: Final = (3, 6, 12)
_CALLED: Final = ("77011112233", "77051234567", "77471234567", "77272583300", "79161234567")
"""Whom people call: on the same network, on two others, at home, abroad."""


@dataclass(frozen=True, slots=True)
class Today:
    """What is the same for everybody in a slot."""

    number: int
    """Days since the first."""
    day: date
    now: datetime
    chance: Chance
    catalogue: Catalogue
    debts: Mapping[str, Tiyn]
    """What the service says is owed by those in credit settlement, by IIN or BIN."""


def in_the_day(actor: Actor, seats: Sequence[Seat], today: Today) -> Act | None:
    """Decide what an actor does by day: at most one thing."""
    live = [seat for seat in seats if seat.live]
    asking = _ask_refund(actor, seats, live, today) if len(live) < len(seats) else None
    if asking is not None:
        return asking
    if not live:
        return _come(actor, len(seats) // actor.numbers, today)
    if live[0].settlement is Settlement.CREDIT and today.number in (actor.buys_on, actor.repays_on):
        return _device(actor, live[0], today)
    paying = _pay_credit(actor, live, today) if live[0].settlement is Settlement.CREDIT else None
    if paying is None and live[0].settlement is Settlement.PREPAID:
        paying = _pay_prepaid(actor, live[0], today)
    return paying or _rarely(actor, live, today)


def _come(actor: Actor, lives: int, today: Today) -> Act | None:
    if lives == 0:
        return Act(actor.index, Kind.JOIN, {"life": 0, "plan": actor.plan}) if today.number >= actor.joins_on else None
    if lives < LIVES and today.chance.share(actor.index, today.number, "return") < _JOIN_AGAIN:
        return Act(actor.index, Kind.JOIN, {"life": lives, "plan": actor.plan})
    return None


def _ask_refund(actor: Actor, seats: Sequence[Seat], live: Sequence[Seat], today: Today) -> Act | None:
    """Ask in writing, some day, for what is left where all numbers have ended; some name an account that is closed."""
    in_use = {seat.account for seat in live}
    seat = next((seat for seat in seats if seat.main >= _WORTH_ASKING and seat.account not in in_use), None)
    if seat is None or today.chance.share(actor.index, today.number, "refund") >= _ASK_REFUND:
        return None
    cash = actor.way is Way.CASH_DESK
    closed = not cash and today.chance.share(actor.index, today.number, "closed") < _CLOSED_ACCOUNT
    iban = "" if cash else bank.CLOSED_ACCOUNT if closed else bank.PAYERS_ACCOUNT
    return Act(actor.index, Kind.ASK_REFUND, {"msisdn": seat.msisdn, "iban": iban})


def _pay_prepaid(actor: Actor, seat: Seat, today: Today) -> Act | None:
    """Top up when the next fee or the next call would find too little; some forget, some ask for trust."""
    fee = today.catalogue.plan_version(seat.plan, seat.version).fee
    near = seat.next_fee_at is not None and seat.next_fee_at <= today.now + _SOON
    needed = Tiyn(fee) if fee and (near or seat.plan_state is not PlanState.ACTIVE) else _ENOUGH
    if seat.main >= needed:
        return None
    share = today.chance.share(actor.index, today.number, "pay")
    if share < actor.diligence * 0.7:
        return _pay(actor, seat, max(actor.amount, _round_up(Tiyn(needed - seat.main))))
    if share > 1 - _TRUST:
        return Act(actor.index, Kind.TRUST, {"msisdn": seat.msisdn})
    return None


def _pay_credit(actor: Actor, live: Sequence[Seat], today: Today) -> Act | None:
    """Pay what is owed, in one sum; the careless wait, and the worst wait long."""
    owed = today.debts.get(actor.iin_bin, Tiyn(0))
    if owed < _OWING or today.chance.share(actor.index, today.number, "pay") >= actor.diligence / 6:
        return None
    return _pay(actor, live[0], owed, [seat.msisdn for seat in live])


def _device(actor: Actor, seat: Seat, today: Today) -> Act:
    """Buy a device by instalments, or repay the rest of it.

    The least down payment is a tenth; the buyer brings what is not on the balance: credit pays neither it nor the rest.
    """
    if today.number == actor.repays_on:
        price = _DEVICES[0]
        brought = max(_round_up(Tiyn(price - price // 10 - seat.main)), 0)
        return Act(actor.index, Kind.REPAY_DEVICE, {"msisdn": seat.msisdn, "brought": brought})
    draw = today.chance.generator(actor.index, "device terms")
    imei = f"35{actor.index:012d}"
    terms = {"imei": imei + luhn_digit(imei), "months": draw.choice(_DEVICE_MONTHS)}
    price = draw.choice(_DEVICES) if actor.repays_on is None else _DEVICES[0]
    down = price // 10
    terms |= {"price": price, "down": down, "brought": max(_round_up(Tiyn(down - seat.main)), 0)}
    return Act(actor.index, Kind.BUY_DEVICE, {"msisdn": seat.msisdn, **terms})


def _pay(actor: Actor, seat: Seat, amount: Tiyn, numbers: Sequence[Msisdn] = ()) -> Act:
    way = actor.way
    if way is Way.CARD:
        amount = next((face for face in FACES if face >= amount), FACES[-1])
    return Act(actor.index, Kind.PAY, {"way": way, "msisdn": seat.msisdn, "amount": amount, "numbers": list(numbers)})


def _round_up(amount: Tiyn) -> Tiyn:
    return Tiyn(-(-amount // _ROUND) * _ROUND)


def _rarely(actor: Actor, live: Sequence[Seat], today: Today) -> Act | None:
    """Do one of the things that people do now and then."""
    share = today.chance.share(actor.index, today.number, "rarely")
    lost = next((seat for seat in live if seat.lost), None)
    if lost is not None:
        return Act(actor.index, Kind.FIND_PHONE, {"msisdn": lost.msisdn}) if share < 0.25 else None
    seat = live[int(share * 1e6) % len(live)]
    for kind, chance in (
        (Kind.LEAVE, _LEAVE),
        (Kind.LOSE_PHONE, _LOSE_PHONE),
        (Kind.CHANGE_PLAN, _CHANGE_PLAN),
        (Kind.SERVICE_ON, _SERVICE_ON),
        (Kind.SERVICE_OFF, _SERVICE_OFF),
        (Kind.ASK_LIMIT, _ASK_LIMIT),
    ):
        if share < chance:
            return _life_act(kind, actor, seat, today)
        share -= chance
    return None


def _life_act(kind: Kind, actor: Actor, seat: Seat, today: Today) -> Act | None:
    draw = today.chance.generator(actor.index, today.number, kind)
    terms: dict[str, object] = {"msisdn": seat.msisdn}
    match kind:
        case Kind.LEAVE:
            terms["in_days"] = draw.choice((0, 0, 3, 10))
        case Kind.CHANGE_PLAN:
            if actor.kind is PartyKind.COMPANY or actor.device or seat.settlement is Settlement.CREDIT:
                return None
            terms["plan"] = draw.choice(_PLANS[seat.brand])
            terms["now"] = draw.random() < 0.5
        case Kind.SERVICE_ON:
            if actor.kind is PartyKind.COMPANY or actor.device:
                return None
            terms["service"] = draw.choice(_SERVICES)
        case Kind.SERVICE_OFF:
            if not seat.services:
                return None
            terms["service"] = draw.choice(seat.services)
        case Kind.ASK_LIMIT:
            if actor.kind is PartyKind.COMPANY or seat.settlement is not Settlement.CREDIT:
                return None
            terms["limit"] = draw.choice(LIMITS)
        case _:
            pass
    return Act(actor.index, kind, terms)


def in_the_evening(actor: Actor, seats: Sequence[Seat], today: Today) -> Act | None:
    """Decide what an actor's numbers use: a few calls, messages and sessions each."""
    used = []
    for place, seat in enumerate(seats):
        if seat.live and today.chance.share(actor.index, today.number, "use", place) < actor.activity:
            draw = today.chance.generator(actor.index, today.number, "usage", place)
            used.append({"msisdn": seat.msisdn, "calls": _usage(actor, draw, today)})
    return Act(actor.index, Kind.USE, {"numbers": used}) if used else None


def _usage(actor: Actor, draw: Random, today: Today) -> list[dict[str, object]]:
    visited = _visited(actor, today)
    if actor.device:
        return [{"service": Service.DATA, "quantity": draw.randrange(50_000, 5_000_000), "visited": visited}]
    calls = []
    for _ in range(draw.choices((1, 2, 3), (72, 22, 6))[0]):
        service = draw.choices((Service.VOICE, Service.SMS, Service.DATA), (40, 15, 45))[0]
        call: dict[str, object] = {"service": service, "visited": visited}
        match service:
            case Service.VOICE:
                call["quantity"] = int(draw.expovariate(1 / 150)) + 5
            case Service.DATA:
                call["quantity"] = int(draw.expovariate(1 / 220e6)) + 100_000
            case _:
                call["quantity"] = 1
        if service is not Service.DATA:
            called = _CALLED if service is Service.VOICE else _CALLED[:3]
            call["other"] = draw.choice(called)
        if service is not Service.SMS and draw.random() < 0.06:
            call["portions"] = draw.randint(1, 2)
        calls.append(call)
    return calls


def _visited(actor: Actor, today: Today) -> str | None:
    """Return the network abroad where a traveller is in this week, or None at home."""
    week = today.number // 7
    if not actor.traveller or today.chance.share(actor.index, "trip", week) >= _TRIP:
        return None
    return today.chance.generator(actor.index, "trip to", week).choice(_ABROAD)
