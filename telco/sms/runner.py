"""Runs a declared command for whoever asked, on either face, and says every outcome in the asker's language."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeVar

import structlog
from prometheus_client import Counter

from telco.db.pool import LOST_CONNECTION, DatabaseUnavailableError
from telco.kernel.errors import DomainError
from telco.kernel.i18n import Language, Text, Translator
from telco.sms import refusals
from telco.sms.command import Answer, Choice, Command, Context, Line
from telco.sms.keywords import phrase
from telco.sms.shared import named
from telco.subscribers.model import Scope

_COMMANDS = Counter("telco_commands_total", "Commands typed by subscribers", ["command", "channel", "outcome"])

T = TypeVar("T")


@cache
def _succeeded(name: str, channel: str) -> Counter:
    """The counter of a command's successes, found once."""
    return _COMMANDS.labels(name, channel, "ok")


log = structlog.get_logger(__name__)

_UNAVAILABLE = 503


class Refused(Answer):
    """The command was not carried out; the answer says why."""

    __slots__ = ()


class Value(NamedTuple):
    """An argument as its parser read it."""

    value: str


class Runner:
    """Reads arguments, asks for confirmation and runs handlers. Whatever a feature raises becomes an answer.

    Only `DatabaseUnavailableError` is raised on: the caller knows whether it can try again.
    """

    def __init__(self, translator: Translator) -> None:
        self._translator = translator

    def lines(self, answer: Answer, language: Language) -> list[str]:
        """Say an answer in a language."""
        return [part for line in answer.lines for part in self.say(line, language).split("\n")]

    def bilingual(self, answer: Answer) -> list[str]:
        """Say an answer in the two languages of the country; what is the same in both is said once."""
        return list(dict.fromkeys(self.lines(answer, Language.KK) + self.lines(answer, Language.RU)))

    def say(self, line: Line, language: Language) -> str:
        return line if isinstance(line, str) else self._translator.render(line, language)

    def may(self, ctx: Context, command: Command) -> Refused | None:
        """Decide whether the asker may use a command at all.

        Contract: PSC-3.1.5, PSC-3.2.5
        """
        if ctx.known is None:
            return None if command.strangers else Refused(stranger(ctx))
        if Scope.FULL in ctx.known.barred and not command.when_barred:
            return Refused(
                Text("Services to your number are suspended."),
                Text("Helpdesk: {number}, free.", number=ctx.codes.helpdesk_of(ctx.known)),
            )
        return None

    async def read(self, ctx: Context, command: Command, values: Sequence[str], typed: str) -> Value | Refused:
        """Read the argument that follows those already read, as it was typed."""
        argument = command.arguments[len(values)]
        if argument.choices is not None:
            options = await self.options(ctx, command, values)
            return options if isinstance(options, Refused) else self._pick(options, typed)
        if argument.parse is None:
            return Value(typed)
        try:
            return Value(argument.parse(typed))
        except DomainError as error:
            return Refused(*refusals.explain(error))

    async def options(self, ctx: Context, command: Command, values: Sequence[str]) -> Sequence[Choice] | Refused:
        """What the argument that follows `values` may be; a refusal when there is nothing to choose from."""
        argument = command.arguments[len(values)]
        if argument.choices is None:
            return ()
        options = await self._guard(ctx, command, argument.choices(ctx, named(command, values)))
        if not isinstance(options, Refused) and not options and argument.empty is not None:
            return Refused(argument.empty)
        return options

    def _pick(self, options: Sequence[Choice], typed: str) -> Value | Refused:
        key = phrase(typed)
        number = key[0] if len(key) == 1 else ""
        for option in options:
            if option.number == number or key in (phrase(word) for word in option.keywords):
                return Value(option.value)
        return Refused(Text("This is not in the list."))

    async def ask(self, ctx: Context, command: Command, values: Mapping[str, str]) -> Answer:
        """Ask what a command asks before it acts."""
        if command.confirm is None:
            raise ValueError(f"{command.name} asks nothing")
        return await self._guard(ctx, command, command.confirm(ctx, **values))

    async def act(
        self, ctx: Context, command: Command, values: Mapping[str, str], state: Mapping[str, Any] | None
    ) -> Answer:
        """Run a command; `state` is what its question remembered, None for a command that asks nothing."""
        before = () if state is None else (state,)
        answer = await self._guard(ctx, command, command.handler(ctx, *before, **values))
        if not isinstance(answer, Refused):
            _succeeded(command.name, ctx.channel).inc()
        return answer

    async def _guard(self, ctx: Context, command: Command, work: Awaitable[T]) -> T | Refused:
        try:
            return await work
        except LOST_CONNECTION as error:
            raise self._unavailable(ctx, command) from error
        except DomainError as error:
            if error.status == _UNAVAILABLE:
                raise self._unavailable(ctx, command) from error
            outcome = error.code
            answer = Refused(*refusals.explain(error))
        except Exception:
            outcome = "error"
            answer = self.unexpected(command.name)
        _COMMANDS.labels(command.name, ctx.channel, outcome).inc()
        return answer

    def _unavailable(self, ctx: Context, command: Command) -> DatabaseUnavailableError:
        _COMMANDS.labels(command.name, ctx.channel, "unavailable").inc()
        return DatabaseUnavailableError()

    def unexpected(self, name: str) -> Refused:
        """Log the exception in hand under an id and answer with it."""
        error_id = secrets.token_hex(4).upper()
        log.exception("command_failed", command=name, error_id=error_id)
        return Refused(Text("Something went wrong on our side. Please try again later. Error {id}.", id=error_id))


def stranger(ctx: Context) -> Text:
    """What a number hears that is not a subscriber."""
    return Text("This number is not registered. Register: *{code}#", code=ctx.codes.registration)
