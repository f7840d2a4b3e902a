"""A command is done once, whatever its caller, the network and the process do."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from telco.kernel.clock import ManualClock
from telco.web.errors import IdempotencyKeyMissingError
from telco.web.idempotency import KEEP_FOR, delete_old, parse_key
from telco.web.jobs import jobs
from telco.web.staff import Role
from tests.web.conftest import LIMITS, NUMBER, Site

LEASE = timedelta(seconds=2 * LIMITS.handler_timeout_s)


async def total(site: Site) -> int:
    return int(await site.db.fetchval("select coalesce(sum(tiyn), 0) from shop_top_up"))


async def state(site: Site, key: str) -> str:
    return str(await site.db.fetchval("select state from web.idempotency where key = $1", key))


async def test_a_repetition_gets_the_first_answer(site: Site) -> None:
    first, body, response = await site.top_up("k1")
    await site.top_up("k2")
    again, repeated, replay = await site.top_up("k1")
    assert (first, again) == (201, 201)
    assert repeated == body, "the balance is that of the first answer, not of now"
    assert "Idempotency-Replayed" not in response.headers
    assert replay.headers["Idempotency-Replayed"] == "true"
    assert await total(site) == 20_000  # two keys, 100.00 each


async def test_the_quoted_form_of_the_draft_standard_is_the_same_key(site: Site) -> None:
    await site.top_up("k1")
    _, _, response = await site.top_up('"k1"')
    assert response.headers["Idempotency-Replayed"] == "true"


async def test_another_body_is_refused_and_what_differs_is_named(site: Site) -> None:
    await site.top_up("k1")
    status, body, _ = await site.top_up("k1", "100.01", note="more")
    assert (status, body["code"]) == (422, "idempotency_key_reused")
    assert body["facts"] == {"key": "k1", "differs": "body.amount, body.note"}
    assert await total(site) == 10_000


async def test_the_order_of_fields_and_spaces_mean_nothing(site: Site) -> None:
    headers = {"Idempotency-Key": "k1", "Content-Type": "application/json"}
    for raw in (b'{"msisdn":"77011234567","amount":"1"}', b'{ "amount": "1", "msisdn": "77011234567" }'):
        status, _, response = await site.call("POST", "/v1/top-ups", Role.CASHIER, data=raw, headers=headers)
        assert status == 201
    assert response.headers["Idempotency-Replayed"] == "true"


async def test_another_address_under_the_key_is_refused(site: Site) -> None:
    headers = {"Idempotency-Key": "k1"}
    body = {"msisdn": NUMBER, "amount": "1.00"}
    await site.call("POST", "/v1/top-ups", Role.ADMIN, json=body, headers=headers)
    status, answer, _ = await site.call("POST", "/v1/withdrawals", Role.ADMIN, json=body, headers=headers)
    assert (status, answer["facts"]["differs"]) == (422, "the address, which was POST /v1/top-ups")


async def test_a_key_belongs_to_its_caller(site: Site) -> None:
    await site.top_up("k1")
    body = {"msisdn": NUMBER, "amount": "5.00"}
    status, _, _ = await site.call("POST", "/v1/top-ups", Role.ADMIN, json=body, headers={"Idempotency-Key": "k1"})
    assert status == 201
    assert await total(site) == 10_500


async def test_a_concurrent_repetition_is_told_to_wait(site: Site) -> None:
    site.shop.gate = asyncio.Event()
    first = asyncio.create_task(site.top_up("k1"))
    await site.shop.entered.wait()
    status, body, response = await site.top_up("k1")
    assert (status, body["code"]) == (409, "request_in_progress")
    assert 1 <= int(response.headers["Retry-After"]) <= 2
    site.shop.gate.set()
    assert (await first)[0] == 201
    assert (await site.top_up("k1"))[2].headers["Idempotency-Replayed"] == "true"
    assert await total(site) == 10_000


async def test_many_repetitions_at_once_do_it_once(site: Site) -> None:
    answers = await asyncio.gather(*(site.top_up("k1") for _ in range(20)))
    assert {status for status, _, _ in answers} <= {201, 409}
    assert any(status == 201 for status, _, _ in answers)
    assert await total(site) == 10_000


async def test_a_refusal_is_a_result_and_does_not_spoil_a_new_key(site: Site) -> None:
    body = {"msisdn": NUMBER, "amount": "50.00"}

    async def withdraw(key: str) -> tuple[int, str]:
        headers = {"Idempotency-Key": key}
        status, answer, _ = await site.call("POST", "/v1/withdrawals", Role.ACCOUNTANT, json=body, headers=headers)
        return status, answer.get("code", "")

    assert await withdraw("k1") == (409, "sample_too_poor")
    await site.top_up("money")
    assert await withdraw("k1") == (409, "sample_too_poor"), "the first result is the result"
    assert await withdraw("k2") == (200, "")


async def test_an_invalid_request_does_not_use_the_key_up(site: Site) -> None:
    assert (await site.top_up("k1", "-1"))[0] == 422
    assert (await site.top_up("k1", "1.00"))[0] == 201


@pytest.mark.parametrize("failure", [ConnectionResetError("gone"), RuntimeError("a fault of ours")])
async def test_a_command_that_broke_after_its_commit_is_not_done_twice(site: Site, failure: Exception) -> None:
    site.shop.failures.append(failure)
    status, _, _ = await site.top_up("k1")
    assert status in (500, 503)
    assert await state(site, "k1") == "in_progress"
    assert (await site.top_up("k1"))[0] == 201, "given back at once, run again, done once"
    assert await total(site) == 10_000


async def test_a_command_that_takes_too_long_is_given_up_and_may_be_repeated(site: Site) -> None:
    site.shop.gate = asyncio.Event()
    status, body, response = await site.top_up("k1")
    assert (status, body["code"], response.headers["Retry-After"]) == (503, "request_timeout", "1")
    site.shop.gate.set()
    assert (await site.top_up("k1"))[0] == 201


async def test_what_a_crash_left_is_taken_over_when_its_lease_ends(site: Site, clock: ManualClock) -> None:
    """The process died between the claim and the answer: the row says in_progress and nobody will ever finish it."""
    site.shop.gate = asyncio.Event()
    victim = asyncio.create_task(site.top_up("k1"))
    await site.shop.entered.wait()
    crashed = await site.db.fetchrow("select * from web.idempotency")
    site.shop.gate.set()
    await victim
    assert crashed is not None
    await site.db.fetch(
        """update web.idempotency
           set state = 'in_progress', lease_until = $1,
               status = null, content_type = null, headers = null, body = null""",
        crashed["lease_until"],
    )
    clock.advance(LEASE - timedelta(seconds=1))
    assert (await site.top_up("k1"))[0] == 409
    clock.advance(timedelta(seconds=1))
    status, body, _ = await site.top_up("k1")
    assert (status, body["balance"]) == (201, "100.00")
    assert await total(site) == 10_000


async def test_an_attempt_that_lost_its_lease_cannot_overwrite_the_answer(site: Site, clock: ManualClock) -> None:
    site.shop.gate = asyncio.Event()
    slow = asyncio.create_task(site.top_up("k1"))
    await site.shop.entered.wait()
    gate, site.shop.gate = site.shop.gate, None
    clock.advance(LEASE)
    status, winner, _ = await site.top_up("k1")
    assert status == 201
    gate.set()
    await slow
    assert await site.db.fetchval("select attempt from web.idempotency") == 2
    assert (await site.top_up("k1"))[1] == winner


async def test_old_keys_are_forgotten(site: Site, clock: ManualClock) -> None:
    await site.top_up("k1")
    clock.advance(timedelta(days=1))
    await site.top_up("k2")
    clock.advance(KEEP_FOR - timedelta(days=1))
    [job] = jobs(site.db, clock)
    assert await job.body(clock.now()) == {"deleted": 0}, "kept for the whole time"
    clock.advance(timedelta(seconds=1))
    assert await job.body(clock.now()) == {"deleted": 1}
    assert await site.db.fetchval("select key from web.idempotency") == "k2"


async def test_many_old_keys_are_forgotten_in_portions(site: Site, clock: ManualClock) -> None:
    for number in range(5):
        await site.top_up(f"k{number}")
    assert await delete_old(site.db, clock.now() + timedelta(days=4), at_once=2) == 5


async def test_nothing_of_the_request_is_stored_in_clear(site: Site) -> None:
    await site.call(
        "POST",
        "/v1/withdrawals",
        Role.ACCOUNTANT,
        json={"msisdn": NUMBER, "amount": "1.00", "iin": "900101300017"},
        headers={"Idempotency-Key": "k"},
    )
    row = await site.db.fetchrow("select field_hashes::text, request_hash::text from web.idempotency")
    assert row is not None
    assert "900101300017" not in str(dict(row))


@pytest.mark.parametrize("header", ["a", "A-1.b:c_2", '"quoted"', "x" * 100, " padded "])
def test_keys_that_are_taken(header: str) -> None:
    assert parse_key(header) == header.strip().strip('"')


@pytest.mark.parametrize("header", [None, "", " ", '"', '""', "x" * 101, "a b", "ключ", "a\x00", '"a', "a;b"])
def test_keys_that_are_refused(header: str | None) -> None:
    with pytest.raises(IdempotencyKeyMissingError):
        parse_key(header)
