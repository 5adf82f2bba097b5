"""Parts of lists: what of a list a page's address asks for."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

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
        since=_moment(asked.get("since")),
        until=_moment(asked.get("until"), to_its_end=True),
    )


def paged(found: Sequence[dict[str, Any]], request: Request, names: Sequence[str]) -> dict[str, Any]:
    """Give one page of what was found, and what leads to the next."""
    asked = {name: request.query_params[name] for name in names if request.query_params.get(name)}
    more = len(found) > PAGE
    return {
        "found": found[:PAGE],
        "asked": asked,
        "is_narrow": bool(set(asked) - {"before"}),
        "next": found[PAGE - 1]["id"] if more else None,
        "is_first": "before" not in asked,
    }


def _moment(text: str | None, *, to_its_end: bool = False) -> float | None:
    """Read a day or a moment, in UTC; of a day its begin, or its end."""
    try:
        at = datetime.fromisoformat(text or "")
        ends = timedelta(days=1) if to_its_end and len(text or "") == _DAY else timedelta()
        return ((at if at.tzinfo is not None else at.replace(tzinfo=UTC)) + ends).timestamp()
    except (ValueError, OverflowError):
        return None
