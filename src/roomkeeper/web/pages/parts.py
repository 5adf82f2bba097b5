"""Parts of lists: what of a list a page's address asks for."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request

from roomkeeper.runs.history import Part

PAGE = 50


def part_of(request: Request) -> Part:
    """Read what part of a list is asked for; what cannot be read is as if it were not there."""
    asked = request.query_params
    return Part(
        limit=PAGE + 1,  # one more tells whether there is more
        before=_number(asked.get("before")),
        about=asked.get("about", "")[:200],
        kind=asked.get("kind", ""),
        since=_moment(asked.get("since")),
        until=_moment(asked.get("until")),
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


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 18 else None  # noqa: PLR2004


def _moment(text: str | None) -> float | None:
    """Read a day or a moment, in UTC."""
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
