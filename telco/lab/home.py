"""The demo's own directory: its servers' data, secrets, printed cards, log, and a lock against a second demo."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psutil

from telco.db.embedded import EmbeddedPostgres, EmbeddedRedis
from telco.lab.cards import DemoCard

PEPPER_BYTES: Final = 32
_STOP_ORPHAN_S: Final = 5
_PARTS: Final = ("postgres", "redis", "demo.json", "telco.log", "einvoices.jsonl")


class HomeInUseError(Exception):
    """Another demo runs on the same data."""


class Home:
    """A directory that one demo at a time works in. Everything in it is made here and may be thrown away."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.log = self.directory / "telco.log"
        self.file = self.directory / "demo.json"
        self.einvoices = self.directory / "einvoices.jsonl"
        self._memory: dict[str, Any] = {}
        self.postgres = EmbeddedPostgres(self.directory / "postgres")
        self.redis = EmbeddedRedis(self.directory / "redis")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other demos out while the block runs.

        Raises:
            HomeInUseError: one is at work here.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise HomeInUseError(
                    f"A demo already runs in {self.directory} (process {lock.read().strip() or 'unknown'}). "
                    "Stop it, or set TELCO_HOME to another directory."
                ) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            self._end_orphans()
            yield

    def _end_orphans(self) -> None:
        """End a Redis that a killed demo left. PostgreSQL is taken over as it is: it holds what was committed.

        Redis is known by the directory it works in: it replaces its command line by one without arguments.
        """
        for process in psutil.process_iter(["name", "cwd"]):
            if process.info["name"] == "redis-server" and process.info["cwd"] == str(self.redis.directory.resolve()):
                process.terminate()
                process.wait(_STOP_ORPHAN_S)

    def clear(self) -> None:
        """Throw away what earlier runs left."""
        if (self.postgres.directory / "postmaster.pid").exists():
            self.postgres.start()  # takes over a server that a killed demo left, so that it can be stopped
            self.postgres.stop()
        for name in _PARTS:
            path = self.directory / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    @property
    def fresh(self) -> bool:
        """Whether no demo has been here, or none that got as far as its secrets."""
        return not self.file.exists()

    def recall(self) -> None:
        """Read what was remembered; make the secrets when there are none."""
        if self.file.exists():
            self._memory = json.loads(self.file.read_text("utf-8"))
        else:
            self._memory = {
                "staff_pepper": secrets.token_hex(PEPPER_BYTES),
                "cards_pepper": secrets.token_hex(PEPPER_BYTES),
                "keys": {},
                "batches": 0,
                "cards": [],
            }
            self._save()

    def secret(self, name: str) -> str:
        """Return a pepper: staff_pepper or cards_pepper."""
        return str(self._memory[name])

    def key(self, caller: str) -> str | None:
        """Return a caller's API key, if one was made."""
        key: str | None = self._memory["keys"].get(caller)
        return key

    def keep_key(self, caller: str, key: str) -> None:
        self._memory["keys"][caller] = key
        self._save()

    @property
    def cards(self) -> list[DemoCard]:
        """The printed payment cards."""
        return [DemoCard(**card) for card in self._memory["cards"]]

    def keep_cards(self, cards: Iterable[DemoCard]) -> None:
        kept = [{"serial": card.serial, "code": card.code, "value": card.value, "used": card.used} for card in cards]
        if kept != self._memory["cards"]:
            self._memory["cards"] = kept
            self._save()

    def next_batch(self) -> str:
        """Name the next batch of payment cards; a name is never used twice."""
        self._memory["batches"] += 1
        self._save()
        return f"demo-{self._memory['batches']}"

    def _save(self) -> None:
        """Write what is remembered, whole or not at all, readable for its owner only."""
        draft = self.file.with_suffix(".new")
        with open(draft, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            json.dump(self._memory, file, ensure_ascii=False, indent=1)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.file)
