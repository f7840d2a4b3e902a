"""What the demo writes: progress while it starts, then the story; in colour where there is a terminal."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TextIO

_WIDTH: Final = 78
_LABEL: Final = 9


class _Ink(StrEnum):
    BOLD = "1"
    FAINT = "2"
    RED = "31"
    GREEN = "32"
    YELLOW = "33"
    CYAN = "36"
    VIOLET = "35"


@dataclass(slots=True)
class Detail:
    """What a step of the start says once it is done."""

    text: str = ""


class Terminal:
    """Writes to a terminal or a file."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._colour = self._live and "NO_COLOR" not in os.environ

    def line(self, text: str = "") -> None:
        print(text, file=self._stream, flush=True)

    def title(self, text: str) -> None:
        """Write a heading."""
        self.line()
        self.line(self._ink(text, _Ink.BOLD))

    @contextmanager
    def progress(self, what: str) -> Iterator[Detail]:
        """Say what is being done, and, when the block ends, that it is done and how long it took."""
        detail = Detail()
        if self._live:
            self._write(f"  {self._ink('…', _Ink.YELLOW)} {what}")
        started = time.monotonic()
        try:
            yield detail
        except BaseException:
            self._over(f"  {self._ink('✗', _Ink.RED)} {what}")
            raise
        seconds = self._ink(f"{time.monotonic() - started:5.1f} s", _Ink.FAINT)
        self._over(f"  {self._ink('✓', _Ink.GREEN)} {what:<34} {seconds}  {self._ink(detail.text, _Ink.FAINT)}")

    def step(self, number: int, text: str) -> None:
        """Begin a step of the story."""
        self.line()
        self.line(f" {self._ink(f'{number:2d}', _Ink.CYAN)}  {self._ink(text, _Ink.BOLD)}")

    def sent(self, face: str, text: str) -> None:
        """Write what was sent, and over which face."""
        self._wrapped(f"{face:>{_LABEL}} {self._ink('→', _Ink.CYAN)} ", _LABEL + 3, text, None)

    def got(self, text: str, *, face: str = "", bad: bool = False) -> None:
        """Write what came back."""
        ink = _Ink.RED if bad else None
        self._wrapped(f"{face:>{_LABEL}} {self._ink('←', _Ink.GREEN)} ", _LABEL + 3, text, ink)

    def balance(self, text: str) -> None:
        """Write the money after a step."""
        self.line(f"{'balance':>{_LABEL}} {self._ink('=', _Ink.YELLOW)} {self._ink(text, _Ink.YELLOW)}")

    def note(self, text: str) -> None:
        """Write a remark."""
        self.line(f"     {self._ink(text, _Ink.FAINT)}")

    def link(self, name: str, url: str) -> None:
        """Write an address."""
        self.line(f"  {name:<18} {self._ink(url, _Ink.CYAN)}")

    def error(self, text: str) -> None:
        """Write what went wrong and what to do."""
        self.line(self._ink(text, _Ink.RED))

    def _wrapped(self, lead: str, indent: int, text: str, ink: _Ink | None) -> None:
        for place, row in enumerate(_rows(text, _WIDTH - indent)):
            self.line((lead if place == 0 else " " * indent) + (self._ink(row, ink) if ink else row))

    def _over(self, text: str) -> None:
        """Write a line in the place of the unfinished one."""
        if self._live:
            self._write("\r\x1b[2K")
        self.line(text)

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()

    def _ink(self, text: str, ink: _Ink) -> str:
        return f"\x1b[{ink}m{text}\x1b[0m" if self._colour and text else text


def _rows(text: str, width: int) -> Iterator[str]:
    """Cut text into rows at spaces; its own line ends stay."""
    for line in text.splitlines() or [""]:
        row = ""
        for word in line.split(" "):
            if row and len(row) + 1 + len(word) > width:
                yield row
                row = word
            else:
                row = f"{row} {word}" if row else word
        yield row
