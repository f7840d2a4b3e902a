"""People, chance and plots: pure, and the same every time."""

from __future__ import annotations

from datetime import date, timedelta
from xml.etree import ElementTree

import pytest

from telco.billing.payments.bank_file import parse_bank_file
from telco.kernel.iin_bin import parse_bin, parse_iin
from telco.simulation import people, plots
from telco.simulation.bank import OUR_ACCOUNT, bank_file
from telco.simulation.chance import Chance
from telco.simulation.model import Scenario
from telco.subscribers.model import PartyKind
from telco.subscribers.rules import parse_iccid, parse_imsi


def test_chance_knows_no_order() -> None:
    one, other = Chance(5), Chance(5)
    first = [one.share(actor, 3, "pay") for actor in range(50)]
    assert first == [other.share(actor, 3, "pay") for actor in reversed(range(50))][::-1]
    assert one.generator(1, "x").random() == other.generator(1, "x").random()
    assert Chance(6).share(1) != one.share(1)
    assert all(0 <= share < 1 for share in first)


@pytest.mark.parametrize("subscribers", [1, 12, 1_000])
def test_a_population_has_as_many_numbers_as_asked_for(subscribers: int) -> None:
    actors = people.population(Scenario(subscribers, 1))
    assert sum(actor.numbers for actor in actors) == subscribers
    assert actors == people.population(Scenario(subscribers, 1))
    assert len({actor.iin_bin for actor in actors}) == len(actors)
    for actor in actors:
        (parse_bin if actor.kind is PartyKind.COMPANY else parse_iin)(actor.iin_bin)


def test_numbers_of_persons_and_companies_differ() -> None:
    assert len({people.iin_of(index) for index in range(30_000)}) == 30_000
    assert len({people.bin_of(index) for index in range(3_000)}) == 3_000
    for index in range(0, 30_000, 97):
        parse_iin(people.iin_of(index))
        parse_bin(people.bin_of(index))


def test_every_life_has_numbers_and_cards_of_its_own() -> None:
    numbers = {people.msisdn_of(place, life) for place in range(100) for life in range(people.LIVES)}
    cards = {people.card_of(place, life) for place in range(100) for life in range(people.LIVES)}
    assert len(numbers) == len(cards) == 300
    for iccid, imsi in cards:
        assert (parse_iccid(iccid), parse_imsi(imsi)) == (iccid, imsi)


def test_a_bank_file_is_read_by_the_service() -> None:

    order = {
        "number": "1",
        "payer": people.iin_of(3),
        "name": "Әбдіров Нұрлан",
        "amount": 150_050,
        "purpose": "за связь",
    }
    file = parse_bank_file(bank_file(date(2026, 3, 1), [order]))
    assert (file.account, file.documents[0].amount) == (OUR_ACCOUNT, 150_050)


DAYS = [date(2026, 1, 1) + timedelta(days=step) for step in range(100)]


@pytest.mark.parametrize(
    "drawing",
    [
        plots.lines("Lines & more", "tenge", DAYS, {"a": range(100), "b": [0] * 100}),
        plots.areas("Areas", "tenge", DAYS, {"a": range(100), "b": [5] * 100}),
        plots.columns("Columns", "tenge", ["01.26", "02.26"], {"a": [1, 2], "b": [3, 0]}),
        plots.lines("One day", "tenge", DAYS[:1], {"a": [0]}),
        plots.lines("Nothing", "tenge", DAYS, {}),
        plots.areas("Nothing", "tenge", DAYS, {}),
    ],
)
def test_a_drawing_is_well_formed_and_stays_on_its_sheet(drawing: str) -> None:
    sheet = ElementTree.fromstring(drawing)
    for shape in sheet.iter():
        for point in shape.get("points", "").split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= plots.WIDTH
            assert 0 <= y <= plots.HEIGHT


def test_the_highest_value_is_below_the_top_of_a_drawing() -> None:
    """Highest value 730: the axis goes to 1,000, so the point stands at 73 % of the height."""
    drawing = plots.lines("t", "u", DAYS[:2], {"a": [0, 730]})
    assert "1 000" in drawing
    last = ElementTree.fromstring(drawing).find("{http://www.w3.org/2000/svg}polyline")
    assert last is not None
    # 48 above, 40 below, 360 in all: 360 - 40 - 272 x 0.73 = 121.4
    assert last.get("points", "").split()[-1].endswith(",121.4")
