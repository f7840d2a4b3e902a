"""A small table of commands to try the router on: a read, an argument, a choice, a question, a failure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from telco.catalog.model import Settlement
from telco.db.pool import DatabaseUnavailableError
from telco.kernel.clock import Clock
from telco.kernel.errors import DomainError
from telco.kernel.i18n import Language, Text, Translator
from telco.kernel.ids import AccountId, AccountRef, ContractId, PartyId, SubscriberId
from telco.kernel.msisdn import Msisdn
from telco.sms.command import Answer, Argument, Choice, Codes, Context, Question, Services, command
from telco.sms.dialogues import Dialogues
from telco.sms.menu import Menu
from telco.sms.model import Inbound, UssdOp, UssdRequest
from telco.sms.shared import Faces
from telco.subscribers.model import DeviceKind, PartyKind, PlanState, Scope, Subscriber, SubscriptionState

AIGUL = Msisdn("77011234567")
STRANGER = Msisdn("77010000000")
TITLES = {"": Text("Start"), "2": Text("Things")}


class ThingRefusedError(DomainError):
    """The thing {thing} cannot be had."""

    code = "sample_thing_refused"
    thing: str


class Shelf:
    """What the sample commands did, by request id: the service behind them."""

    def __init__(self) -> None:
        self.done: dict[str, str] = {}


def _digits(typed: str) -> str:
    digits = "".join(character for character in typed if character.isdigit())
    if not digits:
        raise ThingRefusedError(thing=typed)
    return digits


async def _things(ctx: Context, values: Mapping[str, str]) -> Sequence[Choice]:
    return [Choice("1", "Lamp", "lamp", ("lamp", "лампа")), Choice("2", "Long " * 20, "long")]


async def _nothing(ctx: Context, values: Mapping[str, str]) -> Sequence[Choice]:
    return []


async def _ask(ctx: Context, thing: str) -> Answer:
    if thing == "long":
        raise ThingRefusedError(thing=thing)
    return Question(f"Buy {thing}?", state={"price": 100})


@command(
    "sample.time", Text("What time"), path="1", keywords=("time", "уақыт", "время"), changes=False, when_barred=True
)
async def tell_time(ctx: Context) -> Answer:
    return Answer(f"It is {ctx.now:%H:%M}", "for everybody")


@command(
    "sample.buy",
    Text("Buy"),
    path="2*1",
    keywords=("buy", "купить"),
    shortcuts={"lamp please": "1"},
    arguments=(Argument("thing", Text("What?"), "1", choices=_things, standalone=True),),
    confirm=_ask,
)
async def buy(ctx: Context, state: Mapping[str, Any], thing: str) -> Answer:
    ctx.services[Shelf].done.setdefault(ctx.request_id, f"{thing} {state['price']}")
    return Answer(f"Bought {thing}")


@command(
    "sample.code",
    Text("Code"),
    path="2*2",
    keywords=("code",),
    arguments=(Argument("code", Text("Enter the code"), "1234", parse=_digits),),
)
async def enter_code(ctx: Context, code: str) -> Answer:
    ctx.services[Shelf].done.setdefault(ctx.request_id, code)
    return Answer(f"Code {code}")


@command(
    "sample.two",
    Text("Two"),
    path="2*3",
    keywords=("two",),
    arguments=(
        Argument("first", Text("First?"), "1", parse=_digits),
        Argument("second", Text("Second?"), "2", parse=_digits),
    ),
)
async def enter_two(ctx: Context, first: str, second: str) -> Answer:
    return Answer(f"{first}+{second}")


@command(
    "sample.empty",
    Text("Empty"),
    path="2*4",
    keywords=("empty",),
    arguments=(Argument("thing", Text("What?"), "1", choices=_nothing, empty=Text("There is nothing.")),),
)
async def take_nothing(ctx: Context, thing: str) -> Answer:
    return Answer("impossible")


@command("sample.fail", Text("Fail"), path="2*5", keywords=("fail",))
async def fail(ctx: Context) -> Answer:
    raise ZeroDivisionError


@command("sample.list", Text("List"), path="2*6", keywords=("list",), changes=False)
async def show_list(ctx: Context) -> Answer:
    return Answer(*(f"{number}. Строка номер {number} из списка" for number in range(1, 6)))


@command("sample.join", Text("Join"), path="2*7", keywords=("join",), strangers=True)
async def join(ctx: Context) -> Answer:
    return Answer(f"Welcome {ctx.msisdn}")


@command("sample.busy", Text("Busy"), path="2*8", keywords=("busy",))
async def busy(ctx: Context) -> Answer:
    raise DatabaseUnavailableError


COMMANDS = (tell_time, buy, enter_code, enter_two, take_nothing, fail, show_list, join, busy)


def subscriber(msisdn: Msisdn = AIGUL, *, barred: frozenset[Scope] = frozenset()) -> Subscriber:
    return Subscriber(
        subscriber_id=SubscriberId(1),
        contract_id=ContractId(1),
        party_id=PartyId(1),
        party_kind=PartyKind.PERSON,
        msisdn=msisdn,
        account=AccountRef(0, AccountId(1)),
        state=SubscriptionState.ACTIVE,
        brand="kcell",
        language=Language.RU,
        device_kind=DeviceKind.PHONE,
        settlement=Settlement.PREPAID,
        plan_code="kcell-start",
        plan_version=1,
        plan_state=PlanState.ACTIVE,
        next_fee_at=None,
        services=frozenset(),
        barred=barred,
    )


class Desk:
    """The router's surroundings, and what went through them."""

    def __init__(self, redis_url: str, clock: Clock, translator: Translator) -> None:
        self.known: dict[Msisdn, Subscriber] = {AIGUL: subscriber()}
        self.shelf = Shelf()
        self.lost = False
        """Whether the database is gone."""
        self.dialogues = Dialogues.connect(redis_url, timeout_s=30)
        self.faces = Faces(
            menu=Menu(COMMANDS, TITLES),
            codes=Codes(aliases={"121": "1", "166": "2", "130": "2*2"}),
            services=Services(self.shelf),
            translator=translator,
            dialogues=self.dialogues,
            find=self.find,
            clock=clock,
        )

    async def find(self, msisdn: Msisdn) -> Subscriber | None:
        if self.lost:
            raise ConnectionResetError("the database is gone")
        return self.known.get(msisdn)


_ids: Iterator[int] = iter(range(1, 10**9))


def inbound(text: str, *, message_id: int | None = None, source: Msisdn = AIGUL) -> Inbound:
    number = message_id if message_id is not None else next(_ids)
    return Inbound(number, source, "111", text, datetime(2026, 3, 2, 6, tzinfo=UTC))


def begin(text: str, session: str = "s1", source: Msisdn = AIGUL) -> UssdRequest:
    return UssdRequest(session, source, text, UssdOp.BEGIN, "link")


def go_on(text: str, session: str = "s1", source: Msisdn = AIGUL) -> UssdRequest:
    return UssdRequest(session, source, text, UssdOp.CONTINUE, "link")
