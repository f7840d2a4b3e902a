"""Whose number it is: longest prefix, exact short numbers, ported numbers, ways of dialling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telco.catalog.catalogue import Catalogue
from telco.catalog.numbering import PrefixTree, dialled
from tests.catalog.conftest import AT

digits = st.text("0123456789", max_size=8)


@given(st.dictionaries(digits, st.integers(), max_size=20), digits)
def test_the_longest_prefix_wins(entries: dict[str, int], number: str) -> None:
    matching = [prefix for prefix in entries if number.startswith(prefix)]
    expected = entries[max(matching, key=len)] if matching else None
    assert PrefixTree(entries).find(number) == expected


@pytest.mark.parametrize(
    ("number", "e164"),
    [
        ("77011234567", "77011234567"),
        ("+77011234567", "77011234567"),
        ("87011234567", "77011234567"),
        ("7011234567", "77011234567"),
        ("88000801234", "78000801234"),
        ("8104930123456", "4930123456"),
        ("004930123456", "4930123456"),
        ("84912345678", "84912345678"),  # Vietnam in E.164, not a trunk call to 491...
        ("112", "112"),
        ("3030", "3030"),
        ("", ""),
    ],
)
def test_numbers_are_read_as_they_are_dialled(number: str, e164: str) -> None:
    assert dialled(number) == e164


@pytest.mark.parametrize(
    ("number", "kind", "code", "operator_code", "brand"),
    [
        ("77011234567", "on_net", "on_net", "kcell", "kcell"),
        ("77021234567", "on_net", "on_net", "kcell", "kcell"),
        ("77751234567", "on_net", "on_net", "kcell", "activ"),
        ("77781234567", "on_net", "on_net", "kcell", "activ"),
        ("77051234567", "mobile", "mobile", "beeline", "beeline"),
        ("77761234567", "mobile", "mobile", "beeline", "beeline"),
        ("77711234567", "mobile", "mobile", "beeline", "beeline"),  # 771 mobile, not the landlines of 71
        ("77471234567", "mobile", "mobile", "tele2", "tele2"),
        ("77001234567", "mobile", "mobile", "tele2", "altel"),
        ("77271234567", "fixed", "fixed", None, None),
        ("77172123456", "fixed", "fixed", None, None),
        ("79161234567", "international", "russia", None, None),
        ("74951234567", "international", "russia", None, None),
        ("996312123456", "international", "cis", None, None),
        ("905321234567", "international", "neighbours", None, None),
        ("4930123456", "international", "europe", None, None),
        ("375291234567", "international", "cis", None, None),  # 375, though 3 is Europe
        ("12125550100", "international", "north-america", None, None),
        ("18095550100", "international", "world", None, None),  # the Dominican Republic, though 1 is North America
        ("881612345678", "international", "satellite", None, None),
        ("101", "emergency", "emergency", None, None),
        ("112", "emergency", "emergency", None, None),
        ("3030", "helpdesk", "helpdesk", None, None),
        ("9090", "helpdesk", "helpdesk", None, None),
        ("+77272588300", "helpdesk", "helpdesk", None, None),
        ("87272588300", "helpdesk", "helpdesk", None, None),
        ("88000801234", "freephone", "freephone", None, None),
        ("77014589654", "service", "service", None, None),  # mobile financial services, within 7701
        ("7701", "service", "service", None, None),
    ],
)
def test_the_operators_numbers(
    operator: Catalogue, number: str, kind: str, code: str, operator_code: str | None, brand: str | None
) -> None:
    destination = operator.destination(number, AT)
    assert destination is not None
    assert (destination.kind, destination.code) == (kind, code)
    assert (destination.operator, destination.brand) == (operator_code, brand)


@pytest.mark.parametrize(
    "number",
    [
        "",
        "0",
        "99",
        "76512345678",  # 765 is nobody's
        "7701123456",  # a digit short, read as 7 770 112 345 6
        "770112345678",  # a digit long
        "4930",
        "4930123456789012",  # sixteen digits
        "abc",
        "４９３０１２３４５６",
        "7701\x001234567",
        "7" * 500,
        "٧٧٠١١٢٣٤٥٦٧",
    ],
)
def test_a_number_that_nobody_serves_has_no_destination(operator: Catalogue, number: str) -> None:
    assert operator.destination(number, AT) is None


def test_after_porting_the_prefix_no_longer_names_the_operator(operator: Catalogue) -> None:
    away = operator.destination("77011234567", AT, ported_to="beeline")
    here = operator.destination("77051234567", AT, ported_to="kcell")
    assert away is not None
    assert here is not None
    assert (away.kind, away.operator, away.brand) == ("mobile", "beeline", None)
    assert (here.kind, here.operator) == ("on_net", "kcell")


def test_an_operator_that_the_catalogue_does_not_know_leaves_the_prefix(operator: Catalogue) -> None:
    destination = operator.destination("77011234567", AT, ported_to="unheard-of")
    assert destination is not None
    assert destination.operator == "kcell"


def test_a_visited_network_is_found_by_country_or_by_partner(operator: Catalogue) -> None:
    russia = operator.roaming_country("25001", AT)
    ship = operator.roaming_country("90112", AT)
    assert russia is not None
    assert ship is not None
    assert (russia.country, russia.zone, russia.controlled) == ("RU", "near", True)
    assert (ship.zone, ship.controlled) == ("board", False)
    assert operator.roaming_country("90199", AT) is None
    assert operator.roaming_country("40102", AT) is None  # home
