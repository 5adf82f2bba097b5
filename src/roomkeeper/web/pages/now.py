"""Now: is everything well, and if not, what is to be done."""

import asyncio

from starlette.requests import Request

from roomkeeper.automations.automation import heard_of
from roomkeeper.desk import causes, overview
from roomkeeper.web.access import Who
from roomkeeper.web.desk import Desk
from roomkeeper.web.rendering import Shown

_SHOWN = 12
_STUCK = 200  # runs that are looked through for what they have in common (ours)
#: How something is made to happen, for who has just begun.
_BEGINNINGS = {
    "file.uploaded": "Upload a file into the room that is watched.",
    "deal.closed": "Win a deal that names a room.",
    "ticket.created": "Open a ticket.",
}


async def view(_request: Request, desk: Desk, _who: Who) -> Shown:
    """Show how things stand."""
    return Shown("Now", "now.html", await asyncio.to_thread(_data, desk))


def _data(desk: Desk) -> dict[str, object]:
    stands = overview.of(desk.store, desk.history, desk.config, desk.limits)
    begun = [_BEGINNINGS[type_] for type_ in _BEGINNINGS if type_ in heard_of(desk.config.automations)]
    is_new = not desk.history.events(limit=1)
    stuck = stands["attention"]
    if stands["counts"]["runs"].get("needs_attention", 0) > len(stuck):  # read already, but for so many
        stuck = desk.history.runs(limit=_STUCK, state="needs_attention")
    return {
        **stands,
        "causes": causes.of(stuck)[:_SHOWN],
        "latest": desk.history.runs(limit=_SHOWN),
        "is_new": is_new,
        "first": " Or: ".join(begun),
    }
