"""What must not be forgotten, and what must not wait for ever: undone runs, what is gone, clocks that were set back."""

import asyncio
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from stage import until

from roomkeeper import errors
from roomkeeper.contract.catalog import Source
from roomkeeper.intake import pauses, stranded
from roomkeeper.intake.dispatch import Dispatch, _connections_due, _Stuck
from roomkeeper.intake.inbox import BLANK
from roomkeeper.running import orders
from roomkeeper.running.outages import Outages
from roomkeeper.running.tally import SharedTally
from roomkeeper.store import alerts, retention, services
from roomkeeper.store.database import Store
from roomkeeper.store.tables import events, runs, steps, waiting
from roomkeeper.store.tables import pauses as paused
from roomkeeper.watching.watch import Watch

HOUR, DAY = 3600.0, 86_400.0
LONG_AGO = time.time() - 100 * DAY


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Store]:
    """A store whose clock is this machine's."""
    one = Store(str(tmp_path / "var"))
    one.migrate()
    yield one
    one.close()


def add_run(store: Store, number: int, **changed: Any) -> None:
    row = {"id": number, "automation": "a", "key": "k", "connection": "acme", "text": "{}", "gather": 100}
    row |= {"state": "done", "claims": False, "made_at": time.time(), "ended_at": LONG_AGO}
    with store.write() as db:
        db.execute(sa.insert(runs).values(row | changed))


def add_event(store: Store, number: int, **changed: Any) -> None:
    row = BLANK | {"id": number, "connection": "acme", "status": "accepted", "at": 0.0, "received_at": time.time()}
    row |= {"delivery": f"{number}", "meaning": f"{number}", "type": "deal.closed", "lane": "7"}
    with store.write() as db:
        db.execute(sa.insert(events).values(row | changed))


def watch(store: Store, *, connections: tuple[str, ...] = ("acme",), automations: tuple[str, ...] = ("a",)) -> Watch:
    return Watch(store, listened=[], writes={}, automations=automations, connections=connections)


def said(store: Store) -> list[str]:
    return [one.what for one in alerts.current(store)]


def swept(store: Store) -> list[int]:
    with store.write() as db:
        while retention.sweep(db, events_days=90, runs_days=90):
            pass
        retention.sweep(db, events_days=90, runs_days=90)
        return list(db.execute(sa.select(runs.c.id).order_by(runs.c.id)).scalars())


# --- undoing ---


def test_what_was_undone_is_not_done_again_however_long_ago_that_was(store: Store) -> None:
    add_run(store, 1, state="needs_attention")
    add_run(store, 2, undoes=1)

    assert swept(store) == [1, 2]
    with pytest.raises(errors.OrderRefused, match="undone by run 2"):
        orders.retry(store, 1)


def test_where_files_were_is_known_as_long_as_they_are_to_go_back(store: Store) -> None:
    add_run(store, 1)
    with store.write() as db:
        step = {"run_id": 1, "position": 0, "name": "x", "do": "archive_files", "state": "done", "started_at": 0.0}
        db.execute(sa.insert(steps).values(step | {"plan": json.dumps({"folder": 5})}))
    add_run(store, 2, undoes=1, state="needs_attention")
    assert swept(store) == [1, 2]

    with store.write() as db:
        db.execute(runs.update().where(runs.c.id == 2).values(state="done"))
    assert swept(store) == []


# --- what is gone from the configuration ---


def test_what_waits_for_a_connection_that_is_gone_is_said_and_let_go_of(store: Store) -> None:
    add_event(store, 1, state="new")
    add_event(store, 2, state="parked")
    add_run(store, 3, state="waiting", ended_at=None)
    add_run(store, 4, state="waiting", ended_at=None, claims=True, key="other")
    with store.write() as db:
        row = {"automation": "a", "key": "other", "lane": "", "connection": "acme", "event_id": 2, "parked_at": 0.0}
        db.execute(sa.insert(waiting).values(row))
    look = watch(store, connections=("portal",))

    look.look(time.time())
    (alert,) = alerts.current(store)
    assert "2 events wait and run 3 waits for the connection acme" in alert.what
    assert "`roomkeeper events redispatch acme`" in alert.remedy
    assert "`roomkeeper runs cancel 3`" in alert.remedy

    with pytest.raises(errors.OrderRefused):
        stranded.redispatch(store, "portal", ["a"], ["portal"], "ann")
    assert stranded.redispatch(store, "acme", ["a", "acme"], ["portal"], "ann") == 2  # an automation is called so, too
    assert orders.cancel(store, 3) == "cancelled"
    look.look(time.time())
    assert said(store) == []
    with store.read() as db:
        assert set(db.execute(sa.select(events.c.state)).scalars()) == {"over"}
        assert set(db.execute(sa.select(runs.c.state)).scalars()) == {"cancelled"}


def test_a_pause_of_what_is_gone_is_said_and_can_be_ended(store: Store) -> None:
    add_run(store, 1, state="waiting", ended_at=None)
    with store.write() as db:
        db.execute(sa.insert(paused).values(automation="a", since=0.0, by="ann"))
    look = watch(store, automations=("b",))

    look.look(time.time())
    assert said(store) == ["run 1 waits for a, which is paused, and which the configuration does not have"]
    pauses.resume(store, "a", "ann", lambda _: None)
    look.look(time.time())
    assert said(store) == []
    with pytest.raises(errors.NotThere):
        pauses.resume(store, "a", "ann", lambda _: None)


