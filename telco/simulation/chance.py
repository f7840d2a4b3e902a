"""Everything random comes from the seed and the name of what is decided, never from the order of decisions.

So actors may act at the same time, and a run that was stopped goes on as if it had not been.
"""

from __future__ import annotations

from hashlib import blake2b
from random import Random

_SCALE = 2.0**-64


class Chance:
    """Draws by name: the same seed and name give the same draw, whenever and wherever it is asked for."""

    def __init__(self, seed: int) -> None:
        self._key = f"telco.simulation:{seed}".encode()

    def share(self, *name: object) -> float:
        """Draw a number from 0 up to 1."""
        return self._number(name) * _SCALE

    def generator(self, *name: object) -> Random:
        """Make a generator, where one decision needs many draws."""
        return Random(self._number(name))

    def _number(self, name: tuple[object, ...]) -> int:
        text = "/".join(map(str, name)).encode()
        return int.from_bytes(blake2b(text, key=self._key, digest_size=8).digest(), "big")
