"""Logs: one JSON object a line, and nothing in it that tells whose number, name or secret it is."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from telco.kernel.log import MAX_TRACE_CHARACTERS, MAX_VALUE_CHARACTERS, LogFormat, configure, mask_fields, mask_text


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    """What the process logs during the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure(LogFormat.JSON, "info", stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(output: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("call from 77011234567 to +77022345678", "call from 7701***4567 to +770***5678"),
        ("8701 is a prefix, 1000000 a sum", "8701 is a prefix, 1000000 a sum"),
        ("IIN 850115300120.", "IIN 8501********."),
        ("postgresql://telco:s3cret@db/telco", "postgresql://telco:***@db/telco"),
        ("redis://:s3cret@cache:6379/0", "redis://:***@cache:6379/0"),
        ("card 12345678901234", "card 12345678901234"),  # 14 digits are neither an IIN nor a number
    ],
)
def test_numbers_and_secrets_are_hidden_wherever_they_stand(text: str, masked: str) -> None:
    assert mask_text(text) == masked


@pytest.mark.parametrize(
    ("name", "value", "masked"),
    [
        ("msisdn", "77011234567", "7701***4567"),
        ("pin", "1234", "***"),
        ("card_code", "99887766554433", "***"),
        ("full_name", "Әлия Нұрғазықызы", "Ә***"),
        ("shard", 3, 3),
        ("operation", None, None),
        ("retried", True, True),
        ("body", {"pin": "1234", "to": ["77011234567"]}, {"pin": "***", "to": ["7701***4567"]}),
    ],
)
def test_fields_are_masked_by_name_and_by_look(name: str, value: object, masked: object) -> None:
    assert mask_fields(None, "info", {name: value}) == {name: masked}


def test_a_long_or_deep_value_is_cut() -> None:
    deep: dict[str, Any] = {}
    inner = deep
    for _ in range(50):
        inner["in"] = inner = {}
    masked = mask_fields(None, "info", {"text": "x" * 10_000, "deep": deep, "exception": "y" * 100_000})
    assert len(masked["text"]) == MAX_VALUE_CHARACTERS
    assert len(masked["exception"]) == MAX_TRACE_CHARACTERS
    assert len(repr(masked["deep"])) < 100


def test_a_line_is_json_with_event_level_time_and_fields(output: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        structlog.get_logger("telco.test").info("plan_activated", msisdn="77011234567", text="Сәлем\n")
    (line,) = lines(output)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "plan_activated",
        "level": "info",
        "logger": "telco.test",
        "request_id": "r-1",
        "msisdn": "7701***4567",
        "text": "Сәлем\n",
    }


def test_a_traceback_is_masked_too(output: io.StringIO) -> None:
    try:
        raise LookupError("no account of 77011234567")
    except LookupError:
        structlog.get_logger("telco.test").exception("failed")
    (line,) = lines(output)
    assert "LookupError" in line["exception"]
    assert "77011234567" not in output.getvalue()


def test_libraries_log_through_the_same_masks_and_level(output: io.StringIO) -> None:
    logging.getLogger("aiohttp.server").error("Error handling request of %s", "77011234567")
    logging.getLogger("aiohttp.server").debug("not asked for")
    (line,) = lines(output)
    assert line["event"] == "Error handling request of 7701***4567"
