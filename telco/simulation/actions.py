"""Acts carried out through the service's own use cases, each once: its id is made of day, slot and actor.

What the service refuses is part of life and is counted; what it does not expect is a defect and ends the run.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from telco.app import App
from telco.billing.company.model import Order, SheetKind
from telco.billing.instalments.model import AgreementState, Sale
from telco.billing.payments.model import Provider, TerminalRequest
from telco.billing.refunds.model import NewRefund, Payee, PayoutWay
from telco.catalog.model import Service
from telco.charging.model import Grant, Result, UsageRequest
from telco.kernel.errors import DomainError
from telco.kernel.ids import AccountRef, ContractId
from telco.kernel.money import Tiyn, tenge
from telco.kernel.msisdn import Msisdn
from telco.simulation import people
from telco.simulation.bank import bank_file
from telco.simulation.model import OPERATOR, Act, Actor, Kind, Slot, Way
from telco.simulation.office import ACCOUNTANT, CASHIER, DESK, Office
from telco.subscribers.errors import SimKnownError
from telco.subscribers.model import (
    ChangeTime,
    Channel,
    DeviceKind,
    Ground,
    Origin,
    PartyData,
    PartyKind,
    RegistrationSheet,
    SimKind,
    Subscriber,
    by_subscriber,
)

OFFICE: Final = Origin("staff:simulation", Channel.OFFICE, "simulation")
PROVIDER: Final = "kiosk"
_CABINET: Final = by_subscriber(Channel.CABINET)
_FIRST_PAYMENT: Final = tenge(1_000)
_AT_ONCE: Final = 24
"""Acts that are carried out at the same time; each holds a connection now and then."""
_USERS_AT_ONCE: Final = 400
"""Users whose usage is charged at the same time: the ledger's lanes batch it."""

Tally = Counter[str]


