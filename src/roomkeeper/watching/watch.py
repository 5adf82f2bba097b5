"""Watch: see what wants a person, and keep an alert of it; what looks after webhooks and proofs keeps its own."""

import asyncio
import time
from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa
import structlog

from roomkeeper.errors import StoreUnavailable
from roomkeeper.intake import stranded, subjects
from roomkeeper.intake.events import COMES_TO_NOTHING, PLACE_IS_GONE
from roomkeeper.running.orders import numbered
from roomkeeper.store import alerts
from roomkeeper.store.alerts import Alert
from roomkeeper.store.database import Store
from roomkeeper.store.tables import days, events, runs

log = structlog.get_logger("watch")

_EVERY = 10.0  # seconds between two looks
_SILENCE_EVERY = 300.0  # seconds: what is usual is counted from many events
_HELD = 600.0  # seconds that an event may wait for something to be put right
_NEARLY = 0.9  # of the day's writes
_DAY = 86_400.0
_USUAL_DAYS = 14  # from which it is seen what is usual
_AT_LEAST = 20  # events, over
_OVER_DAYS = 3  # days: before that, nothing is usual
_LONGER = 2.0  # times the longest pause of those days
_SHORTEST = 3600.0  # seconds: no pause below is worth a word
_MANY = 1000  # runs that are named one by one


