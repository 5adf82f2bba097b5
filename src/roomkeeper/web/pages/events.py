"""Events: what arrived, how, and what became of it."""

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from roomkeeper.automations import redaction
from roomkeeper.errors import NotThere, OrderRefused
from roomkeeper.runs import offers, orders, reasons
from roomkeeper.runs.dispatch import event_of
from roomkeeper.runs.history import EVENT_STATUSES
from roomkeeper.runs.subjects import KINDS
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
        type_=asked.get("type") or None,
        part=part_of(request),
    )
    types = sorted({one.on for one in desk.config.automations})
    data = {"statuses": EVENT_STATUSES, "connections": list(desk.config.connections), "types": types, "kinds": KINDS}
    return Shown("Events", "events.html", paged(found, request, _ASKED) | data)


async def one(request: Request, desk: Desk, _who: Who) -> Shown:
    """Show one event."""
    number = request.path_params["number"]
    return Shown(f"Event {number}", "event.html", await asyncio.to_thread(described, desk, number))


def described(desk: Desk, number: int) -> dict[str, Any]:
    """Say all of an event, without its secrets. Raises NotThere."""
    event, row = desk.history.event(number), desk.history.row(number)
    connection = desk.config.connections.get(event["connection"])
    connector = desk.config.catalog.connectors.get(connection.type) if connection is not None else None
    judged = []
    if event["type"] and event["status"] in {"accepted", "ignored"}:
        stored = connector.stored_title if connector is not None else str
        judged = reasons.why(desk.config.automations, event_of(row), event["automations"], event["about"], stored)
    return {
        "event": event,
        "body": redaction.body(event["body"]) if event["body"] is not None else None,
        "trusted": _trusted(event, unsigned=bool(getattr(getattr(connection, "settings", None), "unsigned", False))),
        "judged": judged,
        "offers": offers.of_event(event),
    }


def _trusted(event: Mapping[str, object], *, unsigned: bool) -> str:
    """Say why the event was believed, or why it was not."""
    if event["status"] == "refused":
        return f"Refused: {event['reason']}."
    if event["found"]:
        return f"Found by asking the service itself ({event['found']}); it was not delivered."
    if event["target"]:
        return "Handed in by hand (`roomkeeper start`)."
    if event["head"] is None:
        return "Kept by an older Roomkeeper, which did not write down how it came."
    if unsigned:
        return "Not verified: the connection accepts deliveries without a signature (`unsigned: true`)."
    return "Verified: it proved by its signature, token or password that it is from the sender."


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
