"""The embedded servers: keep what was committed over a stop and over a kill, and need nothing of other users."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from telco.db.embedded import EmbeddedPostgres, EmbeddedRedis, ServerNotStartedError


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("durable") / "data"


@pytest.fixture
def server(directory: Path) -> Iterator[EmbeddedPostgres]:
    """A durable server; the data directory is the module's."""
    server = EmbeddedPostgres(directory, {"shared_buffers": "16MB"})
    server.start()
    yield server
    server.stop()


async def count(server: EmbeddedPostgres) -> int:
    """Add a row, committed, and return how many there are."""
    connection = await asyncpg.connect(server.url())
    try:
        await connection.execute("create table if not exists kept (n int)")
        await connection.execute("insert into kept values (1)")
        return int(await connection.fetchval("select count(*) from kept"))
    finally:
        await connection.close()


async def test_what_was_committed_is_there_after_a_stop_and_after_a_kill(server: EmbeddedPostgres) -> None:
    rows = await count(server)
    server.stop()
    server.start()
    assert await count(server) == rows + 1
    server.kill()
    server.start()
    assert await count(server) == rows + 2


async def test_a_stop_ends_the_process_and_can_be_repeated(server: EmbeddedPostgres) -> None:
    postmaster = psutil.Process(server.pid)
    server.stop()
    assert not postmaster.is_running()
    server.stop()


async def test_a_server_that_was_killed_can_be_stopped(server: EmbeddedPostgres) -> None:
    server.kill()
    server.stop()


class _AnothersLock:
    """The package's lock, as it behaves when the file belongs to another user."""

    def __enter__(self) -> None:
        raise PermissionError

    def __exit__(self, *_: object) -> None: ...


async def test_another_users_lock_file_keeps_nobody_from_stopping(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package locks one file in the directory for temporary files that all users share."""
    monkeypatch.setattr(type(server._server), "_lock", _AnothersLock())
    server.stop()
    server.start()
    assert await count(server) > 0


async def test_a_directory_with_a_space_and_a_plus_in_its_path_will_do(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "my project + data & more", {"shared_buffers": "16MB"})
    server.start()
    try:
        assert await count(server) == 1
    finally:
        server.stop()


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "somebody's.txt").write_text("here before")
    with pytest.raises(ServerNotStartedError, match=r"a directory of its own: \d+ MB are free there"):
        EmbeddedPostgres(tmp_path).start()


def test_redis_leaves_nothing_behind(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path)
    socket = Path(server.start().removeprefix("unix://").split("?")[0])
    assert socket.is_socket()
    server.stop()
    assert not socket.parent.exists()


def test_a_redis_that_a_killed_run_left_is_ended_by_the_next(tmp_path: Path) -> None:
    """Its socket lies in a directory of its own, so nobody would find it again."""
    left, next_run = EmbeddedRedis(tmp_path), EmbeddedRedis(tmp_path)
    left.start()
    orphan = psutil.Process(int((tmp_path / "redis.pid").read_text()))
    try:
        next_run.start()
        assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE
    finally:
        next_run.stop()
        left.stop()


def test_a_number_in_the_file_that_is_another_program_now_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "redis.pid").write_text(str(os.getpid()))
    server = EmbeddedRedis(tmp_path)
    server.start()
    server.stop()
