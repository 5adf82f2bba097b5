"""Runs: what was done, how, and what can be ordered."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from roomkeeper import spreadsheet
from roomkeeper.desk import offers
from roomkeeper.desk.history import RUN_STATES
from roomkeeper.errors import OrderRefused
from roomkeeper.intake.subjects import KINDS
from roomkeeper.running import orders
from roomkeeper.store import actions
from roomkeeper.web import numbers
from roomkeeper.web.access import Who
from roomkeeper.web.desk import Desk
from roomkeeper.web.pages.parts import paged, part_of
from roomkeeper.web.rendering import Shown, attached

_ASKED = ("automation", "state", "about", "kind", "since", "until", "before")
_MANY = 1000  # runs that are retried at once (ours)
_CALLS, _LINES = 200, 500  # that a page shows of a step; the API and the CSV have all


async def index(request: Request, desk: Desk, _who: Who) -> Shown:
    """List runs."""
    asked = request.query_params
    found = await asyncio.to_thread(
        desk.history.runs,
        automation=asked.get("automation") or None,
        state=asked.get("state") or None,
        part=part_of(request),
    )
    data = paged(found, request, _ASKED)
    return Shown("Runs", "runs.html", {**data, "states": RUN_STATES, "kinds": KINDS})


async def one(request: Request, desk: Desk, _who: Who) -> Shown:
    """Show one run."""
    number = request.path_params["number"]
    run = await asyncio.to_thread(desk.history.run, number)
    happened = await asyncio.to_thread(desk.history.events_of, number)
    done = await asyncio.to_thread(actions.listed, desk.store, run=number)
    now = desk.text_of(run["automation"])
    given = offers.of_run(run, now, desk.config.catalog)
    data = {
        "run": run,
        "is_known": now is not None,
        "events": happened,
        "offers": given,
        "actions": done,
        "lines": _LINES,
    }
    return Shown(f"Run {number}", "run.html", data | {"steps": _timeline(run)})


async def ask(request: Request, desk: Desk, _who: Who) -> Shown:
    """Say what an order would do, before it is given."""
    run = await asyncio.to_thread(desk.history.run, request.path_params["number"])
    offer = _offered(run, request.path_params["order"], desk)
    back = f"/runs/{run['id']}"
    return Shown(f"{offer.label}: run {run['id']}?", "order.html", {"offer": offer, "back": back, "run": run})


async def order(request: Request, desk: Desk, who: Who, form: Mapping[str, str]) -> Shown | str:
    """Give an order: a consent only to what the page has shown."""
    number, wanted = request.path_params["number"], request.path_params["order"]
    give = partial(orders.give, question=form.get("question", ""))
    made = await asyncio.to_thread(give, desk.store, number, wanted, who.by, desk.config.present)
    return f"/runs/{made}"


async def ask_many(request: Request, desk: Desk, _who: Who) -> Shown:
    """Say what a retry of several runs would do, before it is ordered."""
    offer = offers.of_runs(await asyncio.to_thread(_stuck, desk, request))
    return Shown(f"{offer.label}?", "order.html", {"offer": offer, "back": "/"})


async def order_many(request: Request, desk: Desk, who: Who, _form: Mapping[str, str]) -> Shown | str:
    """Retry several runs, the oldest first, as they were made; says which could not be. Raises OrderRefused."""
    stuck, refused = await asyncio.to_thread(_stuck, desk, request), list[str]()
    for run in reversed(stuck):
        try:
            await asyncio.to_thread(orders.retry, desk.store, run["id"], who.by)
        except OrderRefused as error:  # the others are no worse for it
            refused.append(error.message)
    if refused:
        gone_on = f"{len(stuck) - len(refused)} of {len(stuck)} runs go on. Not so: {'; '.join(refused)}"
        raise OrderRefused(gone_on, remedy="The page of each shows what can be done.")
    return "/runs"


async def report(request: Request, desk: Desk, _who: Who) -> Response:
    """Give what a run did to each file, as CSV."""
    run = await asyncio.to_thread(desk.history.run, request.path_params["number"])
    reports = [(step["name"], (step["result"] or {}).get("report", [])) for step in run["steps"]]
    lines = [{"step": name} | line for name, reported in reports for line in reported]
    return attached(desk, f"run-{run['id']}.csv", spreadsheet.written(lines))


def _stuck(desk: Desk, request: Request) -> list[dict[str, Any]]:
    """Find those of the runs in an address that failed and still need a person. Raises OrderRefused if none does."""
    wanted = {numbers.read(one) for one in request.query_params.get("runs", "").split(",")}
    needing = desk.history.runs(limit=_MANY, state="needs_attention")
    found = [run for run in needing if run["id"] in wanted and not run["asks"]]
    if not found:
        what = "None of these runs needs a person any more"
        raise OrderRefused(what, remedy="The page Now shows what is to be done.")
    return found


def _offered(run: Mapping[str, Any], wanted: str, desk: Desk) -> offers.Offer:
    given = offers.of_run(run, desk.text_of(run["automation"]), desk.config.catalog)
    found = next((offer for offer in given if offer.order == wanted), None)
    if found is None:
        what = f"Run {run['id']} is {run['state'].replace('_', ' ')}: {wanted!r} makes no sense for it now"
        raise OrderRefused(what, remedy="Its page shows what can be done.")
    return found


def _timeline(run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the steps, those to come too, each with its part of the run's time, in thousandths."""
    began = run["started_at"] or run["made_at"]
    ends = [step["ended_at"] or step["started_at"] for step in run["steps"]]
    whole = max((_seconds(began, end) for end in ends), default=0.0) or 1.0
    walked = {step["position"]: step for step in run["steps"]}
    shown = []
    for position, text in enumerate(run["text"]["steps"]):
        step = walked.get(position)
        if step is None:
            shown.append({"name": text.get("as") or text["do"], "do": text["do"], "state": "to come", "text": text})
            continue
        bar = {}
        if step["started_at"] >= began:  # what an earlier attempt did has no part in this one's time
            start = 1000 * _seconds(began, step["started_at"]) / whole
            end = 1000 * _seconds(began, step["ended_at"]) / whole if step["ended_at"] else 1000.0
            bar = {"start": round(start), "length": max(4, round(end - start))}
        shown.append({**step, **bar, "text": text, "calls": _attempts(step), "all_calls": len(step["calls"])})
    return shown


def _attempts(step: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Count the calls of one kind: the second is a second attempt, or a second page."""
    seen: Counter[tuple[str, str]] = Counter()
    numbered = []
    for call in step["calls"]:
        seen[call["method"], call["path"]] += 1
        numbered.append({**call, "attempt": seen[call["method"], call["path"]]})
    return numbered[:_CALLS]


def _seconds(since: str, until: str) -> float:
    return (datetime.fromisoformat(until) - datetime.fromisoformat(since)).total_seconds()
