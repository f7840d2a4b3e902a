"""Keys open what their roles allow, until they are revoked, at the rate they were given."""

from __future__ import annotations

from datetime import timedelta

import pytest
from redis.asyncio import Redis

from telco.db.pool import Database
from telco.kernel.clock import ManualClock
from telco.kernel.i18n import Translator
from telco.web import staff
from telco.web.server import AUTHENTICATOR
from telco.web.staff import Authenticator, Role, create_key, create_principal, disable_principal, revoke_keys
from tests.web.conftest import NUMBER, PEPPER, Site, running

ACCOUNT = f"/v1/accounts/{NUMBER}"


async def test_a_key_is_stored_only_as_a_peppered_digest(database: Database, clock: ManualClock) -> None:
    async with database.acquire() as conn:
        key = await create_principal(conn, "Айгүл", [Role.CLERK], pepper=PEPPER, now=clock.now())
    row = await database.fetchrow("select * from web.api_key")
    assert row is not None
    assert key.startswith("telco_" + row["key_id"])
    assert key.rsplit("_", 1)[1] not in str(dict(row))
    assert row["digest"] == staff.digest_of(key, PEPPER) != staff.digest_of(key, "another pepper")


async def test_a_copied_database_opens_nothing_without_the_pepper(database: Database, clock: ManualClock) -> None:
    async with database.acquire() as conn:
        key = await create_principal(conn, "clerk", [Role.CLERK], pepper=PEPPER, now=clock.now())
    assert await Authenticator(database, clock, PEPPER).authenticate(f"Bearer {key}")
    assert await Authenticator(database, clock, "other").authenticate(f"Bearer {key}") is None


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic dXNlcjpwYXNz",
        "Bearer telco_x",
        "Bearer telco_000000000000_" + "0" * 64,
        "Bearer telco_000000000000_" + "0" * 63,
        "Bearer ' or 1=1 --",
        "Bearer " + "x" * 5000,
    ],
)
async def test_what_is_not_a_key_is_refused(site: Site, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    status, body, response = await site.call("GET", ACCOUNT, headers=headers)
    assert (status, body["code"], response.headers["WWW-Authenticate"]) == (401, "not_authenticated", "Bearer")


async def test_a_right_id_with_a_wrong_secret_is_refused(site: Site) -> None:
    prefix, identity, secret = site.keys[Role.CLERK].split("_")
    wrong = "_".join((prefix, identity, secret[:-1] + ("0" if secret[-1] != "0" else "1")))
    assert (await site.call("GET", ACCOUNT, headers={"Authorization": f"Bearer {wrong}"}))[0] == 401


async def test_roles_decide(site: Site) -> None:
    expected = {Role.CLERK: 200, Role.AUDITOR: 200, Role.ADMIN: 200}
    for role in Role:
        status, body, _ = await site.call("GET", ACCOUNT, role)
        assert status == expected.get(role, 403), role
        if status == 403:
            assert body["facts"] == {"roles": "auditor, clerk"}


async def test_the_networks_own_routes_are_closed_to_an_administrator() -> None:
    administrator = staff.Principal(1, "a", frozenset({Role.ADMIN}))
    assert not administrator.may(frozenset({Role.NETWORK}))
    assert administrator.may(frozenset({Role.CLERK}))
    assert not staff.ANONYMOUS.may(frozenset({Role.CLERK}))


async def test_a_revoked_key_works_no_longer_than_the_cache_lives(site: Site, clock: ManualClock) -> None:
    assert (await site.call("GET", ACCOUNT, Role.CLERK))[0] == 200
    async with site.db.acquire() as conn:
        await revoke_keys(conn, "clerk", now=clock.now())
    clock.advance(staff.CACHE_TTL - timedelta(seconds=1))
    assert (await site.call("GET", ACCOUNT, Role.CLERK))[0] == 200, "another process may not know yet"
    clock.advance(timedelta(seconds=1))
    assert (await site.call("GET", ACCOUNT, Role.CLERK))[0] == 401


async def test_in_the_process_that_revokes_it_the_key_dies_at_once(site: Site, clock: ManualClock) -> None:
    assert (await site.call("GET", ACCOUNT, Role.CLERK))[0] == 200
    async with site.db.acquire() as conn:
        site.app[AUTHENTICATOR].invalidate(await disable_principal(conn, "clerk", now=clock.now()))
    assert (await site.call("GET", ACCOUNT, Role.CLERK))[0] == 401
    assert (await site.call("GET", ACCOUNT, Role.AUDITOR))[0] == 200


async def test_a_second_key_lets_the_first_be_replaced_without_a_gap(site: Site, clock: ManualClock) -> None:
    async with site.db.acquire() as conn:
        key = await create_key(conn, "clerk", pepper=PEPPER, now=clock.now())
    assert (await site.call("GET", ACCOUNT, headers={"Authorization": f"Bearer {key}"}))[0] == 200
    assert (await site.call("GET", ACCOUNT, Role.CLERK))[0] == 200


async def test_names_and_roles_are_checked(database: Database, clock: ManualClock) -> None:
    async with database.acquire() as conn:
        await create_principal(conn, "till 7", [Role.CASHIER], pepper=PEPPER, now=clock.now())
        with pytest.raises(staff.PrincipalExistsError):
            await create_principal(conn, "till 7", [Role.CASHIER], pepper=PEPPER, now=clock.now())
        for name in ("", " x", "a\nb", "x" * 65, "'; drop table web.principal; --"):
            with pytest.raises(staff.PrincipalNameError):
                await create_principal(conn, name, [Role.CASHIER], pepper=PEPPER, now=clock.now())
        with pytest.raises(staff.PrincipalUnknownError):
            await revoke_keys(conn, "nobody", now=clock.now())
    with pytest.raises(staff.RoleUnknownError):
        staff.parse_roles(["clerk", "root"])
    assert staff.parse_roles(["clerk"]) == {Role.CLERK}


async def test_a_rate_is_counted_over_all_processes(site: Site, redis_client: Redis) -> None:
    async with site.db.acquire() as conn:
        await conn.execute("update web.principal set rate_limit_per_s = 3 where name = 'clerk'")
        caller = await conn.fetchval("select principal_id from web.principal where name = 'clerk'")
    await redis_client.set(f"web:rate:{caller}", 2)  # two calls through another process
    assert (await site.call("GET", ACCOUNT, Role.CLERK))[0] == 200
    status, body, response = await site.call("GET", ACCOUNT, Role.CLERK)
    assert (status, body["code"], response.headers["Retry-After"]) == (429, "too_many_requests", "1")
    assert (await site.call("GET", ACCOUNT, Role.AUDITOR))[0] == 200, "another caller has a count of its own"


async def test_the_count_ends_with_its_second(site: Site, redis_client: Redis) -> None:
    async with site.db.acquire() as conn:
        await conn.execute("update web.principal set rate_limit_per_s = 1 where name = 'clerk'")
        caller = await conn.fetchval("select principal_id from web.principal where name = 'clerk'")
    await site.call("GET", ACCOUNT, Role.CLERK)
    assert 0 < await redis_client.pttl(f"web:rate:{caller}") <= 1000


async def test_without_redis_calls_are_let_through(
    database: Database, clock: ManualClock, translator: Translator
) -> None:
    gone = Redis.from_url("unix:///nowhere/redis.sock")
    async with running(database, gone, clock, translator) as site:
        async with site.db.acquire() as conn:
            await conn.execute("update web.principal set rate_limit_per_s = 1")
        for _ in range(3):
            assert (await site.call("GET", ACCOUNT, Role.CLERK))[0] == 200
        status, report, _ = await site.call("GET", "/ready")
        assert (status, report["status"]) == (200, "degraded")
        assert report["checks"]["postgresql"] == "ok"
        assert report["checks"]["redis"].startswith("unreachable")
    await gone.aclose()


class TestAuditTrail:
    """Every change, and every read of personal data, is a row with who, what and why."""

    async def rows(self, site: Site) -> list[tuple[str, str, str, str]]:
        found = await site.db.fetch("select actor, action, subject, ground from kernel.audit_trail order by audit_id")
        return [tuple(row) for row in found]

    async def test_reads_of_personal_data(self, site: Site) -> None:
        await site.call("GET", ACCOUNT, Role.AUDITOR, headers={"X-Ground": "Өтініш 17"})
        assert await self.rows(site) == [("staff:auditor", "GET /v1/accounts/{msisdn}", ACCOUNT, "Өтініш 17")]

    async def test_commands_once_however_often_they_are_repeated(self, site: Site) -> None:
        await site.top_up("k1")
        await site.top_up("k1")
        assert await self.rows(site) == [("staff:cashier", "POST /v1/top-ups", "/v1/top-ups", "")]

    async def test_what_is_not_admitted_is_not_a_call(self, site: Site) -> None:
        await site.call("POST", "/v1/top-ups", Role.CLERK, json={})
        await site.call("GET", "/v1/greeting")
        assert await self.rows(site) == []

    async def test_a_command_that_fails_is_there_too(self, site: Site) -> None:
        await site.call("DELETE", "/v1/entries/7", Role.CLERK)
        site.shop.failures.append(RuntimeError())
        await site.top_up("k1")
        assert [action for _, action, _, _ in await self.rows(site)] == [
            "DELETE /v1/entries/{entry}",
            "POST /v1/top-ups",
        ]
