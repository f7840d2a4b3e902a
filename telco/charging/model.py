"""What the network asks the charging service, and what it is answered."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from telco.catalog.model import Access, Direction, Service
from telco.kernel.money import Tiyn
from telco.kernel.msisdn import Msisdn


class Result(StrEnum):
    """How a charging request ended, in order of precedence."""

    UNKNOWN_SUBSCRIBER = "unknown_subscriber"
    UNKNOWN_SESSION = "unknown_session"
    CLOSED_SESSION = "closed_session"
    STALE_REQUEST = "stale_request"
    UNKNOWN_DESTINATION = "unknown_destination"
    UNKNOWN_SERVICE = "unknown_service"
    NO_ROAMING_AGREEMENT = "no_roaming_agreement"
    BARRED = "barred"
    NOT_IN_PLAN = "not_in_plan"
    ROAMING_THRESHOLD = "roaming_threshold"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    GRANTED = "granted"
    FINAL = "final"
    """Granted, and it is all that is left: when it is used up the service ends."""


GIVEN = frozenset({Result.GRANTED, Result.FINAL})


@dataclass(frozen=True, slots=True)
class UsageRequest:
    """Usage that is about to begin. `other` is the other party as dialled; `visited` the serving network abroad.

    `requested` is in the service's unit (seconds, bytes, messages); None or 0 asks for the default portion.
    """

    request_id: str
    """The session's or the event's id, chosen by the network: the same again is answered as before."""
    msisdn: Msisdn
    service: Service
    direction: Direction = Direction.OUT
    other: str = ""
    visited: str | None = None
    access: Access = Access.LTE
    rating_group: int = 0
    offer: str = ""
    requested: int | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """The answer: how much may be used until the next request, and what was taken."""

    result: Result
    granted: int = 0
    validity_s: int = 0
    """Report at the latest after this many seconds."""
    cost: Tiyn = Tiyn(0)
    """Money taken by this request."""
    speed_kbps: int | None = None
    """The soft limit of fair use, once the plan's threshold is used up; None for full speed."""
    label: str = ""
    replayed: bool = False

    @property
    def given(self) -> bool:
        return self.result in GIVEN
