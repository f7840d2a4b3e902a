"""Balance enquiries: the most frequent question of all, read from the ledger in sets."""

from __future__ import annotations

from telco.db.coalesce import Coalescer
from telco.kernel.ids import AccountRef
from telco.ledger.service import Ledger
from telco.ledger.views import AccountView


class Balances:
    """Reads accounts as they are at the moment of asking."""

    def __init__(self, ledger: Ledger) -> None:
        self._reads: Coalescer[AccountRef, AccountView] = Coalescer(ledger.balances_many)

    async def of(self, account: AccountRef) -> AccountView:
        """Read one account, together with whatever else is asked for now.

        Raises:
            KeyError: no such account.
        """
        view = await self._reads.get(account)
        if view is None:
            raise KeyError(account)
        return view
