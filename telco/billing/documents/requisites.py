"""The operator's requisites: data, each set in force from a day on, printed as they were on the day of issue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from pydantic import TypeAdapter

from telco.billing.documents.errors import RequisitesDayError, RequisitesMissingError
from telco.billing.documents.model import Seller
from telco.billing.documents.store import Q
from telco.db import audit
from telco.db.pool import Connection, Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock
from telco.kernel.iban import parse_iban

_SELLER = TypeAdapter(Seller)


@dataclass(frozen=True, slots=True)
class DatedRequisites:
    """Requisites, and since when they hold."""

    valid_from: date
    seller: Seller
    set_at: datetime
    set_by: str


class Requisites:
    """Use cases of the operator's requisites."""

    def __init__(self, database: Database, clock: Clock, calendar: Calendar) -> None:
        self._database = database
        self._clock = clock
        self._calendar = calendar

    async def set(self, seller: Seller, valid_from: date, *, actor: str, ground: str = "") -> None:
        """Put requisites in force from today or a later day; the very first may begin earlier.

        Raises:
            RequisitesDayError: a past day, and there are requisites already.
            IbanError: the account at the bank is not one.
        """
        parse_iban(seller.bank.iban)

        async def body(connection: Connection) -> None:
            now = self._clock.now()
            known = await connection.fetchrow(Q.requisites_on, date.max)
            if known is not None and valid_from < self._calendar.today(now):
                raise RequisitesDayError(day=valid_from)
            fields = _SELLER.dump_python(seller, mode="json")
            await connection.execute(Q.set_requisites, valid_from, fields, now, actor)
            await audit.record(
                connection,
                at=now,
                actor=actor,
                action="documents.set_requisites",
                subject=f"requisites:{valid_from.isoformat()}",
                ground=ground,
                details={"requisites": fields},
            )

        await self._database.transact("documents.set_requisites", body)

    async def on(self, connection: Connection, day: date) -> Seller:
        """Return the requisites of a day.

        Raises:
            RequisitesMissingError
        """
        row = await connection.fetchrow(Q.requisites_on, day)
        if row is None:
            raise RequisitesMissingError(day=day)
        return _SELLER.validate_python(row["requisites"])

    async def all(self) -> list[DatedRequisites]:
        """List every set of requisites, the newest first."""
        return [
            DatedRequisites(row["valid_from"], _SELLER.validate_python(row["requisites"]), row["set_at"], row["set_by"])
            for row in await self._database.fetch(Q.all_requisites)
        ]
