"""The staff's API of the bonus programme."""

from __future__ import annotations

from telco.billing.bonus.errors import NoProgrammeError
from telco.billing.bonus.schemas import (
    BonusStatementOut,
    EarnedOperationOut,
    MembershipIn,
    ProgrammeOut,
    ProofOut,
)
from telco.billing.bonus.service import Bonuses
from telco.subscribers.errors import ConsentAbsentError, ConsentGivenError, SubscriberUnknownError
from telco.subscribers.model import Channel, Origin
from telco.subscribers.service import Subscribers
from telco.web.api import Api, ApiRequest
from telco.web.fields import Day, MsisdnText
from telco.web.staff import Role

_TAGS = ["Bonus programme"]
_READERS = {Role.CLERK, Role.CASHIER, Role.ACCOUNTANT, Role.SUPERVISOR, Role.AUDITOR}
_DESK = {Role.CLERK, Role.SUPERVISOR}


def routes(api: Api, bonuses: Bonuses, subscribers: Subscribers) -> None:
    """Declare the routes of the bonus programme."""

    async def programme(_: ApiRequest) -> ProgrammeOut:
        """What is earned by what, what bonuses pay, and the gifts."""
        return ProgrammeOut.of(bonuses.programme())

    async def statement(_: ApiRequest, msisdn: MsisdnText) -> BonusStatementOut:
        """What can be spent and until when, what the latest months earned, and every credit and gift."""
        use = await subscribers.latest_use(msisdn)
        return BonusStatementOut.of(msisdn, await bonuses.statement(use.account))

    async def proof(_: ApiRequest, msisdn: MsisdnText, day: Day) -> ProofOut:
        """Each operation of the day with its rule and its exact share."""
        use = await subscribers.latest_use(msisdn)
        found = await bonuses.proof(use.account, day)
        return ProofOut(msisdn=msisdn, day=day, operations=[EarnedOperationOut.of(one) for one in found])

    async def join(request: ApiRequest, msisdn: MsisdnText, body: MembershipIn) -> BonusStatementOut:
        """From now on; what was before is not earned."""
        subscriber = await subscribers.get(msisdn)
        await bonuses.join(subscriber, Origin(request.actor.actor, Channel.OFFICE, body.ground))
        return BonusStatementOut.of(msisdn, await bonuses.statement(subscriber.account))

    async def leave(request: ApiRequest, msisdn: MsisdnText, body: MembershipIn) -> BonusStatementOut:
        """At once; with the account's last number its bonuses are zeroed."""
        subscriber = await subscribers.get(msisdn)
        await bonuses.leave(subscriber, Origin(request.actor.actor, Channel.OFFICE, body.ground))
        return BonusStatementOut.of(msisdn, await bonuses.statement(subscriber.account))

    api.get(
        "/v1/bonus-programme",
        roles=_READERS,
        response=ProgrammeOut,
        errors=[NoProgrammeError],
        summary="The rules",
        tags=_TAGS,
    )(programme)
    read = {"roles": _READERS, "tags": _TAGS, "audit": True, "errors": [SubscriberUnknownError]}
    api.get("/v1/subscribers/{msisdn}/bonus", response=BonusStatementOut, summary="A statement", **read)(statement)
    api.get("/v1/subscribers/{msisdn}/bonus/days/{day}", response=ProofOut, summary="What a day earned", **read)(proof)
    api.post(
        "/v1/subscribers/{msisdn}/bonus/join",
        roles=_DESK,
        body=MembershipIn,
        response=BonusStatementOut,
        errors=[SubscriberUnknownError, NoProgrammeError, ConsentGivenError],
        summary="Join",
        tags=_TAGS,
    )(join)
    api.post(
        "/v1/subscribers/{msisdn}/bonus/leave",
        roles=_DESK,
        idempotent=True,
        body=MembershipIn,
        response=BonusStatementOut,
        errors=[SubscriberUnknownError, ConsentAbsentError],
        summary="Leave",
        tags=_TAGS,
    )(leave)
