"""Documents as canonical JSON: the same document is always the same bytes, and its SHA-256 names it."""

from __future__ import annotations

import hashlib
import json

from pydantic import TypeAdapter

from telco.billing.documents.model import Document

_ADAPTER = TypeAdapter(Document)


def to_canonical(document: Document) -> str:
    """Write a document: sorted keys, no blanks, letters as they are, sums as whole tiyn, days by ISO 8601."""
    data = _ADAPTER.dump_python(document, mode="json")
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def from_canonical(text: str) -> Document:
    """Read what `to_canonical` wrote."""
    return _ADAPTER.validate_json(text)


def digest(text: str) -> bytes:
    """SHA-256 of a document's canonical text in UTF-8."""
    return hashlib.sha256(text.encode()).digest()
