"""Logs: constant event names, identifiers as fields, and nobody's number, name or secret in clear.

`configure` is called once by the program; libraries only ask for ``structlog.get_logger(__name__)``. Records of the
standard library's loggers (asyncio, aiohttp, APScheduler) pass through the same masks and the same renderer.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

from telco.kernel import msisdn

MAX_VALUE_CHARACTERS = 2_000
MAX_TRACE_CHARACTERS = 20_000
_MAX_DEPTH = 6
_HIDDEN = "***"
_CHATTY = "asyncio", "apscheduler"
"""Libraries that tell at length what goes well."""

_SECRETS = """
    authorization api_key password passwd secret token pin puk otp code_word card_code code_hash pepper cookie
"""
_SECRET_FIELDS = frozenset(_SECRETS.split())
_PERSON_FIELDS = frozenset(("full_name", "first_name", "last_name", "patronymic", "birth_date", "address", "email"))
_NUMBERS = "msisdn source destination caller callee iin bin iin_bin document_number imsi iccid"
_NUMBER_FIELDS = frozenset(_NUMBERS.split())
_PLAIN_FIELDS = frozenset(("request_id", "timestamp", "level", "logger"))

_API_KEY = re.compile(r"\btelco_[0-9a-z]+_[\w-]+")
_URL_PASSWORD = re.compile(r"(?<=://)([^\s:/@]*):[^\s/@]+@")
_IDENTITY = re.compile(r"(?<!\d)\d{12}(?!\d)")
_PHONE = re.compile(r"(?<!\d)(?:\+?7|8)?7\d{9}(?!\d)")


class LogFormat(StrEnum):
    """How log lines are written."""

    JSON = "json"
    """One JSON object a line, for collectors."""
    CONSOLE = "console"
    """Coloured columns, for a person."""


def mask_text(text: str) -> str:
    """Hide phone numbers, IIN and BIN, API keys and passwords in URLs wherever they stand in `text`."""
    if not text.isascii():
        text = text.encode(errors="replace").decode()  # an unpaired surrogate cannot be written
    if "telco_" in text:
        text = _API_KEY.sub("telco_" + _HIDDEN, text)
    if "://" in text:
        text = _URL_PASSWORD.sub(rf"\1:{_HIDDEN}@", text)
    text = _IDENTITY.sub(lambda match: match[0][:4] + "********", text)
    return _PHONE.sub(lambda match: msisdn.mask(match[0]), text)


def mask_fields(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Mask every field of a log line: by its name where the name says what it holds, by its look otherwise."""
    for name, value in event.items():
        if name not in _PLAIN_FIELDS:
            event[name] = _mask(name, value, _MAX_DEPTH)
    return event


def _mask(name: str, value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | float):
        return value
    if name in _SECRET_FIELDS:
        return _HIDDEN
    if name in _PERSON_FIELDS:
        return str(value)[:1] + _HIDDEN
    if name in _NUMBER_FIELDS:
        text = str(value)
        return msisdn.mask(text) if text.lstrip("+").isdigit() else mask_text(text)
    if isinstance(value, int):
        return value
    return _mask_value(name, value, depth)


def _mask_value(name: str, value: Any, depth: int) -> Any:
    if depth == 0:
        return "..."
    if isinstance(value, Mapping):
        return {str(key): _mask(str(key), item, depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_mask(name, item, depth - 1) for item in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    limit = MAX_TRACE_CHARACTERS if name == "exception" else MAX_VALUE_CHARACTERS
    return mask_text(str(value)[:limit])


class _LineLogger:
    """Writes rendered lines to a stream; the standard library's records would cost as much as the line itself."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self.name = name
        self._stream = stream

    def msg(self, line: str) -> None:
        self._stream.write(line + "\n")

    debug = info = warning = error = critical = exception = msg


class _LineLoggers:
    """Makes the logger of a module: ``structlog.get_logger(__name__)`` passes its name."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, name: str = "telco", *_: object) -> _LineLogger:
        return _LineLogger(self._stream, name)


def configure(style: LogFormat = LogFormat.JSON, level: str = "info", stream: TextIO | None = None) -> None:
    """Send every log line of the process, ours and the libraries', to `stream` (standard error by default)."""
    output = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        mask_fields,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
        if style is LogFormat.JSON
        else structlog.dev.ConsoleRenderer(colors=output.isatty())
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_LineLoggers(output),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for library in _CHATTY:
        logging.getLogger(library).setLevel(logging.WARNING)
