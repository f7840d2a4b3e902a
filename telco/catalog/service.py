"""Publishing, withdrawing and closing, and the catalogue in memory that everybody reads.

A published version is never edited in place. Each process keeps a snapshot; PostgreSQL's NOTIFY says that there is a
newer one, and the edition's number is looked at now and then in case a notice was lost.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from telco.catalog import loader, store
from telco.catalog.catalogue import Catalogue
from telco.catalog.errors import (
    AnnouncementTooLateError,
    CatalogueError,
    NotPublishedError,
    PlanClosedError,
    PlanInUseError,
    Problem,
    StillOfferedError,
)
from telco.catalog.items import Item
from telco.catalog.loader import SourceFile
from telco.catalog.measures import start_of_day
from telco.catalog.schemas import PlanDoc, ServiceDoc, Versioned
from telco.catalog.store import StoredItem, Withdrawal
from telco.db import outbox
from telco.db.pool import LOST_CONNECTION, Connection, Database
from telco.kernel.clock import Clock

TOPIC = "catalog.changed"
"""Outbox topic of changes that subscribers are told of. Contract: PSC-2.8-1, PSC-2.9-1"""
CHANNEL = "telco_catalog"
POLL_S = 15.0
"""How long a lost notification can keep an old snapshot."""

SubscriberCount = Callable[[str], Awaitable[int]]
"""How many subscribers a plan has, by its code."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Publication:
    """What a publication did: its edition, and what is new; nothing new makes no edition."""

    edition: int
    added: tuple[str, ...]
    unchanged: int


