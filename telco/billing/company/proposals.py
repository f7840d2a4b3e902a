"""The operator's proposal for a company's payment that cannot be allocated as its payer wants: oldest debt first.

It is worked out when it is read, over every personal account of all the company's contracts, ended ones too; who
accepts it names the one that he saw.

Contract: PSC-3.2.4-4, PSC-6.3.5
"""

from __future__ import annotations

from datetime import date

from telco.billing.company import rules
from telco.billing.company.errors import NothingToProposeError, ProposalChangedError
from telco.billing.company.model import Debt, Proposal, ProposedLine
from telco.billing.invoicing.service import Invoicing
from telco.billing.payments.model import Share, Target, WorkItem
from telco.db.pool import Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock
from telco.kernel.ids import AccountRef
from telco.kernel.money import Tiyn
from telco.ledger.service import Ledger
from telco.subscribers.owners import Owner, accounts_of_company, owners


class Proposals:
    """Use cases of proposals."""

    def __init__(
        self, database: Database, clock: Clock, calendar: Calendar, ledger: Ledger, invoicing: Invoicing
    ) -> None:
        self._database = database
        self._clock = clock
        self._calendar = calendar
        self._ledger = ledger
        self._invoicing = invoicing

    async def of(self, item: WorkItem) -> Proposal:
        """Propose how to allocate a company's payment.

        Raises:
            NothingToProposeError: the payer has no personal account.

        Contract: PSC-3.2.4-4
        """
        now = self._clock.now()
        accounts = await accounts_of_company(self._database, str(item.facts.get("payer_id", "")))
        known = await owners(self._database, accounts, now)
        ordered = [known[account] for account in accounts if account in known]
        if not ordered:
            raise NothingToProposeError(item_id=item.item_id)
        first = next((owner for owner in ordered if owner.in_use), ordered[0])
        lines = rules.propose(item.amount, await self._debts(known), _target(first))
        detail = str(item.facts.get("detail", ""))
        return Proposal(item.item_id, item.amount, item.reason, detail, lines, rules.mark_of(lines))

    async def _debts(self, known: dict[AccountRef, Owner]) -> list[Debt]:
        invoices = await self._invoicing.open_of_accounts(known)
        views = await self._ledger.balances_many(known)
        rest = {account: max(-views[account].main, 0) for account in known}
        debts: list[Debt] = []
        for invoice in invoices:
            owner = known[invoice.account]
            rest[invoice.account] -= invoice.open_amount
            debts.append(_debt(owner, invoice.open_amount, invoice.due_on, invoice.invoice_id, invoice.number))
        today = self._calendar.today(self._clock.now())
        debts += [_debt(known[account], Tiyn(left), today, None, "") for account, left in rest.items() if left > 0]
        return debts

    async def accepted(self, item: WorkItem, mark: str) -> tuple[Share, ...]:
        """Return the shares of the proposal that `mark` names.

        Raises:
            NothingToProposeError
            ProposalChangedError: it is another by now.
        """
        proposal = await self.of(item)
        if proposal.mark != mark:
            raise ProposalChangedError(item_id=item.item_id)
        return tuple(_share(line) for line in proposal.lines)


def _target(owner: Owner) -> Target:
    return Target(owner.subscriber_id, owner.msisdn, owner.account)


def _debt(owner: Owner, amount: Tiyn, due_on: date, invoice_id: int | None, number: str) -> Debt:
    return Debt(owner.account, owner.subscriber_id, owner.msisdn, amount, due_on, invoice_id, number)


def _share(line: ProposedLine) -> Share:
    target = Target(line.subscriber_id, line.msisdn, line.account)
    return Share(target, line.amount, line.invoice_number or str(line.account), line.invoice_id)
