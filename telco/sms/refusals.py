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
    "database_unavailable": Text("The service is busy. Please try again in a minute."),
    "dialogues_unavailable": Text("The menu does not work at the moment. Dial the whole code at once."),
    "msisdn_format": Text("This is not a phone number. Write it like 8 701 123 45 67."),
    "secret_refused": Text("A PIN is 4 to 8 digits, not in a row and not all alike."),
    "suspended": Text("Services to your number are suspended."),
    "quote_changed": Text("The conditions have changed. Please look at them again."),
}
"""Sentences for a telephone, where the error's own is for staff or for programs."""


def explain(error: DomainError) -> tuple[Line, ...]:
    """Say an error to a subscriber."""
    short = TABLE.get(error.code)
    if short is not None:
        return (Text(short.msgid, **{**_clean(error.fields), **short.params}),)
    return (Text(error.message, **_clean(error.fields)),)


def _clean(fields: Mapping[str, Any]) -> dict[str, object]:
    return {name: _echo(value) if isinstance(value, str) else value for name, value in fields.items()}


def _echo(value: str) -> Text | str:
    """A sentence is translated where it is known; anything else is repeated briefly, without invisible characters."""
    if value.isascii() and value.isprintable() and " " in value and len(value) > MAX_ECHO:
        return Text(value.replace("{", "{{").replace("}", "}}"))
    visible = "".join(character for character in value if not unicodedata.category(character).startswith("C"))
    return visible[:MAX_ECHO]
