"""What the demo operator's usage costs: by plan, destination, place, time and fee."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telco.catalog.catalogue import Catalogue
from telco.catalog.errors import UnknownPlanError
from telco.catalog.model import Direction, Service
from telco.catalog.rating import Denial, Profile, Rate, Usage, rate
from tests.catalog.conftest import AT

START = Profile("kcell-start", 2)
FREE = Profile("kcell-free", 1)
UNLIM = Profile("kcell-unlim", 1)
SIMPLE = Profile("activ-simple", 1)
M2M = Profile("kcell-m2m", 1)

KCELL, ACTIV, BEELINE, LANDLINE = "77011234567", "77751234567", "77051234567", "77272123456"
MOSCOW, BERLIN, ISTANBUL, SATELLITE = "74951234567", "4930123456", "902121234567", "881612345678"
RUSSIA, TURKEY, BELARUS, SHIP, NOWHERE = "25001", "28601", "25701", "90112", "99999"

VOICE, SMS, DATA, CONTENT = Service.VOICE, Service.SMS, Service.DATA, Service.CONTENT
MINUTE, MB = 60, 1_000_000


def call(other: str, visited: str | None = None, **fields: object) -> Usage:
    return Usage(VOICE, other=other, visited=visited, **fields)  # type: ignore[arg-type]


def text(other: str, visited: str | None = None) -> Usage:
    return Usage(SMS, other=other, visited=visited)


def surf(visited: str | None = None, group: int = 0) -> Usage:
    return Usage(DATA, visited=visited, rating_group=group)


def incoming(visited: str | None = None, service: Service = VOICE) -> Usage:
    return Usage(service, Direction.IN, other=BEELINE, visited=visited)


@pytest.mark.clause("PSC-1.1.8", "PSC-4.2")
@pytest.mark.parametrize(
    ("profile", "usage", "quantity", "tiyn", "label"),
    [
        # kcell-start, by the minute
        (START, call(KCELL), 600, 0, "voice.on_net"),
        (START, call(ACTIV), 600, 0, "voice.on_net"),  # the other brand is the same network
        (START, call(BEELINE), 61, 4_000, "voice.mobile"),  # 2 min * 20.00
        (START, call(LANDLINE), 60, 2_000, "voice.fixed"),
        (START, text(KCELL), 1, 2_000, "sms.on_net"),
        (START, text(BEELINE), 3, 6_000, "sms.mobile"),  # three parts
        (START, surf(), 150_000, 200, "data.internet"),  # 2 * 100 kB at 10.00 a MB
        (START, surf(group=20), 50 * MB, 0, "data.messengers"),
        # kcell-free, the first minute whole, then by the second
        (FREE, call(KCELL), 10, 1_500, "voice.on_net"),
        (FREE, call(KCELL), 61, 1_525, "voice.on_net"),  # 61 s at 15.00 a minute
        (FREE, call(BEELINE), 90, 3_600, "voice.mobile"),  # 90 s at 24.00 a minute
        (FREE, text(BEELINE), 1, 2_500, "sms.mobile"),
        (FREE, surf(), 1 * MB, 1_500, "data.internet"),
        # activ-simple, whole minutes and megabytes
        (SIMPLE, call(ACTIV), 61, 3_200, "voice.on_net"),  # 2 * 16.00
        (SIMPLE, surf(), MB + 1, 3_000, "data.internet"),  # 2 * 15.00
        # abroad by number, prices of 2026
        (START, call(MOSCOW), 30, 4_900, "voice.russia"),  # at least a minute at 49.00
        (START, call(MOSCOW), 90, 7_350, "voice.russia"),  # 90 s, rated by the second
        (START, call(BERLIN), 61, 25_800, "voice.europe"),  # 2 * 129.00
        (START, call(ISTANBUL), 60, 6_500, "voice.neighbours"),
        (START, call(SATELLITE), 1, 379_000, "voice.satellite"),  # 500.00 and a minute at 3,290.00
        (START, text(MOSCOW), 1, 3_200, "sms.russia"),
        # content by the event
        (START, Usage(CONTENT, offer="quiz"), 2, 20_000, "content.quiz"),
    ],
)
def test_usage_at_home(
    operator: Catalogue, profile: Profile, usage: Usage, quantity: int, tiyn: int, label: str
) -> None:
    found = rate(usage, profile, operator, AT)
    assert found.denied is None
    assert (found.cost(quantity), found.label) == (tiyn, label)
    assert not found.free
    assert found.revenue == f"revenue.{usage.service}"


@pytest.mark.clause("PSC-2.7")
@pytest.mark.parametrize(
    ("usage", "allowances", "price"),
    [
        (call(BEELINE), ("voice.any",), 2_000),
        (text(KCELL), ("sms.any",), 2_000),
        (surf(), ("data.fairuse", "data.any"), 100),
        (call(MOSCOW), (), None),  # included minutes are of the country
        (call(KCELL), (), 0),  # what costs nothing takes no included minutes
        (surf(group=20), (), 0),
        (surf(RUSSIA), ("roaming.data",), 590),
        (call(BEELINE, RUSSIA), ("roaming.voice",), 5_900),
        (incoming(RUSSIA), ("roaming.voice",), 5_900),
        (call(BEELINE, SHIP), (), 199_000),  # the roaming pack is not for ships
    ],
)
def test_included_volumes_pay_first_and_then_the_plans_price(
    operator: Catalogue, usage: Usage, allowances: tuple[str, ...], price: int | None
) -> None:
    found = rate(usage, START, operator, AT)
    assert found.allowances == allowances
    if price is not None:
        assert found.price_micro == price * 1_000_000


def test_unlimited_data_counts_towards_fair_use_and_costs_nothing_after_it(operator: Catalogue) -> None:
    found = rate(surf(), UNLIM, operator, AT)
    plan = operator.plan_version("kcell-unlim", 1)
    assert plan.fair_use is not None
    assert plan.unlimited_data
    assert found.allowances == (plan.fair_use.allowance,) == ("data.fairuse",)
    assert found.cost(1_000_000 * MB) == 0
    threshold = {allowance.code: allowance.quantity for allowance in plan.allowances}[plan.fair_use.allowance]
    assert threshold == 60_000 * MB
    assert 0 < plan.fair_use.overload_speed_kbps < plan.fair_use.speed_kbps


@pytest.mark.clause("PSC-3.2.4")
@pytest.mark.parametrize(
    ("profile", "usage", "paid", "unpaid"),
    [
        (START, call(KCELL), 0, 1_500),
        (START, surf(group=20), 0, 1_000),  # messengers at 10.00 a MB
        (UNLIM, surf(), 0, 1_000),
        (START, call(BEELINE), 2_000, 2_000),
    ],
)
def test_until_the_fee_is_paid_prices_are_those_without_it(
    operator: Catalogue, profile: Profile, usage: Usage, paid: int, unpaid: int
) -> None:
    quantity = MB if usage.service is DATA else MINUTE
    waiting = Profile(profile.plan_code, profile.plan_version, fee_paid=False)
    assert rate(usage, profile, operator, AT).cost(quantity) == paid
    assert rate(usage, waiting, operator, AT).cost(quantity) == unpaid


@pytest.mark.clause("PSC-3.2.5")
@pytest.mark.parametrize("profile", [START, FREE, UNLIM, SIMPLE, M2M], ids=lambda profile: profile.plan_code)
@pytest.mark.parametrize(
    ("usage", "zone"),
    [
        (call("101"), "emergency"),
        (call("102"), "emergency"),
        (call("103"), "emergency"),
        (call("104"), "emergency"),
        (call("112"), "emergency"),
        (call("112", RUSSIA), "emergency"),
        (call("112", NOWHERE), "emergency"),  # without any agreement
        (call("3030"), "helpdesk"),
        (call("9090"), "helpdesk"),
        (call("+77272588300"), "helpdesk"),
        (call("77272588300", TURKEY), "helpdesk"),
        (call("88000801234"), "freephone"),
        (text("5505"), "service"),
        (text("77014589654"), "service"),
    ],
)
def test_free_numbers_are_free_on_every_plan(operator: Catalogue, profile: Profile, usage: Usage, zone: str) -> None:
    found = rate(usage, profile, operator, AT)
    assert found.free
    assert (found.denied, found.cost(3_600), found.allowances, found.zone) == (None, 0, (), zone)


@pytest.mark.clause("PSC-3.1.2")
@pytest.mark.parametrize(
    ("usage", "quantity", "tiyn"),
    [
        (call(KCELL, RUSSIA), 61, 11_800),  # home: 2 * 59.00
        (call(MOSCOW, RUSSIA), 60, 5_900),  # within the country visited
        (call(BERLIN, RUSSIA), 60, 29_900),  # a third country
        (call(ISTANBUL, TURKEY), 60, 14_900),
        (call(MOSCOW, TURKEY), 60, 39_900),
        (incoming(RUSSIA), 1, 5_900),
        (incoming(TURKEY), 61, 19_800),  # 2 * 99.00
        (Usage(VOICE, Direction.FORWARDED, BEELINE, RUSSIA), 60, 5_900),
        (text(KCELL, RUSSIA), 1, 3_900),
        (incoming(RUSSIA, SMS), 1, 0),
        (surf(RUSSIA), MB, 5_900),
        (surf(TURKEY), 1, 990),  # 100 kB at 99.00 a MB
        (call(KCELL, SHIP), 60, 229_000),  # 300.00 and 1,990.00
        (call("88000801234", RUSSIA), 60, 5_900),  # freephone numbers are free at home
    ],
)
def test_usage_in_roaming(operator: Catalogue, usage: Usage, quantity: int, tiyn: int) -> None:
    found = rate(usage, START, operator, AT)
    assert found.denied is None
    assert found.cost(quantity) == tiyn
    assert found.zone.startswith("roaming.") or tiyn == 0
    assert found.revenue == "revenue.roaming" or tiyn == 0


@pytest.mark.clause("PSC-3.1.2")
@pytest.mark.parametrize(("network", "controlled"), [(RUSSIA, True), (BELARUS, False), (SHIP, False), (None, True)])
def test_it_is_known_where_usage_is_not_controlled_in_real_time(
    operator: Catalogue, network: str | None, controlled: bool
) -> None:
    assert rate(call(KCELL, network), START, operator, AT).controlled is controlled


@pytest.mark.clause("PSC-3.1.1")
def test_a_third_partys_service_is_charged_by_the_operator_at_its_price(operator: Catalogue) -> None:
    found = rate(Usage(CONTENT, offer="quiz"), START, operator, AT)
    assert (found.cost(1), found.cost(3)) == (10_000, 30_000)  # 100.00 a question
    assert (found.revenue, found.allowances, found.free) == ("revenue.content", (), False)


def test_incoming_at_home_costs_nothing(operator: Catalogue) -> None:
    for usage in (incoming(), incoming(service=SMS)):
        found = rate(usage, START, operator, AT)
        assert (found.denied, found.cost(600), found.free) == (None, 0, False)


def test_a_forwarded_call_costs_what_the_call_on_costs(operator: Catalogue) -> None:
    forwarded = Usage(VOICE, Direction.FORWARDED, BEELINE)
    assert rate(forwarded, START, operator, AT).cost(60) == rate(call(BEELINE), START, operator, AT).cost(60) == 2_000


@pytest.mark.parametrize(
    ("usage", "tiyn"),
    [(call(KCELL, ported_to="beeline"), 2_000), (call(BEELINE, ported_to="kcell"), 0)],
)
def test_a_ported_number_is_rated_by_its_operator(operator: Catalogue, usage: Usage, tiyn: int) -> None:
    assert rate(usage, START, operator, AT).cost(60) == tiyn


@pytest.mark.clause("PSC-1.1.22", "PSC-1.1.31")
@pytest.mark.parametrize(
    ("profile", "usage", "why"),
    [
        (M2M, call(KCELL), Denial.NOT_IN_PLAN),
        (M2M, text(BEELINE), Denial.NOT_IN_PLAN),
        (M2M, surf(TURKEY), Denial.NOT_IN_PLAN),
        (M2M, Usage(CONTENT, offer="quiz"), Denial.UNKNOWN_SERVICE),  # not for devices
        (START, text(SATELLITE), Denial.NOT_IN_PLAN),
        (START, call(SATELLITE, RUSSIA), Denial.NOT_IN_PLAN),
        (START, call("765"), Denial.UNKNOWN_DESTINATION),
        (START, text("112"), Denial.NOT_IN_PLAN),
        (START, call(KCELL, NOWHERE), Denial.NO_ROAMING_AGREEMENT),
        (START, surf(NOWHERE), Denial.NO_ROAMING_AGREEMENT),
        (START, incoming(NOWHERE), Denial.NO_ROAMING_AGREEMENT),
        (START, Usage(CONTENT, offer="nothing"), Denial.UNKNOWN_SERVICE),
        (START, Usage(CONTENT, offer="music-day"), Denial.UNKNOWN_SERVICE),  # a subscription has no events
    ],
)
def test_what_a_plan_does_not_hold_is_denied(operator: Catalogue, profile: Profile, usage: Usage, why: Denial) -> None:
    found = rate(usage, profile, operator, AT)
    assert found.denied is why
    assert not found.free


@pytest.mark.clause("PSC-1.1.31", "PSC-2.7")
def test_a_device_has_data_and_messages_of_its_own(operator: Catalogue) -> None:
    found = rate(surf(), M2M, operator, AT)
    assert "data.any" in found.allowances
    assert found.cost(10_001) == 10  # 2 * 10 kB at 5.00 a MB


@pytest.mark.parametrize(
    ("local_hour", "tiyn"),
    [(6, 600), (7, 1_500), (12, 1_500), (22, 1_500), (23, 600), (0, 600)],
)
def test_night_prices_run_over_midnight(operator: Catalogue, local_hour: int, tiyn: int) -> None:
    at = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(hours=local_hour - 5)
    assert rate(call(KCELL), FREE, operator, at).cost(60) == tiyn
    assert rate(call(BEELINE), FREE, operator, at).cost(60) == 2_400


@pytest.mark.parametrize(
    ("second_before", "tiyn"),
    [(1, 4_500), (0, 4_900)],
)
def test_a_price_list_changes_with_its_day_in_kazakhstan(operator: Catalogue, second_before: int, tiyn: int) -> None:
    new_year = datetime(2025, 12, 31, 19, 0, tzinfo=UTC)
    at = new_year - timedelta(seconds=second_before)
    assert rate(call(MOSCOW), START, operator, at).cost(60) == tiyn


def test_usage_reported_late_has_the_price_of_its_time(operator: Catalogue) -> None:
    old, new = datetime(2025, 12, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    prices = [rate(call(MOSCOW), START, operator, at).cost(60) for at in (new, old, new, old)]
    assert prices == [4_900, 4_500, 4_900, 4_500]


def test_the_version_that_was_joined_keeps_its_prices(operator: Catalogue) -> None:
    assert rate(call(BEELINE), Profile("kcell-start", 1), operator, AT).cost(60) == 1_900
    assert rate(call(BEELINE), Profile("kcell-start", 2), operator, AT).cost(60) == 2_000


def test_an_active_service_changes_prices_before_the_plan_does(operator: Catalogue) -> None:
    with_service = Profile("kcell-start", 2, ("data-5gb", "russia-calls"))
    assert rate(call(MOSCOW), with_service, operator, AT).cost(61) == 3_000  # 2 * 15.00
    assert rate(call(BEELINE), with_service, operator, AT).cost(60) == 2_000


def test_a_plan_that_was_never_published_cannot_be_rated(operator: Catalogue) -> None:
    with pytest.raises(UnknownPlanError):
        rate(call(KCELL), Profile("kcell-start", 99), operator, AT)


numbers = st.one_of(
    st.text("0123456789", max_size=16),
    st.text(max_size=20),
    st.sampled_from([KCELL, ACTIV, BEELINE, LANDLINE, MOSCOW, BERLIN, SATELLITE, "112", "3030"]),
)


@given(
    usage=st.builds(
        Usage,
        service=st.sampled_from(Service),
        direction=st.sampled_from(Direction),
        other=numbers,
        visited=st.one_of(st.none(), st.sampled_from([RUSSIA, TURKEY, SHIP, NOWHERE, "40102", "", "x"])),
        ported_to=st.one_of(st.none(), st.sampled_from(["kcell", "beeline", "nobody"])),
        rating_group=st.integers(0, 100),
        offer=st.sampled_from(["quiz", "music-day", "", "x"]),
    ),
    profile=st.builds(
        Profile,
        plan_code=st.sampled_from(["kcell-free", "kcell-unlim", "kcell-m2m", "activ-spring", "kcell-business"]),
        plan_version=st.just(1),
        services=st.sampled_from([(), ("russia-calls",), ("nothing",)]),
        fee_paid=st.booleans(),
    ),
    day=st.integers(-400, 400),
    quantity=st.integers(0, 10**10),
)
def test_any_usage_has_one_answer_and_no_negative_price(
    operator: Catalogue, usage: Usage, profile: Profile, day: int, quantity: int
) -> None:
    at = AT + timedelta(days=day)
    found = rate(usage, profile, operator, at)
    assert isinstance(found, Rate)
    assert found == rate(usage, profile, operator, at)
    assert found.cost(quantity) >= 0
    if found.denied is None:
        assert found.unit == found.charge(quantity).unit
        assert found.portions
    if found.free:
        assert found.cost(quantity) == 0
