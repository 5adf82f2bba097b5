"""How long each page takes at the server, with 100,000 events and 20,000 runs in the store, beside `/livez`.

The store is filled directly, the pages are asked for by HTTP from the application itself, in one process, one after
another; `--store postgresql://…` takes that instead of embedded files. The aim: every page under 150 ms.
"""

import argparse
import asyncio
import contextlib
import json
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import sqlalchemy as sa

from roomkeeper.app.building import build
from roomkeeper.configuration.loading import load
from roomkeeper.connectors import CATALOG
from roomkeeper.intake.inbox import _blank
from roomkeeper.intake.subjects import Subject, link_events, link_runs
from roomkeeper.store.database import Store
from roomkeeper.store.tables import calls, events, runs, steps, waiting
from roomkeeper.web import sessions

KEY = "not-a-real-key-but-a-long-one"
CONFIG = """\
version: 1
store: {store}
dashboard: {{tokens: [{{name: bench, token: !env KEY}}]}}
connections:
  acme: {{type: docspace, url: "http://127.0.0.1:1", api_key: !env KEY, webhook_secret: !env KEY}}
  support: {{type: zendesk, url: "http://127.0.0.1:1", email: b@x.example, api_token: !env KEY, unsigned: true}}
automations:
  - {{name: copy-client-uploads, on: file.uploaded, where: {{room: 7}}, steps: [{{do: copy_files, with: {{to: 8}}}}]}}
  - {{name: investigation-room, on: ticket.created, steps: [{{do: create_room, with: {{title: x, once_per: x}}}}]}}
"""
PAGES = [
    "/livez",
    "/",
    "/runs",
    "/runs?before=10000",
    "/runs?state=needs_attention",
    "/runs?automation=investigation-room",
    "/runs?automation=copy-client-uploads&state=done&before=500",
    "/runs?kind=room&about=7",
    "/runs?about=Contract+4711",
    "/runs?since=2026-01-01&until=2026-01-02",
    "/runs/19999",
    "/events",
    "/events?before=50000",
    "/events?status=refused",
    "/events?type=ticket.created",
    "/events?connection=support&status=accepted&before=2000",
    "/events?about=contract+9",
    "/events/99999",
    "/automations",
    "/automations/copy-client-uploads",
    "/accounted",
    "/week",
    "/actions",
    "/search?q=Contract+4711",
    "/search?q=Northwind",
    "/search?q=nothing-like-this",
    "/api/v1/runs?limit=1000",
    "/api/v1/status",
    "/metrics",
]


