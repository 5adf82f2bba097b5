"""A configuration that has been read and checked, and what follows from it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from roomkeeper.automations import template
from roomkeeper.automations.automation import Automation, heard_of
from roomkeeper.automations.event import noun_of
from roomkeeper.configuration.dashboard import Dashboard
from roomkeeper.configuration.document import Document
from roomkeeper.configuration.notify import Notify
from roomkeeper.configuration.top import Retention
from roomkeeper.contract.catalog import Catalog, Connector
from roomkeeper.errors import NotThere, Problem

GATHER = 100  # what a run takes at most where every step can take many and the file does not say


@dataclass(frozen=True)
class Connection:
    """A configured connection: its settings are an instance of its connector's model."""

    name: str
    type: str
    settings: Any


@dataclass(frozen=True)
class Config:
    """A configuration that has been checked."""

    file: Path
    #: The file as it was read.
    text: str
    host: str
    port: int
    public_url: str | None
    trusted_proxies: tuple[str, ...]
    store: str
    connections: Mapping[str, Connection]
    automations: tuple[Automation, ...]
    settle_after: float
    outage_patience: float
    retention: Retention
    dashboard: Dashboard
    notify: Notify
    #: What the file's automations are made of: ours, and the plugins' steps.
    catalog: Catalog
    #: What is allowed and seldom meant; and the secrets that could not be looked up, where that was allowed.
    notes: tuple[Problem, ...] = field(default=())

    @cached_property
    def texts(self) -> Mapping[str, str]:
        """The automations as they stand in the file, by name; read anew, for only pages show them."""
        return Document(self.file, self.text).texts(self.automations)

    @property
    def digest(self) -> str:
        """What tells this text from another."""
        return digest_of(self.text)

    @property
    def changed_text(self) -> str | None:
        """The file's text by now, if it is another; None if it is not, or cannot be read."""
        try:
            text = self.file.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return None
        return text if text != self.text else None

    @property
    def shown(self) -> dict[str, Connection]:
        """The connections that people know of: those of the file, and what is there by itself if it is listened to."""
        listened = heard_of(self.automations)
        kinds = {name: self.catalog.connectors[one.type] for name, one in self.connections.items()}
        return {
            name: one
            for name, one in self.connections.items()
            if not kinds[name].is_built_in or listened & set(kinds[name].events)
        }

    def budget_of(self, connection: str) -> str:
        """Name the budget that a connection's calls count for: of all with one account, the first one's."""
        account = _account(self.connections[connection])
        return next(name for name, one in self.connections.items() if _account(one) == account)

    def hook_of(self, connection: str) -> str:
        """Give the address that deliveries to a connection go to; only its path, if our own is not known."""
        return f"{self.public_url or ''}/hooks/{connection}"

    def automation(self, name: str) -> Automation | None:
        """Find an automation by name."""
        return next((one for one in self.automations if one.name == name), None)

    def present(self, name: str) -> Automation:
        """Give an automation as it is now. Raises NotThere."""
        found = self.automation(name)
        if found is None:
            known = ", ".join(one.name for one in self.automations) or "none"
            raise NotThere(f"There is no automation {name!r}", remedy=f"There is: {known}.")
        return found


def digest_of(text: str) -> str:
    """Tell texts of the configuration apart."""
    return hashlib.sha256(text.encode()).hexdigest()


def gathered(automation: Automation, catalog: Catalog) -> int:
    """How many events one run of this automation takes at most."""
    if automation.gather is not None:
        return automation.gather
    kinds = [kind for step in automation.steps for kind in catalog.kinds(step.do).values()]
    return GATHER if kinds and all(kind.takes_many for kind in kinds) else 1


def wanted_of(connector: Connector, config: Config) -> frozenset[str]:
    """List which fields of this connector's events the automations use, dotted: {"company", "fields.room"}."""
    wanted: set[str] = set()
    for one in config.automations:
        nouns = {noun_of(type_) for type_ in one.event_types if type_ in connector.events}
        if not nouns:
            continue
        wanted |= set(one.where)
        for step in one.steps:
            for _, text, condition in step.templates():
                paths = template.references(text, condition=condition)
                wanted |= {".".join(path[1:]) for path in paths if path[0] in nouns}
    return frozenset(wanted - {""})


def _account(connection: Connection) -> tuple[object, ...]:
    """Tell accounts apart; a connection whose account cannot be told has one of its own."""
    url, key = (getattr(connection.settings, name, None) for name in ("url", "api_key"))
    return (connection.type, url.casefold(), key.get_secret_value()) if url and key is not None else (connection.name,)
