"""Check the automations of a file: what starts them, for what, and that none feeds another in a circle."""

from collections.abc import Mapping, Sequence
from typing import Any

from roomkeeper.automations import template
from roomkeeper.automations.automation import Automation
from roomkeeper.automations.event import noun_of
from roomkeeper.configuration.config import Connection
from roomkeeper.configuration.document import Document, Place
from roomkeeper.configuration.explaining import hint
from roomkeeper.configuration.sources import sources
from roomkeeper.configuration.steps import StepCheck
from roomkeeper.contract.catalog import Catalog
from roomkeeper.contract.step import EventKind, common


class AutomationCheck:
    """Reads and checks automations against the catalogue and the file's connections."""

    def __init__(self, document: Document, catalog: Catalog, connections: Mapping[str, Connection]) -> None:
        self._say = document.say
        self._document, self._catalog, self._connections = document, catalog, connections
        self._steps = StepCheck(document, catalog, connections)

    def read(self, many: int) -> list[Automation]:
        """Read so many automations; those that can be read at all."""
        read = [self._automation(at) for at in range(many)]
        found = [automation for automation in read if automation is not None]
        self._check_names(found)
        self._check_circles(found)
        return found

    def _automation(self, at: int) -> Automation | None:
        where: Place = ("automations", at)
        automation = self._document.model(Automation, self._document.root["automations"][at], where)
        if automation is None:
            return None
        kinds = [self._catalog.event(type_) for type_ in automation.event_types]
        for type_, kind in zip(automation.event_types, kinds, strict=True):
            if kind is None:
                what = f"{automation.name} listens to {type_!r}, which no connection raises"
                self._say((*where, "on"), what, hint(type_, self._catalog.event_types))
        known = [kind for kind in kinds if kind is not None]
        if len(known) < len(kinds):
            return automation
        self._check_source(automation, where)
        twice = [kind.type for kind in known if kind.beside & set(automation.event_types)]
        if twice:
            what = f"{' and '.join(twice)} are told of one and the same thing, which would be done twice"
            self._say((*where, "on"), what, f"listen to one of them: {twice[-1]}")
        for kind in known:
            self._check_where(automation, kind, where)
        self._steps.check(automation, common(known), where)
        return automation

    def _check_source(self, automation: Automation, where: Place) -> None:
        raising = sources(automation, self._connections, self._catalog)
        if automation.from_ is not None and automation.from_ not in raising:
            self._say(
                (*where, "from"),
                f"no connection {automation.from_!r} raises {automation.started_by}",
                hint(automation.from_, raising),
            )
        elif not raising:
            what = f"no connection of this file raises {automation.started_by}"
            self._say((*where, "on"), what, "add the connection it comes from")
        elif silent := self._raised_by_none(automation, raising):
            what = f"{' and '.join(raising)} cannot raise {silent}, so {automation.name} would never be started by it"
            self._say((*where, "on"), what, "take it out of the list, or add the connection it comes from")
        elif len(raising) > 1 and automation.from_ is None and "room" in automation.where:
            remedy = f"add `from:` with one of {', '.join(raising)}"
            self._say(
                (*where, "where"), "several portals raise this event, and a room is a room of one of them", remedy
            )

    def _raised_by_none(self, automation: Automation, raising: Sequence[str]) -> str:
        """Name what of a list none of the automation's connections raises."""
        meant = [self._connections[name] for name in raising if automation.from_ in {None, name}]
        raised = {type_ for one in meant for type_ in self._catalog.connectors[one.type].raised(one.settings)}
        return " and ".join(type_ for type_ in automation.event_types if type_ not in raised)

    def _check_where(self, automation: Automation, kind: EventKind, where: Place) -> None:
        noun = noun_of(kind.type)
        if any(str(one) in {"", "0"} for one in automation.rooms):
            self._say((*where, "where", "room"), "`room` is empty", "write the room's id or its exact title")
        fields = kind.fields.get(noun) or {}
        for name in automation.where:
            node: Any = fields
            for part in name.split("."):
                if node is None or name == "actor":
                    break
                if part not in node:
                    known = ["actor", *fields]
                    self._say(
                        (*where, "where", name), f"{kind.type} has no field {name!r} to ask for", hint(name, known)
                    )
                    break
                node = node[part]

    def _check_names(self, automations: Sequence[Automation]) -> None:
        seen: set[str] = set()
        for at, automation in enumerate(automations):
            if automation.name in seen:
                self._say(("automations", at, "name"), f"two automations are called {automation.name!r}", "rename one")
            seen.add(automation.name)

    def _check_circles(self, automations: Sequence[Automation]) -> None:
        """Refuse automations that feed each other's rooms: what one copies, the other would copy back."""
        edges = [
            (source, target, at)
            for at, one in enumerate(automations)
            if one.schedule is None
            for source in map(str, one.rooms)
            for target in _targets(one, self._catalog)
        ]
        for source, target, at in edges:
            if _reaches(target, source, edges):
                what = f"{automations[at].name} copies from {source} to {target}, and from there a way leads back"
                remedy = "let files go one way only: take out one of these automations, or choose another room"
                self._say(("automations", at), what, remedy)


def _targets(automation: Automation, catalog: Catalog) -> list[str]:
    kinds = [(step, kind) for step in automation.steps for kind in catalog.kinds(step.do).values()]
    found = [step.with_.get(kind.destination) for step, kind in kinds if kind.destination]
    return [str(one) for one in found if one is not None and not template.is_template(one)]


def _reaches(start: str, goal: str, edges: Sequence[tuple[str, str, int]]) -> bool:
    seen, waiting = set(), [start]
    while waiting:
        here = waiting.pop()
        if here == goal:
            return True
        if here not in seen:
            seen.add(here)
            waiting += [target for source, target, _ in edges if source == here]
    return False
