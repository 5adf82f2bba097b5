"""What the store keeps: inbox, ledger, holds, leases, tallies, retention; on both kinds of store."""

import asyncio
import contextlib
import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from roomkeeper import errors
from roomkeeper.automations.event import Event
from roomkeeper.connectors import CATALOG
from roomkeeper.contract.trail import CONCLUDED, TRAIL
from roomkeeper.desk import offers
from roomkeeper.desk.history import History, Part
from roomkeeper.intake import subjects
from roomkeeper.intake.claims import choose
from roomkeeper.intake.inbox import Inbox, recognised
from roomkeeper.intake.subjects import Subject
from roomkeeper.running import orders, retrying
from roomkeeper.running.holds import hold
from roomkeeper.running.leases import Lease
from roomkeeper.running.ledger import Ledger
from roomkeeper.running.tally import SharedTally
from roomkeeper.store import actions, retention
from roomkeeper.store.database import Store
from roomkeeper.store.tables import events, holds, processes, runs, steps, waiting

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.fixture
def inbox(store: Store) -> Iterator[Inbox]:
    one = Inbox(store)
    one.start()
    yield one
    one.stop()


def event(number: int, *, delivery: str = "", **changed: Any) -> Event:
    given_: dict[str, Any] = {
        "type": "file.uploaded",
        "connection": "acme",
        "at": datetime.now(UTC),
        "delivery": delivery or f"d{number}",
        "meaning": f"m{number}",
        "subject": f"file {number}",
        "facts": {"file": {"id": number}},
    }
    return Event(**given_ | changed)


async def _statuses(inbox: Inbox, *given_: Event) -> list[str]:
    verdicts = await asyncio.gather(*(inbox.accept([one], b"{}") for one in given_))
    return [verdict[0].status for verdict in verdicts]


# --- the inbox ---


async def test_a_second_delivery_is_a_duplicate_whether_by_id_or_by_meaning(inbox: Inbox, store: Store) -> None:
    assert await _statuses(inbox, event(1)) == ["accepted"]
    assert await _statuses(inbox, event(1)) == ["duplicate"]
    assert await _statuses(inbox, event(1, delivery="other")) == ["duplicate"]
    assert await _statuses(inbox, event(1, connection="elsewhere")) == ["accepted"]

    shown = History(store).events()
    assert [one["duplicate_of"] for one in shown if one["status"] == "duplicate"] == [1, 1]


async def test_of_many_at_once_each_is_accepted_once(inbox: Inbox) -> None:
    statuses = await _statuses(inbox, *(event(number % 50) for number in range(500)))

    assert Counter(statuses) == {"accepted": 50, "duplicate": 450}


async def test_one_that_cannot_be_written_keeps_no_other_from_it(store: Store, inbox: Inbox) -> None:
    wrong = inbox._keep([{"connection": "acme", "status": "accepted", "no such column": 1, "occurrence": ""}])
    outcomes = await asyncio.gather(
        wrong, *(inbox.accept([event(number)], b"{}") for number in range(30)), return_exceptions=True
    )
    again = await inbox.accept([event(3)], b"{}")

    assert isinstance(outcomes[0], errors.StoreUnavailable)
    assert [one[0].status for one in outcomes[1:]] == ["accepted"] * 30
    assert again[0].status == "duplicate"


async def test_two_processes_accept_each_event_once_between_them(
    store: Store, inbox: Inbox, store_address: str
) -> None:
    other_store = Store(store_address)
    other = Inbox(other_store)
    other.start()
    try:
        mine, theirs = await asyncio.gather(
            _statuses(inbox, *(event(number) for number in range(200))),
            _statuses(other, *(event(number) for number in reversed(range(200)))),
        )
    finally:
        other.stop()
        other_store.close()

    assert Counter(mine + theirs) == {"accepted": 200, "duplicate": 200}


