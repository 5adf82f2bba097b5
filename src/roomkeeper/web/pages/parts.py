"""Parts of lists: what of a list a page's address asks for."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from starlette.requests import Request

from roomkeeper.desk.history import Part
from roomkeeper.web import numbers

PAGE = 50
_DAY = len("2026-11-22")


def part_of(request: Request) -> Part:
    """Read what part of a list is asked for; what cannot be read is as if it were not there."""
    asked = request.query_params
    return Part(
        limit=PAGE + 1,  # one more tells whether there is more
        before=numbers.read(asked.get("before")),
        about=asked.get("about", "")[:200],
        kind=asked.get("kind", ""),
        since=_moment(asked.get("since"), _zone(asked.get("zone"))),
        until=_moment(asked.get("until"), _zone(asked.get("zone")), to_its_end=True),
    )


def paged(found: Sequence[dict[str, Any]], request: Request, names: Sequence[str]) -> dict[str, Any]:
    """Give one page of what was found, and what leads to the next."""
    asked = {name: request.query_params[name] for name in (*names, "zone") if request.query_params.get(name)}
    more = len(found) > PAGE
    return {
        "found": found[:PAGE],
        "asked": asked,
        "is_narrow": bool(set(asked) - {"before", "zone"}),
        "next": found[PAGE - 1]["id"] if more else None,
        "is_first": "before" not in asked,
    }


def _moment(text: str | None, zone: tzinfo, *, to_its_end: bool = False) -> float | None:
    """Read a day or a moment of that zone's clocks; of a day its begin, or its end."""
    try:
        at = datetime.fromisoformat(text or "")
        ends = timedelta(days=1) if to_its_end and len(text or "") == _DAY else timedelta()
        return ((at if at.tzinfo is not None else at.replace(tzinfo=zone)) + ends).timestamp()
    except (ValueError, OverflowError):
        return None


def _zone(name: str | None) -> tzinfo:
    """Find the zone whose times a page shows: the browser's, which says so; UTC without one, or with one unknown."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
