"""The SMS face of the command router: a stored message in, the answer to it out.

A message whose first words are a keyword never looks at Redis; anything else may answer a question that was asked
before. Processing a message twice gives the same answer and acts once: every action carries the message's id.
"""

from __future__ import annotations

from telco.db.pool import LOST_CONNECTION, DatabaseUnavailableError
from telco.kernel.i18n import Language, Text
from telco.sms.command import Answer, Command, Context, Question
from telco.sms.dialogues import QUESTION_LIVES_S, DialoguesUnavailableError, Pending
from telco.sms.keywords import MAX_TYPED, NO, YES, Word, phrase, words
from telco.sms.menu import Shortcut
from telco.sms.model import Inbound, Reply
from telco.sms.runner import Refused, Runner, stranger
from telco.sms.shared import Faces, listed, named
from telco.subscribers.model import Channel


class SmsRouter:
    """Answers messages sent to the operator's own numbers."""

    def __init__(self, faces: Faces) -> None:
        self._faces = faces
        self._menu = faces.menu
        self._dialogues = faces.dialogues
        self._runner = Runner(faces.translator)

    async def handle(self, inbound: Inbound) -> Reply | None:
        """Answer a stored message. Raises only when the database is lost, for the transport to try again."""
        known = await self._faces.find(inbound.source)
        ctx = Context(
            msisdn=inbound.source,
            known=known,
            channel=Channel.SMS,
            language=known.language if known else Language.KK,
            now=self._faces.clock.now(),
            request_id=f"sms:{inbound.message_id}",
            services=self._faces.services,
            codes=self._faces.codes,
            message=inbound.text,
        )
        try:
            answer = await self._answer(ctx, inbound)
        except (DatabaseUnavailableError, *LOST_CONNECTION):
            raise
        except Exception:  # a defect of ours still gets an answer, with an id to ask the helpdesk about
            answer = self._runner.unexpected("sms")
        return Reply(self._render(ctx, answer))

    def _render(self, ctx: Context, answer: Answer) -> str:
        """A stranger's language is not known: the answer is said in the two of the country."""
        languages = (ctx.language,) if ctx.known else (Language.KK, Language.RU)
        return "\n".join(line for language in languages for line in self._runner.lines(answer, language))

    async def _answer(self, ctx: Context, inbound: Inbound) -> Answer:
        text = inbound.text[:MAX_TYPED]
        typed = words(text)
        found = self._menu.keywords.find(typed)
        if found is not None:
            entry, count = found
            tail = text[typed[count - 1].end :].strip(" \t\n:;,.!-=")
            if isinstance(entry, Shortcut):
                return await self._start(ctx, inbound, entry.command, f"{entry.argument} {tail}".strip())
            if isinstance(entry, Command):
                return await self._start(ctx, inbound, entry, tail)
        if ctx.known is None:
            return Refused(stranger(ctx))
        return await self._without_keyword(ctx, inbound, typed, text.strip())

    async def _start(self, ctx: Context, inbound: Inbound, command: Command, tail: str) -> Answer:
        refused = self._runner.may(ctx, command)
        if refused is not None:
            return refused
        confirmed = False
        if command.confirm is not None:
            tail, confirmed = _take_yes(tail)
        values: list[str] = []
        for index in range(len(command.arguments)):
            typed, tail = _take(tail, last=index == len(command.arguments) - 1)
            if not typed:
                return await self._prompt(ctx, inbound, command, values)
            value = await self._runner.read(ctx, command, values, typed)
            if isinstance(value, Refused):
                return await self._prompt(ctx, inbound, command, values, value)
            values.append(value.value)
        return await self._finish(ctx, inbound, command, values, confirmed=confirmed)

    async def _finish(
        self, ctx: Context, inbound: Inbound, command: Command, values: list[str], *, confirmed: bool
    ) -> Answer:
        by_name = named(command, values)
        if command.confirm is None:
            return await self._runner.act(ctx, command, by_name, None)
        question = await self._runner.ask(ctx, command, by_name)
        if not isinstance(question, Question):
            return question
        if confirmed:
            return await self._runner.act(ctx, command, by_name, question.state)
        minutes = QUESTION_LIVES_S // 60
        asked = Answer(*question.lines, Text("Reply YES within {minutes} minutes to confirm.", minutes=minutes))
        return await self._remember(ctx, inbound, command, values, asked, question)

    async def _remember(
        self, ctx: Context, inbound: Inbound, command: Command, values: list[str], shown: Answer, asked: Question | None
    ) -> Answer:
        """Keep what was asked; without Redis, say how to do it in one message."""
        pending = Pending(
            command=command.name,
            values=values,
            asked_by=inbound.message_id,
            shown=self._render(ctx, shown),
            state=asked.state if asked else None,
        )
        try:
            await self._dialogues.ask(ctx.msisdn, pending)
        except DialoguesUnavailableError:
            lines = asked.lines if asked else shown.lines
            return Answer(*lines, Text("Write it in one message: {example}", example=command.example))
        return shown

    async def _prompt(
        self, ctx: Context, inbound: Inbound, command: Command, values: list[str], problem: Refused | None = None
    ) -> Answer:
        """Ask for the next argument, after the hint why the last one would not do."""
        argument = command.arguments[len(values)]
        options = await self._runner.options(ctx, command, values)
        if isinstance(options, Refused):
            return options
        shown = Answer(*(problem.lines if problem else ()), argument.prompt, *listed(options))
        return await self._remember(ctx, inbound, command, values, shown, None)

    async def _without_keyword(self, ctx: Context, inbound: Inbound, typed: list[Word], text: str) -> Answer:
        """The message is an answer to a question, or the name of something that can be chosen, or nothing known."""
        if typed:
            named = await self._by_name(ctx, inbound, tuple(word.fold for word in typed))
            if named is not None:
                return named
        try:
            pending = await self._dialogues.pending(ctx.msisdn, inbound.message_id)
            answer = await self._continue(ctx, inbound, pending, typed, text) if pending else None
        except DialoguesUnavailableError:
            answer = None
        if answer is not None:
            return answer
        if len(typed) == 1 and typed[0].fold in YES | NO:
            return Refused(Text("There is nothing to confirm."), self._help(ctx))
        return Refused(Text("We did not understand your message."), self._help(ctx))

    def _help(self, ctx: Context) -> Text:
        return Text(
            "Dial *{root}# or send HELP to {root}. Helpdesk: {number}, free.",
            root=ctx.codes.root,
            number=ctx.codes.helpdesk_of(ctx.known),
        )

    async def _by_name(self, ctx: Context, inbound: Inbound, key: tuple[str, ...]) -> Answer | None:
        """A plan's or a service's own keyword is a command by itself."""
        for command in self._menu.by_name.values():
            if not command.arguments or not command.arguments[0].standalone:
                continue
            options = await self._runner.options(ctx, command, ())
            if isinstance(options, Refused):
                continue
            for option in options:
                if any(key[: len(name)] == name for name in map(phrase, option.keywords) if name):
                    return await self._start(ctx, inbound, command, _yes_kept(option.number, key))
        return None

    async def _continue(
        self, ctx: Context, inbound: Inbound, pending: Pending, typed: list[Word], text: str
    ) -> Answer | None:
        """Go on where the last question stopped; None when this is no answer to it."""
        command = self._menu.by_name.get(pending.command)
        if command is None:
            return None
        if pending.asked_by == inbound.message_id:
            return Answer(pending.shown)
        if pending.state is None:
            return await self._argument(ctx, inbound, command, pending, text)
        word = typed[0].fold if typed else ""
        if word in NO:
            await self._dialogues.forget(ctx.msisdn)
            return Answer(Text("Cancelled: nothing has changed."))
        mine = await self._dialogues.answer(ctx.msisdn, inbound.message_id) if word in YES else None
        return await self._confirmed(ctx, command, mine) if mine else None

    async def _confirmed(self, ctx: Context, command: Command, pending: Pending) -> Answer:
        refused = self._runner.may(ctx, command)
        if refused is not None:
            return refused
        return await self._runner.act(ctx, command, named(command, pending.values), pending.state or {})

    async def _argument(
        self, ctx: Context, inbound: Inbound, command: Command, pending: Pending, text: str
    ) -> Answer | None:
        refused = self._runner.may(ctx, command)
        if refused is not None:
            return refused
        value = await self._runner.read(ctx, command, pending.values, text)
        if isinstance(value, Refused):
            return await self._prompt(ctx, inbound, command, pending.values, value)
        values = [*pending.values, value.value]
        if len(values) < len(command.arguments):
            return await self._prompt(ctx, inbound, command, values)
        if command.confirm is None and await self._dialogues.answer(ctx.msisdn, inbound.message_id) is None:
            return None
        return await self._finish(ctx, inbound, command, values, confirmed=False)


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


def _yes_kept(number: str, key: tuple[str, ...]) -> str:
    return f"{number} yes" if key[-1] in YES else number
