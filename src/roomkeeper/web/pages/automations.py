"""Automations: their text, how they do, and what they would do."""

import asyncio
from collections.abc import Mapping

from starlette.requests import Request

from roomkeeper.automations.automation import Automation
from roomkeeper.desk import overview
from roomkeeper.desk.offers import Offer
from roomkeeper.errors import NotThere, RemoteError
from roomkeeper.intake import pauses
from roomkeeper.web import numbers
from roomkeeper.web.access import Who
from roomkeeper.web.desk import Desk
from roomkeeper.web.rendering import Shown

_SHOWN = 10
_PAUSE = Offer(
    "pause",
    "Pause",
    ("No run of it begins until it is resumed.", "Runs at work go on.", "Events are collected, and none is lost."),
)
_RESUME = Offer("resume", "Resume", ("Runs begin again, also for what was collected meanwhile.",))


async def index(_request: Request, desk: Desk, _who: Who) -> Shown:
    """List them."""
    found = await asyncio.to_thread(overview.automations, desk.store, desk.config)
    return Shown("Automations", "automations.html", {"found": found})


async def one(request: Request, desk: Desk, _who: Who) -> Shown:
    """Show one."""
    automation = desk.config.present(request.path_params["name"])
    return Shown(automation.name, "automation.html", await asyncio.to_thread(_data, desk, automation))


def _data(desk: Desk, automation: Automation) -> dict[str, object]:
    told = next(one for one in overview.automations(desk.store, desk.config) if one["name"] == automation.name)
    latest = desk.history.events(limit=_SHOWN, types=automation.event_types, connection=automation.from_)
    return {
        "told": told,
        "automation": automation,
        "text": desk.config.texts.get(automation.name, ""),
        "offer": (_RESUME if told["paused_by"] else _PAUSE) if not automation.paused else None,
        "latest": desk.history.runs(limit=_SHOWN, automation=automation.name),
        "happened": [one for one in latest if one["status"] in {"accepted", "ignored"}],
    }


async def ask(request: Request, desk: Desk, _who: Who) -> Shown:
    """Say what an order would do."""
    automation, wanted = desk.config.present(request.path_params["name"]), request.path_params["order"]
    offer = {"pause": _PAUSE, "resume": _RESUME}.get(wanted)
    if offer is None:
        raise NotThere(f"There is no order {wanted!r}", remedy="There is pause, resume and try.")
    data = {"offer": offer, "back": f"/automations/{automation.name}"}
    return Shown(f"{offer.label} {automation.name}?", "order.html", data)


async def order(request: Request, desk: Desk, who: Who, form: Mapping[str, str]) -> Shown | str:
    """Pause, resume, or try it."""
    automation, wanted = desk.config.present(request.path_params["name"]), request.path_params["order"]
    if wanted == "try":
        return await _tried(desk, automation, form.get("event", "").strip().lstrip("#"))
    if wanted == "pause":
        await asyncio.to_thread(pauses.pause, desk.store, automation, who.by)
    elif wanted == "resume":
        await asyncio.to_thread(pauses.resume, desk.store, automation.name, who.by, desk.config.automation)
    else:
        raise NotThere(f"There is no order {wanted!r}", remedy="There is pause, resume and try.")
    return f"/automations/{automation.name}"


async def _tried(desk: Desk, automation: Automation, wanted: str) -> Shown:
    number = numbers.read(wanted)
    if wanted and number is None:
        return await _with_trouble(desk, automation, f"{wanted[:80]!r} is no event's number, such as 17", 422)
    try:
        rehearsal = await desk.rehearse(automation, number)
    except NotThere as error:
        return await _with_trouble(desk, automation, error.message, 404)
    except RemoteError as error:
        return await _with_trouble(desk, automation, f"It cannot be tried now: {error.message}", 502)
    return Shown(f"{automation.name}, tried", "tried.html", {"rehearsal": rehearsal, "event": number})


async def _with_trouble(desk: Desk, automation: Automation, said: str, status: int) -> Shown:
    data = await asyncio.to_thread(_data, desk, automation)
    return Shown(automation.name, "automation.html", data | {"trouble": said}, status=status)
