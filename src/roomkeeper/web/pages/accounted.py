"""Accounted for: what was proved of each automation, day by day."""

import asyncio

from starlette.requests import Request

from roomkeeper.desk import overview
from roomkeeper.web.access import Who
from roomkeeper.web.desk import Desk
from roomkeeper.web.proof import OUTCOMES
from roomkeeper.web.rendering import Shown


async def view(_request: Request, desk: Desk, _who: Who) -> Shown:
    """Show the proofs that are kept."""
    days = await asyncio.to_thread(overview.days, desk.store)
    alerts = [one for one in await asyncio.to_thread(desk.history.alerts) if one.key.startswith("proof ")]
    return Shown("Accounted for", "accounted.html", {"days": days, "alerts": alerts, "outcomes": OUTCOMES})
