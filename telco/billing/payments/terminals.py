"""Payments from terminals and banks by the check/pay protocol.

A provider may send a payment as often as it likes: a txn_id is credited once and answered as the first time. The same
txn_id with another sum or account is refused and changes nothing.

Contract: PSC-4.1
"""

from __future__ import annotations

import hmac
import secrets
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
from telco.db.pool import Connection, Database
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
        row = await self._database.fetchrow(Q.provider, code) if code.isprintable() and len(code) <= 32 else None
        stored: bytes = row["key_digest"] if row is not None else b"\0" * sha256().digest_size
        right = hmac.compare_digest(stored, self._digest(key))
        if row is None or not right or row["disabled_at"] is not None:
            raise ProviderKeyError
        return store.provider_of(row)

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


class Terminals:
    """The protocol's two commands."""

    def __init__(self, database: Database, clock: Clock, payments: Payments) -> None:
        self._database = database
        self._clock = clock
        self._payments = payments

    async def check(self, provider: Provider, request: TerminalRequest) -> TerminalAnswer:
        """Say whether a payment would be taken; nothing is changed."""
        reason, _ = await self._judge(provider, request)
        return _answer(reason, request)

    async def pay(self, provider: Provider, request: TerminalRequest) -> TerminalAnswer:
        """Take a payment, once for its txn_id.

        Refusals are remembered like credits: a provider that was told a payment failed has given the money back, so a
        repetition must not be credited. Answers, in order of precedence: txn_id reused, the first answer, the time of
        the payment, its sum, its account.

        Contract: PSC-4.1, PSC-3.1.6
        """
        assert request.txn_at is not None
        txn_at = request.txn_at
        reason, target = await self._judge(provider, request)
        account = rules.normal_name(request.account)

        async def body(connection: Connection) -> TerminalAnswer:
            await store.lock_external(connection, Channel.TERMINAL, provider.code, request.txn_id)
            earlier = await self._earlier(connection, provider, request, account)
            if earlier is not None:
                return earlier
            now = self._clock.now()
            if not rules.is_timely(txn_at, now):
                return _answer(Reason.TXN_DATE, request)
            answer = _answer(reason, request)
            if target is not None and reason is Reason.OK:
                payment = await self._payments.credit(connection, _payment(provider, request, account, target))
                answer = _answer(reason, request, payment.payment_id)
            await store.insert_terminal_answer(connection, provider.code, account, txn_at, answer, now)
            return answer

        return await self._database.transact("payments.terminal_pay", body)

    async def _judge(self, provider: Provider, request: TerminalRequest) -> tuple[Reason, Target | None]:
        if not provider.min_sum <= request.amount <= provider.max_sum:
            return Reason.SUM_LIMITS, None
        resolved = await self._payments.resolve(request.account)
        if isinstance(resolved, Standing):
            return rules.STANDING_REASONS[resolved], None
        return Reason.OK, resolved

    async def _earlier(
        self, connection: Connection, provider: Provider, request: TerminalRequest, account: str
    ) -> TerminalAnswer | None:
        """Return the answer to a txn_id that came before: from the terminal, or credited by staff from a register."""
        found = await store.find_terminal_answer(connection, provider.code, request.txn_id)
        if found is not None:
            first_account, first = found
            same = first_account == account and first.amount == request.amount
            return first if same else _answer(Reason.TXN_ID_REUSED, request)
        payment = await store.payment_by_external(connection, Channel.TERMINAL, provider.code, request.txn_id)
        if payment is None:
            return None
        if payment.amount != request.amount or rules.normal_name(payment.named) != account:
            return _answer(Reason.TXN_ID_REUSED, request)
        return TerminalAnswer(
            Reason.OK, rules.RESULTS[Reason.OK], request.txn_id, request.amount, payment.payment_id, replayed=True
        )


def _payment(provider: Provider, request: TerminalRequest, account: str, target: Target) -> NewPayment:
    assert request.txn_at is not None
    return NewPayment(
        channel=Channel.TERMINAL,
        source=provider.code,
        external_id=request.txn_id,
        named=account,
        shares=(Share(target, request.amount, account),),
        paid_at=request.txn_at,
        booked_by=f"provider:{provider.code}",
        request_id=f"terminal:{provider.code}:{request.txn_id}",
    )


def _answer(reason: Reason, request: TerminalRequest, payment_id: PaymentId | None = None) -> TerminalAnswer:
    return TerminalAnswer(reason, rules.RESULTS[reason], request.txn_id, request.amount, payment_id)
