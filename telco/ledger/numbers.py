"""Numbers that the database gives to charging terms and to the operator's accounts, and operations as columns.

An operation names its terms and its contra account by number, which keeps its row and the batch small. Numbers never
change, so each process remembers them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, TypeAlias

import asyncpg

from telco.db import queries
from telco.db.pool import Database
from telco.kernel.money import MICRO
from telco.ledger.errors import InvalidOperationError
from telco.ledger.model import MAIN, MAX_ID, BucketSpec, Charge, Kind, Op

MAX_DETAILS = 2_000
"""Characters of an operation's details as JSON."""

Terms: TypeAlias = "tuple[int, tuple[str, ...], int, int, tuple[str, ...]]"
Row: TypeAlias = "tuple[Any, ...]"

_PLAIN_KINDS = frozenset((Kind.DEBIT, Kind.RESERVE, Kind.USE, Kind.RELEASE))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_HALF = MICRO // 2
_dumps = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=str).encode
_Q = queries.load("telco.ledger")


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
        """Return `op` as its values in the columns of `ledger.apply_v1`.

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
        flags = partial | forced << 1 | if_due << 2
        contra_no = self._operator[contra]
        terms = quantity = fixed = reserve_terms = reserve_quantity = reserve_fixed = None
        plain: int | None = 0
        plain_reserve: int | None = 0
        if charge is not None:
            unit, quantity, allowances, rating_unit, price_micro, money, fixed_tiyn = charge
            terms = self._terms[unit, allowances, rating_unit, price_micro, money]
            plain = fixed_tiyn + (-(-quantity // rating_unit) * price_micro + _HALF) // MICRO
            if fixed_tiyn:
                fixed = fixed_tiyn
            if MAIN not in money:
                plain = None
        if reserve is not None:
            unit, reserve_quantity, allowances, rating_unit, price_micro, money, fixed_tiyn = reserve
            reserve_terms = self._terms[unit, allowances, rating_unit, price_micro, money]
            plain_reserve = fixed_tiyn + (-(-reserve_quantity // rating_unit) * price_micro + _HALF) // MICRO
            if fixed_tiyn:
                reserve_fixed = fixed_tiyn
            if MAIN not in money:
                plain = None
        if kind not in _PLAIN_KINDS or if_due:
            plain = None
        deadline_us = None if deadline is None else (deadline - _EPOCH) // _MICROSECOND
        details = _details(mapping) if mapping else None
        identity = (
            f"{kind:d}\x1f{flags}\x1f{contra_no}\x1f{terms}\x1f{quantity}\x1f{fixed}\x1f{reserve_terms}"
            f"\x1f{reserve_quantity}\x1f{reserve_fixed}\x1f{hold_id}\x1f{details}"
        )
        grant_contra_no = grants_json = None
        if grants or target is not None:
            if grant_contra is not None:
                grant_contra_no = self._operator[grant_contra]
            grants_json = _dumps([_grant(spec) for spec in grants]) if grants else None
            without_moments = [(spec.code, spec.unit, spec.amount, spec.priority, spec.origin) for spec in grants]
            identity = f"{identity}\x1f{grant_contra_no}\x1f{target}\x1f{without_moments}"
        return (
            account_id,
            op_id,
            int.from_bytes(blake2b(identity.encode(), digest_size=8).digest(), "big", signed=True),
            kind,
            flags,
            contra_no,
            plain,
            plain_reserve,
            terms,
            quantity,
            reserve_terms,
            reserve_quantity,
            hold_id,
            deadline_us,
            details,
            fixed,
            reserve_fixed,
            grant_contra_no,
            target,
            grants_json,
        )


def columns(rows: Sequence[Row]) -> list[Sequence[Any] | None]:
    """Turn rows of `Numbers.encode` into columns; a column without any value is null as a whole."""
    every = list(zip(*rows, strict=True))
    return [*every[:8], *(None if not any(column) and _empty(column) else column for column in every[8:])]


def _empty(column: Sequence[Any]) -> bool:
    return column.count(None) == len(column)


def _terms(charge: Charge) -> Terms:
    return (charge.unit, charge.allowances, charge.rating_unit, charge.price_micro, charge.money)


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
