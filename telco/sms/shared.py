"""What both faces of the command router share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from telco.kernel.clock import Clock
from telco.kernel.i18n import Language, Text, Translator
from telco.kernel.msisdn import Msisdn
from telco.sms.command import LANGUAGE, Choice, Codes, Command, Context, Services
from telco.sms.dialogues import Dialogues
from telco.sms.menu import Menu
from telco.subscribers.model import Subscriber

Finder = Callable[[Msisdn], Awaitable[Subscriber | None]]
"""The one read of a subscriber that every command begins with."""


@dataclass(frozen=True, slots=True)
class Faces:
    """The table of commands and what running them takes."""

    menu: Menu
    codes: Codes
    services: Services
    translator: Translator
    dialogues: Dialogues
    find: Finder
    clock: Clock


def named(command: Command, values: Sequence[str]) -> dict[str, str]:
    """The arguments of a command by their names, as far as they are known."""
    return {argument.name: value for argument, value in zip(command.arguments, values, strict=False)}


def spoken(ctx: Context, command: Command, values: Sequence[str]) -> Context:
    """The context as what was said for the arguments makes it: a stranger may have chosen his language."""
    if not ctx.bilingual or not values or command.arguments[0].name != LANGUAGE:
        return ctx
    return ctx.speaking(Language(values[0]))


def listed(options: Sequence[Choice]) -> list[Text]:
    """The lines that offer a choice."""
    return [Text("{number} {label}", number=option.number, label=option.label) for option in options]
