"""Put the product together. `build` is the only place that constructs things; its arguments are the test seams."""

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import IO, Any, Literal
from urllib.parse import quote

import structlog
from starlette.applications import Starlette

from roomkeeper import connecting
from roomkeeper.automations.automation import Automation, heard_of
from roomkeeper.automations.redaction import Redactor, secrets_in
from roomkeeper.configuration.config import Config, gathered
from roomkeeper.configuration.loading import load
from roomkeeper.connectors import CATALOG
from roomkeeper.contract.catalog import Catalog, NamedRoom
from roomkeeper.desk.history import History
from roomkeeper.errors import RoomkeeperError
from roomkeeper.intake import stranded
from roomkeeper.intake.dispatch import Dispatch, event_of
from roomkeeper.intake.inbox import Inbox
from roomkeeper.proving import nightly
from roomkeeper.proving.prove import Proof
from roomkeeper.running import overdue as approvals
from roomkeeper.running.engine import Engine
from roomkeeper.running.leases import JOINING, Lease, lock_file
from roomkeeper.running.outages import Outages
from roomkeeper.running.rehearsal import Rehearsed
from roomkeeper.running.turns import Turns
from roomkeeper.running.walk import Rest, Walker
from roomkeeper.store import retention
from roomkeeper.store.database import Store, address
from roomkeeper.watching import webhooks as upkeep
from roomkeeper.watching.notices import Heartbeat, beat
from roomkeeper.web import sessions
from roomkeeper.web.desk import Desk
from roomkeeper.web.receiver import Gate
from roomkeeper.web.site import site

log = structlog.get_logger("app")

_BROKEN, _TAKEN_OVER = 70, 75  # exit codes of a process that must not go on, and wants to be started again
Role = Literal["all", "web", "worker"]


class AlreadyRunning(RoomkeeperError):
    """Another process serves this store."""


@dataclass
class App:
    """A service that is put together: `site` answers HTTP, and what works runs while its lifespan lasts."""

    site: Starlette
    role: Role
    store: Store
    history: History
    redact: Redactor
    config: Config

    def working(self) -> "contextlib.AbstractAsyncContextManager[object]":
        """Work as long as this lasts."""
        return self.site.router.lifespan_context(self.site)

    def link(self) -> str | None:
        """Give the path of a link that opens the pages once; None where people log in, or there are no pages."""
        if self.config.dashboard.has_login or self.role == "worker":
            return None
        return sessions.link(self.store)


def build(
    config: Config,
    *,
    role: Role = "all",
    end: Callable[[int], None] = os._exit,
    rest: Rest = asyncio.sleep,
) -> App:
    """Build the service for a configuration.

    `end` ends the process at once, with its exit code: when another one has taken over its runs, or when a part of it
    has ended, so that it must not go on. `rest` waits so many seconds between two attempts of a step.
    """
    store, catalog = Store(config.store), config.catalog
    history = History(store)
    inbox = Inbox(store)
    worker = _Worker(config, store, inbox, end, rest) if role != "web" else None
    gates = {} if role == "worker" else _gates(config, catalog)
    redact = Redactor([*secrets_in([one.settings for one in config.connections.values()]), *_own_secrets(config)])

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        with _only_one(store) if worker is not None else contextlib.nullcontext():
            store.migrate()
            inbox.start()
            try:
                async with worker.working() if worker is not None else contextlib.nullcontext():
                    yield
            finally:
                inbox.stop()
                store.close()

    async def rehearse(automation: Automation, number: int) -> Rehearsed:
        event = await asyncio.to_thread(history.row, number)
        return await connecting.rehearsed(config, store, automation, event_of(event))

    async def prove(automation: Automation, since: datetime) -> Proof:
        return await connecting.proved(config, store, automation, since)

    async def rooms() -> list[NamedRoom]:
        return await connecting.rooms(config)

    def check(text: str) -> Config:
        return load(config.file, CATALOG, text=text)

    desk = Desk(
        config, store, history, _warnings(config), connecting.limits(config), rehearse, redact, prove, rooms, check
    )
    return App(site(gates, inbox, desk, lifespan=lifespan), role, store, history, redact, config)


