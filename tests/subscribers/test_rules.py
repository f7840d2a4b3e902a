"""Rules of subscribers: pure decisions, in tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telco.kernel.calendar import Calendar
from telco.kernel.ids import SubscriberId
from telco.subscribers import rules
from telco.subscribers.errors import (
    IdentityNumberError,
    SecretRefusedError,
    SuspensionError,
    SuspensionNotYoursError,
)
from telco.subscribers.model import (
    Channel,
    Ground,
    Origin,
    Scope,
    SecretKind,
    Suspension,
    SuspensionId,
    by_subscriber,
    by_system,
)

NOW = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
CLERK = Origin("staff:aigul", Channel.OFFICE, "x")
SELF = by_subscriber(Channel.USSD)
SYSTEM = by_system("billing", "x")
DIGITS = st.text("0123456789", min_size=1, max_size=30)


# Luhn


@given(DIGITS)
def test_luhn_digit_completes_any_payload(payload: str) -> None:
    assert rules.luhn(payload + rules.luhn_digit(payload))


@given(DIGITS, st.integers(0, 29), st.integers(1, 9))
def test_luhn_sees_any_single_wrong_digit(payload: str, position: int, step: int) -> None:
    right = payload + rules.luhn_digit(payload)
    position %= len(right)
    wrong = right[:position] + str((int(right[position]) + step) % 10) + right[position + 1 :]
    assert not rules.luhn(wrong)


@pytest.mark.clause("PSC-1.1.28")
@pytest.mark.parametrize("text", ["89997010000000000", "x9997010000000000018", "79997010000000000018", "", "８９９９"])
def test_iccid_form(text: str) -> None:
    with pytest.raises(IdentityNumberError):
        rules.parse_iccid(text)


@pytest.mark.clause("PSC-1.1.28")
def test_iccid_check_digit() -> None:
    payload = "899970100000000001"
    right = payload + rules.luhn_digit(payload)
    assert rules.parse_iccid(right) == right
    with pytest.raises(IdentityNumberError, match="check digit"):
        rules.parse_iccid(payload + str((int(right[-1]) + 1) % 10))


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("401020000000001", True),
        ("40102000000001", False),  # 14 digits
        ("4010200000000012", False),  # 16 digits
        ("250020000000001", False),  # another country
        ("40102000000000x", False),
    ],
)
def test_imsi(text: str, valid: bool) -> None:
    if valid:
        assert rules.parse_imsi(text) == text
    else:
        with pytest.raises(IdentityNumberError):
            rules.parse_imsi(text)


@pytest.mark.clause("PSC-3.2.16")
def test_imei() -> None:
    assert rules.parse_imei("490154203237518") == "490154203237518"  # the example of 3GPP TS 23.003
    for wrong in ("490154203237519", "49015420323751", "4901542032375180", "49015420323751a"):
        with pytest.raises(IdentityNumberError):
            rules.parse_imei(wrong)


# Editions


@pytest.mark.clause("PSC-2.4", "PSC-6.6")
@pytest.mark.parametrize(
    ("published", "last_day"),
    [
        # 30 calendar days count from the day after publication
        (datetime(2026, 3, 2, 6, 0, tzinfo=UTC), date(2026, 4, 1)),
        (datetime(2026, 3, 2, 18, 59, tzinfo=UTC), date(2026, 4, 1)),  # 23:59 in Kazakhstan
        (datetime(2026, 3, 2, 19, 0, tzinfo=UTC), date(2026, 4, 2)),  # already 3 March there
        (datetime(2026, 1, 30, 6, 0, tzinfo=UTC), date(2026, 3, 1)),  # over February
    ],
)
def test_thirty_days_to_refuse(calendar: Calendar, published: datetime, last_day: date) -> None:
    until = rules.refusable_until(calendar, published, 30)
    assert calendar.today(until - timedelta(microseconds=1)) == last_day
    assert calendar.today(until) == last_day + timedelta(days=1)


# Data


@pytest.mark.clause("PSC-3.2.7")
@pytest.mark.parametrize(
    ("changed", "reported", "late"),
    [
        # Friday 27 February 2026 + 5 wd: Mon 2, Tue 3, Wed 4, Thu 5, Fri 6 March
        (date(2026, 2, 27), date(2026, 3, 6), False),
        (date(2026, 2, 27), date(2026, 3, 7), True),
        # Tuesday 3 March + 5 wd: Wed 4, Thu 5, Fri 6; Sunday 8 is a holiday, moved to Monday 9; Tue 10, Wed 11
        (date(2026, 3, 3), date(2026, 3, 11), False),
        (date(2026, 3, 3), date(2026, 3, 12), True),
        (date(2026, 3, 2), date(2026, 3, 2), False),
    ],
)
def test_five_working_days_to_report(calendar: Calendar, changed: date, reported: date, late: bool) -> None:
    assert rules.reported_late(calendar, changed, reported, 5) is late


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Әлиев Асқар", "әлиев  АСҚАР", True),
        ("ТОО «Дала»", 'ТОО "Дала"', True),
        ("Смирнова-Ким Анна", "Смирнова Ким Анна", True),
        ("Әлиев Асқар", "Алиев Аскар", False),
        ("Әлиев Асқар", "Асқар Әлиев", False),
    ],
)
def test_names_are_compared_without_spelling(one: str, other: str, same: bool) -> None:
    assert rules.same_name(one, other) is same


# Secrets


@pytest.mark.clause("PSC-1.1.5")
@pytest.mark.parametrize(
    ("kind", "text", "accepted"),
    [
        (SecretKind.PIN, "2580", True),
        (SecretKind.PIN, "25802580", True),
        (SecretKind.PIN, "258", False),
        (SecretKind.PIN, "258025802", False),
        (SecretKind.PIN, "1111", False),
        (SecretKind.PIN, "1234", False),
        (SecretKind.PIN, "7890", False),
        (SecretKind.PIN, "4321", False),
        (SecretKind.PIN, "1235", True),
        (SecretKind.PIN, "25a0", False),
        (SecretKind.PIN, "", False),
        (SecretKind.CODE_WORD, "Құлагер", True),
        (SecretKind.CODE_WORD, "аба", False),
        (SecretKind.CODE_WORD, "ааааа", False),
        (SecretKind.CODE_WORD, "a" * 16 + "b" * 17, False),
        (SecretKind.CODE_WORD, "two words", False),
        (SecretKind.CODE_WORD, "tab\t123", False),
    ],
)
def test_secrets_that_anybody_would_try(kind: SecretKind, text: str, accepted: bool) -> None:
    if accepted:
        assert rules.check_secret(kind, text)
    else:
        with pytest.raises(SecretRefusedError):
            rules.check_secret(kind, text)


def test_a_code_word_is_spoken() -> None:
    assert rules.check_secret(SecretKind.CODE_WORD, " ҚҰЛАГЕР ") == rules.check_secret(SecretKind.CODE_WORD, "құлагер")


# Suspensions

CLAUSES = [f"PSC-3.1.5.{n}" for n in range(1, 12)] + ["PSC-3.1.3", "PSC-3.2.14"]


@pytest.mark.clause(
    "PSC-3.1.5",
    "PSC-3.1.5.1",
    "PSC-3.1.5.2",
    "PSC-3.1.5.3",
    "PSC-3.1.5.4",
    "PSC-3.1.5.5",
    "PSC-3.1.5.6",
    "PSC-3.1.5.7",
    "PSC-3.1.5.8",
    "PSC-3.1.5.9",
    "PSC-3.1.5.10",
    "PSC-3.1.5.11",
    "PSC-3.1.3",
    "PSC-3.2.14",
)
def test_every_ground_of_the_contract_is_known() -> None:
    assert [rule.clause for rule in rules.GROUNDS.values()] == CLAUSES
    assert set(rules.GROUNDS) == set(Ground)


@pytest.mark.clause("PSC-3.1.5.5", "PSC-3.2.14", "PSC-3.1.5.10", "PSC-3.1.5.11", "PSC-3.1.3")
@pytest.mark.parametrize(
    ("ground", "scopes", "reference", "origin", "gives"),
    [
        (Ground.MONEY, (), "invoice 7", SYSTEM, {Scope.OUTGOING, Scope.DATA}),
        (Ground.MONEY, (), "", SELF, None),  # only the operator
        (Ground.LOST_DEVICE, (), "", SELF, {Scope.FULL}),
        (Ground.LOST_DEVICE, (Scope.OUTGOING,), "", SELF, {Scope.OUTGOING}),
        (Ground.REFUSED_BY_SUBSCRIBER, (), "", SELF, {Scope.VOICE, Scope.MESSAGES}),
        (Ground.REFUSED_BY_SUBSCRIBER, (Scope.VOICE,), "", SELF, {Scope.VOICE}),
        (Ground.REFUSED_BY_SUBSCRIBER, (Scope.DATA,), "", SELF, None),  # data is no basic service
        (Ground.LAW, (), "", CLERK, None),  # name the law
        (Ground.LAW, (), "Law on Communications, 41", CLERK, {Scope.FULL}),
        (Ground.AUTHORITY, (), "", CLERK, None),
        (Ground.AUTHORITY, (Scope.VOICE,), "demand 12/3", CLERK, {Scope.VOICE}),
        (Ground.HELPDESK_ABUSE, (), "", CLERK, {Scope.HELPDESK_SPECIALIST}),
        (Ground.HELPDESK_ABUSE, (Scope.FULL,), "", CLERK, None),
        (Ground.NETWORK_HARM, (), "", SYSTEM, {Scope.OUTGOING, Scope.DATA}),
        (Ground.FALSE_DATA, (), "", CLERK, {Scope.FULL}),
    ],
)
def test_who_suspends_what(
    ground: Ground, scopes: tuple[Scope, ...], reference: str, origin: Origin, gives: set[Scope] | None
) -> None:
    if gives is None:
        with pytest.raises(SuspensionError):
            rules.check_suspension(ground, scopes, reference, origin, NOW, None)
    else:
        assert rules.check_suspension(ground, scopes, reference, origin, NOW, None) == gives


def test_a_suspension_ends_ahead() -> None:
    with pytest.raises(SuspensionError):
        rules.check_suspension(Ground.BREACH, (), "", CLERK, NOW, NOW)
    assert rules.check_suspension(Ground.BREACH, (), "", CLERK, NOW, NOW + timedelta(seconds=1))


@pytest.mark.clause("PSC-3.1.5")
@pytest.mark.parametrize("ground", sorted(Ground))
def test_a_subscriber_ends_only_what_he_started(ground: Ground) -> None:
    suspension = _suspension(ground, {Scope.FULL})
    rules.check_resumption(suspension, CLERK)
    rules.check_resumption(suspension, SYSTEM)
    if ground in (Ground.LOST_DEVICE, Ground.REFUSED_BY_SUBSCRIBER):
        rules.check_resumption(suspension, SELF)
    else:
        with pytest.raises(SuspensionNotYoursError):
            rules.check_resumption(suspension, SELF)


def _suspension(ground: Ground, scopes: set[Scope], **changes: object) -> Suspension:
    suspension = Suspension(
        SuspensionId(1), SubscriberId(1), ground, frozenset(scopes), "", "x", "staff:aigul", NOW, None, None, None, None
    )
    return replace(suspension, **changes)  # type: ignore[arg-type]  # keyword arguments of a test


@pytest.mark.clause("PSC-3.1.5")
def test_what_is_barred_is_the_union_of_what_is_in_force() -> None:
    hour = timedelta(hours=1)
    lost = _suspension(Ground.LOST_DEVICE, {Scope.FULL}, ended_at=NOW + hour)
    money = _suspension(Ground.MONEY, {Scope.OUTGOING, Scope.DATA})
    timed = _suspension(Ground.BREACH, {Scope.OUTGOING, Scope.MESSAGES}, ends_at=NOW + 2 * hour)
    future = _suspension(Ground.LAW, {Scope.VOICE}, started_at=NOW + 3 * hour)
    every = [lost, money, timed, future]

    at = {hours: rules.barred(every, NOW + hours * hour) for hours in (-1, 0, 1, 2, 3)}
    assert at == {
        -1: frozenset(),
        0: {Scope.FULL, Scope.OUTGOING, Scope.DATA, Scope.MESSAGES},
        1: {Scope.OUTGOING, Scope.DATA, Scope.MESSAGES},  # the lost device was found: at its end it no longer holds
        2: {Scope.OUTGOING, Scope.DATA},
        3: {Scope.OUTGOING, Scope.DATA, Scope.VOICE},
    }


SUSPENSIONS = st.builds(
    lambda scopes, start, end, ended: _suspension(
        Ground.LAW,
        scopes,
        started_at=NOW + timedelta(hours=start),
        ends_at=None if end is None else NOW + timedelta(hours=start + end),
        ended_at=None if ended is None else NOW + timedelta(hours=start + ended),
    ),
    st.sets(st.sampled_from(Scope), min_size=1),
    st.integers(0, 10),
    st.none() | st.integers(1, 10),
    st.none() | st.integers(0, 10),
)


@pytest.mark.clause("PSC-3.1.5")
@given(st.lists(SUSPENSIONS, max_size=6), SUSPENSIONS, st.integers(0, 25))
def test_one_more_suspension_never_gives_service_back(others: list[Suspension], one: Suspension, hours: int) -> None:
    at = NOW + timedelta(hours=hours)
    before, after = rules.barred(others, at), rules.barred([*others, one], at)
    assert before <= after
    assert after - before <= one.scopes
    assert rules.barred([*others, one], at) == before | (one.scopes if rules.in_force_at(one, at) else frozenset())