async def test_one_meaning_by_one_channel_is_looked_at_twice_if_it_is_young(inbox: Inbox, store: Store) -> None:
    """DocSpace writes times to the second, so two versions in one second look alike (1.1)."""
    await inbox.accept([event(1, channel="3")], b"{}")
    await inbox.accept([event(2, channel="3")], b"{}")
    with store.write() as connection:
        connection.execute(events.update().values(state="parked"))

    assert await _statuses(inbox, event(1, channel="3", delivery="retry")) == ["duplicate"]
    assert await _statuses(inbox, event(2, channel="4", delivery="second webhook")) == ["duplicate"]

    states = {one["id"]: one["state"] for one in History(store).events() if one["status"] == "accepted"}
    assert states == {1: "new", 2: "parked"}


async def test_ignored_ones_are_kept_and_may_come_again(inbox: Inbox, store: Store) -> None:
    assert await _statuses(inbox, event(1, ignored="nobody listens")) == ["ignored"]
    assert await _statuses(inbox, event(1)) == ["accepted"]

    assert History(store).event(1)["reason"] == "nobody listens"


@pytest.mark.parametrize("text", ["nul \0 byte", "half \ud800 character", "x" * 100_000])
async def test_hostile_text_hurts_neither_itself_nor_its_neighbours(inbox: Inbox, text: str) -> None:
    hostile = event(1, meaning=text, delivery=text, subject=text, lane=text, actor=text, type="file.uploaded")

    assert await _statuses(inbox, hostile, event(2), event(3)) == ["accepted"] * 3
    assert await _statuses(inbox, hostile) == ["duplicate"]


async def test_refused_ones_are_noted_without_their_words_and_not_without_end(inbox: Inbox, store: Store) -> None:
    for _ in range(100):
        await inbox.refuse("acme", "bad signature", lambda: "")

    shown = History(store).events(limit=1000, status="refused")
    assert len(shown) == 60
    assert History(store).event(shown[0]["id"])["body"] is None


async def test_a_store_that_is_gone_is_said_and_the_inbox_lives_on(store: Store, inbox: Inbox) -> None:
    with store.write() as connection:
        connection.execute(sa.text("alter table events rename to hidden"))
    with pytest.raises(errors.StoreUnavailable):
        await inbox.accept([event(1)], b"{}")
    with store.write() as connection:
        connection.execute(sa.text("alter table hidden rename to events"))

    assert await _statuses(inbox, event(1)) == ["accepted"]


# --- choosing and retrying ---


@given(st.lists(st.sampled_from("abcde"), max_size=200), st.integers(1, 100))
def test_a_run_takes_the_oldest_lane_first_and_keeps_each_lane_s_order(lanes: list[str], most: int) -> None:
    queue = list(enumerate(lanes))

    chosen = choose(queue, most)

    assert len(chosen) == min(most, len(queue))
    assert len(set(chosen)) == len(chosen)
    if queue:
        assert chosen[0] == 0
    for lane in set(lanes):
        mine = [number for number in chosen if lanes[number] == lane]
        assert mine == [number for number, one in queue if one == lane][: len(mine)]


@pytest.mark.parametrize(
    ("error", "attempt", "waited", "outcome"),
    [
        (errors.Forbidden("x"), 1, 0.0, (None, None)),
        (errors.Unreachable("x"), 1, 0.0, (0.25, 0.5)),
        (errors.Unreachable("x"), 4, 9.0, (2.0, 4.0)),
        (errors.RemoteFault("x"), 99, 100.0, (30.0, 60.0)),
        (errors.Throttled("x", retry_after=300.0), 1, 0.0, (300.0, 300.0)),
        (errors.RemoteFault("x"), 2000, 86_401.0, (None, None)),
    ],
)
def test_whether_and_when_to_try_again(error: errors.RemoteError, attempt: int, waited: float, outcome: Any) -> None:
    soonest = retrying.pause_after(error, attempt=attempt, waited=waited, jitter=0.0)
    latest = retrying.pause_after(error, attempt=attempt, waited=waited, jitter=1.0)

    assert (soonest, latest) == outcome


