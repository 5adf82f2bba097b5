"""The doctor: everything that the configuration needs, tried live, a finding for each check with its remedy."""

import asyncio
import ipaddress
import os
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import sqlalchemy as sa

from roomkeeper import connecting
from roomkeeper.automations import template
from roomkeeper.automations.automation import Automation, acts_on, heard_of, listening_to
from roomkeeper.configuration.config import Config, wanted_of
from roomkeeper.contract.catalog import Source
from roomkeeper.contract.checkup import Examination, Finding, Needed
from roomkeeper.contract.upkeep import Hook
from roomkeeper.errors import NotThere, RemoteError, StoreUnavailable
from roomkeeper.intake import pauses
from roomkeeper.remote import trusted
from roomkeeper.running.leases import is_served
from roomkeeper.running.tally import SharedTally
from roomkeeper.store import services
from roomkeeper.store.alerts import current
from roomkeeper.store.database import Store
from roomkeeper.store.moments import moment
from roomkeeper.store.tables import events
from roomkeeper.watching.webhooks import informed

_TIMEOUT = 10.0  # seconds, as the portal's own probe of an address
SEEN_WITHIN = 45.0  # seconds for an event to come: the portal looks at its queue every five, and tries for thirty
_NEARLY = 0.9  # of the day's writes
_MEMORY = frozenset({"tmpfs", "ramfs"})
_REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "fuse.sshfs"})


