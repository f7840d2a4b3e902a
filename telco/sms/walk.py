"""A dialogue's way through the menu, one input after the other.

It makes no difference to a walk whether its inputs were dialled at once or typed page by page.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from telco.kernel.i18n import Text
from telco.sms.command import Answer, Command, Context, Line, Question
from telco.sms.dialogues import Dialogue
from telco.sms.keywords import NO, YES, fold
from telco.sms.menu import BACK, Menu, Node
from telco.sms.runner import Refused, Runner
from telco.sms.shared import listed, named, spoken

CONFIRM, DECLINE = "1", "2"

FirstId = Callable[[], Awaitable[str]]
"""Finds the id of a dialogue whose first request changes something at once."""


class Walk:
    """Where a dialogue is and where each input leads; the dialogue itself is changed as it goes."""

    def __init__(
        self, ctx: Context, menu: Menu, runner: Runner, dialogue: Dialogue, *, first_id: FirstId | None = None
    ) -> None:
        self.ctx = replace(ctx, request_id=dialogue.request_id)
        self.dialogue = dialogue
        self.hint: Line | None = None
        """Why the last input led nowhere; said above the page it was typed on."""
        self.left = False
        """Whether the user went back from the root."""
        self._menu = menu
        self._runner = runner
        self._speak()
        self._first_id = first_id
        self._answer: Answer | None = None

    @property
    def node(self) -> Node:
        return self._menu.node(tuple(self.dialogue.path)) or self._menu.root

    @property
    def has_above(self) -> bool:
        """Whether 0 leads somewhere from the present page."""
        return bool(self.dialogue.path)

    def restart(self) -> None:
        """Go to the root."""
        self.dialogue.path, self.dialogue.values, self.dialogue.question = [], [], None
        self.dialogue.final = False

    def open_to_strangers(self, inputs: Sequence[str]) -> bool:
        """Whether one who is no subscriber may go on: only to a command that says so."""
        node: Node | None = self.node
        for typed in inputs:
            if node is None or node.command is not None:
                break
            node = node.children.get(typed)
        return node is not None and node.command is not None and node.command.strangers

    async def feed(self, inputs: Sequence[str]) -> None:
        """Take inputs until one leads nowhere or the command has answered."""
        if self.dialogue.final and inputs:  # on from the menu above the command that answered
            self.dialogue.final = False
            inputs = inputs[1:] if inputs[0].strip() == BACK else inputs
        for typed in inputs:
            await self._take(typed.strip())
            if self.hint is not None or self.left or self.dialogue.final:
                return

    async def _take(self, typed: str) -> None:
        command = self.node.command
        if typed == BACK:
            self._back()
        elif command is None:
            await self._choose(typed)
        elif self.dialogue.question is not None:
            await self._decide(command, typed)
        else:
            await self._argument(command, typed)

    def _back(self) -> None:
        dialogue = self.dialogue
        dialogue.question = None
        if dialogue.values:
            dialogue.values.pop()
        elif dialogue.path:
            dialogue.path.pop()
        else:
            self.left = True

    async def _choose(self, typed: str) -> None:
        child = self.node.children.get(typed)
        if child is None:
            self.hint = Text("Enter a number from the list.")
            return
        self.dialogue.path = list(child.path)
        if child.command is None:
            return
        refused = self._runner.may(self.ctx, child.command)
        if refused is not None:
            self._finish(refused)
        elif not child.command.arguments:
            await self._complete(child.command)

    async def _argument(self, command: Command, typed: str) -> None:
        value = await self._runner.read(self.ctx, command, self.dialogue.values, typed)
        if isinstance(value, Refused):
            self.hint = value.lines[0]
            return
        self.dialogue.values.append(value.value)
        self._speak()
        if len(self.dialogue.values) == len(command.arguments):
            await self._complete(command)

    def _speak(self) -> None:
        command = self.node.command
        if command is not None:
            self.ctx = spoken(self.ctx, command, self.dialogue.values)

    async def _complete(self, command: Command) -> None:
        """Everything is said: ask for a yes, or act."""
        await self._identify(command)
        values = named(command, self.dialogue.values)
        if command.confirm is None:
            self._finish(await self._runner.act(self.ctx, command, values, None))
            return
        asked = await self._runner.ask(self.ctx, command, values)
        if not isinstance(asked, Question):
            self._finish(asked)
            return
        self.dialogue.question = asked.state
        self._answer = asked

    async def _decide(self, command: Command, typed: str) -> None:
        if typed == CONFIRM or fold(typed) in YES:
            values = named(command, self.dialogue.values)
            self._finish(await self._runner.act(self.ctx, command, values, self.dialogue.question))
        elif typed == DECLINE or fold(typed) in NO:
            self._finish(Answer(Text("Cancelled: nothing has changed.")))
        else:
            self.hint = Text("Enter a number from the list.")

    async def _identify(self, command: Command) -> None:
        """Before something is changed, a dialogue that has just begun gets the id that its repetition shares."""
        if command.changes and self._first_id is not None:
            self.dialogue.dialogue_id = await self._first_id()
            self._first_id = None
            self.ctx = replace(self.ctx, request_id=self.dialogue.request_id)

    def _finish(self, answer: Answer) -> None:
        """The command has answered; 0 leads from its pages to the menu above."""
        dialogue = self.dialogue
        dialogue.path, dialogue.values, dialogue.question = dialogue.path[:-1], [], None
        dialogue.final = True
        self._answer = answer

    async def screen(self) -> Answer:
        """What the present place shows."""
        if isinstance(self._answer, Question):
            return _asked(self._answer)
        if self._answer is not None:
            return self._answer
        command = self.node.command
        if command is None:
            items = (Text("{number} {label}", number=n, label=c.title) for n, c in sorted(self.node.children.items()))
            return Answer(self.node.title, *items)
        if self.dialogue.question is not None:
            return await self._question_again(command)
        argument = command.arguments[len(self.dialogue.values)]
        options = await self._runner.options(self.ctx, command, self.dialogue.values)
        if isinstance(options, Refused):
            self._finish(options)
            return options
        return Answer(argument.prompt, *listed(options))

    async def _question_again(self, command: Command) -> Answer:
        """After an input that was neither yes nor no, the question as it stands now."""
        asked = await self._runner.ask(self.ctx, command, named(command, self.dialogue.values))
        if not isinstance(asked, Question):
            self._finish(asked)
            return asked
        self.dialogue.question = asked.state
        return _asked(asked)


def _asked(question: Question) -> Answer:
    return Answer(*question.question, Text("1 Yes 2 No"), *question.details)