# --- ledger, holds, leases, tallies ---


async def test_the_ledger_tells_what_was_tried_done_and_taken_back(store: Store) -> None:
    ledger = Ledger(store, run=7)

    await ledger.trying("copies", {"1/1": {"a": 1}, "2/1": {"a": 2}, "3/1": {"a": 3}})
    await ledger.done("copies", {"1/1": ("70", {"a": 1})})
    await ledger.undone("copies", ["1/1", "2/1"])

    found = await ledger.look("copies", [f"{n}/1" for n in range(1000)])
    assert {item: entry.done for item, entry in found.items()} == {"1/1": True, "3/1": False}
    assert [entry.item for entry in await ledger.of_target("copies", "70")] == ["1/1"]
    assert await ledger.known_targets("copies", ["70", "71"]) == {"70"}
    assert await ledger.look("other", ["1/1"]) == {}


async def test_more_than_one_query_of_the_ledger_holds_is_written_and_found_and_nothing_is_nothing(
    store: Store,
) -> None:
    ledger, items = Ledger(store, run=7), [f"{n}/1" for n in range(1001)]
    await ledger.trying("copies", {})
    await ledger.done("copies", {item: (f"to {item}", {}) for item in items})
    await ledger.undone("copies", [])

    assert set(await ledger.look("copies", items)) == set(items)
    assert len(await ledger.known_targets("copies", [f"to {item}" for item in items])) == 1001


async def test_a_hold_keeps_others_out_and_falls_when_its_run_is_over(store: Store) -> None:
    with store.write() as connection:
        for number in (1, 2):
            connection.execute(sa.insert(runs).values(_run(number, state="running")))
    order: list[str] = []

    async def nothing() -> None: ...

    async def work(run: int) -> None:
        async with hold(store, "room 5", run, nothing, contextlib.nullcontext):
            order.append(f"{run} in")
            await asyncio.sleep(0.05)
            order.append(f"{run} out")

    await asyncio.gather(work(1), work(2))
    assert order in (["1 in", "1 out", "2 in", "2 out"], ["2 in", "2 out", "1 in", "1 out"])

    holding = hold(store, "room 5", 1, nothing, contextlib.nullcontext)
    await holding.__aenter__()
    with store.write() as connection:
        connection.execute(runs.update().where(runs.c.id == 1).values(state="needs_attention"))
    async with asyncio.timeout(5), hold(store, "room 5", 2, nothing, contextlib.nullcontext):
        pass


async def test_a_hold_that_was_being_taken_when_its_run_was_let_go_bars_nobody(store: Store) -> None:
    """As at a reload: the run's successor may be waiting for what another run has, which then waits for this one."""
    with store.write() as connection:
        for number in (1, 2):
            connection.execute(sa.insert(runs).values(_run(number, state="running")))

    async def nothing() -> None: ...

    async def take(run: int) -> None:
        async with hold(store, "room 5", run, nothing, contextlib.nullcontext):
            pass

    with store.write() as connection:  # so that the other cannot be written yet
        connection.execute(sa.insert(holds).values(name="room 5", run_id=2, since=0.0))
        taking = asyncio.create_task(take(1))
        await asyncio.sleep(0.1)
        taking.cancel()
        await asyncio.sleep(0.1)
        assert not taking.done()
        connection.rollback()
    await asyncio.gather(taking, return_exceptions=True)
    left = await store.reading(lambda connection: connection.execute(sa.select(holds.c.run_id)).all())

    assert taking.cancelled()
    assert left == []


async def test_who_is_cancelled_while_writing_goes_when_it_is_written(store: Store) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def act(connection: sa.Connection) -> None:
        begun.set()
        may_end.wait(5)
        connection.execute(sa.insert(runs).values(_run(1, state="running")))

    writer = asyncio.create_task(store.writing(act))
    await asyncio.to_thread(begun.wait, 5)
    writer.cancel()
    threading.Timer(0.1, may_end.set).start()
    await asyncio.wait([writer])

    assert writer.cancelled()
    assert await store.reading(lambda connection: connection.execute(sa.select(runs.c.id)).scalars().all()) == [1]


