"""How the service collects garbage: seldom, because what an operation makes is freed by reference counts."""

from __future__ import annotations

import gc

YOUNG_OBJECTS = 100_000
"""Container objects that may be made, net of those freed, before the youngest generation is looked through."""


def settle() -> None:
    """Call once when the service is composed, before it takes work.

    What exists by then lives as long as the process, so it is never looked through again. Thousands of callers that
    wait at the same time look like garbage-to-be to Python's collector; by default it spends a third of the ledger's
    time going through them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 100)