class Doer:
    """Carries acts out."""

    def __init__(self, app: App, actors: Sequence[Actor]) -> None:
        self._app = app
        self._actors = actors
        self._places = people.numbers_of(actors)
        self._office = Office(app)
        self._provider: Provider

    async def prepare(self) -> None:
        """Read who may send payments."""
        self._provider = await self._app.ways_in.providers.get(PROVIDER)

    async def carry_out(self, acts: Sequence[Act], slot_id: str) -> Tally:
        """Carry out everybody's acts of a slot and count what came of them; `slot_id` begins every id.

        By day the operator's office follows, when everybody has acted: what it does nobody's act of the day sees, so
        that acts which are repeated after a stop come to the same end.
        """
        tally: Tally = Counter()
        if any(_at_the_desk(act) for act in acts):
            await self._app.ways_in.cash.open_shift(DESK, cashier=CASHIER)
        few, many = asyncio.Semaphore(_AT_ONCE), asyncio.Semaphore(_USERS_AT_ONCE)

        async def one(act: Act) -> None:
            async with many if act.kind is Kind.USE else few:
                try:
                    tally.update(await self._do(act, f"{slot_id}:{act.actor}"))
                except DomainError as refused:
                    if refused.status >= 500 or act.actor == OPERATOR:
                        raise
                    tally[f"{act.kind}: {refused.code}"] += 1

        async with asyncio.TaskGroup() as group:
            for act in acts:
                group.create_task(one(act))
        if slot_id.endswith(f":{Slot.DAY}"):
            tally.update(await self._office.work(slot_id))
        return tally

    async def _do(self, act: Act, act_id: str) -> Mapping[str, int]:
        terms = act.terms
        match act.kind:
            case Kind.JOIN:
                return await self._join(self._actors[act.actor], terms["life"], terms["plan"], act_id)
            case Kind.USE:
                return await self._use(terms["numbers"], act_id)
            case Kind.PAY:
                return await self._pay(terms, act_id)
            case Kind.BANK_FILE:
                return await self._bank_file(terms["orders"])
            case Kind.ASK_REFUND:
                return await self._ask_refund(self._actors[act.actor], terms["msisdn"], terms["iban"], act_id)
            case _:
                subscriber = await self._app.subscribers.get(Msisdn(terms["msisdn"]))
                return {f"{act.kind}: {await self._change(act, subscriber, act_id)}": 1}

    # Coming

    async def _join(self, actor: Actor, life: int, plan: str, act_id: str) -> Mapping[str, int]:
        """Accede with every number; a company's numbers share one contract and one personal account."""
        contract_id: ContractId | None = None
        account: AccountRef | None = None
        for extra in range(actor.numbers):
            place = self._places[actor.index] + extra
            sheet = self._sheet(actor, place, life, plan, f"{act_id}:{extra}", contract_id, account)
            accession = await self._app.subscribers.accede(sheet)
            contract_id, account = accession.contract_id, accession.account
        return {"join": 1, "numbers given": actor.numbers}

    def _sheet(
        self,
        actor: Actor,
        place: int,
        life: int,
        plan: str,
        request_id: str,
        contract_id: ContractId | None,
        account: AccountRef | None,
    ) -> RegistrationSheet:
        msisdn = people.msisdn_of(place, life)
        return RegistrationSheet(
            request_id=request_id,
            party=PartyData(
                actor.kind, actor.iin_bin, actor.name, "Алматы, Абай 1", f"{actor.iin_bin}@example.kz", "77011112233"
            ),
            plan_code=plan,
            language=actor.language,
            origin=OFFICE,
            msisdn=msisdn,
            iccid=people.card_of(place, life)[0],
            contract_id=contract_id,
            account=account,
            device_kind=DeviceKind.M2M if actor.device else DeviceKind.PHONE,
            initial_payment=Tiyn(0) if actor.kind is PartyKind.COMPANY else max(actor.amount, _FIRST_PAYMENT),
        )

    async def stock(self, life: int) -> None:
        """Add the numbers and cards of everybody's life to the pool."""
        subscribers = self._app.subscribers
        places = range(sum(actor.numbers for actor in self._actors))
        await subscribers.numbers.add([people.msisdn_of(place, life) for place in places], "ordinary", OFFICE)
        for start in range(0, len(places), 1_000):
            cards = [people.card_of(place, life) for place in places[start : start + 1_000]]
            try:
                await subscribers.sims.receive(cards, SimKind.SIM, OFFICE)
            except SimKnownError:
                continue  # this delivery had come before the run was stopped

    # Paying

    async def _pay(self, terms: Mapping[str, Any], act_id: str) -> Mapping[str, int]:
        way, msisdn, amount = Way(terms["way"]), Msisdn(terms["msisdn"]), Tiyn(terms["amount"])
        ways_in = self._app.ways_in
        match way:
            case Way.TERMINAL:
                txn_id = act_id.replace(":", "-")
                request = TerminalRequest(txn_id, msisdn, amount, self._app.clock.now())
                answer = await ways_in.terminals.pay(self._provider, request)
                return {f"pay: {way} {answer.reason}": 1}
            case Way.CASH_DESK:
                await ways_in.cash.take(msisdn, amount, cashier=CASHIER, request_id=act_id)
                return {f"pay: {way} ok": 1}
            case Way.CARD:
                subscriber = await self._app.subscribers.get(msisdn)
                activation = await self._app.cards.activate(subscriber, terms["code"], act_id)
                return {f"pay: {way} {activation.status}": 1}
            case Way.BANK:
                raise AssertionError("payments through the bank come in the bank's file")

    async def _bank_file(self, orders: Sequence[Mapping[str, Any]]) -> Mapping[str, int]:
        """Take the companies' registers, then the bank's file of the day."""
        now = self._app.clock.now()
        day = self._app.calendar.today(now)
        by_register = [order for order in orders if order["register"]]
        for order in by_register:
            await self._app.companies.sheets.take(
                order["register"].encode(),
                f"{order['number']}.csv",
                SheetKind.REGISTER,
                Order(order["payer"], order["number"], day),
                actor=ACCOUNTANT,
            )
        await self._app.ways_in.transfers.take(bank_file(day, orders), f"{day}.txt", actor=ACCOUNTANT)
        persons = len(orders) - len(by_register)
        return {f"pay: {Way.BANK} ok": persons, f"pay: {Way.BANK} by register": len(by_register)}

    # Changing

    async def _change(self, act: Act, subscriber: Subscriber, act_id: str) -> str:
        app, terms, subscriber_id = self._app, act.terms, subscriber.subscriber_id
        match act.kind:
            case Kind.TRUST:
                return (await app.trust.give(subscriber, act_id)).status
            case Kind.CHANGE_PLAN:
                when = ChangeTime.NOW if terms["now"] else ChangeTime.NEXT_PERIOD
                quote = await app.subscribers.quote_plan(subscriber_id, terms["plan"], when, _CABINET)
                return (await app.subscribers.change_plan(quote, _CABINET)).when
            case Kind.SERVICE_ON:
                await app.subscribers.switch_service_on(subscriber_id, terms["service"], _CABINET, act_id)
            case Kind.SERVICE_OFF:
                await app.subscribers.switch_service_off(subscriber_id, terms["service"], _CABINET)
            case Kind.LOSE_PHONE:
                await app.subscribers.suspend(subscriber_id, Ground.LOST_DEVICE, _CABINET, reason="lost")
            case Kind.FIND_PHONE:
                await app.subscribers.suspensions.resume_ground(
                    subscriber_id, Ground.LOST_DEVICE, _CABINET, reason="found"
                )
            case Kind.ASK_LIMIT:
                return (await app.limits.ask(subscriber, Tiyn(terms["limit"]), _CABINET, act_id)).state
            case Kind.BUY_DEVICE:
                await self._bring(subscriber, terms, act_id)
                await app.instalments.sign(subscriber, _sale(terms), OFFICE, request_id=act_id)
            case Kind.REPAY_DEVICE:
                await self._bring(subscriber, terms, act_id)
                return await self._repay_devices(subscriber)
            case Kind.LEAVE:
                stop_at = app.clock.now() + timedelta(days=terms["in_days"]) if terms["in_days"] else None
                await app.subscribers.contracts.refuse(subscriber_id, _CABINET, stop_at=stop_at)
            case _:
                raise AssertionError(f"{act.kind} is done elsewhere")
        return "done"

    async def _bring(self, subscriber: Subscriber, terms: Mapping[str, Any], act_id: str) -> None:
        """Pay at the desk what is to be taken from the balance at once."""
        if terms["brought"]:
            amount = Tiyn(terms["brought"])
            await self._app.ways_in.cash.take(subscriber.msisdn, amount, cashier=CASHIER, request_id=act_id)

    async def _repay_devices(self, subscriber: Subscriber) -> str:
        """Repay what is left of the devices that a subscriber bought."""
        bought = await self._app.instalments.of_subscriber(subscriber.subscriber_id)
        still_open = [one.agreement.number for one in bought if one.agreement.state is AgreementState.OPEN]
        for number in still_open:
            await self._app.instalments.repay(number, OFFICE)
        return "done" if still_open else "nothing open"

    # Leaving

    async def _ask_refund(self, actor: Actor, named: str, iban: str, act_id: str) -> Mapping[str, int]:
        """Register a written application for what is left on the account of a number that ended."""
        refund = await self._app.ways_out.refunds.register(
            NewRefund(
                named=named,
                iin_bin=actor.iin_bin,
                payee=Payee(PayoutWay.BANK, iban) if iban else Payee(PayoutWay.CASH),
                amount=None,
                contact_phone=None,
                channel=Channel.OFFICE,
                ground=f"application {act_id}",
                actor=OFFICE.author,
                request_id=act_id,
            )
        )
        return {f"{Kind.ASK_REFUND}: {refund.payee.way}": 1}

    # Using

    async def _use(self, numbers: Sequence[Mapping[str, Any]], act_id: str) -> Mapping[str, int]:
        """Use one number after another: those of a company spend from one account, so the order counts."""
        tally: Tally = Counter()
        for number in numbers:
            msisdn, last = Msisdn(number["msisdn"]), None
            for place, call in enumerate(number["calls"]):
                visited = call["visited"]
                if visited is not None and visited != last:
                    await self._app.charging.entered_network(msisdn, visited)
                last = visited
                request = UsageRequest(
                    request_id=f"{act_id}:{msisdn[-7:]}:{place}",
                    msisdn=msisdn,
                    service=Service(call["service"]),
                    other=call.get("other", ""),
                    visited=visited,
                    requested=call["quantity"] if "portions" not in call else None,
                )
                grant = await self._call(request, call)
                tally[f"use: {request.service} {grant.result}"] += 1
        return tally

    async def _call(self, request: UsageRequest, call: Mapping[str, Any]) -> Grant:
        """Report usage as one event, or reserve for it, perhaps ask once more, and report at the end.

        What is reported follows from the newest answer alone, so that it is the same when everything is sent again: an
        answer is repeated as long as nothing was reported after it, and what is stale was reported.
        """
        charging = self._app.charging
        if "portions" not in call:
            return await charging.event(request)
        first = grant = await charging.start(request)
        if call["portions"] > 1 and (grant.given or grant.result is Result.STALE_REQUEST):
            grant = await charging.update(request.request_id, 1, used=0)
        if grant.given:
            await charging.stop(request.request_id, call["portions"], min(grant.granted, call["quantity"]))
        return first


def _at_the_desk(act: Act) -> bool:
    """Whether an act brings cash to the desk."""
    terms = act.terms
    return bool(terms["way"] == Way.CASH_DESK if act.kind is Kind.PAY else terms.get("brought"))


def _sale(terms: Mapping[str, Any]) -> Sale:
    return Sale("device-standard", "Phone", terms["imei"], Tiyn(terms["price"]), Tiyn(terms["down"]), terms["months"])
