"""Numbers that the database gives to charging terms and to the operator's accounts, and operations as columns.

An operation names its terms and its contra account by number, which keeps its row and the batch small. Numbers never
change, so each process remembers them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any, TypeAlias
from zlib import crc32

import asyncpg

from telco.db import queries
from telco.db.pool import Database
from telco.kernel.money import MICRO
from telco.ledger.errors import InvalidOperationError
from telco.ledger.model import MAIN, MAX_ID, BucketSpec, Charge, Kind, Op

MAX_DETAILS = 2_000
"""Characters of an operation's details as JSON."""

Terms: TypeAlias = "tuple[int, int, int, tuple[str, ...], tuple[str, ...]]"

_EPOCH_US = 1_000_000
_HALF = MICRO // 2
_HALF_OF_HASHES = 2**31
_LAST_PLAIN = int(Kind.RELEASE)
_SEPARATOR = "\x1f"
_dumps = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=str).encode
_Q = queries.load("telco.ledger")


Row: TypeAlias = "tuple[str, str, str | None, str | None, str | None, int]"
"""An operation as `ledger.apply_v1` takes it: its numbers separated by commas, operation, hold, details and extra as
text, and the cost when nothing but the main balance pays."""


class Numbers:
    """What this process knows of the database's numbers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._terms: dict[Terms, int] = {}
        self._operator: dict[str, int] = {}
        self._alone = asyncio.Lock()

    async def learn(self, ops: Sequence[Op]) -> None:
        """Make sure that `encode` knows every number that `ops` need.

        New numbers are committed on a connection of their own: they stay right whatever becomes of the operations. It
        is not one of the pool's, because the caller may hold one already: as many callers as the pool has connections
        would wait for each other for ever.
        """
        for op in ops:
            for code in (op.contra, op.grant_contra):
                if code is not None and code not in self._operator:
                    self._operator[code] = await self._operator_no(code)
            for charge in (op.charge, op.reserve):
                if charge is not None and (key := _terms(charge)) not in self._terms:
                    self._terms[key] = await self._terms_no(key)

    async def _operator_no(self, code: str) -> int:
        if not 0 < len(code) <= MAX_ID or not code.isprintable():
            raise InvalidOperationError(field="contra", why=f"must be 1 to {MAX_ID} printable characters")
        async with self._alone:
            if code in self._operator:
                return self._operator[code]
            connection = await asyncpg.connect(self._database.url)
            try:
                await connection.execute(_Q.register_operator_account, code)
                return int(await connection.fetchval(_Q.find_operator_account, code))
            finally:
                await connection.close()

    async def _terms_no(self, key: Terms) -> int:
        async with self._alone:
            if key in self._terms:
                return self._terms[key]
            connection = await asyncpg.connect(self._database.url)
            try:
                await connection.execute(_Q.register_terms, *key)
                return int(await connection.fetchval(_Q.find_terms, *key))
            finally:
                await connection.close()

    def encode(self, op: Op) -> Row:
        """Return `op` as `ledger.apply_v1` takes it.

        The request is hashed without its moments (a hold's deadline, a grant's validity): callers compute those anew
        for each attempt. The hash tells most different requests apart; the database compares the fields as well.

        Raises:
            KeyError: a number it needs is not known yet; see `learn`.
        """
        (
            (_, account_id),
            op_id,
            kind,
            contra,
            charge,
            reserve,
            hold_id,
            deadline,
            partial,
            forced,
            if_due,
            grants,
            grant_contra,
            target,
            mapping,
        ) = op
        # Only the main balance may be asked to pay for these, so its row is all there is to look at.
        plain = kind <= _LAST_PLAIN and not if_due
        cost = reserve_cost = 0
        terms: object = "NULL"
        quantity: object = "NULL"
        reserve_terms: object = "NULL"
        reserve_quantity: object = "NULL"
        extra: dict[str, object] = {}
        if charge is not None:
            unit, units, allowances, rating_unit, price_micro, money, fixed = charge
            terms, quantity = self._terms[unit + 0, rating_unit, price_micro, allowances, money], units
            cost = (-(-units // rating_unit) * price_micro + _HALF) // MICRO
            plain = plain and MAIN in money
            if fixed:
                extra["fixed"] = fixed
        if reserve is not None:
            unit, units, allowances, rating_unit, price_micro, money, fixed = reserve
            reserve_terms, reserve_quantity = self._terms[unit + 0, rating_unit, price_micro, allowances, money], units
            reserve_cost = (-(-units // rating_unit) * price_micro + _HALF) // MICRO
            plain = plain and MAIN in money
            if fixed:
                extra["reserve_fixed"] = fixed
        if grants:
            extra["grants"] = [_grant(spec) for spec in grants]
        if grant_contra is not None:
            extra["grant_contra"] = self._operator[grant_contra]
        if target is not None:
            extra["target"] = target
        request = (
            f"{kind + 0},{partial | forced << 1 | if_due << 2},{self._operator[contra]},"
            f"{cost if plain and not extra else 'NULL'},{reserve_cost},{terms},{quantity},"
            f"{reserve_terms},{reserve_quantity}"
        )
        digest = crc32(request.encode())
        details = extra_json = None
        if hold_id is not None:
            digest = crc32(hold_id.encode(), digest)
        if mapping:
            details = _details(mapping)
            digest = crc32(details.encode(), digest)
        if extra:
            extra_json = _dumps(extra)
            lasting = extra | {"grants": [(spec.code, spec.unit, spec.amount, spec.origin) for spec in grants]}
            digest = crc32(_dumps(lasting).encode(), digest)
        deadline_us = "NULL" if deadline is None else round(deadline.timestamp() * _EPOCH_US)
        numbers = f"{account_id},{digest - _HALF_OF_HASHES},{deadline_us},{request}"
        return numbers, op_id, hold_id, details, extra_json, cost


def columns(rows: Sequence[Row]) -> list[str | None]:
    """Turn rows into the columns of `ledger.apply_v1`; a column without any value is null as a whole."""
    numbers, ops, *texts, _ = zip(*rows, strict=True)
    return [f"{{{{{'},{'.join(numbers)}}}}}", _SEPARATOR.join(ops), *map(_column, texts)]


def _column(texts: tuple[str | None, ...]) -> str | None:
    return _SEPARATOR.join([text or "" for text in texts]) if any(texts) else None


def _terms(charge: Charge) -> Terms:
    return (charge.unit + 0, charge.rating_unit, charge.price_micro, charge.allowances, charge.money)


def _grant(spec: BucketSpec) -> dict[str, object]:
    return {
        "code": spec.code,
        "unit": int(spec.unit),
        "amount": spec.amount,
        "priority": spec.priority,
        "valid_from": spec.valid_from.isoformat(),
        "valid_until": spec.valid_until and spec.valid_until.isoformat(),
        "origin": spec.origin,
    }


def _details(mapping: Any) -> str:
    details = _dumps(dict(mapping))
    if len(details) > MAX_DETAILS:
        raise InvalidOperationError(field="details", why=f"must be at most {MAX_DETAILS} characters of JSON")
    return details
