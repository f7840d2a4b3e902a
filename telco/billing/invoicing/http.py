"""The staff's API of invoices and credit limits."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from telco.billing.errors import RequestReusedError
from telco.billing.invoicing import errors as e
from telco.billing.invoicing.limits import CreditLimits
from telco.billing.invoicing.model import InvoiceId, LimitRequestId, LimitState
from telco.billing.invoicing.schemas import (
    BillingRunOut,
    GrantIn,
    InvoiceDetailsOut,
    InvoiceLineOut,
    InvoiceOut,
    InvoicesOut,
    LimitIn,
    LimitRequestOut,
    LimitRequestsOut,
    RefuseIn,
)
from telco.billing.invoicing.service import Invoicing
from telco.subscribers.errors import SubscriberUnknownError
from telco.subscribers.model import Channel, Origin
from telco.subscribers.service import Subscribers
from telco.web.api import Api, ApiRequest
from telco.web.fields import Id, MsisdnText
from telco.web.staff import Role

_READERS = {Role.CLERK, Role.CASHIER, Role.ACCOUNTANT, Role.SUPERVISOR, Role.AUDITOR}
_INVOICES, _LIMITS = ["Invoices"], ["Credit limits"]
RUN_LIMIT = 20_000
"""Periods that one request closes, so that it is answered; the job does the rest."""

Before = Annotated[int, Field(ge=0, le=2**62)]
Limit = Annotated[int, Field(ge=1, le=500)]
Number = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z]{2}-[0-9]{4}-[0-9]{7,10}$"), Field(examples=["KC-2026-0000001"])
]


def routes(api: Api, invoicing: Invoicing, limits: CreditLimits, subscribers: Subscribers) -> None:
    """Declare the routes of invoices and credit limits."""
    _invoice_routes(api, invoicing, subscribers)
    _limit_routes(api, limits, subscribers)


def _invoice_routes(api: Api, invoicing: Invoicing, subscribers: Subscribers) -> None:
    async def of_number(_: ApiRequest, msisdn: MsisdnText, before: Before = 0, limit: Limit = 50) -> InvoicesOut:
        """Of the personal account that the number uses or, while nobody uses it, of the one that it used last."""
        use = await subscribers.latest_use(msisdn)
        invoices = await invoicing.of_account(use.account, limit, InvoiceId(before) if before else None)
        return InvoicesOut.of(await invoicing.due(use.account), invoices)

    async def read(_: ApiRequest, invoice_id: Id) -> InvoiceDetailsOut:
        return await _details(InvoiceId(invoice_id))

    async def by_number(_: ApiRequest, number: Number) -> InvoiceDetailsOut:
        """By the number that is printed on it."""
        found = await invoicing.by_number(number)
        if found is None:
            raise e.InvoiceUnknownError(invoice=number)
        return await _details(found.invoice_id)

    async def _details(invoice_id: InvoiceId) -> InvoiceDetailsOut:
        invoice = await invoicing.invoice(invoice_id)
        lines = await invoicing.lines(invoice_id)
        return InvoiceDetailsOut(invoice=InvoiceOut.of(invoice), lines=[InvoiceLineOut.of(line) for line in lines])

    async def run(_: ApiRequest) -> BillingRunOut:
        """Closes the accounting periods that are over, a bounded number of them. It issues nothing before its time."""
        return BillingRunOut.of(await invoicing.run(RUN_LIMIT))

    readers = {"roles": _READERS, "tags": _INVOICES, "audit": True}
    api.get(
        "/v1/subscribers/{msisdn}/invoices",
        response=InvoicesOut,
        errors=[SubscriberUnknownError],
        summary="A subscriber's invoices and what is owed",
        **readers,
    )(of_number)
    api.get(
        "/v1/invoices/{invoice_id}",
        response=InvoiceDetailsOut,
        errors=[e.InvoiceUnknownError],
        summary="An invoice",
        **readers,
    )(read)
    api.get(
        "/v1/invoice-numbers/{number}",
        response=InvoiceDetailsOut,
        errors=[e.InvoiceUnknownError],
        summary="An invoice by its number",
        **readers,
    )(by_number)
    api.post(
        "/v1/invoices/runs",
        response=BillingRunOut,
        roles={Role.ACCOUNTANT, Role.SUPERVISOR},
        tags=_INVOICES,
        audit=True,
        idempotent=True,
        summary="Issue the invoices that are due",
    )(run)


def _limit_routes(api: Api, limits: CreditLimits, subscribers: Subscribers) -> None:
    async def ask(request: ApiRequest, body: LimitIn) -> LimitRequestOut:
        """For the subscriber; a limit that is not higher than the present one is in force at once."""
        subscriber = await subscribers.get(body.msisdn)
        origin = Origin(request.actor.actor, Channel.OFFICE, "application")
        return LimitRequestOut.of(await limits.ask(subscriber, body.limit, origin, request.operation_id))

    async def listed(_: ApiRequest, state: LimitState, after: Before = 0, limit: Limit = 100) -> LimitRequestsOut:
        found = await limits.in_state(state, after, limit)
        return LimitRequestsOut(requests=[LimitRequestOut.of(asked) for asked in found])

    async def grant(request: ApiRequest, limit_request_id: Id, body: GrantIn) -> LimitRequestOut:
        """By another person than the one who asked."""
        asked = LimitRequestId(limit_request_id)
        return LimitRequestOut.of(
            await limits.grant(asked, actor=request.actor.actor, reason=body.reason, limit=body.limit)
        )

    async def refuse(request: ApiRequest, limit_request_id: Id, body: RefuseIn) -> LimitRequestOut:
        asked = LimitRequestId(limit_request_id)
        return LimitRequestOut.of(await limits.refuse(asked, actor=request.actor.actor, reason=body.reason))

    decided = [e.LimitUnknownError, e.LimitDecidedError, e.LimitSamePersonError]
    api.post(
        "/v1/credit-limit-requests",
        body=LimitIn,
        response=LimitRequestOut,
        roles={Role.CLERK, Role.SUPERVISOR},
        tags=_LIMITS,
        audit=True,
        idempotent=True,
        errors=[SubscriberUnknownError, e.NotCreditError, e.LimitCeilingError, e.LimitOpenError, RequestReusedError],
        summary="Ask for a credit limit",
    )(ask)
    api.get(
        "/v1/credit-limit-requests",
        response=LimitRequestsOut,
        roles=_READERS,
        tags=_LIMITS,
        audit=True,
        summary="Requests for credit limits",
    )(listed)
    api.post(
        "/v1/credit-limit-requests/{limit_request_id}/grant",
        body=GrantIn,
        response=LimitRequestOut,
        roles={Role.SUPERVISOR},
        tags=_LIMITS,
        audit=True,
        idempotent=True,
        errors=[*decided, e.LimitCeilingError],
        summary="Grant a credit limit",
    )(grant)
    api.post(
        "/v1/credit-limit-requests/{limit_request_id}/refuse",
        body=RefuseIn,
        response=LimitRequestOut,
        roles={Role.SUPERVISOR},
        tags=_LIMITS,
        audit=True,
        idempotent=True,
        errors=decided,
        summary="Refuse a credit limit",
    )(refuse)
