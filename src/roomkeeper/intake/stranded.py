"""What waits for an automation or a connection that the configuration does not have any more.

An automation that was only renamed is known by its text, which its last run kept: what waits for it, and whether it is
paused, goes to the new name, at the start. What cannot be told so is an alert, and a person decides.
"""

import time
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
import structlog

from roomkeeper.automations.automation import Automation
from roomkeeper.errors import NotThere, OrderRefused
from roomkeeper.store import actions, alerts
from roomkeeper.store.alerts import Alert
from roomkeeper.store.database import Store
from roomkeeper.store.tables import events, pauses, runs, waiting

log = structlog.get_logger("stranded")

_GIVE_IT_BACK = "that name again and have the file read anew (`roomkeeper reload`)"
_WAIT = (runs.c.state == "waiting", runs.c.claims.is_(False), runs.c.handed_over.is_(False))  # with events of their own


def take_up(store: Store, automations: Sequence[Automation]) -> None:
    """Give what waits for a renamed automation to its new name."""
    names = [one.name for one in automations]
    with store.write() as connection:
        is_held = sa.select(pauses.c.automation).where(pauses.c.automation.not_in(names))
        for old in {*_parked(connection, waiting.c.automation, names), *connection.execute(is_held).scalars()}:
            new = _renamed(connection, old, automations)
            if new is not None:
                log.info("an automation was renamed; what waits goes with it", old=old, new=new)
                _pass_on(store, connection, old, new)


def wrong(connection: sa.Connection, automations: Collection[str], connections: Collection[str]) -> list[Alert]:
    """Tell what is stranded, given the automations and the connections that there are."""
    found = []
    for name, many in _parked(connection, waiting.c.automation, automations).items():
        what = f"{_events(many)} for {name}, which the configuration does not have"
        remedy = (
            f"Give an automation {_GIVE_IT_BACK}; or "
            f"`roomkeeper events redispatch {name}` has them dispatched by the configuration as it is now."
        )
        found.append(Alert(_key(name), what, remedy))
    return [*found, *_of_connections(connection, connections), *_of_pauses(connection, automations)]


def _of_connections(connection: sa.Connection, names: Collection[str]) -> list[Alert]:
    """Tell what waits for connections that are gone: nobody dispatches their events, nobody does their runs."""
    new = sa.select(events.c.connection, sa.func.count()).where(
        events.c.state == "new", events.c.connection.not_in(list(names))
    )
    undecided = {row[0]: row[1] for row in connection.execute(new.group_by(events.c.connection))}
    parked = _parked(connection, waiting.c.connection, names)
    stopped = sa.select(runs.c.connection, runs.c.id).where(*_WAIT, runs.c.connection.not_in(list(names)))
    of_runs = _numbers(connection, stopped)
    found = []
    for name in sorted({*undecided, *parked, *of_runs}):
        many, numbers = undecided.get(name, 0) + parked.get(name, 0), of_runs.get(name, [])
        waits = " and ".join([*([_events(many)] if many else []), *([_runs(numbers)] if numbers else [])])
        let_go = [f"`roomkeeper events redispatch {name}` lets go of the events"] if many else []
        let_go += [f"{_cancel(numbers)} of the runs"] if numbers else []
        what = f"{waits} for the connection {name}, which the configuration does not have"
        found.append(Alert(_key(f"connection {name}"), what, f"Give it {_GIVE_IT_BACK}; or {', '.join(let_go)}."))
    return found


def _of_pauses(connection: sa.Connection, names: Collection[str]) -> list[Alert]:
    """Tell of runs that wait for an automation to be resumed that is gone."""
    held = sa.select(runs.c.automation, runs.c.id).where(
        *_WAIT, runs.c.automation.in_(sa.select(pauses.c.automation)), runs.c.automation.not_in(list(names))
    )
    return [
        Alert(
            _key(f"pause of {name}"),
            f"{_runs(numbers)} for {name}, which is paused, and which the configuration does not have",
            f"`roomkeeper resume {name}` lets go on what waits, {_cancel(numbers)} ends it.",
        )
        for name, numbers in _numbers(connection, held).items()
    ]


def redispatch(store: Store, name: str, automations: Collection[str], connections: Collection[str], by: str) -> int:
    """Dispatch what waits for an automation that is gone by the configuration as it is now; gives how many events.

    What waits for a connection that is gone goes nowhere by it. Raises NotThere, OrderRefused.
    """
    with store.write() as connection:
        many = _dispatched_anew(connection, name) if name not in automations else 0
        many += _let_go(connection, name) if name not in connections else 0
        if not many and (name in automations or name in connections):
            raise OrderRefused(f"{name} is in the configuration: what waits for it gets its run")
        if not many:
            raise NotThere(f"Nothing waits for {name}", remedy="`roomkeeper doctor` says what is stranded.")
        actions.record(connection, by, f"had {many} events of {name} dispatched anew", automation=name)
    for key in (_key(name), _key(f"connection {name}")):
        alerts.settle(store, key, [])
    return many


