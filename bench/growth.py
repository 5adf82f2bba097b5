"""What a delivery, a run, a page and a search cost as the store grows: each beside the same in a small store.

The store is filled as `bench/pages.py` fills it. `--store postgresql://…/` takes a database for each size there
instead of embedded files; they are made, and dropped afterwards.
"""

import argparse
import asyncio
import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import sqlalchemy as sa
from pages import CONFIG, KEY, PAGES, fill, visitor
from processes import end, spawn

from roomkeeper.app.building import build
from roomkeeper.automations.event import Event
from roomkeeper.configuration.loading import load
from roomkeeper.connectors import CATALOG
from roomkeeper.contract.trail import TRAIL
from roomkeeper.demo import Portal, free_port, wait_for
from roomkeeper.intake.inbox import Inbox
from roomkeeper.store import retention
from roomkeeper.store.database import Store, address

OWNER_KEY = "sk-" + "0" * 63 + "1"
TIMES, UPLOADS = 200, 60
SHOWN = [page for page in PAGES if "9999" not in page]  # those that every store has


def main() -> None:
    """Fill a store for each size, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--store", default="")
    given = parser.parse_args()
    first: dict[str, float] = {}
    for many in given.events:
        with _stored(given.store, many) as (folder, store):
            began = time.monotonic()
            fill(store, many, max(1, many // 5))
            print(f"{many:,} events, filled in {time.monotonic() - began:.0f} s", flush=True)
            for what, value in _figures(folder, store):
                beside = value / first.setdefault(what, value)
                print(f"  {what:44} {value:9.2f} ms   {beside:5.2f} of the first", flush=True)


@contextlib.contextmanager
def _stored(server: str, many: int) -> Iterator[tuple[Path, Store]]:
    with tempfile.TemporaryDirectory() as place:
        folder, name = Path(place), f"growth_{os.getpid()}_{many}"
        where = str(folder / "var")
        if server:
            where = _made(server, name)
        (folder / "roomkeeper.yaml").write_text(CONFIG.format(store=where))
        (folder / ".env").write_text(f"KEY={KEY}\n")
        store = Store(load(folder / "roomkeeper.yaml", CATALOG).store)
        store.migrate()
        try:
            yield folder, store
        finally:
            store.close()
            if server:
                _execute(server, f"drop database {name} with (force)")


def _made(server: str, name: str) -> str:
    _execute(server, f"create database {name}")
    return address(server).set(database=name).render_as_string(hide_password=False)


def _execute(server: str, statement: str) -> None:
    engine = sa.create_engine(address(server).set(drivername="postgresql+psycopg", database="postgres"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
        db.exec_driver_sql(statement)
    engine.dispose()


def _figures(folder: Path, store: Store) -> Iterator[tuple[str, float]]:
    yield "a delivery, kept", asyncio.run(_deliveries(store))
    yield "100 entries of a history, all known", _search(store)
    yield "a look at what may be forgotten", _sweep(store)
    page, took = asyncio.run(_slowest(folder, store))
    print(f"  (slowest page: {page})")
    yield "the slowest page", took
    yield "an upload to its copy, processor time", _uploads(folder, store)


async def _deliveries(store: Store) -> float:
    inbox, took = Inbox(store), []
    inbox.start()
    for number in range(TIMES):
        began = time.perf_counter()
        await inbox.accept([_event(10**9 + number)], b'{"x": 1}')
        took.append(time.perf_counter() - began)
    inbox.stop()
    return 1000 * statistics.median(took)


def _event(number: int, *, delivery: str = "") -> Event:
    return Event(
        type="file.uploaded",
        connection="acme",
        at=datetime.now(UTC),
        delivery=delivery or str(number),
        meaning=f"file.uploaded {number}",
        subject=f"file {number}",
        occurrence=f"file.uploaded {number}",
        channel=TRAIL if delivery else "",
        found="history" if delivery else "",
    )


def _search(store: Store) -> float:
    inbox, took = Inbox(store), []
    for _ in range(20):
        entries = [_event(10**9 + number, delivery=f"history {number}") for number in range(100)]
        began = time.perf_counter()
        inbox.take_in(entries)
        took.append(time.perf_counter() - began)
    return 1000 * statistics.median(took)


def _sweep(store: Store) -> float:
    took = []
    for _ in range(5):
        began = time.perf_counter()
        with store.write() as db:
            retention.sweep(db, events_days=3650, runs_days=3650)
        took.append(time.perf_counter() - began)
    return 1000 * statistics.median(took)


async def _slowest(folder: Path, store: Store) -> tuple[str, float]:
    site, found = build(load(folder / "roomkeeper.yaml", CATALOG), role="web").site, []
    async with visitor(site, store) as http:
        for page in SHOWN:
            took = []
            for _ in range(6):
                began = time.perf_counter()
                (await http.get(page)).raise_for_status()
                took.append(time.perf_counter() - began)
            found.append((page, 1000 * statistics.median(took)))
    print("  (" + ", ".join(f"{page}: {took:.0f} ms" for page, took in found) + ")")
    return max(found, key=lambda one: one[1])


def _uploads(folder: Path, store: Store) -> float:
    """Have a service copy uploads one by one, each with a run of its own; gives its processor time for each."""
    port, here = free_port(), free_port()
    simulator = spawn("simulate", "--port", str(port))
    try:
        portal = Portal(f"http://127.0.0.1:{port}", OWNER_KEY)
        wait_for(f"{portal.url}/_sim/usage", process=simulator)
        keeper = portal.direct("POST", "/users", json={"name": "keeper", "email": "k@x.example", "kind": "room_admin"})
        rooms = [_room(portal, title, keeper["id"]) for title in ("From", "To")]
        file = folder / "copying.yaml"
        file.write_text(_copying(store, portal, here, rooms))
        service = spawn("serve", "-c", str(file), "--together", KEY=keeper["key"], SECRET="a-secret")
        try:
            wait_for(f"http://127.0.0.1:{here}/readyz", process=service)
            portal.register(f"http://127.0.0.1:{here}/hooks/copied", "a-secret")
            time.sleep(5)  # what is done at the start only
            return _copied(portal, rooms, psutil.Process(service.pid))
        finally:
            end(service)
    finally:
        end(simulator)


def _copied(portal: Portal, rooms: list[int], service: psutil.Process) -> float:
    before = sum(service.cpu_times()[:2])
    for number in range(UPLOADS):
        portal.upload(rooms[0], f"File {number}.docx", b"x")
        while len(portal.tree(rooms[1])) <= number:
            time.sleep(0.02)
    return 1000 * (sum(service.cpu_times()[:2]) - before) / UPLOADS


def _room(portal: Portal, title: str, keeper: str) -> int:
    room = portal.call("POST", "/files/rooms", json={"title": title, "roomType": 5})["id"]
    portal.call("PUT", f"/files/rooms/{room}/share", json={"invitations": [{"id": keeper, "access": 9}]})
    return int(room)


def _copying(store: Store, portal: Portal, port: int, rooms: list[int]) -> str:
    return f"""\
version: 1
listen: 127.0.0.1:{port}
store: {store.where}
retention: {{events_days: 3650, runs_days: 3650}}   # what is old here is not to be swept up while it is measured
connections:
  copied: {{type: docspace, url: "{portal.url}", api_key: !env KEY, webhook_secret: !env SECRET}}
automations:
  - name: copy
    on: file.uploaded
    where: {{room: {rooms[0]}}}
    gather: 1
    steps: [{{do: copy_files, with: {{to: {rooms[1]}}}}}]
"""


if __name__ == "__main__":
    main()
