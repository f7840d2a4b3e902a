"""The demo operator's catalogue with something written differently."""

from __future__ import annotations

import shutil
from pathlib import Path

from telco.catalog.catalogue import Catalogue
from telco.catalog.loader import load_directory
from tests.subscribers.conftest import OPERATOR


def varied(directory: Path, file: str, *changes: tuple[str, str]) -> Catalogue:
    """Load the catalogue with `changes` made to a file: each a text that stands there and what replaces it."""
    copy = directory / "catalog"
    shutil.copytree(OPERATOR, copy)
    text = (copy / file).read_text("utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    (copy / file).write_text(text, "utf-8")
    return load_directory(copy)
