"""Use cases of charging: reserve in portions, count what was used, charge single events.

The protocols (HTTP here, Diameter Gy and Nchf as they come) are adapters at the edge: they translate, this decides.
Every ledger operation is named by the session and the request's sequence number, so a repeated request is answered
as before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import structlog

from telco.catalog.catalogue import Catalogue
from telco.catalog.model import Access, Direction, FairUse, Portion, Service, Settlement
from telco.catalog.rates import Profile, Rate, Usage
from telco.catalog.rating import portion, rate
from telco.charging import rules, store
from telco.charging.errors import ReportReusedError, SessionReusedError, UsageMomentError, UsageQuantityError
from telco.charging.model import Grant, Result, UsageRequest
from telco.charging.store import Session, SessionState
from telco.db import outbox
from telco.db.pool import Connection, Database
from telco.kernel.clock import Clock
from telco.kernel.ids import AccountRef
from telco.kernel.money import Tiyn
from telco.kernel.msisdn import Msisdn
from telco.ledger import model as ledger_model
from telco.ledger.model import MAX_QUANTITY, Charge, Op, Outcome, Status
from telco.ledger.service import Ledger
from telco.subscribers.model import PlanState, Subscriber, SubscriptionState
from telco.subscribers.service import Subscribers

MOST_UNITS = MAX_QUANTITY
"""No report is larger than what the ledger takes, a petabyte; one that is, is a fault of the network's counter."""
HOLD_GRACE = timedelta(minutes=5)
"""How much longer than a portion's validity its hold stands before the sweeper returns it."""
REPORTED_WITHIN = timedelta(days=3 * 365)
"""How late usage may be reported: as long as ended accounts are invoiced and watched. Contract: PSC-6.3.5"""
CLOCKS_DIFFER = timedelta(minutes=5)
"""How far a partner's clock may be ahead of ours."""
SILENT_FOR = timedelta(hours=2)
"""After so long without a report the network has probably forgotten a session."""
USES = frozenset({Service.VOICE, Service.SMS, Service.DATA})
"""Services whose use keeps a contract alive, in either direction."""
UNPRICED = Portion(quantity=3600, least=3600, validity_s=3600)
"""Portion of a service that the catalogue gives none for."""

log = structlog.get_logger(__name__)


