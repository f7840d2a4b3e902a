"""Publishing: versions are kept for ever, changes are announced, every process reads the newest."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from telco.catalog.errors import (
    AnnouncementTooLateError,
    CatalogueError,
    NotPublishedError,
    PlanClosedError,
    PlanInUseError,
    StillOfferedError,
    UnknownPlanError,
)
from telco.catalog.loader import SourceFile, read_directory
from telco.catalog.service import TOPIC, CatalogService
from telco.db.pool import Database
from telco.kernel.clock import ManualClock

OPERATOR = Path(__file__).parents[2] / "telco" / "lab" / "operator" / "catalog"


@pytest.fixture
def service(database: Database, clock: ManualClock) -> CatalogService:
    return CatalogService(database, clock)


@pytest.fixture
async def published(service: CatalogService) -> CatalogService:
    await service.publish_directory(OPERATOR, author="lab")
    return service


async def announced(database: Database, change: str) -> list[dict[str, object]]:
    rows = await database.fetch("select payload from kernel.outbox where topic = $1 order by event_id", TOPIC)
    return [row["payload"] for row in rows if row["payload"]["change"] == change]


def start_plan(version: int, first_day: str, fee: str) -> SourceFile:
    """The operator's kcell-start, as another version."""
    text = (OPERATOR / "plans_kcell.toml").read_text("utf-8")
    plan = text[text.index("[[plan]]", text.index("version = 1")) : text.index("# Pay per use")]
    assert "version = 2" in plan
    plan = plan.replace("version = 2", f"version = {version}").replace("2026-01-01", first_day)
    return SourceFile("start.toml", plan.replace('fee = "2990.00"', f'fee = "{fee}"').encode())


async def test_nothing_is_read_before_the_first_publication(service: CatalogService) -> None:
    await service.start()
    await service.stop()
    with pytest.raises(NotPublishedError):
        service.current()


@pytest.mark.clause("PSC-2.8")
async def test_what_is_published_is_read_back_as_it_was_declared(
    published: CatalogService, database: Database, clock: ManualClock
) -> None:
    other = CatalogService(database, clock)
    catalogue = await other.refresh()
    declared = published.current()
    assert catalogue.edition == declared.edition == 1
    assert catalogue.plan_versions == declared.plan_versions
    assert catalogue.service_versions == declared.service_versions
    assert catalogue.price_lists == declared.price_lists
    assert catalogue.plan("kcell-start", clock.now()).version == 2


async def test_publishing_the_same_files_again_changes_nothing(published: CatalogService) -> None:
    again = await published.publish_directory(OPERATOR, author="lab")
    assert again.added == ()
    assert again.edition == 1
    assert again.unchanged == 42


async def test_a_published_version_is_never_edited(published: CatalogService) -> None:
    with pytest.raises(CatalogueError) as refused:
        await published.publish([start_plan(2, "2026-01-01", "1990.00")], author="lab")
    (problem,) = refused.value.problems
    assert problem.file == "start.toml"
    assert problem.path == "plan[kcell-start v2]"
    assert problem.why == "is published with another fee, and a published version never changes; declare version 3"


@pytest.mark.parametrize("statement", ["update catalog.item set content = '{}'", "delete from catalog.item"])
async def test_the_database_refuses_to_edit_it_too(
    published: CatalogService, database: Database, statement: str
) -> None:
    with pytest.raises(asyncpg.RestrictViolationError):
        await database.fetch(statement)


async def test_a_change_that_is_wrong_anywhere_publishes_nothing(published: CatalogService, database: Database) -> None:
    wrong = SourceFile("wrong.toml", b'[[plan]]\ncode = "x"\n')
    with pytest.raises(CatalogueError):
        await published.publish([start_plan(3, "2026-04-01", "3190.00"), wrong], author="lab")
    assert await database.fetchval("select count(*) from catalog.item where version = 3") == 0


@pytest.mark.clause("PSC-2.8", "PSC-2.8-1")
async def test_a_new_version_is_announced_and_begins_on_its_day(
    published: CatalogService, database: Database, clock: ManualClock
) -> None:
    await published.publish([start_plan(3, "2026-04-01", "3190.00")], author="tariff committee")
    midnight = datetime(2026, 3, 31, 19, 0, tzinfo=UTC)  # 1 April, 00:00 in Kazakhstan
    (payload,) = await announced(database, "changed")
    assert payload["code"] == "kcell-start"
    assert payload["version"] == 3
    assert payload["effective_from"] == "2026-03-31T19:00:00+00:00"
    catalogue = published.current()
    assert catalogue.plan("kcell-start", midnight - timedelta(seconds=1)).version == 2
    assert catalogue.plan("kcell-start", midnight).version == 3
    assert catalogue.plan_version("kcell-start", 2).fee == 299_000  # those who joined it keep it


@pytest.mark.clause("PSC-2.8-1")
async def test_a_new_version_cannot_begin_before_it_is_announced(published: CatalogService) -> None:
    with pytest.raises(CatalogueError, match="is not in the future"):
        await published.publish([start_plan(3, "2026-03-02", "3190.00")], author="lab")


@pytest.mark.clause("PSC-2.8-1")
async def test_a_service_is_announced_with_whose_conditions_it_has(
    published: CatalogService, database: Database
) -> None:
    added = {event["code"]: event for event in await announced(database, "added") if event["kind"] == "service"}
    assert added["music-day"]["third_party"] is True
    assert added["data-5gb"]["third_party"] is False
    name = added["data-5gb"]["name"]
    assert isinstance(name, dict)
    assert set(name) == {"kk", "ru", "en"}


