"""Metrics: what this process counts, and what the store shows, for Prometheus.

Counters and histograms are this service's own, of all its processes; gauges are read from the store, so of several
services each gives the same (take the maximum, not the sum).
"""

import contextlib
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, values
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from roomkeeper.store import services
from roomkeeper.store.alerts import KINDS
from roomkeeper.store.database import Store
from roomkeeper.store.tables import alerts, days, events, runs, tallies, waiting

_REGISTRY = CollectorRegistry()
_CALL_TIMES = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 100)  # seconds
_STEP_TIMES = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)
_EVENT_TIMES = (1, 2.5, 5, 10, 20, 30, 60, 120, 300, 900, 3600, 21_600, 86_400)
_MINUTE = 61  # seconds, as the budget counts them
_DAY = 86_400
_SHARED = "PROMETHEUS_MULTIPROC_DIR"

DELIVERIES = Counter(
    "roomkeeper_events", "Events by what became of them; `found` ones were never delivered.", ["connection", "status"],
    registry=_REGISTRY,
)  # fmt: skip
RUNS = Counter("roomkeeper_runs_ended", "Runs that ended.", ["automation", "state"], registry=_REGISTRY)
STEPS = Histogram(
    "roomkeeper_step_seconds", "Time a step took.", ["step", "state"], buckets=_STEP_TIMES, registry=_REGISTRY
)
CALLS = Histogram(
    "roomkeeper_call_seconds",
    "Time a call to a service took; status 0: no answer.",
    ["connection", "method", "status"],
    buckets=_CALL_TIMES,
    registry=_REGISTRY,
)
VERIFIED = Histogram(
    "roomkeeper_event_to_verified_seconds",
    "From when something happened to when what was to be done about it was verified.",
    ["automation"],
    buckets=_EVENT_TIMES,
    registry=_REGISTRY,
)


#: What is read from the store: name, meaning, label.
_GAUGES = {
    "roomkeeper_events_waiting": ("Events that wait for a run.", "connection"),
    "roomkeeper_oldest_event_waiting_seconds": ("How long the oldest of them waits.", "connection"),
    "roomkeeper_runs": ("Runs that are kept, by state.", "state"),
    "roomkeeper_services": ("Processes that were seen lately, by what they do: `worker` acts, `web` answers.", "role"),
    "roomkeeper_alerts_open": ("What is wrong now, by kind.", "kind"),
    "roomkeeper_budget_calls_last_minute": ("Calls of the last minute.", "connection"),
    "roomkeeper_budget_calls_a_minute_limit": ("How many there may be.", "connection"),
    "roomkeeper_budget_writes_today": ("Writes of the day (UTC).", "connection"),
    "roomkeeper_budget_writes_a_day_limit": ("How many there may be.", "connection"),
}


@dataclass(frozen=True)
class Metric:
    """What one metric is, for the reference."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


def described() -> Iterator[Metric]:
    """Describe every metric there is."""
    for one in (DELIVERIES, RUNS, STEPS, CALLS, VERIFIED):
        (family,) = one.describe()
        name = f"{family.name}_total" if family.type == "counter" else family.name
        yield Metric(name, family.type, tuple(one._labelnames), family.documentation)  # noqa: SLF001 - nothing else has them
    for name, (meaning, label) in _GAUGES.items():
        yield Metric(name, "gauge", (label,), meaning)


def _gauge(name: str) -> GaugeMetricFamily:
    meaning, label = _GAUGES[name]
    return GaugeMetricFamily(name, meaning, labels=[label])


@contextlib.contextmanager
def shared() -> Iterator[None]:
    """Have all processes that are forked off meanwhile count together, also for those that have ended.

    The library decides at its import whether it counts so, by the environment; commands decide later.
    """
    with tempfile.TemporaryDirectory(prefix="roomkeeper-") as folder:
        os.environ[_SHARED] = folder
        values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call]
        try:
            yield
        finally:
            del os.environ[_SHARED]


def _counted() -> bytes:
    """Write what this process has counted, or all that count together."""
    if _SHARED not in os.environ:
        return generate_latest(_REGISTRY)
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return generate_latest(together)


def exposition(store: Store, limits: Mapping[str, Mapping[str, int]], connections: Iterable[str]) -> bytes:
    """Write all metrics as Prometheus reads them. `limits` are the portals' budgets. Raises StoreUnavailable."""
    whole = CollectorRegistry()
    whole.register(_Kept(store, limits, connections))
    return _counted() + generate_latest(whole)


