"""The staff's API of collection."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from telco.billing.collection import errors as e
from telco.billing.collection.schemas import (
    DebtDetailsOut,
    DebtsOut,
    DecisionIn,
    HandoverDaysOut,
    LadderOut,
    ListOut,
    ObjectionIn,
    ObjectionOut,
    ObjectionsOut,
    StepCode,
    StepIn,
    StepOut,
    TermIn,
    TermName,
)
from telco.billing.collection.service import Collection
from telco.billing.errors import RequestReusedError
from telco.billing.invoicing.errors import CreditTooHighError, InvoiceUnknownError
from telco.billing.invoicing.model import InvoiceId
from telco.subscribers.errors import SubscriberUnknownError
from telco.subscribers.service import Subscribers
from telco.web.api import Api, ApiRequest
from telco.web.fields import Day, Id, MsisdnText
from telco.web.staff import Role

_READERS = {Role.CLERK, Role.CASHIER, Role.ACCOUNTANT, Role.SUPERVISOR, Role.AUDITOR}
_BOOKS = {Role.ACCOUNTANT, Role.SUPERVISOR, Role.AUDITOR}
_DEBTS, _LISTS, _STEPS = ["Debts"], ["Collection lists"], ["Dunning steps"]
After = Annotated[int, Field(ge=0, le=2**62)]
Limit = Annotated[int, Field(ge=1, le=500)]


def routes(api: Api, collection: Collection, subscribers: Subscribers) -> None:
    """Declare the routes of collection."""
    _debt_routes(api, collection, subscribers)
    _objection_routes(api, collection)
    _decision_routes(api, collection)
    _list_routes(api, collection)
    _step_routes(api, collection)


def _debt_routes(api: Api, collection: Collection, subscribers: Subscribers) -> None:
    async def of_number(_: ApiRequest, msisdn: MsisdnText, limit: Limit = 50) -> DebtsOut:
        """Of the personal account that the number spends from or, after the end of its contract, spent from; paid ones
        included."""
        use = await subscribers.latest_use(msisdn)
        return DebtsOut.of(await collection.register.of_account(use.account, limit))

    async def read(_: ApiRequest, debt_id: Id) -> DebtDetailsOut:
        """With every step that was taken and that follows, every objection and penalty."""
        return DebtDetailsOut.of(await collection.register.details(debt_id))

    declared = {"roles": _READERS, "tags": _DEBTS, "audit": True}
    api.get(
        "/v1/subscribers/{msisdn}/debts",
        response=DebtsOut,
        errors=[SubscriberUnknownError],
        summary="Debts of a subscriber",
        **declared,
    )(of_number)
    api.get(
        "/v1/collection/debts/{debt_id}",
        response=DebtDetailsOut,
        errors=[e.DebtUnknownError],
        summary="A debt",
        **declared,
    )(read)


def _objection_routes(api: Api, collection: Collection) -> None:
    async def register(request: ApiRequest, debt_id: Id, body: ObjectionIn) -> ObjectionOut:
        """In the term after the notice it keeps the debt from counting as acknowledged."""
        objection = await collection.objections.register(
            debt_id,
            body.body,
            channel=body.channel,
            author=request.actor.actor,
            request_id=request.operation_id,
        )
        return ObjectionOut.of(objection)

    async def register_for_invoice(request: ApiRequest, invoice_id: Id, body: ObjectionIn) -> ObjectionOut:
        """Also before it is due: an unpaid invoice is a debt from then on."""
        objection = await collection.objections.register_for_invoice(
            InvoiceId(invoice_id),
            body.body,
            channel=body.channel,
            author=request.actor.actor,
            request_id=request.operation_id,
        )
        return ObjectionOut.of(objection)

    declared = {
        "roles": {Role.CLERK, Role.ACCOUNTANT, Role.SUPERVISOR},
        "body": ObjectionIn,
        "response": ObjectionOut,
        "status": 201,
        "idempotent": True,
        "tags": _DEBTS,
    }
    refused = [e.DebtClosedError, e.ObjectionOpenError, RequestReusedError]
    api.post(
        "/v1/collection/debts/{debt_id}/objections",
        errors=[e.DebtUnknownError, *refused],
        summary="Register an objection",
        **declared,
    )(register)
    api.post(
        "/v1/invoices/{invoice_id}/objections",
        errors=[InvoiceUnknownError, *refused],
        summary="Register an objection to an invoice",
        **declared,
    )(register_for_invoice)


def _decision_routes(api: Api, collection: Collection) -> None:
    async def waiting(_: ApiRequest, after: After = 0, limit: Limit = 100) -> ObjectionsOut:
        """From beyond the id `after`."""
        found = await collection.objections.waiting(after, limit)
        return ObjectionsOut(objections=[ObjectionOut.of(objection) for objection in found])

    async def decide(request: ApiRequest, objection_id: Id, body: DecisionIn) -> ObjectionOut:
        """Upheld, a credit note lowers the invoice and what was too much of the penalty is given back; refused, the
        notice is given again."""
        decided = await collection.objections.decide(
            objection_id, upheld=body.upheld, actor=request.actor.actor, decision=body.decision, amount=body.amount
        )
        return ObjectionOut.of(decided)

    api.get(
        "/v1/collection/objections",
        roles=_READERS,
        response=ObjectionsOut,
        audit=True,
        summary="Objections that wait",
        tags=_DEBTS,
    )(waiting)
    api.post(
        "/v1/collection/objections/{objection_id}/decision",
        roles={Role.SUPERVISOR},
        body=DecisionIn,
        response=ObjectionOut,
        idempotent=True,
        errors=[e.ObjectionUnknownError, e.ObjectionDecidedError, e.ObjectionAmountError, CreditTooHighError],
        summary="Decide an objection",
        tags=_DEBTS,
    )(decide)


def _list_routes(api: Api, collection: Collection) -> None:
    async def days(_: ApiRequest, since: Day, limit: Limit = 100) -> HandoverDaysOut:
        """The newest first."""
        return HandoverDaysOut.of(await collection.register.handover_days(since, limit))

    async def handover(request: ApiRequest, day: Day, after: After = 0) -> ListOut:
        """The debts that were handed over on a day, with the data that a collector needs and no others."""
        made = await collection.register.handover(day, after, actor=request.actor.actor, ground=request.ground)
        return ListOut.of(made)

    async def withdrawals(request: ApiRequest, day: Day, after: After = 0) -> ListOut:
        """What collectors have to give back of a day: paid, or not owed."""
        made = await collection.register.withdrawals(day, after, actor=request.actor.actor, ground=request.ground)
        return ListOut.of(made)

    async def letters(request: ApiRequest, day: Day, after: After = 0) -> ListOut:
        """Whom neither SMS nor e-mail reaches gets a letter."""
        made = await collection.register.letters(day, after, actor=request.actor.actor, ground=request.ground)
        return ListOut.of(made)

    api.get(
        "/v1/collection/handovers", roles=_BOOKS, response=HandoverDaysOut, summary="Days with a file", tags=_LISTS
    )(days)
    declared = {"roles": _BOOKS, "tags": _LISTS, "audit": True}
    api.get("/v1/collection/handovers/{day}", response=ListOut, summary="A day's file for collectors", **declared)(
        handover
    )
    api.get("/v1/collection/withdrawals/{day}", response=ListOut, summary="What collectors give back", **declared)(
        withdrawals
    )
    api.get("/v1/collection/letters/{day}", response=ListOut, summary="A day's letters", **declared)(letters)


def _step_routes(api: Api, collection: Collection) -> None:
    async def ladder(_: ApiRequest) -> LadderOut:
        """Of each the newest version holds that is not later than the due date."""
        register = collection.register
        return LadderOut.of(await register.steps(), await register.terms_today())

    async def set_step(request: ApiRequest, code: StepCode, body: StepIn) -> StepOut:
        """For debts that are due from a coming day on; debts due earlier keep their steps."""
        version = await collection.register.set_step(
            body.step(code), body.valid_from, enabled=body.enabled, actor=request.actor.actor
        )
        return StepOut.of(version)

    async def set_term(request: ApiRequest, name: TermName, body: TermIn) -> None:
        """For debts that are due from a coming day on."""
        await collection.register.set_term(name, body.valid_from, body.value, actor=request.actor.actor)

    api.get("/v1/collection/steps", roles=_READERS, response=LadderOut, summary="Dunning steps", tags=_STEPS)(ladder)
    api.put(
        "/v1/collection/steps/{code}",
        roles={Role.ADMIN},
        body=StepIn,
        response=StepOut,
        errors=[e.StepError],
        summary="Set a dunning step",
        tags=_STEPS,
    )(set_step)
    api.put(
        "/v1/collection/figures/{name}",
        roles={Role.ADMIN},
        body=TermIn,
        errors=[e.CollectionTermError, e.CollectionValueError, e.SmsWindowError],
        summary="Set a figure of collection",
        tags=_STEPS,
    )(set_term)
