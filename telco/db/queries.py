"""SQL lives in ``queries.sql`` beside the code that runs it, each statement under a name.

A statement begins with ``-- name: find_by_number`` and a comment line that says what it is for.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_HEADER = re.compile(r"^-- name: ([a-z_][a-z0-9_]*)\s*$", re.MULTILINE)


class Queries:
    """The named statements of one file, as attributes."""

    def __init__(self, source: str, statements: dict[str, str]) -> None:
        self._source = source
        self._statements = statements

    def __getattr__(self, name: str) -> str:
        try:
            return self._statements[name]
        except KeyError:
            raise AttributeError(f"{self._source} has no statement named {name!r}") from None

    def names(self) -> list[str]:
        return sorted(self._statements)


@cache
def load(package: str, file: str = "queries.sql") -> Queries:
    """Read the named statements of `file` in `package`, once."""
    text = files(package).joinpath(file).read_text("utf-8")
    parts = _HEADER.split(text)
    statements: dict[str, str] = {}
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        if name in statements:
            raise ValueError(f"{package}/{file} names {name!r} twice")
        statements[name] = body.strip().rstrip(";")
    return Queries(f"{package}/{file}", statements)
