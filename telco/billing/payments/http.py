"""The staff's API of payments."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from telco.billing.cards import PaymentCards
from telco.billing.errors import RequestReusedError, TopUpRefusedError
from telco.billing.payments import errors as e
from telco.billing.payments import rules
from telco.billing.payments.model import (
    BankFileId,
    CorrectionId,
    CorrectionState,
    ItemState,
    PaymentId,
    ShiftId,
    WorkItemId,
)
from telco.billing.payments.schemas import (
    MAX_FILE_BODY,
    AllocateIn,
    ApprovalIn,
    BankAccountIn,
    BankFileIn,
    BankFileOut,
    CashPaymentIn,
    CloseItemIn,
    CorrectionIn,
    CorrectionOut,
    CorrectionsOut,
    DeskDaysOut,
    FoundOut,
    OurRegisterOut,
    PartOut,
    PartsOut,
    PaymentDetailsOut,
    PaymentOut,
    ProviderChangeIn,
    ProviderCode,
    ProviderIn,
    ProviderKeyOut,
    ProviderOut,
    ProvidersOut,
    ReconciledOut,
    RefusalIn,
    RegisterIn,
    ShiftCloseIn,
    ShiftIn,
    ShiftOut,
    WorkItemOut,
    WorkItemsOut,
)
from telco.billing.payments.ways import WaysIn
from telco.billing.schemas import CardOut
from telco.kernel.iban import IbanError
from telco.web.api import Api, ApiRequest
from telco.web.fields import Day, Id, text
from telco.web.staff import Role

_READERS = {Role.CLERK, Role.CASHIER, Role.ACCOUNTANT, Role.SUPERVISOR, Role.AUDITOR}
_BOOKS = {Role.ACCOUNTANT, Role.SUPERVISOR, Role.AUDITOR}
_PAYMENTS, _CASH, _BANK = ["Payments"], ["Cash desk"], ["Bank transfers"]
_PROVIDERS, _WORK, _CORRECTIONS = ["Payment providers"], ["Payments work list"], ["Payment corrections"]
_PAYEE = [e.PayeeMalformedError, e.PayeeUnknownError, e.PayeeEndedError, e.PayeePortedError]

AnyId = Annotated[str, text(64, field="id"), Field(examples=["77011234567"])]
Kind = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}$")]
After = Annotated[int, Field(ge=0, le=2**62)]
Limit = Annotated[int, Field(ge=1, le=500)]


def routes(api: Api, ways: WaysIn, cards: PaymentCards) -> None:
    """Declare the routes of payments."""
    _payment_routes(api, ways, cards)
    _cash_routes(api, ways)
    _bank_routes(api, ways)
    _provider_routes(api, ways)
    _register_routes(api, ways)
    _work_routes(api, ways)
    _correction_routes(api, ways)
    _decision_routes(api, ways)


def _payment_routes(api: Api, ways: WaysIn, cards: PaymentCards) -> None:
    async def find(_: ApiRequest, id: AnyId) -> FoundOut:  # noqa: A002  (the query's own word)
        """By our id, the provider's txn_id, a document's, receipt's or payment card's number, a number or account."""
        found = await ways.payments.search(id)
        items = await ways.work_list.search(id)
        card = await cards.find(id) if rules.is_serial(id) else None
        return FoundOut(
            payments=[PaymentOut.of(payment) for payment in found],
            work_items=[WorkItemOut.of(item) for item in items],
            cards=[] if card is None else [CardOut.model_validate(card)],
        )

    async def read(_: ApiRequest, payment_id: Id) -> PaymentDetailsOut:
        """With every correction that was asked for."""
        payment = await ways.payments.get(PaymentId(payment_id))
        corrections = await ways.corrections.of_payment(payment.payment_id)
        return PaymentDetailsOut(
            payment=PaymentOut.of(payment),
            parts=[PartOut.of(part) for part in await ways.payments.parts(payment.payment_id)],
            corrections=[CorrectionOut.of(correction) for correction in corrections],
        )

    async def parts(_: ApiRequest, payment_id: Id, after: After = 0, limit: Limit = 100) -> PartsOut:
        """In their order; the next page begins after the last part's number."""
        found = await ways.payments.parts(PaymentId(payment_id), after, limit)
        return PartsOut(parts=[PartOut.of(part) for part in found])

    declared = {"roles": _READERS, "tags": _PAYMENTS, "audit": True}
    api.get("/v1/payments", response=FoundOut, summary="Find payments by any id", **declared)(find)
    api.get(
        "/v1/payments/{payment_id}",
        response=PaymentDetailsOut,
        errors=[e.PaymentUnknownError],
        summary="A payment",
        **declared,
    )(read)
    api.get(
        "/v1/payments/{payment_id}/parts",
        response=PartsOut,
        errors=[e.PaymentUnknownError],
        summary="The parts of a payment",
        **declared,
    )(parts)


