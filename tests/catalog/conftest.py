"""The demo operator's catalogue, and a moment at which its tests rate."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from telco.catalog.catalogue import Catalogue
from telco.catalog.loader import load_directory

OPERATOR = Path(__file__).parents[2] / "telco" / "lab" / "operator" / "catalog"
AT = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
"""Monday, 2 March 2026, 11:00 in Kazakhstan."""


@pytest.fixture(scope="session")
def operator() -> Catalogue:
    return load_directory(OPERATOR)