class Charging:
    """Answers the network: may this go on, and for how much."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ledger: Ledger,
        subscribers: Subscribers,
        catalogue: Callable[[], Catalogue],
    ) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger
        self._subscribers = subscribers
        self._catalogue = catalogue

    async def start(self, request: UsageRequest) -> Grant:
        """Begin a session and reserve its first portion.

        A request without units gets the default portion; a partial grant is marked FINAL. Repeating the request gives
        the first answer; another request under the same id is refused.

        Raises:
            UsageQuantityError: a negative or absurd quantity was asked for.
            SessionReusedError: the id belongs to another session.

        Contract: PSC-2.12, PSC-3.2.5, PSC-4.3.1, PSC-4.3.2
        """
        _check_quantity(request.requested or 0)
        digest = _digest(request)
        known = await store.find_session(self._database, request.request_id)
        if known is not None:
            if known.request_sha256 != digest:
                raise SessionReusedError(session_id=request.request_id)
            if known.last_seq > 0:
                return Grant(Result.STALE_REQUEST, replayed=True)
            return await self._slowed(known, await self._grant(known))
        subscriber = await self._subscribers.find(request.msisdn)
        if subscriber is None or subscriber.state is not SubscriptionState.ACTIVE:
            return Grant(Result.UNKNOWN_SUBSCRIBER)
        found = self._rate(request, subscriber)
        refused = await self._refusal(subscriber, request, found)
        if refused is not None:
            return Grant(refused, label=found.label)
        fair_use = self._fair_use(subscriber) if request.service is Service.DATA and not found.roaming else None
        session = Session(
            request.request_id, digest, subscriber.account, request, found, fair_use, 0, 0, 0, SessionState.OPEN
        )

        async def body(connection: Connection) -> bool:
            return await store.insert_session(connection, session, self._clock.now())

        if not await self._database.transact("charging.start", body):
            return await self.start(request)  # the same request came twice at once: answer from the stored one
        return await self._slowed(session, await self._grant(session))

    async def update(self, session_id: str, seq: int, used: int, requested: int | None = None) -> Grant:
        """Count `used` since the last report and reserve the next portion, in one operation of the ledger.

        A refusal ends nothing: after a top-up the same session is granted again under its next sequence number. A
        session that was silent goes on with its next report. What was used is counted also where services have been
        stopped or the contract has ended meanwhile; only the next portion is not given.

        Raises:
            UsageQuantityError: a negative or absurd quantity.
            ReportReusedError: the sequence number was used for a report with other contents.

        Contract: PSC-2.12, PSC-3.1.5, PSC-4.3.2
        """
        _check_quantity(used)
        _check_quantity(requested or 0)
        session = await self._at(session_id, seq)
        if isinstance(session, Result):
            return Grant(session)
        if session.state is SessionState.CLOSED:
            return Grant(Result.CLOSED_SESSION)
        session = replace(session, request=replace(session.request, requested=requested))
        grant = await self._count(session, seq, used, more=True)
        await self._used(session.request, used)
        await store.count_usage(self._database, session_id, seq, used, self._clock.now(), SessionState.OPEN)
        stopped = await self._stopped(session)
        if stopped is not None:
            return await self._take_back(session, seq, stopped, grant)
        return await self._slowed(session, grant)

    async def stop(self, session_id: str, seq: int, used: int) -> Grant:
        """Count what was used since the last report, return the rest of the hold, end the session."""
        _check_quantity(used)
        session = await self._at(session_id, seq)
        if isinstance(session, Result):
            return Grant(session)
        grant = await self._count(session, seq, used, more=False)
        await self._used(session.request, used)
        await store.count_usage(self._database, session_id, seq, used, self._clock.now(), SessionState.CLOSED)
        return grant

    async def event(self, request: UsageRequest, used_at: datetime | None = None) -> Grant:
        """Charge something at once: a message, a content event, or, with `used_at`, usage that is reported afterwards.

        An event is known by its id within the account that pays for it; the same again is answered as before, also when
        it would be refused by now: whoever lost the answer must not drop what was paid for. With `used_at` that is the
        account of then. Without, it is the one of now: repeated after the number went to another account or holder, an
        event is charged again.

        Raises:
            UsageQuantityError: a negative or absurd quantity.
            UsageMomentError: `used_at` lies in the future or too far back.
            ReportReusedError: the id was used for another event.

        Contract: PSC-3.1.1, PSC-3.2.5
        """
        quantity = request.requested or 1
        _check_quantity(quantity)
        if used_at is not None:
            return await self._late_event(request, quantity, used_at)
        subscriber = await self._subscribers.find(request.msisdn)
        if subscriber is None or subscriber.state is not SubscriptionState.ACTIVE:
            return Grant(Result.UNKNOWN_SUBSCRIBER)
        found = self._rate(request, subscriber)
        refused = await self._refusal(subscriber, request, found)
        if rules.rateless(found):
            if refused is not None:
                return Grant(refused, label=found.label)
            await self._used(request, quantity)
            return Grant(Result.GRANTED, granted=quantity, label=found.label)
        op = _event(subscriber.account, request, found, quantity, _details(request, found), forced=not found.controlled)
        if refused is not None and not await self._ledger.knows(op.account, op.op_id):
            return Grant(refused, label=found.label)
        outcome = await self._ledger.submit(op)
        grant = _granted(outcome, found, asked=quantity, granted=quantity)
        await self._used(request, quantity if grant.given else 0)
        return grant

    async def _late_event(self, request: UsageRequest, quantity: int, used_at: datetime) -> Grant:
        """Charge what had been used at a moment to the account of then, whatever became of number and contract since.

        It has happened, so neither a suspension nor a limit nor want of money refuses it, and a debt may arise. It is
        priced by the catalogue, plan and services of that moment, as if the plan's fee was paid, and posted now.

        Contract: PSC-3.2.5, PSC-4.4, PSC-6.3.5, PSC-7.6
        """
        _check_moment(used_at, self._clock.now())
        use = await self._subscribers.use_at(request.msisdn, used_at)
        if use is None:
            return Grant(Result.UNKNOWN_SUBSCRIBER)
        profile = Profile(use.plan_code, use.plan_version, use.services, fee_paid=True)
        found = rate(_usage(request), profile, self._catalogue(), used_at)
        denied = rules.denial(found)
        if denied is not None:
            return Grant(denied, label=found.label)
        grant = Grant(Result.GRANTED, granted=quantity, label=found.label)
        if not rules.rateless(found):
            details = {**_details(request, found), "used_at": used_at.astimezone(UTC).isoformat()}
            op = _event(use.account, request, found, quantity, details, forced=True)
            grant = _granted(await self._ledger.submit(op), found, asked=quantity, granted=quantity)
        if request.service in USES:
            await self._subscribers.silence.note_late_use(use.subscriber_id, used_at)
        return grant

    async def _used(self, request: UsageRequest, quantity: int) -> None:
        """Note that the number was used, by itself or by who called it. Contract: PSC-6.3.4"""
        if quantity > 0 and request.service in USES:
            await self._subscribers.silence.note_use(request.msisdn)

    async def entered_network(self, msisdn: Msisdn, network: str) -> bool:
        """Note where a subscriber registered; True when it is a partner's country that he just arrived in.

        He is then warned by SMS that usage there may not be controlled in real time and a debt may arise.

        Contract: PSC-3.1.2, PSC-3.2.5
        """
        now = self._clock.now()
        roaming = self._catalogue().roaming_at(now)
        country = None if network in roaming.home_networks else roaming.country(network)
        code = country.country if country is not None else None

        async def body(connection: Connection) -> bool:
            arrived = await store.enter_network(connection, msisdn, network, code, now)
            if not arrived or country is None:
                return False
            payload: dict[str, object] = {
                "msisdn": msisdn,
                "country": country.country,
                "zone": country.zone,
                "controlled": country.controlled,
            }
            await outbox.emit(connection, "charging.roaming_entered", f"msisdn:{msisdn}", payload, at=now)
            return True

        return await self._database.transact("charging.entered_network", body)

    async def note_silent(self, limit: int = 1000) -> int:
        """Note which sessions the network seems to have forgotten; their holds are returned by the ledger's sweeper.

        A report that still comes is counted: what was used is owed, however late an element tells of it.
        """
        return await store.note_silent(self._database, self._clock.now() - SILENT_FOR, limit)

    async def purge(self, keep_days: int, limit: int = 10_000) -> int:
        """Delete a bounded number of sessions of which nothing was heard for `keep_days`; returns how many.

        What they cost, and for what, the ledger keeps. A report that still comes names an unknown session; one that was
        counted is not counted twice, not even if its session is begun anew: the ledger knows its operations.
        """
        before = self._clock.now() - timedelta(days=keep_days)

        async def body(connection: Connection) -> int:
            return await store.delete_ended(connection, before, limit)

        return await self._database.transact("charging.purge", body)

    async def _at(self, session_id: str, seq: int) -> Session | Result:
        """Return the session as `seq` finds it: a repeated report sees what the first one saw."""
        session = await store.find_session(self._database, session_id)
        if session is None:
            return Result.UNKNOWN_SESSION
        if seq < 1 or seq < session.last_seq:
            return Result.STALE_REQUEST
        if seq == session.last_seq:
            return replace(session, used=session.used_before)
        return Result.CLOSED_SESSION if session.state is SessionState.CLOSED else session

    def _rate(self, request: UsageRequest, subscriber: Subscriber) -> Rate:
        profile = Profile(
            subscriber.plan_code,
            subscriber.plan_version,
            tuple(sorted(subscriber.services)),
            subscriber.plan_state is PlanState.ACTIVE,
        )
        found = rate(_usage(request), profile, self._catalogue(), self._clock.now())
        return rules.in_settlement(found, subscriber.settlement)

    def _fair_use(self, subscriber: Subscriber) -> FairUse | None:
        return self._catalogue().plan_version(subscriber.plan_code, subscriber.plan_version).fair_use

    async def _slowed(self, session: Session, grant: Grant) -> Grant:
        """Lower the speed once an unlimited plan's threshold is used up; its next period brings a new threshold.

        Contract: FUP-2, PSC-3.1.12
        """
        fair_use = session.fair_use
        if fair_use is None or not grant.given:
            return grant
        view = await self._ledger.balances(session.account)
        left = sum(bucket.balance for bucket in view.buckets if bucket.code == fair_use.allowance and bucket.available)
        return grant if left > 0 else replace(grant, speed_kbps=fair_use.speed_kbps)

    async def _refusal(self, subscriber: Subscriber, request: UsageRequest, found: Rate) -> Result | None:
        """Say why usage is refused whatever it would cost, or None.

        Contract: PSC-3.1.2, PSC-3.1.5, PSC-4.3.2
        """
        return (
            rules.refusal(subscriber, found, request.direction)
            or await self._at_limit(subscriber, found, request.direction)
            or await self._roaming_refusal(subscriber, found)
        )

    async def _stopped(self, session: Session) -> Result | None:
        """Say why a session that has begun gets no further portion, or None.

        Contract: PSC-3.1.5, PSC-4.3.2
        """
        request = session.request
        subscriber = await self._subscribers.find(request.msisdn)
        if subscriber is None or subscriber.account != session.account:
            return Result.UNKNOWN_SUBSCRIBER
        return rules.refusal(subscriber, session.rate, request.direction) or await self._at_limit(
            subscriber, session.rate, request.direction
        )

    async def _take_back(self, session: Session, seq: int, stopped: Result, grant: Grant) -> Grant:
        """Return the portion that was held together with the counting, and answer why no further one is given."""
        if grant.given and session.rate.controlled and not rules.rateless(session.rate):
            op_id = f"session:{session.session_id}:{seq}:stopped"
            await self._ledger.submit(ledger_model.release(session.account, op_id, hold_id=session.session_id))
        return Grant(stopped, cost=grant.cost, label=grant.label, replayed=grant.replayed)

    async def _at_limit(self, subscriber: Subscriber, found: Rate, direction: Direction) -> Result | None:
        """Say that the credit limit is used up. Contract: PSC-4.3.2"""
        if not rules.stops_at_limit(subscriber.settlement, found, direction):
            return None
        view = await self._ledger.balances(subscriber.account)
        return Result.INSUFFICIENT_FUNDS if view.main + view.credit_limit <= 0 else None

    async def _roaming_refusal(self, subscriber: Subscriber, found: Rate) -> Result | None:
        """Prepaid roaming works once the account holds the operator's threshold sum. Contract: PSC-3.1.2"""
        if not found.roaming or found.free or subscriber.settlement is not Settlement.PREPAID:
            return None
        threshold = self._catalogue().roaming_at(self._clock.now()).threshold_tiyn
        if threshold == 0:
            return None
        view = await self._ledger.balances(subscriber.account)
        available = sum(bucket.available for bucket in view.buckets if bucket.code in found.money)
        return None if available >= threshold else Result.ROAMING_THRESHOLD

    async def _grant(self, session: Session) -> Grant:
        """Reserve the first portion, as report number 0."""
        found, size = session.rate, _portion(session, already=0)
        if rules.rateless(found) or not found.controlled:
            return Grant(Result.GRANTED, size, _validity(session), label=found.label)
        outcome = await self._ledger.submit(
            ledger_model.reserve(
                session.account,
                f"session:{session.session_id}:0",
                Charge(*found.charge(size), fixed_tiyn=found.connection),
                hold_id=session.session_id,
                hold_deadline=self._deadline(session),
                partial=True,
                contra=found.revenue,
                details=_details(session.request, found),
            )
        )
        return _held(outcome, session, size)

    async def _count(self, session: Session, seq: int, used: int, *, more: bool) -> Grant:
        found = session.rate
        after = session.used + used
        size = _portion(session, already=after) if more else 0
        if rules.rateless(found):
            again = session.last_seq == seq
            return Grant(Result.GRANTED, size, _validity(session), label=found.label, replayed=again)
        outcome = await self._ledger.submit(self._use(session, seq, used, size))
        if not found.controlled:
            return _granted(outcome, found, asked=size, granted=size, validity_s=_validity(session))
        return _held(outcome, session, size)

    def _use(self, session: Session, seq: int, used: int, size: int) -> Op:
        found, op_id = session.rate, f"session:{session.session_id}:{seq}"
        fixed = found.connection if session.used == 0 and used > 0 else Tiyn(0)
        charge = Charge(*found.charge(used, session.used), fixed_tiyn=fixed)
        details = _details(session.request, found)
        if not found.controlled:
            return ledger_model.debit(
                session.account, op_id, charge, contra=found.revenue, details=details, forced=True
            )
        return ledger_model.use(
            session.account,
            op_id,
            charge,
            hold_id=session.session_id,
            reserve=Charge(*found.charge(size, session.used + used)) if size else None,
            hold_deadline=self._deadline(session) if size else None,
            contra=found.revenue,
            details=details,
        )

    def _deadline(self, session: Session) -> datetime:
        return self._clock.now() + timedelta(seconds=_validity(session)) + HOLD_GRACE


