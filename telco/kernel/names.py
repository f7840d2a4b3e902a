"""Text that people give about themselves: bounded, without control characters, otherwise kept as it is."""

from __future__ import annotations

import unicodedata

from telco.kernel.errors import DomainError

_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Marks of bidirectional writing (Unicode Standard Annex 9)."""


class TextRefusedError(DomainError):
    """The {field} must be 1 to {max_length} characters without control characters."""

    code = "text_refused"
    status = 422
    field: str
    max_length: int


def clean_text(text: str, *, field: str, max_length: int) -> str:
    """Return `text` in Unicode NFC, trimmed; quotes, SQL and markup are data like any other.

    Raises:
        TextRefusedError: empty, too long, or with a control character, an unpaired surrogate, or a mark that turns the
            direction of what follows: a person would read other digits than the program.
    """
    cleaned = unicodedata.normalize("NFC", text).strip()
    refused = any(
        character in _TURNING or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in cleaned
    )
    if not 1 <= len(cleaned) <= max_length or refused:
        raise TextRefusedError(field=field, max_length=max_length)
    return cleaned
