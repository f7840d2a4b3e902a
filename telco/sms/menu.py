"""The menu of USSD as a tree, and the table of SMS keywords: both made from the same declared commands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from telco.kernel.i18n import Text
from telco.sms.command import Command
from telco.sms.keywords import Keywords

BACK = "0"
MORE = "9"
_KEYS = frozenset("12345678")

Path: TypeAlias = tuple[str, ...]


class MenuError(ValueError):
    """The declared commands do not make a menu; the message names the path and why."""


@dataclass(slots=True)
class Node:
    """A place in the menu: either a command, or a list of further places by their digit."""

    path: Path
    title: Text
    command: Command | None = None
    children: dict[str, Node] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shortcut:
    """A keyword that says a command's argument too."""

    command: Command
    argument: str


def parse_path(text: str) -> Path:
    """Read a path as it is dialled below the root code: ``2*1``; an empty text is the root."""
    return tuple(text.split("*")) if text else ()


class Menu:
    """Every command by its place and by its keywords.

    Raises:
        MenuError: a digit other than 1 to 8 (0 is back, 9 is more), a place taken twice, a menu without a title.
        KeywordClashError: a keyword taken twice.
    """

    def __init__(self, commands: Iterable[Command], titles: Mapping[str, Text]) -> None:
        self.root = Node((), titles[""])
        self.keywords = Keywords()
        self.by_name: dict[str, Command] = {}
        self._titles = titles
        for command in sorted(commands, key=lambda command: command.path):
            if self.by_name.setdefault(command.name, command) is not command:
                raise MenuError(f"two commands are named {command.name}")
            self._place(command)
            self.keywords.add(command.keywords, command)
            for keyword, argument in command.shortcuts.items():
                self.keywords.add((keyword,), Shortcut(command, argument))

    def _place(self, command: Command) -> None:
        path = parse_path(command.path)
        node = self.root
        for depth, digit in enumerate(path, start=1):
            if digit not in _KEYS:
                raise MenuError(f"{command.path}: {digit!r} is not one of the digits 1 to 8")
            if node.command is not None:
                raise MenuError(f"{command.path}: {'*'.join(node.path)} already is {node.command.name}")
            if digit not in node.children:
                node.children[digit] = Node(path[:depth], self._title(path[:depth], command))
            node = node.children[digit]
        if node is self.root or node.command is not None or node.children:
            raise MenuError(f"{command.path}: the place of {command.name} is taken")
        node.command = command

    def _title(self, path: Path, command: Command) -> Text:
        text = "*".join(path)
        if text == command.path:
            return command.title
        if text not in self._titles:
            raise MenuError(f"{text}: the menu above {command.name} has no title")
        return self._titles[text]

    def node(self, path: Path) -> Node | None:
        """Return what stands at a path."""
        node: Node | None = self.root
        for digit in path:
            node = node.children.get(digit) if node else None
        return node

    def walk(self) -> Iterator[Node]:
        """Every place, in the order of the menu."""
        return self._below(self.root)

    def _below(self, node: Node) -> Iterator[Node]:
        yield node
        for _, child in sorted(node.children.items()):
            yield from self._below(child)