def _check_quantity(quantity: int) -> None:
    if not 0 <= quantity <= MOST_UNITS:
        raise UsageQuantityError(quantity=quantity, most=MOST_UNITS)


def _check_moment(used_at: datetime, now: datetime) -> None:
    if not now - REPORTED_WITHIN <= used_at <= now + CLOCKS_DIFFER:
        raise UsageMomentError(used_at=used_at.isoformat(), days=REPORTED_WITHIN.days)


def _usage(request: UsageRequest) -> Usage:
    return Usage(
        request.service, request.direction, request.other, request.visited, None, request.rating_group, request.offer
    )


def _event(
    account: AccountRef,
    request: UsageRequest,
    found: Rate,
    quantity: int,
    details: Mapping[str, object],
    *,
    forced: bool,
) -> Op:
    return ledger_model.debit(
        account,
        f"event:{request.request_id}",
        Charge(*found.charge(quantity), fixed_tiyn=found.connection),
        contra=found.revenue,
        details=details,
        forced=forced,
    )


def _digest(request: UsageRequest) -> bytes:
    return hashlib.sha256(repr(request).encode()).digest()


def _size(session: Session) -> Portion:
    return session.rate.portions.get(Access(session.request.access), UNPRICED)


def _validity(session: Session) -> int:
    return _size(session).validity_s


