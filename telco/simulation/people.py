"""Who lives in the simulation: each actor with its names, numbers and habits, made from the seed and its index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from telco.kernel.i18n import Language
from telco.kernel.iin_bin import check_digit
from telco.kernel.money import tenge
from telco.kernel.msisdn import Msisdn
from telco.simulation.chance import Chance
from telco.simulation.model import Actor, Scenario, Way
from telco.subscribers.model import PartyKind
from telco.subscribers.rules import luhn_digit

LIVES: Final = 3
"""How often an actor accedes at most: each time with other numbers, for the old ones rest in quarantine."""
_PREFIXES: Final = ("7701", "7702", "7775")
"""Number ranges of its lives."""
_FIRST_NUMBER: Final = 100_000

_COMPANIES: Final = 0.04
_DEVICES: Final = 0.03
_PLANS: Final = (
    ("activ-week", 0.22),
    ("kcell-start", 0.24),
    ("kcell-status", 0.16),
    ("activ-simple", 0.12),
    ("kcell-free", 0.12),
    ("kcell-unlim", 0.07),
    ("activ-day", 0.07),
)
"""What persons choose, and how many of them."""
_WAYS: Final = ((Way.TERMINAL, 0.6), (Way.CARD, 0.15), (Way.CASH_DESK, 0.13), (Way.BANK, 0.12))
_AMOUNTS: Final = (1_000, 1_500, 2_000, 3_000, 5_000, 8_000)
_AT_ONCE: Final = 0.8
"""Part of the actors that join in the first days."""
_FIRST_DAYS: Final = 14
_LATER_DAYS: Final = 330
_BUYERS: Final = 0.5
"""Part of the persons in credit settlement that buy a device."""
_BUY_WITHIN: Final = (5, 75)
"""Days after joining."""
_REPAYERS: Final = 0.3
_REPAY_WITHIN: Final = (3, 60)
"""Days after buying."""
_FAMILY: Final = (
    "Ахметов",
    "Оспанов",
    "Серікбай",
    "Нұрланов",
    "Иванов",
    "Ким",
    "Әбдіров",
    "Жұмабай",
    "Петренко",
    "Қасым",
)
_FIRST: Final = ("Айгүл", "Нұрлан", "Дина", "Ерлан", "Ольга", "Сергей", "Әсем", "Болат", "Гүлнар", "Тимур")
_COMPANY: Final = ("Алатау Сервис", "Дала Логистик", "Степь Трейд", "Каспий Строй", "Сарыарқа Агро", "Медеу Технологии")


def population(scenario: Scenario) -> list[Actor]:
    """Make the actors whose numbers, in their first lives, are as many as the scenario says."""
    chance, numbers = Chance(scenario.seed), 0
    actors: list[Actor] = []
    while numbers < scenario.subscribers:
        actor = _actor(chance, len(actors), scenario.subscribers - numbers)
        numbers += actor.numbers
        actors.append(actor)
    return actors


def _actor(chance: Chance, index: int, numbers_left: int) -> Actor:
    draw = chance.generator("actor", index)
    language = draw.choices((Language.KK, Language.RU, Language.EN), (45, 45, 10))[0]
    kind_draw = draw.random()
    company = kind_draw < _COMPANIES and numbers_left > 1
    device = not company and kind_draw > 1 - _DEVICES
    numbers = min(draw.randint(2, 5), numbers_left) if company else 1
    plan = draw.choices([code for code, _ in _PLANS], [weight for _, weight in _PLANS])[0]
    joins_on = draw.randrange(_FIRST_DAYS) if draw.random() < _AT_ONCE else draw.randrange(_FIRST_DAYS, _LATER_DAYS)
    way = draw.choices([way for way, _ in _WAYS], [weight for _, weight in _WAYS])[0]
    buys_on, repays_on = (None, None) if company or device else _purchase(chance, index, joins_on)
    return Actor(
        index=index,
        kind=PartyKind.COMPANY if company else PartyKind.PERSON,
        iin_bin=bin_of(index) if company else iin_of(index),
        name=f"ТОО {draw.choice(_COMPANY)} {index}" if company else f"{draw.choice(_FAMILY)} {draw.choice(_FIRST)}",
        language=language,
        numbers=numbers,
        plan="kcell-business" if company else "kcell-m2m" if device else plan,
        device=device,
        joins_on=joins_on,
        way=Way.BANK if company else way,
        diligence=draw.choice((0.9, 0.7, 0.7, 0.4, 0.2, 0.05)),
        amount=tenge(draw.choice(_AMOUNTS)),
        activity=draw.uniform(0.1, 0.6),
        traveller=not device and draw.random() < 0.15,
        buys_on=buys_on,
        repays_on=repays_on,
    )


def _purchase(chance: Chance, index: int, joins_on: int) -> tuple[int | None, int | None]:
    """Return when somebody buys a device, and when he repays it before its time; None for never."""
    draw = chance.generator("device", index)
    if draw.random() >= _BUYERS:
        return None, None
    buys_on = joins_on + draw.randint(*_BUY_WITHIN)
    return buys_on, buys_on + draw.randint(*_REPAY_WITHIN) if draw.random() < _REPAYERS else None


def iin_of(index: int) -> str:
    """Return a valid IIN; another one for every index."""
    days, more = index % 13_440, index // 13_440
    birth = f"{60 + days % 40:02d}{1 + days // 40 % 12:02d}{1 + days // 480:02d}"
    return _checked(f"{birth}{3 + days % 2}", serial=more * 10, digits=4)


def bin_of(index: int) -> str:
    """Return a valid BIN; another one for every index."""
    months, more = index % 168, index // 168
    return _checked(f"{10 + months // 12:02d}{1 + months % 12:02d}40", serial=more * 10, digits=5)


def _checked(beginning: str, *, serial: int, digits: int) -> str:
    """Complete a number by the first serial that has a check digit; of ten in a row at least one has."""
    for number in range(serial, serial + 10):
        eleven = f"{beginning}{number:0{digits}d}"
        twelfth = check_digit(eleven)
        if twelfth is not None:
            return f"{eleven}{twelfth}"
    raise AssertionError("ten numbers in a row without a check digit")


def numbers_of(actors: Sequence[Actor]) -> list[int]:
    """Return the place of each actor's first number among all."""
    places, place = [], 0
    for actor in actors:
        places.append(place)
        place += actor.numbers
    return places


def msisdn_of(place: int, life: int) -> Msisdn:
    """Return the number at a place in a life."""
    return Msisdn(f"{_PREFIXES[life]}{_FIRST_NUMBER + place:07d}")


def card_of(place: int, life: int) -> tuple[str, str]:
    """Return ICCID and IMSI of the card at a place in a life."""
    iccid = f"897010{life}{place:011d}"
    return iccid + luhn_digit(iccid), f"40101{life}{place:09d}"
