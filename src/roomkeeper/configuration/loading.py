"""Read `roomkeeper.yaml`: every fault with its file, its line and the remedy.

What a connection and a step may say comes from the catalogue.
"""

import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel
from ruamel.yaml.comments import CommentedMap

from roomkeeper.automations.address import is_outside, listening
from roomkeeper.automations.automation import Automation
from roomkeeper.automations.condition import listed, never_met
from roomkeeper.automations.event import noun_of
from roomkeeper.automations.redaction import secrets_in
from roomkeeper.automations.secret import NOT_SET, Reference
from roomkeeper.configuration.automations import AutomationCheck
from roomkeeper.configuration.config import Config, Connection
from roomkeeper.configuration.document import Document, Place
from roomkeeper.configuration.explaining import hint
from roomkeeper.configuration.notify import Notify
from roomkeeper.configuration.resolving import Resolver
from roomkeeper.configuration.sources import sources
from roomkeeper.configuration.top import Top
from roomkeeper.contract.catalog import Catalog
from roomkeeper.contract.step import EventKind, StepKind
from roomkeeper.errors import ConfigError

CLOCK = "clock"  # the name and the type of the connection that is there by itself
_TAKEN = frozenset({"event", "item", "number", "run", "loop"})  # words that templates know otherwise; ours
_LOOK = 5.0  # seconds between two looks at the clock; ours
_OF_AN_EXAMPLE = re.compile(r"\b[\w.+-]{1,64}@[\w.-]{1,255}\.example\b")  # as long as RFC 5321, 4.5.3.1, has them
#: A line that `init` writes with the reader's own value left open; what it is stands behind it.
_TO_BE_GIVEN = re.compile(r'^ {0,2}(\w{1,40}): "?([^" ]{1,40})"? {3}# (.{1,200})$')
_SEE_WHERE = "write a pattern as `{like: '*.pdf'}`, and what is to be equal as it is; a `where` has no templates"
_STORE = Top.model_fields["store"].default
_SHORTEST = 4  # characters of a secret by which deliveries are trusted: what is shorter is guessed at once; ours


def load(
    file: Path,
    catalog: Catalog,
    *,
    secrets_required: bool = True,
    text: str | None = None,
    secrets: Mapping[str, str] | None = None,
) -> Config:
    """Read and check a configuration file, or a `text` that is to stand in it. Raises ConfigError with all problems.

    `secrets` go before those of the environment: they are tried before they stand anywhere.
    """
    document = Document(file, text)
    resolver = Resolver(document, required=secrets_required, given=secrets or {})
    config = _Reader(document, catalog, resolver).read() if not document.problems else None
    if document.problems or config is None:
        raise ConfigError(sorted(document.problems, key=lambda problem: problem.line))
    return config


def kept_in(file: Path) -> str:
    """Tell where a configuration keeps things, whatever else is wrong in it. Raises ConfigError."""
    document = Document(file)
    if document.problems and document.text is not None:
        document = Document(file, _alone("store:", document.text))
    if not document.problems:
        said = {name: value for name, value in document.root.items() if name == "store"}
        store = Resolver(document, required=True, given={}).resolved(said, (), Top).get("store", _STORE)
        if not isinstance(store, str):
            document.say(("store",), "`store` is not a text", "give a folder, or postgresql://user@host/db")
        elif not document.problems:
            _check_store(document, store)
        if not document.problems:
            return _placed(store, file)
    raise ConfigError(document.problems)


def _alone(begin: str, text: str) -> str:
    """Leave of a text that is no YAML the one line that begins so, where it stands."""
    kept = [line if line.startswith(begin) else "" for line in text.splitlines()]
    return "\n".join(kept) if any(kept) else "{}"


def _check_store(document: Document, store: str) -> None:
    """Say what is wrong with where things are kept."""
    if "://" not in store:
        return
    try:
        parts = urlsplit(store)
    except ValueError as error:
        document.say(("store",), f"the store's address cannot be read: {error}", "write postgresql://user@host/db")
        return
    if parts.scheme != "postgresql":
        remedy = "give a folder, or postgresql://user@host/db"
        document.say(("store",), f"a store of the kind {parts.scheme}:// is not known", remedy)
    elif (parts.password or "password" in parts.query) and not isinstance(document.root.get("store"), Reference):
        remedy = "write `store: !env DATABASE_URL`, or leave the password to PGPASSWORD or ~/.pgpass"
        document.say(("store",), "the store's address has a password in it, and secrets do not belong here", remedy)


