"""One declaration of a catalogue file: what it declares, and where it stands."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from telco.catalog.errors import Problem
from telco.catalog.schemas import AnyDocument

STORED = "published catalogue"
"""Stands for a file's name when a declaration comes from the database."""


@dataclass(frozen=True, slots=True)
class Item:
    """A validated declaration; (kind, code, version) names it for ever."""

    kind: str
    code: str
    version: int
    document: AnyDocument
    file: str

    @property
    def key(self) -> tuple[str, str, int]:
        return self.kind, self.code, self.version

    @property
    def path(self) -> str:
        return f"{self.kind}[{self.code} v{self.version}]"

    def problem(self, field: str, why: str) -> Problem:
        """Say what is wrong with a field of it."""
        return Problem(self.file, f"{self.path}.{field}" if field else self.path, why)

    def content(self) -> dict[str, Any]:
        """Return what is stored: the declaration in JSON, without what it leaves at its default."""
        content: dict[str, Any] = self.document.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return content

    def digest(self) -> bytes:
        """Return the SHA-256 of the content: equal for declarations that mean the same."""
        text = json.dumps(self.content(), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).digest()
