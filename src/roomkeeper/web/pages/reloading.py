"""Take over a configuration that was changed."""

import asyncio
import difflib
from collections.abc import Mapping

from starlette.requests import Request

from roomkeeper.configuration.config import Config
from roomkeeper.desk.offers import Offer
from roomkeeper.errors import OrderRefused
from roomkeeper.store import actions, services
from roomkeeper.web.access import Who
from roomkeeper.web.desk import Desk
from roomkeeper.web.rendering import Shown

_WITHIN = 20.0  # seconds
_OFFER = Offer(
    "reload",
    "Take it over",
    (
        "The file is checked first; if anything is wrong with it, all stays as it is.",
        "Runs at work go on with the text that they were made with.",
        "What waits for an automation that is not there any more is kept, and named.",
        "What arrives meanwhile waits for a second or two, and none is lost.",
    ),
)


async def ask(_request: Request, desk: Desk, _who: Who) -> Shown:
    """Show what was changed, and what taking it over does."""
    lines = await asyncio.to_thread(_changes, desk.config)
    data = {"offer": _OFFER, "back": "/automations", "changes": lines, "file": str(desk.config.file)}
    return Shown("Take over the changed configuration?", "reload.html", data)


async def order(request: Request, desk: Desk, who: Who, _form: Mapping[str, str]) -> str:
    """Have all services on this store read the file anew. Raises OrderRefused with what is wrong with it."""
    ordered_at = await asyncio.to_thread(_order, desk, who)
    leaving, end = request.app.state.leaving, asyncio.get_running_loop().time() + _WITHIN
    while not leaving.is_set() and asyncio.get_running_loop().time() < end:
        rows = await asyncio.to_thread(services.running, desk.store)
        settled = [one for one in rows if one.settled_at >= ordered_at]
        refused = [one for one in settled if one.trouble]
        if refused:
            said = f"The file was not taken over, and all goes on as it was: {refused[0].trouble}"
            raise OrderRefused(said, remedy="Correct the file, then take it over again.")
        if len(settled) == len(rows):
            break
        await asyncio.sleep(0.1)
    return "/automations"


def _order(desk: Desk, who: Who) -> float:
    with desk.store.write() as db:
        actions.record(db, who.by, "had the configuration read anew")
    return services.order(desk.store)


def _changes(config: Config) -> list[tuple[str, str]]:
    """Give the lines that differ, each with its kind: taken, added, or around."""
    new = config.changed_text
    if new is None:
        return []
    kinds = {"-": "taken", "+": "added", "@": "place"}
    lines = difflib.unified_diff(config.text.splitlines(), new.splitlines(), lineterm="", n=2)
    return [(kinds.get(line[0], "around"), line) for line in list(lines)[2:]]