async def test_a_process_that_is_silent_is_declared_dead_and_knows_it(postgresql: Any) -> None:
    store = Store(postgresql())
    store.migrate()
    lost: list[str] = []
    silent, lively = (Lease(store, works=True, on_lost=lambda: lost.append("x")) for _ in range(2))
    silent.begin()
    lively.begin()
    assert (lively.beat(), lively.workers()) == ([], 2)
    with store.write() as connection:
        connection.execute(
            processes.update().where(processes.c.id == silent.id).values(seen_at=processes.c.seen_at - 60)
        )

    assert lively.beat() == [silent.id]
    assert lively.workers() == 1
    assert silent.beat() == []
    assert lost == ["x"]
    assert lively.alive() == {lively.id}
    store.close()


async def test_two_processes_share_one_minute_and_one_day(store: Store) -> None:
    one, other = (SharedTally(store, "acme", lambda: 2) for _ in range(2))
    limits = {"per_minute": 60, "per_day": 5}

    granted = [await tally.take(calls=25, writes=0, **limits) for tally in (one, other, one, other)]
    assert [calls for calls, _ in granted] == [25, 25, 10, 0]
    assert 50 < granted[-1][1] <= 63
    elsewhere = SharedTally(store, "elsewhere", lambda: 1)
    writes = [await elsewhere.take(calls=1, writes=1, **limits) for _ in range(6)]
    assert [calls for calls, _ in writes] == [1, 1, 1, 1, 1, 0]
    assert writes[-1][1] > 0


# --- orders and retention ---


def test_a_run_that_waits_takes_its_events_along_when_it_is_cancelled(store: Store) -> None:
    with store.write() as connection:
        connection.execute(sa.insert(runs).values(_run(1, state="waiting", claims=True)))
        connection.execute(sa.insert(waiting).values(_waiting(5)))

    assert orders.cancel(store, 1) == "cancelled"

    with store.read() as connection:
        assert connection.execute(sa.select(waiting.c.run_id)).scalars().all() == [1]
    orders.retry(store, 1)
    assert History(store).run(1)["attempt"] == 2


@pytest.mark.parametrize("state", ["waiting", "running", "done"])
def test_only_what_stopped_can_be_retried(store: Store, state: str) -> None:
    with store.write() as connection:
        connection.execute(sa.insert(runs).values(_run(1, state=state)))

    with pytest.raises(errors.OrderRefused, match=state):
        orders.retry(store, 1)


def test_what_does_not_exist_is_said(store: Store) -> None:
    for order in (orders.retry, orders.cancel, orders.replay):
        with pytest.raises(errors.NotThere):
            order(store, 404)


async def test_an_event_is_replayed_and_a_duplicate_is_not(inbox: Inbox, store: Store) -> None:
    await _statuses(inbox, event(1))
    await _statuses(inbox, event(1))
    with store.write() as connection:
        connection.execute(events.update().where(events.c.id == 1).values(state="over", reason="no automation"))

    orders.replay(store, 1)

    assert History(store).event(1)["state"] == "new"
    duplicate = next(one["id"] for one in History(store).events() if one["status"] == "duplicate")
    with pytest.raises(errors.OrderRefused, match="duplicate"):
        orders.replay(store, duplicate)


async def test_of_two_that_were_ignored_alike_one_is_replayed(inbox: Inbox, store: Store) -> None:
    ignored = replace(event(1), ignored="not now")
    await _statuses(inbox, ignored)
    await _statuses(inbox, ignored)

    orders.replay(store, 1)
    with pytest.raises(errors.OrderRefused, match="the same as event 1"):
        orders.replay(store, 2)