class _Kept(Collector):
    """What the store shows just now."""

    def __init__(self, store: Store, limits: Mapping[str, Mapping[str, int]], connections: Iterable[str]) -> None:
        self._store, self._limits, self._connections = store, limits, list(connections)

    def collect(self) -> Iterator[Any]:
        """Read it."""
        with self._store.read() as db:
            yield from self._events(db)
            yield from self._runs(db)
            yield from self._budgets(db)
        yield self._services()

    def _services(self) -> GaugeMetricFamily:
        roles = [one.role for one in services.running(self._store)]
        gauge = _gauge("roomkeeper_services")
        gauge.add_metric(["worker"], sum(role in {"worker", "all"} for role in roles))
        gauge.add_metric(["web"], sum(role != "worker" for role in roles))
        return gauge

    def describe(self) -> list[Any]:
        """Nothing is fixed: it is read when it is asked for."""
        return []

    def _events(self, db: sa.Connection) -> Iterator[Any]:
        now = time.time()
        waits, oldest = _gauge("roomkeeper_events_waiting"), _gauge("roomkeeper_oldest_event_waiting_seconds")
        new = sa.select(events.c.connection, sa.func.count(), sa.func.min(events.c.received_at))
        parked = sa.select(waiting.c.connection, sa.func.count(), sa.func.min(waiting.c.parked_at))
        counted: dict[str, tuple[int, float]] = {}
        for query, column, only in (
            (new, events.c.connection, events.c.state == "new"),
            (parked, waiting.c.connection, waiting.c.run_id.is_(None)),
        ):
            for name, many, since in db.execute(query.where(only).group_by(column)):
                before = counted.get(name, (0, now))
                counted[name] = before[0] + many, min(before[1], since)
        for name in sorted({*counted, *self._connections}):
            many, since = counted.get(name, (0, now))
            waits.add_metric([name], many)
            oldest.add_metric([name], max(0.0, now - since))
        yield waits
        yield oldest

    def _runs(self, db: sa.Connection) -> Iterator[Any]:
        states = _gauge("roomkeeper_runs")
        for state, many in db.execute(sa.select(runs.c.state, sa.func.count()).group_by(runs.c.state)):
            states.add_metric([state], many)
        yield states
        wrong = _gauge("roomkeeper_alerts_open")
        kinds = dict.fromkeys(KINDS, 0)
        for key in db.execute(sa.select(alerts.c.key).where(alerts.c.closed_at.is_(None))).scalars():
            kinds[key.partition(" ")[0]] = kinds.get(key.partition(" ")[0], 0) + 1
        for kind, many in sorted(kinds.items()):
            wrong.add_metric([kind], many)
        yield wrong

    def _budgets(self, db: sa.Connection) -> Iterator[Any]:
        used = budgets(self._store, db, self._limits)
        for name in ("calls_last_minute", "calls_a_minute_limit", "writes_today", "writes_a_day_limit"):
            family = _gauge(f"roomkeeper_budget_{name}")
            for connection, one in used.items():
                family.add_metric([connection], one[name])
            yield family


def budgets(store: Store, db: sa.Connection, limits: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    """Tell how much of each portal's budget is used."""
    now = int(store.now(db))
    lately = sa.select(tallies.c.budget, sa.func.sum(tallies.c.calls)).where(tallies.c.second > now - _MINUTE)
    calls = {row[0]: int(row[1]) for row in db.execute(lately.group_by(tallies.c.budget))}
    today = sa.select(days.c.budget, days.c.writes).where(days.c.day == now // _DAY)
    writes = {row.budget: row.writes for row in db.execute(today)}
    return {
        name: {
            "calls_last_minute": calls.get(name, 0),
            "calls_a_minute_limit": limit["requests_per_minute"],
            "writes_today": writes.get(name, 0),
            "writes_a_day_limit": limit["writes_per_day"],
        }
        for name, limit in sorted(limits.items())
    }