def _cash_routes(api: Api, ways: WaysIn) -> None:
    async def open_shift(request: ApiRequest, body: ShiftIn) -> ShiftOut:
        """A cashier has one open shift; the same desk again is answered with it."""
        return ShiftOut.of(await ways.cash.open_shift(body.desk, cashier=request.actor.actor))

    async def close_shift(request: ApiRequest, shift_id: Id, body: ShiftCloseIn) -> ShiftOut:
        """With what was counted in the drawer; a difference stays on record."""
        return ShiftOut.of(await ways.cash.close_shift(ShiftId(shift_id), body.counted, cashier=request.actor.actor))

    async def shift(_: ApiRequest, shift_id: Id) -> ShiftOut:
        return ShiftOut.of(await ways.cash.shift(ShiftId(shift_id)))

    async def take(request: ApiRequest, body: CashPaymentIn) -> PaymentOut:
        """Into the caller's open shift; the answer has the receipt's number."""
        payment = await ways.cash.take(
            body.payee,
            body.amount,
            cashier=request.actor.actor,
            request_id=request.operation_id,
            payer_name=body.payer_name,
        )
        return PaymentOut.of(payment)

    async def totals(_: ApiRequest, day: Day) -> DeskDaysOut:
        """By desk and cashier, on a day in Kazakhstan."""
        return DeskDaysOut.of(day, await ways.cash.day(day))

    cashiers = {"roles": {Role.CASHIER}, "tags": _CASH}
    readers = {"roles": {Role.CASHIER, *_BOOKS}, "tags": _CASH}
    api.post(
        "/v1/cash-desk/shifts",
        body=ShiftIn,
        response=ShiftOut,
        errors=[e.ShiftOpenError],
        summary="Open a shift",
        **cashiers,
    )(open_shift)
    api.post(
        "/v1/cash-desk/shifts/{shift_id}/close",
        body=ShiftCloseIn,
        response=ShiftOut,
        errors=[e.ShiftUnknownError],
        summary="Close a shift",
        **cashiers,
    )(close_shift)
    api.get(
        "/v1/cash-desk/shifts/{shift_id}",
        response=ShiftOut,
        errors=[e.ShiftUnknownError],
        summary="A shift and its totals",
        **readers,
    )(shift)
    api.get("/v1/cash-desk/days/{day}", response=DeskDaysOut, summary="What desks took on a day", **readers)(totals)
    api.post(
        "/v1/cash-desk/payments",
        body=CashPaymentIn,
        response=PaymentOut,
        status=201,
        idempotent=True,
        errors=[e.ShiftNeededError, e.PaymentLimitError, e.PaymentReusedError, TopUpRefusedError, *_PAYEE],
        summary="Take cash",
        **cashiers,
    )(take)


def _bank_routes(api: Api, ways: WaysIn) -> None:
    async def add_account(_: ApiRequest, body: BankAccountIn) -> None:
        """Files of other accounts are refused."""
        await ways.transfers.add_account(body.iban, body.name)

    async def take(request: ApiRequest, body: BankFileIn) -> BankFileOut:
        """The same file again, and the same document in another file, change nothing."""
        taken = await ways.transfers.take(body.content, body.file_name, actor=request.actor.actor)
        return BankFileOut.model_validate(taken)

    async def read(_: ApiRequest, file_id: Id) -> BankFileOut:
        return BankFileOut.model_validate(await ways.transfers.file(BankFileId(file_id)))

    api.post(
        "/v1/bank-accounts",
        roles={Role.ADMIN},
        body=BankAccountIn,
        errors=[IbanError],
        summary="Add an account of the operator at a bank",
        tags=_BANK,
    )(add_account)
    api.post(
        "/v1/bank-files",
        roles={Role.ACCOUNTANT},
        body=BankFileIn,
        response=BankFileOut,
        max_body_bytes=MAX_FILE_BODY,
        errors=[e.BankFileError, e.BankAccountUnknownError],
        summary="Take a bank file",
        tags=_BANK,
    )(take)
    api.get(
        "/v1/bank-files/{file_id}",
        roles=_BOOKS,
        response=BankFileOut,
        errors=[e.BankFileUnknownError],
        summary="A bank file",
        tags=_BANK,
    )(read)


