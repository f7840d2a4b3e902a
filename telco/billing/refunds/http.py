"""The staff's API of money back."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from telco.billing.documents.errors import RequisitesMissingError
from telco.billing.errors import RequestReusedError
from telco.billing.payments.errors import BankFileError, ShiftNeededError
from telco.billing.payments.schemas import MAX_FILE_BODY
from telco.billing.refunds import errors as e
from telco.billing.refunds.model import RefundFileId, RefundId, RefundState
from telco.billing.refunds.schemas import (
    BankAnswerIn,
    BankAnswerOut,
    CompensationIn,
    CompensationOut,
    CompensationsOut,
    DecisionIn,
    EndedAccountOut,
    EndedAccountsOut,
    Incident,
    PaidIn,
    RefundFileIn,
    RefundFileOut,
    RefundIn,
    RefundOut,
    RefundsOut,
    ReturnIn,
)
from telco.billing.refunds.ways import WaysOut
from telco.catalog.errors import NoFigureError
from telco.kernel.iban import IbanError
from telco.web.api import Api, ApiRequest
from telco.web.fields import Day, Id
from telco.web.staff import Role

_DESKS = {Role.CLERK, Role.CASHIER, Role.ACCOUNTANT}
_READERS = _DESKS | {Role.SUPERVISOR, Role.AUDITOR}
_BOOKS = {Role.ACCOUNTANT, Role.SUPERVISOR, Role.AUDITOR}
_REFUNDS, _PAYOUTS, _COMPENSATIONS = ["Refunds"], ["Refund payouts"], ["Compensations"]
_STATE = [e.RefundUnknownError, e.RefundStateError]

After = Annotated[int, Field(ge=0, le=2**62)]
Limit = Annotated[int, Field(ge=1, le=500)]


def routes(api: Api, ways: WaysOut) -> None:
    """Declare the routes of refunds and compensations."""
    _application_routes(api, ways)
    _decision_routes(api, ways)
    _payout_routes(api, ways)
    _bank_routes(api, ways)
    _compensation_routes(api, ways)


def _application_routes(api: Api, ways: WaysOut) -> None:
    async def register(request: ApiRequest, body: RefundIn) -> RefundOut:
        """With its time and who brought it; another person approves."""
        return RefundOut.of(await ways.refunds.register(body.to_new(request.actor.actor, request.operation_id)))

    async def listed(
        _: ApiRequest, state: RefundState = RefundState.APPLIED, after: After = 0, limit: Limit = 100
    ) -> RefundsOut:
        """The oldest first; the next page begins after the last id."""
        found = await ways.refunds.in_state(state, after, limit)
        return RefundsOut(refunds=[RefundOut.of(refund) for refund in found])

    async def due(_: ApiRequest, by: Day, limit: Limit = 100) -> RefundsOut:
        """The most urgent first, of every state before payment."""
        return RefundsOut(refunds=[RefundOut.of(refund) for refund in await ways.refunds.due(by, limit)])

    async def read(_: ApiRequest, refund_id: Id) -> RefundOut:
        return RefundOut.of(await ways.refunds.get(RefundId(refund_id)))

    async def left(_: ApiRequest, limit: Limit = 100) -> EndedAccountsOut:
        """Their former subscribers may apply for it."""
        found = await ways.closing.left(limit=limit)
        return EndedAccountsOut(accounts=[EndedAccountOut.of(account) for account in found])

    api.post(
        "/v1/refunds",
        roles=_DESKS,
        body=RefundIn,
        response=RefundOut,
        status=201,
        idempotent=True,
        errors=[
            e.RefundNotWrittenError,
            e.RefundPayeeError,
            IbanError,
            e.NamedMalformedError,
            RequestReusedError,
            e.ApplicantMismatchError,
            e.RefundOpenError,
            e.RefundNothingError,
        ],
        summary="Register an application for money back",
        tags=_REFUNDS,
    )(register)
    readers = {"roles": _READERS, "tags": _REFUNDS, "audit": True}
    api.get("/v1/refunds", response=RefundsOut, summary="Refunds by state", **readers)(listed)
    api.get("/v1/refund-deadlines", response=RefundsOut, summary="What has to be paid by a day", **readers)(due)
    api.get(
        "/v1/refunds/{refund_id}", response=RefundOut, errors=[e.RefundUnknownError], summary="A refund", **readers
    )(read)
    api.get(
        "/v1/ended-accounts",
        roles=_BOOKS,
        response=EndedAccountsOut,
        summary="Ended personal accounts with money on them",
        tags=_REFUNDS,
        audit=True,
    )(left)


def _decision_routes(api: Api, ways: WaysOut) -> None:
    async def approve(request: ApiRequest, refund_id: Id, body: DecisionIn) -> RefundOut:
        """By another person than who registered it."""
        return RefundOut.of(
            await ways.refunds.approve(RefundId(refund_id), actor=request.actor.actor, decision=body.decision)
        )

    async def refuse(request: ApiRequest, refund_id: Id, body: DecisionIn) -> RefundOut:
        """A new application may follow."""
        return RefundOut.of(
            await ways.refunds.refuse(RefundId(refund_id), actor=request.actor.actor, decision=body.decision)
        )

    for handler, summary in ((approve, "Approve a refund"), (refuse, "Refuse a refund")):
        api.post(
            f"/v1/refunds/{{refund_id}}/{handler.__name__}",
            roles={Role.SUPERVISOR},
            body=DecisionIn,
            response=RefundOut,
            errors=[*_STATE, e.RefundSamePersonError],
            summary=summary,
            tags=_REFUNDS,
        )(handler)


def _payout_routes(api: Api, ways: WaysOut) -> None:
    async def order(request: ApiRequest, refund_id: Id) -> RefundOut:
        """Takes what is left from the personal account now; otherwise it is done when its day has come."""
        return RefundOut.of(await ways.payouts.order(RefundId(refund_id), actor=request.actor.actor))

    async def paid(request: ApiRequest, refund_id: Id, body: PaidIn) -> RefundOut:
        """What a statement says in paper; statements in files are taken whole."""
        return RefundOut.of(
            await ways.payouts.confirm(
                RefundId(refund_id), paid_on=body.paid_on, document=body.document, actor=request.actor.actor
            )
        )

    async def give_back(request: ApiRequest, refund_id: Id, body: ReturnIn) -> RefundOut:
        """The bank returned it, or nobody fetched it: the money is on the personal account again."""
        return RefundOut.of(
            await ways.payouts.give_back(RefundId(refund_id), reason=body.reason, actor=request.actor.actor)
        )

    async def pay_out(request: ApiRequest, refund_id: Id) -> RefundOut:
        """From the drawer of the caller's open shift; the answer has the voucher's number."""
        return RefundOut.of(await ways.payouts.pay_out(RefundId(refund_id), cashier=request.actor.actor))

    books = {"roles": {Role.ACCOUNTANT}, "response": RefundOut, "idempotent": True, "tags": _PAYOUTS}
    api.post(
        "/v1/refunds/{refund_id}/order",
        errors=[*_STATE, e.RefundTooEarlyError, e.LedgerRefusedError],
        summary="Order a refund",
        **books,
    )(order)
    api.post(
        "/v1/refunds/{refund_id}/paid",
        body=PaidIn,
        errors=[*_STATE, e.RefundWayError, e.PaidOnError],
        summary="Note that the bank paid a refund",
        **books,
    )(paid)
    api.post(
        "/v1/refunds/{refund_id}/return",
        body=ReturnIn,
        errors=_STATE,
        summary="Put a refund back on its personal account",
        **books,
    )(give_back)
    api.post(
        "/v1/refunds/{refund_id}/pay-out",
        roles={Role.CASHIER},
        response=RefundOut,
        idempotent=True,
        errors=[*_STATE, e.RefundWayError, ShiftNeededError],
        summary="Give a refund out in cash",
        tags=_PAYOUTS,
    )(pay_out)


def _bank_routes(api: Api, ways: WaysOut) -> None:
    async def make(request: ApiRequest, body: RefundFileIn) -> RefundFileOut:
        """Every order that waits, each in one file only."""
        file = await ways.bank.make_file(body.iban, actor=request.actor.actor, request_id=request.operation_id)
        return RefundFileOut.of(file)

    async def read(_: ApiRequest, file_id: Id) -> RefundFileOut:
        """As it was given to the bank, to be sent again."""
        return RefundFileOut.of(await ways.bank.file(RefundFileId(file_id)))

    async def answer(request: ApiRequest, body: BankAnswerIn) -> BankAnswerOut:
        """What the bank debited is paid, what came back is returned; the same file again changes nothing."""
        taken = await ways.bank.take_answer(body.content, body.file_name, actor=request.actor.actor)
        return BankAnswerOut.of(taken)

    api.post(
        "/v1/refund-files",
        roles={Role.ACCOUNTANT},
        body=RefundFileIn,
        response=RefundFileOut,
        status=201,
        idempotent=True,
        errors=[e.PayerAccountError, e.NoOrdersError, RequisitesMissingError],
        summary="Make a file of payment orders for the bank",
        tags=_PAYOUTS,
        operation="refund_payouts_make_file",
    )(make)
    api.get(
        "/v1/refund-files/{file_id}",
        roles=_BOOKS,
        response=RefundFileOut,
        errors=[e.RefundFileUnknownError],
        summary="A file of payment orders",
        tags=_PAYOUTS,
        audit=True,
        operation="refund_payouts_read_file",
    )(read)
    api.post(
        "/v1/refund-answers",
        roles={Role.ACCOUNTANT},
        body=BankAnswerIn,
        response=BankAnswerOut,
        max_body_bytes=MAX_FILE_BODY,
        errors=[BankFileError, e.PayerAccountError],
        summary="Take a bank's statement",
        tags=_PAYOUTS,
    )(answer)


def _compensation_routes(api: Api, ways: WaysOut) -> None:
    async def grant(request: ApiRequest, body: CompensationIn) -> CompensationOut:
        """Credits the personal account at once; the limit is that of the incident's day."""
        compensation = await ways.compensations.grant(
            body.account_ref,
            incident=body.incident,
            happened_on=body.happened_on,
            loss=body.loss,
            amount=body.amount,
            ground=body.ground,
            evidence=body.evidence,
            actor=request.actor.actor,
            request_id=request.operation_id,
        )
        return CompensationOut.of(compensation)

    async def listed(_: ApiRequest, incident: Incident | None = None, limit: Limit = 100) -> CompensationsOut:
        """The newest first; of an incident, or all."""
        found = await ways.compensations.listed(incident, limit)
        return CompensationsOut(compensations=[CompensationOut.of(compensation) for compensation in found])

    api.post(
        "/v1/compensations",
        roles={Role.SUPERVISOR},
        body=CompensationIn,
        response=CompensationOut,
        status=201,
        idempotent=True,
        errors=[
            RequestReusedError,
            e.ApplicantMismatchError,
            e.IncidentDayError,
            NoFigureError,
            e.CompensationLimitError,
        ],
        summary="Grant a compensation",
        tags=_COMPENSATIONS,
    )(grant)
    api.get(
        "/v1/compensations",
        roles=_BOOKS,
        response=CompensationsOut,
        summary="Compensations",
        tags=_COMPENSATIONS,
        audit=True,
    )(listed)
