"""Search: rooms, files, tickets and deals by number or name; runs and events by number."""

import asyncio

from starlette.requests import Request

from roomkeeper.desk.history import Part
from roomkeeper.errors import NotThere
from roomkeeper.web import numbers
from roomkeeper.web.access import Who
from roomkeeper.web.desk import Desk
from roomkeeper.web.rendering import Shown

_SHOWN = 20


async def view(request: Request, desk: Desk, _who: Who) -> Shown:
    """Show what is found."""
    text = request.query_params.get("q", "").strip()[:200]
    data = await asyncio.to_thread(_found, desk, text) if text else {}
    return Shown(f"Search: {text}" if text else "Search", "search.html", {"text": text, **data})


def _found(desk: Desk, text: str) -> dict[str, object]:
    subjects = desk.history.found(text)[:_SHOWN]
    part = Part(limit=_SHOWN, subjects=tuple(one["id"] for one in subjects))
    return {
        "subjects": subjects,
        "runs": desk.history.runs(part=part),
        "events": desk.history.events(part=part),
        "numbered": _numbered(desk, text.lstrip("#")),
    }


def _numbered(desk: Desk, text: str) -> list[tuple[str, str]]:
    """Name the run and the event of this number."""
    number, named = numbers.read(text), []
    if number is None:
        return []
    for noun, look in (("run", desk.history.run), ("event", desk.history.row)):
        try:
            look(number)
        except NotThere:
            continue
        named.append((noun, text))
    return named