class CatalogService:
    """The operator's catalogue: one writer at a time, a snapshot for readers."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._snapshot: Catalogue | None = None
        self._reading = asyncio.Lock()
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def current(self) -> Catalogue:
        """Return the catalogue in memory, without any wait.

        Raises:
            NotPublishedError: nothing was published yet.
        """
        if self._snapshot is None:
            raise NotPublishedError
        return self._snapshot

    async def start(self) -> None:
        """Read the catalogue, if there is one, and follow its changes."""
        with contextlib.suppress(NotPublishedError):
            await self.refresh()
        self._stopping = False
        self._task = asyncio.create_task(self._follow(), name="catalog")

    async def stop(self) -> None:
        if self._task is not None:
            self._stopping = True
            self._wake.set()
            await self._task
            self._task = None

    async def refresh(self) -> Catalogue:
        """Read the catalogue again if a newer edition was published, and return it.

        Raises:
            NotPublishedError: nothing was published yet.
        """
        async with self._reading, self._database.acquire() as connection:
            edition = await store.newest_edition(connection)
            known = self._snapshot
            if known is None or known.edition < edition:
                if edition == 0:
                    raise NotPublishedError
                async with connection.transaction(isolation="repeatable_read", readonly=True):
                    self._snapshot = await _read(connection)
                log.info("catalogue_loaded", edition=self._snapshot.edition)
            return self.current()

    async def publish_directory(self, path: Path, *, author: str) -> Publication:
        """Publish the TOML files of a directory.

        Raises:
            CatalogueError: with every problem of every file; nothing is published then.
        """
        return await self.publish(loader.read_directory(path), author=author)

    async def publish(self, files: Iterable[SourceFile], *, author: str) -> Publication:
        """Add what the files declare to the catalogue, all or nothing; what is already published is passed over.

        A published (kind, code, version) with other content is refused, and a new version of something published
        begins in the future, so that it can be announced before it takes effect.

        Raises:
            CatalogueError: with every problem of every file; nothing is published then.

        Contract: PSC-2.8, PSC-2.8-1
        """
        declared = loader.parse(files)
        now = self._clock.now()

        async def body(connection: Connection) -> Publication:
            await store.lock(connection)
            published = await store.items(connection)
            new = _new_items(declared, published, now)
            catalogue = loader.build([*(stored.item for stored in published), *new])
            unchanged = len(declared) - len(new)
            if not new:
                return Publication(await store.newest_edition(connection), (), unchanged)
            added = tuple(item.path for item in new)
            edition = await store.add_edition(connection, now, author, {"published": list(added)})
            await store.add_items(connection, new, edition)
            followed = {(stored.item.kind, stored.item.code) for stored in published}
            for item in new:
                await _announce(connection, item, catalogue, now, again=(item.kind, item.code) in followed)
            return Publication(edition, added, unchanged)

        publication = await self._database.transact("catalog.publish", body)
        await self.refresh()
        return publication

    async def withdraw_plan(self, code: str, withdrawn_from: datetime, *, author: str) -> None:
        """Offer a plan no longer from a moment on; those who have it keep it. Contract: PSC-2.9"""
        self.current().plan(code, self._clock.now())
        await self._withdraw("plan", code, withdrawn_from, author)

    async def withdraw_service(self, code: str, withdrawn_from: datetime, *, author: str) -> None:
        """Offer a service no longer from a moment on, which is announced before. Contract: PSC-2.9-1"""
        self.current().service(code, self._clock.now())
        await self._withdraw("service", code, withdrawn_from, author)

    async def _withdraw(self, kind: str, code: str, withdrawn_from: datetime, author: str) -> None:
        now = self._clock.now()
        if withdrawn_from < now:
            raise AnnouncementTooLateError(moment=now.isoformat(timespec="seconds"))

        async def body(connection: Connection) -> None:
            await store.lock(connection)
            edition = await store.add_edition(connection, now, author, {"withdrawn": f"{kind}:{code}"})
            if not await store.withdraw(connection, kind, code, withdrawn_from, edition):
                raise PlanClosedError(plan=code)
            payload: dict[str, object] = {
                "change": "withdrawn",
                "kind": kind,
                "code": code,
                "effective_from": withdrawn_from.isoformat(),
            }
            await outbox.emit(connection, TOPIC, f"{kind}:{code}", payload, at=now)

        await self._database.transact("catalog.withdraw", body)
        await self.refresh()

    async def close_plan(self, code: str, count: SubscriberCount, *, author: str) -> None:
        """Close a plan that is no longer offered and has no subscribers left.

        Nobody can join a withdrawn plan, so a count of zero stays zero.

        Raises:
            UnknownPlanError, StillOfferedError, PlanInUseError, PlanClosedError

        Contract: PSC-2.9
        """
        now = self._clock.now()
        catalogue = await self.refresh()
        plan = catalogue.plan(code, now)
        withdrawn_from = catalogue.withdrawn.get(("plan", code))
        if withdrawn_from is None or withdrawn_from > now:
            raise StillOfferedError(plan=plan.code)
        subscribers = await count(code)
        if subscribers:
            raise PlanInUseError(plan=code, subscribers=subscribers)

        async def body(connection: Connection) -> None:
            await store.lock(connection)
            edition = await store.add_edition(connection, now, author, {"closed": f"plan:{code}"})
            if not await store.close(connection, "plan", code, now, edition):
                raise PlanClosedError(plan=code)
            payload: dict[str, object] = {"change": "closed", "kind": "plan", "code": code}
            await outbox.emit(connection, TOPIC, f"plan:{code}", payload, at=now)

        await self._database.transact("catalog.close_plan", body)
        await self.refresh()

    async def _follow(self) -> None:
        while not self._stopping:
            try:
                async with self._database.session() as listener:
                    await listener.add_listener(CHANNEL, self._on_notify)
                    listener.add_termination_listener(self._on_notify)
                    try:
                        await self._refresh_while(listener)
                    finally:
                        if not listener.is_closed():
                            listener.remove_termination_listener(self._on_notify)
                            await listener.remove_listener(CHANNEL, self._on_notify)
            except LOST_CONNECTION as error:
                log.warning("catalogue_waits_for_database", error=str(error))
                await self._wait(1.0)

    async def _refresh_while(self, listener: Connection) -> None:
        """Follow notices for as long as the listening connection lives."""
        while not self._stopping and not listener.is_closed():
            with contextlib.suppress(NotPublishedError):
                await self.refresh()
            await self._wait(POLL_S)

    async def _wait(self, timeout_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), timeout_s)
        self._wake.clear()

    def _on_notify(self, *_: object) -> None:
        self._wake.set()


async def _read(connection: Connection) -> Catalogue:
    edition = await store.newest_edition(connection)
    published = await store.items(connection)
    withdrawals = await store.withdrawals(connection)
    return loader.build(
        [stored.item for stored in published],
        edition=edition,
        withdrawn={(one.kind, one.code): one.withdrawn_from for one in withdrawals},
        closed=_closed(withdrawals),
    )


def _closed(withdrawals: Iterable[Withdrawal]) -> dict[tuple[str, str], datetime]:
    return {(one.kind, one.code): one.closed_at for one in withdrawals if one.closed_at is not None}


def _new_items(declared: list[Item], published: list[StoredItem], now: datetime) -> list[Item]:
    """Return what is not yet published.

    Raises:
        CatalogueError: a published version was given other content, or a later version begins in the past.
    """
    known = {stored.item.key: stored for stored in published}
    newest: dict[tuple[str, str], int] = {}
    for stored in published:
        name = (stored.item.kind, stored.item.code)
        newest[name] = max(newest.get(name, 0), stored.item.version)
    new: list[Item] = []
    problems: list[Problem] = []
    for item in declared:
        same = known.get(item.key)
        newest_version = newest.get((item.kind, item.code))
        if same is None:
            new.append(item)
            if newest_version is not None:
                problems.extend(_too_late(item, now))
        elif same.digest != item.digest():
            problems.append(_edited(item, same.item))
    if problems:
        raise CatalogueError(problems)
    return new


def _too_late(item: Item, now: datetime) -> list[Problem]:
    document = item.document
    if isinstance(document, Versioned) and start_of_day(document.effective_from) <= now:
        why = "is not in the future; a change of what is published is announced before it takes effect"
        return [item.problem("from", why)]
    return []


def _edited(item: Item, published: Item) -> Problem:
    before, after = published.content(), item.content()
    fields = sorted(field for field in {*before, *after} if before.get(field) != after.get(field))
    why = f"is published with another {', '.join(fields)}, and a published version never changes"
    hint = f"; declare version {item.version + 1}" if isinstance(item.document, Versioned) else ""
    return item.problem("", why + hint)


async def _announce(connection: Connection, item: Item, catalogue: Catalogue, now: datetime, *, again: bool) -> None:
    """Tell of a new or changed plan, service or price list, before it takes effect. Contract: PSC-2.8-1"""
    document = item.document
    if item.kind not in ("plan", "service", "price_list") or not isinstance(document, Versioned):
        return
    payload: dict[str, object] = {
        "change": "changed" if again else "added",
        "kind": item.kind,
        "code": item.code,
        "version": item.version,
        "effective_from": start_of_day(document.effective_from).isoformat(),
    }
    if isinstance(document, PlanDoc | ServiceDoc):
        payload["name"] = document.name.model_dump()
        payload["summary"] = document.summary.model_dump()
    if isinstance(document, PlanDoc):
        payload["plans"] = [item.code]
    elif isinstance(document, ServiceDoc):
        payload["third_party"] = document.provider is not None
        payload["plans"] = list(document.plans)
    else:
        payload["plans"] = sorted(
            {p.code for versions in catalogue.plan_versions.values() for p in versions if item.code in p.price_lists}
        )
    await outbox.emit(connection, TOPIC, f"{item.kind}:{item.code}", payload, at=now)