def _placed(store: str, file: Path) -> str:
    return store if "://" in store else str((file.parent / store).resolve())


def _same(one: Automation, other: Automation) -> bool:
    return one.model_dump(exclude={"name"}) == other.model_dump(exclude={"name"})


def _set(clock: Mapping[str, Connection], automations: Sequence[Automation]) -> dict[str, Connection]:
    """Set the clock to the schedules of the file. Without any it is there, too: for what was due until they went."""
    schedules = {one.name: one.schedule for one in automations if one.schedule is not None}
    if not schedules:
        return dict(clock)
    told = {"schedules": schedules, "poll_every": _LOOK}
    return {name: replace(one, settings=one.settings.model_copy(update=told)) for name, one in clock.items()}


class _Reader:
    """One reading of one file."""

    def __init__(self, document: Document, catalog: Catalog, resolver: Resolver) -> None:
        self._say = document.say
        self._document, self._catalog, self._resolver = document, catalog, resolver

    def read(self) -> Config | None:
        top = self._document.model(Top, self._resolver.resolved(self._document.root, (), Top), ())
        if top is None:
            return None
        self._take_in(top.plugins)
        host, port = self._listen(top.listen)
        _check_store(self._document, top.store)
        # A connection with a fault of its own still counts as one, so that its fault is not reported at each step.
        connections = {name: one for name in top.connections if (one := self._connection(name)) is not None}
        self._take_in_events(connections)
        clock = self._clock(connections)
        automations = AutomationCheck(self._document, self._catalog, connections | clock).read(len(top.automations))
        self._check_dashboard(top)
        self._check_notify(top.notify, connections)
        if not self._document.problems:
            self._note_what_is_odd(connections, automations)
            self._note_who_sees(top)
        return Config(
            file=self._document.file,
            text=self._document.text or "",
            host=host,
            port=port,
            public_url=top.public_url.rstrip("/") if top.public_url else None,
            trusted_proxies=tuple(top.trusted_proxies),
            store=_placed(top.store, self._document.file),
            connections=connections | _set(clock, automations),
            automations=tuple(automations),
            settle_after=top.settle_after,
            outage_patience=top.outage_patience,
            retention=top.retention,
            dashboard=top.dashboard,
            notify=top.notify,
            catalog=self._catalog,
            notes=tuple(self._document.notes),
        )

    def _listen(self, text: str) -> tuple[str, int]:
        read = listening(text)
        if read is None:
            self._say(("listen",), f"`listen: {text}` is not an address and a port", "write it as 127.0.0.1:8080")
        return read or ("127.0.0.1", 8080)

    def _take_in(self, plugins: Sequence[str]) -> None:
        """Add the steps of a company's own packages; a name that is taken stays ours."""
        more: list[StepKind] = []
        for at, name in enumerate(plugins):
            try:
                found = list(importlib.import_module(name).STEPS)
            except Exception as error:  # noqa: BLE001 - whatever somebody's package raises
                what = f"the plugin {name!r} cannot be used: {type(error).__name__}: {error}"
                self._say(("plugins", at), what, "install it into this environment, with a list `STEPS` of StepKind")
                continue
            for step in found:
                if not isinstance(step, StepKind) or self._catalog.kinds(step.name):
                    shown = getattr(step, "name", step)
                    what = f"the plugin {name!r} has {shown!r} in STEPS, which is no step or not a new one"
                    self._say(("plugins", at), what, "give it a StepKind with a name of its own")
                else:
                    more.append(step)
        self._catalog = self._catalog.extended(more)

    def _take_in_events(self, connections: Mapping[str, Connection]) -> None:
        """Add the kinds of event that connections give a name; one that is known keeps its meaning."""
        known = {noun_of(type_) for type_ in self._catalog.event_types} | _TAKEN
        added: dict[str, EventKind] = {}
        for name, one in connections.items():
            own = self._catalog.connectors[one.type].own(one.settings) if one.settings is not None else {}
            for type_, kind in own.items():
                noun = noun_of(type_)
                if noun in known:
                    what = f"{type_!r} cannot be an event of {name}: {noun!r} stands for something else in automations"
                    self._say(("connections", name, "event"), what, "begin its name with another word")
                elif type_ in added and added[type_] != kind:
                    what = f"two connections tell of {type_!r}, with different fields"
                    self._say(("connections", name, "fields"), what, "give both the same, or one another `event`")
                else:
                    added[type_] = kind
                    self._catalog = self._catalog.telling(one.type, own)

    def _connection(self, name: str) -> Connection | None:
        where: Place = ("connections", name)
        node = self._document.root["connections"][name]
        if not isinstance(node, CommentedMap):
            self._say(where, f"the connection {name} is not a mapping", "give it at least `type` and `url`")
            return None
        type_ = node.get("type")
        connector = self._catalog.connectors.get(str(type_))
        if connector is None or connector.is_built_in:
            known = sorted(one.type for one in self._catalog.written)
            self._say(
                (*where, "type"),
                f"the connection {name} has the type {type_!r}, which is not known",
                hint(str(type_), known),
            )
            return None
        settings = self._resolver.resolved(node, where, connector.settings)
        settings.pop("type", None)
        model = self._document.model(connector.settings, settings, where)
        if model is not None:
            self._check_trust(connector.trusted_by, model, where)
        return Connection(name, connector.type, model)

    def _clock(self, connections: Mapping[str, Connection]) -> dict[str, Connection]:
        """Give the connection that is there by itself: what tells the time."""
        if CLOCK in connections:
            what = f"a connection cannot be called {CLOCK!r}: that is what `on: schedule` listens to"
            self._say(("connections", CLOCK), what, "call it something else")
            return {}
        return {CLOCK: Connection(CLOCK, CLOCK, self._catalog.connectors[CLOCK].settings())}

    def _check_trust(self, trusted_by: Sequence[str], model: BaseModel, where: Place) -> None:
        """Refuse what cannot be secret: whoever guesses it may send whatever they like."""
        for name in trusted_by:
            for secret in secrets_in(getattr(model, name)):
                if secret != NOT_SET and len(secret.strip()) < _SHORTEST:
                    what = f"`{name}` cannot be secret: it has fewer than {_SHORTEST} characters"
                    self._say((*where, name), what, "invent a long random one, and put it in place at both ends")

    def _check_dashboard(self, top: Top) -> None:
        where: Place = ("dashboard",)
        for kind, named in (("users", top.dashboard.users), ("tokens", top.dashboard.tokens)):
            names = [one.name for one in named]
            for at, name in enumerate(names):
                if name in names[:at]:
                    self._say((*where, kind, at, "name"), f"{name!r} is there twice", "give each a name of its own")
        if top.dashboard.oidc is None:
            return
        if top.public_url is None:
            what = "a login service sends people back to `public_url`, which is not set"
            self._say((*where, "oidc"), what, "set `public_url` to the address that people open the pages by")
        if not top.dashboard.oidc.operators and not top.dashboard.oidc.viewers:
            what = "nobody whom the login service knows may come in"
            self._say((*where, "oidc"), what, "list who may in `operators` or `viewers`")

    def _check_notify(self, notify: Notify, connections: Mapping[str, Connection]) -> None:
        telling = [name for name, one in connections.items() if self._catalog.connectors[one.type].tell is not None]
        for at, name in enumerate(notify.to):
            if name not in telling:
                what = f"`notify` names {name!r}, which is no connection that takes messages"
                remedy = hint(name, telling) if telling else "add one of the type slack, smtp or webhook"
                self._say(("notify", "to", at), what, remedy)

    # --- what is odd ----------------------------------------------------------------------------------------

    def _note_variables(self, automation: Automation, where: Place) -> None:
        """Say which variables steps go by that are not set: they are asked for only when the step runs."""
        for at, step in enumerate(automation.steps):
            for name, value in step.with_.items():
                if name.endswith("_env") and isinstance(value, str) and not self._resolver.is_set(value):
                    what = f"the variable {value!r} is not set, which the step {step.name} goes by"
                    remedy = f"put {value}=… into .env, or set it where the service runs"
                    self._document.note((*where, "steps", at, "with", name), what, remedy)

    def _note_what_is_odd(self, connections: Mapping[str, Connection], automations: Sequence[Automation]) -> None:
        """Say what is allowed and seldom meant."""
        env = self._document.file.parent / ".env"
        if env.exists() and env.stat().st_mode & 0o077:
            self._document.note((), f"{env} can be read by others", f"chmod 600 {env}")
        for at, one in enumerate(automations):
            if "room" not in one.where and any(type_.startswith("file.") for type_ in one.event_types):
                what = f"{one.name} has no `where: {{room: …}}`, so it is for every room that the account is in"
                self._document.note(("automations", at), what, "name the rooms, unless that is what you want")
            for address in sorted(set(_OF_AN_EXAMPLE.findall(one.model_dump_json()))):
                what = f"{one.name} names {address}, which is an example's: nobody gets what is sent there"
                self._document.note(("automations", at), what, "write the address of your own")
            self._note_variables(one, ("automations", at))
            self._note_where(one, ("automations", at, "where"))
            twin = next((other for other in automations[:at] if _same(other, one)), None)
            if twin is not None:
                what = f"{one.name} does the same as {twin.name}, at the same events: everything is done twice"
                self._document.note(("automations", at), what, "take one of them out, or say `where:` each is for")
        for name, connection in connections.items():
            settings, needed = (
                self._document.root["connections"][name],
                self._catalog.connectors[connection.type].trusted_by,
            )
            self._note_example(name, connection)
            # What is played on this machine takes anything.
            if is_outside(str(getattr(connection.settings, "url", ""))):
                self._note_left(name, settings, self._catalog.connectors[connection.type].first)
            listened = any(
                name in sources(one, connections, self._catalog) and one.from_ in {None, name} for one in automations
            )
            delivered = listened and not getattr(connection.settings, "polls", False)
            if delivered and needed and not settings.get("unsigned") and not any(key in settings for key in needed):
                secrets = " or ".join(f"`{key}`" for key in needed)
                what = f"{name} has nothing to tell its deliveries from a stranger's"
                self._document.note(("connections", name), what, f"set {secrets}; until then every delivery is refused")

    def _note_where(self, automation: Automation, where: Place) -> None:
        """Say of what is asked of events that it can hardly be meant."""
        for name, asked in automation.where.items():
            if odd := never_met(asked):
                self._document.note((*where, name), f"{automation.name}: `{name}` {odd}", _SEE_WHERE)
        extensions = listed(automation.where.get("extension"))
        if any(isinstance(one, str) and one.startswith(".") for one in extensions):
            what = f"{automation.name} asks for an `extension` with a dot; they are told without: it is for no file"
            self._document.note(where, what, "write pdf for .pdf")

    def _note_example(self, name: str, connection: Connection) -> None:
        try:
            host = urlsplit(str(getattr(connection.settings, "url", ""))).hostname or ""
        except ValueError as error:
            what = f"the address of {name} cannot be read: {error}"
            self._say(("connections", name, "url"), what, "write it as https://acme.onlyoffice.com")
            return
        if host.endswith(".example"):
            what = f"{name} has the address of an example: nobody answers at {host}"
            self._document.note(("connections", name, "url"), what, "write the address of your own")
        elif host.startswith("acme.") and any(
            "{url}" in line for line in self._catalog.connectors[connection.type].first
        ):
            what = f"{name} has the address that the examples have: {host}"
            self._document.note(("connections", name, "url"), what, "write the address of your own, unless this is it")

    def _note_left(self, name: str, settings: Any, first: Sequence[str]) -> None:  # noqa: ANN401
        """Say of what stands as `init` wrote it that it is one's own to give: its line says what it is."""
        for key, left, meant in (found.groups() for found in map(_TO_BE_GIVEN.match, first) if found):
            for where, within in ((), settings), (("fields",), settings.get("fields") or {}):
                if str(within.get(key)) == left:
                    what = f"{name}: `{key}` is still the one that `init` wrote"
                    self._document.note(("connections", name, *where, key), what, f"write your own: {meant}")

    def _note_who_sees(self, top: Top) -> None:
        if is_outside(top.public_url) and not top.dashboard.has_login:
            what = "nobody can log in: the pages are opened by the link that `roomkeeper serve` or `link` prints"
            self._document.note(("public_url",), what, "add `dashboard: users`; `roomkeeper password` makes the hash")
