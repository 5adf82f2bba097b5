"""Try a configuration before it is written: each connection live, each automation with what happened last."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from roomkeeper import connecting
from roomkeeper.automations.automation import Automation
from roomkeeper.automations.event import Event
from roomkeeper.configuration.config import Config
from roomkeeper.contract.checkup import Finding
from roomkeeper.doctor import Doctor
from roomkeeper.errors import RoomkeeperError
from roomkeeper.intake.dispatch import Source
from roomkeeper.running.rehearsal import Rehearsed
from roomkeeper.store.database import Store
from roomkeeper.watching.reconcile import Watched, search_for

_WITHIN = 40.0  # seconds that somebody waits for the page
_LATELY = timedelta(days=30)  # how far back something to try it with is looked for; ours
#: What cannot be in order yet: the webhook is registered when it is switched on.
_LATER = frozenset({"webhook", "round trip"})


@dataclass(frozen=True)
class Rehearsal:
    """What an automation would do with what happened last; `about` is empty where nothing did."""

    automation: str
    about: str = ""
    at: datetime | None = None
    would: Rehearsed | None = None
    trouble: str = ""


@dataclass(frozen=True)
class Tried:
    """What came of it: the findings with their connections, and the rehearsals."""

    findings: list[tuple[str, Finding]] = field(default_factory=list)
    rehearsals: list[Rehearsal] = field(default_factory=list)

    @property
    def is_well(self) -> bool:
        """Whether nothing failed."""
        return not any(one.state == "failed" for _, one in self.findings)


async def tried(config: Config) -> Tried:
    """Try it all; nothing is written to any service, and nothing here outlasts it."""
    came = Tried()
    try:
        async with asyncio.timeout(_WITHIN), _connected(config) as trial:
            async for one in trial.examined(trial.sources):
                came.findings.append(one)
            async for rehearsal in trial.rehearsed():
                came.rehearsals.append(rehearsal)
    except TimeoutError:
        what = f"not all could be tried within {_WITHIN:.0f} s"
        remedy = "`roomkeeper doctor` tries the rest, once it is switched on."
        came.findings.append(("", Finding("time", "warning", what, remedy)))
    return came


async def examined(config: Config, names: Collection[str]) -> list[tuple[str, Finding]]:
    """Try some connections. Raises RoomkeeperError if they take too long."""
    try:
        async with asyncio.timeout(_WITHIN), _connected(config) as trial:
            return [one async for one in trial.examined([name for name in names if name in trial.sources])]
    except TimeoutError as error:
        what = f"{' and '.join(names)} did not answer within {_WITHIN:.0f} s"
        raise RoomkeeperError(what, remedy="Try again; or see whether it is up.") from error


@contextlib.asynccontextmanager
async def _connected(config: Config) -> "AsyncIterator[_Trial]":
    """Connect to everything, beside a store that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="roomkeeper-") as folder:
        apart, store = replace(config, store=folder), Store(folder)
        await asyncio.to_thread(store.migrate)
        sources = connecting.connected(apart, store)
        try:
            yield _Trial(apart, store, sources)
        finally:
            await connecting.close(sources)
            store.close()


@dataclass(frozen=True)
class _Trial:
    config: Config
    store: Store
    sources: Mapping[str, Source]

    async def examined(self, names: Iterable[str]) -> AsyncIterator[tuple[str, Finding]]:
        doctor = Doctor(self.config, self.store, self.sources)
        for name in names:
            async for one in doctor.of_connection(self.sources[name], writes=False):
                if one.check not in _LATER:
                    yield name, one

    async def rehearsed(self) -> AsyncIterator[Rehearsal]:
        for watched in connecting.watched(self.config, self.sources):
            for automation in watched.listening(self.config.automations):
                if not watched.source.connector.is_built_in:
                    yield await _rehearsed(self.config, self.store, watched, automation)


async def _rehearsed(config: Config, store: Store, watched: Watched, automation: Automation) -> Rehearsal:
    try:
        event = await _latest(watched, automation)
        if event is None:
            return Rehearsal(automation.name)
        would = await connecting.rehearsed(config, store, automation, event)
    except RoomkeeperError as error:
        return Rehearsal(automation.name, trouble=f"{error.message}. {error.remedy}".removesuffix(". "))
    return Rehearsal(automation.name, event.subject, event.at, would)


async def _latest(watched: Watched, automation: Automation) -> Event | None:
    """Find what happened last that the automation listens to; None without any, or where there is no record to ask."""
    trail = next((one for one in watched.source.connector.trails if one.is_complete), None)
    if trail is None:
        return None
    search = replace(search_for(watched, [automation], datetime.now(UTC) - _LATELY), is_full=True)
    async for findings in trail.find(watched.source.client.view(bulk=True), search):
        if findings.events:
            return max(findings.events, key=lambda one: one.at)
    return None
