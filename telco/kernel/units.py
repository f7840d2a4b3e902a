"""Units that a bucket of the ledger can hold."""

from __future__ import annotations

from enum import IntEnum


class Unit(IntEnum):
    """Unit of a bucket. The numbers are stored; never renumber them."""

    MONEY = 0
    """Tiyn."""
    BYTES = 1
    SECONDS = 2
    MESSAGES = 3


KILOBYTE = 1_000
MEGABYTE = 1_000_000
GIGABYTE = 1_000_000_000
MINUTE_S = 60