@pytest.mark.clause("PSC-2.9-1")
async def test_a_service_is_withdrawn_with_notice(
    published: CatalogService, database: Database, clock: ManualClock
) -> None:
    end = clock.now() + timedelta(days=10)
    await published.withdraw_service("quiz", end, author="lab")
    catalogue = published.current()
    quiz = catalogue.service("quiz", end)
    assert catalogue.is_offered(quiz, end - timedelta(seconds=1))
    assert not catalogue.is_offered(quiz, end)
    assert quiz not in catalogue.services(end)
    (payload,) = await announced(database, "withdrawn")
    assert (payload["kind"], payload["code"], payload["effective_from"]) == ("service", "quiz", end.isoformat())


@pytest.mark.clause("PSC-2.9-1")
async def test_a_withdrawal_is_not_backdated(published: CatalogService, clock: ManualClock) -> None:
    with pytest.raises(AnnouncementTooLateError):
        await published.withdraw_service("quiz", clock.now() - timedelta(seconds=1), author="lab")


@pytest.mark.clause("PSC-2.9")
async def test_a_plan_is_closed_when_it_is_no_longer_offered_and_has_no_subscribers(
    published: CatalogService, clock: ManualClock, database: Database
) -> None:
    subscribers = 1

    async def count(code: str) -> int:
        assert code == "activ-day"
        return subscribers

    with pytest.raises(StillOfferedError):
        await published.close_plan("activ-day", count, author="lab")
    await published.withdraw_plan("activ-day", clock.now() + timedelta(days=1), author="lab")
    with pytest.raises(StillOfferedError):
        await published.close_plan("activ-day", count, author="lab")
    clock.advance(timedelta(days=1))
    assert "activ-day" not in [plan.code for plan in published.current().plans(clock.now())]
    with pytest.raises(PlanInUseError):
        await published.close_plan("activ-day", count, author="lab")
    subscribers = 0
    await published.close_plan("activ-day", count, author="lab")
    assert published.current().closed["plan", "activ-day"] == clock.now()
    assert len(await announced(database, "closed")) == 1
    with pytest.raises(PlanClosedError):
        await published.close_plan("activ-day", count, author="lab")
    with pytest.raises(PlanClosedError):
        await published.withdraw_plan("activ-day", clock.now(), author="lab")


async def test_an_unknown_plan_is_not_withdrawn(published: CatalogService, clock: ManualClock) -> None:
    with pytest.raises(UnknownPlanError):
        await published.withdraw_plan("nothing", clock.now(), author="lab")


async def test_another_process_follows_a_publication(
    published: CatalogService, database: Database, clock: ManualClock
) -> None:
    follower = CatalogService(database, clock)
    await follower.start()
    try:
        assert follower.current().edition == 1
        await published.publish([start_plan(3, "2026-04-01", "3190.00")], author="lab")
        async with asyncio.timeout(10):
            while follower.current().edition < 2:
                await asyncio.sleep(0)
    finally:
        await follower.stop()
    assert follower.current().plan_version("kcell-start", 3).fee == 319_000


async def test_a_follower_listens_again_after_its_connection_was_cut(
    published: CatalogService, database: Database, clock: ManualClock
) -> None:
    follower = CatalogService(database, clock)
    await follower.start()
    try:
        cut = await _until(database, "select pg_terminate_backend(pid) from pg_stat_activity where {}", None)
        await _until(database, "select pid from pg_stat_activity where {}", cut)
        await published.publish([start_plan(3, "2026-04-01", "3190.00")], author="lab")
        async with asyncio.timeout(10):
            while follower.current().edition < 2:
                await asyncio.sleep(0)
    finally:
        await follower.stop()


async def _until(database: Database, query: str, other_than: object) -> object:
    """Ask about the session whose last statement was LISTEN until there is an answer."""
    listening = query.format("query ilike 'listen%telco_catalog%' and datname = current_database()")
    async with asyncio.timeout(10):
        while (answer := await database.fetchval(listening)) in (None, other_than):
            await asyncio.sleep(0)
    return answer


async def test_what_is_stored_in_an_older_form_is_named(
    published: CatalogService, database: Database, clock: ManualClock
) -> None:
    await database.fetch(
        "insert into catalog.item values ('plan', 'old', 1, $1, sha256(''), 'old.toml', 1)",
        {"code": "old", "colour": 1},
    )
    with pytest.raises(
        CatalogueError, match=r"published catalogue \(old\.toml\): plan\[old v1\]\.colour: is an unknown key"
    ):
        await CatalogService(database, clock).refresh()


async def test_two_publications_at_once_do_not_both_add_a_version(
    published: CatalogService, database: Database, clock: ManualClock
) -> None:
    other = CatalogService(database, clock)
    results = await asyncio.gather(
        published.publish([start_plan(3, "2026-04-01", "3190.00")], author="one"),
        other.publish([start_plan(3, "2026-04-01", "3290.00")], author="other"),
        return_exceptions=True,
    )
    assert sorted(type(result).__name__ for result in results) == ["CatalogueError", "Publication"]


def test_the_operators_files_are_read_in_order() -> None:
    names = [file.name for file in read_directory(OPERATOR)]
    assert names == sorted(names)