def _provider_routes(api: Api, ways: WaysIn) -> None:
    async def add(request: ApiRequest, body: ProviderIn) -> ProviderKeyOut:
        """The answer has its key: shown this once, kept only as a keyed hash."""
        provider, key = await ways.providers.add(
            body.code, body.name, least=body.least, most=body.most, actor=request.actor.actor
        )
        return ProviderKeyOut(code=provider.code, key=key)

    async def change(request: ApiRequest, code: ProviderCode, body: ProviderChangeIn) -> ProviderOut:
        """They hold from the provider's next request."""
        provider = await ways.providers.change(
            code, least=body.least, most=body.most, enabled=body.enabled, actor=request.actor.actor
        )
        return ProviderOut.of(provider)

    async def new_key(request: ApiRequest, code: ProviderCode) -> ProviderKeyOut:
        """The old key ends at once."""
        return ProviderKeyOut(code=code, key=await ways.providers.new_key(code, actor=request.actor.actor))

    async def providers(_: ApiRequest) -> ProvidersOut:
        return ProvidersOut(providers=[ProviderOut.of(provider) for provider in await ways.providers.all()])

    admins = {"roles": {Role.ADMIN}, "tags": _PROVIDERS}
    api.post(
        "/v1/payment-providers",
        body=ProviderIn,
        response=ProviderKeyOut,
        status=201,
        errors=[e.ProviderExistsError, e.ProviderTermsError],
        summary="Let a payment provider in",
        **admins,
    )(add)
    api.put(
        "/v1/payment-providers/{code}",
        body=ProviderChangeIn,
        response=ProviderOut,
        errors=[e.ProviderUnknownError, e.ProviderTermsError],
        summary="Change a provider's limits",
        **admins,
    )(change)
    api.post(
        "/v1/payment-providers/{code}/key",
        response=ProviderKeyOut,
        errors=[e.ProviderUnknownError],
        summary="Give a provider a new key",
        **admins,
    )(new_key)
    api.get("/v1/payment-providers", roles=_BOOKS, response=ProvidersOut, summary="Payment providers", tags=_PROVIDERS)(
        providers
    )


def _register_routes(api: Api, ways: WaysIn) -> None:
    async def take(request: ApiRequest, code: ProviderCode, day: Day, body: RegisterIn) -> ReconciledOut:
        """Every difference goes to the work list, once; a corrected register closes what it no longer has."""
        provider = await ways.providers.get(code)
        return ReconciledOut.of(await ways.registers.take(provider.code, day, body.content, actor=request.actor.actor))

    async def ours(_: ApiRequest, code: ProviderCode, day: Day) -> OurRegisterOut:
        """As CSV: what we credited of the provider's payments of a day."""
        provider = await ways.providers.get(code)
        return OurRegisterOut(provider=code, day=day, csv=await ways.registers.ours(provider.code, day))

    api.post(
        "/v1/payment-providers/{code}/registers/{day}",
        roles={Role.ACCOUNTANT},
        body=RegisterIn,
        response=ReconciledOut,
        max_body_bytes=MAX_FILE_BODY,
        errors=[e.ProviderUnknownError, e.RegisterFileError, e.RegisterDayError],
        summary="Compare a provider's register with ours",
        tags=_PROVIDERS,
        operation="payment_providers_take_register",
    )(take)
    api.get(
        "/v1/payment-providers/{code}/registers/{day}",
        roles=_BOOKS,
        audit=True,
        response=OurRegisterOut,
        errors=[e.ProviderUnknownError],
        summary="Our register of a provider's day",
        tags=_PROVIDERS,
        operation="payment_providers_our_register",
    )(ours)


