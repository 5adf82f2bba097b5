"""A trial: a configuration tried before it is taken, live, and each automation with something that has happened.

Nothing is written to any service: connections are looked at, and automations rehearsed.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from roomkeeper import connecting
from roomkeeper.automations.automation import Automation, is_for
from roomkeeper.automations.event import Event
from roomkeeper.automations.schedule import SCHEDULE
from roomkeeper.configuration.config import Config
from roomkeeper.configuration.sources import sources
from roomkeeper.contract.catalog import Source
from roomkeeper.contract.checkup import Finding
from roomkeeper.desk.history import History
from roomkeeper.doctor import Doctor
from roomkeeper.errors import RoomkeeperError
from roomkeeper.intake.events import event_of
from roomkeeper.running.rehearsal import Rehearsal, Tried
from roomkeeper.store.database import Store
from roomkeeper.watching.reconcile import Watched, search_for

WITHIN = 40.0  # seconds that somebody waits for the page
_LATELY = timedelta(days=30)  # how far back something to try it with is looked for; ours
#: What cannot be in order before a text is taken: the webhook is registered when it is switched on.
_LATER = frozenset({"webhook", "round trip"})


@dataclass(frozen=True)
class Trial:
    """One configuration with its connections opened, beside a store."""

    config: Config
    store: Store
    sources: Mapping[str, Source]

    async def examined(self, names: Iterable[str]) -> AsyncIterator[tuple[str, Finding]]:
        """Look at connections, as the doctor does."""
        doctor = Doctor(self.config, self.store, self.sources)
        for name in names:
            async for one in doctor.of_connection(self.sources[name], writes=False):
                if one.check not in _LATER:
                    yield name, one

    async def rehearsed(self, automation: Automation, event: Event | None = None) -> Rehearsal:
        """Rehearse an automation with an event, if it is for it; else with what happened last."""
        try:
            happened = event if event is not None and is_for(automation, event) else await self._latest(automation)
            if happened is None:
                return Rehearsal(automation.name)
            would = await connecting.rehearsed(self.config, self.store, automation, happened)
        except RoomkeeperError as error:
            return Rehearsal(automation.name, trouble=error.said)
        return Rehearsal(automation.name, happened.subject, happened.at, would)

    async def _latest(self, automation: Automation) -> Event | None:
        """Find what happened last that the automation listens to; of a schedule, that it is due now."""
        if automation.schedule is not None:
            return _due_now(self.config, automation)
        if (kept := await asyncio.to_thread(_kept, self.store, automation)) is not None:
            return kept
        for watched in connecting.watched(self.config, self.sources):
            if watched.listening([automation]) and (found := await _recorded(watched, automation)) is not None:
                return found
        return None


@contextlib.asynccontextmanager
async def connected(config: Config, store: Store) -> AsyncIterator[Trial]:
    """Open the connections of a configuration for as long as it is tried."""
    opened = connecting.connected(config, store)
    try:
        yield Trial(config, store, opened)
    finally:
        await connecting.close(opened)


async def tried(config: Config, store: Store, automations: Sequence[Automation], event: Event | None = None) -> Tried:
    """Look at all connections, and rehearse some automations, as far as it can be done while somebody waits."""
    came = Tried()
    try:
        async with connected(config, store) as trial, asyncio.timeout(WITHIN):
            async for name, finding in trial.examined(trial.sources):
                if finding.check != "address":  # what is not taken yet is not served yet
                    came.findings.append((name, finding))
            for automation in automations:
                came.rehearsals.append(await trial.rehearsed(automation, event))
    except TimeoutError:
        what = f"not all could be tried within {WITHIN:.0f} s"
        came.findings.append(("", Finding("time", "warning", what, "`roomkeeper doctor` takes its time for the rest.")))
    return came


async def rehearsed(config: Config, store: Store, automation: Automation) -> Rehearsal:
    """Rehearse an automation with what happened last."""
    async with connected(config, store) as trial:
        return await trial.rehearsed(automation)


def _due_now(config: Config, automation: Automation) -> Event:
    (clock,) = sources(automation, config.connections, config.catalog)
    connector = config.catalog.connectors[config.connections[clock].type]
    return connector.by_hand(clock, SCHEDULE, {SCHEDULE: automation.due(datetime.now(UTC))})


def _kept(store: Store, automation: Automation) -> Event | None:
    """Find the last event that was kept here and is one for it."""
    history = History(store)
    for status in ("accepted", "ignored"):
        for found in history.events(limit=1, types=automation.event_types, connection=automation.from_, status=status):
            return event_of(history.row(found["id"]))
    return None


async def _recorded(watched: Watched, automation: Automation) -> Event | None:
    """Find the last that the service itself has recorded; None without any, or where there is no record to ask."""
    trail = next((one for one in watched.source.connector.trails if one.is_complete), None)
    if trail is None:
        return None
    search = replace(search_for(watched, [automation], datetime.now(UTC) - _LATELY), is_full=True)
    async for findings in trail.find(watched.source.client.view(bulk=True), search):
        if findings.events:
            return max(findings.events, key=lambda one: one.at)
    return None
