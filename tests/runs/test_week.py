"""The week at a glance: its numbers are those of the store, on both kinds of it."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from roomkeeper.desk.week import Day, percentile, week
from roomkeeper.intake.inbox import BLANK
from roomkeeper.store.database import Store
from roomkeeper.store.tables import days, events, runs, waiting

NOW = datetime(2026, 3, 30, 13, 45, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 30, tzinfo=UTC).timestamp()


def arrived(
    store: Store, at: float, *, ended_after: float | None = None, state: str = "done", automations: int = 1
) -> None:
    """Put an event into the store, and the runs that it led to."""
    with store.write() as db:
        told = {"delivery": f"{at}", "meaning": f"{at}", "at": at, "received_at": at}
        row = BLANK | {"connection": "acme", "status": "accepted"} | told
        event = db.execute(sa.insert(events).values(row).returning(events.c.id)).scalar_one()
        for number in range(automations if ended_after is not None else 0):
            run: dict[str, Any] = {"automation": f"a{number}", "key": f"{at}", "connection": "acme", "text": "{}"}
            run |= {"gather": 1, "state": state, "claims": False, "made_at": at, "ended_at": at + (ended_after or 0)}
            made = db.execute(sa.insert(runs).values(run).returning(runs.c.id)).scalar_one()
            parked = {"automation": f"a{number}", "key": "k", "lane": "", "connection": "acme", "event_id": event}
            db.execute(sa.insert(waiting).values(parked | {"parked_at": at, "run_id": made}))


def test_each_day_has_what_is_its_own(store: Store) -> None:
    day = 86_400.0
    arrived(store, MIDNIGHT - 6 * day, ended_after=2.0)  # the first moment of the first day
    arrived(store, MIDNIGHT - 6 * day - 0.001, ended_after=2.0)  # a moment too early
    arrived(store, MIDNIGHT - 0.4, ended_after=8.0)  # done after midnight, and arrived before
    arrived(store, MIDNIGHT + 60, ended_after=1.0)
    arrived(store, MIDNIGHT + 61, ended_after=3.0, automations=2)  # counts once, and both runs have a time
    arrived(store, MIDNIGHT + 62, ended_after=5.0, state="needs_attention")
    arrived(store, MIDNIGHT + 63)
    with store.write() as db:
        for budget in ("a", "b"):
            db.execute(sa.insert(days).values(budget=budget, day=int(MIDNIGHT // day), writes=7))

    found = week(store, NOW)

    assert [one.date for one in found] == [f"2026-03-{number}" for number in range(24, 31)]
    assert found[0] == Day("2026-03-24", arrived=1, done=1, usual=2.0, slowest=2.0)
    assert found[1:5] == [Day(f"2026-03-{number}") for number in range(25, 29)]
    assert (found[5].arrived, found[5].done, found[5].usual) == (1, 1, 8.0)
    assert found[6] == Day("2026-03-30", arrived=4, done=2, needed=1, writes=14, usual=3.0, slowest=3.0)


def test_an_empty_store_has_a_week_too(store: Store) -> None:
    found = week(store, NOW)

    assert len(found) == 7
    assert not any(one.arrived or one.done or one.needed for one in found)
    assert found[-1].date == NOW.date().isoformat()
    assert found[0].date == (NOW - timedelta(days=6)).date().isoformat()


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.integers(1, 100))
def test_so_many_of_a_hundred_are_not_above_it(values: list[float], wanted: int) -> None:
    found = percentile(values, wanted)

    assert found in values
    assert sum(1 for one in values if one <= found) >= math.ceil(len(values) * wanted / 100)
    assert sum(1 for one in values if one < found) < math.ceil(len(values) * wanted / 100)
