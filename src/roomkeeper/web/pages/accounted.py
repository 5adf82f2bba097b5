"""Accounted for: what was proved of each automation, day by day; and the proof of it now."""

import asyncio
from collections.abc import Mapping

from starlette.requests import Request

from roomkeeper.desk import overview
from roomkeeper.errors import OrderRefused
from roomkeeper.proving import nightly
from roomkeeper.proving.prove import day_ago
from roomkeeper.web import numbers
from roomkeeper.web.access import Who
from roomkeeper.web.desk import Desk
from roomkeeper.web.proof import OUTCOMES, sentence
from roomkeeper.web.rendering import Shown

_DAYS = (1, 7, 30)  # that can be chosen
_WITHIN = 60.0  # seconds that somebody waits for a page
_NAMED = 500  # lines that are shown
_one_at_a_time = asyncio.Lock()  # each asks the portal for much


async def view(_request: Request, desk: Desk, _who: Who) -> Shown:
    """Show the proofs that are kept."""
    days = await asyncio.to_thread(overview.days, desk.store)
    alerts = [one for one in await asyncio.to_thread(desk.history.alerts) if one.key.startswith("proof ")]
    return Shown(
        "Accounted for", "accounted.html", {"days": days, "alerts": alerts, "outcomes": OUTCOMES, "spans": _DAYS}
    )


async def prove(_request: Request, desk: Desk, _who: Who, form: Mapping[str, str]) -> Shown:
    """Prove an automation now; what is missing is said on the first page, too. Raises OrderRefused if it takes long."""
    automation, days = desk.config.present(form.get("automation", "")), numbers.read(form.get("days", "")) or _DAYS[0]
    if _one_at_a_time.locked():
        raise OrderRefused("Another proof is being made just now", remedy="Try again when it is there.")
    try:
        async with _one_at_a_time, asyncio.timeout(_WITHIN):
            proof = await desk.prove(automation, day_ago(min(days, _DAYS[-1])))
    except TimeoutError as error:
        what = f"The proof of {automation.name} takes longer than {_WITHIN:.0f} s"
        raise OrderRefused(
            what, remedy=f"`roomkeeper prove {automation.name} --since {days}d` takes its time."
        ) from error
    await asyncio.to_thread(nightly.tell, desk.store, proof)
    open_ones = [line for line in proof.lines if line.outcome != "done"]
    data = {
        "proof": proof,
        "sentence": sentence(proof),
        "is_well": proof.is_complete and not proof.counts.get("failed"),
        "lines": open_ones[:_NAMED],
        "more": len(open_ones[_NAMED:]),
        "outcomes": OUTCOMES,
    }
    return Shown(f"{automation.name}, proved now", "proved.html", data)