def _dispatched_anew(connection: sa.Connection, name: str) -> int:
    here = (waiting.c.automation == name, waiting.c.run_id.is_(None))
    again = {"state": "new", "reason": "", "next_try": 0.0, "tries": 0}
    these = events.c.id.in_(sa.select(waiting.c.event_id).where(*here))
    many = connection.execute(events.update().where(these).values(again)).rowcount
    connection.execute(sa.delete(waiting).where(*here))
    _cancel_without_events(connection, runs.c.automation == name)
    return many


def _let_go(connection: sa.Connection, name: str) -> int:
    """Put away the events of a connection that is gone: no automation listens to it."""
    here = (waiting.c.connection == name, waiting.c.run_id.is_(None))
    these = sa.or_(events.c.state == "new", events.c.id.in_(sa.select(waiting.c.event_id).where(*here)))
    over = {"state": "over", "reason": f"no automation listens to {name}: the configuration does not have it any more"}
    many = connection.execute(events.update().where(events.c.connection == name, these).values(over)).rowcount
    connection.execute(sa.delete(waiting).where(*here))
    _cancel_without_events(connection, runs.c.connection == name)
    return many


def _parked(connection: sa.Connection, column: sa.Column[str], names: Collection[str]) -> dict[str, int]:
    """Count the events that have no run yet, by what they wait for, if that is none of these."""
    query = sa.select(column, sa.func.count()).where(waiting.c.run_id.is_(None), column.not_in(list(names)))
    return {row[0]: row[1] for row in connection.execute(query.group_by(column))}


def _numbers(connection: sa.Connection, named: sa.Select[Any]) -> dict[str, list[int]]:
    """Read runs' numbers, the oldest first, by what they wait for."""
    found: dict[str, list[int]] = {}
    for row in connection.execute(named.order_by(runs.c.id)):
        found.setdefault(row[0], []).append(row[1])
    return found


def _events(many: int) -> str:
    return f"{many} event{'s wait' if many > 1 else ' waits'}"


def _runs(numbers: Sequence[int]) -> str:
    named = ", ".join(map(str, numbers))
    return f"runs {named} wait" if len(numbers) > 1 else f"run {named} waits"


def _cancel(numbers: Sequence[int]) -> str:
    return f"`roomkeeper runs cancel {' '.join(map(str, numbers))}`"


def _renamed(connection: sa.Connection, old: str, automations: Sequence[Automation]) -> str | None:
    """Find the one automation that is what this one was, but for its name."""
    kept = sa.select(runs.c.text).where(
        runs.c.automation == old, runs.c.undoes.is_(None), runs.c.claims | runs.c.started_at.is_not(None)
    )
    text = connection.execute(kept.order_by(runs.c.id.desc()).limit(1)).scalar()
    if text is None:
        return None
    same = [one.name for one in automations if is_but_renamed(text, one)]
    return same[0] if len(same) == 1 else None


def is_but_renamed(text: str, automation: Automation) -> bool:
    """Whether a run's text is what this automation is, whatever it was called, and whether it rested."""
    return _meaning(text) == _meaning(automation.model_dump_json(by_alias=True))


def _meaning(text: str) -> dict[str, Any]:
    """Give what an automation does, whatever it is called and whether it rests."""
    told = Automation.model_validate_json(text)  # as it is told now
    return told.model_dump(by_alias=True, mode="json", exclude={"name", "paused"})


def _pass_on(store: Store, connection: sa.Connection, old: str, new: str) -> None:
    """Move the places in the queue, the runs that wait, and the pause; who waits under the new name waits once."""
    there = sa.select(waiting.c.event_id).where(waiting.c.automation == new, waiting.c.run_id.is_(None))
    here = (waiting.c.automation == old, waiting.c.run_id.is_(None))
    connection.execute(sa.delete(waiting).where(*here, waiting.c.event_id.in_(there)))
    connection.execute(waiting.update().where(*here).values(automation=new))
    _cancel_without_events(connection, runs.c.automation == old)
    connection.execute(runs.update().where(*_WAIT, runs.c.automation == old).values(automation=new))
    held = sa.select(sa.literal(new), pauses.c.since, pauses.c.by).where(pauses.c.automation == old)
    columns = [pauses.c.automation, pauses.c.since, pauses.c.by]
    connection.execute(store.insert(pauses).from_select(columns, held).on_conflict_do_nothing())
    connection.execute(sa.delete(pauses).where(pauses.c.automation == old))


def _cancel_without_events(connection: sa.Connection, these: sa.ColumnElement[bool]) -> None:
    """Cancel the runs that were to take what now goes elsewhere."""
    mine = (these, runs.c.state == "waiting", runs.c.claims, runs.c.handed_over.is_(False))
    why = {"error": "its events went to another automation", "remedy": ""}
    over = {"state": "cancelled", "claims": False, "ended_at": time.time()}
    connection.execute(runs.update().where(*mine).values(over | why))


def _key(name: str) -> str:
    """Name the alert, so that no name begins another's."""
    return f"stranded {name} now"
