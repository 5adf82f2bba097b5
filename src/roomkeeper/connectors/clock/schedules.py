"""The moments at which automations with `on: schedule` are due: found by looking back, as in any other record.

So a moment is an event of the inbox like an upload: taken in once, however many processes look, after a kill and after
a downtime, and accounted for by `prove`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pydantic import Field

from roomkeeper.automations.event import Event
from roomkeeper.automations.schedule import MOST, SCHEDULE, Schedule
from roomkeeper.contract.checkup import Examination, Finding
from roomkeeper.contract.delivery import Delivery
from roomkeeper.contract.receiving import Receiving
from roomkeeper.contract.step import EventKind
from roomkeeper.contract.trail import Findings, Search, Trail
from roomkeeper.errors import DeliveryRefused

_LATE = timedelta(minutes=2)  # from then on a moment counts as missed: nobody was there; ours
_FIELDS = ("automation", "due", "date", "time", "weekday", "week", "month", "year")
EVENTS: Mapping[str, EventKind] = {
    SCHEDULE: EventKind(
        SCHEDULE,
        {
            "event": {name: {} for name in ("id", "type", "connection", "at", "actor", "raw")},
            SCHEDULE: {name: {} for name in _FIELDS},
        },
        frozenset({("event", "type"), ("event", "connection"), (SCHEDULE, "automation")}),
    )
}


class Clock(Receiving):
    """What the clock is told by the automations of the file."""

    receive: Literal["webhook", "poll"] = Field(default="poll", description="Moments are looked for.")
    poll_every: float = Field(default=3600.0, description="Seconds between two looks, if there is nothing to be due.")
    schedules: Mapping[str, Schedule] = Field(default_factory=dict, description="By the names of the automations.")


class Schedules:
    """The client of the clock: it has no one to call."""

    def __init__(self, schedules: Mapping[str, Schedule]) -> None:
        self.schedules = schedules

    def view(self, *, bulk: bool = False, observe: Callable[[Any], None] | None = None) -> "Schedules":  # noqa: ARG002
        """Give itself."""
        return self

    async def close(self) -> None:
        """Close nothing."""


def connect(
    settings: Clock,
    *,
    tally: object,  # noqa: ARG001 - every connector has these
    wanted: frozenset[str] = frozenset(),  # noqa: ARG001
    dry: bool = False,  # noqa: ARG001
) -> Schedules:
    """Open nothing."""
    return Schedules(settings.schedules)


def verify(_settings: Clock, _delivery: Delivery) -> None:
    """Refuse whatever comes: nobody delivers the time. Raises DeliveryRefused."""
    raise DeliveryRefused("nothing is delivered to the clock", remedy="Take this address out of whatever sends there.")


def read(connection: str, settings: Clock, delivery: Delivery) -> list[Event]:  # noqa: ARG001 - every connector has these
    """Read nothing."""
    return []


def by_hand(connection: str, type_: str, fields: Mapping[str, Any]) -> Event:
    """Make the event of somebody who does not want to wait: it is due now."""
    now = datetime.now(UTC)
    name, facts = f"by hand {now.isoformat()}", Schedule().told(now) | dict(fields.get(SCHEDULE) or {})
    return Event(
        type_, connection, now, name, name, f"due by hand {facts['date']} {facts['time']}", facts={SCHEDULE: facts}
    )


async def examine(clock: Schedules, about: Examination) -> AsyncIterator[Finding]:  # noqa: ARG001 - it needs nothing else
    """Say when each automation is due next."""
    now = datetime.now(UTC)
    for name, schedule in clock.schedules.items():
        coming = schedule.coming(now)
        when = f"due next on {coming.astimezone(schedule.zone):%a %Y-%m-%d %H:%M %Z}" if coming else "not due for years"
        remedy = "" if coming else "Look at its `cron`."
        yield Finding(f"schedule {name}", "ok" if coming else "warning", when, remedy)


async def find(clock: Schedules, search: Search) -> AsyncIterator[Findings]:
    """Find what became due since the last look."""
    now = datetime.now(UTC).replace(microsecond=0)
    position = dict(search.position)
    mine = {schedule.place(name): name for name, schedule in clock.schedules.items()}
    for place in map(str, search.rooms or ()):
        schedule, after = clock.schedules[mine[place]], search.begins(SCHEDULE, place)
        if (last := search.position.get(place)) is not None:
            after = max(after, datetime.fromisoformat(last))
        due = await asyncio.to_thread(schedule.moments, after, now)
        blind = {}
        if len(due) == MOST:
            blind = {place: f"more moments of {mine[place]} were due than are looked at: only the newest {MOST:,} are"}
        yield Findings(_events(search.connection, mine[place], schedule, due, now), blind=blind)
        position[place] = now.isoformat()
    yield Findings(position={place: at for place, at in position.items() if place in mine})


def _events(connection: str, name: str, schedule: Schedule, due: Sequence[datetime], now: datetime) -> list[Event]:
    return [
        Event(
            type=SCHEDULE,
            connection=connection,
            at=moment,
            delivery=f"{name} {moment.isoformat()}",
            meaning=f"{SCHEDULE} {name} {moment.isoformat()}",
            subject=f"{name} due {moment.astimezone(schedule.zone):%a %Y-%m-%d %H:%M %Z}",
            facts={SCHEDULE: {"automation": name, **schedule.told(moment)}},
            raw={"room": schedule.place(name), "schedule": {"automation": name, "due": moment.isoformat()}},
            ignored=_ignored(schedule, moment, due[-1], now),
            found=MOMENTS,
        )
        for moment in due
    ]


def _ignored(schedule: Schedule, moment: datetime, newest: datetime, now: datetime) -> str:
    """Say why a moment starts nothing; empty if it does."""
    if now - moment <= _LATE or schedule.missed == "all":
        return ""
    if schedule.missed == "once" and moment == newest:
        return ""
    kept = f"one run was made for it, of {newest:%Y-%m-%d %H:%M} UTC" if schedule.missed == "once" else "it is left out"
    return f"missed: nobody was there, and with `missed: {schedule.missed}` {kept}"


MOMENTS = "clock"
TRAILS = [Trail(MOMENTS, find)]
