"""What a step is, and what it sees while it runs."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

from pydantic import BaseModel, Field

from roomkeeper.automations.event import Event
from roomkeeper.contract.evidence import Evidence
from roomkeeper.errors import RemoteError

T = TypeVar("T")
#: What a step records while it is in the middle of something that must not be left so: it goes on although its run is
#: cancelled meanwhile, and is cancelled afterwards.
UNFINISHED = "unfinished"


@dataclass(frozen=True)
class Entry:
    """A line of the ledger: `done` is false while it is only being tried; `target` is what it became."""

    item: str
    done: bool
    target: str
    detail: Mapping[str, Any]
    run: int


class Ledger(Protocol):
    """What has been done once and must not be done again; scopes keep kinds of things apart."""

    async def look(self, scope: str, items: Sequence[str]) -> dict[str, Entry]:
        """Find the entries of these items."""
        ...

    async def of_target(self, scope: str, target: str) -> list[Entry]:
        """Find which items became this target."""
        ...

    async def known_targets(self, scope: str, targets: Sequence[str]) -> frozenset[str]:
        """Choose those of these that items of this scope became."""
        ...

    async def trying(self, scope: str, details: Mapping[str, Mapping[str, Any]]) -> None:
        """Write down, before the act, that these items are about to be done."""
        ...

    async def done(self, scope: str, results: Mapping[str, tuple[str, Mapping[str, Any]]]) -> None:
        """Write down that these items are done: item to (target, detail)."""
        ...

    async def undone(self, scope: str, items: Sequence[str]) -> None:
        """Take back what was only tried and did not happen."""
        ...


class Attempts(Protocol):
    """Attempts at what cannot simply be repeated, from the first on."""

    async def failed(self, error: RemoteError) -> None:
        """Wait until the next one. Raises the error where there is no sense in one, RunCancelled."""
        ...


class StepContext(Protocol):
    """What a step may use: its events, its connection, the ledger, and the engine's patience."""

    run: int
    #: The automation's and the step's name: the same in every run of it.
    task: str
    #: Which item of a list it is done for, the same in every run; empty without `for_each`.
    item: str
    #: What the items of one list know together, while this process is at it.
    common: dict[str, Any]
    events: Sequence[Event]
    ledger: Ledger
    client: Any
    connection: str
    #: Whether a person approved what this step asked for.
    approved: bool
    #: Seconds for which a service may still be at a request that it has not answered.
    settle_after: float

    async def now(self) -> float:
        """Tell the time, in seconds since 1970, by the store's clock, which all machines share."""
        ...

    async def call(self, make: Callable[[], Awaitable[T]]) -> T:
        """Make a call that is safe to repeat, until it succeeds or there is no sense in trying on.

        Raises the last RemoteError, RunCancelled.
        """
        ...

    def attempts(self) -> Attempts:
        """Begin to count attempts."""
        ...

    async def pause(self, seconds: float) -> None:
        """Wait. Raises RunCancelled."""
        ...

    async def check(self) -> None:
        """Make sure that this run may still act. Raises RunCancelled."""
        ...

    def to_the_end(self) -> AbstractContextManager[None]:
        """Let nobody cancel what is done within: it would be left half done."""
        ...

    def hold(self, name: str) -> AbstractAsyncContextManager[None]:
        """Keep every other run, in any process, from working on what bears this name."""
        ...

    def met(self, kind: str, number: str, title: str, *, wanted: str = "") -> None:
        """Note what it works on as people know it: a room, its id and title. `wanted` is what the settings call it."""
        ...

    async def progress(self, text: str) -> None:
        """Say how far it has come, for `runs show` and the page."""
        ...

    async def record(self, plan: Any) -> None:  # noqa: ANN401 - JSON
        """Keep what is to be done, with the run: it is shown, survives a crash, and can be undone."""
        ...

    async def recorded(self, of: tuple[int, int] | None = None) -> Any:  # noqa: ANN401 - JSON
        """Read what this step recorded, or a step of another run by (run, position); None if nothing."""
        ...

    async def ahead(self) -> list[str]:
        """Tell what the steps after this one would do, in lines for people to read."""
        ...


@dataclass(frozen=True)
class Plan:
    """What a step would do, in lines for people to read."""

    effects: tuple[str, ...] = ()
    nothing_because: str = ""
    #: What it would give to later steps, where that is known without doing anything: so that they are foretold, too.
    result: BaseModel | None = None


_SHOWN = 30  # of a list, that a plan names (ours)


