"""What is still owed on personal accounts: the debts that keep a contract, a consent or a number where it is."""

from __future__ import annotations

from collections.abc import Sequence

from telco.billing.instalments.service import Instalments
from telco.billing.trust import TrustPayments
from telco.db.pool import Connection
from telco.kernel.ids import AccountRef
from telco.kernel.money import Tiyn
from telco.ledger.service import Ledger
from telco.subscribers.model import Obligation, ObligationKind


class OpenObligations:
    """Finds open obligations: a main balance below zero (credit settlement, roaming), open trust payments, the open
    rest of devices sold by instalments.

    Contract: PSC-3.2.11, PSC-3.1.6, PSC-7.2
    """

    def __init__(self, ledger: Ledger, trust: TrustPayments, instalments: Instalments) -> None:
        self._ledger = ledger
        self._trust = trust
        self._instalments = instalments

    async def of(self, connection: Connection, accounts: Sequence[AccountRef]) -> list[Obligation]:
        """Return what is owed now, as the caller's transaction sees it; amounts in tiyn."""
        found: list[Obligation] = []
        for account in accounts:
            balance = (await self._ledger.balances(account, connection)).main
            if balance < 0:
                found.append(Obligation(ObligationKind.DEBT, str(account), Tiyn(-balance)))
            owed = await self._trust.owed(connection, account)
            if owed > 0:
                found.append(Obligation(ObligationKind.TRUST_PAYMENT, str(account), owed))
        return found + await self._instalments.open_rests(connection, accounts)
