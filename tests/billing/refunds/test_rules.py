"""The rules of money back, as worked arithmetic on both sides of each boundary."""

from __future__ import annotations

import re
from datetime import date

import pytest

from telco.billing.refunds.errors import RefundStateError, RefundWayError
from telco.billing.refunds.model import PayoutWay, RefundState, RefundTerms
from telco.billing.refunds.rules import compensation_left, is_bic, kbe_of, not_before, pay_by, period_end
from telco.kernel.i18n import Language, Translator
from telco.kernel.money import Tiyn, tenge
from telco.web.problem import sentence

TERMS = RefundTerms(refund_days=30, credit_wait_days=15, compensation_mci=5)


@pytest.mark.parametrize("state", RefundState)
@pytest.mark.parametrize("language", [Language.KK, Language.RU])
def test_a_refusal_says_in_words_where_a_refund_stands(state: RefundState, language: Language) -> None:
    refused = sentence(RefundStateError(refund_id=7, state=state))
    assert not re.search("[a-z]", Translator.load().render(refused, language))


@pytest.mark.parametrize("way", PayoutWay)
@pytest.mark.parametrize("language", [Language.KK, Language.RU])
def test_a_refusal_says_in_words_how_a_refund_is_paid(way: PayoutWay, language: Language) -> None:
    refused = sentence(RefundWayError(refund_id=7, way=way))
    assert not re.search("[a-z]", Translator.load().render(refused, language))


def test_a_bic_is_of_a_bank_here() -> None:
    assert [is_bic(text) for text in ("HSBKKZKX", "HSBKKZKXXXX", "HSBKRUKX", "HSBKKZK", "hsbkkzkx")] == [
        True,
        True,
        False,
        False,
        False,
    ]


@pytest.mark.clause("PSC-1.1.26", "PSC-6.4")
@pytest.mark.parametrize(
    ("anchor", "day", "end"),
    [
        ("2026-03-15", "2026-03-15", "2026-04-15"),  # the first day
        ("2026-03-15", "2026-04-14", "2026-04-15"),  # the last day
        ("2026-03-15", "2026-04-15", "2026-05-15"),
        ("2026-01-31", "2026-02-27", "2026-02-28"),  # a shorter month ends early
        ("2026-01-31", "2026-02-28", "2026-03-31"),  # and returns to the 31st
        ("2026-01-31", "2026-03-30", "2026-03-31"),
        ("2028-01-31", "2028-02-28", "2028-02-29"),  # leap year
        ("2028-02-29", "2029-02-27", "2029-02-28"),
        ("2026-12-05", "2027-01-04", "2027-01-05"),
    ],
)
def test_the_accounting_period_of_a_day(anchor: str, day: str, end: str) -> None:
    assert period_end(date.fromisoformat(anchor), date.fromisoformat(day)) == date.fromisoformat(end)


@pytest.mark.clause("PSC-6.4", "PSC-7.7")
@pytest.mark.parametrize(
    ("registered", "credit_end", "first", "last"),
    [
        ("2026-03-02", None, "2026-03-02", "2026-04-01"),  # 2 March + 30
        ("2028-02-01", None, "2028-02-01", "2028-03-02"),  # 29 days of February: 1 + 30 = 2 March
        # a period up to 14 April: 15 days are 15 to 29 April
        ("2026-03-20", "2026-04-15", "2026-04-30", "2026-04-30"),  # 20 March + 30 = 19 April is too early
        ("2026-03-31", "2026-04-15", "2026-04-30", "2026-04-30"),  # 31 March + 30 = 30 April: the same day
        ("2026-04-01", "2026-04-15", "2026-04-30", "2026-05-01"),
        ("2026-06-01", "2026-04-15", "2026-06-01", "2026-07-01"),  # long after the period
    ],
)
def test_when_a_refund_may_and_must_be_paid(registered: str, credit_end: str | None, first: str, last: str) -> None:
    day = date.fromisoformat(registered)
    earliest = not_before(day, None if credit_end is None else date.fromisoformat(credit_end), TERMS)
    assert (earliest, pay_by(day, earliest, TERMS)) == (date.fromisoformat(first), date.fromisoformat(last))


@pytest.mark.clause("PSC-5.3")
@pytest.mark.parametrize(
    ("granted", "loss", "left"),
    [
        # the limit of 2026: 5 x 4,325 = 21,625
        ("0", "21625", "21625"),
        ("0", "21625.01", "21625"),  # never more than the limit
        ("0", "100", "100"),  # never more than is proven
        ("60", "100", "40"),
        ("100", "100", "0"),
        ("21624.99", "99999", "0.01"),
        ("21625", "99999", "0"),
    ],
)
def test_what_may_still_be_granted(granted: str, loss: str, left: str) -> None:
    limit = Tiyn(5 * tenge(4325))
    assert compensation_left(limit, tenge(granted), tenge(loss)) == tenge(left)


@pytest.mark.parametrize(
    ("iin_bin", "kbe"),
    [
        ("900101300017", "19"),  # born on 1 January
        ("900131300019", "19"),  # born on the 31st
        ("990140000007", "17"),
        ("990150000001", "27"),
        ("990160000009", "19"),
    ],
)
def test_a_number_tells_residence_and_sector(iin_bin: str, kbe: str) -> None:
    assert kbe_of(iin_bin) == kbe