def plan_of_list(lines: Sequence[str], none: str, result: BaseModel, *, more: int = 0) -> Plan:
    """Plan a list: the first of it by name, and how many more there are; `none` says why there is nothing."""
    left = max(0, len(lines) - _SHOWN) + more
    rest = [f"… and {left} more"] if left else []
    return Plan((*lines[:_SHOWN], *rest), "" if lines else none, result=result)


@dataclass(frozen=True)
class StepKind:
    """A step of the catalogue. `apply` returns the fields of `result`, or raises StepFailed."""

    name: str
    summary: str
    params: type[BaseModel]
    result: type[BaseModel]
    plan: Callable[[Any, StepContext], Awaitable[Plan]]
    apply: Callable[[Any, StepContext], Awaitable[BaseModel]]
    #: The type of connection it acts on; empty if it needs none. Steps of one name may serve several types.
    connection_type: str
    #: Whether one call can serve many events.
    takes_many: bool = False
    #: Whether it may run at the same time as others of this sort: it adds something, and takes nothing away.
    side_by_side: bool = False
    #: Whether it may be done for each of a list; not what keeps a plan of its own with the run, or asks a person.
    in_a_loop: bool = True
    #: What of it cannot be taken back from here, in a sentence, for whoever is asked to consent.
    lasting: str = ""
    #: Whether it ends somebody's access, so that nothing more of theirs comes in afterwards.
    closes: bool = False
    #: Whether it is done once more when a later step has closed the door: something may have come in before.
    until_closed: bool = False
    #: Finds what cannot work, given the step's text and the type of the room it names, if an earlier step makes that
    #: room: (where, what, remedy). For `check`.
    mistakes: Callable[[Mapping[str, Any], str | None], list[tuple[tuple[str | int, ...], str, str]]] | None = None
    #: The parameter that names the room or folder it writes to; `check` looks for circles through it.
    destination: str = ""
    #: The parameters that name rooms or folders, and what the account must be able to do there: write, or manage.
    places: Mapping[str, Literal["write", "manage"]] = field(default_factory=dict)
    #: Says which groups of people its settings name outright, so that they can be looked for before it runs.
    groups: Callable[[Mapping[str, Any]], Sequence[str]] | None = None
    #: The permissions that the connection's key needs for it, by the service's names.
    scopes: frozenset[str] = frozenset()
    #: And those that it needs if a setting is given.
    scopes_of_settings: Mapping[str, str] = field(default_factory=dict)
    #: Says what a result of it left behind, so that it can be looked for.
    evidence: Callable[[Mapping[str, Any]], list[Evidence]] | None = None
    #: Says what a line of the ledger left behind, for runs that ended without a result; None for others' lines.
    remembered: Callable[[str, Entry], Evidence | None] | None = None


class Results(BaseModel):
    """What a step gives to later ones that was done for each of a list: what the items came to."""

    results: list[dict[str, Any] | None] = Field(
        default_factory=list, description="Each item's result, in the list's order; null where `if` left it out."
    )
    count: int = 0
    skipped: int = 0


#: What an event has beside what it is about, as `event.…`; `raw` is whatever the sender has.
ABOUT: Mapping[str, Mapping[str, Any] | None] = {
    **{name: {} for name in ("id", "type", "connection", "at", "actor")},
    "raw": None,
}


@dataclass(frozen=True)
class EventKind:
    """A kind of event: its fields by variable; None stands for fields that only the sender knows."""

    type: str
    fields: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    #: Fields that are the same for all events that one run gathers.
    shared: frozenset[tuple[str, str]] = frozenset()
    #: Kinds that are told of one and the same occurrence beside it.
    beside: frozenset[str] = frozenset()


def common(kinds: Sequence[EventKind]) -> EventKind:
    """Give what all of these kinds of event have: where any of them starts an automation, it can use no more."""
    first, *others = kinds
    variables = [name for name in first.fields if all(name in one.fields for one in others)]
    fields = {name: _common([one.fields[name] for one in kinds]) for name in variables}
    shared = frozenset.intersection(*(one.shared for one in kinds))
    if others:
        shared -= {("event", "type")}  # of those that one run gathers, each may be of another
    return EventKind(" or ".join(one.type for one in kinds), fields, shared)


def _common(fields: Sequence[Mapping[str, Any] | None]) -> Mapping[str, Any] | None:
    known = [one for one in fields if one is not None]
    if len(known) < len(fields):
        return None
    return {name: value for name, value in known[0].items() if all(name in one for one in known)}
