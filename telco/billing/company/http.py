"""The staff's API of company payments."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from pydantic import Field

from telco.billing.company import errors as e
from telco.billing.company.model import Named, Order, Sheet, SheetId
from telco.billing.company.purpose import normal_reference
from telco.billing.company.schemas import (
    MAX_FILE_BODY,
    AcceptIn,
    AllocatedOut,
    BinText,
    ContactChangeIn,
    ContactIn,
    ContactKeyOut,
    ContactOut,
    FindingOut,
    Login,
    MoneyAuditOut,
    ProposalOut,
    SharesIn,
    SheetIn,
    SheetOut,
    SheetsOut,
    WithdrawIn,
)
from telco.billing.company.service import DECIDABLE
from telco.billing.company.together import Companies
from telco.billing.errors import TopUpRefusedError
from telco.billing.payments import errors as p
from telco.billing.payments.model import WorkItem, WorkItemId
from telco.kernel.i18n import Translator
from telco.kernel.iin_bin import IinBinError
from telco.web.api import Api, ApiRequest
from telco.web.fields import Id
from telco.web.staff import Role

_BOOKS = {Role.ACCOUNTANT, Role.SUPERVISOR, Role.AUDITOR}
_TAGS = ["Company payments"]
_ITEM = [p.WorkItemUnknownError, p.WorkItemDecidedError, p.WorkItemNotCompanyError]

Before = Annotated[int, Field(ge=1, le=2**62)]
Limit = Annotated[int, Field(ge=1, le=500)]


def routes(api: Api, companies: Companies, translator: Translator) -> None:
    """Declare the routes of company payments."""
    _sheet_routes(api, companies, translator)
    _contact_routes(api, companies)
    _item_routes(api, companies)


def _sheet_routes(api: Api, companies: Companies, translator: Translator) -> None:
    def told(request: ApiRequest, sheet: Sheet) -> SheetOut:
        return SheetOut.of(sheet, partial(translator.render, language=request.language))

    async def take(request: ApiRequest, body: SheetIn) -> SheetOut:
        """The payment is allocated by it at once if it is there, else when it comes. The same file changes nothing."""
        order = Order(body.bin, body.order_number, body.order_date)
        sheet = await companies.sheets.take(body.content, body.file_name, body.kind, order, actor=request.actor.actor)
        return told(request, sheet)

    async def read(request: ApiRequest, sheet_id: Id) -> SheetOut:
        """While it waits, with the reason and what to do."""
        return told(request, await companies.sheets.get(SheetId(sheet_id)))

    async def of_company(
        request: ApiRequest,
        bin: BinText,  # noqa: A002  (the contract's own word)
        before: Before | None = None,
        limit: Limit = 100,
    ) -> SheetsOut:
        """The newest first; the next page begins before the last id."""
        found = await companies.sheets.of_company(bin, before, limit)
        return SheetsOut(sheets=[told(request, sheet) for sheet in found])

    async def withdraw(request: ApiRequest, sheet_id: Id, body: WithdrawIn) -> SheetOut:
        """One that no payment has used; another one may then come for the order."""
        withdrawn = await companies.sheets.withdraw(SheetId(sheet_id), actor=request.actor.actor, reason=body.reason)
        return told(request, withdrawn)

    api.post(
        "/v1/company-sheets",
        roles={Role.CLERK, Role.ACCOUNTANT},
        body=SheetIn,
        response=SheetOut,
        max_body_bytes=MAX_FILE_BODY,
        errors=[e.SheetFileError, e.SheetExistsError, e.SheetEndedError, IinBinError],
        summary="Take a register or covering letter",
        tags=_TAGS,
    )(take)
    api.get("/v1/company-sheets", roles=_BOOKS, response=SheetsOut, summary="Registers and letters", tags=_TAGS)(
        of_company
    )
    api.get(
        "/v1/company-sheets/{sheet_id}",
        roles={Role.CLERK, *_BOOKS},
        response=SheetOut,
        errors=[e.SheetUnknownError],
        summary="A register or letter",
        tags=_TAGS,
    )(read)
    api.post(
        "/v1/company-sheets/{sheet_id}/withdraw",
        roles={Role.ACCOUNTANT},
        body=WithdrawIn,
        response=SheetOut,
        errors=[e.SheetUnknownError, e.SheetEndedError],
        summary="Withdraw a register or letter",
        tags=_TAGS,
    )(withdraw)


def _contact_routes(api: Api, companies: Companies) -> None:
    async def add_contact(request: ApiRequest, body: ContactIn) -> ContactKeyOut:
        """The answer has the key: shown this once, kept only as a keyed hash."""
        contact, key = await companies.sheets.add_contact(body.bin, body.login, body.name, actor=request.actor.actor)
        return ContactKeyOut(login=contact.login, key=key)

    async def change_contact(request: ApiRequest, login: Login, body: ContactChangeIn) -> ContactOut:
        """It holds from the contact's next request."""
        contact = await companies.sheets.set_contact(login, enabled=body.enabled, actor=request.actor.actor)
        return ContactOut.model_validate(contact)

    api.post(
        "/v1/company-contacts",
        roles={Role.ACCOUNTANT, Role.SUPERVISOR},
        body=ContactIn,
        response=ContactKeyOut,
        status=201,
        errors=[e.ContactExistsError, IinBinError],
        summary="Let a company's contact send registers",
        tags=_TAGS,
    )(add_contact)
    api.put(
        "/v1/company-contacts/{login}",
        roles={Role.ACCOUNTANT, Role.SUPERVISOR},
        body=ContactChangeIn,
        response=ContactOut,
        errors=[e.ContactUnknownError],
        summary="Shut a contact out, or let it in again",
        tags=_TAGS,
    )(change_contact)


