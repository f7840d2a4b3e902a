"""Devices sold by instalments: the agreement, its parts on the personal account, its early and its forced end.

A part is posted on its day as a debit of the main balance, whatever is there: on a credit account it is part of the
invoice, on a prepaid one it is taken from the balance and what is missing is owed. What is not posted yet is an
obligation: with it no consent is withdrawn and no number ported out.

Contract: PSC-3.2.12, PSC-7.2, PSC-6.3.5
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from telco.billing.instalments import rules, store
from telco.billing.instalments.errors import (
    AgreementClosedError,
    AgreementUnknownError,
    DeviceSoldError,
    InstalmentMoneyError,
    ReturnLateError,
    ReturnSpentError,
    SaleRefusedError,
    SaleReusedError,
)
from telco.billing.instalments.model import (
    MONEY,
    RECEIVABLE,
    Agreement,
    AgreementState,
    PostingRun,
    Sale,
    Standing,
)
from telco.billing.instalments.store import DuePart, Q
from telco.catalog.bonus import DevicePlan
from telco.catalog.catalogue import Catalogue
from telco.db import audit, outbox
from telco.db.outbox import Dispatcher, OutboxEvent
from telco.db.pool import Connection, Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock
from telco.kernel.ids import AccountRef, SubscriberId
from telco.kernel.money import Money, Tiyn, json_money
from telco.kernel.names import clean_text
from telco.ledger import model as ledger_model
from telco.ledger.model import Op, Status
from telco.ledger.service import Ledger
from telco.subscribers.model import ConsentKind, Obligation, ObligationKind, Origin, Subscriber
from telco.subscribers.rules import parse_imei
from telco.subscribers.service import Subscribers

BATCH = 400
MOST_LISTED = 100
LABEL = "instalment"


class Instalments:
    """Use cases of device instalments."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        calendar: Calendar,
        catalogue: Callable[[], Catalogue],
        ledger: Ledger,
        subscribers: Subscribers,
    ) -> None:
        self._database = database
        self._clock = clock
        self._calendar = calendar
        self._catalogue = catalogue
        self._ledger = ledger
        self._subscribers = subscribers

    def subscribe_to(self, outbox: Dispatcher) -> None:
        """Hear of the ends of contracts."""
        for topic in ("subscribers.ended", "subscribers.re_registered"):
            outbox.subscribe(topic, self.on_ended)

    # The sale

    def plans(self) -> list[DevicePlan]:
        """The terms on which devices may be sold now. Contract: PSC-3.2.12"""
        return self._catalogue().device_plans_at(self._clock.now())

    async def sign(self, subscriber: Subscriber, sale: Sale, origin: Origin, *, request_id: str) -> Standing:
        """Sell a device: take the down payment, write the schedule, keep the consent to exchange credit history.

        The same request again gets the first agreement.

        Raises (the first that applies):
            IdentityNumberError, TextRefusedError: the device's IMEI or name.
            SaleReusedError: the request made another agreement.
            UnknownDevicePlanError, SaleRefusedError: the terms of the sale.
            DeviceSoldError: the device is sold by an open agreement.
            InstalmentMoneyError: the subscriber's own money, without a credit limit, is less than the down payment.

        Contract: PSC-3.2.12, PSC-3.1.13, PSC-4.3.2
        """
        now = self._clock.now()
        today = self._calendar.today(now)
        parse_imei(sale.imei)
        sale = replace(sale, device=clean_text(sale.device, field="device", max_length=100))

        async def body(conn: Connection) -> Standing:
            await conn.execute(Q.lock_request, request_id)
            row = await conn.fetchrow(Q.by_request, request_id)
            if row is not None:
                return await self._same(conn, store.agreement_of(row), subscriber, sale)
            plan = self._catalogue().device_plan(sale.plan_code, now)
            flaw = rules.sale_flaw(plan, sale)
            if flaw is not None:
                raise SaleRefusedError(field=flaw[0], why=flaw[1])
            if await conn.fetchval(Q.imei_sold, sale.imei):
                raise DeviceSoldError(imei=sale.imei)
            await self._subscribers.consents.record(
                conn, subscriber.subscriber_id, ConsentKind.CREDIT_HISTORY, origin, version=plan.consent_version
            )
            number = f"DIA-{today.year}-{await conn.fetchval(Q.next_number, today.year):07d}"
            agreement = await store.insert_agreement(
                conn,
                number=number,
                request_id=request_id,
                subscriber=subscriber,
                sale=sale,
                plan_version=plan.version,
                parts=rules.schedule(sale.price, sale.down_payment, sale.months, today),
                consent_version=plan.consent_version,
                origin=origin,
                now=now,
                today=today,
            )
            if sale.down_payment:
                await self._take_own_money(conn, agreement, sale.down_payment, f"device:{number}:0", [0])
            await self._tell(conn, agreement, "signed", sale.price)
            await self._audit(conn, agreement, "sign", origin, {"device": sale.device, "price": json_money(sale.price)})
            return await self._standing(conn, agreement)

        return await self._database.transact("instalments.sign", body)

    async def _same(self, conn: Connection, first: Agreement, subscriber: Subscriber, sale: Sale) -> Standing:
        repeated = Sale(first.plan_code, first.device, first.imei, first.price, first.down_payment, first.months)
        if first.subscriber_id != subscriber.subscriber_id or repeated != sale:
            raise SaleReusedError(request_id=first.request_id)
        return await self._standing(conn, first)

    # Parts on their day

    async def post_due(self) -> PostingRun:
        """Post every part whose day has come, oldest first; bounded batches, each its own transaction.

        Contract: PSC-3.2.12, PSC-4.3.2
        """
        total = PostingRun()
        while True:
            batch = await self._database.transact("instalments.post", self._post_batch)
            if batch.parts == 0:
                return total
            total += batch

    async def _post_batch(self, conn: Connection) -> PostingRun:
        now = self._clock.now()
        due = await store.due_parts(conn, self._calendar.today(now), BATCH)
        if not due:
            return PostingRun()
        ops = [self._posting(part) for part in due]
        for outcome, part in zip(await self._ledger.apply(conn, ops), due, strict=True):
            if outcome.status is not Status.OK:
                raise ReturnSpentError(number=part.number, why=outcome.status.name.lower())
        posted = [(part.agreement_id, part.part_no, op.op_id) for part, op in zip(due, ops, strict=True)]
        await store.mark_posted(conn, now, posted)
        await conn.execute(Q.close_paid, now, [part.agreement_id for part in due])
        await outbox.emit_many(conn, [_told(part) for part in due], at=now)
        return PostingRun(len(due), Tiyn(sum(part.amount for part in due)))

    def _posting(self, part: DuePart) -> Op:
        return ledger_model.debit(
            part.account,
            f"device:{part.number}:{part.part_no}",
            ledger_model.sum_charge(part.amount, money=MONEY),
            contra=RECEIVABLE,
            forced=True,
            details=_details(part.number, part=part.part_no, of=part.months),
        )

    # The end before its time

    async def repay(self, number: str, origin: Origin) -> Standing:
        """Repay the whole rest early.

        Raises:
            AgreementUnknownError, AgreementClosedError
            InstalmentMoneyError: the subscriber's own money, without a credit limit, is less than the rest.

        Contract: PSC-3.2.12, PSC-4.3.2
        """

        async def body(conn: Connection) -> Standing:
            standing = await self._lock(conn, number)
            waiting = [part.part_no for part in standing.parts if part.waiting]
            op_id = f"device:{number}:rest"
            await self._take_own_money(conn, standing.agreement, standing.open_rest, op_id, waiting)
            closed = await self._close(conn, standing.agreement, AgreementState.REPAID, origin, "repaid early")
            await self._tell(conn, closed, "repaid", standing.open_rest)
            return await self._standing(conn, closed)

        return await self._database.transact("instalments.repay", body)

    async def take_back(self, number: str, origin: Origin, *, reason: str) -> Standing:
        """Take a device back: what was posted is reversed to the account, what was to come never does.

        Raises:
            AgreementUnknownError
            AgreementClosedError: returned before, or all of it fell due with the contract's end.
            ReturnLateError: the term for returns is over.

        Contract: PSC-3.2.12
        """
        today = self._calendar.today(self._clock.now())

        async def body(conn: Connection) -> Standing:
            standing = await self._lock(conn, number, only_open=False)
            agreement = standing.agreement
            if agreement.state in (AgreementState.RETURNED, AgreementState.DUE):
                raise AgreementClosedError(number=number, state=agreement.state)
            days = self._return_days(agreement)
            if not rules.may_return(agreement.state, agreement.signed_on, days, today):
                until = agreement.signed_on + timedelta(days=days)
                raise ReturnLateError(number=number, until=until.isoformat())
            await self._reverse(conn, standing)
            await conn.execute(Q.cancel_parts, agreement.agreement_id, self._clock.now())
            closed = await self._close(conn, agreement, AgreementState.RETURNED, origin, reason)
            await self._tell(conn, closed, "returned", Tiyn(agreement.price - standing.open_rest))
            return await self._standing(conn, closed)

        return await self._database.transact("instalments.take_back", body)

    def _return_days(self, agreement: Agreement) -> int:
        versions = self._catalogue().device_plans[agreement.plan_code]
        return next(plan.return_days for plan in versions if plan.version == agreement.plan_version)

    async def _reverse(self, conn: Connection, standing: Standing) -> None:
        """Reverse each operation that posted something, once, however many parts it posted."""
        agreement = standing.agreement
        targets = dict.fromkeys(part.op_id for part in standing.parts if part.op_id is not None)
        ops = [
            ledger_model.reverse(
                agreement.account, f"{target}:return", target=target, details=_details(agreement.number, back=True)
            )
            for target in targets
        ]
        for outcome in await self._ledger.apply(conn, ops):
            if outcome.status is not Status.OK:
                raise ReturnSpentError(number=agreement.number, why=outcome.status.name.lower())

    async def on_ended(self, event: OutboxEvent) -> None:
        """Consume "subscribers.ended" and "subscribers.re_registered": with the contract the rest falls due at once.

        Contract: PSC-6.3.5
        """
        subscriber_id, ground = SubscriberId(event.payload["subscriber_id"]), event.payload.get("ground", "passed_on")
        await self.fall_due(subscriber_id, ground, event.created_at)

    async def fall_due(self, subscriber_id: SubscriberId, ground: str, ended_at: datetime) -> Tiyn:
        """Post the rest of what was agreed for a number until then at once, and return how much that was.

        Whatever it was signed for since is its new holder's.

        Contract: PSC-6.3.5, PSC-3.1.5.9
        """

        async def body(conn: Connection) -> Tiyn:
            now, total = self._clock.now(), 0
            rows = await conn.fetch(Q.open_of_subscriber, subscriber_id, ended_at)
            found = [store.agreement_of(row) for row in rows]
            for standing in await store.standings(conn, found):
                agreement, rest = standing.agreement, standing.open_rest
                op_id = f"device:{agreement.number}:rest"
                debit = ledger_model.debit(
                    agreement.account,
                    op_id,
                    ledger_model.sum_charge(rest, money=MONEY),
                    contra=RECEIVABLE,
                    forced=True,
                    details=_details(agreement.number, ground=ground),
                )
                [outcome] = await self._ledger.apply(conn, [debit])
                if outcome.status is not Status.OK:
                    raise ReturnSpentError(number=agreement.number, why=outcome.status.name.lower())
                waiting = [part.part_no for part in standing.parts if part.waiting]
                await store.mark_posted(conn, now, [(agreement.agreement_id, part, op_id) for part in waiting])
                reason = f"the contract ended: {ground}"
                closed = await store.close(conn, agreement, AgreementState.DUE, now, "system:instalments", reason)
                await self._tell(conn, closed, "due", rest)
                total += rest
            return Tiyn(total)

        return await self._database.transact("instalments.fall_due", body)

    # What is owed

    async def open_rests(self, conn: Connection, accounts: Sequence[AccountRef]) -> list[Obligation]:
        """What is not posted yet of the agreements of accounts, as obligations; in the caller's transaction.

        Contract: PSC-7.2, PSC-3.2.11
        """
        return [
            Obligation(ObligationKind.DEVICE_INSTALMENTS, number, rest)
            for number, _, rest in await store.open_rests(conn, accounts)
        ]

    async def get(self, number: str) -> Standing:
        """Read an agreement with its parts.

        Raises:
            AgreementUnknownError
        """
        async with self._database.acquire() as conn:
            row = await conn.fetchrow(Q.by_number, number)
            if row is None:
                raise AgreementUnknownError(number=number[:40])
            return await self._standing(conn, store.agreement_of(row))

    async def of_subscriber(self, subscriber_id: SubscriberId) -> list[Standing]:
        """A number's agreements with their parts, the newest first."""
        async with self._database.acquire() as conn:
            rows = await conn.fetch(Q.of_subscriber, subscriber_id, MOST_LISTED)
            return await store.standings(conn, [store.agreement_of(row) for row in rows])

    # Within a command

    async def _lock(self, conn: Connection, number: str, *, only_open: bool = True) -> Standing:
        row = await conn.fetchrow(Q.lock_by_number, number)
        if row is None:
            raise AgreementUnknownError(number=number[:40])
        agreement = store.agreement_of(row)
        if only_open and agreement.state is not AgreementState.OPEN:
            raise AgreementClosedError(number=number, state=agreement.state)
        return await self._standing(conn, agreement)

    async def _standing(self, conn: Connection, agreement: Agreement) -> Standing:
        [standing] = await store.standings(conn, [agreement])
        return standing

    async def _take_own_money(
        self, conn: Connection, agreement: Agreement, amount: Tiyn, op_id: str, parts: Sequence[int]
    ) -> None:
        """Take the subscriber's own money, and note the parts that it posts; a credit limit is for services.

        What sessions hold counts as spent, as it does in what is available.

        Contract: PSC-3.2.12, PSC-4.3.2
        """
        debit = ledger_model.debit(
            agreement.account,
            op_id,
            ledger_model.sum_charge(amount, money=MONEY),
            contra=RECEIVABLE,
            details=_details(agreement.number),
        )
        [outcome] = await self._ledger.apply(conn, [debit])
        main = (await self._ledger.balances(agreement.account, conn)).buckets[0]
        if outcome.status is not Status.OK or main.balance < main.held:
            raise InstalmentMoneyError(needed=Money(amount))
        posted = [(agreement.agreement_id, part, op_id) for part in parts]
        await store.mark_posted(conn, self._clock.now(), posted)

    async def _close(
        self, conn: Connection, agreement: Agreement, state: AgreementState, origin: Origin, reason: str
    ) -> Agreement:
        closed = await store.close(conn, agreement, state, self._clock.now(), origin.author, reason)
        await self._audit(conn, closed, state, origin, {"reason": reason})
        return closed

    async def _audit(
        self, conn: Connection, agreement: Agreement, action: str, origin: Origin, details: dict[str, object]
    ) -> None:
        if origin.manual:
            await audit.record(
                conn,
                at=self._clock.now(),
                actor=origin.author,
                action=f"instalments.{action}",
                subject=f"device_agreement:{agreement.number}",
                ground=origin.ground,
                details=details,
            )

    async def _tell(self, conn: Connection, agreement: Agreement, change: str, amount: Tiyn) -> None:
        payload: dict[str, object] = {
            "subscriber_id": agreement.subscriber_id,
            "msisdn": agreement.msisdn,
            "number": agreement.number,
            "change": change,
            "amount": amount,
            "op_id": f"{agreement.number}:{change}",
        }
        await outbox.emit(
            conn, "billing.device_agreement", f"account:{agreement.account}", payload, at=self._clock.now()
        )


def _told(part: DuePart) -> tuple[str, str, dict[str, object]]:
    """The event that tells of a part that was taken: its topic, key and payload."""
    payload: dict[str, object] = {
        "subscriber_id": part.subscriber_id,
        "msisdn": part.msisdn,
        "shard": part.account.shard,
        "account_id": part.account.account_id,
        "number": part.number,
        "part": part.part_no,
        "of": part.months,
        "amount": part.amount,
        "op_id": f"device:{part.number}:{part.part_no}",
    }
    return "billing.instalment_posted", f"account:{part.account}", payload


def _details(number: str, **more: object) -> dict[str, object]:
    return {"label": LABEL, "agreement": number, **more}
