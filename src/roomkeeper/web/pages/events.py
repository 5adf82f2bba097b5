"""Events: what arrived, how, and what became of it."""

import asyncio
from collections.abc import Mapping

from starlette.requests import Request

from roomkeeper.automations.automation import heard_of
from roomkeeper.desk import offers
from roomkeeper.desk.history import EVENT_STATUSES
from roomkeeper.errors import NotThere, OrderRefused
from roomkeeper.intake.subjects import KINDS
from roomkeeper.running import orders
from roomkeeper.web import described
from roomkeeper.web.access import Who
from roomkeeper.web.desk import Desk
from roomkeeper.web.pages.parts import paged, part_of
from roomkeeper.web.rendering import Shown

_ASKED = ("connection", "status", "type", "about", "kind", "since", "until", "before")


async def index(request: Request, desk: Desk, _who: Who) -> Shown:
    """List events."""
    asked = request.query_params
    found = await asyncio.to_thread(
        desk.history.events,
        connection=asked.get("connection") or None,
        status=asked.get("status") or None,
        types=[asked["type"]] if asked.get("type") else (),
        part=part_of(request),
    )
    types = sorted(heard_of(desk.config.automations))
    data = {"statuses": EVENT_STATUSES, "connections": list(desk.config.shown), "types": types, "kinds": KINDS}
    return Shown("Events", "events.html", paged(found, request, _ASKED) | data)


async def one(request: Request, desk: Desk, _who: Who) -> Shown:
    """Show one event."""
    number = request.path_params["number"]
    return Shown(f"Event {number}", "event.html", await asyncio.to_thread(described.event, desk, number))


async def ask(request: Request, desk: Desk, _who: Who) -> Shown:
    """Say what an order would do."""
    event = await asyncio.to_thread(desk.history.event, request.path_params["number"])
    offer = next((one for one in offers.of_event(event) if one.order == request.path_params["order"]), None)
    if offer is None:
        raise OrderRefused(f"Event {event['id']} ({event['status']}) cannot be replayed now")
    data = {"offer": offer, "back": f"/events/{event['id']}"}
    return Shown(f"{offer.label} event {event['id']}?", "order.html", data)


async def order(request: Request, desk: Desk, who: Who, _form: Mapping[str, str]) -> Shown | str:
    """Replay it."""
    if request.path_params["order"] != "replay":
        raise NotThere(f"There is no order {request.path_params['order']!r}", remedy="There is replay.")
    number = request.path_params["number"]
    await asyncio.to_thread(orders.replay, desk.store, number, who.by)
    return f"/events/{number}"
