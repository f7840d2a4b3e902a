"""Company payments: each is allocated as its purpose, register or letter says; what is not clear waits for people.

A company's transfer is on the work list from the moment its bank file is taken. From there it leaves in one transaction
only: credited whole, in as many parts as it was meant for. So it is never unallocated and unseen, wherever a crash
falls.

Contract: PSC-3.2.4-1, PSC-3.2.4-2, PSC-3.2.4-3, PSC-3.2.4-4
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date

import structlog

from telco.billing.company import store
from telco.billing.company.errors import PayeesRefusedError, SheetEndedError, SumsDifferError
from telco.billing.company.model import (
    PAYMENT_MISSING,
    Manner,
    Named,
    Order,
    Sheet,
    SheetKind,
    SheetState,
    Unclear,
    Wait,
)
from telco.billing.company.proposals import Proposals
from telco.billing.company.purpose import INVOICE, parse_purpose
from telco.billing.company.store import Q
from telco.billing.invoicing.service import Invoicing
from telco.billing.payments.errors import PaymentReusedError, WorkItemDecidedError
from telco.billing.payments.model import (
    DocumentReason,
    Payment,
    Share,
    Standing,
    Target,
    WorkItem,
    WorkItemId,
)
from telco.billing.payments.service import Payments
from telco.billing.payments.work_list import WorkList
from telco.db.pool import LOST_CONNECTION, Connection, Database
from telco.kernel.clock import Clock
from telco.kernel.errors import DomainError
from telco.kernel.money import Money, Tiyn, json_money

SYSTEM = "system:company_payments"
SHOWN = 20
"""Refused names that an item lists."""
PROPOSAL = "oldest_debt_first"
JUDGED = frozenset({DocumentReason.COMPANY.value, *(reason.value for reason in Unclear)})
"""Reasons with which a company's payment stands on the work list."""
DECIDABLE = JUDGED | {DocumentReason.LOOKS_LIKE.value}
"""Those with which people may allocate one: that it is no second telling of another is theirs to find out."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Payee:
    """Whose money a reference means, and which invoice it names."""

    target: Target
    invoice_id: int | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is to be done with a company's payment."""

    named: tuple[Named, ...] = ()
    manner: Manner = Manner.PURPOSE
    sheet: Sheet | None = None
    unclear: Unclear | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Processed:
    """What a run of the job did."""

    allocated: int
    waiting: int


