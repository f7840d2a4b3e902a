"""What the phones' owners see of their money: read from the service's staff API, never from its database."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import structlog

from telco.lab.feed import Feed
from telco.lab.handset import Handset
from telco.lab.service import ServiceClient, ServiceRefusedError, ServiceUnreachableError

POLL_S: Final = 5.0
"""How often the accounts are read while somebody watches the page: fees and expiry move money without any phone."""
SHOWN_LINES: Final = 20
READ_ENTRIES: Final = 100
"""Operations read for them: a session is charged in portions, which are shown as one line."""
GROUND: Final = "the lab's handset page"
"""Why the lab reads a subscriber's data; the service's audit trail wants to know."""

UNKNOWN: Final[dict[str, Any]] = {"main": None, "plan": {}, "allowances": [], "lines": []}
"""What is shown when the service does not answer."""

_MAIN = "main"
_TENGE = "tenge"
_KINDS: Final = {"expire": "expiry", "reverse": "reversal"}
_LABELS: Final = {
    "topup.card": "card",
    "cash.card": "card",
    "fee.plan": "fee",
    "revenue.plan": "fee",
    "fee.service": "service",
    "revenue.service": "service",
    "revenue.content": "service",
}
_LABEL_HEADS: Final = {
    "voice": "voice",
    "sms": "sms",
    "data": "data",
    "content": "service",
    "trust": "trust",
    "topup": "topup",
    "cash": "topup",
    "bonus": "bonus",
}

log = structlog.get_logger(__name__)


class Accounts:
    """Keeps what each phone shows of its owner's money up to date."""

    def __init__(self, service: ServiceClient, feed: Feed, handsets: Mapping[str, Handset]) -> None:
        self.card_used: Callable[[Iterable[str]], None] | None = None
        """Told the serial numbers of payment cards that were seen in a statement."""
        self._service = service
        self._feed = feed
        self._handsets = handsets
        self._plan_names: dict[str, dict[str, str]] = {}
        self._stale: set[str] = set()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def refresh(self, number: str) -> None:
        """Read this phone's account again, soon."""
        self._stale.add(number)
        self._wake.set()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._wake.wait()
            polled = set(self._handsets) if self._feed.watched and not self._wake.is_set() else set()
            self._wake.clear()
            wanted = polled | self._stale
            self._stale.clear()
            for number in sorted(wanted):
                await self._show(number)

    async def _show(self, number: str) -> None:
        phone = self._handsets.get(number)
        if phone is None:
            return
        try:
            account = await self.read(number)
        except (ServiceUnreachableError, ServiceRefusedError) as error:
            log.info("lab_account_unknown", error=str(error))
            account = {**UNKNOWN, "lines": (phone.account or UNKNOWN)["lines"]}
        phone.show_account(account)

    async def read(self, number: str) -> dict[str, Any]:
        """Return a subscriber's money as the page shows it.

        Raises:
            ServiceUnreachableError, ServiceRefusedError: the service did not say.
        """
        path = f"/v1/subscribers/{number}"
        card = await self._service.read(path, ground=GROUND)
        balance = await self._service.read(f"{path}/balance", ground=GROUND)
        statement = await self._service.read(f"{path}/statement", ground=GROUND, limit=str(READ_ENTRIES))
        entries = statement["entries"]
        if self.card_used is not None:
            self.card_used(entry["details"]["serial"] for entry in entries if "serial" in entry["details"])
        return {
            "main": balance["main"],
            "plan": await self._plan_name(card["subscriber"]["plan_code"]),
            "allowances": [allowance(bucket) for bucket in balance["buckets"] if _shown(bucket)],
            "lines": lines(entries)[:SHOWN_LINES],
        }

    async def _plan_name(self, code: str) -> dict[str, str]:
        """Return a plan's name in the three languages; plans in use keep theirs."""
        if code not in self._plan_names:
            self._plan_names[code] = (await self._service.read(f"/v1/plans/{code}"))["name"]
        return self._plan_names[code]


def _shown(bucket: Mapping[str, Any]) -> bool:
    """Tell whether a bucket is worth a line: the main balance has its own place, an empty purse has none."""
    return bucket["code"] != _MAIN and Decimal(bucket["initial"]) > 0


def allowance(bucket: Mapping[str, Any]) -> dict[str, Any]:
    """Return a bucket as the page shows it: money as a string in tenge, other quantities as whole numbers."""
    if bucket["unit"] == _TENGE:
        return {
            "code": bucket["code"],
            "unit": "money",
            "left": bucket["balance"],
            "initial": 0,
            "until": bucket["valid_until"],
        }
    return {
        "code": bucket["code"],
        "unit": bucket["unit"],
        "left": int(bucket["balance"]),
        "initial": int(bucket["initial"]),
        "until": bucket["valid_until"],
    }


def lines(entries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return operations, newest first, as the page shows them; the portions of a session are one line."""
    sessions: dict[str, list[Mapping[str, Any]]] = {}
    for entry in entries:
        sessions.setdefault(str(entry["details"].get("request", entry["operation"])), []).append(entry)
    return [line(name, portions) for name, portions in sessions.items()]


def line(name: str, portions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a session or operation as a line: its money without a sign, its direction, and what else it moved."""
    entry = portions[0]
    money = Decimal(0)
    sums: dict[str, int] = {}
    for part in (part for portion in portions for part in portion["lines"]):
        if part["unit"] == _TENGE:
            money += Decimal(part["amount"])
        else:
            sums[part["unit"]] = sums.get(part["unit"], 0) + int(part["amount"])
    moved = [{"unit": unit, "amount": amount} for unit, amount in sums.items() if amount]
    direction = money or Decimal(sum(sums.values()))
    return {
        "id": name,
        "at": entry["at"],
        "what": what(entry["kind"], entry["label"]),
        "peer": str(entry["details"].get("to", "")),
        "sign": "up" if direction > 0 else "down" if direction < 0 else "none",
        "money": f"{abs(money):.2f}" if money else None,
        "parts": moved,
    }


def what(kind: str, label: str) -> str:
    """Name an operation by the key of the page's text for it."""
    return _KINDS.get(kind) or _LABELS.get(label) or _LABEL_HEADS.get(label.partition(".")[0], "other")
