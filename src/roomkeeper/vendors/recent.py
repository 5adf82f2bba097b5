"""What changed lately at a vendor: the list in which missed deals and tickets are found."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from roomkeeper.automations.event import Event
from roomkeeper.contract.trail import Findings, Search, Trail

RECENT = "recent changes"
_SLACK = timedelta(minutes=15)  # what has just changed may be missing from a vendor's lists, and clocks differ
_UNTIL = "until"


@dataclass(frozen=True)
class Part:
    """A part of a vendor's list; `until` says up to which moment it was read, where it has an order that tells."""

    events: Sequence[Event]
    until: datetime | None = None


Listed = Callable[[Any, Search, datetime], AsyncIterator[Part]]


def trail(listed: Listed) -> Trail:
    """Make the trail of a vendor from `listed(client, search, since)`: parts of what came about since then.

    A look that is cut short goes on next time where it came to.
    """

    async def find(client: Any, search: Search) -> AsyncIterator[Findings]:  # noqa: ANN401 - each has its own client
        began = datetime.now(UTC)
        known = search.position.get(_UNTIL)
        since = max(search.since, datetime.fromisoformat(known)) if known else search.since
        async for part in listed(client, search, since):
            mine = [one for one in part.events if one.type in search.types and one.at >= search.begins(one.type)]
            reached = min(part.until, began - _SLACK) if part.until is not None else None
            position = {_UNTIL: reached.isoformat()} if reached is not None and reached > since else None
            yield Findings(mine, position)
        yield Findings(position={_UNTIL: (began - _SLACK).isoformat()})

    return Trail(RECENT, find)


def stamp(moment: datetime) -> str:
    """Write a moment as vendors' queries take it: `2026-11-21T10:00:00Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