class CompanyPayments:
    """Use cases of the payments themselves."""

    def __init__(
        self, database: Database, clock: Clock, payments: Payments, work_list: WorkList, invoicing: Invoicing
    ) -> None:
        self._database = database
        self._clock = clock
        self._payments = payments
        self._work_list = work_list
        self._invoicing = invoicing

    # What nobody has looked at yet

    async def process(self, limit: int = 200) -> Processed:
        """Look at company payments that are new on the work list, the oldest first; a job calls it.

        Several machines may do so at once: an item is decided under its lock.

        Contract: PSC-3.2.4-4
        """
        allocated = waiting = 0
        for item in await self._work_list.with_reason(DocumentReason.COMPANY, limit):
            try:
                done = await self.look(item)
            except DomainError as error:  # one payment that cannot be credited holds no other up
                log.warning("company_payment_waits", item_id=item.item_id, error_code=error.code)
                done = False
            except LOST_CONNECTION:
                raise
            except Exception:  # nor does a defect of ours
                log.exception("company_payment_failed", item_id=item.item_id)
                done = False
            allocated += done
            waiting += not done
        return Processed(allocated, waiting)

    async def look(self, item: WorkItem) -> bool:
        """Allocate a payment as its payer says, or note on the work list why that cannot be; tell which it was."""
        judgement = await self.judge(item)
        if judgement.unclear is None:
            payees = await self.payees([named.name for named in judgement.named])
            refused = {name: why for name, why in payees.items() if isinstance(why, str)}
            if not refused:
                return await self._follow(item, judgement, payees)
            shown = [f"{name}: {why}" for name, why in list(refused.items())[:SHOWN]]
            judgement = Judgement((), judgement.manner, judgement.sheet, Unclear.PAYEE_REFUSED, "; ".join(shown))
        assert judgement.unclear is not None
        facts: dict[str, object] = {"detail": judgement.why}
        if judgement.sheet is not None:
            facts["sheet_id"] = judgement.sheet.sheet_id
        await self._work_list.note(item.item_id, judgement.unclear, PROPOSAL, facts)
        return False

    async def _follow(self, item: WorkItem, judgement: Judgement, payees: dict[str, Payee | str]) -> bool:
        shares = _shares(judgement.named, payees)
        reason = f"as the {judgement.manner} says"
        named = ", ".join(named.name for named in judgement.named[:2])
        if judgement.sheet is not None:
            reason = f"as the {judgement.manner} {judgement.sheet.sheet_id} says"
            named = f"{judgement.manner} {judgement.sheet.sheet_id}"
        try:
            await self._credit(
                item.item_id, shares, judgement.manner, named=named, actor=SYSTEM, reason=reason, sheet=judgement.sheet
            )
        except (WorkItemDecidedError, PaymentReusedError, SheetEndedError):  # somebody was faster
            return False
        return True

    async def judge(self, item: WorkItem) -> Judgement:
        """Say what the payer of an item wants: by the register or letter of its order, else by its purpose.

        Contract: PSC-3.2.4-1, PSC-3.2.4-2, PSC-3.2.4-3, PSC-3.2.4-4
        """
        purpose = parse_purpose(str(item.facts.get("purpose", "")), item.amount)
        async with self._database.acquire() as connection:
            sheets = [sheet for sheet, _ in await store.sheets_of_order(connection, order_of(item))]
            sheet = next((sheet for sheet in sheets if sheet.state is SheetState.WAITING), None)
            lines = [] if sheet is None else await store.lines(connection, sheet.sheet_id)
        if sheet is None:
            if purpose.by_sheet and not purpose.named:
                return Judgement(unclear=Unclear.SHEET_MISSING, why=purpose.why)
            return Judgement(purpose.named, Manner.PURPOSE, None, purpose.unclear, purpose.why)
        manner = Manner.REGISTER if sheet.kind is SheetKind.REGISTER else Manner.LETTER
        if purpose.named and not purpose.by_sheet:
            return Judgement((), manner, sheet, Unclear.CONTRADICTION, str(item.facts.get("purpose", "")))
        if sheet.amount != item.amount:
            why = f"{manner} {sheet.sheet_id}: {json_money(sheet.amount)}"
            return Judgement((), manner, sheet, Unclear.SHEET_DIFFERS, why)
        return Judgement(tuple(Named(line.named, line.amount) for line in lines), manner, sheet)

    async def sheet_came(self, order: Order) -> None:
        """Look again at the payments that wait for an order's register or letter."""
        for item in await self._work_list.of_orders([(order.bin, order.number, order.date)], JUDGED):
            await self.look(item)

    async def explained(self, sheets: Sequence[Sheet]) -> list[Sheet]:
        """Say of each register or letter that waits why it does: the reason stands with its payment, where it came.

        Contract: PSC-3.2.4-4
        """
        orders = [sheet.order for sheet in sheets if sheet.state is SheetState.WAITING]
        keys = [(order.bin, order.number, order.date) for order in orders]
        waits = dict.fromkeys(orders, Wait(PAYMENT_MISSING))
        for item in await self._work_list.of_orders(keys, DECIDABLE) if keys else ():
            waits[order_of(item)] = Wait(item.reason, str(item.facts.get("detail", "")), item.amount)
        return [replace(one, wait=waits[one.order]) if one.state is SheetState.WAITING else one for one in sheets]

    # What people decide

    async def allocate(
        self, item_id: WorkItemId, named: Sequence[Named], *, actor: str, reason: str, manner: Manner = Manner.PEOPLE
    ) -> WorkItem:
        """Credit a company's payment as an accountant says: invoices, numbers or accounts, each with its sum.

        Raises:
            WorkItemUnknownError, WorkItemDecidedError, WorkItemNotCompanyError
            SumsDifferError: they do not add up to the payment.
            PayeesRefusedError

        Contract: PSC-3.2.4-4
        """
        item = await self._work_list.company_item(item_id, DECIDABLE)
        total = Tiyn(sum(line.amount for line in named))
        if total != item.amount:
            raise SumsDifferError(total=Money(total), amount=Money(item.amount))
        payees = await self.payees([line.name for line in named])
        for name, payee in payees.items():
            if isinstance(payee, str):
                raise PayeesRefusedError(named=name[:40], why=payee)
        shown = ", ".join(line.name for line in named[:2])
        return await self._credit(
            item_id, _shares(named, payees), manner, named=shown, actor=actor, reason=reason, sheet=None
        )

    async def accept(
        self, proposals: Proposals, item_id: WorkItemId, mark: str, *, actor: str, reason: str
    ) -> WorkItem:
        """Credit a company's payment as the operator proposes; `mark` names the proposal that was seen.

        Raises:
            WorkItemUnknownError, WorkItemDecidedError, WorkItemNotCompanyError, NothingToProposeError
            ProposalChangedError: debts are others by now.

        Contract: PSC-3.2.4-4
        """
        item = await self._work_list.company_item(item_id, DECIDABLE)
        shares = await proposals.accepted(item, mark)
        named = f"proposal {mark}"
        return await self._credit(
            item_id, shares, Manner.OLDEST_DEBT, named=named, actor=actor, reason=reason, sheet=None
        )

    async def _credit(
        self,
        item_id: WorkItemId,
        shares: tuple[Share, ...],
        manner: Manner,
        *,
        named: str,
        actor: str,
        reason: str,
        sheet: Sheet | None,
    ) -> WorkItem:
        """Credit an item's money in one transaction with its sheet's end and the record of why it went so."""

        async def within(connection: Connection, payment: Payment) -> None:
            now = self._clock.now()
            if sheet is not None:
                used = await connection.fetchval(Q.use_sheet, sheet.sheet_id, payment.payment_id, now, actor)
                if used is None:
                    raise SheetEndedError(sheet_id=sheet.sheet_id, state="not waiting")
            sheet_id = None if sheet is None else sheet.sheet_id
            await store.insert_allocation(connection, payment.payment_id, item_id, manner, reason, sheet_id, now, actor)

        return await self._work_list.allocate_shares(item_id, shares, named, actor=actor, reason=reason, within=within)

    # Whose what is named is

    async def payees(self, names: Collection[str]) -> dict[str, Payee | str]:
        """Say for each invoice, number or account whose it is, or in a word why nothing can be credited to it."""
        invoices = await self._invoicing.by_numbers([name for name in names if INVOICE.fullmatch(name)])
        paid = {str(invoice.account) for invoice in invoices.values() if invoice.open_amount == 0}
        others = {name for name in names if not INVOICE.fullmatch(name)} | paid
        resolved = await self._payments.resolve_many(others)

        def one(name: str) -> Payee | str:
            invoice = invoices.get(name)
            if invoice is None:
                found = resolved.get(name, Standing.UNKNOWN)
                return Payee(found) if isinstance(found, Target) else found.value
            if invoice.open_amount == 0:
                account = resolved[str(invoice.account)]
                return Payee(account) if isinstance(account, Target) else "paid"
            return Payee(Target(invoice.subscriber_id, invoice.msisdn, invoice.account), invoice.invoice_id)

        return {name: one(name) for name in names}


def order_of(item: WorkItem) -> Order:
    """Name the payment order of a bank document's item."""
    return Order(
        str(item.facts.get("payer_id", "")),
        item.external_id,
        date.fromisoformat(str(item.facts["document_date"])),
    )


def _shares(named: Sequence[Named], payees: dict[str, Payee | str]) -> tuple[Share, ...]:
    shares = []
    for line in named:
        payee = payees[line.name]
        assert isinstance(payee, Payee)
        shares.append(Share(payee.target, line.amount, line.name, payee.invoice_id))
    return tuple(shares)
