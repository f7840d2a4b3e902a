"""The story on the terminal: a subscriber's first day, or a visit to those who are there already."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Any, Final

from telco.kernel.clock import SystemClock
from telco.kernel.money import format_money, tenge
from telco.lab.cards import CARD_COMMAND, DemoCard
from telco.lab.handset import Call, DataUse, Dialogue, DialogueState, Message, MessageState
from telco.lab.people import Person, Print
from telco.lab.service import ServiceRefusedError, ServiceUnreachableError
from telco.lab.terminal import Terminal
from telco.lab.user import NothingHappenedError, User
from telco.lab.world import World

SERVICE_NUMBER: Final = "111"
BALANCE: Final = "*111*1#"
LAST_CHARGES: Final = "*111*6*3#"
CHANGE_PLAN: Final = "*111*2*2*3#"
YES: Final = "1"
MORE: Final = "9"
WRONG_CODE: Final = "00000000000000"
CARD_LIFE: Final = timedelta(days=730)
FEWEST_CARDS: Final = 5
"""Unused cards below which the demo prints another set."""
MEGABYTE: Final = 1_000_000
_EMERGENCY: Final = "112"
_NOTICE_PATIENCE_S: Final = 5.0
_SHOWN_BUCKETS: Final = 4


async def play(world: World, terminal: Terminal) -> bool:
    """Tell the story and return whether everything happened as it should."""
    story = _Story(world, terminal)
    world.network.instant = True  # on the terminal nobody watches a call go by; on the page they do
    try:
        await story.prepare()
        if story.everybody_is_there:
            await story.visit()
        else:
            await story.first_day()
    except (ServiceRefusedError, ServiceUnreachableError) as error:
        terminal.error(f"The story cannot go on: {error}")
        return False
    finally:
        world.network.instant = False
    return story.failures == 0


class _Story:
    """One telling."""

    def __init__(self, world: World, terminal: Terminal) -> None:
        self._world = world
        self._out = terminal
        self._steps = 0
        self._known: set[str] = set()
        self._before: dict[str, Decimal] = {}
        self.failures = 0

    @property
    def everybody_is_there(self) -> bool:
        return len(self._known) == len(self._world.beginning.people)

    # ---- before the story ----

    async def prepare(self) -> None:
        """Fill the number pool, print cards, and attach the phones of people who acceded in an earlier run."""
        service, beginning = self._world.service, self._world.beginning
        with self._out.progress("Numbers, contract, payment cards") as detail:
            await self._once("/v1/editions", beginning.edition)
            added = [(await service.command("/v1/numbers", {"msisdns": block}))["added"] for block in beginning.numbers]
            printed = await self._print_cards()
            detail.text = f"{sum(added)} numbers, {printed} cards new"
        for person in beginning.people:
            try:
                await self._world.network.accounts.read(person.msisdn)
            except ServiceRefusedError:
                continue
            self._known.add(person.msisdn)
            self._attach(person)

    async def _once(self, path: str, body: dict[str, Any]) -> None:
        """Send a command that an earlier run may have carried out already."""
        try:
            await self._world.service.command(path, body)
        except ServiceRefusedError as refused:
            if refused.status != HTTPStatus.CONFLICT:
                raise

    async def _print_cards(self) -> int:
        """Have payment cards made when too few are left, and keep their codes: they are shown this once."""
        world = self._world
        if sum(not card.used for card in world.cards.cards) >= FEWEST_CARDS:
            return 0
        printed = [card for wanted in world.beginning.cards for card in await self._print(wanted)]
        world.cards.put(printed)
        world.home.keep_cards(world.cards.cards)
        return len(printed)

    async def _print(self, wanted: Print) -> list[DemoCard]:
        expires_on = (SystemClock().now() + CARD_LIFE).date()
        batch = await self._world.service.command(
            "/v1/card-batches",
            {
                "reference": self._world.home.next_batch(),
                "face_value": wanted.value,
                "count": wanted.count,
                "expires_on": expires_on.isoformat(),
            },
        )
        return [DemoCard(card["serial"], card["code"], wanted.value) for card in batch["cards"]]

    def _attach(self, person: Person) -> User:
        self._world.network.attach(person.msisdn, owner=person.shown, brand=person.brand, language=person.language)
        return User(self._world.network, person.msisdn)

    # ---- the first day ----

    async def first_day(self) -> None:
        aigerim, dmitry, sam = [await self._accede(person) for person in self._world.beginning.people]
        await self._read_balance(aigerim, "asks for her balance by USSD: nothing yet")
        await self._type_wrong_code(aigerim)
        await self._top_up(aigerim, "5000.00", "tops up; the plan's fee is taken at once, a notice comes by SMS")
        await self._ask_by_sms(aigerim, "БАЛАНС", "asks for what is left by SMS")
        await self._buy_pack(aigerim)
        await self._top_up(dmitry, "2000.00", "tops up")
        await self._write(aigerim, dmitry, "Сәлем! Бұл менің жаңа нөмірім.")
        await self._write(dmitry, aigerim, "Привет! Записал.")
        await self._talk(dmitry, aigerim, 95)
        await self._surf(aigerim, 300)
        await self._surf(dmitry, 7)
        await self._change_plan(dmitry)
        await self._run_dry(sam, aigerim)
        await self._read_page(dmitry, LAST_CHARGES, "looks at the last five charges")

    async def visit(self) -> None:
        """The data of an earlier run are there: the people of that day go on."""
        self._out.title("The phones of an earlier run are still there (telco demo --fresh starts over)")
        users = [User(self._world.network, person.msisdn) for person in self._world.beginning.people]
        aigerim, dmitry, sam = users
        for user in users:
            await self._read_balance(user, "asks for the balance by USSD")
        await self._write(aigerim, dmitry, "Тағы да сәлем!")
        await self._top_up(sam, "1000.00", "tops up")
        await self._talk(sam, dmitry, 45)
        await self._read_page(sam, LAST_CHARGES, "looks at the last five charges")

    async def _accede(self, person: Person) -> User:
        self._begin(f"{person.shown} accedes by registration sheet: a number, a SIM, a plan")
        if person.msisdn not in self._known:
            await self._once("/v1/sims", person.sim())
        self._out.sent("staff", f"POST /v1/accessions  {person.plan}, +{person.msisdn}")
        done = await self._world.service.command("/v1/accessions", person.sheet())
        plan = f"{done['plan_code']} version {done['plan_version']}"
        self._out.got(f"contract {done['contract_id']}, {plan}: {done['plan_state'].replace('_', ' ')}")
        user = self._attach(person)
        await user.quiet()
        self._read_messages(user, 0)
        await self._show_balance(user)
        return user

    async def _read_balance(self, user: User, what: str) -> None:
        await self._read_page(user, BALANCE, what)

    async def _read_page(self, user: User, code: str, what: str) -> None:
        async with self._step(f"{self._name(user)} {what}"):
            await self._dial(user, code)
            await self._show_balance(user)

    async def _type_wrong_code(self, user: User) -> None:
        async with self._step(f"{self._name(user)} mistypes the code of a payment card"):
            await self._dial(user, CARD_COMMAND.format(code=WRONG_CODE))
            await self._show_balance(user)

    async def _top_up(self, user: User, value: str, what: str) -> None:
        async with self._step(f"{self._name(user)} {what}"):
            card = self._world.cards.take(value)
            if card is None:
                self._out.note(f"no unused card of {format_money(tenge(value))} is left")
                return
            seen = user.last_message_id
            await self._dial(user, CARD_COMMAND.format(code=card.code))
            await user.quiet()
            self._read_messages(user, seen)
            await self._show_balance(user)

    async def _ask_by_sms(self, user: User, text: str, what: str) -> None:
        async with self._step(f"{self._name(user)} {what}"):
            self._out.sent("SMS", f"{SERVICE_NUMBER}: {text}")
            self._out.got(await user.ask(SERVICE_NUMBER, text))
            await self._show_balance(user)

    async def _buy_pack(self, user: User) -> None:
        async with self._step(f"{self._name(user)} switches an extra gigabyte on by SMS, with confirmation"):
            for text in ("GB1", "ИӘ"):
                self._out.sent("SMS", f"{SERVICE_NUMBER}: {text}")
                self._out.got(await user.ask(SERVICE_NUMBER, text))
            await self._show_balance(user)

    async def _change_plan(self, user: User) -> None:
        async with self._step(f"{self._name(user)} changes the plan in the USSD menu, with what it costs"):
            self._out.sent("USSD", CHANGE_PLAN)
            page = await user.dial(CHANGE_PLAN)
            self._tell_page(page)
            while page.state is DialogueState.OPEN:
                page = await self._answer(user, MORE if _offers(page, MORE) and not _offers(page, YES) else YES)
            user.put_away()
            await self._show_balance(user)

    async def _write(self, sender: User, reader: User, text: str) -> None:
        async with self._step(f"{self._name(sender)} writes to {self._name(reader)}: a charged SMS"):
            self._out.sent("SMS", f"+{reader.number}: {text}")
            message = await sender.send(reader.number, text)
            self._out.got(_told_sms(message), bad=message.state is MessageState.FAILED)
            await self._show_balance(sender)

    async def _talk(self, caller: User, callee: User, seconds: int) -> None:
        async with self._step(f"{self._name(caller)} calls {self._name(callee)} and talks {seconds} s"):
            self._out.sent("voice", f"+{callee.number}")
            self._out.got(_told_call(await caller.call(callee.number, seconds)))
            caller.network.hang_up(caller.number)
            callee.network.hang_up(callee.number)
            await self._show_balance(caller)

    async def _surf(self, user: User, megabytes: int) -> None:
        async with self._step(f"{self._name(user)} uses {megabytes} MB over 4G"):
            self._out.sent("data", f"{megabytes} MB")
            self._out.got(_told_data(await user.use_data(megabytes * MEGABYTE)))
            await self._show_balance(user)

    async def _run_dry(self, user: User, friend: User) -> None:
        async with self._step(f"{self._name(user)} has no money: outgoing services stop, emergency calls do not"):
            self._out.sent("SMS", f"+{friend.number}: Hi!")
            message = await user.send(friend.number, "Hi!")
            self._out.got(_told_sms(message), bad=message.state is MessageState.FAILED)
            self._out.sent("voice", _EMERGENCY)
            self._out.got(_told_call(await user.call(_EMERGENCY, 20)))
            user.network.hang_up(user.number)
            await self._show_balance(user)

    # ---- telling ----

    def _begin(self, text: str) -> None:
        self._steps += 1
        self._out.step(self._steps, text)

    @contextlib.asynccontextmanager
    async def _step(self, text: str) -> AsyncIterator[None]:
        """Tell a step; one that fails is told too, and the story goes on."""
        self._begin(text)
        try:
            yield
        except (NothingHappenedError, ServiceRefusedError, ServiceUnreachableError) as error:
            self.failures += 1
            self._out.got(str(error), bad=True)

    async def _dial(self, user: User, code: str) -> None:
        """Dial a code, turn its pages to the end, and put the phone away."""
        self._out.sent("USSD", code)
        page = await user.dial(code)
        self._tell_page(page)
        while page.state is DialogueState.OPEN and _offers(page, MORE):
            page = await self._answer(user, MORE)
        user.put_away()

    async def _answer(self, user: User, text: str) -> Dialogue:
        self._out.sent("USSD", text)
        page = await user.answer(text)
        self._tell_page(page)
        return page

    def _tell_page(self, page: Dialogue) -> None:
        if page.reason is not None:
            self.failures += 1
        self._out.got(page.reason or page.text, bad=page.reason is not None)

    def _read_messages(self, user: User, seen: int) -> None:
        for message in user.phone.messages:
            if message.message_id > seen and message.state is MessageState.RECEIVED:
                self._out.got(message.text, face="SMS")

    async def _show_balance(self, user: User) -> None:
        account = await user.account()
        main, before = Decimal(account["main"]), self._before.get(user.number)
        self._before[user.number] = main
        moved = f"  ({_signed(main - before)})" if before is not None and main != before else ""
        left = [_left(bucket) for bucket in account["allowances"][:_SHOWN_BUCKETS]]
        self._out.balance(f"{format_money(tenge(main))}{moved}" + (f"   {', '.join(left)}" if left else ""))

    @staticmethod
    def _name(user: User) -> str:
        return user.phone.owner


def _offers(page: Dialogue, choice: str) -> bool:
    """Tell whether a menu's page has this choice."""
    return re.search(rf"(^|\s){choice} \S", page.text) is not None


