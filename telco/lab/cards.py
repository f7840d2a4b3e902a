"""The payment cards printed for the demo, as the page's phones find them in a drawer.

Their codes are in clear here and nowhere else: the service stores only digests. So the lab keeps what it was given when
the batch was printed, in a file of the demo's own directory.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from telco.lab.feed import Change, Feed

CARD_COMMAND: Final = "*111*4*{code}#"
"""What a phone dials to activate a card."""


@dataclass(frozen=True, slots=True)
class DemoCard:
    """A printed payment card; `value` in tenge with two decimals."""

    serial: str
    code: str
    value: str
    used: bool = False

    def shown(self) -> dict[str, Any]:
        """Return it as the page shows it."""
        return {
            "serial": self.serial,
            "code": self.code,
            "value": self.value,
            "used": self.used,
            "dial": CARD_COMMAND.format(code=self.code),
        }


class CardTray:
    """The demo's cards, shared by its phones."""

    def __init__(self, feed: Feed, cards: Iterable[DemoCard] = ()) -> None:
        self._feed = feed
        self._cards: dict[str, DemoCard] = {}
        self.put(cards)

    @property
    def cards(self) -> list[DemoCard]:
        return list(self._cards.values())

    def put(self, cards: Iterable[DemoCard]) -> None:
        """Add cards, or replace those of the same serial number."""
        before = dict(self._cards)
        self._cards.update((card.serial, card) for card in cards)
        if self._cards != before:
            self._feed.publish(Change("", "cards", self.snapshot()))

    def mark_used(self, serials: Iterable[str]) -> None:
        """Note which cards were activated."""
        self.put(replace(self._cards[serial], used=True) for serial in serials if serial in self._cards)

    def take(self, value: str) -> DemoCard | None:
        """Return an unused card of a face value."""
        return next((card for card in self.cards if not card.used and card.value == value), None)

    def snapshot(self) -> list[dict[str, Any]]:
        """Return the cards as the page shows them."""
        return [card.shown() for card in self.cards]
