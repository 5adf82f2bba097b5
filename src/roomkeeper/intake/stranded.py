"""What waits for an automation that the configuration does not have any more.

An automation that was only renamed is known by its text, which its last run kept: what waits for it goes to the new
name, at the start. What cannot be told so is an alert, and a person decides.
"""

import time
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
import structlog

from roomkeeper.automations.automation import Automation
from roomkeeper.errors import NotThere, OrderRefused
from roomkeeper.store import actions, alerts
from roomkeeper.store.alerts import Alert
from roomkeeper.store.database import Store
from roomkeeper.store.tables import events, runs, waiting

log = structlog.get_logger("stranded")


def take_up(store: Store, automations: Sequence[Automation]) -> None:
    """Give what waits for a renamed automation to its new name."""
    with store.write() as connection:
        for old in _stranded(connection, [one.name for one in automations]):
            new = _renamed(connection, old, automations)
            if new is not None:
                log.info("an automation was renamed; what waits goes with it", old=old, new=new)
                _park_anew(connection, old, new)


def wrong(connection: sa.Connection, names: Sequence[str]) -> list[Alert]:
    """Tell what is stranded, given the automations that there are."""
    found = []
    for name, many in _stranded(connection, names).items():
        what = f"{many} event{'s wait' if many > 1 else ' waits'} for {name}, which the configuration does not have"
        remedy = (
            "Give an automation that name again and have the file read anew (`roomkeeper reload`); or "
            f"`roomkeeper events redispatch {name}` has them dispatched by the configuration as it is now."
        )
        found.append(Alert(_key(name), what, remedy))
    return found


def redispatch(store: Store, name: str, names: Sequence[str], by: str) -> int:
    """Dispatch what waits for an automation that is gone by the configuration as it is now; gives how many events.

    Raises NotThere, OrderRefused.
    """
    if name in names:
        raise OrderRefused(f"{name} is in the configuration: what waits for it gets its run")
    here = (waiting.c.automation == name, waiting.c.run_id.is_(None))
    with store.write() as connection:
        again = {"state": "new", "reason": "", "next_try": 0.0, "tries": 0}
        these = events.c.id.in_(sa.select(waiting.c.event_id).where(*here))
        many = connection.execute(events.update().where(these).values(again)).rowcount
        if not many:
            raise NotThere(f"Nothing waits for {name}", remedy="`roomkeeper doctor` says what is stranded.")
        connection.execute(sa.delete(waiting).where(*here))
        _cancel_without_events(connection, name)
        actions.record(connection, by, f"had {many} events of {name} dispatched anew", automation=name)
    alerts.settle(store, f"stranded {name} ", [])
    return many


def _stranded(connection: sa.Connection, names: Sequence[str]) -> dict[str, int]:
    query = sa.select(waiting.c.automation, sa.func.count()).where(
        waiting.c.run_id.is_(None), waiting.c.automation.not_in(list(names))
    )
    return {row[0]: row[1] for row in connection.execute(query.group_by(waiting.c.automation))}


def _renamed(connection: sa.Connection, old: str, automations: Sequence[Automation]) -> str | None:
    """Find the one automation that is what this one was, but for its name."""
    kept = sa.select(runs.c.text).where(runs.c.automation == old, runs.c.claims | runs.c.started_at.is_not(None))
    text = connection.execute(kept.order_by(runs.c.id.desc()).limit(1)).scalar()
    if text is None:
        return None
    meant = _meaning(text)
    same = [one.name for one in automations if _meaning(one.model_dump_json(by_alias=True)) == meant]
    return same[0] if len(same) == 1 else None


def _meaning(text: str) -> dict[str, Any]:
    """Give what an automation does, whatever it is called and whether it rests."""
    told = Automation.model_validate_json(text)  # as it is told now
    return told.model_dump(by_alias=True, mode="json", exclude={"name", "paused"})


def _park_anew(connection: sa.Connection, old: str, new: str) -> None:
    """Move the places in the queue; what waits there already under the new name needs no second one."""
    there = sa.select(waiting.c.event_id).where(waiting.c.automation == new, waiting.c.run_id.is_(None))
    here = (waiting.c.automation == old, waiting.c.run_id.is_(None))
    connection.execute(sa.delete(waiting).where(*here, waiting.c.event_id.in_(there)))
    connection.execute(waiting.update().where(*here).values(automation=new))
    _cancel_without_events(connection, old)


def _cancel_without_events(connection: sa.Connection, name: str) -> None:
    """Cancel the run that was to take what now goes elsewhere."""
    mine = (runs.c.automation == name, runs.c.state == "waiting", runs.c.claims, runs.c.handed_over.is_(False))
    why = {"error": "its events went to another automation", "remedy": ""}
    over = {"state": "cancelled", "claims": False, "ended_at": time.time()}
    connection.execute(runs.update().where(*mine).values(over | why))


def _key(name: str) -> str:
    """Name the alert, so that no name begins another's."""
    return f"stranded {name} now"
