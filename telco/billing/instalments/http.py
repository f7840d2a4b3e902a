"""The staff's API of device instalments."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from telco.billing.instalments import errors as e
from telco.billing.instalments.bureau import CreditBureaus
from telco.billing.instalments.model import BureauFileId
from telco.billing.instalments.port_out import PortOutCheck
from telco.billing.instalments.schemas import (
    AgreementNumber,
    AgreementOut,
    AgreementsOut,
    BureauContentOut,
    BureauFileOut,
    BureauFilesOut,
    DevicePlanOut,
    DevicePlansOut,
    GroundIn,
    PortOutOut,
    SaleIn,
)
from telco.billing.instalments.service import Instalments
from telco.catalog.errors import UnknownDevicePlanError
from telco.subscribers.errors import IdentityNumberError, SubscriberUnknownError
from telco.subscribers.model import Channel, Origin
from telco.subscribers.service import Subscribers
from telco.web.api import Api, ApiRequest
from telco.web.fields import Id, MsisdnText
from telco.web.staff import Role

_TAGS, _PORTING, _BUREAUS = ["Device instalments"], ["Number portability"], ["Credit bureaus"]
_READERS = {Role.CLERK, Role.CASHIER, Role.ACCOUNTANT, Role.SUPERVISOR, Role.AUDITOR}
_BOOKS = {Role.ACCOUNTANT, Role.SUPERVISOR, Role.AUDITOR}
Owner = Annotated[str, Field(pattern=r"^[0-9]{12}$", examples=["900101300017"])]


def routes(
    api: Api, instalments: Instalments, port_out: PortOutCheck, bureaus: CreditBureaus, subscribers: Subscribers
) -> None:
    """Declare the routes of device instalments."""
    _plan_routes(api, instalments)
    _agreement_routes(api, instalments, subscribers)
    _closing_routes(api, instalments)
    _check_routes(api, port_out)
    _bureau_routes(api, bureaus)


def _origin(request: ApiRequest, ground: str) -> Origin:
    return Origin(request.actor.actor, Channel.OFFICE, ground)


def _plan_routes(api: Api, instalments: Instalments) -> None:
    async def plans(_: ApiRequest) -> DevicePlansOut:
        """What may be chosen for a sale today."""
        return DevicePlansOut(plans=[DevicePlanOut.of(plan) for plan in instalments.plans()])

    api.get("/v1/device-plans", roles=_READERS, response=DevicePlansOut, summary="Terms of sale", tags=_TAGS)(plans)


def _agreement_routes(api: Api, instalments: Instalments, subscribers: Subscribers) -> None:
    async def sign(request: ApiRequest, msisdn: MsisdnText, body: SaleIn) -> AgreementOut:
        """The down payment is taken from the account's main balance; signing gives the consent to exchange credit
        history."""
        subscriber = await subscribers.get(msisdn)
        standing = await instalments.sign(
            subscriber, body.sale(), _origin(request, body.ground), request_id=request.operation_id
        )
        return AgreementOut.of(standing)

    async def listed(_: ApiRequest, msisdn: MsisdnText) -> AgreementsOut:
        """Of who uses the number or, while nobody does, of who used it last."""
        use = await subscribers.latest_use(msisdn)
        found = await instalments.of_subscriber(use.subscriber_id)
        return AgreementsOut(agreements=[AgreementOut.of(standing) for standing in found])

    async def read(_: ApiRequest, number: AgreementNumber) -> AgreementOut:
        return AgreementOut.of(await instalments.get(number))

    reading = {"roles": _READERS, "tags": _TAGS, "audit": True}
    api.get(
        "/v1/subscribers/{msisdn}/device-agreements",
        response=AgreementsOut,
        errors=[SubscriberUnknownError],
        summary="A number's agreements",
        **reading,
    )(listed)
    api.get(
        "/v1/device-agreements/{number}",
        response=AgreementOut,
        errors=[e.AgreementUnknownError],
        summary="An agreement",
        **reading,
    )(read)
    api.post(
        "/v1/subscribers/{msisdn}/device-agreements",
        roles={Role.CLERK, Role.CASHIER, Role.SUPERVISOR},
        body=SaleIn,
        response=AgreementOut,
        status=201,
        idempotent=True,
        errors=[
            SubscriberUnknownError,
            IdentityNumberError,
            e.SaleReusedError,
            UnknownDevicePlanError,
            e.SaleRefusedError,
            e.DeviceSoldError,
            e.InstalmentMoneyError,
        ],
        summary="Sell a device",
        tags=_TAGS,
    )(sign)


def _closing_routes(api: Api, instalments: Instalments) -> None:
    async def repay(request: ApiRequest, number: AgreementNumber, body: GroundIn) -> AgreementOut:
        """The whole rest, from the subscriber's own money: no credit limit pays it."""
        return AgreementOut.of(await instalments.repay(number, _origin(request, body.ground)))

    async def take_back(request: ApiRequest, number: AgreementNumber, body: GroundIn) -> AgreementOut:
        """What was posted goes back to the account, what was to come never does."""
        origin = _origin(request, body.ground)
        return AgreementOut.of(await instalments.take_back(number, origin, reason=body.ground))

    closing = {"body": GroundIn, "response": AgreementOut, "idempotent": True, "tags": _TAGS}
    api.post(
        "/v1/device-agreements/{number}/repayment",
        roles={Role.CLERK, Role.CASHIER, Role.SUPERVISOR},
        errors=[e.AgreementUnknownError, e.AgreementClosedError, e.InstalmentMoneyError],
        summary="Repay early",
        **closing,
    )(repay)
    api.post(
        "/v1/device-agreements/{number}/return",
        roles={Role.SUPERVISOR},
        errors=[e.AgreementUnknownError, e.AgreementClosedError, e.ReturnLateError],
        summary="Take a device back",
        **closing,
    )(take_back)


def _check_routes(api: Api, port_out: PortOutCheck) -> None:
    async def check(_: ApiRequest, msisdn: MsisdnText, owner: Owner | None = None) -> PortOutOut:
        """As the other operator's request would be answered now, with every reason."""
        return PortOutOut.of(await port_out.check(msisdn, owner=owner))

    api.get(
        "/v1/port-out-checks/{msisdn}",
        roles={Role.CLERK, Role.SUPERVISOR, Role.AUDITOR},
        response=PortOutOut,
        summary="May a number leave?",
        tags=_PORTING,
        audit=True,
    )(check)


def _bureau_routes(api: Api, bureaus: CreditBureaus) -> None:
    async def files(_: ApiRequest) -> BureauFilesOut:
        return BureauFilesOut(files=[BureauFileOut.of(file) for file in await bureaus.files()])

    async def content(_: ApiRequest, file_id: Id) -> BureauContentOut:
        return BureauContentOut.of(*await bureaus.content(BureauFileId(file_id)))

    reading = {"roles": _BOOKS, "tags": _BUREAUS, "audit": True}
    api.get("/v1/credit-bureau-files", response=BureauFilesOut, summary="Files made", **reading)(files)
    api.get(
        "/v1/credit-bureau-files/{file_id}",
        response=BureauContentOut,
        errors=[e.BureauFileUnknownError],
        summary="A file",
        **reading,
    )(content)
