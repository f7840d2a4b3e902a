"""Runs a documented curl line: the shell reads it as it stands, and the request it asks for is sent."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping

import aiohttp
from yarl import URL

_SHOW = "curl() { printf '%s\\0' \"$@\"; }\n"
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def curl_lines(page: str) -> list[str]:
    """Find the curl commands in a page of docs, with their continuation lines."""
    lines = [line for block in _BLOCK.findall(page) for line in re.sub(r"\\\n\s*", "", block).splitlines()]
    return [line for line in lines if line.startswith("curl ")]


async def run(command: str, variables: Mapping[str, str], client: aiohttp.ClientSession) -> tuple[int, str]:
    """Send what `command` would send; return status and body."""
    shown = subprocess.run(
        ["sh", "-eu", "-c", _SHOW + command], env={**os.environ, **variables}, capture_output=True, check=True
    )
    words = shown.stdout.decode().split("\0")[:-1]
    method, headers, data, url = "", {}, None, ""
    while words:
        match words.pop(0):
            case "-sS":
                pass
            case "-X":
                method = words.pop(0)
            case "-H":
                name, _, value = words.pop(0).partition(": ")
                headers[name] = value
            case "--data":
                data = words.pop(0)
            case other:
                assert not other.startswith("-"), other
                url = other
    method = method or ("GET" if data is None else "POST")
    async with client.request(method, URL(url, encoded=True), headers=headers, data=data) as response:
        return response.status, await response.text()