# --- what came to nothing ---


def test_an_event_that_came_to_nothing_is_an_alert_for_a_day(store: Store) -> None:
    now = time.time()
    add_event(store, 1, state="failed", reason="it cannot be looked up: 404", received_at=now - HOUR)
    look = watch(store)

    look.look(now)
    (alert,) = alerts.current(store)
    assert "an event of the last day came to nothing; the newest (event 1): it cannot be looked up" in alert.what
    assert "`roomkeeper events replay 1`" in alert.remedy
    look.look(now + DAY)
    assert said(store) == []


def test_what_came_to_nothing_is_found_without_a_look_at_all_the_others(embedded: Store) -> None:
    told: list[tuple[str, Any]] = []
    sa.event.listen(embedded.engine, "before_cursor_execute", lambda *ran: told.append((ran[2], ran[3])))
    watch(embedded)._failed(time.time())
    query, given = next((query, given) for query, given in told if "max(events.id)" in query)
    with embedded.read() as db:
        plan = [row[3] for row in db.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", given)]
    of_events = [line for line in plan if re.match("(SEARCH|SCAN) events", line)]
    assert of_events
    assert all("events_failed" in line or "PRIMARY KEY" in line for line in of_events), plan


def test_whose_folder_was_deleted_for_good_is_no_alert(store: Store) -> None:
    add_event(store, 1, state="failed", reason="its room cannot be found: 404")
    add_event(store, 2, state="new", reason="its room cannot be found yet: 404", received_at=time.time() - HOUR)
    watch(store).look(time.time())
    assert said(store) == []


# --- outages ---


class Portal:
    """A connection that is ill or well."""

    is_ill = True
    asked = 0
    in_order = None  # whose account it is tells

    async def myself(self, _: object) -> str:
        self.asked += 1
        if self.is_ill:
            raise errors.Unavailable("the portal is unpaid")
        return "me"


class Killed:
    """A run whose process ends while it waits."""

    async def progress(self, text: str) -> None:
        pass

    async def pause(self, _seconds: float) -> None:
        raise errors.RunCancelled


async def test_an_outage_that_a_dead_process_told_of_is_over_when_it_is(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roomkeeper.running.outages._LONGEST", 0.01)
    portal: Any = Portal()
    source = Source("acme", portal, None)
    with pytest.raises(errors.RunCancelled):
        await Outages(store, 1000).outlasted(source, errors.Unavailable("x"), Killed())
    alerts.settle(store, "outage gone ", [alerts.Alert("outage gone now", "gone is out of order")])
    assert len(said(store)) == 2

    asked = portal.asked
    keeping = asyncio.create_task(Outages(store, 1000).keep({"acme": source}))
    await asyncio.to_thread(until, lambda: portal.asked > asked)
    assert len(said(store)) == 1  # it is ill still; the other is not there any more
    portal.is_ill = False
    await asyncio.to_thread(until, lambda: said(store) == [])
    keeping.cancel()


# --- clocks that were set back ---


async def test_calls_counted_by_a_clock_that_was_ahead_do_not_count(
    embedded: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    tally, real = SharedTally(embedded, "acme", lambda: 1), time.time
    limits = {"per_minute": 60, "per_day": 1000}
    monkeypatch.setattr(time, "time", lambda: real() + HOUR)
    assert (await tally.take(calls=60, writes=0, **limits))[0] == 60
    monkeypatch.setattr(time, "time", real)

    assert (await tally.take(calls=5, writes=0, **limits))[0] == 5


async def test_what_was_put_aside_by_a_clock_that_was_ahead_is_due(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time
    add_event(store, 1, state="new", received_at=real() + DAY, reason="it cannot be looked up")
    dispatch = Dispatch(store, [], [], lambda _: 1, lambda: None)
    monkeypatch.setattr(time, "time", lambda: real() + DAY)
    with store.read() as db:
        rows = dispatch._waiting("acme", db)
    await dispatch._put_aside(rows, _Stuck(time.time() + 0.5, "it cannot be looked up: 503", 1))
    monkeypatch.setattr(time, "time", real)

    with store.read() as db:
        assert _connections_due(db) == ({"acme"}, True)
        assert [row.id for row in dispatch._waiting("acme", db)] == [1]
    watch(store).look(real())
    assert "acme: 1 event waits" in said(store)[0]


def test_an_order_to_read_anew_is_newer_than_what_was_read_before(
    embedded: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 20)
    services.announce(embedded, "h 1", "all", "old text")
    monkeypatch.setattr(time, "time", real)

    ordered_at = services.order(embedded, "ann")
    assert services.is_ordered(embedded, "h 1")
    assert [one.settled_at >= ordered_at for one in services.settled(embedded, ordered_at, 0.1)] == [False]
    services.announce(embedded, "h 1", "all", "new text")
    assert not services.is_ordered(embedded, "h 1")
    assert [one.settled_at >= ordered_at for one in services.settled(embedded, ordered_at, 0.1)] == [True]
