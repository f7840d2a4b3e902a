"""What is wrong with the rules of bonuses and device sales is told with its file, its field and why."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from telco.catalog.catalogue import Catalogue
from telco.catalog.errors import CatalogueError, UnknownDevicePlanError
from telco.catalog.loader import SourceFile, build, parse, read_directory
from telco.catalog.model import Service
from telco.catalog.rates import Profile, Usage
from telco.catalog.rating import rate
from tests.world import CATALOGUE

pytestmark = pytest.mark.clause("PSC-3.1.9")
NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)
BONUS = (CATALOGUE / "bonus.toml").read_text("utf-8")
DEVICES = (CATALOGUE / "devices.toml").read_text("utf-8")


def catalogue(bonus: str = BONUS, devices: str = DEVICES) -> Catalogue:
    files = [file for file in read_directory(CATALOGUE) if file.name not in ("bonus.toml", "devices.toml")]
    files += [SourceFile("bonus.toml", bonus.encode()), SourceFile("devices.toml", devices.encode())]
    return build(parse(files))


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        (
            'pays = ["voice"',
            'pays = ["roaming"',
            "bonus[1].pays[1]: must be 'voice', 'sms', 'data', 'plan' or 'service'",
        ),
        ('pays = ["voice"', 'pays = ["voice", "voice"', "bonus[bonus v1].pays: voice is named twice; keep one"),
        ('on = ["top_up"]', 'on = ["voice"]', "bonus[bonus v1].earn: voice earns twice; name it in one rule only"),
        ('code = "fees"', 'code = "usage"', "bonus[bonus v1].earn: usage is declared twice"),
        ('percent = "0.5"', 'percent = "100.01"', "bonus[1].earn[3].percent: is more than 100"),
        ('percent = "0.5"', "percent = 0.5", "is a float; write it as a string"),
        ('percent = "0.5"', 'percent = "0"', "earn[3].percent: is zero; leave the rule out"),
        ('percent = "0.5", ', "", "earn[3].percent: and tiers exclude each other; give one of them"),
        ("months = 36", "months = 12", "earn[1].tiers: two begin after 12 months; keep one"),
        ('kind = "day", on = 2026-03-22', 'kind = "day"', "gifts[3].on: belongs to gifts of the kind day"),
        ("on = 2026-03-22", "on = 2025-03-22", "gifts[3].on: is not among the days of this version"),
        ('amount = "500.00"', 'amount = "0.00"', "gifts[1].amount: is zero; leave the gift out"),
        ('least = "1.00"', 'least = "0.00"', "least: is zero"),
        ("priority = 50", "priority = 100", "bonus[1].priority"),
        ("month_cap =", "monthly_cap =", "is an unknown key; did you mean month_cap?"),
    ],
)
def test_what_is_wrong_with_bonuses_is_told(was: str, now: str, told: str) -> None:
    assert was in BONUS
    with pytest.raises(CatalogueError) as refused:
        catalogue(BONUS.replace(was, now, 1))
    assert told in str(refused.value)
    assert "bonus.toml" in str(refused.value)


@pytest.mark.clause("PSC-3.2.12")
@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        ('down_percent = "10"', 'down_percent = "100"', "down_percent: is the whole price"),
        ('least_price = "10000.00"', 'least_price = "1500000.01"', "least_price: is above most_price"),
        ('least_price = "10000.00"', 'least_price = "0.00"', "least_price: is zero"),
        ("months = [3,", "months = [3, 3,", "months: 3 is named twice; keep one"),
        ("months = [3,", "months = [0,", "device_plan[device-standard v1].months[1]"),
        ("return_days = 14", "return_days = -1", "return_days"),
    ],
)
def test_what_is_wrong_with_device_plans_is_told(was: str, now: str, told: str) -> None:
    assert was in DEVICES
    with pytest.raises(CatalogueError) as refused:
        catalogue(devices=DEVICES.replace(was, now, 1))
    assert told in str(refused.value)


@pytest.mark.clause("PSC-3.2.12")
def test_device_plans_hold_from_their_day() -> None:
    found = catalogue()
    plan = found.device_plan("device-standard", NOW)
    assert (plan.down_basis_points, sorted(plan.months)) == (1_000, [3, 6, 12, 24])
    for code, at in (("device-standard", datetime(2025, 12, 31, 18, tzinfo=UTC)), ("device-free", NOW)):
        with pytest.raises(UnknownDevicePlanError):
            found.device_plan(code, at)


PROFILE = Profile("kcell-free", 1)
AT_HOME = Usage(Service.SMS, other="77019999999")


def test_bonuses_pay_at_home_what_the_rules_name() -> None:
    found = catalogue()
    assert rate(AT_HOME, PROFILE, found, NOW).money == ("trust", "bonus", "main")
    without = catalogue(BONUS.replace('"sms", "data", "plan", "service"]', '"data", "plan", "service"]', 1))
    assert rate(AT_HOME, PROFILE, without, NOW).money == ("trust", "main")


def test_bonuses_never_pay_for_roaming_nor_for_third_parties() -> None:
    found = catalogue()
    abroad = Usage(Service.SMS, other="77019999999", visited="25001")
    assert rate(abroad, PROFILE, found, NOW).roaming
    assert rate(abroad, PROFILE, found, NOW).money == ("trust", "main")
    quiz = Usage(Service.CONTENT, offer="quiz")
    assert rate(quiz, PROFILE, found, NOW).money == ("trust", "main")


def test_without_a_programme_in_force_bonuses_pay_nothing() -> None:
    ended = catalogue(BONUS.replace("from = 2026-01-01", "from = 2026-01-01\nuntil = 2026-03-31", 1))
    last, after = datetime(2026, 3, 31, 18, 59, tzinfo=UTC), datetime(2026, 3, 31, 19, tzinfo=UTC)
    assert rate(AT_HOME, PROFILE, ended, last).money == ("trust", "bonus", "main")  # 23:59 in Kazakhstan
    assert rate(AT_HOME, PROFILE, ended, after).money == ("trust", "main")
