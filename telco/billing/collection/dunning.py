"""What is done about locked debts, in the caller's transaction: told, suspended, handed over, penalised, closed.

A debt is always locked before anything is decided about it, and what is paid is read after that. So whoever pays while
his services are being suspended is found paid here, or finds his debt suspended when the payment is told of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import NamedTuple

from telco.billing.collection import lists, rules, store
from telco.billing.collection.errors import PenaltyRefusedError
from telco.billing.collection.model import (
    Action,
    Channel,
    DayUnit,
    Debt,
    DebtKind,
    DebtState,
    Run,
    Step,
    StepVersion,
    Terms,
)
from telco.billing.collection.rules import Decision, Facts
from telco.billing.collection.store import NewPosting, Q, Taking
from telco.billing.invoicing.arrears import Arrears
from telco.billing.invoicing.model import Standing
from telco.billing.invoicing.rules import PENALTY
from telco.db import outbox
from telco.db.pool import Connection
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock
from telco.kernel.ids import AccountRef
from telco.kernel.money import Tiyn
from telco.ledger import model as ledger_model
from telco.ledger.model import Status
from telco.ledger.service import Ledger
from telco.subscribers.accounts import Holder
from telco.subscribers.model import Ground, by_system
from telco.subscribers.service import Subscribers

ORIGIN = by_system("collection", "PSC-3.1.5.1")
NOTICE_AGAIN = Step("notice", Action.NOTICE, 1, DayUnit.CALENDAR, Channel.SMS)
"""What a refused objection is followed by where the steps have no notice any more."""
TOPICS: Mapping[Action, str] = {Action.REMIND: "collection.reminder", Action.NOTICE: "collection.notice"}


class Known(NamedTuple):
    """What is read of a batch of debts before anything is decided."""

    standings: Mapping[int, Standing]
    terms: Mapping[date, Terms]


class Letter(NamedTuple):
    """A step that goes by post."""

    debt: Debt
    holder: Holder
    open: Tiyn
    step: Step


class Message(NamedTuple):
    """A step that is told by SMS or e-mail."""

    debt: Debt
    holder: Holder
    open: Tiyn
    step: Step
    channel: Channel


@dataclass(slots=True)
class _Work:
    """A debt at work: what is known of it and what was decided."""

    debt: Debt
    standing: Standing
    terms: Terms
    steps: Sequence[Step]
    taken: set[str]
    disputed: bool
    decisions: Sequence[Decision] = ()
    morning: datetime | None = None
    """When a step by SMS that is due can be taken; None where none waits."""


class Dunning:
    """Works on debts that the caller's transaction has locked."""

    def __init__(
        self,
        clock: Clock,
        calendar: Calendar,
        ledger: Ledger,
        subscribers: Subscribers,
        arrears: Arrears,
        *,
        email: bool,
    ) -> None:
        """Work for debtors whom e-mail reaches only where the operator has set it up (`email`)."""
        self._clock = clock
        self._calendar = calendar
        self._ledger = ledger
        self._subscribers = subscribers
        self._arrears = arrears
        self._email = email

    def channel(self, step: Step, holder: Holder) -> Channel:
        """The channel that reaches the debtor: who has no number with us any more, or no e-mail, gets a letter."""
        reaches = {
            Channel.SMS: holder.in_use,
            Channel.EMAIL: holder.email is not None and self._email,
            Channel.LETTER: True,
            Channel.NONE: True,
        }
        return step.channel if reaches[step.channel] else Channel.LETTER

    def today(self) -> date:
        return self._calendar.today(self._clock.now())

    async def know(self, conn: Connection, debts: Sequence[Debt]) -> Known:
        """Read what of locked debts is paid, and the contract's figures for them."""
        invoices = [debt.invoice_id for debt in debts if debt.invoice_id is not None]
        by_invoice = await self._arrears.standings(conn, invoices) if invoices else {}
        found = await store.found_changes(conn, [debt.debt_id for debt in debts if debt.kind is DebtKind.FOUND])
        standings: dict[int, Standing] = {}
        for debt in debts:
            if debt.invoice_id is not None:
                standings[debt.debt_id] = by_invoice[debt.invoice_id]
            else:
                changes = tuple(found[debt.debt_id])
                standings[debt.debt_id] = Standing(Tiyn(debt.total - sum(c.paid for c in changes)), changes)
        return Known(standings, await store.terms(conn, [debt.due_on for debt in debts]))

    async def work(self, conn: Connection, debts: Sequence[Debt], versions: Sequence[StepVersion]) -> Run:
        """Do what is due about debts: close what is paid, take the steps, acknowledge, post penalties."""
        run, known = Run(), await self.know(conn, debts)
        paid = [debt for debt in debts if known.standings[debt.debt_id].open <= 0]
        await self.close(conn, paid, known, DebtState.PAID, "paid")
        run.add("paid", len(paid))
        unpaid = [debt for debt in debts if known.standings[debt.debt_id].open > 0]
        if unpaid:
            run.merge(await self._dun(conn, unpaid, known, versions))
        return run

    async def close_paid(self, conn: Connection, debts: Sequence[Debt]) -> list[Debt]:
        """Close those of locked debts that are paid; returns the others."""
        known = await self.know(conn, debts)
        paid = [debt for debt in debts if known.standings[debt.debt_id].open <= 0]
        await self.close(conn, paid, known, DebtState.PAID, "paid")
        return [debt for debt in debts if known.standings[debt.debt_id].open > 0]

    async def close(self, conn: Connection, debts: Sequence[Debt], known: Known, state: DebtState, reason: str) -> None:
        """Close debts: services come back in full, collectors give them back, the last of the penalty is posted.

        A debt that is withdrawn bears no penalty, and what was posted is given back.

        Contract: PSC-3.1.4, PSC-3.1.5, PSC-5.4
        """
        if not debts:
            return
        now, today = self._clock.now(), self.today()
        suspended = [debt.number for debt in debts if debt.suspended_at is not None]
        if suspended:
            await self._subscribers.accounts.resume(
                conn, suspended, Ground.MONEY, ORIGIN, reason=f"the debt is {reason}"
            )
        if state is DebtState.PAID:
            debts = await self.post(conn, debts, known)
        else:
            debts = [replace(debt, penalty=await self._give_back(conn, debt)) for debt in debts]
        await conn.fetch(Q.withdraw, [debt.debt_id for debt in debts], today, reason)
        closed = [
            replace(debt, state=state, closed_at=now, next_at=None, post_on=None, suspended_at=None) for debt in debts
        ]
        await store.save_debts(conn, closed)
        await store.settle_cases(conn, (debt.case_id for debt in closed), now)
        told = [("collection.closed", f"debt:{d.debt_id}", {"debt_id": d.debt_id, "state": state}) for d in closed]
        await outbox.emit_many(conn, told, at=now)

    # Unpaid

    async def _dun(self, conn: Connection, debts: Sequence[Debt], known: Known, versions: Sequence[StepVersion]) -> Run:
        run, now, today = Run(), self._clock.now(), self.today()
        ids = [debt.debt_id for debt in debts]
        taken, disputed = await store.taken_of(conn, ids), await store.disputed(conn, ids)
        holders = await self._subscribers.accounts.holders(conn, list({debt.account for debt in debts}))
        debts = await self._in_cases(conn, debts)
        ladders = {due_on: store.steps_for(versions, due_on) for due_on in {debt.due_on for debt in debts}}
        works: list[_Work] = []
        for unanswered in debts:
            debt, acknowledged = self._acknowledge(unanswered, objected=disputed.get(unanswered.debt_id, False))
            run.add("acknowledged", acknowledged)
            work = _Work(
                debt,
                known.standings[debt.debt_id],
                known.terms[debt.due_on],
                ladders[debt.due_on],
                {step.step for step in taken[debt.debt_id]},
                debt.debt_id in disputed,
            )
            facts = Facts(work.standing.open, work.taken, work.disputed or debt.notice_again)
            work.decisions = rules.due_steps(debt, facts, work.steps, work.terms, today, self._calendar)
            await self._wait_for_morning(conn, work, holders[debt.account])
            works.append(work)
        run.merge(await self._take(conn, works, holders))
        await self._post_due(conn, works, known, run)
        for work in works:
            next_day = rules.next_day(
                work.debt,
                work.steps,
                work.taken,
                today,
                self._calendar,
                disputed=disputed.get(work.debt.debt_id, False),
            )
            nexts = [work.morning, None if next_day is None else self._calendar.start_of_day(next_day)]
            next_at = min((moment for moment in nexts if moment is not None), default=None)
            work.debt = replace(work.debt, next_at=next_at)
        await store.save_debts(conn, [work.debt for work in works])
        await self._suspend_cases(conn, works, now)
        return run

    async def _wait_for_morning(self, conn: Connection, work: _Work, holder: Holder) -> None:
        """Leave what goes by SMS for the hours in which it may; a notice that waited for them is given.

        Contract: PSC-3.1.4, PSC-3.1.4-1
        """
        now = self._clock.now()
        morning = rules.sms_from(now, work.terms, self._calendar)
        if work.debt.notice_again:
            work.debt = await self.renew_notice(conn, work.debt, holder, work.standing.open, work.steps, work.terms)
        if morning == now:
            return
        ready = [
            decision
            for decision in work.decisions
            if decision.lapsed or self.channel(decision.step, holder) is not Channel.SMS
        ]
        if len(ready) < len(work.decisions) or work.debt.notice_again:
            work.morning = morning
        work.decisions = ready

    async def renew_notice(
        self, conn: Connection, debt: Debt, holder: Holder, open_tiyn: Tiyn, steps: Sequence[Step], terms: Terms
    ) -> Debt:
        """Give the notice again after a refused objection, or note that it waits for the morning.

        Its term runs from the day on which it is given; by letter there is none. Contract: PSC-3.1.4-1
        """
        step = next((step for step in steps if step.action is Action.NOTICE), NOTICE_AGAIN)
        channel, now, today = self.channel(step, holder), self._clock.now(), self.today()
        debt = replace(debt, noticed_on=None, answer_until=None, next_at=now, notice_again=False)
        if channel is Channel.LETTER:
            await self.write(conn, [Letter(debt, holder, open_tiyn, step)])
            return debt
        morning = rules.sms_from(now, terms, self._calendar)
        if channel is Channel.SMS and morning > now:
            return replace(debt, next_at=morning, notice_again=True)
        until = rules.answer_until(today, terms, self._calendar)
        debt = replace(debt, noticed_on=today, answer_until=until)
        await self.tell(conn, [Message(debt, holder, open_tiyn, step, channel)])
        return debt

    async def _in_cases(self, conn: Connection, debts: Sequence[Debt]) -> list[Debt]:
        """Put debts that are overdue since the last run into the open case of their account."""
        today = self.today()
        late = [debt for debt in debts if debt.case_id is None and debt.due_on < today]
        cases = await store.open_cases(conn, {debt.account for debt in late}, self._clock.now()) if late else {}
        return [
            replace(debt, case_id=cases[debt.account]) if debt.case_id is None and debt.due_on < today else debt
            for debt in debts
        ]

    def _acknowledge(self, debt: Debt, *, objected: bool) -> tuple[Debt, bool]:
        """A debt counts as acknowledged from the day after the term, whenever a run finds it. Contract: PSC-3.1.4-1"""
        if debt.acknowledged_at is not None or not rules.is_acknowledged(debt, self.today(), objected=objected):
            return debt, False
        assert debt.answer_until is not None
        from_day = rules.day_after(debt.answer_until)
        return replace(debt, acknowledged_at=self._calendar.start_of_day(from_day)), True

    async def _take(self, conn: Connection, works: Sequence[_Work], holders: Mapping[AccountRef, Holder]) -> Run:
        """Take the decided steps, action by action, and note each in its debt."""
        run, now = Run(), self._clock.now()
        takings: list[Taking] = []
        letters: list[Letter] = []
        messages: list[Message] = []
        for work in works:
            holder = holders[work.debt.account]
            for decision in work.decisions:
                step = decision.step
                channel = self.channel(step, holder)
                takings.append(Taking(work.debt, decision, channel))
                work.taken.add(step.code)
                run.add("lapsed" if decision.lapsed else step.action)
                if decision.lapsed or step.action not in rules.TOLD:
                    continue
                if step.action is Action.NOTICE:
                    self._note_notice(work, channel)
                if channel is Channel.LETTER:
                    letters.append(Letter(work.debt, holder, work.standing.open, step))
                else:
                    messages.append(Message(work.debt, holder, work.standing.open, step, channel))
        await store.take_steps(conn, takings, now)
        await self.tell(conn, messages)
        await self.write(conn, letters)
        await self._suspend(conn, _with(works, Action.SUSPEND), holders)
        await self._hand_over(conn, _with(works, Action.HAND_OVER), holders)
        return run

    def _note_notice(self, work: _Work, channel: Channel) -> None:
        """The term to answer runs from a notice by SMS or e-mail; a letter starts none. Contract: PSC-3.1.4-1"""
        if channel is Channel.LETTER:
            return
        today = self.today()
        until = rules.answer_until(today, work.terms, self._calendar)
        work.debt = replace(work.debt, noticed_on=today, answer_until=until, acknowledged_at=None)

    async def tell(self, conn: Connection, messages: Sequence[Message]) -> None:
        """Tell debtors by SMS or e-mail, through the outbox, each once. Contract: PSC-3.1.4, PSC-3.1.4-1"""
        events = [self._event(message) for message in messages]
        await outbox.emit_many(conn, events, at=self._clock.now())

    def _event(self, message: Message) -> tuple[str, str, dict[str, object]]:
        debt, holder, open_tiyn, step, channel = message
        today = self.today()
        payload: dict[str, object] = {
            "subscriber_id": holder.subscriber_id,
            "channel": channel,
            "debt_id": debt.debt_id,
            "number": debt.number,
            "amount": open_tiyn,
            "due_on": debt.due_on.isoformat(),
            "overdue": debt.due_on < today,
            "answer_until": debt.answer_until and debt.answer_until.isoformat(),
            "email": holder.email if channel is Channel.EMAIL else None,
            "language": holder.language,
            "op_id": f"{debt.debt_id}:{debt.round}:{step.code}:{today.isoformat()}",
        }
        return TOPICS[step.action], f"debt:{debt.debt_id}", payload

    async def write(self, conn: Connection, letters: Sequence[Letter]) -> None:
        """Put letters onto the day's list for the post."""
        if letters:
            await conn.execute(
                Q.add_letters,
                [letter.debt.debt_id for letter in letters],
                [letter.step.code for letter in letters],
                self.today(),
                [lists.letter_data(*letter) for letter in letters],
            )

    async def _suspend(self, conn: Connection, works: Sequence[_Work], holders: Mapping[AccountRef, Holder]) -> None:
        """Suspend every number of the debtors' accounts, with the invoice as reference. Contract: PSC-3.1.5.1"""
        wanted = [work for work in works if holders[work.debt.account].in_use]
        if not wanted:
            return
        await self._subscribers.accounts.suspend(
            conn,
            [(work.debt.account, work.debt.number) for work in wanted],
            Ground.MONEY,
            ORIGIN,
            reason="an invoice was not paid within the settlement term",
        )
        now = self._clock.now()
        for work in wanted:
            work.debt = replace(work.debt, suspended_at=now)

    async def _suspend_cases(self, conn: Connection, works: Sequence[_Work], now: datetime) -> None:
        """Note since when services are suspended, and when the contract ends of it. Contract: PSC-6.3.3"""
        begun = {
            work.debt.case_id: rules.ends_on(self.today(), work.terms)
            for work in works
            if work.debt.suspended_at == now and work.debt.case_id is not None
        }
        if begun:
            cases = sorted(begun)
            await conn.fetch(Q.lock_cases, cases)
            await conn.execute(Q.suspend_cases, cases, [self.today()] * len(cases), [begun[case] for case in cases])

    async def _hand_over(self, conn: Connection, works: Sequence[_Work], holders: Mapping[AccountRef, Holder]) -> None:
        """Put debts into the day's file for collectors, each once in its round. Contract: PSC-3.1.4"""
        if not works:
            return
        data = []
        for work in works:
            due = rules.penalty(work.debt, work.standing.changes, self.today(), work.terms)
            data.append(
                lists.handover_data(
                    work.debt,
                    holders[work.debt.account],
                    work.standing.open,
                    max(due, work.debt.penalty),
                    self._calendar,
                )
            )
        await conn.execute(
            Q.hand_over,
            [work.debt.debt_id for work in works],
            [work.debt.round for work in works],
            [work.debt.case_id for work in works],
            data,
            self.today(),
            self._clock.now(),
        )

    # Penalty

    async def _post_due(self, conn: Connection, works: Sequence[_Work], known: Known, run: Run) -> None:
        today = self.today()
        due = [work for work in works if work.debt.post_on is not None and work.debt.post_on <= today]
        posted = await self.post(conn, [work.debt for work in due], known)
        for work, debt in zip(due, posted, strict=True):
            run.add("penalties", debt.penalty > work.debt.penalty)
            work.debt = replace(debt, post_on=rules.next_posting(debt, today, work.terms))

    async def post(self, conn: Connection, debts: Sequence[Debt], known: Known) -> list[Debt]:
        """Post what has accrued of penalties and is not posted yet, counted through today; VAT is not charged on it.

        Raises:
            PenaltyRefusedError: the ledger refuses a forced charge, which is a defect.

        Contract: PSC-5.4
        """
        today = self.today()
        owing: list[tuple[Debt, Tiyn]] = []
        for debt in debts:
            standing, terms = known.standings[debt.debt_id], known.terms[debt.due_on]
            owing.append((debt, Tiyn(rules.penalty(debt, standing.changes, today, terms) - debt.penalty)))
        due = [(debt, amount, f"penalty:{debt.debt_id}:{today.isoformat()}") for debt, amount in owing if amount > 0]
        if due:
            ops = [
                ledger_model.debit(
                    debt.account,
                    op_id,
                    ledger_model.sum_charge(amount, money=("main",)),
                    contra=PENALTY,
                    forced=True,
                    details={"label": "penalty", "code": debt.number},
                )
                for debt, amount, op_id in due
            ]
            _check(await self._ledger.apply(conn, ops))
            postings = [NewPosting(debt.debt_id, amount, op_id) for debt, amount, op_id in due]
            await store.add_postings(conn, postings, today, self._clock.now())
        return [replace(debt, penalty=Tiyn(debt.penalty + max(amount, 0))) for debt, amount in owing]

    async def lower_penalty(self, conn: Connection, debt: Debt, known: Known, objection_id: int) -> Debt:
        """Give back what was posted beyond the penalty of a debt that was lowered; it counts as never higher.

        Contract: PSC-5.4
        """
        today = self.today()
        due = rules.penalty(debt, known.standings[debt.debt_id].changes, today, known.terms[debt.due_on])
        beyond = Tiyn(debt.penalty - due)
        if beyond <= 0:
            return debt
        op_id = f"penalty:{debt.debt_id}:objection:{objection_id}"
        details = {"label": "penalty.back", "code": debt.number}
        _check(
            await self._ledger.apply(
                conn, [ledger_model.credit(debt.account, op_id, beyond, contra=PENALTY, details=details)]
            )
        )
        await store.add_postings(conn, [NewPosting(debt.debt_id, Tiyn(-beyond), op_id)], today, self._clock.now())
        return replace(debt, penalty=due)

    async def _give_back(self, conn: Connection, debt: Debt) -> Tiyn:
        """Give back every penalty that was posted of a debt; returns what is left, which is nothing."""
        rows = await conn.fetch(Q.reverse_postings, debt.debt_id, self._clock.now())
        ops = [
            ledger_model.reverse(
                debt.account,
                f"{row['op_id']}:back",
                target=row["op_id"],
                forced=True,
                details={"label": "penalty.back", "code": debt.number},
            )
            for row in rows
        ]
        if ops:
            _check(await self._ledger.apply(conn, ops))
        return Tiyn(0)


def _with(works: Iterable[_Work], action: Action) -> list[_Work]:
    return [work for work in works if any(decision.step.action is action for decision in work.decisions)]


def _check(outcomes: Iterable[ledger_model.Outcome]) -> None:
    for outcome in outcomes:
        if outcome.status is not Status.OK:
            raise PenaltyRefusedError(why=outcome.status.name.lower())
