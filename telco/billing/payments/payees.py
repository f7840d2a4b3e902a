"""Whose account a payer names: by number or personal account, in use or ended with a debt.

Contract: PSC-4.1, PSC-1.1.12, PSC-6.3.5
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from telco.billing.payments import rules
from telco.billing.payments.model import Standing, Target
from telco.db.pool import Database
from telco.kernel.clock import Clock
from telco.kernel.ids import AccountRef
from telco.kernel.msisdn import Msisdn
from telco.ledger.service import Ledger
from telco.subscribers.owners import Owner, last_owners, owners
from telco.subscribers.service import Subscribers
from telco.subscribers.standing import NumberStanding, number_standings

_STANDINGS: Mapping[NumberStanding, Standing] = {
    NumberStanding.IN_USE: Standing.UNKNOWN,  # it came into use between the two reads: the next try finds it
    NumberStanding.UNKNOWN: Standing.UNKNOWN,
    NumberStanding.ENDED: Standing.ENDED,
    NumberStanding.PORTED_OUT: Standing.PORTED_OUT,
}

Resolved = Target | Standing


class Payees:
    """Reads on connections of its own, so it is asked before a transaction, never in one."""

    def __init__(self, database: Database, clock: Clock, subscribers: Subscribers, ledger: Ledger) -> None:
        self._database = database
        self._clock = clock
        self._subscribers = subscribers
        self._ledger = ledger

    async def resolve(self, names: Collection[str]) -> dict[str, Resolved]:
        """Say for each name whose account it means, or why nobody's; a handful of statements however many names.

        What has ended can be paid for while it owes: the end of a contract does not cancel debts. A number that has a
        new user is the new user's; the debt of the one before is paid by personal account.

        Contract: PSC-6.3.5, PSC-7.6
        """
        parsed = {name: rules.parse_named(name) for name in names}
        msisdns = {named for named in parsed.values() if isinstance(named, str)}
        accounts = {named for named in parsed.values() if isinstance(named, AccountRef)}
        by_number = await self._numbers(msisdns)
        by_account = await self._accounts(accounts) if accounts else {}

        def one(named: Msisdn | AccountRef | None) -> Resolved:
            if named is None:
                return Standing.MALFORMED
            return by_account[named] if isinstance(named, AccountRef) else by_number[named]

        return {name: one(named) for name, named in parsed.items()}

    async def _numbers(self, msisdns: Collection[Msisdn]) -> dict[Msisdn, Resolved]:
        found = await self._subscribers.find_many(msisdns) if msisdns else {}
        resolved: dict[Msisdn, Resolved] = {
            msisdn: Target(subscriber.subscriber_id, subscriber.msisdn, subscriber.account)
            for msisdn, subscriber in found.items()
        }
        gone = [msisdn for msisdn in msisdns if msisdn not in found]
        if gone:
            resolved |= await self._gone(gone)
        return resolved

    async def _gone(self, msisdns: Collection[Msisdn]) -> dict[Msisdn, Resolved]:
        """Find who used numbers last that nobody uses now, and whether he still owes."""
        standings = await number_standings(self._database, msisdns, self._clock.now())
        last = await last_owners(self._database, msisdns)
        debtors = await self._debtors(set(last.values()))
        resolved: dict[Msisdn, Resolved] = {}
        for msisdn in msisdns:
            standing = _STANDINGS[standings.get(msisdn, NumberStanding.UNKNOWN)]
            account = last.get(msisdn)
            owes = standing is not Standing.UNKNOWN and account is not None and account in debtors
            resolved[msisdn] = debtors[account] if owes and account is not None else standing
        return resolved

    async def _debtors(self, accounts: Collection[AccountRef]) -> dict[AccountRef, Target]:
        """Return those of the accounts that no number uses any more and that owe."""
        if not accounts:
            return {}
        ended = [owner for owner in (await self._owners(accounts)).values() if not owner.in_use]
        views = await self._ledger.balances_many([owner.account for owner in ended])
        return {owner.account: _target(owner) for owner in ended if views[owner.account].main < 0}

    async def _accounts(self, accounts: Collection[AccountRef]) -> dict[AccountRef, Resolved]:
        known = await self._owners(accounts)
        debtors = await self._debtors([account for account, owner in known.items() if not owner.in_use])
        resolved: dict[AccountRef, Resolved] = {}
        for account in accounts:
            owner = known.get(account)
            if owner is None:
                resolved[account] = Standing.UNKNOWN
            else:
                resolved[account] = _target(owner) if owner.in_use else debtors.get(account, Standing.ENDED)
        return resolved

    async def _owners(self, accounts: Collection[AccountRef]) -> dict[AccountRef, Owner]:
        return await owners(self._database, accounts, self._clock.now())


def _target(owner: Owner) -> Target:
    return Target(owner.subscriber_id, owner.msisdn, owner.account)
