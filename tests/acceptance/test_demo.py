"""`telco demo`: tells its story, keeps its data, starts over, stops everything it started, says what is wrong."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from tests.acceptance.conftest import free_port
from tests.acceptance.operator import environment, spawn, telco

STORY_S = 100
STOP_S = 5.0

pytestmark = pytest.mark.timeout(240)


def _environment(home: Path, **variables: str) -> dict[str, str]:
    ports = {"TELCO_HTTP_PORT": str(free_port()), "TELCO_LAB_PORT": str(free_port())}
    return environment(TELCO_HOME=str(home), **{**ports, **variables})


def _left_behind(home: Path) -> list[str]:
    """Return the processes that still work in the demo's directory."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = " ".join(process.info["cmdline"] or [])
        if str(home) in command:
            found.append(command)
    return found


@asynccontextmanager
async def _running(env: dict[str, str], *arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, list[str]]]:
    """Start a demo and wait until it says that it stays up; it is killed if the test leaves it running."""
    process = await spawn("demo", *arguments, env=env)
    lines: list[str] = []
    assert process.stdout is not None
    try:
        async with asyncio.timeout(STORY_S):
            async for line in process.stdout:
                lines.append(line.decode().rstrip())
                if "Everything stays up" in lines[-1]:
                    break
        assert process.returncode is None, "\n".join(lines)
        yield process, lines
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_the_story_is_told_the_data_are_kept_and_forgotten_on_demand(tmp_path: Path) -> None:
    home = tmp_path / "home"
    env = _environment(home)
    status, first = await telco("demo", "--once", env=env, timeout_s=STORY_S)
    assert status == 0, first
    for said in ("accedes", "tops up", "*111*1#", "2 010 ₸", "GB1", "calls", "changes the plan", "/docs", "/metrics"):
        assert said in first, said
    assert "\x1b[" not in first  # no colours in a pipe
    assert _left_behind(home) == []

    status, second = await telco("demo", "--once", env=env, timeout_s=STORY_S)
    assert status == 0, second
    assert "The phones of an earlier run are still there" in second
    assert "accedes" not in second

    status, third = await telco("demo", "--once", "--fresh", env=env, timeout_s=STORY_S)
    assert status == 0, third
    assert "accedes" in third
    assert _left_behind(home) == []


async def test_ctrl_c_twice_stops_everything_in_time_and_a_second_demo_is_kept_out(tmp_path: Path) -> None:
    home = tmp_path / "home"
    env = _environment(home)
    async with _running(env) as (process, _):
        status, output = await telco("demo", "--once", env=env)
        assert status == 2
        assert f"A demo already runs in {home}" in output
        assert "Traceback" not in output

        other = _environment(tmp_path / "other", TELCO_HTTP_PORT=env["TELCO_HTTP_PORT"])
        status, output = await telco("demo", "--once", env=other)
        assert status == 2
        assert f"127.0.0.1:{env['TELCO_HTTP_PORT']}" in output
        assert "Traceback" not in output
        assert _left_behind(tmp_path / "other") == []

        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(STOP_S):
            rest, _ = await process.communicate()
        assert process.returncode == 0
        assert b"Traceback" not in rest
    assert _left_behind(home) == []


async def test_a_killed_demo_is_taken_over_by_the_next(tmp_path: Path) -> None:
    home = tmp_path / "home"
    env = _environment(home)
    async with _running(env) as (process, _):
        process.send_signal(signal.SIGKILL)
        await process.wait()
    status, output = await telco("demo", "--once", env=env, timeout_s=STORY_S)
    assert status == 0, output
    assert "The phones of an earlier run are still there" in output
    assert _left_behind(home) == []


@pytest.mark.parametrize("port", ["eighty", "-1", "99999"])
async def test_a_port_that_is_none_is_refused(tmp_path: Path, port: str) -> None:
    status, output = await telco("demo", "--once", env=_environment(tmp_path, TELCO_LAB_PORT=port))
    assert status == 2
    assert "TELCO_LAB_PORT" in output
    assert "Traceback" not in output
