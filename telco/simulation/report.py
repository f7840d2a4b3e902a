"""The report of a run: a table to read, plots to look at, and one line that says whether two runs came to the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, TextIO

from telco.db.pool import Database
from telco.kernel.money import Tiyn, format_money
from telco.simulation import plots
from telco.simulation.model import Finding, Scenario
from telco.simulation.store import Q

FILE: Final = "report.txt"
_TENGE: Final = 100
_AGES: Final = ("not invoiced", "not due", "1-30", "31-60", "61-90", "91+")
_SHOWN_FINDINGS: Final = 20


@dataclass(frozen=True, slots=True)
class Night:
    """How a day ended."""

    day: date
    digest: str
    figures: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Year:
    """Everything that the report is made of."""

    scenario: Scenario
    nights: Sequence[Night]
    tallies: Mapping[str, int]
    findings: Sequence[Finding]

    @property
    def digest(self) -> str:
        """Digest of every balance at the end: equal for equal ends."""
        return self.nights[-1].digest

    def moved(self) -> dict[str, int]:
        """What subscribers' money got from each of the operator's accounts, in tiyn; negative for what they paid."""
        total: dict[str, int] = defaultdict(int)
        for night in self.nights:
            for account, amount in night.figures["moved"].items():
                total[account] += amount
        return dict(sorted(total.items()))


async def read(database: Database, scenario: Scenario, findings: Sequence[Finding]) -> Year:
    """Read what a run left."""
    nights = [Night(row["day"], row["digest"], row["figures"]) for row in await database.fetch(Q.days)]
    tallies = {row["what"]: row["count"] for row in await database.fetch(Q.tallies)}
    return Year(scenario, nights, tallies, findings)


def write(year: Year, directory: Path, stream: TextIO) -> None:
    """Print the table, and put it and the plots into a directory."""
    text = table(year)
    stream.write(text)
    (directory / FILE).write_text(text, "utf-8")
    for name, plot in drawings(year).items():
        (directory / f"{name}.svg").write_text(plot, "utf-8")
    stream.write(f"\nplots: {directory}/*.svg\n")


def table(year: Year) -> str:
    """Write the report's table."""
    last = year.nights[-1].figures
    moved = year.moved()
    paid_in = {account: amount for account, amount in moved.items() if account.startswith("cash.")}
    revenue = {account: -amount for account, amount in moved.items() if account.startswith("revenue.")}
    others = {account: -amount for account, amount in moved.items() if account not in paid_in | revenue}
    rows = [
        "",
        f"{year.scenario.subscribers} subscribers, {len(year.nights)} days to {year.nights[-1].day}, "
        f"seed {year.scenario.seed}",
        *_section("at the end", {"numbers in use": last["numbers"], "of them waiting for a fee": last["unpaid"]}),
        *_row("numbers that ended", last["ended"]),
        *_row("operations of the ledger", sum(night.figures["operations"] for night in year.nights)),
        *_row("advances", _money(last["money"])),
        *_row("debts", _money(last["debt"])),
        *(line for age in _AGES for line in _row(f"  {age}", _money(last["debts"].get(age, 0)))),
        *_section("money in", {account: _money(amount) for account, amount in paid_in.items()}),
        *_row("together", _money(sum(paid_in.values()))),
        *_section("revenue", {account: _money(amount) for account, amount in revenue.items()}),
        *_row("together", _money(sum(revenue.values()))),
        *_section("other accounts", {account: _money(amount) for account, amount in others.items()}),
        *_section("what was done", year.tallies),
        *_section("audits", {"days audited": len(year.nights), "findings": len(year.findings)}),
        *(str(finding) for finding in year.findings[:_SHOWN_FINDINGS]),
        "",
        f"digest of all balances: {year.digest}",
        "",
    ]
    return "\n".join(rows)


def _section(title: str, values: Mapping[str, object]) -> list[str]:
    return ["", title, *(line for name, value in values.items() for line in _row(name, value))]


def _row(name: str, value: object) -> list[str]:
    shown = f"{value:,}" if isinstance(value, int) else str(value)
    return [f"  {name:<44}{shown:>22}"]


def _money(amount: int) -> str:
    return format_money(Tiyn(amount))


def drawings(year: Year) -> dict[str, str]:
    """Draw the plots, by name."""
    days = [night.day for night in year.nights]
    figures = [night.figures for night in year.nights]
    balances = {
        "advances": [figure["money"] / _TENGE for figure in figures],
        "debts": [figure["debt"] / _TENGE for figure in figures],
    }
    ages = {age: [max(figure["debts"].get(age, 0), 0) / _TENGE for figure in figures] for age in _AGES}
    grounds = sorted({ground for figure in figures for ground in figure["suspended"]})
    stopped = {ground: [figure["suspended"].get(ground, 0) for figure in figures] for ground in grounds}
    waiting = {"plan waits for its fee": [figure["unpaid"] for figure in figures]}
    months, revenue = _by_month(year.nights)
    return {
        "balances": plots.lines("Balances at the end of the day", "tenge", days, balances),
        "debts": plots.areas("Debts: not yet invoiced, not yet due, and by days late", "tenge", days, ages),
        "revenue": plots.columns("Revenue by service and month", "tenge, VAT included", months, revenue),
        "suspensions": plots.lines("Numbers without full service", "numbers", days, waiting | stopped),
    }


def _by_month(nights: Iterable[Night]) -> tuple[list[str], dict[str, list[float]]]:
    """Add revenue up by month, the largest service first."""
    sums: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    months: dict[str, None] = {}
    for night in nights:
        month = f"{night.day:%m.%y}"
        months[month] = None
        for account, amount in night.figures["moved"].items():
            if account.startswith("revenue."):
                sums[account.removeprefix("revenue.")][month] += -amount / _TENGE
    ordered = sorted(sums, key=lambda name: -sum(sums[name].values()))
    return list(months), {name: [sums[name][month] for month in months] for name in ordered}
