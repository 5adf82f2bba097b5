"""Done by hand: who ordered what, and when."""

import asyncio

from starlette.requests import Request

from roomkeeper.store import actions
from roomkeeper.web.access import Who
from roomkeeper.web.desk import Desk
from roomkeeper.web.pages.parts import paged, part_of
from roomkeeper.web.rendering import Shown


async def view(request: Request, desk: Desk, _who: Who) -> Shown:
    """List what people ordered."""
    part = part_of(request)
    found = await asyncio.to_thread(actions.listed, desk.store, limit=part.limit, before=part.before)
    return Shown("Done by hand", "actions.html", paged(found, request, ("before",)))
