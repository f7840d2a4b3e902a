"""A small shop on the HTTP plumbing: the features of the tests of telco.web, with money that is really kept."""

from __future__ import annotations

import asyncio
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from telco.db.pool import Connection, Database
from telco.kernel.errors import DomainError
from telco.kernel.money import Money, Tiyn
from telco.web.api import PUBLIC, Answer, Api, ApiRequest
from telco.web.fields import ApiModel, Code, Id, IinText, Moment, MoneyOut, MsisdnText, PositiveMoney, text
from telco.web.staff import Role

TABLE = """
create table shop_top_up (operation_id text primary key, msisdn text not null, tiyn bigint not null, note text)
"""


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class TopUp(ApiModel):
    """Money for a number."""

    msisdn: MsisdnText
    """Whose account."""
    amount: PositiveMoney
    """How much."""
    iin: IinText | None = None
    """Who pays."""
    at: Moment | None = None
    """When it was paid."""
    note: Annotated[str, text(40)] | None = None
    """Anything."""
    tags: Annotated[tuple[Code, ...], Field(max_length=3)] = ()
    copies: Annotated[int, Field(ge=1, le=9)] = 1
    """Of the printed receipt."""


class Receipt(ApiModel):
    """What was credited."""

    msisdn: str
    amount: MoneyOut
    """How much was credited."""
    balance: MoneyOut


class TooPoorError(DomainError):
    """{msisdn} has {available}, which is less than {wanted}."""

    code = "sample_too_poor"
    status = 409
    msisdn: str
    available: Money
    wanted: Money


class Shop:
    """Commands that are idempotent by operation id, as every feature's are."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.gate: asyncio.Event | None = None
        self.entered = asyncio.Event()
        self.failures: list[Exception] = []

    async def _balance(self, conn: Connection, msisdn: str) -> Tiyn:
        return Tiyn(
            await conn.fetchval("select coalesce(sum(tiyn), 0)::bigint from shop_top_up where msisdn = $1", msisdn)
        )

    async def top_up(self, request: ApiRequest, body: TopUp) -> Receipt:
        """Credit a number."""
        self.entered.set()
        if self.gate is not None:
            await self.gate.wait()

        async def credit(conn: Connection) -> Receipt:
            await conn.execute(
                "insert into shop_top_up values ($1, $2, $3, $4) on conflict do nothing",
                request.operation_id,
                body.msisdn,
                body.amount,
                body.note,
            )
            return Receipt(msisdn=body.msisdn, amount=body.amount, balance=await self._balance(conn, body.msisdn))

        receipt = await self.db.transact("shop.top_up", credit)
        if self.failures:
            raise self.failures.pop()
        return receipt

    async def withdraw(self, request: ApiRequest, body: TopUp) -> Receipt:
        """Take money out, if there is enough."""

        async def take(conn: Connection) -> Receipt:
            balance = await self._balance(conn, body.msisdn)
            if balance < body.amount:
                raise TooPoorError(msisdn=body.msisdn, available=Money(balance), wanted=Money(body.amount))
            await conn.execute(
                "insert into shop_top_up values ($1, $2, $3) on conflict do nothing",
                request.operation_id,
                body.msisdn,
                -body.amount,
            )
            return Receipt(msisdn=body.msisdn, amount=body.amount, balance=await self._balance(conn, body.msisdn))

        return await self.db.transact("shop.withdraw", take)

    async def read(
        self,
        request: ApiRequest,
        msisdn: MsisdnText,
        limit: Annotated[int, Field(ge=1, le=100, description="At most so many")] = 10,
        colour: Colour | None = None,
        since: datetime | None = None,
        code: list[Code] | None = None,
    ) -> Receipt:
        """Tell what a number has.

        The second paragraph says more.
        """
        async with self.db.acquire() as conn:
            return Receipt(msisdn=msisdn, amount=Tiyn(limit), balance=await self._balance(conn, msisdn))


def make_api(shop: Shop) -> Api:
    api = Api("Sample", "1.0", "A shop for tests.")
    paid = {"body": TopUp, "response": Receipt, "idempotent": True, "tags": ["Money"]}
    api.post("/v1/top-ups", roles={Role.CASHIER}, status=201, summary="Top up", **paid)(shop.top_up)
    api.post("/v1/withdrawals", roles={Role.ACCOUNTANT}, summary="Withdraw", errors=[TooPoorError], **paid)(
        shop.withdraw
    )
    api.get(
        "/v1/accounts/{msisdn}",
        response=Receipt,
        roles={Role.CLERK, Role.AUDITOR},
        audit=True,
        summary="An account",
        tags=["Accounts"],
    )(shop.read)

    async def forget(request: ApiRequest, entry: Id) -> None:
        """Do nothing."""

    async def broken(request: ApiRequest) -> None:
        raise ZeroDivisionError(f"secret of 77011234567 for {request.actor.name}")

    async def greet(request: ApiRequest) -> Answer:
        return Answer({"hello": request.language.value}, headers={"X-Greeting": "yes"})

    async def recolour(request: ApiRequest, msisdn: MsisdnText, body: dict[Code, Colour]) -> dict[str, Colour]:
        """Give back what was sent."""
        return dict(body)

    api.delete("/v1/entries/{entry}", roles={Role.CLERK}, summary="Forget", tags=["Accounts"])(forget)
    api.get("/v1/broken", roles={Role.CLERK}, summary="Break", tags=["Accounts"])(broken)
    api.get("/v1/greeting", roles=PUBLIC, response=dict[str, str], summary="Greet", tags=["Accounts"])(greet)
    api.put(
        "/v1/accounts/{msisdn}/colours",
        roles={Role.CLERK},
        body=dict[Code, Colour],
        response=dict[str, Colour],
        summary="Recolour",
        tags=["Accounts"],
    )(recolour)
    return api
