"""How a feature declares what subscribers can type: one `Command` serves SMS keywords and USSD menus alike.

A command is a module-level value made by the `command` decorator on its handler; it holds no service, so the table of
codes and the tests read it without starting anything. What the handler needs comes with its `Context`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

from telco.kernel.i18n import Language, Text
from telco.kernel.msisdn import Msisdn
from telco.subscribers.model import Channel, Origin, Subscriber, by_subscriber

T = TypeVar("T")

Line: TypeAlias = Text | str
"""A line of an answer: a text to be translated, or data that already is in the reader's language."""

LANGUAGE = "language"
"""Name of an argument that is the language of everything that follows it, for those whose language is not known."""

SERVICE = "service"
"""Name of an argument that is a service: a message to the service's own number says it."""

State: TypeAlias = Mapping[str, Any]
"""What a question remembers until it is answered: JSON values only."""


class Services:
    """The services that handlers may ask for, by their class."""

    __slots__ = ("_by_class",)

    def __init__(self, *services: object) -> None:
        self._by_class: dict[type, Any] = {type(service): service for service in services}

    def __getitem__(self, kind: type[T]) -> T:
        service: T = self._by_class[kind]
        return service


@dataclass(frozen=True, slots=True)
class Codes:
    """The operator's short codes: configuration. Paths are written as in the menu, ``2*1``."""

    root: str = "111"
    """The USSD service code of the menu, and the number that SMS commands are sent to."""
    aliases: Mapping[str, str] = field(
        default_factory=lambda: {"121": "1", "166": "2", "444": "3*2", "130": "7", "100": "4", "110": "8*5"}
    )
    """Other service codes and the menu path each stands for."""
    registration: str = "110"
    """The code that a starter pack's owner dials to become a subscriber."""
    helpdesk: Mapping[str, str] = field(default_factory=lambda: {"kcell": "9090", "activ": "3030"})
    """Free helpdesk number by brand (PSC-3.2.5)."""
    content: Mapping[str, str] = field(default_factory=lambda: {"6007": "music-day", "6008": "quiz"})
    """Numbers of content services and the service of each: STOP sent there ends it (PSC-3.2.15)."""
    helpdesk_from_anywhere: str = "+7 727 258 83 00"

    def path_of(self, code: str) -> str | None:
        """Return the menu path that a service code stands for; None when it is not one of ours."""
        return "" if code == self.root else self.aliases.get(code)

    def helpdesk_of(self, subscriber: Subscriber | None) -> str:
        """Return the free helpdesk number that a subscriber's brand publishes."""
        brand = subscriber.brand if subscriber else ""
        return self.helpdesk.get(brand, self.helpdesk_from_anywhere)


@dataclass(frozen=True, slots=True)
class Context:
    """Who asks, how, when, and under which id.

    `request_id` is the same whenever the same message or dialogue step is processed again: ledger operations and
    applications are keyed by it, so that nothing is charged twice.
    """

    msisdn: Msisdn
    known: Subscriber | None
    channel: Channel
    language: Language
    now: datetime
    request_id: str
    services: Services
    codes: Codes
    message: str = ""
    """The message as it was received."""
    bilingual: bool = False
    """Whether the asker's language is not known, so that he is answered in the two of the country."""

    @property
    def subscriber(self) -> Subscriber:
        """The subscriber; only commands open to strangers are ever called without one."""
        if self.known is None:
            raise LookupError("a command that is not open to strangers was called by one")
        return self.known

    @property
    def origin(self) -> Origin:
        return by_subscriber(self.channel)

    def speaking(self, language: Language) -> Context:
        """The same, answered in one language."""
        return replace(self, language=language, bilingual=False)


class Answer:
    """What the subscriber reads: lines, so that a page of USSD can end between them."""

    __slots__ = ("lines",)

    def __init__(self, *lines: Line) -> None:
        self.lines = lines


class Question(Answer):
    """Asks for a yes; `state` is handed to the handler as it was shown, such as a quote.

    `details` follow the question; on a page of USSD they come after the yes and no, which are then always in sight.
    """

    __slots__ = ("details", "question", "state")

    def __init__(self, *question: Line, details: tuple[Line, ...] = (), state: State | None = None) -> None:
        super().__init__(*question, *details)
        self.question = question
        self.details = details
        self.state = dict(state or {})


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the values that an argument may have: its number in the menu, its name, and what else it is called."""

    number: str
    label: Line
    value: str
    keywords: tuple[str, ...] = ()


Chooser = Callable[[Context, Mapping[str, str]], Awaitable[Sequence[Choice]]]
"""Lists the choices of an argument; it knows what was said for the arguments before."""
Handler = Callable[..., Awaitable[Answer]]
Asker = Callable[..., Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Argument:
    """A value that a command needs: typed with it, or asked for.

    `parse` reads what was typed and raises a `DomainError` that says how to write it; with `choices` the value is
    picked from a list instead, by number or by name.
    """

    name: str
    prompt: Text
    example: str
    parse: Callable[[str], str] | None = None
    choices: Chooser | None = None
    empty: Text | None = None
    """Answer when there is nothing to choose from."""
    standalone: bool = False
    """Whether the choices' own keywords, sent alone, mean this command."""


@dataclass(frozen=True, slots=True)
class Command:
    """Something that a subscriber can have done by typing."""

    name: str
    """Feature and command, for logs and metrics: ``billing.activate_card``."""
    title: Text
    """The line in the menu and in the table of codes."""
    handler: Handler
    path: str
    """Its place in the USSD menu below the root code: ``2*1``."""
    keywords: tuple[str, ...]
    """What to write by SMS, in any language; compared without regard to case, spacing and spelling variants."""
    shortcuts: Mapping[str, str]
    """Keywords that say the argument too: ``қазақша`` is the language command with `1`."""
    arguments: tuple[Argument, ...]
    confirm: Asker | None
    """Asks before acting, as a `Question`; an `Answer` instead ends the matter."""
    changes: bool
    """Whether it changes anything; one that does not needs no id that outlives a crash."""
    when_barred: bool
    """Whether it works while everything is suspended."""
    strangers: bool
    """Whether it is open to numbers that are not (yet) subscribers."""

    @property
    def example(self) -> str:
        """How it is written by SMS in one message."""
        parts = [self.keywords[0].upper(), *(argument.example for argument in self.arguments)]
        return " ".join([*parts, "YES"] if self.confirm else parts)


def command(
    name: str,
    title: Text,
    *,
    path: str,
    keywords: tuple[str, ...],
    shortcuts: Mapping[str, str] | None = None,
    arguments: tuple[Argument, ...] = (),
    confirm: Asker | None = None,
    changes: bool = True,
    when_barred: bool = False,
    strangers: bool = False,
) -> Callable[[Handler], Command]:
    """Declare the decorated handler as a command.

    The handler is called as ``handler(context, **arguments)``, and for a command with `confirm` as
    ``handler(context, state, **arguments)`` with what the question remembered.
    """

    def declare(handler: Handler) -> Command:
        return Command(
            name=name,
            title=title,
            handler=handler,
            path=path,
            keywords=keywords,
            shortcuts=shortcuts or {},
            arguments=arguments,
            confirm=confirm,
            changes=changes,
            when_barred=when_barred,
            strangers=strangers,
        )

    return declare
