"""What a request says about itself: its id and its reader's language."""

from __future__ import annotations

import re

from aiohttp import web

from telco.kernel.i18n import Language
from telco.kernel.ids import uuid7

MAX_ACCEPT_LANGUAGE_CHARACTERS = 500

REQUEST_ID = web.RequestKey("request_id", str)
LANGUAGE = web.RequestKey("language", Language)

_REQUEST_ID = re.compile(r"[0-9A-Za-z._:/+=-]{8,100}")
_RANGE = re.compile(r"\s*([A-Za-z]{1,8}|\*)(?:-[0-9A-Za-z-]+)?\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?))?\s*")
_BY_TAG = {"kk": Language.KK, "kz": Language.KK, "ru": Language.RU, "en": Language.EN}


def request_id(header: str | None) -> str:
    """Take over the caller's ``X-Request-Id`` if it is sane, else make one."""
    if header is not None and _REQUEST_ID.fullmatch(header):
        return header
    return str(uuid7())


def language(header: str | None, default: Language) -> Language:
    """Choose the reader's language from ``Accept-Language`` (RFC 9110 section 12.5.4): the heaviest that we speak."""
    best, weight_of_best = default, 0.0
    for part in (header or "")[:MAX_ACCEPT_LANGUAGE_CHARACTERS].split(","):
        match = _RANGE.fullmatch(part)
        if match is None:
            continue
        spoken = default if match[1] == "*" else _BY_TAG.get(match[1].lower())
        weight = float(match[2]) if match[2] else 1.0
        if spoken is not None and weight > weight_of_best:
            best, weight_of_best = spoken, weight
    return best
