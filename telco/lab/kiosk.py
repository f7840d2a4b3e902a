"""A paying terminal of a payment provider, as it stands in a shop.

It imitates what such a terminal does over the check/pay protocol: it asks whether the account exists, takes cash, and
sends the payment until it has an answer that is not "later", always with the same txn_id. It keeps its own register of
the day, by which it is reconciled. tests/lab/test_kiosk.py states what it imitates.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final
from xml.etree.ElementTree import Element

import aiohttp
from defusedxml import ElementTree

from telco.kernel.calendar import ZONE
from telco.kernel.clock import Clock
from telco.kernel.money import Tiyn, json_money

DONE: Final = 0
LATER: Final = 1
TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class KioskAnswer:
    """What the service answered last."""

    result: int
    comment: str
    prv_txn: str = ""


class Kiosk:
    """One terminal; `session` is made with the service's base URL and the provider's code and key."""

    def __init__(self, session: aiohttp.ClientSession, clock: Clock, prefix: str) -> None:
        self._session = session
        self._clock = clock
        self._prefix = prefix
        self._taken = 0
        self.register: list[tuple[str, str, str, Tiyn]] = []
        """txn_id, time, account and sum of what was paid, in the order of payment."""

    async def check(self, account: str, amount: Tiyn) -> KioskAnswer:
        """Ask whether an account can be paid for."""
        return await self._ask("check", account, amount, f"{self._prefix}c{self._taken}", self._now())

    async def pay(self, account: str, amount: Tiyn) -> KioskAnswer:
        """Take cash for an account: the same txn_id until the answer is final, each payment a new one."""
        self._taken += 1
        txn_id, at = f"{self._prefix}{self._taken}", self._now()
        answer = KioskAnswer(LATER, "")
        for _ in range(TRIES):
            answer = await self._ask("pay", account, amount, txn_id, at)
            if answer.result != LATER:
                break
        if answer.result == DONE:
            self.register.append((txn_id, at, account, amount))
        return answer

    def register_of(self, day: date) -> str:
        """Write the register of a day, as the provider sends it."""
        rows = [
            f"{txn_id};{at};{account};{json_money(amount)}"
            for txn_id, at, account, amount in self.register
            if at.startswith(day.strftime("%Y%m%d"))
        ]
        return "\n".join(["txn_id;txn_date;account;sum", *rows]) + "\n"

    def _now(self) -> str:
        return self._clock.now().astimezone(ZONE).strftime("%Y%m%d%H%M%S")

    async def _ask(self, command: str, account: str, amount: Tiyn, txn_id: str, at: str) -> KioskAnswer:
        """Send one request; a line that breaks is an answer "later"."""
        query = {"command": command, "txn_id": txn_id, "account": account, "sum": json_money(amount), "txn_date": at}
        try:
            async with self._session.get("/terminal/v1/payments", params=query) as response:
                if response.status != 200:
                    return KioskAnswer(LATER, f"HTTP {response.status}")
                return _read(ElementTree.fromstring(await response.read()))
        except (aiohttp.ClientError, TimeoutError) as error:
            return KioskAnswer(LATER, str(error))


def _read(answer: Element) -> KioskAnswer:
    fields = {field.tag: field.text or "" for field in answer}
    return KioskAnswer(int(fields["result"]), fields.get("comment", ""), fields.get("prv_txn", ""))
