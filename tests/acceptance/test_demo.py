"""`telco demo`: tells its story, keeps its data, starts over, stops everything it started, says what is wrong."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from telco.lab.world import page_port_of
from telco.settings import SettingsError
from tests.acceptance.conftest import free_port
from tests.acceptance.operator import environment, spawn, telco

STORY_S = 100
STOP_S = 20.0

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
async def _running(env: dict[str, str]) -> AsyncIterator[tuple[asyncio.subprocess.Process, list[str]]]:
    """Start a demo and wait until it says that it stays up; it is killed if the test leaves it running."""
    # A pipe of our own: servers that outlive a killed demo hold its other end, and must not hold the test.
    read_end, write_end = os.pipe()
    process = await spawn("demo", env=env, output=write_end)
    os.close(write_end)
    reader, lines = asyncio.StreamReader(), list[str]()
    loop = asyncio.get_running_loop()
    pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb"))
    try:
        async with asyncio.timeout(STORY_S):
            async for line in reader:
                lines.append(line.decode().rstrip())
                if "Everything stays up" in lines[-1]:
                    break
        assert process.returncode is None, "\n".join(lines)
        yield process, lines
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        pipe.close()


async def test_the_story_is_told_others_are_kept_out_and_ctrl_c_twice_stops_everything_in_time(tmp_path: Path) -> None:
    home = tmp_path / "home"
    env = _environment(home)
    async with _running(env) as (process, lines):
        told = "\n".join(lines)
        for said in (
            "accedes",
            "tops up",
            "*111*1#",
            "2 010 ₸",
            "GB1",
            "calls",
            "changes the plan",
            "/docs",
            "/metrics",
        ):
            assert said in told, said
        assert "\x1b[" not in told  # no colours in a pipe

        status, output = await telco("demo", "--once", env=env)
        assert (status, "Traceback" in output) == (2, False)
        assert f"A demo already runs in {home}" in output

        other = _environment(tmp_path / "other", TELCO_HTTP_PORT=env["TELCO_HTTP_PORT"])
        status, output = await telco("demo", "--once", env=other)
        assert (status, "Traceback" in output) == (2, False)
        assert f"127.0.0.1:{env['TELCO_HTTP_PORT']}" in output
        assert _left_behind(tmp_path / "other") == []

        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(STOP_S):
            assert await process.wait() == 0
    assert _left_behind(home) == []


async def test_a_killed_demo_is_taken_over_with_its_data_and_forgotten_on_demand(tmp_path: Path) -> None:
    home = tmp_path / "home"
    env = _environment(home)
    async with _running(env) as (process, _):
        process.kill()
        await process.wait()

    status, second = await telco("demo", "--once", env=env, timeout_s=STORY_S)
    assert status == 0, second
    assert "The phones of an earlier run are still there" in second
    assert "accedes" not in second
    assert _left_behind(home) == []

    status, third = await telco("demo", "--once", "--fresh", env=env, timeout_s=STORY_S)
    assert status == 0, third
    assert "accedes" in third
    assert _left_behind(home) == []


@pytest.mark.parametrize("port", ["eighty", "-1", "99999", "", "٨٠"])
def test_a_port_that_is_none_is_named(port: str) -> None:
    with pytest.raises(SettingsError, match="TELCO_LAB_PORT"):
        page_port_of(port)


async def test_a_wrong_port_is_refused_before_anything_starts(tmp_path: Path) -> None:
    status, output = await telco("demo", "--once", env=_environment(tmp_path, TELCO_LAB_PORT="eighty"))
    assert (status, "Traceback" in output) == (2, False)
    assert "TELCO_LAB_PORT" in output