def main() -> None:
    """Fill a store, ask for each page, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--store", default="./var")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "roomkeeper.yaml"
        file.write_text(CONFIG.format(store=given.store))
        (Path(folder) / ".env").write_text(f"KEY={KEY}\n")
        config = load(file, CATALOG)
        store = Store(config.store)
        store.migrate()
        began = time.monotonic()
        fill(store, given.events, given.runs)
        print(f"{given.events} events, {given.runs} runs, filled in {time.monotonic() - began:.0f} s\n")
        site = build(config, role="web").site
        worst = asyncio.run(measured(site, store, given.times))
        store.close()
    print(f"\nslowest page: {worst[0]} with {worst[1]:.0f} ms (aim: 150)")


@contextlib.asynccontextmanager
async def visitor(site: Any, store: Store) -> AsyncIterator[httpx2.AsyncClient]:
    """Open the pages by a link, as who started the service does."""
    transport = httpx2.ASGITransport(app=site)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        assert (await http.get(sessions.link(store))).status_code == 303
        http.headers["Authorization"] = f"Bearer {KEY}"
        yield http


async def measured(site: Any, store: Store, times: int) -> tuple[str, float]:
    """Ask for each page; gives the slowest with its median."""
    worst = ("", 0.0)
    print(f"{'page':64} {'median ms':>10} {'worst ms':>9} {'KB':>6}")
    async with visitor(site, store) as http:
        for page in PAGES:
            took, size = [], 0
            await http.get(page)
            for _ in range(times):
                began = time.perf_counter()
                answer = await http.get(page)
                took.append((time.perf_counter() - began) * 1000)
                assert answer.status_code == 200, (page, answer.status_code, answer.text[:200])
                size = len(answer.content)
            median = statistics.median(took)
            print(f"{page:64} {median:10.1f} {max(took):9.1f} {size / 1024:6.0f}")
            worst = max(worst, (page, median), key=lambda one: one[1])
    return worst


def fill(store: Store, many_events: int, many_runs: int) -> None:
    """Write events and runs as a year would leave them: four of five are uploads, one in fifty runs failed."""
    dice, now = random.Random(7), time.time()
    body = json.dumps({"event": {"id": 1}, "payload": {"id": 1, "title": "x" * 700}}).encode()
    text = json.dumps({"name": "x", "on": "file.uploaded", "steps": [{"do": "copy_files", "with": {"to": 8}}]})
    per_run = max(1, many_events // many_runs)
    for first in range(1, many_events + 1, 5000):
        with store.write() as db:
            page = range(first, min(first + 5000, many_events + 1))
            db.execute(sa.insert(events), [_event(n, now - (many_events - n) * 60, body, dice) for n in page])
            about = [(it, n) for n in page for it in _about(n)]
            link_events(store, db, about)
            link_runs(store, db, [(it, (n - 1) // per_run + 1) for it, n in about if (n - 1) // per_run < many_runs])
    for first in range(1, many_runs + 1, 2000):
        with store.write() as db:
            page = range(first, min(first + 2000, many_runs + 1))
            db.execute(sa.insert(runs), [_run(n, now - (many_runs - n) * 300, text, dice) for n in page])
            step = {"position": 0, "name": "copy_files", "do": "copy_files", "state": "done", "result": "{}"}
            db.execute(sa.insert(steps), [{"run_id": n, "started_at": now, "ended_at": now, **step} for n in page])
            call = {"position": 0, "at": now, "method": "GET", "path": "/files/1", "status": 200, "milliseconds": 5}
            db.execute(sa.insert(calls), [{"run_id": n, **call} for n in page for _ in range(5)])
            parked = {"automation": "x", "key": "x", "lane": "", "connection": "acme", "parked_at": now}
            taken = [(n, e) for n in page for e in range((n - 1) * per_run + 1, n * per_run + 1)]
            db.execute(sa.insert(waiting), [{"event_id": e, "run_id": n, **parked} for n, e in taken])
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
        db.exec_driver_sql("ANALYZE")  # as every database does by itself in time


def _event(number: int, at: float, body: bytes, dice: random.Random) -> dict[str, Any]:
    is_ticket = number % 5 == 0
    status = dice.choices(["accepted", "duplicate", "ignored", "refused"], [80, 12, 7, 1])[0]
    row = _blank("support" if is_ticket else "acme", status, "", at)
    kind = "ticket.created" if is_ticket else "file.uploaded"
    return row | {"type": kind, "delivery": str(number), "meaning": str(number), "subject": f"x {number}", "body": body}


def _about(number: int) -> list[Subject]:
    if number % 5 == 0:
        return [Subject("support", "ticket", str(number), f"Printer {number}")]
    room = 7 if number % 3 else 1000 + number % 200
    file = Subject("acme", "file", str(10**6 + number), f"Contract {number}.docx")
    return [file, Subject("acme", "room", str(room), f"Northwind {room}")]


def _run(number: int, at: float, text: str, dice: random.Random) -> dict[str, Any]:
    state = dice.choices(["done", "needs_attention", "cancelled"], [96, 2, 2])[0]
    name = "investigation-room" if number % 5 == 0 else "copy-client-uploads"
    row = {"automation": name, "key": f"acme room {number % 200}", "connection": "acme", "text": text, "gather": 100}
    row |= {"state": state, "claims": False, "made_at": at, "started_at": at, "ended_at": at + 2, "handed_over": True}
    return row | {"error": "copy_files: it is locked" if state == "needs_attention" else None}


if __name__ == "__main__":
    main()
