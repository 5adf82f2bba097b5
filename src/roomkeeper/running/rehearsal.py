"""A rehearsal: what an automation would do with an event, without a single write to a service."""

import contextlib
import copy
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from pydantic import ValidationError

from roomkeeper.automations import template
from roomkeeper.automations.automation import OF_AN_ITEM, Automation, Step, is_for, used_by, why_not
from roomkeeper.automations.event import Event
from roomkeeper.contract.catalog import Catalog, Source
from roomkeeper.contract.checkup import Finding
from roomkeeper.contract.step import Ledger as StepLedger
from roomkeeper.contract.step import Results, StepKind
from roomkeeper.errors import RemoteError, StepFailed, TemplateError
from roomkeeper.outside import one_line
from roomkeeper.running.items import items_of
from roomkeeper.running.ledger import Ledger
from roomkeeper.store.database import Store

T = TypeVar("T")
_LATER = "what it does is worked out when the steps before it are done"
_SHOWN = 30  # items of a list that are planned one by one (ours)
_INSTALL = "Install it again, then retry the run."


_FAILS = ("fail: ", "fail for ")


@dataclass(frozen=True)
class Rehearsed:
    """What was found out: whether the event is for the automation, and what each step would do."""

    applies: bool
    why: str
    steps: list[dict[str, Any]] = field(default_factory=list)

    @property
    def would_fail(self) -> bool:
        """Whether a run would stop at one of them, and want a person."""
        return self.applies and any(_fails(one) for one in self.steps)


@dataclass(frozen=True)
class Rehearsal:
    """A rehearsal with what happened last, or what was chosen; `about` is empty where nothing has happened."""

    automation: str
    about: str = ""
    at: datetime | None = None
    would: Rehearsed | None = None
    trouble: str = ""


@dataclass(frozen=True)
class Tried:
    """What came of trying a configuration: the findings with their connections, and the rehearsals."""

    findings: list[tuple[str, Finding]] = field(default_factory=list)
    rehearsals: list[Rehearsal] = field(default_factory=list)

    @property
    def is_well(self) -> bool:
        """Whether nothing failed."""
        return not any(one.state == "failed" for _, one in self.findings)


async def rehearse(
    automation: Automation,
    event: Event,
    store: Store,
    catalog: Catalog,
    *,
    source_of: Callable[[int], Source],
    origin: Source,
) -> Rehearsed:
    """Work out the whole plan. `source_of(position)` gives the dry connection of a step. Raises RemoteError."""
    if not is_for(automation, event):
        kind = event.type or "of no kind, for it was not read"
        return Rehearsed(applies=False, why=f"{automation.name} listens to {automation.started_by}, this is {kind}")
    if event.actor and event.actor == await origin.connector.myself(origin.client):
        return Rehearsed(applies=False, why="it was raised by the account that Roomkeeper itself uses")
    event = await origin.connector.complete(origin.client, event)
    place = await origin.connector.place(origin.client, event)
    event = event.at_place(place) if place is not None else event
    if unfit := why_not(automation.where, event, stored=origin.connector.stored_title):
        about = f"room {place.room} {place.room_title!r}" if place is not None else event.subject
        return Rehearsed(applies=False, why=f"its `where` does not hold for {about}: {unfit}")
    # What is not closed yet, say, is planned all the same: as it would be if it were.
    planned: list[dict[str, Any]] = []
    done, variables = set[tuple[str, str]](), catalog.variables(event)
    for position, step in enumerate(automation.steps):
        context = Dry(Ledger(store, 0), source_of(position), [event], automation, position, foretold=done)
        planned.append(await foretold(step, catalog, variables, context))
    _make_plain_where_it_stops(planned)
    return Rehearsed(applies=not event.ignored, why=event.ignored, steps=planned)


def _make_plain_where_it_stops(planned: Sequence[dict[str, Any]]) -> None:
    """Say of what comes after a step that fails that it waits for a person: the run stops there."""
    failing = next((at for at, one in enumerate(planned) if _fails(one)), len(planned))
    for one in planned[failing + 1 :]:
        one["plan"] = [f"once {planned[failing]['name']} is put right: {line}" for line in one["plan"]]


def _fails(step: Mapping[str, Any]) -> bool:
    return any(line.startswith(_FAILS) for line in step["plan"])


async def foretold(step: Step, catalog: Catalog, variables: dict[str, Any], context: "Dry") -> dict[str, Any]:
    """Say what one step would do: its lines, or why there are none. Raises RemoteError, StepFailed.

    What it would give, where that is known, is added to `variables`, for the steps after it.
    """
    shown = {"name": step.name, "do": step.do}
    kind = kind_for(step, catalog, context.type)
    if step.for_each is not None:
        return shown | await _foretold_each(step, kind, variables, context)
    try:
        if step.if_ is not None and not template.holds(step.if_, variables):
            variables[step.name] = template.left_out(step.name)
            return shown | {"plan": [], "because": f"`if: {step.if_}` is false"}
        params = kind.params.model_validate(template.render(step.with_, variables))
    except (TemplateError, ValidationError) as error:
        if used_by(step) - set(variables):  # what the steps before it are to give
            return shown | {"plan": _later(step, variables), "because": ""}
        return shown | {"plan": [f"fail: {' '.join(str(error).split())}"], "because": ""}
    same = (step.do, params.model_dump_json())
    if same in context.foretold:
        return shown | {"plan": [], "because": "an earlier step does the same; this one takes what is left by then"}
    context.foretold.add(same)
    try:
        plan = await kind.plan(params, context)
    except StepFailed as error:
        return shown | {"plan": [f"fail: {error.message}"], "because": ""}
    if plan.result is not None:
        variables[step.name] = plan.result.model_dump(mode="json")
    return shown | {"plan": list(plan.effects), "because": plan.nothing_because}


