"""Reading a request's body with a limit on its size and on the time that it takes."""

from __future__ import annotations

import asyncio

from aiohttp import web

from telco.web.errors import PayloadTooLargeError, SlowBodyError


async def read_body(request: web.Request, *, most_bytes: int, timeout_s: float) -> bytes:
    """Read a body; one that says that it is too large is not read at all.

    Raises:
        PayloadTooLargeError, SlowBodyError
    """
    if (request.content_length or 0) > most_bytes:
        raise PayloadTooLargeError(limit_bytes=most_bytes)
    try:
        async with asyncio.timeout(timeout_s):
            return await request.clone(client_max_size=most_bytes).read()
    except TimeoutError:
        raise SlowBodyError(timeout_s=round(timeout_s)) from None
    except web.HTTPRequestEntityTooLarge:
        raise PayloadTooLargeError(limit_bytes=most_bytes) from None
