"""Now: is everything well, and if not, what is to be done."""

import asyncio

from starlette.requests import Request

from roomkeeper.desk import overview
from roomkeeper.web.access import Who
from roomkeeper.web.desk import Desk
from roomkeeper.web.rendering import Shown

_SHOWN = 12


async def view(_request: Request, desk: Desk, _who: Who) -> Shown:
    """Show how things stand."""
    return Shown("Now", "now.html", await asyncio.to_thread(_data, desk))


def _data(desk: Desk) -> dict[str, object]:
    stands = overview.of(desk.store, desk.history, desk.config, desk.limits)
    return {**stands, "latest": desk.history.runs(limit=_SHOWN)}