def test_a_run_that_was_undone_is_not_gone_on_with(store: Store) -> None:
    with store.write() as connection:
        connection.execute(sa.insert(runs).values(_run(1, state="needs_attention")))
        connection.execute(sa.insert(runs).values(_run(2, state="done", undoes=1)))

    for order in (orders.retry, orders.restart):
        with pytest.raises(errors.OrderRefused, match="undone by run 2"):
            order(store, 1)
    assert offers.of_run(History(store).run(1), None, CATALOG) == []


def test_every_order_is_recorded_with_who_gave_it(store: Store) -> None:
    with store.write() as connection:
        connection.execute(sa.insert(runs).values(_run(1, state="needs_attention")))

    orders.retry(store, 1, "ann")
    with store.write() as connection:
        connection.execute(runs.update().values(state="needs_attention"))
    orders.cancel(store, 1, "bob")
    orders.restart(store, 1, "cyn")

    assert [(one["by"], one["did"]) for one in actions.listed(store)] == [
        ("cyn", "retried run 1 from the start"),
        ("bob", "cancelled run 1"),
        ("ann", "retried run 1 from the step that failed"),
    ]


def test_a_number_finds_what_has_it_before_what_is_called_so(store: Store) -> None:
    about = [(Subject("acme", "room", "12", "Northwind"), 1)]
    about += [(Subject("acme", "file", str(1000 + n), f"Invoice 12-{n}.docx"), n) for n in range(600)]
    with store.write() as connection:
        connection.execute(sa.insert(runs), [_run(n, state="done") for n in range(1, 4)])
        subjects.link_runs(store, connection, about)
    history = History(store)

    assert history.found("12")[0]["title"] == "Northwind"
    assert [one["id"] for one in history.runs(part=Part(about="#12", kind="room"))] == [1]
    assert [one["number"] for one in history.found("INVOICE 12-7.d")] == ["1007"]
    assert history.found("100%") == []


def test_in_a_large_store_what_is_rare_is_found_as_well_as_what_is_frequent(store: Store) -> None:
    many = 5400  # some hundred more than are looked at first
    state = {n: "cancelled" if n in {3, 40, 5390} else "done" for n in range(1, many + 1)}
    with store.write() as connection:
        connection.execute(sa.insert(runs), [_run(n, state=state[n]) | {"made_at": float(n)} for n in state])
        about = [(Subject("acme", "room", "12", "Northwind"), n) for n in (2, 39, 5000)]
        subjects.link_runs(store, connection, about)
    history = History(store)

    def found(limit: int = 50, before: int | None = None, about: str = "", **chosen: str) -> list[int]:
        return [one["id"] for one in history.runs(part=Part(limit=limit, before=before, about=about), **chosen)]

    assert found(state="cancelled") == [5390, 40, 3]
    assert found(state="cancelled", before=5390) == [40, 3]
    assert found(state="done", limit=3) == [5400, 5399, 5398]
    assert found(state="done", limit=2, before=41) == [39, 38]
    assert found(about="Northwind") == [5000, 39, 2]
    assert found(about="Northwind", limit=1) == [5000]
    assert found(about="Northwind", before=100) == [39, 2]
    assert found(before=4, limit=9) == [3, 2, 1]
    counted = history.counts()["runs"]
    assert counted.get("needs_attention", 0) == 0
    assert "done" not in counted  # they were made in 1970, and the week counts


def test_a_new_name_of_a_room_is_found_and_the_old_is_not(store: Store) -> None:
    for title in ("Northwind", "Southwind"):
        with store.write() as connection:
            subjects.link_runs(store, connection, [(Subject("acme", "room", "12", title), 1)])

    assert [one["title"] for one in History(store).found("wind")] == ["Southwind"]
    assert History(store).found("north") == []