def _work_routes(api: Api, ways: WaysIn) -> None:
    async def items(
        _: ApiRequest,
        state: ItemState = ItemState.OPEN,
        kind: Kind | None = None,
        after: After = 0,
        limit: Limit = 100,
    ) -> WorkItemsOut:
        """The oldest first; the next page begins after the last id."""
        found = await ways.work_list.items(state, kind, after, limit)
        return WorkItemsOut(items=[WorkItemOut.of(item) for item in found])

    async def allocate(request: ApiRequest, item_id: Id, body: AllocateIn) -> WorkItemOut:
        """Credit an item's money to a number or personal account."""
        item = await ways.work_list.allocate(
            WorkItemId(item_id), body.payee, actor=request.actor.actor, reason=body.reason
        )
        return WorkItemOut.of(item)

    async def close(request: ApiRequest, item_id: Id, body: CloseItemIn) -> WorkItemOut:
        """Nothing is credited: the money was paid back, or there was none."""
        return WorkItemOut.of(
            await ways.work_list.close(WorkItemId(item_id), actor=request.actor.actor, reason=body.reason)
        )

    decided = [e.WorkItemUnknownError, e.WorkItemDecidedError]
    api.get(
        "/v1/payment-work-items",
        roles=_BOOKS,
        audit=True,
        response=WorkItemsOut,
        summary="What somebody has to decide",
        tags=_WORK,
    )(items)
    api.post(
        "/v1/payment-work-items/{item_id}/allocate",
        roles={Role.ACCOUNTANT},
        body=AllocateIn,
        response=WorkItemOut,
        errors=[*decided, e.WorkItemNoMoneyError, e.PaymentReusedError, TopUpRefusedError, *_PAYEE],
        summary="Credit an item's money",
        tags=_WORK,
    )(allocate)
    api.post(
        "/v1/payment-work-items/{item_id}/close",
        roles={Role.ACCOUNTANT},
        body=CloseItemIn,
        response=WorkItemOut,
        errors=decided,
        summary="Close an item",
        tags=_WORK,
    )(close)


def _correction_routes(api: Api, ways: WaysIn) -> None:
    async def ask(request: ApiRequest, payment_id: Id, body: CorrectionIn) -> CorrectionOut:
        """Nothing happens until another person approves."""
        correction = await ways.corrections.request(
            PaymentId(payment_id),
            body.kind,
            target=body.target,
            reason=body.reason,
            actor=request.actor.actor,
            request_id=request.operation_id,
            part_no=body.part_no,
            amount=body.amount,
        )
        return CorrectionOut.of(correction)

    async def waiting(
        _: ApiRequest, state: CorrectionState = CorrectionState.REQUESTED, after: After = 0, limit: Limit = 100
    ) -> CorrectionsOut:
        """The oldest first; the next page begins after the last id."""
        found = await ways.corrections.in_state(state, after, limit)
        return CorrectionsOut(corrections=[CorrectionOut.of(correction) for correction in found])

    api.post(
        "/v1/payments/{payment_id}/corrections",
        roles={Role.CLERK, Role.CASHIER, Role.ACCOUNTANT},
        body=CorrectionIn,
        response=CorrectionOut,
        status=201,
        idempotent=True,
        errors=[
            e.PaymentUnknownError,
            e.PartUnknownError,
            e.PaymentWrittenOffError,
            e.CorrectionAmountError,
            e.CorrectionOpenError,
            e.CorrectionTargetError,
            RequestReusedError,
            *_PAYEE,
        ],
        summary="Ask for a correction",
        tags=_CORRECTIONS,
    )(ask)
    api.get(
        "/v1/payment-corrections",
        roles=_READERS,
        audit=True,
        response=CorrectionsOut,
        summary="Corrections by state",
        tags=_CORRECTIONS,
    )(waiting)


def _decision_routes(api: Api, ways: WaysIn) -> None:
    async def approve(request: ApiRequest, correction_id: Id, body: ApprovalIn) -> CorrectionOut:
        """By another person than who asked."""
        correction = await ways.corrections.approve(
            CorrectionId(correction_id),
            actor=request.actor.actor,
            decision=body.decision,
            allow_debt=body.allow_debt,
        )
        return CorrectionOut.of(correction)

    async def refuse(request: ApiRequest, correction_id: Id, body: RefusalIn) -> CorrectionOut:
        """The payment stays as it is."""
        return CorrectionOut.of(
            await ways.corrections.refuse(
                CorrectionId(correction_id), actor=request.actor.actor, decision=body.decision
            )
        )

    decided = [e.CorrectionUnknownError, e.CorrectionDecidedError, e.SamePersonError]
    api.post(
        "/v1/payment-corrections/{correction_id}/approve",
        roles={Role.SUPERVISOR},
        body=ApprovalIn,
        response=CorrectionOut,
        errors=[*decided, e.PaymentSpentError, e.CorrectionTargetError, TopUpRefusedError, *_PAYEE],
        summary="Approve a correction",
        tags=_CORRECTIONS,
    )(approve)
    api.post(
        "/v1/payment-corrections/{correction_id}/refuse",
        roles={Role.SUPERVISOR},
        body=RefusalIn,
        response=CorrectionOut,
        errors=decided,
        summary="Refuse a correction",
        tags=_CORRECTIONS,
    )(refuse)
