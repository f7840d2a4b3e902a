"""How errors of the features are said to a subscriber: one table from error code to sentence.

An error without an entry is said by its own message, translated; its fields are cleaned, for they may repeat what
somebody typed.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from telco.kernel.errors import DomainError
from telco.kernel.i18n import Text
from telco.sms.command import Line

MAX_ECHO = 24
"""Of what was typed, no more is repeated."""

TABLE: Mapping[str, Text] = {
    "database_unavailable": Text("The service is busy. Please try again later."),
    "dialogues_unavailable": Text("The menu does not work at the moment. Dial the whole code at once."),
    "msisdn_format": Text("This is not a phone number. Write it like 8 701 123 45 67."),
    "secret_refused": Text("A PIN is 4 to 8 digits, not in a row and not all alike."),
    "suspended": Text("Services to your number are suspended."),
    "quote_changed": Text("The conditions have changed. Please look at them again."),
    "plan_same": Text("You already have this plan."),
    "plan_unfit": Text("This plan cannot be chosen: {why}."),
    "unknown_plan": Text("There is no such plan."),
    "not_enough_money": Text("Not enough money: {price} is needed. Top up."),
    "service_on": Text("This service is already on."),
    "service_off": Text("This service is not on."),
    "service_unfit": Text("This service cannot be switched on: {why}."),
    "unknown_service": Text("There is no such service."),
    "request_reused": Text("Please send the message again."),
}
"""Sentences for a telephone, where the error's own is for staff or for programs."""


def explain(error: DomainError) -> tuple[Line, ...]:
    """Say an error to a subscriber."""
    short = TABLE.get(error.code)
    if short is not None:
        return (Text(short.msgid, **_cleaned(error.fields)),)
    return (Text(error.message, **_cleaned(error.fields)),)


def _cleaned(fields: Mapping[str, Any]) -> dict[str, object]:
    return {name: _clean(value) if isinstance(value, str) else value for name, value in fields.items()}


def _clean(value: str) -> str:
    """What may have been typed is repeated briefly and without invisible characters."""
    visible = "".join(character for character in value if not unicodedata.category(character).startswith("C"))
    return visible[:MAX_ECHO]
