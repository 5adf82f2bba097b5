"""A rehearsal: what an automation would do with an event, without a single write to a service."""

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import ValidationError

from roomkeeper.automations import template
from roomkeeper.automations.automation import Automation, is_for, matches
from roomkeeper.automations.catalog import Catalog
from roomkeeper.automations.event import Event
from roomkeeper.automations.step import Ledger as StepLedger
from roomkeeper.errors import TemplateError
from roomkeeper.runs.dispatch import Source
from roomkeeper.runs.ledger import Ledger
from roomkeeper.runs.store import Store

T = TypeVar("T")


@dataclass(frozen=True)
class Rehearsed:
    """What was found out: whether the event is for the automation, and what each step would do."""

    applies: bool
    why: str
    steps: list[dict[str, Any]] = field(default_factory=list)


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
        return Rehearsed(applies=False, why=f"{automation.name} listens to {automation.on}, this is {event.type}")
    if event.actor and event.actor == await origin.connector.myself(origin.client):
        return Rehearsed(applies=False, why="it was raised by the account that Roomkeeper itself uses")
    place = await origin.connector.place(origin.client, event)
    event = event.at_place(place) if place is not None else event
    if not matches(automation.where, event, stored=origin.connector.stored_title):
        where = f"it happened in room {place.room} {place.room_title!r}" if place is not None else "it is in no room"
        return Rehearsed(applies=False, why=f"`where: {automation.where}` does not hold: {where}")
    planned = []
    for position, step in enumerate(automation.steps):
        kind, shown = catalog.steps[step.do], {"name": step.name, "do": step.do}
        try:
            if step.if_ is not None and not template.holds(step.if_, event.variables()):
                planned.append(shown | {"plan": [], "because": f"`if: {step.if_}` is false"})
                continue
            params = kind.params.model_validate(template.render(step.with_, event.variables()))
        except (TemplateError, ValidationError) as error:
            planned.append(shown | {"plan": [], "because": f"it depends on what an earlier step gives ({error})"})
            continue
        source = source_of(position)
        plan = await kind.plan(params, _Dry(Ledger(store, 0), source, [event]))
        planned.append(shown | {"plan": list(plan.effects), "because": plan.nothing_because})
    return Rehearsed(applies=True, why="", steps=planned)


class _Dry:
    """What a step may use in a rehearsal (automations.step.StepContext)."""

    run = 0

    def __init__(self, ledger: StepLedger, source: Source, happened: Sequence[Event]) -> None:
        self.ledger, self.events = ledger, happened
        self.client: Any = source.client
        self.connection = source.name

    async def call(self, make: Callable[[], Awaitable[T]]) -> T:
        """Make the call, once: somebody is waiting for the answer."""
        return await make()

    async def pause(self, seconds: float) -> None:
        """Do not wait."""

    async def check(self) -> None:
        """Nobody cancels a rehearsal."""

    def hold(self, name: str) -> contextlib.AbstractAsyncContextManager[None]:  # noqa: ARG002 - nothing is held
        """Hold nothing."""
        return contextlib.nullcontext()

    async def progress(self, text: str) -> None:
        """Say nothing."""