def _item_routes(api: Api, companies: Companies) -> None:
    async def proposal(_: ApiRequest, item_id: Id) -> ProposalOut:
        """Worked out now, over every personal account of all the company's contracts."""
        item = await companies.work_list.company_item(WorkItemId(item_id), DECIDABLE)
        return ProposalOut.of(await companies.proposals.of(item))

    async def accept(request: ApiRequest, item_id: Id, body: AcceptIn) -> AllocatedOut:
        """Exactly the proposal that was seen; when debts changed since, nothing is done."""
        item = await companies.payments.accept(
            companies.proposals, WorkItemId(item_id), body.mark, actor=request.actor.actor, reason=body.reason
        )
        return _allocated(item)

    async def allocate(request: ApiRequest, item_id: Id, body: SharesIn) -> AllocatedOut:
        """Invoices, numbers or personal accounts, each with its sum."""
        named = [Named(normal_reference(share.payee) or share.payee, share.amount) for share in body.shares]
        item = await companies.payments.allocate(
            WorkItemId(item_id), named, actor=request.actor.actor, reason=body.reason
        )
        return _allocated(item)

    async def money(_: ApiRequest) -> MoneyAuditOut:
        """All money of the bank is allocated, on the work list, or closed by somebody: the sums prove it."""
        totals, findings = await companies.money_in()
        return MoneyAuditOut(**totals._asdict(), findings=[FindingOut(**found._asdict()) for found in findings])

    api.get("/v1/bank-money", roles=_BOOKS, response=MoneyAuditOut, summary="Where the bank's money is", tags=_TAGS)(
        money
    )
    moves = [*_ITEM, p.PaymentReusedError, TopUpRefusedError]
    api.get(
        "/v1/company-payments/{item_id}/proposal",
        roles=_BOOKS,
        audit=True,
        response=ProposalOut,
        errors=[*_ITEM, e.NothingToProposeError],
        summary="The proposal for a company's payment",
        tags=_TAGS,
    )(proposal)
    api.post(
        "/v1/company-payments/{item_id}/accept",
        roles={Role.ACCOUNTANT},
        body=AcceptIn,
        response=AllocatedOut,
        idempotent=True,
        errors=[*moves, e.NothingToProposeError, e.ProposalChangedError],
        summary="Accept the proposal",
        tags=_TAGS,
    )(accept)
    api.post(
        "/v1/company-payments/{item_id}/allocate",
        roles={Role.ACCOUNTANT},
        body=SharesIn,
        response=AllocatedOut,
        idempotent=True,
        errors=[*moves, e.SumsDifferError, e.PayeesRefusedError],
        summary="Allocate a company's payment",
        tags=_TAGS,
    )(allocate)


def _allocated(item: WorkItem) -> AllocatedOut:
    assert item.payment_id is not None
    return AllocatedOut(item_id=item.item_id, payment_id=item.payment_id)
