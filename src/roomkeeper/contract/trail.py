"""A trail: a service's own record of what happened there, in which we find what we were not told."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from roomkeeper.automations.event import Event

#: The channel of an event that no delivery told of: it has none of the sender's marks, only an entry of its own.
TRAIL = "trail"
#: The channel of an event that nothing tells of: it is concluded from what is there.
CONCLUDED = "concluded"


def listened(type_: str, room: int | str | None = None) -> str:
    """Name a kind of event that is listened to, in all rooms or in one."""
    return type_ if room is None else f"{type_} in {room}"


def listened_by_number(type_: str, number: int | str) -> str:
    """Name a kind of event that is listened to in a room, by the room's number, however the configuration names it."""
    return f"{type_} in the room numbered {number}"


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
    #: Since when each kind of event is listened to, in each room: `listened` names them. Empty: all since `since`.
    starts: Mapping[str, float] = field(default_factory=dict)
    #: Where the service delivers to, as far as we know: the whole address, or only its path.
    hook: str = ""
    #: Whether all is to be told, also of what is closed by now, such as archived rooms.
    is_full: bool = False

    def begins(self, type_: str, room: int | str | None = None, number: int | str | None = None) -> datetime:
        """Say since when this kind of event is acted on, in this room: what happened earlier was not asked for.

        A room's `number` goes before what the configuration calls it, which may have changed since.
        """
        known = self.starts.get(listened_by_number(type_, number)) if number is not None else None
        if known is not None:
            return max(self.since, datetime.fromtimestamp(known, UTC))
        named = {listened(type_), listened(type_, room)}
        mine = [
            at for name, at in self.starts.items() if name in named or (room is None and name.startswith(f"{type_} "))
        ]
        if not mine:
            return self.since
        return max(self.since, datetime.fromtimestamp(int(min(mine)), UTC))  # services write whole seconds


@dataclass(frozen=True)
class Move:
    """Something came to lie in another place, such as a file in another folder: `noun` and `number` say what."""

    noun: str
    number: int | str
    place: int | str
    at: datetime


@dataclass(frozen=True)
class Findings:
    """A part of a trail: its events, and once they are kept, where the next search may begin.

    `blind` says what could not be looked at, and what to do, by what it is. `moves` are for events that still wait:
    the place that they told of may be gone.
    """

    events: Sequence[Event] = ()
    position: Mapping[str, Any] | None = None
    blind: Mapping[str, str] = field(default_factory=dict)
    #: Since when each kind of event is listened to, by the numbers of all rooms that were looked into; at the end.
    listened: Mapping[str, float] | None = None
    #: Whether a delivery should have told of these; if it may not have, that it did not is no reason for an alert.
    is_sure: bool = True
    moves: Sequence[Move] = ()


@dataclass(frozen=True)
class Trail:
    """One way of finding what was missed. `find(client, search)` raises RemoteError if it cannot be read at all."""

    name: str
    find: Callable[[Any, Search], AsyncIterator[Findings]]
    #: Whether everything that happened is in it, so that it can be asked what became of each.
    is_complete: bool = True
    #: Whether it can stand in for deliveries altogether, as `receive: poll` needs it.
    can_stand_in: bool = True
