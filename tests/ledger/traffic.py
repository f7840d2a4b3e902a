"""A service with traffic, to be killed: says what it submits and what is done, a line each."""

from __future__ import annotations

import asyncio
import json
import sys

from telco.db.pool import Database
from telco.kernel.clock import SystemClock
from telco.kernel.ids import AccountId, AccountRef
from telco.ledger.model import debit, sum_charge
from telco.ledger.service import Ledger

CALLERS_PER_ACCOUNT = 5


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main(url: str, accounts: list[AccountRef]) -> None:
    database = await Database.connect(url, min_size=1, max_size=2)
    ledger = Ledger(database, SystemClock())

    async def caller(account: AccountRef, number: int) -> None:
        turn = 0
        while True:
            name, cost = f"{number}-{turn}", 1 + turn % 7
            say(f"sent {account.account_id} {name} {cost}")
            outcome = await ledger.submit(debit(account, name, sum_charge(cost), contra="revenue.sms"))
            say(f"done {account.account_id} {name} {outcome.cost_tiyn}")
            turn += 1

    await asyncio.gather(*(caller(account, number) for number in range(CALLERS_PER_ACCOUNT) for account in accounts))


if __name__ == "__main__":
    refs = [AccountRef(shard, AccountId(account_id)) for shard, account_id in json.loads(sys.argv[2])]
    asyncio.run(main(sys.argv[1], refs))
