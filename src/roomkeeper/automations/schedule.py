"""A schedule: the moments at which something is due, and what becomes of those that were missed. Pure.

What a cron expression means is croniter's; ours is what summer time does to it. A local time that the clock leaves out
is due when the clock has moved on, one that comes twice is due the first time, unless it is due every hour.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Literal
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, croniter

#: The event that a schedule raises.
SCHEDULE = "schedule"
#: What becomes of moments at which nobody was there: one run for all of them, one for each, or none.
Missed = Literal["once", "all", "skip"]
MOST = 20_000  # moments that are looked back at: two days, as a night proves them, of the shortest; ours
_SHIFT = timedelta(hours=3)  # more than any clock is put forward or back; ours
_NAMES = frozenset(
    {*("sun", "mon", "tue", "wed", "thu", "fri", "sat", "l"), *("jan", "feb", "mar", "apr", "may", "jun")}
    | {"jul", "aug", "sep", "oct", "nov", "dec"}
)
_SOME_DAY = datetime(2000, 1, 1, tzinfo=UTC)  # ours; the 30th of February comes after none
_AHEAD = (0.25, 8, 400, 3000)  # days that are looked ahead, one after the other; leap days are 8 years apart at most
_HOUR = 1  # the place of the hours in a cron expression


@dataclass(frozen=True)
class Schedule:
    """Every so many seconds, counted from the beginning of 1970 (UTC); or by a cron expression, in a time zone."""

    every: float | None = None
    cron: str | None = None
    time_zone: str = "UTC"
    missed: Missed = "once"

    def __str__(self) -> str:
        """Say it in a word or two: what was due by another schedule is no moment of this one."""
        return f"every {self.every:g}s" if self.every is not None else f"{self.cron} {self.time_zone}"

    def place(self, automation: str) -> str:
        """Name the place where its moments are found: of this automation, by this schedule."""
        return f"{automation} {self}"

    @property
    def zone(self) -> ZoneInfo:
        """The time zone. Raises ZoneInfoNotFoundError."""
        return ZoneInfo(self.time_zone)

    def moments(self, after: datetime, until: datetime) -> list[datetime]:
        """List what is due after one moment and until another, the oldest first; of very many, the newest."""
        if self.every is not None:
            last, first = int(until.timestamp() // self.every), int(after.timestamp() // self.every) + 1
            numbers = range(max(first, last - MOST + 1), last + 1)
            return [datetime.fromtimestamp(number * self.every, UTC) for number in numbers]
        due = {moment for moment in islice(self._backwards(after, until), 2 * MOST) if after < moment <= until}
        return sorted(due)[-MOST:]

    def _backwards(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Go back from the later moment, and a little over both: what the wall clock shows is no order of time."""
        zone, expression = self.zone, self.cron or ""
        begin = after.astimezone(zone).replace(tzinfo=None) - _SHIFT
        end = until.astimezone(zone).replace(tzinfo=None) + _SHIFT
        is_hourly = expression.split()[_HOUR].startswith("*")
        times = croniter(expression, end)
        while (local := times.get_prev(datetime)) >= begin:
            first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
            yield first
            if second > first and is_hourly:  # it comes twice
                yield second

    def coming(self, after: datetime) -> datetime | None:
        """Find the first moment after another; None if there is none for years."""
        for days in _AHEAD:
            if due := self.moments(after, after + timedelta(days=days)):
                return due[0]
        return None

    def told(self, moment: datetime) -> dict[str, Any]:
        """Say which moment it is, as templates see it: by the wall clock of the time zone."""
        local = moment.astimezone(self.zone)
        return {
            "due": moment.isoformat(),
            "date": f"{local:%Y-%m-%d}",
            "time": f"{local:%H:%M}",
            "weekday": f"{local:%A}",
            "week": local.isocalendar().week,
            "month": f"{local:%B}",
            "year": local.year,
        }


def is_cron(expression: str) -> bool:
    """Whether it is a cron expression of five fields that comes round some day."""
    is_known = set(re.findall(r"[a-z]+", expression.lower())) <= _NAMES  # others are croniter's own, such as dice
    if len(expression.split()) != 5 or not is_known or not croniter.is_valid(expression):  # noqa: PLR2004
        return False
    try:
        croniter(expression, _SOME_DAY).get_next()
    except CroniterBadDateError:
        return False
    return True
