"""The demo operator's catalogue has what an operator sells, in three languages, each thing with its short codes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from telco.catalog.catalogue import Catalogue
from telco.catalog.errors import UnknownPlanError, UnknownServiceError
from telco.catalog.labels import describe
from telco.catalog.model import Audience, OfferKind, Plan, Service, ServiceOffer, Settlement
from telco.catalog.numbering import DestinationKind
from telco.catalog.rating import Denial
from telco.kernel.i18n import Language, Text, Translator
from tests.catalog.conftest import AT


def everything(operator: Catalogue) -> list[Plan | ServiceOffer]:
    return [*operator.plans(AT, offered=False), *operator.services(AT, offered=False)]


@pytest.mark.clause("PSC-2.8", "PSC-2.10", "PSC-1.1.22", "PSC-4.2")
def test_there_is_a_plan_of_every_sort(operator: Catalogue) -> None:
    plans = operator.plans(AT)
    assert {plan.brand for plan in plans} == {"kcell", "activ"}
    prepaid = [plan for plan in plans if plan.settlement is Settlement.PREPAID]
    assert any(plan.fee and len(plan.allowances) == 3 for plan in prepaid)  # data, minutes and SMS
    assert any(not plan.fee and not plan.allowances for plan in prepaid)  # pay per use
    assert any(plan.unlimited_data for plan in plans)
    assert any(plan.credit_limit_default and plan.credit_limit_ceiling for plan in plans)
    assert {plan.audience for plan in plans} == set(Audience)
    assert any(plan.promotional and plan.joinable_until and plan.lasts and plan.successor for plan in plans)


def test_there_is_a_service_of_every_sort(operator: Catalogue) -> None:
    packs = {offer.category for offer in operator.services(AT, kind=OfferKind.PACK)}
    assert packs == {"data", "sms", "voice", "roaming"}
    content = operator.services(AT, kind=OfferKind.CONTENT)
    assert all(offer.provider for offer in content)
    assert any(offer.fee_interval == "day" and offer.price for offer in content)


@pytest.mark.clause("PSC-2.10")
def test_everything_is_named_and_priced_in_three_languages_within_one_sms(operator: Catalogue) -> None:
    for item in everything(operator):
        for language in Language:
            assert 0 < len(item.name.of(language)) <= 25, item.code
            assert "₸" in item.summary.of(language) or "KZT" in item.summary.of(language), item.code
            assert len(item.summary.of(language)) <= 134, item.code  # two parts of 67 UCS-2 characters


@pytest.mark.clause("PSC-2.10")
def test_a_plan_is_found_by_what_a_subscriber_types(operator: Catalogue) -> None:
    for plan in operator.plans(AT):
        for words in (plan.number, *plan.keywords, plan.code, plan.name.kk, f"  {plan.name.ru.upper()} "):
            assert operator.find_plan(words, AT, plan.brand) == plan
    assert operator.find_plan("старт", AT, "kcell") == operator.plan("kcell-start", AT)
    assert operator.find_plan("START", AT, "activ") is None
    assert operator.find_plan("", AT, "kcell") is None


@pytest.mark.clause("PSC-2.10")
def test_a_service_is_found_by_what_a_subscriber_types(operator: Catalogue) -> None:
    plan = operator.plan("kcell-start", AT)
    for offer in operator.services(AT, plan):
        for words in (offer.number, *offer.keywords, offer.code):
            assert operator.find_service(words, AT, plan) == offer
    assert operator.find_service("quiz", AT, operator.plan("kcell-m2m", AT)) is None


@pytest.mark.clause("PSC-1.1.22")
def test_a_promotion_is_joined_within_its_window_only(operator: Catalogue) -> None:
    first = datetime(2026, 2, 28, 19, 0, tzinfo=UTC)  # 1 March, 00:00 in Kazakhstan
    last = datetime(2026, 5, 31, 19, 0, tzinfo=UTC)  # 1 June, 00:00: 31 May is the last day
    spring = operator.plan("activ-spring", first)

    def offered(at: datetime) -> bool:
        return spring in operator.plans(at, "activ")

    second = timedelta(seconds=1)
    assert [offered(at) for at in (first - second, first, last - second, last)] == [False, True, True, False]
    assert spring.lasts is not None
    assert spring.lasts.end(first) == datetime(2026, 6, 1, 19, 0, tzinfo=UTC)  # through 1 June
    assert spring.successor is not None
    assert operator.plan(spring.successor, last).brand == "activ"


@pytest.mark.clause("PSC-2.8")
def test_versions_follow_each_other(operator: Catalogue) -> None:
    before, after = (datetime(2025, 12, 31, hour, 0, tzinfo=UTC) for hour in (18, 19))
    assert [operator.plan("kcell-start", at).version for at in (before, after)] == [1, 2]
    assert operator.plan_version("kcell-start", 1).fee == 279_000
    with pytest.raises(UnknownPlanError):
        operator.plan("kcell-start", datetime(2024, 12, 31, 18, 59, tzinfo=UTC))
    with pytest.raises(UnknownPlanError):
        operator.plan_version("kcell-start", 3)
    with pytest.raises(UnknownServiceError):
        operator.service("nothing", AT)
    with pytest.raises(UnknownServiceError):
        operator.service_version("quiz", 2)
    assert operator.service_version("quiz", 1) == operator.service("quiz", AT)


@pytest.mark.clause("PSC-3.1.2")
def test_roaming_has_a_threshold_sum(operator: Catalogue) -> None:
    assert operator.roaming_at(AT).threshold_tiyn == 200_000


def test_before_the_first_version_the_first_holds(operator: Catalogue) -> None:
    long_ago = datetime(2000, 1, 1, tzinfo=UTC)
    assert operator.numbering_at(long_ago).version == 1
    assert operator.roaming_at(long_ago).version == 1
    assert operator.portions_at(long_ago).version == 1


@pytest.mark.parametrize("language", [Language.KK, Language.RU])
def test_every_label_and_denial_is_said_in_each_language(
    operator: Catalogue, translator: Translator, language: Language
) -> None:
    zones = [*DestinationKind, *operator.numbering_at(AT).zones, "incoming", "roaming", "internet", "messengers"]
    texts: set[Text] = {describe(f"{service}.{zone}") for service in Service for zone in zones}
    texts |= {denial.text for denial in Denial}
    assert [text.msgid for text in texts if not translator.knows(text.msgid, language)] == []