def _signed(amount: Decimal) -> str:
    return f"{'+' if amount > 0 else '−'}{format_money(tenge(abs(amount)))}"


def _left(bucket: dict[str, Any]) -> str:
    name, unit, left = bucket["code"].removesuffix(".any"), bucket["unit"], bucket["left"]
    match unit:
        case "money":
            return f"{name} {format_money(tenge(left))}"
        case "bytes":
            return f"{name} {left / 10**9:.3g} GB" if left >= 10**9 else f"{name} {left / 10**6:.3g} MB"
        case "seconds":
            return f"{name} {left / 60:.4g} min"
        case _:
            return f"{name} {left}"


def _cost(cost: str | None) -> str:
    return f"cost {format_money(tenge(cost))}" if cost is not None and Decimal(cost) else "included or free"


def _told_sms(message: Message) -> str:
    if message.state is MessageState.FAILED:
        return f"not sent: {message.reason}"
    return f"delivered, {_cost(message.cost)}"


def _told_call(call: Call) -> str:
    if call.cost is None:
        return f"no connection: {call.reason}"
    early = f", ended early: {call.reason}" if call.reason else ""
    return f"talked {call.seconds} s, {_cost(call.cost)}{early}"


def _told_data(data: DataUse) -> str:
    early = f", ended early: {data.reason}" if data.reason else ""
    return f"{data.used_bytes / MEGABYTE:g} MB transferred, {_cost(data.cost)}{early}"
