"""Pauses: automations that a person stopped for a while. Events are collected meanwhile, and no run begins."""

import time
from typing import Any

import sqlalchemy as sa

from roomkeeper.automations.automation import Automation
from roomkeeper.errors import OrderRefused
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


def resume(store: Store, automation: Automation, by: str) -> None:
    """Let runs begin again, also for what came meanwhile. Raises OrderRefused."""
    if automation.paused:
        raise OrderRefused(f"{automation.name} is paused by the configuration", remedy=_IN_THE_FILE)
    with store.write() as db:
        if db.execute(sa.delete(pauses).where(pauses.c.automation == automation.name)).rowcount == 0:
            raise OrderRefused(f"{automation.name} is not paused")
        actions.record(db, by, f"resumed {automation.name}", automation=automation.name)


def names() -> sa.Select[tuple[str]]:
    """Select the names of those that are paused."""
    return sa.select(pauses.c.automation)


def paused(db: sa.Connection) -> dict[str, Any]:
    """Tell which are paused: the pause's row by the automation's name."""
    return {row.automation: row for row in db.execute(sa.select(pauses))}
