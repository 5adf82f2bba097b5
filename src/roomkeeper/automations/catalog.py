"""What an automation can be made of: the connectors' events and steps, from their explicit lists."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel

from roomkeeper.automations.event import Event, Place
from roomkeeper.automations.step import EventKind, StepKind

Model = type[BaseModel]


class Client(Protocol):
    """A connection's live client."""

    def view(self, *, bulk: bool = False, observe: Callable[[Any], None] | None = None) -> Any:  # noqa: ANN401
        """Give the same client for other work, its calls observed."""
        ...

    async def close(self) -> None:
        """Close it."""
        ...


@dataclass(frozen=True)
class Connector:
    """One service: how its deliveries are trusted and read, and what can be done there.

    `verify(settings, headers, body)` raises DeliveryRefused; `read(name, headers, body)` gives events or raises
    DeliveryUnreadable; `place(client, event)` finds the room of an event, None if it has none to find;
    `myself(client)` gives the account's id, whose own acts are not acted on; `stored_title` gives a
    title as the service will store it; `by_hand` makes the event that
    `roomkeeper start` asks for.
    """

    type: str
    summary: str
    settings: Model
    events: Mapping[str, EventKind]
    steps: Sequence[StepKind]
    verify: Callable[[Any, Mapping[str, str], bytes], None]
    read: Callable[[str, Mapping[str, str], bytes], list[Event]]
    connect: Callable[..., Client]
    place: Callable[[Any, Event], Awaitable[Place | None]]
    myself: Callable[[Any], Awaitable[str]]
    stored_title: Callable[[str], str]
    by_hand: Callable[[str, str, Mapping[str, Any]], Event]


class Catalog:
    """The connectors by type and the steps by name; `more` are steps of a company's own."""

    def __init__(self, connectors: Sequence[Connector], more: Sequence[StepKind] = ()) -> None:
        self.connectors = {connector.type: connector for connector in connectors}
        self.steps = {step.name: step for connector in connectors for step in connector.steps}
        self.steps |= {step.name: step for step in more}

    def extended(self, more: Sequence[StepKind]) -> "Catalog":
        """Give this catalogue with more steps."""
        return Catalog(list(self.connectors.values()), more)

    def event(self, type_: str) -> EventKind | None:
        """Find a kind of event, whoever raises it."""
        return next((c.events[type_] for c in self.connectors.values() if type_ in c.events), None)

    @property
    def event_types(self) -> list[str]:
        """Every kind of event there is."""
        return sorted({type_ for connector in self.connectors.values() for type_ in connector.events})