async def test_retention_deletes_what_is_over_and_keeps_what_is_needed(inbox: Inbox, store: Store) -> None:
    await _statuses(inbox, event(1), event(2), event(3))
    await Ledger(store, run=1).done("copies", {"1/1": ("70", {})})
    long_ago = time.time() - 100 * 86_400
    with store.write() as connection:
        connection.execute(events.update().values(received_at=long_ago, state="parked"))
        connection.execute(events.update().where(events.c.id == 3).values(state="new"))
        connection.execute(sa.insert(runs).values(_run(1, state="done", ended_at=long_ago)))
        connection.execute(sa.insert(runs).values(_run(2, state="needs_attention", ended_at=long_ago)))
        connection.execute(sa.insert(waiting).values(_waiting(1, run_id=1)))
        connection.execute(sa.insert(waiting).values(_waiting(2, run_id=2)))
        connection.execute(
            sa.insert(steps).values(run_id=1, position=0, name="x", do="x", state="done", started_at=0.0)
        )

        retention.sweep(connection, events_days=90, runs_days=90)

    history = History(store)
    assert [one["id"] for one in history.runs()] == [2]
    assert sorted(one["id"] for one in history.events()) == [2, 3]
    assert await Ledger(store, run=2).look("copies", ["1/1"])


def _run(number: int, **changed: Any) -> dict[str, Any]:
    row = {"id": number, "automation": "a", "key": "k", "connection": "acme", "text": json.dumps({}), "gather": 100}
    return row | {"state": "done", "claims": False, "made_at": time.time()} | changed


def _waiting(number: int, **changed: Any) -> dict[str, Any]:
    row = {"automation": "a", "key": "k", "lane": "", "connection": "acme", "event_id": number, "parked_at": 0.0}
    return row | changed


def _told_by(teller: str, number: int, **changed: Any) -> Event:
    channel = {"delivery": "9", "entry": TRAIL, "conclusion": CONCLUDED}[teller]
    words = {"delivery": f"{teller} {number}", "meaning": f"{teller} {number}", "occurrence": "file.uploaded 7"}
    return event(7, **words, channel=channel, at=NOON, **changed)


async def _tell(inbox: Inbox, one: Event) -> None:
    if one.channel == "9":
        await inbox.accept([one], b"{}")
    else:
        await asyncio.to_thread(inbox.take_in, [one])


@pytest.mark.parametrize("order", list(itertools.permutations(["delivery", "entry", "conclusion"])), ids="-".join)
async def test_one_upload_that_three_tell_of_is_one_event(inbox: Inbox, store: Store, order: tuple[str, ...]) -> None:
    for teller in (*order, *order):
        await _tell(inbox, _told_by(teller, 1))

    with store.read() as db:
        accepted = db.execute(sa.select(sa.func.count()).where(events.c.status == "accepted")).scalar()
    assert accepted == 1


async def test_of_two_uploads_in_one_second_each_goes_with_its_own_entry(inbox: Inbox, store: Store) -> None:
    """A file that was deleted for good left its number to another's upload, of which nothing was delivered."""
    await _tell(inbox, _told_by("delivery", 1, actor="guest", subject="file 7 Offer.docx"))

    found = [
        _told_by("entry", 2, actor="owner", subject="file 7 Plan.xlsx"),
        _told_by("entry", 1, actor="guest", subject="file 7 Offer.docx"),
    ]
    await asyncio.to_thread(inbox.take_in, found)

    with store.read() as db:
        kept = db.execute(sa.select(events.c.actor, events.c.found != "").order_by(events.c.id)).all()
        known = recognised(db, found)
    assert [one[0] for one in kept] == ["guest", "owner"]
    assert len(set(known.values())) == 2


async def test_deliveries_that_came_late_go_with_entries_in_their_order(inbox: Inbox) -> None:
    for number, seconds in ((1, 15), (2, 45)):
        one = replace(_told_by("delivery", number), at=NOON + timedelta(seconds=seconds))
        await _tell(inbox, one)

    entries = [replace(_told_by("entry", n), at=NOON + timedelta(seconds=20 * (n - 1))) for n in (1, 2)]
    taken = await asyncio.to_thread(inbox.take_in, entries)

    assert taken.new == ()
