"""The SMS face of the command router: a stored message in, the answer to it out.

A message whose first words are a keyword never looks at Redis; anything else may answer a question that was asked
before. Processing a message twice gives the same answer and acts once: every action carries the message's id.
"""

from __future__ import annotations

from telco.db.pool import LOST_CONNECTION, DatabaseUnavailableError
from telco.kernel.i18n import Language, Text
from telco.sms.command import SERVICE, Answer, Command, Context, Question
from telco.sms.dialogues import QUESTION_LIVES_S, DialoguesUnavailableError, Pending
from telco.sms.keywords import MAX_TYPED, NO, YES, Word, phrase, words
from telco.sms.menu import Shortcut
from telco.sms.model import Inbound, Reply
from telco.sms.runner import Refused, Runner, stranger
from telco.sms.shared import Faces, listed, named, spoken
from telco.subscribers.model import Channel

_AROUND_ARGUMENTS = " \t\n:;,.!-="


class SmsRouter:
    """Answers messages sent to the operator's own numbers."""

    def __init__(self, faces: Faces) -> None:
        self._faces = faces
        self._runner = Runner(faces.translator)

    async def handle(self, inbound: Inbound) -> Reply | None:
        """Answer a stored message. Raises only when the database is lost, for the transport to try again."""
        faces = self._faces
        known = await faces.find(inbound.source)
        ctx = Context(
            msisdn=inbound.source,
            known=known,
            channel=Channel.SMS,
            language=known.language if known else Language.KK,
            now=faces.clock.now(),
            request_id=f"sms:{inbound.message_id}",
            services=faces.services,
            codes=faces.codes,
            message=inbound.text,
            bilingual=known is None,
        )
        return Reply(await _Message(faces, self._runner, inbound, ctx).reply())


