"""Check an automation's steps: that each exists, knows where it acts, and uses nothing that nobody provides."""

from collections.abc import Iterable, Mapping
from typing import Any

from roomkeeper.automations import template
from roomkeeper.automations.automation import OF_AN_ITEM, Automation, Step, acts_on
from roomkeeper.configuration.config import Connection, gathered
from roomkeeper.configuration.document import Document, Place
from roomkeeper.configuration.explaining import hint, unknown
from roomkeeper.configuration.sources import sources
from roomkeeper.contract.catalog import Catalog
from roomkeeper.contract.step import EventKind, Results, StepKind
from roomkeeper.errors import TemplateError


def given_by(step: Step, kinds: Iterable[StepKind]) -> list[str]:
    """List the fields of a step's result: of one that is done for each of a list, those of the whole."""
    if step.for_each is not None:
        return list(Results.model_fields)
    return [name for one in kinds for name in one.result.model_fields]


class StepCheck:
    """Checks steps against the catalogue and the file's connections."""

    def __init__(self, document: Document, catalog: Catalog, connections: Mapping[str, Connection]) -> None:
        self._say = document.say
        self._document, self._catalog, self._connections = document, catalog, connections

    def check(self, automation: Automation, kind: EventKind, where: Place) -> None:
        """Check all steps of an automation that this kind of event starts."""
        many = gathered(automation, self._catalog) > 1
        known: dict[str, Any] = {name: dict(fields or {}) for name, fields in kind.fields.items()}
        names: set[str] = set()
        for at, step in enumerate(automation.steps):
            here: Place = (*where, "steps", at)
            self._check_step(step, here, many=many)
            self._check_target(step, automation, here)
            self._check_sense(step, automation, here)
            self._check_variables(step, kind, known, here, many=many)
            if step.name in names:
                self._say(
                    here, f"two steps of {automation.name} are called {step.name!r}", "tell them apart with `as:`"
                )
            names.add(step.name)
            if step.as_ is not None and (not step.as_.isidentifier() or step.as_ in kind.fields):
                remedy = "take another word of letters, digits and _"
                self._say((*here, "as"), f"`as: {step.as_}` cannot be a variable's name here", remedy)
            kinds = self._catalog.kinds(step.do)
            if step.as_ is not None and kinds:
                known[step.as_] = dict.fromkeys(given_by(step, kinds.values()))

    def _check_step(self, step: Step, where: Place, *, many: bool) -> None:
        kinds = self._catalog.kinds(step.do)
        if not kinds:
            self._say((*where, "do"), f"there is no step {step.do!r}", hint(step.do, self._catalog.steps))
            return
        named = self._connections.get(step.via or "")
        types = {named.type} if named is not None else {one.type for one in self._connections.values()}
        for kind in [kinds[type_] for type_ in sorted(types & set(kinds))] or kinds.values():
            self._document.model(kind.params, step.with_, (*where, "with"), templates=True)
        if step.for_each is not None and not all(kind.in_a_loop for kind in kinds.values()):
            remedy = "give it a list, if it takes one (`move_files` does: `files:`), or write the step once for each"
            self._say((*where, "for_each"), f"{step.do} cannot be done for each of a list", remedy)
        if many and not all(kind.takes_many for kind in kinds.values()):
            self._say(where, f"{step.do} acts on one event, but this automation gathers several", "set `gather: 1`")

    def _check_target(self, step: Step, automation: Automation, where: Place) -> None:
        """Make sure that it is clear which connection the step acts on."""
        kinds = self._catalog.kinds(step.do)
        if not kinds or "" in kinds:
            return
        fitting = [name for name, one in self._connections.items() if one.type in kinds]
        if step.via is not None and step.via not in fitting:
            self._say((*where, "via"), f"{step.do} cannot act on {step.via!r}", hint(step.via, fitting))
        elif not fitting:
            types = " or ".join(kinds)
            self._say(where, f"{step.do} needs a connection of the type {types}", "add one under `connections`")
        elif step.via is None:
            named, types_of = automation.from_, {name: one.type for name, one in self._connections.items()}
            origins = [named] if named is not None else sources(automation, self._connections, self._catalog)
            if any(acts_on(step, kinds, one, types_of) is None for one in origins if one in types_of):
                what = f"it is not clear on which connection {step.do} acts: {', '.join(fitting)}"
                self._say(where, what, f"add `via:` with one of them, for example `via: {fitting[0]}`")

    def _check_sense(self, step: Step, automation: Automation, where: Place) -> None:
        """Say what cannot work in the room that an earlier step of this automation makes."""
        used = (
            template.references(str(step.with_.get("room", "")))
            if template.is_template(step.with_.get("room"))
            else set()
        )
        makers = {one.name: one for one in automation.steps if one.do == "create_room"}
        made_by = next((makers[path[0]] for path in used if path[0] in makers), None)
        if made_by is None or made_by.with_.get("from_template") is not None:
            return
        kind = made_by.with_.get("type", "collaboration")
        if template.is_template(kind):
            return
        for one in self._catalog.kinds(step.do).values():
            for path, what, remedy in one.mistakes(step.with_, str(kind)) if one.mistakes is not None else []:
                self._say((*where, "with", *path), what, remedy)

    def _check_variables(
        self, step: Step, kind: EventKind, known: Mapping[str, Any], where: Place, *, many: bool
    ) -> None:
        for path, text, condition in step.templates():
            try:
                used = template.references(text, condition=condition)
            except TemplateError as error:
                self._say((*where, *path), error.message, error.remedy)
                continue
            inside = step.for_each is not None and path[0] != "for_each"
            seen = {**known, **dict.fromkeys(OF_AN_ITEM)} if inside else known
            for reference in sorted(used):
                self._check_reference(reference, kind, seen, (*where, *path), many=many)

    def _check_reference(
        self, reference: template.Reference, kind: EventKind, known: Mapping[str, Any], where: Place, *, many: bool
    ) -> None:
        root, *rest = reference
        written, seen = ".".join(reference), ""
        node: Any = known
        for part in reference:
            if node is None:
                break  # what only the sender knows
            if part not in node and not seen and self._catalog.kinds(part):
                what = f"`{written}` asks for what a step gives, and steps give it under a name of their own"
                self._say(where, what, f"give that step one (`as: made`), and write it instead of `{part}`")
                return
            if part not in node:
                self._say(where, *unknown(seen, part, written, node))
                return
            node, seen = node[part], f"{seen}.{part}".lstrip(".")
        if many and root in kind.fields and (root, rest[0] if rest else "") not in kind.shared:
            remedy = "set `gather: 1` for this automation, or leave it out"
            self._say(where, f"`{written}` differs between the events that one run gathers", remedy)