class Doctor:
    """One examination of one configuration; `patience` is the seconds that a round trip's event has to come."""

    def __init__(
        self, config: Config, store: Store, sources: Mapping[str, Source], *, patience: float = SEEN_WITHIN
    ) -> None:
        self._config, self._store, self._sources, self._patience = config, store, sources, patience

    async def examine(self, *, writes: bool) -> AsyncIterator[tuple[str, Finding]]:
        """Try everything; gives the connection, empty for what concerns all, with each finding.

        `writes` allows the round trip, which makes a file and removes it.
        """
        for one in self._of_configuration():
            yield "", one
        for one in [await asyncio.to_thread(self._of_store), await asyncio.to_thread(self._of_service)]:
            yield "", one
        for one in [*await asyncio.to_thread(self._of_alerts), *await asyncio.to_thread(self._of_pauses)]:
            yield "", one
        for name, source in self._sources.items():
            try:
                async for one in self.of_connection(source, writes=writes):
                    yield name, one
            except StoreUnavailable as error:
                yield name, Finding("store", "failed", f"not all could be tried: {error.message}", error.remedy)

    # --- this machine -----------------------------------------------------------------------------------------

    def _of_configuration(self) -> list[Finding]:
        found = [Finding("configuration", "warning", one.what, one.remedy) for one in self._config.notes]
        for name, one in self._config.connections.items():
            if getattr(one.settings, "unsigned", False):
                what = f"{name} accepts deliveries without a signature: anybody can send them"
                found.append(Finding("configuration", "warning", what, "Take out `unsigned: true`."))
        return found or [Finding("configuration", "ok", f"{self._config.file} is in order")]

    def _of_store(self) -> Finding:
        """Try whether what is committed is on a disk."""
        try:
            with self._store.read() as connection:
                if not self._store.is_embedded:
                    return _of_postgresql(connection)
            return _of_disk(Path(self._store.where))
        except (StoreUnavailable, OSError) as error:
            remedy = "Make room on the disk, and let this user write to the store's folder."
            return Finding("store", "failed", f"{self._store.where} cannot be written: {error}", remedy)

    def _of_service(self) -> Finding:
        if is_served(self._store):
            if others := services.others(self._store, self._config.digest):
                said = "; ".join(f"{one.name}{f' ({one.trouble})' if one.trouble else ''}" for one in others)
                what = f"what runs has another text of the configuration than this file: {said}"
                return Finding("service", "warning", what, "`roomkeeper reload` has it take this one over.")
            return Finding("service", "ok", "a service is running on this store")
        what = "no service is running on this store: what arrives now is not taken"
        return Finding("service", "warning", what, "Start it: `roomkeeper serve`.")

    def _of_pauses(self) -> list[Finding]:
        """Name what rests: what arrives waits, and nothing else would say so here."""
        try:
            with self._store.read() as connection:
                by_hand = pauses.paused(connection)
        except StoreUnavailable:
            return []  # which is said already
        found = []
        for name, row in by_hand.items():
            what = f"{name} is paused by {row.by} since {moment(row.since)}: what arrives for it waits"
            found.append(Finding("automations", "warning", what, f"`roomkeeper resume {name}` lets it go on."))
        rest = [one.name for one in self._config.automations if one.paused]
        told = f"paused by the configuration: {', '.join(rest)}; what arrives for them waits"
        return [*found, *([Finding("automations", "ok", told)] if rest else [])]

    def _of_alerts(self) -> list[Finding]:
        """Pass on what the service found wrong by itself; what is tried here anyway is not said twice."""
        said = [one for one in current(self._store) if not one.key.startswith("webhook ")]
        return [Finding("alert", "warning", one.what, one.remedy) for one in said]

    # --- a connection -----------------------------------------------------------------------------------------

    async def of_connection(self, source: Source, *, writes: bool) -> AsyncIterator[Finding]:
        """Try one connection; `writes` as for all of them."""
        about = examination(self._config, source.name)
        works = True
        if source.connector.examine is not None:
            async for one in source.connector.examine(source.client, about):
                works = works and not (one.state == "failed" and one.check in {"key", "token"})
                yield one
        if not works:
            return
        if (budget := await asyncio.to_thread(self._of_budget, source)) is not None:
            yield budget
        if not about.types or source.connector.is_built_in:
            return
        if about.polls:
            every = f"{about.settings.poll_every:g} s"
            yield Finding("webhook", "ok", f"not needed: it is asked for events every {every} (`receive: poll`)")
            return
        is_reached = True
        async for one in self._of_address(source):
            is_reached = is_reached and one.state != "failed"
            yield one
        async for one in self._of_webhook(source, writes=writes and is_reached):
            yield one

    def _of_budget(self, source: Source) -> Finding | None:
        limits = getattr(self._config.connections[source.name].settings, "budget", None)
        if limits is None:
            return None
        tally = SharedTally(self._store, self._config.budget_of(source.name), lambda: 1)
        used, most = tally.writes_today(), limits.writes_per_day
        said = f"{most - used} of {most} writes are left today"
        if used >= most * _NEARLY:
            what = "At midnight UTC there are new ones; more need another account or a higher limit of the portal."
            return Finding("budget", "warning", said, what)
        return Finding("budget", "ok", said)

    async def _of_address(self, source: Source) -> AsyncIterator[Finding]:
        """Try whether deliveries can reach us, through whatever stands in front."""
        if self._config.public_url is None:
            what = "`public_url` is not set, so it cannot be tried whether deliveries reach this machine"
            yield Finding("address", "warning", what, "Set it to how the service is reached from outside.")
            return
        url = self._config.hook_of(source.name)
        problem = await asyncio.to_thread(_seen_from_outside, url, self._config.connections[source.name].settings)
        if problem is not None:
            yield problem
        answer = await _head(url)
        if isinstance(answer, str):
            remedy = "Start `roomkeeper serve`, and let what stands in front (proxy, firewall) pass /hooks/ to it."
            yield Finding("address", "failed", f"{url} does not answer: {answer}", remedy)
        elif answer != 200:  # noqa: PLR2004 - OK
            remedy = "Let what stands in front pass HEAD and POST for /hooks/ on, without a redirect or a login."
            yield Finding("address", "failed", f"{url} answers HEAD with {answer}", remedy)
        elif problem is None:
            yield Finding("address", "ok", f"{url} answers")

    async def _of_webhook(self, source: Source, *, writes: bool) -> AsyncIterator[Finding]:
        upkeep = source.connector.upkeep
        if upkeep is None:
            return
        hook = await self._store.reading(partial(informed, connecting.wanted_hook(self._config, source)))
        try:
            wrong = await upkeep.ail(source.client, hook)
        except RemoteError as error:
            what = f"it cannot be seen with this key whether the webhook is in order: {error.message}"
            yield Finding("webhook", "warning", what, error.remedy)
            writes = False  # whose it is decides what it is told of
        else:
            for one in wrong:
                yield Finding(
                    "webhook",
                    "warning" if one.key.startswith(("twin", "superfluous")) else "failed",
                    one.what,
                    one.remedy,
                )
            if not wrong:
                yield Finding("webhook", "ok", f"registered for {', '.join(sorted(hook.types))}")
            writes = writes and not wrong
        if writes:
            yield await self._of_round_trip(source, hook)

    async def _of_round_trip(self, source: Source, hook: Hook) -> Finding:
        """Make something on the portal, and wait for its event."""
        connector = source.connector
        if connector.round_trip is None or not is_served(self._store):
            what = "not tried, for no service is running that could receive it"
            return Finding("round trip", "warning", what, "Start `roomkeeper serve`, then ask the doctor again.")
        took: float | None = None
        try:
            async with connector.round_trip(source.client, hook) as occurrence:
                took = await self._came(source.name, occurrence)
        except NotThere as error:
            return Finding("round trip", "ok", f"not tried: {error.message}")
        except RemoteError as error:
            what = "could not be tried" if took is None else "went well, but its scratch folder could not be removed"
            return Finding("round trip", "warning", f"{what}: {error.message}", error.remedy or "Remove it by hand.")
        if took is not None:
            return Finding(
                "round trip", "ok", f"a file was made, its event came after {took:.0f} s, and it was removed"
            )
        what = f"a file was made and removed, and its event did not come within {self._patience:.0f} s"
        remedy = "`roomkeeper events list` shows what came and was refused, `roomkeeper webhooks list` the webhook."
        return Finding("round trip", "failed", what, remedy)

    async def _came(self, connection: str, occurrence: str) -> float | None:
        """Wait for an event; gives the seconds that it took, None if it did not come."""
        began = time.monotonic()
        while time.monotonic() - began < self._patience:
            if await self._store.reading(partial(_is_there, connection, occurrence)):
                return time.monotonic() - began
            await asyncio.sleep(0.5)
        return None


