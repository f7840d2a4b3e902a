"""Text that people give about themselves: bounded, without control characters, otherwise kept as it is."""

from __future__ import annotations

import unicodedata

from telco.kernel.errors import DomainError


class TextRefusedError(DomainError):
    """The {field} must be 1 to {max_length} characters without control characters."""

    code = "text_refused"
    status = 422
    field: str
    max_length: int


def clean_text(text: str, *, field: str, max_length: int) -> str:
    """Return `text` in Unicode NFC, trimmed; quotes, SQL and markup are data like any other.

    Raises:
        TextRefusedError: empty, too long, or with a control character or an unpaired surrogate.
    """
    cleaned = unicodedata.normalize("NFC", text).strip()
    refused = any(unicodedata.category(character) in ("Cc", "Cs") for character in cleaned)
    if not 1 <= len(cleaned) <= max_length or refused:
        raise TextRefusedError(field=field, max_length=max_length)
    return cleaned
