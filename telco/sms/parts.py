"""Parts of long messages as they arrive, and which of them belong together.

Handsets count their references to 255 or 65,535 and begin anew, and some number every message alike. So a reference
tells messages apart only together with what came when: a part that comes again with another text begins another
message, as one does that comes again after its message was whole. What cannot be known: whose part it is when two
messages under one reference are under way at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple, TypeVar

from telco.sms.text import Part

T = TypeVar("T")


class PartGroup(NamedTuple):
    """What the parts of one long message have in common."""

    source: str
    destination: str
    reference: int
    total: int


class ArrivedPart(NamedTuple):
    """A part of a long message to be kept until the others are there."""

    source: str
    destination: str
    part: Part
    alphabet: str
    octets: bytes
    received_at: datetime

    @property
    def group(self) -> PartGroup:
        return PartGroup(self.source, self.destination, self.part.reference, self.part.total)


def in_rounds(parts: Iterable[tuple[T, ArrivedPart]]) -> list[list[tuple[T, ArrivedPart]]]:
    """Divide parts that arrived together so that none comes twice in a round, each message's in their order.

    Parts 1 and 2, then 1 and 2 again under the same reference, are two rounds of two.
    """
    rounds: list[list[tuple[T, ArrivedPart]]] = []
    seen: dict[PartGroup, set[int]] = defaultdict(set)
    place: dict[PartGroup, int] = defaultdict(int)
    for item in parts:
        group, number = item[1].group, item[1].part.number
        if number in seen[group]:
            seen[group].clear()
            place[group] += 1
        seen[group].add(number)
        if place[group] == len(rounds):
            rounds.append([])
        rounds[place[group]].append(item)
    return rounds