def _portion(session: Session, *, already: int) -> int:
    """Return how much to reserve: what was asked for, at most a portion; without units, a portion.

    Contract: PSC-2.12
    """
    found = session.rate
    if not found.portions:
        return session.request.requested or UNPRICED.quantity
    most = portion(found, session.request.access, already=already)
    asked = session.request.requested
    return min(most, asked) if asked else most


def _held(outcome: Outcome, session: Session, asked: int) -> Grant:
    """Tell what a reservation gave."""
    granted = min(asked, outcome.granted_quantity)
    return _granted(outcome, session.rate, asked=asked, granted=granted, validity_s=_validity(session))


def _granted(outcome: Outcome, found: Rate, *, asked: int, granted: int, validity_s: int = 0) -> Grant:
    """Tell what came of it; of what was asked for, `granted` was given.

    Raises:
        ReportReusedError: the id stands for a request with other contents.
    """
    cost = Tiyn(outcome.cost_tiyn)
    if outcome.status is Status.CONFLICT:
        raise ReportReusedError(field=outcome.conflict_field or "contents")
    if outcome.status not in (Status.OK, Status.INSUFFICIENT_FUNDS):
        raise LookupError(f"the ledger answered {outcome.status.name} to {outcome.op_id}")
    if outcome.status is Status.INSUFFICIENT_FUNDS or (asked and granted == 0):
        return Grant(Result.INSUFFICIENT_FUNDS, cost=cost, label=found.label, replayed=outcome.replayed)
    result = Result.FINAL if granted < asked else Result.GRANTED
    return Grant(result, granted, validity_s, cost, label=found.label, replayed=outcome.replayed)


def _details(request: UsageRequest, found: Rate) -> dict[str, object]:
    """What the statement says of it; the other party's number belongs to the subscriber's own statement."""
    details: dict[str, object] = {"label": found.label, "request": request.request_id}
    if request.other:
        details["to"] = request.other
    if request.visited:
        details["visited"] = request.visited
    return details
