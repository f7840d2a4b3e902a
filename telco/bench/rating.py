"""How fast usage is rated, and numbers are found, against plainer ways in the same process."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import telco
from telco.bench.report import Row
from telco.catalog.catalogue import Catalogue
from telco.catalog.loader import load_directory
from telco.catalog.model import Service
from telco.catalog.numbering import PrefixTree
from telco.catalog.rating import Profile, Usage, rate

CATALOGUE = Path(telco.__file__).parent / "lab" / "operator" / "catalog"
AT = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
PROFILES = (Profile("kcell-start", 2), Profile("kcell-free", 1), Profile("activ-simple", 1, ("russia-calls",)))
PARTIES = ("77011234567", "77051234567", "77272123456", "74951234567", "4930123456", "112")
FEW_PREFIXES, MANY_PREFIXES = 100, 100_000


async def run(quick: bool) -> list[Row]:
    """Rate a mix of calls, messages and data; look numbers up among few and many prefixes."""
    seconds = 0.3 if quick else 3.0
    catalogue = load_directory(CATALOGUE)
    usages = _mix()
    rated = _per_second(lambda: _rate_all(catalogue, usages), len(usages), seconds)
    scanned = _per_second(lambda: _scan_all(catalogue, usages), len(usages), seconds)
    few, many = (_lookups(count, seconds) for count in (FEW_PREFIXES, MANY_PREFIXES))
    return [
        Row("rating: usages", rated, "usages/s", f"tables made anew each time, {scanned:,.0f}/s", rated / scanned),
        Row(
            f"rating: longest of {MANY_PREFIXES:,} prefixes",
            many,
            "numbers/s",
            f"of {FEW_PREFIXES} prefixes, {few:,.0f}/s",
            many / few,
        ),
    ]


def _mix() -> list[tuple[Usage, Profile]]:
    usages = [Usage(service, other=other) for service in (Service.VOICE, Service.SMS) for other in PARTIES]
    usages += [Usage(Service.DATA), Usage(Service.DATA, rating_group=20), Usage(Service.DATA, visited="25001")]
    usages += [Usage(Service.VOICE, other=other, visited="28601") for other in PARTIES]
    return [(usage, profile) for usage in usages for profile in PROFILES]


def _rate_all(catalogue: Catalogue, usages: list[tuple[Usage, Profile]]) -> None:
    for usage, profile in usages:
        rate(usage, profile, catalogue, AT)


def _scan_all(catalogue: Catalogue, usages: list[tuple[Usage, Profile]]) -> None:
    """The plain way: no table is kept, so prefixes and price rows are put together and searched for each usage."""
    for usage, profile in usages:
        catalogue.derived.clear()
        rate(usage, profile, catalogue, AT)


def _lookups(prefixes: int, seconds: float) -> float:
    """Return lookups of eleven-digit numbers a second among random prefixes of seven digits."""
    source = random.Random(prefixes)
    entries = {f"{source.randrange(10**6, 10**7)}": index for index in range(prefixes)}
    tree = PrefixTree(entries)
    numbers = [f"{prefix}{source.randrange(10**4):04d}" for prefix in source.choices(list(entries), k=1_000)]

    def body() -> None:
        for number in numbers:
            tree.find(number)

    return _per_second(body, len(numbers), seconds)


def _per_second(body: Callable[[], None], operations: int, seconds: float) -> float:
    """Return operations a second of the body, run for about `seconds` after a first run that fills tables."""
    body()
    done, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        body()
        done += operations
    return done / elapsed