class Watch:
    """Looks at the store only. `listened` are connections whose events automations wait for; `writes` their days'.

    `automations` and `connections` are the names of those that there are.
    """

    def __init__(
        self,
        store: Store,
        *,
        listened: Collection[str],
        writes: Mapping[str, int],
        automations: Collection[str],
        connections: Collection[str],
    ) -> None:
        self._store, self._listened, self._writes = store, sorted(listened), writes
        self._automations, self._connections = list(automations), list(connections)
        self._silence_looked = 0.0

    async def keep(self) -> None:
        """Look for ever."""
        while True:
            try:
                await asyncio.to_thread(self.look, time.time())
            except StoreUnavailable as error:
                log.warning("cannot look", reason=error.message)
            await asyncio.sleep(_EVERY)

    def look(self, now: float) -> None:
        """Open and close the alerts, as things stand. `now` is in seconds since 1970."""
        alerts.settle(self._store, "run ", self._runs(), now)
        alerts.settle(self._store, "waiting ", self._held(now), now)
        with self._store.read() as db:
            lost = stranded.wrong(db, self._automations, self._connections)
        alerts.settle(self._store, "stranded ", lost, now)
        alerts.settle(self._store, "unusable ", self._unusable(now), now)
        alerts.settle(self._store, "failed ", self._failed(now), now)
        alerts.settle(self._store, "budget ", self._spent(now), now)
        if not 0 <= now - self._silence_looked < _SILENCE_EVERY:
            self._silence_looked = now
            alerts.settle(self._store, "silence ", self._silent(now), now)

    def _runs(self) -> list[Alert]:
        query = sa.select(runs.c.id, runs.c.automation, runs.c.error, runs.c.remedy)
        with self._store.read() as db:
            rows = db.execute(query.where(runs.c.state == "needs_attention").order_by(runs.c.id).limit(_MANY)).all()
            about = subjects.briefly(db, [row.id for row in rows])
        named = {row.id: ", ".join([row.automation, *about.get(row.id, [])]) for row in rows}
        told = {row.id: f"run {row.id} ({named[row.id]}): {row.error}" for row in rows}
        return [Alert(f"run {row.id}", told[row.id], numbered(row.id, row.remedy) or "") for row in rows]

    def _held(self, now: float) -> list[Alert]:
        oldest = sa.select(events.c.connection, sa.func.min(events.c.id).label("id"), sa.func.count().label("many"))
        has_waited = sa.or_(events.c.received_at < now - _HELD, events.c.received_at > now + _HELD)  # by another clock
        is_followed = events.c.reason.startswith(PLACE_IS_GONE)  # it may have been moved out of what was deleted
        told = (events.c.state == "new", events.c.reason != "", ~is_followed, has_waited)
        found = []
        with self._store.read() as db:
            for row in db.execute(oldest.where(*told).group_by(events.c.connection)).all():
                reason = db.execute(sa.select(events.c.reason).where(events.c.id == row.id)).scalar()
                many = f"{row.many} event{'s wait' if row.many > 1 else ' waits'}"
                what, remedy = f"{row.connection}: {many}; the oldest {reason}", "Put that right; then they go on."
                found.append(Alert(f"waiting {row.connection}", what, remedy))
        return found

    def _unusable(self, now: float) -> list[Alert]:
        found = []
        for row in self._of_the_day(events.c.status == "unusable", now):
            many = "a delivery" if row.many == 1 else f"{row.many} deliveries"
            what = (
                f"{row.connection}: {many} of the last day could not be used; the newest (event {row.id}): {row.reason}"
            )
            remedy = (
                f"`roomkeeper events show {row.id}` has what was kept of it. What it was about can be started by hand "
                "(`roomkeeper start`); correct what the sender sends."
            )
            found.append(Alert(f"unusable {row.connection}", what, remedy))
        return found

    def _failed(self, now: float) -> list[Alert]:
        found = []
        is_of_nowhere = events.c.reason.startswith(PLACE_IS_GONE)  # as people mean it who delete a folder for good
        for row in self._of_the_day(sa.and_(events.c.state == COMES_TO_NOTHING, ~is_of_nowhere), now):
            many = "an event" if row.many == 1 else f"{row.many} events"
            what = (
                f"{row.connection}: {many} of the last day came to nothing; the newest (event {row.id}): {row.reason}"
            )
            remedy = (
                f"`roomkeeper events replay {row.id}` has it dispatched again. If what it was about was deleted on "
                "purpose, there is nothing to do."
            )
            found.append(Alert(f"failed {row.connection}", what, remedy))
        return found

    def _of_the_day(self, these: sa.ColumnElement[bool], now: float) -> list[Any]:
        """Find these events of the last day: of each connection the newest, why, and how many they are."""
        connection = sa.func.coalesce(
            events.c.connection, ""
        )  # not by an index of connections, in which all events are
        newest = sa.select(
            connection.label("connection"), sa.func.max(events.c.id).label("id"), sa.func.count().label("many")
        )
        counted = newest.where(these, events.c.received_at > now - _DAY).group_by(connection).subquery()
        with self._store.read() as db:
            return list(db.execute(sa.select(counted, events.c.reason).join(events, events.c.id == counted.c.id)))

    def _spent(self, now: float) -> list[Alert]:
        query = sa.select(days.c.budget, days.c.writes).where(days.c.day == int(now // _DAY))
        with self._store.read() as db:
            used = {row.budget: row.writes for row in db.execute(query)}
        return [
            Alert(
                f"budget {name}",
                f"{name}: {used[name]} of today's {most} writes are used; at the limit, work waits for tomorrow (UTC)",
                "Raise `budget` for this connection if the portal allows more.",
            )
            for name, most in sorted(self._writes.items())
            if used.get(name, 0) >= _NEARLY * most
        ]

    def _silent(self, now: float) -> list[Alert]:
        found = []
        for name in self._listened:
            last, usual = self._pauses(name, now)
            if usual is not None and now - last > max(_LONGER * usual, _SHORTEST):
                what = (
                    f"{name}: nothing received for {_spoken(now - last)}; "
                    f"the longest pause of the {_USUAL_DAYS} days before was {_spoken(usual)}"
                )
                found.append(Alert(f"silence {name}", what, "`roomkeeper doctor` tries whether events can arrive."))
        return found

    def _pauses(self, connection: str, now: float) -> tuple[float, float | None]:
        """Tell when something arrived last, and the longest pause before; None if it is too soon to tell."""
        at = events.c.received_at
        mine = (events.c.connection == connection, events.c.status != "refused", at <= now)
        before = sa.func.lag(at).over(order_by=at)
        with self._store.read() as db:
            last = db.execute(sa.select(sa.func.max(at)).where(*mine)).scalar()
            if last is None:
                return 0.0, None
            lately = sa.select(at.label("at"), before.label("before")).where(*mine, at > last - _USUAL_DAYS * _DAY)
            these = lately.subquery()
            counted = sa.select(
                sa.func.count(), sa.func.min(these.c.at), sa.func.max(these.c.at - these.c.before)
            ).select_from(these)
            many, first, longest = db.execute(counted).one()
        is_usual = many >= _AT_LEAST and last - first >= _OVER_DAYS * _DAY
        return float(last), float(longest) if is_usual else None


def _spoken(seconds: float) -> str:
    hours = seconds / 3600
    if hours >= 48:  # noqa: PLR2004 - hours that are easier said in days
        return f"{hours / 24:.1f} days"
    return f"{hours:.1f} hours" if hours >= 1 else f"{seconds / 60:.0f} minutes"
