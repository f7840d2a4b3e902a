"""What an operator's night brings: restarts with messages in flight, a lost Redis, a second service by mistake."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal

import pytest
import pytest_asyncio
from yarl import URL

from telco.db.embedded import EmbeddedRedis
from telco.lab.handset import MessageState
from telco.lab.user import User
from tests.acceptance.conftest import free_port
from tests.acceptance.operator import Operator, operating, serve_environment, telco

pytestmark = pytest.mark.asyncio(loop_scope="module")

USERS = 6
QUESTIONS = 8
"""Balance questions that each user sends in a row; below the limit for one sender."""


@pytest.fixture(scope="module")
def own_database(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """A Redis that a test stops."""
    server = EmbeddedRedis(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def operator(own_database: str, own_redis: EmbeddedRedis) -> AsyncIterator[Operator]:
    """An operator whose service these tests stop, kill and start."""
    async with operating(own_database, own_redis.url, free_port()) as operator:
        yield operator


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def users(operator: Operator) -> list[User]:
    return [await operator.new_user(balance="1000.00") for _ in range(USERS)]


def _answers(user: User, after: int) -> int:
    received = (message for message in user.phone.messages if message.message_id > after)
    return sum(message.state is MessageState.RECEIVED and message.peer == "111" for message in received)


async def _until_answered(users: list[User], seen: dict[str, int]) -> None:
    """Wait until every question has its answer, then a little for answers that would be too many."""
    feed = users[0].network.feed
    with feed.listen() as listener:
        async with asyncio.timeout(30):
            while any(_answers(user, seen[user.number]) < QUESTIONS for user in users):
                await listener.next()
    await users[0].quiet(1.0)


async def test_a_restart_keeps_everything(operator: Operator, users: list[User]) -> None:
    before = await users[0].account()
    assert await operator.serving.stop() == 0
    await operator.serving.start()
    await operator.smsc.bound()
    assert await users[0].account() == before
    assert "1 000 ₸" in (await users[0].dial("*111*1#")).text
    users[0].put_away()


async def test_a_graceful_stop_with_messages_in_flight_loses_and_doubles_none(
    operator: Operator, users: list[User]
) -> None:
    seen = {user.number: user.last_message_id for user in users}
    for _ in range(QUESTIONS):
        for user in users:
            user.network.send_sms(user.number, "111", "баланс")
    with operator.network.feed.listen() as listener:  # the first answer shows that the others are under way
        async with asyncio.timeout(30):
            while not any(_answers(user, seen[user.number]) for user in users):
                await listener.next()
    assert await operator.serving.stop(signal.SIGTERM) == 0
    await operator.serving.start()
    await _until_answered(users, seen)
    assert [_answers(user, seen[user.number]) for user in users] == [QUESTIONS] * USERS


async def test_money_moved_before_a_kill_is_there_after_it(operator: Operator, users: list[User]) -> None:
    sender = users[1]
    costs = [(await sender.send("77051234567", "Привет")).cost for _ in range(5)]
    assert costs == ["20.00"] * 5
    await operator.serving.stop(signal.SIGKILL)
    await operator.serving.start()
    await operator.smsc.bound()
    assert Decimal((await sender.account())["main"]) == Decimal("900.00")  # 1000 - 5 * 20
    assert "900 ₸" in await sender.ask("111", "баланс", containing="900")


async def test_a_message_while_the_service_is_away_is_answered_when_it_is_back(
    operator: Operator, users: list[User]
) -> None:
    await operator.serving.stop()
    seen = users[2].last_message_id
    users[2].network.send_sms(users[2].number, "111", "баланс")
    await operator.serving.start()
    assert "1 000 ₸" in (await users[2].receive("111", after=seen)).text


async def test_a_second_service_on_the_port_says_so_and_harms_nothing(
    operator: Operator, users: list[User], own_database: str, own_redis: EmbeddedRedis
) -> None:
    port = URL(operator.service.base_url).port
    assert port is not None
    env = serve_environment(own_database, own_redis.url, operator.smsc.port, port)
    status, output = await telco("serve", env=env)
    assert status == 2
    assert f"127.0.0.1:{port}" in output
    assert "TELCO_HTTP_PORT" in output
    assert "Traceback" not in output
    assert "1 000 ₸" in await users[3].ask("111", "баланс", containing="1 000")


async def test_without_redis_the_service_says_so_and_goes_on_charging(
    operator: Operator, users: list[User], own_redis: EmbeddedRedis
) -> None:
    own_redis.stop()
    ready = await operator.ready()
    assert (ready["http_status"], ready["status"]) == (200, "degraded")
    assert ready["checks"]["redis"] != "ok"
    assert ready["checks"]["postgresql"] == "ok"
    user = users[4]
    assert (await user.send("77051234567", "Привет")).cost == "20.00"
    assert (await user.call("77051234567", 30)).cost == "22.00"
    assert "958 ₸" in await user.ask("111", "баланс", containing="958")  # 1000 - 20 - 22
    assert "958 ₸" in (await user.dial("*111*1#")).text
    user.put_away()
    assert (await user.dial("*111#")).text  # a menu or a clear refusal, but an answer


async def test_a_wrong_setting_is_named() -> None:
    env = serve_environment("postgresql:///x", "redis://127.0.0.1", 1, free_port())
    status, output = await telco("serve", env={**env, "TELCO_HTTP_PROT": "1", "TELCO_HTTP_PORT": "eighty"})
    assert status == 2
    assert "TELCO_HTTP_PROT" in output
    assert "TELCO_HTTP_PORT" in output
    assert "Traceback" not in output
