"""Payments from terminals and banks by the check/pay protocol.

A provider may send a payment as often as it likes: a txn_id is credited once and answered as the first time. The same
txn_id with another sum or account is refused and changes nothing.

Contract: PSC-4.1
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256

from telco.billing.payments import rules, store
from telco.billing.payments.errors import (
    ProviderExistsError,
    ProviderKeyError,
    ProviderTermsError,
    ProviderUnknownError,
)
from telco.billing.payments.model import (
    Channel,
    FirstAnswer,
    NewPayment,
    PaymentId,
    Provider,
    Reason,
    Share,
    Standing,
    Target,
    TerminalAnswer,
    TerminalRequest,
)
from telco.billing.payments.service import Payments
from telco.billing.payments.store import Q
from telco.db import audit
from telco.db.coalesce import Coalescer
from telco.db.pool import LOST_CONNECTION, Connection, Database, Record
from telco.kernel.clock import Clock
from telco.kernel.money import Tiyn, json_money
from telco.ledger.model import MAX_MONEY

KEY_BYTES = 32


class Providers:
    """Who may send payments: the allow-list, with keys and limits."""

    def __init__(self, database: Database, clock: Clock, pepper: bytes) -> None:
        self._database = database
        self._clock = clock
        self._pepper = pepper
        self._asked: Coalescer[str, Record] = Coalescer(self._read)

    async def add(self, code: str, name: str, *, least: Tiyn, most: Tiyn, actor: str) -> tuple[Provider, str]:
        """Let a provider in and return it with its key, which is shown this once.

        Raises:
            ProviderTermsError: limits that make no sense.
            ProviderExistsError
        """
        _check_limits(least, most)
        key = secrets.token_hex(KEY_BYTES)

        async def body(connection: Connection) -> Provider:
            now = self._clock.now()
            if await connection.fetchval(Q.insert_provider, code, name, self._digest(key), least, most, now) is None:
                raise ProviderExistsError(provider=code)
            await self._audit(connection, "payments.add_provider", code, actor, least, most)
            return Provider(code, name, least, most, None)

        return await self._database.transact("payments.add_provider", body), key

    async def change(self, code: str, *, least: Tiyn, most: Tiyn, enabled: bool, actor: str) -> Provider:
        """Set a provider's limits and whether it may send payments; both hold from its next request.

        Raises:
            ProviderTermsError, ProviderUnknownError
        """
        _check_limits(least, most)

        async def body(connection: Connection) -> Provider:
            row = await connection.fetchrow(Q.change_provider, code, least, most, enabled, self._clock.now())
            if row is None:
                raise ProviderUnknownError(provider=code)
            await self._audit(connection, "payments.change_provider", code, actor, least, most, enabled=enabled)
            return store.provider_of(row)

        return await self._database.transact("payments.change_provider", body)

    async def new_key(self, code: str, *, actor: str) -> str:
        """Give a provider a new key, shown this once; the old one ends at once.

        Raises:
            ProviderUnknownError
        """
        key = secrets.token_hex(KEY_BYTES)

        async def body(connection: Connection) -> str:
            if await connection.fetchval(Q.change_provider_key, code, self._digest(key)) is None:
                raise ProviderUnknownError(provider=code)
            await audit.record(
                connection,
                at=self._clock.now(),
                actor=actor,
                action="payments.new_provider_key",
                subject=f"payment_provider:{code}",
                ground="new key",
            )
            return key

        return await self._database.transact("payments.new_provider_key", body)

    async def all(self) -> list[Provider]:
        """List every provider."""
        return [store.provider_of(row) for row in await self._database.fetch(Q.providers)]

    async def get(self, code: str) -> Provider:
        """Read a provider.

        Raises:
            ProviderUnknownError
        """
        row = await self._database.fetchrow(Q.provider, code)
        if row is None:
            raise ProviderUnknownError(provider=code)
        return store.provider_of(row)

    async def authenticate(self, code: str, key: str) -> Provider:
        """Tell who calls by code and key.

        Raises:
            ProviderKeyError: unknown, disabled, or another key: which of them is not said.
        """
        row = await self._asked.get(code) if code.isprintable() and len(code) <= 32 else None
        stored: bytes = row["key_digest"] if row is not None else b"\0" * sha256().digest_size
        right = hmac.compare_digest(stored, self._digest(key))
        if row is None or not right or row["disabled_at"] is not None:
            raise ProviderKeyError
        return store.provider_of(row)

    async def _read(self, codes: Sequence[str]) -> dict[str, Record]:
        rows = await self._database.fetch(Q.providers_by_code, codes)
        return {row["provider_code"]: row for row in rows}

    def _digest(self, key: str) -> bytes:
        return hmac.digest(self._pepper, key.encode("utf-8", "replace"), sha256)

    async def _audit(
        self, connection: Connection, action: str, code: str, actor: str, least: Tiyn, most: Tiyn, **more: object
    ) -> None:
        await audit.record(
            connection,
            at=self._clock.now(),
            actor=actor,
            action=action,
            subject=f"payment_provider:{code}",
            ground="allow-list of payment providers",
            details={"least": json_money(least), "most": json_money(most), **more},
        )


def _check_limits(least: Tiyn, most: Tiyn) -> None:
    if not 0 < least <= most <= MAX_MONEY:
        raise ProviderTermsError


@dataclass(frozen=True, slots=True, eq=False)
class _Pay:
    """One request to pay, judged; two that say the same are two."""

    provider: Provider
    request: TerminalRequest
    account: str
    """As it is compared."""
    reason: Reason
    target: Target | None

    @property
    def key(self) -> tuple[str, str]:
        return self.provider.code, self.request.txn_id

    @property
    def txn_at(self) -> datetime:
        assert self.request.txn_at is not None
        return self.request.txn_at


class Terminals:
    """The protocol's two commands."""

    def __init__(self, database: Database, clock: Clock, payments: Payments) -> None:
        self._database = database
        self._clock = clock
        self._payments = payments
        self._pays: Coalescer[_Pay, TerminalAnswer | Exception] = Coalescer(self._pay_all)

    async def check(self, provider: Provider, request: TerminalRequest) -> TerminalAnswer:
        """Say whether a payment would be taken; nothing is changed."""
        reason, _ = await self._judge(provider, request)
        return _answer(reason, request)

    async def pay(self, provider: Provider, request: TerminalRequest) -> TerminalAnswer:
        """Take a payment, once for its txn_id; durable on return.

        Payments that come while others are written are written together, in one transaction. Refusals are remembered
        like credits: a provider that was told a payment failed has given the money back, so a repetition must not be
        credited. Answers, in order of precedence: txn_id reused, the first answer, the time of the payment, its sum,
        its account.

        Contract: PSC-4.1, PSC-3.1.6
        """
        reason, target = await self._judge(provider, request)
        answer = await self._pays.get(_Pay(provider, request, rules.normal_name(request.account), reason, target))
        assert answer is not None
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _pay_all(self, pays: Sequence[_Pay]) -> dict[_Pay, TerminalAnswer | Exception]:
        """Take payments together; where that fails each on its own, so that one of them holds no other up."""
        try:
            answers = await self._database.transact("payments.terminal_pay", lambda conn: self._write(conn, pays))
        except LOST_CONNECTION:
            raise
        except Exception as error:
            if len(pays) == 1:
                return {pays[0]: error}
            alone = [await self._pay_all([pay]) for pay in pays]
            return {pay: answer for one in alone for pay, answer in one.items()}
        return dict(zip(pays, answers, strict=True))

    async def _write(self, connection: Connection, pays: Sequence[_Pay]) -> list[TerminalAnswer]:
        """Give each payment its answer: of those with one txn_id the first is taken, the others repeat it."""
        ids = {pay.key for pay in pays}
        await store.lock_externals(connection, Channel.TERMINAL, ids)
        firsts = await self._firsts(connection, ids)
        now = self._clock.now()
        new: dict[tuple[str, str], _Pay] = {}
        for pay in pays:
            if pay.key not in firsts and rules.is_timely(pay.txn_at, now):
                new.setdefault(pay.key, pay)
        taken = await self._take(connection, list(new.values()), now)
        firsts |= {key: FirstAnswer(pay.account, taken[key]) for key, pay in new.items()}
        return [taken[pay.key] if new.get(pay.key) is pay else _later(pay, firsts.get(pay.key)) for pay in pays]

    async def _take(
        self, connection: Connection, new: Sequence[_Pay], now: datetime
    ) -> dict[tuple[str, str], TerminalAnswer]:
        """Credit what can be credited and keep all answers."""
        paid = [(pay, target) for pay in new if pay.reason is Reason.OK and (target := pay.target) is not None]
        paid.sort(key=lambda one: one[1].account)  # locks are taken in one order
        payment_ids: dict[tuple[str, str], PaymentId] = {}
        if paid:
            credited = await self._payments.credit_all(connection, [_payment(pay, target) for pay, target in paid])
            payment_ids = {pay.key: payment_id for (pay, _), payment_id in zip(paid, credited, strict=True)}
        answers = {pay.key: _answer(pay.reason, pay.request, payment_ids.get(pay.key)) for pay in new}
        if new:
            kept = [(pay.provider.code, pay.txn_at, FirstAnswer(pay.account, answers[pay.key])) for pay in new]
            await store.insert_terminal_answers(connection, kept, now)
        return answers

    async def _firsts(
        self, connection: Connection, ids: AbstractSet[tuple[str, str]]
    ) -> dict[tuple[str, str], FirstAnswer]:
        """Return the first answers: to the terminal, or by what staff credited from a register."""
        firsts = await store.terminal_answers(connection, ids)
        rest = ids - firsts.keys()
        credited = await store.named_by_externals(connection, Channel.TERMINAL, rest) if rest else {}
        for key, (named, amount, payment_id) in credited.items():
            answer = TerminalAnswer(Reason.OK, rules.RESULTS[Reason.OK], key[1], amount, payment_id, replayed=True)
            firsts[key] = FirstAnswer(rules.normal_name(named), answer)
        return firsts

    async def _judge(self, provider: Provider, request: TerminalRequest) -> tuple[Reason, Target | None]:
        if not provider.min_sum <= request.amount <= provider.max_sum:
            return Reason.SUM_LIMITS, None
        resolved = await self._payments.resolve(request.account)
        if isinstance(resolved, Standing):
            return rules.STANDING_REASONS[resolved], None
        return Reason.OK, resolved


def _later(pay: _Pay, first: FirstAnswer | None) -> TerminalAnswer:
    """Answer a payment that is not taken: its txn_id came before, or its time is impossible."""
    if first is None:
        return _answer(Reason.TXN_DATE, pay.request)
    if (first.account, first.answer.amount) != (pay.account, pay.request.amount):
        return _answer(Reason.TXN_ID_REUSED, pay.request)
    return replace(first.answer, replayed=True)


def _payment(pay: _Pay, target: Target) -> NewPayment:
    code, txn_id = pay.key
    return NewPayment(
        channel=Channel.TERMINAL,
        source=code,
        external_id=txn_id,
        named=pay.account,
        shares=(Share(target, pay.request.amount, pay.account),),
        paid_at=pay.txn_at,
        booked_by=f"provider:{code}",
        request_id=f"terminal:{code}:{txn_id}",
    )


def _answer(reason: Reason, request: TerminalRequest, payment_id: PaymentId | None = None) -> TerminalAnswer:
    return TerminalAnswer(reason, rules.RESULTS[reason], request.txn_id, request.amount, payment_id)
