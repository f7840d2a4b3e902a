"""The operator's staff and its bank, by day: applications are decided, orders go to the bank, its statements come back.

What there is to do follows from the database, and each step is a use case that is done once: a day that was cut off is
worked through again and comes to the same end.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Final

from telco.app import App
from telco.billing.invoicing.model import LimitState
from telco.billing.refunds.model import PayoutWay, RefundState
from telco.billing.refunds.service import MOST_LISTED
from telco.kernel.money import Tiyn, tenge
from telco.lab.bank import RETURN_DAYS, LabBank
from telco.simulation import store
from telco.simulation.bank import CLOSED_ACCOUNT, OUR_ACCOUNT

CASHIER: Final = "staff:cashier"
ACCOUNTANT: Final = "staff:accountant"
DESK: Final = "office-1"
_MODERATE: Final = tenge(50_000)
_HIGH: Final = tenge(100_000)
"""The highest limit that is granted at least in part."""
_FUNDS: Final = tenge(1_000_000_000)
_AT_THE_BANK: Final = timedelta(days=RETURN_DAYS + 1)
"""How long after an order the bank may have something to tell of it."""


class Office:
    """The people who decide and pay. Whoever registers an application is somebody else."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def work(self, day_id: str) -> Counter[str]:
        """Do what there is to do on a day; `day_id` begins every id."""
        today = self._app.calendar.today(self._app.clock.now())
        tally: Counter[str] = Counter()
        await self._decide_limits(tally)
        if self._app.calendar.is_working_day(today):
            await self._approve(tally)
            await self._pay(f"{day_id}:refunds", tally)
        await self._read_statement(today, tally)
        return +tally

    async def _decide_limits(self, tally: Counter[str]) -> None:
        """Decide on the limits that were asked for, on the day: a moderate one is granted, of a high one the half."""
        limits = self._app.limits
        for asked in await limits.in_state(LimitState.REQUESTED, 0, MOST_LISTED):
            request_id = asked.limit_request_id
            if asked.limit <= _MODERATE:
                await limits.grant(request_id, actor=ACCOUNTANT, reason="moderate")
            elif asked.limit <= _HIGH:
                half = max(Tiyn(asked.limit // 2), asked.previous)
                await limits.grant(request_id, actor=ACCOUNTANT, reason="the half for now", limit=half)
            else:
                await limits.refuse(request_id, actor=ACCOUNTANT, reason="too high for now")
            tally["limit: decided"] += 1

    async def _approve(self, tally: Counter[str]) -> None:
        refunds = self._app.ways_out.refunds
        for refund in await refunds.in_state(RefundState.APPLIED):
            await refunds.approve(refund.refund_id, actor=ACCOUNTANT, decision="nothing speaks against it")
            tally["refund: approved"] += 1

    async def _pay(self, request_id: str, tally: Counter[str]) -> None:
        """Give the bank the orders that wait, in one file; pay out at the desk what is paid in cash."""
        app = self._app
        waiting = [one for one in await app.ways_out.refunds.in_state(RefundState.ORDERED) if one.file_id is None]
        in_cash = [refund for refund in waiting if refund.payee.way is PayoutWay.CASH]
        if in_cash:
            await app.ways_in.cash.open_shift(DESK, cashier=CASHIER)
        for refund in in_cash:
            await app.ways_out.payouts.pay_out(refund.refund_id, cashier=CASHIER)
            tally["refund: paid in cash"] += 1
        if len(in_cash) < len(waiting):
            file = await app.ways_out.bank.make_file(OUR_ACCOUNT, actor=ACCOUNTANT, request_id=request_id)
            tally["refund: given to the bank"] += file.orders

    async def _read_statement(self, today: date, tally: Counter[str]) -> None:
        """Take the bank's statement of yesterday, if it did something: for refunds and as payments.

        One day the bank writes the exchange format, another MT940; now one desk reads it first, now the other.
        """
        yesterday = today - timedelta(days=1)
        bank = LabBank(OUR_ACCOUNT, _FUNDS, closed={CLOSED_ACCOUNT})
        for made_on, content in await store.refund_files(self._app.database, today - _AT_THE_BANK):
            bank.take(content, made_on)
        if not any(entry.day == yesterday for entry in bank.entries):
            return
        day = yesterday.toordinal()
        statement = bank.exchange(yesterday) if day % 2 else bank.mt940(yesterday)
        name = f"{yesterday}.statement"
        ways_in, ways_out = self._app.ways_in, self._app.ways_out
        if day % 4 < 2:
            taken = await ways_in.transfers.take(statement, name, actor=ACCOUNTANT)
            answer = await ways_out.bank.take_answer(statement, name, actor=ACCOUNTANT)
        else:
            answer = await ways_out.bank.take_answer(statement, name, actor=ACCOUNTANT)
            taken = await ways_in.transfers.take(statement, name, actor=ACCOUNTANT)
        tally["refund: returned by the bank"] += taken.returned
        tally.update(f"refund: the bank says {line.kind}" for line in answer.lines)
