"""What an automation can be made of: the connectors' events and steps, from their explicit lists."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from pydantic import BaseModel

from roomkeeper.automations.event import Event, Place
from roomkeeper.contract.checkup import Examine
from roomkeeper.contract.delivery import Delivery
from roomkeeper.contract.evidence import Evidence, Sight
from roomkeeper.contract.instruction import Instruction
from roomkeeper.contract.message import Message
from roomkeeper.contract.step import EventKind, StepKind
from roomkeeper.contract.trail import Trail
from roomkeeper.contract.upkeep import Hook, Upkeep

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
class NamedRoom:
    """A room that can be named in a configuration, and the connection on which it is."""

    id: int | str
    title: str
    connection: str = ""


async def _nowhere(_client: Any, _event: Event) -> Place | None:  # noqa: ANN401 - each service has a client of its own
    return None


async def _as_it_is(_client: Any, event: Event) -> Event:  # noqa: ANN401
    return event


async def _nobody(_client: Any) -> str:  # noqa: ANN401
    return ""


def _none_of_its_own(_settings: Any) -> Mapping[str, EventKind]:  # noqa: ANN401
    return {}


def _nowhere_signed(_settings: Any) -> Sequence[str]:  # noqa: ANN401
    return ()


@dataclass(frozen=True)
class Connector:
    """One service: how its deliveries are trusted and read, and what can be done there.

    `verify(settings, delivery)` raises DeliveryRefused; `read(name, settings, delivery)` gives events or raises
    DeliveryUnreadable; `connect(settings, tally=…, wanted=…, dry=…)` opens the client, `wanted` being the fields of
    its events that automations use; `by_hand(name, type, fields)` makes the event that `roomkeeper start` asks for.
    """

    type: str
    summary: str
    settings: Model
    events: Mapping[str, EventKind]
    verify: Callable[[Any, Delivery], None]
    read: Callable[[str, Any, Delivery], list[Event]]
    connect: Callable[..., Client]
    by_hand: Callable[[str, str, Mapping[str, Any]], Event]
    steps: Sequence[StepKind] = ()
    #: Whether there is a connection of this type by itself, so that none is written into the file.
    is_built_in: bool = False
    #: What `roomkeeper init` writes for a connection, beside its type; it asks for `{url}` and `{email}`. Without any,
    #: it does not offer this service.
    first: Sequence[str] = ()
    #: How the service is called where the setup asks about it.
    name: str = ""
    #: The fields of a deal there in which the setup has the automation look for the client's room, and the guest.
    of_deal: tuple[str, str] = ("docspace_room_id", "docspace_guest_id")
    #: What an administrator does at the service, for the setup and the pages that say how to.
    instructions: Sequence[Instruction] = ()
    #: The settings by which deliveries are trusted: without any of them, none is.
    trusted_by: Sequence[str] = ()
    #: The kinds of event that a connection with these settings raises, if not all.
    raises: Callable[[Any], Collection[str]] | None = None
    #: Those that a connection with these settings adds to the ones that are known.
    own: Callable[[Any], Mapping[str, EventKind]] = _none_of_its_own
    #: The kinds of event that no delivery tells of: they are found in a trail.
    undelivered: frozenset[str] = frozenset()
    #: Finds the room of an event; None if it has none to find.
    place: Callable[[Any, Event], Awaitable[Place | None]] = _nowhere
    #: Reads from the service what the delivery lacks. It may say that the event is to be ignored, and give it the
    #: meaning that the service's own record shows, so that what was told in several ways is handled once.
    complete: Callable[[Any, Event], Awaitable[Event]] = _as_it_is
    #: Gives the account's id, whose own acts are not acted on.
    myself: Callable[[Any], Awaitable[str]] = _nobody
    #: Makes sure that the service as a whole is in order: raises RemoteError while it is not. Without, `myself` tells.
    in_order: Callable[[Any], Awaitable[None]] | None = None
    #: Gives a title as the service will store it.
    stored_title: Callable[[str], str] = str
    #: The headers in which a signature over the body comes, with these settings. Where none of them is sent, or there
    #: are none, `verify` needs no body: then it is asked before one is read.
    signed_in: Callable[[Any], Sequence[str]] = _nowhere_signed
    #: Bytes of the largest delivery that the service sends.
    largest: int = 2 * 1024 * 1024
    #: Content type and body of the answer to a delivery that was taken, where 200 and a word of ours are not enough.
    acknowledge: Callable[[Delivery], tuple[str, bytes] | None] | None = None
    #: The service's own records, in which what was missed is found.
    trails: Sequence[Trail] = ()
    #: How its webhooks are looked after, if it lets us.
    upkeep: Upkeep | None = None
    #: Tries live what a connection needs, for `doctor`.
    examine: Examine | None = None
    #: `round_trip(client, hook)` makes something, gives the occurrence to be told of, and removes it on leaving.
    round_trip: Callable[[Any, Hook], AbstractAsyncContextManager[str]] | None = None
    #: `rooms(client)` lists the rooms that the account sees; raises RemoteError.
    rooms: Callable[[Any], Awaitable[Sequence[NamedRoom]]] | None = None
    #: `sighted(client, evidence)` looks for what steps left behind, each as it is now.
    sighted: Callable[[Any, Iterable[Evidence]], Awaitable[Mapping[Evidence, Sight]]] | None = None
    #: `record(client)` says how the service answers, without contents and names: for a report of a fault.
    record: Callable[[Any], Awaitable[list[dict[str, Any]]]] | None = None
    #: `tell(client, message)` passes a message on to people; for connections that `notify` names.
    tell: Callable[[Any, Message], Awaitable[None]] | None = None
    #: The permissions that listening needs; and those that it needs if automations use certain fields.
    scopes: frozenset[str] = frozenset()
    scopes_of_fields: Mapping[str, str] = field(default_factory=dict)

    def raised(self, settings: object) -> Collection[str]:
        """List the kinds of event that a connection with these settings raises."""
        return self.raises(settings) if self.raises is not None and settings is not None else self.events


def _filled(fields: Mapping[str, Any] | None, known: Any) -> Any:  # noqa: ANN401 - a value of a template
    """Add what is not known to what is; nothing where only the sender knows what there is."""
    if not fields:
        return known if known is not None else {} if fields is None else ""
    given = known if isinstance(known, Mapping) else {}
    return {**given, **{name: _filled(inner, given.get(name)) for name, inner in fields.items()}}


@dataclass(frozen=True)
class Source:
    """A connection in use: its name, what kind it is of, and its live client."""

    name: str
    connector: Connector
    client: Client


class Catalog:
    """The connectors by type and the steps by name; `more` are steps of a company's own, or bound to no service."""

    def __init__(self, connectors: Sequence[Connector], more: Sequence[StepKind] = ()) -> None:
        self.connectors = {connector.type: connector for connector in connectors}
        self._more = tuple(more)
        self._steps: dict[str, dict[str, StepKind]] = {}
        for step in [*(step for connector in connectors for step in connector.steps), *more]:
            self._steps.setdefault(step.name, {})[step.connection_type] = step

    @property
    def written(self) -> list[Connector]:
        """The connectors whose connections are written into a file: all but those that are there by themselves."""
        return [one for one in self.connectors.values() if not one.is_built_in]

    def extended(self, more: Sequence[StepKind]) -> "Catalog":
        """Give this catalogue with more steps."""
        return Catalog(list(self.connectors.values()), [*self._more, *more])

    def telling(self, type_: str, more: Mapping[str, EventKind]) -> "Catalog":
        """Give this catalogue with more kinds of event that connections of a type raise."""
        changed = replace(self.connectors[type_], events={**self.connectors[type_].events, **more})
        return Catalog([changed if one.type == type_ else one for one in self.connectors.values()], self._more)

    @property
    def steps(self) -> list[str]:
        """The names of all steps."""
        return sorted(self._steps)

    def kinds(self, step: str) -> Mapping[str, StepKind]:
        """Find a step by name: one kind for each type of connection it can act on; none if it is not known."""
        return self._steps.get(step, {})

    def event(self, type_: str) -> EventKind | None:
        """Find a kind of event, whoever raises it."""
        return next((c.events[type_] for c in self.connectors.values() if type_ in c.events), None)

    def variables(self, event: Event) -> dict[str, Any]:
        """Give what templates see of an event: every field that its kind promises, empty where it is not known."""
        kind, known = self.event(event.type), event.variables()
        promised = {noun: fields for noun, fields in (kind.fields if kind else {}).items() if noun != "event"}
        return known | {noun: _filled(fields, known.get(noun)) for noun, fields in promised.items()}

    @property
    def event_types(self) -> list[str]:
        """Every kind of event there is."""
        return sorted({type_ for connector in self.connectors.values() for type_ in connector.events})
