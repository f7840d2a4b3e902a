"""Bodies of the charging API, as the network's elements send them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from telco.catalog.model import Access, Direction, Service
from telco.charging.model import Result
from telco.ledger.model import MAX_QUANTITY
from telco.web.fields import ApiModel, Moment, MoneyOut, MsisdnText

SessionId = Annotated[
    str, Field(min_length=1, max_length=100, pattern=r"^[\x21-\x7e]+$", examples=["pgw1;1700000000;42"])
]
Quantity = Annotated[
    int, Field(ge=0, le=MAX_QUANTITY, description="In the service's unit: seconds, bytes or messages.")
]
Network = Annotated[str, Field(pattern=r"^[0-9]{5,6}$", description="MCC and MNC (ITU-T E.212).", examples=["25001"])]


class UsageIn(ApiModel):
    """Usage that is about to begin, or a single event."""

    request_id: SessionId
    msisdn: MsisdnText
    service: Service
    direction: Direction = Direction.OUT
    other: Annotated[str, Field(max_length=32, pattern=r"^\+?[0-9*#]*$", description="The other party as dialled.")] = (
        ""
    )
    visited: Network | None = Field(default=None, description="The serving network abroad; none at home.")
    access: Access = Access.LTE
    rating_group: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    offer: Annotated[str, Field(max_length=64, description="Code of a content service.")] = ""
    requested: Quantity | None = Field(default=None, description="None or 0 asks for the default portion.")


class EventIn(UsageIn):
    """A single event, or usage that has happened."""

    used_at: Moment | None = Field(
        default=None, description="When it was used, for usage that is reported later. None: now."
    )


class ReportIn(ApiModel):
    """What was used since the last report of a session."""

    seq: Annotated[int, Field(ge=1, le=2**31 - 1, description="Counts the session's reports from 1.")]
    used: Quantity
    requested: Quantity | None = None


class LocationIn(ApiModel):
    """A network that a subscriber registered in."""

    msisdn: MsisdnText
    network: Network


class GrantOut(ApiModel):
    """The answer: a result, how much may be used, and what was taken."""

    result: Result
    granted: Quantity
    validity_s: int
    """Report at the latest after so many seconds."""
    cost: MoneyOut
    """Tenge taken by this request."""
    label: Annotated[str, Field(examples=["voice.on_net"])]
    """What it was rated as."""
    speed_kbps: int | None
    """The soft limit of fair use, until the plan's next period; none for full speed."""
    replayed: bool
    """The request had been answered before."""


class LocationOut(ApiModel):
    """Whether the subscriber has just arrived in a partner's country."""

    arrived: bool