async def _foretold_each(step: Step, kind: StepKind, variables: dict[str, Any], context: "Dry") -> dict[str, Any]:
    """Say what a step would do for the first items of its list, and how many more there are."""
    if used_by(step) - set(variables):
        return {"plan": _later(step, variables), "because": ""}
    lines, results = list[str](), list[dict[str, Any] | None]()
    try:
        items = items_of(template.render(step.for_each, variables))
    except (TemplateError, StepFailed) as error:
        return {"plan": [f"fail: {error.message}"], "because": ""}
    for item in items[:_SHOWN]:
        seen = variables | item.variables()
        try:
            if step.if_ is not None and not template.holds(step.if_, seen):
                results.append(None)
                continue
            params = kind.params.model_validate(template.render(step.with_, seen))
            plan = await kind.plan(params, context.of_item(item.key))
        except (TemplateError, ValidationError, StepFailed) as error:
            lines.append(f"fail for {item.said}: {' '.join(str(error).split())}")
            continue
        lines += plan.effects
        results += [plan.result.model_dump(mode="json")] if plan.result is not None else []
    if len(results) == len(items):
        left_out = sum(one is None for one in results)
        given = Results(results=results, count=len(items), skipped=left_out)
        variables[step.name] = given.model_dump(mode="json")
    more = [f"… and the same for {len(items) - _SHOWN} more"] if len(items) > _SHOWN else []
    because = "" if lines else f"nothing of its {len(items)} items needs anything" if items else "its list is empty"
    return {"plan": [*lines, *more], "because": because}


def _later(step: Step, variables: Mapping[str, Any]) -> list[str]:
    """Say which of a step's settings are known by now, and which steps give the others."""
    said = [_LATER]
    settings = step.with_ if step.for_each is None else {"for_each": step.for_each, **step.with_}
    for name, value in settings.items():
        used = {path[0] for text in template.inside(value) for path in template.references(text)}
        if to_come := sorted(used - set(variables) - (OF_AN_ITEM if step.for_each is not None else set())):
            said.append(f"{name}: with what {' and '.join(to_come)} give{'s' if len(to_come) == 1 else ''}")
        elif not used & OF_AN_ITEM:
            with contextlib.suppress(TemplateError):
                said.append(f"{name}: {_brief(template.render(value, variables))}")
    return said


def _brief(value: Any) -> str:  # noqa: ANN401 - JSON
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    brief = one_line(text)
    return brief if len(text) <= len(brief) else f"{brief} …"


def kind_for(step: Step, catalog: Catalog, type_: str) -> StepKind:
    """Find the kind of step that acts on this type of connection. Raises StepFailed."""
    kinds = catalog.kinds(step.do)
    kind = kinds.get(type_) or kinds.get("")
    if kind is None:
        raise StepFailed(f"there is no step {step.do!r} for a {type_} connection any more", remedy=_INSTALL)
    return kind


class Dry:
    """What a step may use in a rehearsal (contract.step.StepContext)."""

    run = 0
    approved = True
    settle_after = 0.0
    item = ""

    def __init__(
        self,
        ledger: StepLedger,
        source: Source,
        happened: Sequence[Event],
        automation: Automation,
        position: int,
        *,
        foretold: set[tuple[str, str]],
    ) -> None:
        self.ledger, self.events = ledger, happened
        self.common: dict[str, Any] = {}
        self.client: Any = source.client
        self.connection, self.type = source.name, source.connector.type
        self.task = f"{automation.name}/{automation.steps[position].name}"
        self.foretold = foretold

    def of_item(self, key: str) -> "Dry":
        """Give what a step may use for one item of its list."""
        one = copy.copy(self)
        one.item, one.task = key, f"{self.task}[{key}]"
        return one

    async def now(self) -> float:
        """Tell the time."""
        return time.time()

    async def call(self, make: Callable[[], Awaitable[T]]) -> T:
        """Make the call, once: somebody is waiting for the answer."""
        return await make()

    def attempts(self) -> "_OneAttempt":
        """Allow a single one: somebody is waiting for the answer."""
        return _OneAttempt()

    async def pause(self, seconds: float) -> None:
        """Do not wait."""

    async def check(self) -> None:
        """Nobody cancels a rehearsal."""

    def to_the_end(self) -> contextlib.AbstractContextManager[None]:
        """Nobody cancels a rehearsal."""
        return contextlib.nullcontext()

    def hold(self, name: str) -> contextlib.AbstractAsyncContextManager[None]:  # noqa: ARG002 - nothing is held
        """Hold nothing."""
        return contextlib.nullcontext()

    def met(self, kind: str, number: str, title: str, *, wanted: str = "") -> None:
        """Note nothing."""

    async def progress(self, text: str) -> None:
        """Say nothing."""

    async def record(self, plan: Any) -> None:  # noqa: ANN401 - JSON
        """Keep nothing."""

    async def recorded(self, of: tuple[int, int] | None = None) -> Any:  # noqa: ANN401, ARG002 - JSON
        """Know of nothing."""
        return None

    async def ahead(self) -> list[str]:
        """Leave it to the rehearsal of the later steps."""
        return []


class _OneAttempt:
    """No attempt follows the first."""

    async def failed(self, error: RemoteError) -> None:
        """Raise the error."""
        raise error
