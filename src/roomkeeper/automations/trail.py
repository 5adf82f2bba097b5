"""A trail: a service's own record of what happened there, in which we find what we were not told."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from roomkeeper.automations.event import Event

#: The channel of an event that no delivery told of: it has none of the sender's marks, only an entry of its own.
TRAIL = "trail"


@dataclass(frozen=True)
class Search:
    """What is looked for in a trail.

    `position` is what the last search left behind, empty for the first one; nothing older than `since` is asked for.
    `types` are the kinds of event that automations listen to, `rooms` those that they name, None if one names none.
    """

    connection: str
    settings: Any
    since: datetime
    types: frozenset[str]
    rooms: tuple[int | str, ...] | None = None
    position: Mapping[str, Any] = field(default_factory=dict)
    #: Where the service delivers to, as far as we know: the whole address, or only its path.
    hook: str = ""


@dataclass(frozen=True)
class Findings:
    """A part of a trail: its events, and once they are kept, where the next search may begin.

    `blind` says what could not be looked at, and what to do.
    """

    events: Sequence[Event] = ()
    position: Mapping[str, Any] | None = None
    blind: Sequence[str] = ()


@dataclass(frozen=True)
class Trail:
    """One way of finding what was missed. `find(client, search)` raises RemoteError if it cannot be read at all."""

    name: str
    find: Callable[[Any, Search], AsyncIterator[Findings]]
    #: Whether everything that happened is in it, so that it can be asked what became of each.
    is_complete: bool = True
    #: Whether it can stand in for deliveries altogether, as `receive: poll` needs it.
    can_stand_in: bool = True
