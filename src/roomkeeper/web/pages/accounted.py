"""Accounted for: what was proved of each automation, day by day; and the proof of it now."""

import asyncio
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from roomkeeper import spreadsheet
from roomkeeper.desk import overview
from roomkeeper.errors import NotThere, OrderRefused
from roomkeeper.proving import nightly
from roomkeeper.proving.prove import Proof, day_ago
from roomkeeper.running import orders
from roomkeeper.web import numbers
from roomkeeper.web import proof as proofs
from roomkeeper.web.access import Who
from roomkeeper.web.desk import Desk
from roomkeeper.web.rendering import Shown, attached

_DAYS = (2, 7, 30)  # that can be chosen; as far as a night's proof, so that what it found closes what that told
_WITHIN = 60.0  # seconds that somebody waits for a page
_NAMED = 500  # lines that are shown
_KEPT = 4  # proofs that were made here, for those who want them as a file or what is missing done again
_made: dict[str, Proof] = {}  # by their digests, the oldest first
_one_at_a_time = asyncio.Lock()  # each asks the portal for much


async def view(_request: Request, desk: Desk, _who: Who) -> Shown:
    """Show the proofs that are kept."""
    days = await asyncio.to_thread(overview.days, desk.store)
    alerts = [one for one in await asyncio.to_thread(desk.history.alerts) if one.key.startswith("proof ")]
    return Shown(
        "Accounted for", "accounted.html", {"days": days, "alerts": alerts, "outcomes": proofs.OUTCOMES, "spans": _DAYS}
    )


async def order(_request: Request, desk: Desk, who: Who, form: Mapping[str, str]) -> Shown | str:
    """Prove an automation now, or have what a proof found missing done again. Raises OrderRefused."""
    if form.get("order") == "again":
        return await asyncio.to_thread(_again, desk, who, form.get("proof", ""))
    return await _prove(desk, form)


async def page(request: Request, desk: Desk, _who: Who) -> Response:
    """Give a proof as a page of its own. Raises NotThere."""
    proof = _found(request.path_params["digest"])
    return attached(desk, f"{_name(proof)}.html", proofs.page(proof))


async def lines(request: Request, desk: Desk, _who: Who) -> Response:
    """Give the lines of a proof as CSV. Raises NotThere."""
    proof = _found(request.path_params["digest"])
    return attached(desk, f"{_name(proof)}.csv", spreadsheet.written([vars(one) for one in proof.lines]))


async def _prove(desk: Desk, form: Mapping[str, str]) -> Shown:
    """Prove; what is missing is said on the first page, too. Raises OrderRefused if it takes long."""
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
    _made[proof.digest] = proof
    for digest in list(_made)[:-_KEPT]:
        del _made[digest]
    parts = [
        ("What is not done", [line for line in proof.lines if line.outcome != "done"]),
        ("What is done, and still there", [line for line in proof.lines if line.outcome == "done"]),
    ]
    data = {
        "proof": proof,
        "sentence": proofs.sentence(proof),
        "is_well": proof.is_complete and not proof.counts.get("failed"),
        "parts": [(title, found[:_NAMED], len(found[_NAMED:])) for title, found in parts if found],
        "missing": len(_missing(proof)),
        "outcomes": proofs.OUTCOMES,
    }
    return Shown(f"{automation.name}, proved now", "proved.html", data)


def _missing(proof: Proof) -> list[int]:
    """List the events that are known and unaccounted for, each once."""
    return sorted({one.event for one in proof.lines if one.outcome == "unaccounted" and one.event is not None})


def _again(desk: Desk, who: Who, digest: str) -> str:
    """Dispatch again what is missing. Raises NotThere, OrderRefused if none of it can be."""
    refused = []
    for number in (missing := _missing(_found(digest))):
        try:
            orders.replay(desk.store, number, who.by)
        except OrderRefused as error:
            refused.append(error)
    if refused and len(refused) == len(missing):
        raise refused[0]
    return "/"


def _found(digest: str) -> Proof:
    """Find a proof that was made here lately. Raises NotThere."""
    if (found := _made.get(digest)) is None:
        raise NotThere("This proof is not kept any more: only the last few are", remedy="Prove it again.")
    return found


def _name(proof: Proof) -> str:
    return f"{proof.automation}-{proof.until[:10]}"
