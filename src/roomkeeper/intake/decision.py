"""What becomes of an event: it is looked up, and matched against the automations."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from roomkeeper.automations.automation import Automation, is_for, matches, why_not
from roomkeeper.automations.event import Event, Place
from roomkeeper.contract.catalog import Source
from roomkeeper.errors import Forbidden, NotFound, Rejected, RemoteError, RoomkeeperError
from roomkeeper.intake.events import PLACE_IS_GONE, event_of

log = structlog.get_logger("dispatch")

_PLACE_KEPT = 60.0  # seconds: folders do move between rooms, but seldom
_ABSENCE_KEPT = 5.0  # seconds: what was not there a moment ago may be restored
_MAY_APPEAR = 3600.0  # seconds in which what an event is about may still appear, or become visible to the account
_NAMED = 3  # automations of which is said why they are not for an event
_PLACES = 5000  # of which is remembered which room they are (ours)


class NotYet(RoomkeeperError):
    """What an event is about, or where it happened, is not there, or not to be seen yet."""


@dataclass(frozen=True)
class Parking:
    """Where an event goes: to this automation, under this key."""

    automation: str
    key: str


@dataclass(frozen=True)
class Decision:
    """What becomes of an event: where it waits, or why nowhere."""

    event: Event
    parkings: tuple[Parking, ...] = ()
    reason: str = ""
    #: Whether the event was completed, and is to be kept as it is now.
    completed: bool = False
    #: Whether it should have gone somewhere, and cannot.
    comes_to_nothing: bool = False


class Decisions:
    """Decides on events, one by one; what was looked up a moment ago is remembered."""

    def __init__(self, automations: Sequence[Automation]) -> None:
        self._automations = automations
        self._places: dict[tuple[str, str], tuple[float, str, Place | RemoteError | None]] = {}
        self._accounts: dict[str, str] = {}

    async def decide(self, source: Source, row: Any) -> Decision:  # noqa: ANN401
        """Say where an event goes, or why nowhere. Raises RemoteError or NotYet if that cannot be said now."""
        event = event_of(row)
        if event.actor and event.actor == await self.account(source) and not row.target:
            return Decision(event, reason="raised by the account that Roomkeeper itself uses, so it is not acted on")
        listening = [one for one in self._automations if is_for(one, event) and row.target in {None, one.name}]
        if not listening:
            return Decision(event, reason=f"no automation listens to {event.type} from {event.connection}")
        try:
            event = await source.connector.complete(source.client, received := event)
        except (NotFound, Rejected) as error:
            return self._not_found(event, row, error)
        completed = event is not received
        if event.ignored:
            return Decision(event, reason=event.ignored, completed=completed)
        place = await self._place(source, event)
        if isinstance(place, RemoteError):
            return self._not_found(event, row, place, what=PLACE_IS_GONE)
        event = event.at_place(place) if place is not None else event
        stored = source.connector.stored_title
        chosen = [one for one in listening if row.target or matches(one.where, event, stored=stored)]
        if not chosen:
            where = f"room {place.room} {place.room_title!r}" if place is not None else event.subject
            why = "; ".join(f"{one.name}: {why_not(one.where, event, stored=stored)}" for one in listening[:_NAMED])
            return Decision(event, reason=f"no automation is for this one ({where}): {why}", completed=completed)
        key = f"room {place.room}" if place is not None else f"event {event.meaning}"
        parkings = tuple(Parking(one.name, f"{event.connection} {key}") for one in chosen)
        return Decision(event, parkings, completed=completed)

    async def account(self, source: Source) -> str:
        """Ask who the account of a connection is, once. Raises RemoteError."""
        if source.name not in self._accounts:
            self._accounts[source.name] = await source.connector.myself(source.client)
        return self._accounts[source.name]

    def _not_found(
        self,
        event: Event,
        row: Any,  # noqa: ANN401 - a row of `events`
        error: RemoteError,
        *,
        what: str = "it cannot be looked up",
    ) -> Decision:
        """Decide on an event whose subject, or place, is not there: it may appear yet, so it is looked for a while."""
        # What was found long afterwards is not waited for: where it happened is gone, or it is told where it is now.
        since = min(row.at, row.received_at) if what == PLACE_IS_GONE else row.received_at
        if row.target is None and abs(time.time() - since) < _MAY_APPEAR:
            raise NotYet(f"{what} yet: {error.message}") from error
        log.warning("an event comes to nothing", event_id=event.id, subject=event.subject, reason=error.message)
        why = f"{what}: {error.message}. Replay it once that is put right"
        return Decision(event, reason=why, comes_to_nothing=True)

    async def _place(self, source: Source, event: Event) -> Place | RemoteError | None:
        """Find an event's room, or what keeps it from being found for good. Raises RemoteError if that may pass."""
        known = self._places.get((source.name, event.lane))
        if known is not None and event.lane and known[0] > time.monotonic():
            _, asked_for, place = known
            # That a room is gone is what `room.deleted` tells: it has its place all the same.
            if asked_for == event.type or not isinstance(place, RemoteError):
                return place
        found: Place | RemoteError | None
        try:
            found = await source.connector.place(source.client, event)
        except Forbidden:
            await source.connector.myself(source.client)  # a dead key can look like a missing right: this tells
            raise
        except (NotFound, Rejected) as error:
            found = error
        if len(self._places) > _PLACES:
            self._places.clear()
        kept = _PLACE_KEPT if not isinstance(found, RemoteError) else _ABSENCE_KEPT
        self._places[source.name, event.lane] = (time.monotonic() + kept, event.type, found)
        return found
