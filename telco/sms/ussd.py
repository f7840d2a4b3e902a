"""The USSD face of the command router: menus, and direct dialling that equals the menu's path.

``*111*2*1#`` is the menu's 2 and then 1; what follows a command on the way are its arguments, ``*111*4*CODE#``. A page
holds 80 UCS-2 characters; 0 leads back, 9 to the next page. Where a dialogue stands is kept in Redis; a command dialled
at once works without it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

import structlog

from telco.db.pool import LOST_CONNECTION, DatabaseUnavailableError
from telco.kernel.i18n import Language, Text
from telco.kernel.msisdn import Msisdn
from telco.sms import refusals
from telco.sms.command import Answer, Context
from telco.sms.dialogues import Dialogue, DialoguesUnavailableError, first_id_without_redis
from telco.sms.keywords import MAX_TYPED
from telco.sms.menu import BACK, MORE, parse_path
from telco.sms.model import UssdOp, UssdReply, UssdRequest
from telco.sms.pages import Footer, paginate
from telco.sms.runner import Runner, stranger
from telco.sms.shared import Faces
from telco.sms.walk import Walk
from telco.subscribers.model import Channel

ANSWER_WITHIN_S = 10.0
"""A gateway waits 25 to 30 s; a command that takes longer than this is answered by SMS when it is done."""
MAX_INPUTS = 16
"""Nobody who means it dials more at once."""

_DIAL = re.compile(r"\*(\d{1,6})(?:\*([^#]*))?#?")

LateAnswer = Callable[[Msisdn, str], Awaitable[None]]
"""Sends by SMS what could not be answered in time."""

log = structlog.get_logger(__name__)


class UssdRouter:
    """Answers every step of every dialogue with a page that fits."""

    def __init__(self, faces: Faces, *, late: LateAnswer, answer_within_s: float = ANSWER_WITHIN_S) -> None:
        self._faces = faces
        self._runner = Runner(faces.translator)
        self._late = late
        self._answer_within_s = answer_within_s
        self._unfinished: set[asyncio.Task[None]] = set()

    async def handle(self, request: UssdRequest) -> UssdReply | None:
        """Answer a step; None to the end of a dialogue. Never raises."""
        step = _Step(self._faces, self._runner, request)
        if request.service_op is UssdOp.END:
            await step.end()
            return None
        task = asyncio.create_task(step.answer(), name="ussd step")
        done, _ = await asyncio.wait({task}, timeout=self._answer_within_s)
        if done:
            return task.result()
        # What has begun is finished, not cut off half way.
        finishing = asyncio.create_task(self._finish(request.msisdn, task), name="ussd late answer")
        self._unfinished.add(finishing)
        finishing.add_done_callback(self._unfinished.discard)
        return step.closing(Text("This takes longer than usual. The answer will come by SMS."))

    async def _finish(self, msisdn: Msisdn, task: asyncio.Task[UssdReply]) -> None:
        reply = await task
        log.warning("ussd_answered_late", msisdn=msisdn)
        try:
            await self._late(msisdn, reply.text)
        except Exception:  # it was promised; whoever reads the log can still tell the subscriber what was done
            log.exception("ussd_late_answer_lost", msisdn=msisdn)

    async def stop(self) -> None:
        """Wait for the commands that are still running."""
        await asyncio.gather(*self._unfinished, return_exceptions=True)


class _Step:
    """One request of a dialogue."""

    def __init__(self, faces: Faces, runner: Runner, request: UssdRequest) -> None:
        self._faces = faces
        self._runner = runner
        self._request = request
        self._typed = request.text[:MAX_TYPED]
        self._ctx: Context | None = None

    async def end(self) -> None:
        """The user hung up."""
        try:
            await self._faces.dialogues.end(self._request.msisdn, self._request.session_id)
        except DialoguesUnavailableError:
            return  # it times out by itself

    async def answer(self) -> UssdReply:
        try:
            return await self._answer()
        except DialoguesUnavailableError as error:
            return self.closing(*refusals.explain(error))
        except (DatabaseUnavailableError, *LOST_CONNECTION):
            log.warning("ussd_without_database")
            return self.closing(refusals.TABLE["database_unavailable"])
        except Exception:  # a defect of ours still gets an answer, with an id to ask the helpdesk about
            return self.closing(*self._runner.unexpected("ussd").lines)

    def closing(self, *lines: Text | str) -> UssdReply:
        """End the dialogue with at most one page; a stranger gets it in the two languages of the country."""
        ctx = self._ctx
        answer = Answer(*lines)
        alone = ctx is not None and not ctx.bilingual
        text = self._runner.lines(answer, ctx.language) if ctx and alone else self._runner.bilingual(answer)
        return UssdReply(paginate(text, Footer("", ""), up=False)[0], more=False)

    async def _answer(self) -> UssdReply:
        request = self._request
        known = await self._faces.find(request.msisdn)
        self._ctx = ctx = Context(
            msisdn=request.msisdn,
            known=known,
            channel=Channel.USSD,
            language=known.language if known else Language.KK,
            now=self._faces.clock.now(),
            request_id="",
            services=self._faces.services,
            codes=self._faces.codes,
            message=self._typed,
            bilingual=known is None,
        )
        dial = _DIAL.fullmatch(self._typed.strip())
        if request.service_op is UssdOp.BEGIN:
            return await self._dialled(ctx, dial)
        dialogue = await self._faces.dialogues.load(request.msisdn, request.session_id)
        if dialogue is None:
            return self.closing(Text("The session has ended. Dial *{root}# again.", root=ctx.codes.root))
        dialogue.step += 1
        if dial is not None:
            return await self._redialled(ctx, dialogue, dial)
        return await self._continued(ctx, dialogue)

    async def _dialled(self, ctx: Context, dial: re.Match[str] | None) -> UssdReply:
        path = ctx.codes.path_of(dial[1]) if dial else None
        if dial is None or path is None:
            return self.closing(Text("This code is not in use. Menu: *{root}#", root=ctx.codes.root))
        walk = Walk(ctx, self._faces.menu, self._runner, Dialogue(), first_id=self._first_id)
        return await self._walked(walk, _inputs(path, dial[2]))

    async def _redialled(self, ctx: Context, dialogue: Dialogue, dial: re.Match[str]) -> UssdReply:
        """A whole code typed into a dialogue starts over from there."""
        path = ctx.codes.path_of(dial[1])
        walk = Walk(ctx, self._faces.menu, self._runner, dialogue)
        if path is None:
            walk.hint = Text("This code is not in use. Menu: *{root}#", root=ctx.codes.root)
            return await self._walked(walk, [])
        walk.restart()
        return await self._walked(walk, _inputs(path, dial[2]))

    async def _first_id(self) -> str:
        try:
            return await self._faces.dialogues.first_id(self._request)
        except DialoguesUnavailableError:
            return first_id_without_redis(self._request, self._faces.clock.now())

    async def _continued(self, ctx: Context, dialogue: Dialogue) -> UssdReply:
        typed = self._typed.strip().strip("#").strip()
        if typed == MORE and dialogue.page < len(dialogue.pages) - 1:
            dialogue.page += 1
            return await self._show(ctx, dialogue)
        if typed == BACK and dialogue.page > 0:
            dialogue.page -= 1
            return await self._show(ctx, dialogue)
        walk = Walk(ctx, self._faces.menu, self._runner, dialogue)
        return await self._walked(walk, _inputs("", typed))

    async def _walked(self, walk: Walk, inputs: list[str]) -> UssdReply:
        if walk.ctx.known is None and not walk.open_to_strangers(inputs):
            return self.closing(stranger(walk.ctx))
        await walk.feed(inputs)
        ctx, dialogue = walk.ctx, walk.dialogue
        if walk.left:
            await self.end()
            return self.closing(Text("Goodbye!"))
        lines = self._runner.lines(await walk.screen(), ctx.language)
        hint = self._runner.say(walk.hint or "", ctx.language)
        footer = Footer(*(self._runner.say(text, ctx.language) for text in (Text("0 Back"), Text("9 More"))))
        if dialogue.final:
            return await self._closed(ctx, dialogue, lines, footer)
        dialogue.pages = paginate(lines, footer, up=walk.has_above, hint=hint, at=dialogue.page)
        dialogue.page = min(dialogue.page, len(dialogue.pages) - 1) if hint else 0
        return await self._show(ctx, dialogue)

    async def _closed(self, ctx: Context, dialogue: Dialogue, lines: list[str], footer: Footer) -> UssdReply:
        """A command's answer ends the dialogue, unless it has pages to leaf through."""
        pages = paginate(lines, Footer("", ""), up=False)
        dialogue.page = 0
        if len(pages) > 1 and await self._kept(ctx, dialogue, paginate(lines, footer, up=True)):
            return UssdReply(dialogue.pages[0], more=True)
        if dialogue.step:
            await self.end()
        return UssdReply(pages[0], more=False)

    async def _kept(self, ctx: Context, dialogue: Dialogue, pages: list[str]) -> bool:
        """Whether the pages of a command's answer can be leafed through; without Redis only the first is shown."""
        dialogue.pages = pages
        try:
            await self._faces.dialogues.save(ctx.msisdn, self._request.session_id, dialogue)
        except DialoguesUnavailableError:
            return False
        return True

    async def _show(self, ctx: Context, dialogue: Dialogue) -> UssdReply:
        """Keep the dialogue and show its page."""
        await self._faces.dialogues.save(ctx.msisdn, self._request.session_id, dialogue)
        return UssdReply(dialogue.pages[dialogue.page], more=True)


def _inputs(path: str, typed: str | None) -> list[str]:
    """What a dialled or typed text enters one after the other."""
    return [*parse_path(path), *((typed or "").split("*") if typed else ())][:MAX_INPUTS]
