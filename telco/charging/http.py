"""The charging API over HTTP, for network elements (and the lab) that do not speak Diameter."""

from __future__ import annotations

from telco.charging.errors import ReportReusedError, SessionReusedError, UsageMomentError, UsageQuantityError
from telco.charging.model import UsageRequest
from telco.charging.schemas import EventIn, GrantOut, LocationIn, LocationOut, ReportIn, SessionId, UsageIn
from telco.charging.service import Charging
from telco.web.api import Api, ApiRequest
from telco.web.staff import Role

_NETWORK = {Role.NETWORK}
_TAGS = ["Charging"]


def _usage(body: UsageIn) -> UsageRequest:
    return UsageRequest(**{name: getattr(body, name) for name in UsageIn.model_fields})


def routes(api: Api, charging: Charging) -> None:
    """Declare the charging routes. Requests repeat safely: by session and sequence number, by subscriber and event."""

    async def start(_: ApiRequest, body: UsageIn) -> GrantOut:
        """A request without units gets the default portion. `final` grants all that is left."""
        return GrantOut.model_validate(await charging.start(_usage(body)))

    async def update(_: ApiRequest, session_id: SessionId, body: ReportIn) -> GrantOut:
        """A refusal ends nothing: after a top-up the next report is granted again."""
        return GrantOut.model_validate(await charging.update(session_id, body.seq, body.used, body.requested))

    async def release(_: ApiRequest, session_id: SessionId, body: ReportIn) -> GrantOut:
        """Counts the last usage and returns the rest of the reservation."""
        return GrantOut.model_validate(await charging.stop(session_id, body.seq, body.used))

    async def event(_: ApiRequest, body: EventIn) -> GrantOut:
        """`requested` is how much was used; 1 by default. A repeated `request_id` of a subscriber is charged once.

        With `used_at` it has happened: whoever had the number then is charged, whatever he has left.
        """
        return GrantOut.model_validate(await charging.event(_usage(body), body.used_at))

    async def location(_: ApiRequest, body: LocationIn) -> LocationOut:
        """An arrival in a partner's country sends the roaming warning by SMS, once."""
        return LocationOut(arrived=await charging.entered_network(body.msisdn, body.network))

    errors = [UsageQuantityError, SessionReusedError, ReportReusedError]
    declared = {"roles": _NETWORK, "tags": _TAGS, "audit": False, "errors": errors}
    api.post("/charging/v1/sessions", body=UsageIn, response=GrantOut, summary="Begin a session", **declared)(start)
    api.post(
        "/charging/v1/sessions/{session_id}/update",
        body=ReportIn,
        response=GrantOut,
        summary="Count usage and reserve the next portion",
        **declared,
    )(update)
    api.post(
        "/charging/v1/sessions/{session_id}/release",
        body=ReportIn,
        response=GrantOut,
        summary="End a session",
        **declared,
    )(release)
    api.post(
        "/charging/v1/events",
        body=EventIn,
        response=GrantOut,
        summary="Charge an event",
        **{**declared, "errors": [UsageQuantityError, UsageMomentError, ReportReusedError]},
    )(event)
    api.post(
        "/charging/v1/locations",
        body=LocationIn,
        response=LocationOut,
        summary="A subscriber registered in a network",
        **declared,
    )(location)
