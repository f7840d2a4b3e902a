"""Bodies of the charging API, as the network's elements send them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from telco.catalog.model import Access, Direction, Service
from telco.charging.model import Grant, Result
from telco.kernel.money import json_money
from telco.web.fields import MsisdnText

SessionId = Annotated[
    str, Field(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$", examples=["pgw1;1700000000;42"])
]
Quantity = Annotated[int, Field(ge=0, le=1 << 50, description="In the service's unit: seconds, bytes or messages.")]
Network = Annotated[str, Field(pattern=r"^[0-9]{5,6}$", description="MCC and MNC (ITU-T E.212).", examples=["25001"])]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class UsageIn(_Body):
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


class ReportIn(_Body):
    """What was used since the last report of a session."""

    seq: Annotated[int, Field(ge=1, le=2**31 - 1, description="Counts the session's reports from 1.")]
    used: Quantity
    requested: Quantity | None = None


class LocationIn(_Body):
    """A network that a subscriber registered in."""

    msisdn: MsisdnText
    network: Network


class GrantOut(_Body):
    """The answer: a result, how much may be used, and what was taken."""

    result: Result
    granted: Quantity
    validity_s: int = Field(description="Report at the latest after so many seconds.")
    cost: str = Field(description="Tenge taken by this request.", examples=["22.00"])
    label: str = Field(description="What it was rated as.", examples=["voice.on_net"])
    replayed: bool = Field(description="The request had been answered before.")

    @classmethod
    def of(cls, grant: Grant) -> GrantOut:
        return cls(
            result=grant.result,
            granted=grant.granted,
            validity_s=grant.validity_s,
            cost=json_money(grant.cost),
            label=grant.label,
            replayed=grant.replayed,
        )


class LocationOut(_Body):
    """Whether the subscriber has just arrived in a partner's country."""

    arrived: bool
