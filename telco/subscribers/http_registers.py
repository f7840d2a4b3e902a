"""The staff's API of the registers behind subscribers: the number pool, the SIM stock, editions, applications."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from telco.subscribers import errors as e
from telco.subscribers import schemas as s
from telco.subscribers import schemas_card as c
from telco.subscribers.http_common import CLERKS, READERS, origin
from telco.subscribers.model import ApplicationId, Origin
from telco.subscribers.service import Subscribers
from telco.web.api import Api, ApiRequest
from telco.web.fields import Code, Id, MsisdnText, text
from telco.web.staff import Role

Category = Annotated[str, text(32, field="category")]
Ending = Annotated[str, Field(pattern=r"^\d{0,10}$")]
Holder = Annotated[str, text(64, field="holder")]
Limit = Annotated[int, Field(ge=1, le=100)]

_STOCK = {Role.SUPERVISOR}


def register_routes(api: Api, subscribers: Subscribers) -> None:
    """Declare the routes of the registers."""
    _numbers(api, subscribers)
    _reservations(api, subscribers)
    _sims(api, subscribers)
    _editions(api, subscribers)
    _applications(api, subscribers)


def _numbers(api: Api, subscribers: Subscribers) -> None:
    async def free(
        _: ApiRequest, category: Category = "ordinary", ending: Ending = "", limit: Limit = 20
    ) -> list[s.PoolNumberOut]:
        """`ending` are the last digits wished for."""
        found = await subscribers.numbers.free(category, ending=ending, limit=limit)
        return [s.PoolNumberOut.model_validate(number) for number in found]

    async def read(_: ApiRequest, msisdn: MsisdnText) -> s.NumberStandingOut:
        """Whether it can be given out, and until when it is kept for somebody or rests after a contract (PSC-2.11)."""
        return s.NumberStandingOut.model_validate(await subscribers.numbers.get(msisdn))

    async def add(request: ApiRequest, body: s.NumbersIn) -> s.AddedOut:
        """Known numbers stay as they are."""
        ground = origin(request, "numbers received")
        return s.AddedOut(added=await subscribers.numbers.add(body.msisdns, body.category, ground))

    async def price(request: ApiRequest, category: Category, body: s.CategoryPriceIn) -> None:
        """Holds for numbers given from now on."""
        await subscribers.numbers.set_price(category, body.price, origin(request, "decision of the operator"))

    tags = ["Numbers"]
    api.put(
        "/v1/number-categories/{category}/price",
        roles={Role.ADMIN},
        body=s.CategoryPriceIn,
        audit=False,
        summary="Set the price of a category",
        tags=tags,
    )(price)
    api.get(
        "/v1/numbers",
        roles=CLERKS,
        response=list[s.PoolNumberOut],
        summary="Free numbers of a category",
        tags=tags,
    )(free)
    api.get(
        "/v1/numbers/{msisdn}",
        roles=READERS,
        response=s.NumberStandingOut,
        errors=[e.NumberNotOursError],
        summary="Where a number stands",
        tags=tags,
    )(read)
    api.post(
        "/v1/numbers",
        roles=_STOCK,
        body=s.NumbersIn,
        response=s.AddedOut,
        audit=False,
        errors=[e.NumberCategoryError],
        summary="Put numbers into the pool",
        tags=tags,
    )(add)


def _reservations(api: Api, subscribers: Subscribers) -> None:
    async def reserve(request: ApiRequest, msisdn: MsisdnText, body: s.ReservationIn) -> s.ReservationOut:
        """The same holder again prolongs the reservation."""
        ground = origin(request, f"for {body.holder}")
        return s.ReservationOut(reserved_until=await subscribers.numbers.reserve(msisdn, body.holder, ground))

    async def unreserve(request: ApiRequest, msisdn: MsisdnText, holder: Holder) -> None:
        await subscribers.numbers.unreserve(msisdn, holder, origin(request, f"for {holder}"))

    tags = ["Numbers"]
    api.put(
        "/v1/numbers/{msisdn}/reservation",
        roles=CLERKS,
        body=s.ReservationIn,
        response=s.ReservationOut,
        audit=False,
        errors=[e.NumberNotFreeError, e.NumberReservationsError],
        summary="Keep a number for somebody",
        tags=tags,
    )(reserve)
    api.delete(
        "/v1/numbers/{msisdn}/reservation",
        roles=CLERKS,
        audit=False,
        errors=[e.NumberNotFreeError],
        summary="Give a reservation up",
        tags=tags,
    )(unreserve)


def _sims(api: Api, subscribers: Subscribers) -> None:
    async def add(request: ApiRequest, body: s.SimIn) -> s.SimAddedOut:
        """With `pack_msisdn` it is a starter pack: its number waits for this card alone."""
        sim_id = await subscribers.sims.add(
            body.iccid, body.imsi, body.kind, origin(request, "cards received"), body.pack_msisdn
        )
        return s.SimAddedOut(sim_id=sim_id)

    api.post(
        "/v1/sims",
        roles=_STOCK,
        body=s.SimIn,
        response=s.SimAddedOut,
        status=201,
        audit=False,
        errors=[e.IdentityNumberError, e.SimKnownError, e.NumberNotFreeError],
        summary="Put a card into stock",
        tags=["SIMs"],
    )(add)


def _editions(api: Api, subscribers: Subscribers) -> None:
    async def publish(request: ApiRequest, body: s.EditionIn) -> s.EditionOut:
        """Can be refused in writing for 30 calendar days; silence accepts it (PSC-2.4)."""
        edition = await subscribers.contracts.publish_edition(
            body.edition, body.url, bytes.fromhex(body.sha256), origin(request, "decision of the operator")
        )
        return s.EditionOut.model_validate(edition)

    async def terms(_: ApiRequest) -> s.TermsOut:
        """Of each name the first is in force today; those after it are of coming days."""
        return s.TermsOut(terms=[s.TermOut.model_validate(term) for term in await subscribers.contracts.terms()])

    async def set_term(request: ApiRequest, name: Code, body: s.TermIn) -> None:
        """A limit or a number of days, from a day on; what is past is never changed."""
        ground = origin(request, "decision of the operator")
        await subscribers.contracts.set_term(name, body.valid_from, body.value, ground)

    api.get("/v1/terms", roles=READERS, response=s.TermsOut, summary="Figures of the contract", tags=["Contract"])(
        terms
    )
    api.put(
        "/v1/terms/{name}",
        roles={Role.ADMIN},
        body=s.TermIn,
        audit=False,
        errors=[e.TermError],
        summary="Set a figure of the contract",
        tags=["Contract"],
    )(set_term)
    api.post(
        "/v1/editions",
        roles={Role.ADMIN},
        body=s.EditionIn,
        response=s.EditionOut,
        status=201,
        audit=False,
        errors=[e.EditionError],
        summary="Publish an edition of the contract",
        tags=["Contract"],
    )(publish)


def _applications(api: Api, subscribers: Subscribers) -> None:
    async def register(request: ApiRequest, body: s.ApplicationIn) -> s.ApplicationIdOut:
        """Registered with time and channel; somebody decides it later (PSC-1.1.7)."""
        ground = origin(request, "application received")
        application_id = await subscribers.register_application(
            body.applicant, body.kind, body.text, Origin(ground.author, body.channel, ground.ground)
        )
        return s.ApplicationIdOut(application_id=application_id)

    async def waiting(_: ApiRequest, limit: Limit = 50) -> list[c.ApplicationOut]:
        """The oldest first."""
        found = await subscribers.applications.waiting(limit)
        return [c.ApplicationOut.model_validate(application) for application in found]

    async def decide(request: ApiRequest, application_id: Id, body: s.DecisionIn) -> c.ApplicationOut:
        """Once."""
        decided = await subscribers.applications.decide(
            ApplicationId(application_id),
            origin(request, "decision"),
            granted=body.granted,
            outcome=body.outcome,
        )
        return c.ApplicationOut.model_validate(decided)

    tags = ["Applications"]
    api.post(
        "/v1/applications",
        roles=CLERKS,
        body=s.ApplicationIn,
        response=s.ApplicationIdOut,
        status=201,
        summary="Register an application",
        tags=tags,
    )(register)
    api.get(
        "/v1/applications",
        roles=CLERKS,
        response=list[c.ApplicationOut],
        audit=True,
        summary="Applications that wait for a decision",
        tags=tags,
    )(waiting)
    api.post(
        "/v1/applications/{application_id}/decision",
        roles=CLERKS,
        body=s.DecisionIn,
        response=c.ApplicationOut,
        audit=False,
        errors=[e.ApplicationUnknownError],
        summary="Decide an application",
        tags=tags,
    )(decide)
