"""Benchmarks: ``telco bench ledger|sms|... [--quick] [--json FILE]``, each figure side by side with its reference.

A benchmark is a module of this package with ``async def run(quick: bool) -> list[Row]``; its first docstring line is
its help.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from asyncio import Runner
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import uvloop

from telco.bench.report import Row, table, write_json

NAMES = ("ledger", "sms", "memory", "rating", "fees", "invoices", "bonus", "payments", "outbox")
"""The benchmarks, in the order in which `telco bench all` runs them."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmarks that are asked for, print their table, and return the exit status."""
    known = [name for name in NAMES if find_spec(f"{__name__}.{name}") is not None]
    parser = argparse.ArgumentParser(prog="telco bench", description="Measure, side by side with a reference.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(known)} or all (the default)")
    parser.add_argument("--quick", action="store_true", help="smaller sizes; each ends within 45 seconds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there, too")
    parsed = parser.parse_args(argv)
    unknown = sorted(set(parsed.names) - {*known, "all"})
    if unknown:
        parser.error(f"no benchmark is named {', '.join(unknown)}; there are {', '.join(known)}")
    names = known if not parsed.names or "all" in parsed.names else list(dict.fromkeys(parsed.names))
    rows: list[Row] = []
    for name in names:
        rows += _run(name, quick=parsed.quick)
    print(table(rows))
    if parsed.json is not None:
        write_json(rows, parsed.json)
    return 0


def _run(name: str, *, quick: bool) -> list[Row]:
    print(f"measuring {name} ...", file=sys.stderr, flush=True)
    started = time.perf_counter()
    module = importlib.import_module(f"{__name__}.{name}")
    with Runner(loop_factory=uvloop.new_event_loop) as runner:
        rows: list[Row] = runner.run(module.run(quick))
    print(f"measured {name} in {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    return rows