class _Worker:
    """What turns events into effects: lease, dispatch, engine, brooms; and looks for what was never delivered."""

    def __init__(self, config: Config, store: Store, inbox: Inbox, end: Callable[[int], None], rest: Rest) -> None:
        self._config, self._store, catalog = config, store, config.catalog
        self._end = end
        self._lease = Lease(store, works=True, on_lost=partial(end, _TAKEN_OVER))
        self._sources = connecting.connected(config, store, self._lease.workers)
        stopped = [one.name for one in config.automations if one.paused]
        self._turns = Turns(store, self._sources, stopped)
        walker = Walker(
            store,
            self._lease,
            catalog,
            self._sources,
            aside=self._turns.aside,
            outages=Outages(store, config.outage_patience),
            settle_after=config.settle_after,
            rest=rest,
        )
        self._engine = Engine(store, self._lease, walker, self._turns.over)
        self._dispatch = Dispatch(
            store,
            list(self._sources.values()),
            config.automations,
            lambda automation: gathered(automation, catalog),
            self._turns.look,
        )
        inbox.on_new = self._dispatch.wake
        notify = config.notify
        self._heart = (
            Heartbeat(notify.heartbeat.get_secret_value(), notify.heartbeat_every) if notify.heartbeat else None
        )
        self._prover = connecting.prover(config, store, self._sources)
        self._reconciler = connecting.reconciler(config, store, inbox, self._sources)

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Work as long as this lasts."""
        await asyncio.to_thread(self._lease.begin)
        await asyncio.to_thread(stranded.take_up, self._store, self._config.automations)
        beating = [asyncio.create_task(self._lease.keep(self._engine.recover))]
        began = time.monotonic()
        await self._engine.start()
        if not self._store.is_embedded:
            await asyncio.sleep(max(0.0, JOINING - (time.monotonic() - began)))
        days = self._config.retention
        beating += [
            asyncio.create_task(self._dispatch.run()),
            asyncio.create_task(self._turns.keep(self._engine.begin)),
            asyncio.create_task(self._reconciler.keep()),
            asyncio.create_task(nightly.keep(self._store, self._prover, self._config.automations)),
            asyncio.create_task(upkeep.keep(self._store, connecting.kept(self._config, self._sources))),
            asyncio.create_task(connecting.watch(self._config, self._store).keep()),
            asyncio.create_task(connecting.notices(self._config, self._store, self._sources).keep()),
            *([asyncio.create_task(beat(self._heart, self._store))] if self._heart is not None else []),
            asyncio.create_task(self._engine.sweep()),
            asyncio.create_task(approvals.keep(self._store)),
            asyncio.create_task(retention.keep(self._store, events_days=days.events_days, runs_days=days.runs_days)),
        ]
        for task in beating:
            task.add_done_callback(self._must_not_end)
        try:
            yield
        finally:
            for task in beating:
                task.remove_done_callback(self._must_not_end)
                task.cancel()
            await asyncio.gather(*beating, return_exceptions=True)
            await self._engine.stop()
            await asyncio.to_thread(self._lease.end)
            await connecting.close(self._sources)

    def _must_not_end(self, task: "asyncio.Task[None]") -> None:
        """End the process, to be restarted: without one of its parts it would look alive and do nothing."""
        error = None if task.cancelled() else task.exception()
        log.critical("a part of the service ended; stopping", part=task.get_coro().__qualname__, error=repr(error))  # type: ignore[union-attr]
        self._end(_BROKEN)


def _gates(config: Config, catalog: Catalog) -> dict[str, Gate]:
    """Make a gate for each connection: how its deliveries are trusted and read, and which kinds are listened to."""
    gates = {}
    for name, connection in config.connections.items():
        connector = catalog.connectors[connection.type]
        listened = heard_of(one for one in config.automations if one.from_ in {None, name})
        gates[name] = Gate(
            name,
            connecting.hook_of(config, name) if config.public_url else "",
            partial(connector.verify, connection.settings),
            partial(connector.read, name, connection.settings),
            connector.acknowledge,
            listened,
            tuple(connector.signed_in(connection.settings)),
            connector.largest,
        )
    return gates


def _own_secrets(config: Config) -> list[str]:
    """List the secrets of the pages, the notices and the store."""
    kept = [*secrets_in(config.dashboard), *secrets_in(config.notify)]
    if "://" in config.store:
        database = address(config.store)
        for given in (database.password, database.query.get("password")):
            kept += [str(given), quote(str(given), safe="")] if given else []
    return kept


def _warnings(config: Config) -> list[str]:
    """Say what every page and the log are to say aloud."""
    return [
        f"The connection {name} accepts deliveries without a signature (`unsigned: true`): anybody can send them."
        for name, connection in config.connections.items()
        if getattr(connection.settings, "unsigned", False)
    ]


@contextlib.contextmanager
def _only_one(store: Store) -> Any:  # noqa: ANN401 - a context
    """Keep a second service from working on the same embedded store; PostgreSQL is for several."""
    if not store.is_embedded:
        yield
        return
    file: IO[str]
    lock_file(store).touch(mode=0o600)
    with lock_file(store).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise AlreadyRunning(
                f"Another Roomkeeper serves the store in {store.where}",
                remedy="Stop that one first, or give this one a store of its own; several at once need PostgreSQL.",
            ) from error
        yield