class _Message:
    """One message on its way to an answer."""

    def __init__(self, faces: Faces, runner: Runner, inbound: Inbound, ctx: Context) -> None:
        self._menu = faces.menu
        self._dialogues = faces.dialogues
        self._runner = runner
        self._inbound = inbound
        self._ctx = ctx
        self._text = inbound.text[:MAX_TYPED]

    async def reply(self) -> str:
        try:
            answer = await self._answer()
        except (DatabaseUnavailableError, *LOST_CONNECTION):
            raise
        except Exception:  # a defect of ours still gets an answer, with an id to ask the helpdesk about
            answer = self._runner.unexpected("sms")
        return self._render(answer)

    def _render(self, answer: Answer) -> str:
        ctx = self._ctx
        alone = not ctx.bilingual
        return "\n".join(self._runner.lines(answer, ctx.language) if alone else self._runner.bilingual(answer))

    async def _answer(self) -> Answer:
        typed = words(self._text)
        found = self._menu.keywords.find(typed)
        if found is not None:
            entry, count = found
            tail = self._text[typed[count - 1].end :].strip(_AROUND_ARGUMENTS)
            if isinstance(entry, Shortcut):
                return await self._start(entry.command, f"{entry.argument} {tail}".strip())
            if isinstance(entry, Command):
                meant = None if entry.arguments or not tail else await self._by_name(phrase(tail))
                return meant or await self._start(entry, tail)
        return await self._without_keyword(typed)

    # A command by its keyword

    async def _start(self, command: Command, tail: str) -> Answer:
        refused = self._runner.may(self._ctx, command)
        if refused is not None:
            return refused
        tail = self._addressed(command, tail)
        confirmed = False
        if command.confirm is not None:
            tail, confirmed = _take_yes(tail)
        values: list[str] = []
        for index in range(len(command.arguments)):
            typed, tail = _take(tail, last=index == len(command.arguments) - 1)
            if not typed:
                return await self._prompt(command, values)
            value = await self._runner.read(self._ctx, command, values, typed)
            if isinstance(value, Refused):
                return await self._prompt(command, values, value)
            self._say(command, values, value.value)
        return await self._finish(command, values, confirmed=confirmed)

    def _addressed(self, command: Command, tail: str) -> str:
        """A message to a content service's own number is about that service. Contract: PSC-3.2.15"""
        content = self._ctx.codes.content.get(self._inbound.destination)
        if content is None or not command.arguments or command.arguments[0].name != SERVICE:
            return tail
        return f"{content} yes" if phrase(tail)[-1:] and phrase(tail)[-1] in YES else content

    def _say(self, command: Command, values: list[str], value: str) -> None:
        """Take one more argument; it may be the language of what follows."""
        values.append(value)
        self._ctx = spoken(self._ctx, command, values)

    async def _finish(self, command: Command, values: list[str], *, confirmed: bool) -> Answer:
        said = named(command, values)
        if command.confirm is None:
            return await self._runner.act(self._ctx, command, said, None)
        question = await self._runner.ask(self._ctx, command, said)
        if not isinstance(question, Question):
            return question
        if confirmed:
            return await self._runner.act(self._ctx, command, said, question.state)
        minutes = QUESTION_LIVES_S // 60
        asked = Answer(*question.lines, Text("Reply YES within {minutes} minutes to confirm.", minutes=minutes))
        return await self._remember(command, values, asked, question)

    async def _prompt(self, command: Command, values: list[str], problem: Refused | None = None) -> Answer:
        """Ask for the next argument, after the hint why the last one would not do."""
        argument = command.arguments[len(values)]
        options = await self._runner.options(self._ctx, command, values)
        if isinstance(options, Refused):
            return options
        shown = Answer(*(problem.lines if problem else ()), argument.prompt, *listed(options))
        return await self._remember(command, values, shown, None)

    async def _remember(self, command: Command, values: list[str], shown: Answer, asked: Question | None) -> Answer:
        """Keep what was asked; without Redis, say how to do it in one message."""
        pending = Pending(
            command=command.name,
            values=values,
            asked_by=self._inbound.message_id,
            shown=self._render(shown),
            state=asked.state if asked else None,
        )
        try:
            await self._dialogues.ask(self._ctx.msisdn, pending)
        except DialoguesUnavailableError:
            lines = asked.lines if asked else shown.lines
            return Answer(*lines, Text("Write it in one message: {example}", example=command.example))
        return shown

    # A message without a keyword

    async def _without_keyword(self, typed: list[Word]) -> Answer:
        """It is an answer to a question, or the name of something that can be chosen, or nothing known."""
        by_name = await self._by_name(tuple(word.fold for word in typed))
        if by_name is not None:
            return by_name
        try:
            pending = await self._dialogues.pending(self._ctx.msisdn, self._inbound.message_id)
            answer = await self._continue(pending, typed) if pending else None
        except DialoguesUnavailableError:
            answer = None
        if answer is not None:
            return answer
        if self._ctx.known is None:
            return Refused(stranger(self._ctx))
        if len(typed) == 1 and typed[0].fold in YES | NO:
            return Refused(Text("There is nothing to confirm."), self._help())
        return Refused(Text("We did not understand your message."), self._help())

    def _help(self) -> Text:
        codes = self._ctx.codes
        return Text(
            "Dial *{root}# or send HELP to {root}. Helpdesk: {number}, free.",
            root=codes.root,
            number=codes.helpdesk_of(self._ctx.known),
        )

    async def _by_name(self, key: tuple[str, ...]) -> Answer | None:
        """A plan's or a service's own keyword is a command by itself, and after ``PLAN`` or ``SERVICES`` too."""
        if self._ctx.known is None or not key:
            return None
        for command in self._menu.by_name.values():
            if not command.arguments or not command.arguments[0].standalone:
                continue
            options = await self._runner.options(self._ctx, command, ())
            if isinstance(options, Refused):
                continue
            for option in options:
                if any(key[: len(name)] == name for name in map(phrase, option.keywords) if name):
                    return await self._start(command, f"{option.number} yes" if key[-1] in YES else option.number)
        return None

    async def _continue(self, pending: Pending, typed: list[Word]) -> Answer | None:
        """Go on where the last question stopped; None when this is no answer to it."""
        command = self._menu.by_name.get(pending.command)
        if command is None:
            return None
        self._ctx = spoken(self._ctx, command, pending.values)
        if pending.asked_by == self._inbound.message_id:
            self._ctx = self._ctx.speaking(self._ctx.language)  # it is rendered already
            return Answer(pending.shown)
        if pending.state is None:
            return await self._argument(command, pending)
        word = typed[0].fold if typed else ""
        if word in NO:
            await self._dialogues.forget(self._ctx.msisdn)
            return Answer(Text("Cancelled: nothing has changed."))
        mine = await self._dialogues.answer(self._ctx.msisdn, self._inbound.message_id) if word in YES else None
        return await self._confirmed(command, mine) if mine else None

    async def _confirmed(self, command: Command, pending: Pending) -> Answer:
        refused = self._runner.may(self._ctx, command)
        if refused is not None:
            return refused
        return await self._runner.act(self._ctx, command, named(command, pending.values), pending.state or {})

    async def _argument(self, command: Command, pending: Pending) -> Answer | None:
        refused = self._runner.may(self._ctx, command)
        if refused is not None:
            return refused
        values = list(pending.values)
        value = await self._runner.read(self._ctx, command, values, self._text.strip())
        if isinstance(value, Refused):
            return await self._prompt(command, values, value)
        self._say(command, values, value.value)
        if len(values) < len(command.arguments):
            return await self._prompt(command, values)
        if command.confirm is None:
            mine = await self._dialogues.answer(self._ctx.msisdn, self._inbound.message_id)
            if mine is None:
                return None
        return await self._finish(command, values, confirmed=False)


def _take(tail: str, *, last: bool) -> tuple[str, str]:
    """Take one argument off what follows the keyword; the last one takes the rest, spaces and all."""
    if last:
        return tail, ""
    head, _, rest = tail.partition(" ")
    return head, rest.strip()


def _take_yes(tail: str) -> tuple[str, bool]:
    """Whether a confirmation is written with the command, and the rest without it."""
    typed = words(tail)
    if not typed or typed[-1].fold not in YES:
        return tail, False
    start = typed[-2].end if len(typed) > 1 else 0
    return tail[:start].strip(), True