def examination(config: Config, name: str) -> Examination:
    """Work out what the automations need of a connection."""
    connection = config.connections[name]
    connector = config.catalog.connectors[connection.type]
    types = {one: connection_.type for one, connection_ in config.connections.items()}
    listening = listening_to(name, config.automations, connector.raised(connection.settings))
    places = [Needed(room, "read", f"{one.name}: where") for one in listening for room in one.rooms]
    scopes = dict.fromkeys(connector.scopes, "listening") if listening else {}
    fields = wanted_of(connector, config)
    scopes |= {scope: f"the field `{name}`" for name, scope in connector.scopes_of_fields.items() if name in fields}
    groups: dict[str, str] = {}
    for automation in config.automations:
        for step in automation.steps:
            kinds = config.catalog.kinds(step.do)
            kind = kinds.get(connection.type)
            origin = automation.from_ or name
            if kind is None or acts_on(step, kinds, origin, types) != name:
                continue
            needed = kind.scopes | {scope for name, scope in kind.scopes_of_settings.items() if name in step.with_}
            scopes |= dict.fromkeys(needed, f"{automation.name}: {step.do}")
            places += _named_by(automation, step.with_, kind.places)
            named = kind.groups(step.with_) if kind.groups is not None else ()
            groups |= dict.fromkeys(named, f"{automation.name}: {step.do}")
    polls = bool(getattr(connection.settings, "polls", False))
    return Examination(
        name,
        connection.settings,
        heard_of(listening),
        tuple({(one.place, one.right): one for one in places}.values()),
        scopes,
        polls,
        groups,
    )


def _named_by(automation: Automation, settings: Mapping[str, object], wanted: Mapping[str, str]) -> list[Needed]:
    """List the rooms and folders that a step names outright; what a template gives is known only when it runs."""
    found = []
    for name, right in wanted.items():
        value = settings.get(name)
        if isinstance(value, int | str) and not template.is_template(value):
            found.append(Needed(value, right, f"{automation.name}: {name}"))  # type: ignore[arg-type]
    return found


