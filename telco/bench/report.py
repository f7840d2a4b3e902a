"""Rows of a benchmark: a figure, what it is measured against, and how the two compare."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Row(NamedTuple):
    """One figure. `ratio` is `value` over the reference that `against` names; both are None where there is none."""

    name: str
    value: float
    unit: str
    against: str | None = None
    ratio: float | None = None


_HEADINGS = ("name", "value", "unit", "ratio", "against")


def table(rows: Sequence[Row]) -> str:
    """Lay rows out for a terminal."""
    cells = [_HEADINGS, *((row.name, _figure(row.value), row.unit, _ratio(row), row.against or "") for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEADINGS))]
    lines = [_line(line, widths) for line in cells]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def _line(line: tuple[str, ...], widths: list[int]) -> str:
    name, value, unit, ratio, against = line
    return f"{name:<{widths[0]}}  {value:>{widths[1]}} {unit:<{widths[2]}}  {ratio:>{widths[3]}}  {against}".rstrip()


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}"


def _ratio(row: Row) -> str:
    return "" if row.ratio is None else f"{row.ratio:.2f} x"


def write_json(rows: Sequence[Row], path: Path) -> None:
    """Write rows as a JSON array of objects."""
    path.write_text(json.dumps([row._asdict() for row in rows], indent=2) + "\n")
