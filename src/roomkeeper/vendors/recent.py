"""What changed lately at a vendor: the list in which missed deals and tickets are found."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from roomkeeper.automations.event import Event
from roomkeeper.contract.trail import Findings, Search, Trail

RECENT = "recent changes"
_SLACK = timedelta(minutes=15)  # what has just changed may be missing from a vendor's lists, and clocks differ
_UNTIL = "until"
Listed = Callable[[Any, Search, datetime], AsyncIterator[list[Event]]]


def trail(listed: Listed) -> Trail:
    """Make the trail of a vendor from `listed(client, search, since)`: pages of events that came about since then."""

    async def find(client: Any, search: Search) -> AsyncIterator[Findings]:  # noqa: ANN401 - each has its own client
        began = datetime.now(UTC)
        known = search.position.get(_UNTIL)
        since = max(search.since, datetime.fromisoformat(known)) if known else search.since
        async for events in listed(client, search, since):
            yield Findings([one for one in events if one.type in search.types and one.at >= search.begins(one.type)])
        yield Findings(position={_UNTIL: (began - _SLACK).isoformat()})

    return Trail(RECENT, find)


def stamp(moment: datetime) -> str:
    """Write a moment as vendors' queries take it: `2026-11-21T10:00:00Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