def _of_postgresql(connection: sa.Connection) -> Finding:
    off = [
        name
        for name in ("fsync", "synchronous_commit")
        if connection.execute(sa.text(f"show {name}")).scalar() == "off"
    ]
    if off:
        what = f"the database runs with {' and '.join(off)} off: a crash of it can lose what was acknowledged"
        return Finding("store", "failed", what, "Turn them on in postgresql.conf.")
    return Finding("store", "ok", "PostgreSQL answers, and writes what it commits to the disk")


def _of_disk(folder: Path) -> Finding:
    began = time.monotonic()
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"doctor")
        file.flush()
        os.fsync(file.fileno())
    took = time.monotonic() - began
    kind = _file_system(folder)
    if kind in _MEMORY:
        what = f"{folder} lies in memory ({kind}): everything in it is lost when this machine restarts"
        return Finding("store", "failed", what, "Set `store` to a folder on a disk.")
    if kind in _REMOTE:
        what = f"{folder} lies on a network drive ({kind}), where SQLite's locks cannot be relied on"
        return Finding("store", "warning", what, "Set `store` to a local folder, or to PostgreSQL.")
    others = folder.stat().st_mode & 0o077
    open_ones = [file.name for file in sorted(folder.iterdir()) if file.is_file() and file.stat().st_mode & 0o077]
    if others and open_ones:
        what = f"{folder} holds what others on this machine may read: {', '.join(open_ones[:5])}"
        return Finding("store", "warning", what, f"`chmod -R go= {folder}`, for names and contents are kept there.")
    return Finding("store", "ok", f"{folder} is written through to the disk ({took * 1000:.1f} ms)")


def _file_system(folder: Path) -> str:
    """Name the kind of file system a folder lies on; empty where the system does not say."""
    try:
        lines = Path("/proc/self/mounts").read_text("utf-8").splitlines()
    except OSError:
        return ""
    mounts = [(parts[1], parts[2]) for line in lines if len(parts := line.split()) > 2]  # noqa: PLR2004
    holding = [one for one in mounts if folder.resolve().is_relative_to(one[0])]
    return max(holding, key=lambda one: len(one[0]))[1] if holding else ""


def _seen_from_outside(url: str, settings: object) -> Finding | None:
    """Say what the portal would hold against our address: it refuses private ones (facts/docspace.md 1.6)."""
    host, theirs = urlsplit(url).hostname or "", urlsplit(getattr(settings, "url", "")).hostname or ""
    if not theirs:
        return None  # whoever delivers here may be anywhere
    try:
        is_private = _is_private(host)
    except (OSError, UnicodeError) as error:
        remedy = "Correct `public_url`, or the name's record."
        return Finding("address", "failed", f"the name {host} cannot be looked up: {error}", remedy)
    try:
        is_near = _is_private(theirs)
    except (OSError, UnicodeError):
        is_near = False
    if is_private and not is_near:
        what = f"{host} is a private address, which cannot be reached from {theirs}; a portal deletes such a webhook"
        return Finding("address", "failed", what, "Give this machine a public address, or use `receive: poll`.")
    if url.startswith("http://") and not is_near:
        what = f"{url} is not encrypted: whoever listens in between reads the names of files and people"
        return Finding("address", "warning", what, "Put a proxy with a certificate in front, and write https://.")
    return None


def _is_private(host: str) -> bool:
    found = {info[4][0] for info in socket.getaddrinfo(host, None)}
    return any(ipaddress.ip_address(str(one).partition("%")[0]).is_private for one in found)


async def _head(url: str) -> int | str:
    """Ask as the portal does: HEAD, no redirects; the status, or why there is none."""
    try:
        async with httpx2.AsyncClient(verify=trusted(), timeout=_TIMEOUT, follow_redirects=False) as http:
            return (await http.head(url)).status_code
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return str(error) or type(error).__name__


def _is_there(connection: str, occurrence: str, db: sa.Connection) -> bool:
    query = sa.select(events.c.id).where(events.c.connection == connection, events.c.occurrence == occurrence)
    return db.execute(query.limit(1)).first() is not None


def worst(findings: Sequence[Finding]) -> str:
    """Say how it stands altogether."""
    states = {one.state for one in findings}
    return "failed" if "failed" in states else "warning" if "warning" in states else "ok"
