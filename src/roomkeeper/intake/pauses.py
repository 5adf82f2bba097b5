"""Pauses: automations that a person stopped for a while. Events are collected meanwhile, and no run begins."""

import time
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from roomkeeper.automations.automation import Automation
from roomkeeper.errors import NotThere, OrderRefused
from roomkeeper.store import actions
from roomkeeper.store.database import Store
from roomkeeper.store.tables import pauses

_IN_THE_FILE = "Take `paused: true` out of the configuration and have it read anew (`roomkeeper reload`)."


def pause(store: Store, automation: Automation, by: str) -> None:
    """Let no run of it begin; those at work go on. Raises OrderRefused."""
    if automation.paused:
        raise OrderRefused(f"{automation.name} is paused by the configuration already", remedy=_IN_THE_FILE)
    with store.write() as db:
        row = {"automation": automation.name, "since": time.time(), "by": by}
        made = db.execute(
            store.insert(pauses).values(row).on_conflict_do_nothing().returning(pauses.c.automation)
        ).first()
        if made is None:
            raise OrderRefused(f"{automation.name} is paused already")
        actions.record(db, by, f"paused {automation.name}", automation=automation.name)


def resume(store: Store, name: str, by: str, find: Callable[[str], Automation | None]) -> None:
    """Let runs begin again, also for what came meanwhile. `find` finds an automation as it is now.

    One that is gone is resumed for the runs that it has left. Raises NotThere, OrderRefused.
    """
    automation = find(name)
    if automation is not None and automation.paused:
        raise OrderRefused(f"{name} is paused by the configuration", remedy=_IN_THE_FILE)
    with store.write() as db:
        if db.execute(sa.delete(pauses).where(pauses.c.automation == name)).rowcount == 0:
            if automation is None:
                raise NotThere(f"There is no automation {name!r}, and none of that name is paused")
            raise OrderRefused(f"{name} is not paused")
        actions.record(db, by, f"resumed {name}", automation=name)


def names() -> sa.Select[tuple[str]]:
    """Select the names of those that are paused."""
    return sa.select(pauses.c.automation)


def paused(db: sa.Connection) -> dict[str, Any]:
    """Tell which are paused: the pause's row by the automation's name."""
    return {row.automation: row for row in db.execute(sa.select(pauses))}
