"""Put a service together, by its configuration; the arguments are the test seams."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from starlette.applications import Starlette

from roomkeeper import connecting, trial
from roomkeeper.app.app import App, Role
from roomkeeper.app.door import gates, kept, redactor, warnings
from roomkeeper.app.works import Works, only_one
from roomkeeper.automations.automation import Automation
from roomkeeper.automations.event import Event
from roomkeeper.configuration.config import Config
from roomkeeper.configuration.loading import load
from roomkeeper.connectors import CATALOG
from roomkeeper.contract.catalog import NamedRoom
from roomkeeper.desk.history import History
from roomkeeper.intake.events import event_of
from roomkeeper.intake.inbox import Inbox
from roomkeeper.proving.prove import Proof
from roomkeeper.running.rehearsal import Rehearsal, Tried
from roomkeeper.running.walk import Rest
from roomkeeper.store.database import Store
from roomkeeper.web import sessions
from roomkeeper.web.desk import Desk
from roomkeeper.web.site import site


def build(
    config: Config,
    *,
    role: Role = "all",
    end: Callable[[int], None] = os._exit,
    rest: Rest = asyncio.sleep,
) -> App:
    """Build the service for a configuration; the door alone is built without all this (`door.build_door`).

    `end` ends the process at once, with its exit code: when another one has taken over its runs, or when a part of it
    has ended, so that it must not go on. `rest` waits so many seconds between two attempts of a step.
    """
    store = Store(config.store)
    history, inbox, redact, warned = History(store), Inbox(store), redactor(config), warnings(config)
    works = Works(config, store, inbox, end, rest) if role in {"all", "worker"} else None
    opened = gates(config) if role in {"all", "web"} else {}

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        with only_one(store) if works is not None else contextlib.nullcontext(), kept(store, inbox):
            async with works.working() if works is not None else contextlib.nullcontext():
                yield

    async def event(number: int | None) -> Event | None:
        return event_of(await asyncio.to_thread(history.row, number)) if number is not None else None

    async def rehearse(automation: Automation, number: int | None) -> Rehearsal:
        if (happened := await event(number)) is None:
            return await trial.rehearsed(config, store, automation)
        would = await connecting.rehearsed(config, store, automation, happened)
        return Rehearsal(automation.name, happened.subject, happened.at, would)

    async def try_out(other: Config, automations: Sequence[Automation], number: int | None) -> Tried:
        return await trial.tried(replace(other, store=config.store), store, automations, await event(number))

    async def prove(automation: Automation, since: datetime) -> Proof:
        return await connecting.proved(config, store, automation, since)

    async def rooms() -> list[NamedRoom]:
        return await connecting.rooms(config)

    def check(text: str, given: Mapping[str, str]) -> Config:
        return load(config.file, CATALOG, text=text, secrets=given)

    def link() -> str | None:
        return None if config.dashboard.has_login or role == "worker" else sessions.link(store)

    limits = connecting.limits(config)
    desk = Desk(config, store, history, warned, limits, rehearse, redact, prove, rooms, check, try_out)
    shown = site(opened, inbox, desk, lifespan=lifespan)
    app = App(shown, role, store, redact, config, warned, link=link)
    return replace(app, wake=works.wake) if works is not None else app
