"""Logs show what happened, and nobody's number, name or secret."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from telco.kernel.log import LogFormat, configure, mask_fields, mask_text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("call 77011234567 now", "call 7701***4567 now"),
        ("+77011234567", "+770***4567"),
        ("87011234567,7011234567", "8701***4567,7011***4567"),
        ("iin 900101300017.", "iin 9001********."),
        ("id 17724312000001", "id 17724312000001"),
        ("telco_0123456789ab_00ff00ff", "telco_***"),
        ("postgresql://telco:hidden@db/telco", "postgresql://telco:***@db/telco"),
        ("redis://:hidden@cache/0", "redis://:***@cache/0"),
        ("a lone surrogate \ud800", "a lone surrogate ?"),
        ("Алматы", "Алматы"),
    ],
)
def test_texts_are_masked_wherever_they_stand(text: str, masked: str) -> None:
    assert mask_text(text) == masked


def test_fields_are_masked_by_name() -> None:
    event = mask_fields(
        None,
        "info",
        {
            "event": "acceded",
            "msisdn": "77011234567",
            "imsi": 401011234567890,
            "full_name": "Айгүл Серікқызы",
            "pin": 1234,
            "body": {"password": "x", "items": [{"iin": "900101300017"}]},
            "amount_tiyn": 77011234567,
            "request_id": "77011234567",
            "deep": {"a": {"a": {"a": {"a": {"a": {"a": {"a": 1}}}}}}},
            "pdu": b"\x0077011234567",
        },
    )
    assert event["msisdn"] == "7701***4567"
    assert event["imsi"] == "4010***7890"
    assert event["full_name"] == "А***"
    assert event["pin"] == "***"
    assert event["body"] == {"password": "***", "items": [{"iin": "9001***0017"}]}
    assert event["amount_tiyn"] == 77011234567
    assert event["request_id"] == "77011234567"
    assert event["pdu"] == "<12 bytes>"


@pytest.fixture
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


@pytest.mark.usefixtures("_restored")
def test_every_line_is_one_json_object_ours_and_the_libraries() -> None:
    stream = io.StringIO()
    configure(LogFormat.JSON, "info", stream)
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        structlog.get_logger("telco.sms").info("sms_received", source="77011234567")
        logging.getLogger("asyncpg").warning("lost %s", "postgresql://u:hidden@db")
        structlog.get_logger("telco.sms").debug("not_written")
        logging.getLogger("apscheduler.executors.default").info("Job executed successfully")
        try:
            raise ValueError("of 77011234567")
        except ValueError:
            structlog.get_logger("telco.sms").exception("sms_failed")
    ours, theirs, failed = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (ours["event"], ours["source"], ours["request_id"]) == ("sms_received", "7701***4567", "r-1")
    assert (ours["logger"], ours["level"]) == ("telco.sms", "info")
    assert ours["timestamp"].endswith("Z")
    assert (theirs["event"], theirs["request_id"]) == ("lost postgresql://u:***@db", "r-1")
    assert "ValueError: of 7701***4567" in failed["exception"]


@pytest.mark.usefixtures("_restored")
def test_the_console_form_is_masked_too() -> None:
    stream = io.StringIO()
    configure(LogFormat.CONSOLE, "debug", stream)
    structlog.get_logger("telco").debug("seen", msisdn="77011234567")
    assert "7701***4567" in stream.getvalue()
