"""Writes the table of codes (docs/codes.md) from the router's own menu, so that it cannot say anything else."""

from __future__ import annotations

from collections.abc import Iterator

from telco.kernel.i18n import Language, Translator
from telco.sms.command import Codes, Command
from telco.sms.dialogues import DIALOGUE_IDLE_S, QUESTION_LIVES_S
from telco.sms.menu import BACK, MORE, Menu, Node
from telco.sms.pages import ROOM
from telco.sms.text import Coding

_INTRODUCTION = """\
# SMS and USSD codes

This page is written by `telco.sms.codes` from the command router; a test fails when it is out of date. The root code,
the aliases and the helpdesk numbers are the operator's configuration; these are the defaults.

A code dialled at once is the path through the menu: `*{root}*2*1#` is item 2, then item 1. In the menu `{back}` leads
back and `{more}` to the next page; a dialogue ends {idle} s after its last step. A page holds {ucs2} characters in
Kazakh or Russian, {gsm} in the GSM alphabet.

Keywords go to `{root}`, free of charge, in any language, case and spelling (Latin letters, or Kazakh without its own
letters, are understood). What a command needs follows its keyword; without it the answer asks for it. Commands marked
"asks" want a confirmation: `1` in the menu, `YES`, `ИӘ` or `ДА` by SMS within {minutes} minutes, or `YES` in the same
message. Commands marked "always" work while everything else is suspended; lack of money closes no command (PSC-3.2.5).
"""


def document(menu: Menu, codes: Codes, translator: Translator) -> str:
    """Return the page as Markdown."""
    introduction = _INTRODUCTION.format(
        root=codes.root,
        back=BACK,
        more=MORE,
        idle=DIALOGUE_IDLE_S,
        minutes=QUESTION_LIVES_S // 60,
        ucs2=ROOM[Coding.UCS2],
        gsm=ROOM[Coding.GSM7],
    )
    return "\n".join([introduction, *_menu(menu, codes, translator), *_keywords(menu, codes), *_aliases(menu, codes)])


def _menu(menu: Menu, codes: Codes, translator: Translator) -> Iterator[str]:
    yield "## USSD menu\n"
    yield "| Dial | Қазақша | Русский | English | |"
    yield "| --- | --- | --- | --- | --- |"
    for node in menu.walk():
        names = " | ".join(translator.render(node.title, language) for language in Language)
        yield f"| `{_dial(node, codes)}` | {names} | {_marks(node.command)} |"
    yield ""


def _dial(node: Node, codes: Codes) -> str:
    arguments = [argument.name.upper() for argument in node.command.arguments] if node.command else []
    return f"*{'*'.join([codes.root, *node.path, *arguments])}#"


def _marks(command: Command | None) -> str:
    if command is None:
        return ""
    marks = ["asks"] * (command.confirm is not None) + ["always"] * command.when_barred
    return ", ".join(marks + ["open to new numbers"] * command.strangers)


def _keywords(menu: Menu, codes: Codes) -> Iterator[str]:
    yield f"## SMS to {codes.root}\n"
    yield "| Command | Keywords | Followed by | Example |"
    yield "| --- | --- | --- | --- |"
    for node in menu.walk():
        command = node.command
        if command is None or not (command.keywords or command.shortcuts):
            continue
        words = ", ".join(keyword.upper() for keyword in (*command.keywords, *command.shortcuts))
        arguments = " ".join(argument.name.upper() for argument in command.arguments) or "nothing"
        yield f"| {command.title.msgid} | {words} | {arguments} | `{command.example}` |"
    yield ""


def _aliases(menu: Menu, codes: Codes) -> Iterator[str]:
    yield "## Other codes\n"
    yield "| Dial | The same as | |"
    yield "| --- | --- | --- |"
    for code, path in sorted(codes.aliases.items()):
        node = menu.node(tuple(path.split("*")))
        if node is not None:
            tail = "".join(f"*{argument.name.upper()}" for argument in (node.command.arguments if node.command else ()))
            yield f"| `*{code}{tail}#` | `*{codes.root}*{path}{tail}#` | {node.title.msgid} |"
    yield ""
    yield "## Content services\n"
    yield "STOP in any language to a service's own number ends the service, ON begins it, ABOUT tells its price.\n"
    yield from (f"- {number}: {service}" for number, service in sorted(codes.content.items()))
    yield ""
    yield "## Helpdesk\n"
    yield from (f"- {brand}: {number}, free" for brand, number in sorted(codes.helpdesk.items()))
    yield f"- from anywhere: {codes.helpdesk_from_anywhere}\n"
