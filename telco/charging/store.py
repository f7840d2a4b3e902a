"""SQL of charging's own tables; takes a connection, never commits."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from telco.catalog.bonus import WITHOUT_BONUS
from telco.catalog.model import Access, Direction, FairUse, Portion, Service
from telco.catalog.rates import Rate
from telco.charging.model import UsageRequest
from telco.db import queries
from telco.db.pool import Connection, Database, Record
from telco.kernel.ids import AccountId, AccountRef
from telco.kernel.money import Tiyn
from telco.kernel.msisdn import Msisdn
from telco.kernel.units import Unit

_Q = queries.load("telco.charging")


class SessionState(StrEnum):
    OPEN = "open"
    SILENT = "silent"
    """Nothing was heard of it for long; its next report is counted all the same."""
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Session:
    """A session as it was last reported; `used_before` is what `last_seq` found."""

    session_id: str
    request_sha256: bytes
    account: AccountRef
    request: UsageRequest
    rate: Rate
    fair_use: FairUse | None
    last_seq: int
    used_before: int
    used: int
    state: SessionState


async def insert_session(connection: Connection, session: Session, now: datetime) -> bool:
    """Begin a session; False when there is one of this id already."""
    account, request = session.account, session.request
    row = await connection.fetchval(
        _Q.insert_session,
        session.session_id,
        session.request_sha256,
        request.msisdn,
        account.shard,
        account.account_id,
        _request_fields(request),
        _rate_fields(session.rate),
        asdict(session.fair_use) if session.fair_use is not None else None,
        now,
    )
    return row is not None


async def find_session(database: Database, session_id: str) -> Session | None:
    row = await database.fetchrow(_Q.find_session, session_id)
    return _session(row) if row is not None else None


async def count_usage(
    database: Database, session_id: str, seq: int, used: int, now: datetime, state: SessionState
) -> None:
    await database.fetch(_Q.count_usage, session_id, seq, used, now, state)


async def note_silent(database: Database, since: datetime, limit: int) -> int:
    return len(await database.fetch(_Q.note_silent, since, limit))


async def delete_ended(connection: Connection, before: datetime, limit: int) -> int:
    status: str = await connection.execute(_Q.delete_ended, before, limit)
    return int(status.rsplit(" ", 1)[-1])


async def enter_network(
    connection: Connection, msisdn: Msisdn, network: str, country: str | None, now: datetime
) -> bool:
    """Note where a subscriber was seen; True when the country is another than before."""
    return await connection.fetchrow(_Q.enter_network, msisdn, network, country, now) is not None


def _session(row: Record) -> Session:
    return Session(
        session_id=row["session_id"],
        request_sha256=row["request_sha256"],
        account=AccountRef(row["shard"], AccountId(row["account_id"])),
        request=_request(row["request"]),
        rate=_rate(row["rate"]),
        fair_use=FairUse(**row["fair_use"]) if row["fair_use"] is not None else None,
        last_seq=row["last_seq"],
        used_before=row["used_before"],
        used=row["used"],
        state=SessionState(row["state"]),
    )


def _request_fields(request: UsageRequest) -> dict[str, Any]:
    return {
        "request_id": request.request_id,
        "msisdn": request.msisdn,
        "service": request.service.value,
        "direction": request.direction.value,
        "other": request.other,
        "visited": request.visited,
        "access": int(request.access),
        "rating_group": request.rating_group,
        "offer": request.offer,
        "requested": request.requested,
    }


def _request(fields: dict[str, Any]) -> UsageRequest:
    return UsageRequest(
        **{
            **fields,
            "msisdn": Msisdn(fields["msisdn"]),
            "service": Service(fields["service"]),
            "direction": Direction(fields["direction"]),
            "access": Access(fields["access"]),
        }
    )


def _rate_fields(rate: Rate) -> dict[str, Any]:
    """Write the rate that a session began with: its price holds to its end, whatever the catalogue does meanwhile."""
    return {
        "service": rate.service.value,
        "unit": int(rate.unit),
        "zone": rate.zone,
        "label": rate.label,
        "revenue": rate.revenue,
        "allowances": list(rate.allowances),
        "rating_unit": rate.rating_unit,
        "price_micro": rate.price_micro,
        "minimum": rate.minimum,
        "connection": rate.connection,
        "money": list(rate.money),
        "free": rate.free,
        "roaming": rate.roaming,
        "controlled": rate.controlled,
        "portions": {
            str(int(access)): [portion.quantity, portion.least, portion.validity_s]
            for access, portion in rate.portions.items()
        },
    }


def _rate(fields: dict[str, Any]) -> Rate:
    return Rate(
        **{
            **fields,
            "service": Service(fields["service"]),
            "unit": Unit(fields["unit"]),
            "allowances": tuple(fields["allowances"]),
            "connection": Tiyn(fields["connection"]),
            "money": tuple(fields.get("money", WITHOUT_BONUS)),  # a session that began before bonuses had rules
            "portions": {Access(int(access)): Portion(*sizes) for access, sizes in fields["portions"].items()},
        }
    )
