"""The overview: is everything well, how does each connection and each automation do."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from roomkeeper.automations.automation import listening_to
from roomkeeper.configuration.config import Config
from roomkeeper.contract.receiving import Receiving
from roomkeeper.desk.history import LATELY, History
from roomkeeper.intake.pauses import paused
from roomkeeper.running.leases import is_served
from roomkeeper.store.alerts import Alert
from roomkeeper.store.database import Store
from roomkeeper.store.moments import moment
from roomkeeper.store.tables import events, hooks, proofs, runs, trails, waiting
from roomkeeper.telemetry.metrics import budgets

Shown = dict[str, Any]
_OF_CONNECTIONS = {"outage", "webhook", "trail", "waiting", "silence", "budget", "messenger"}  # kinds of alert
_NOBODY_WORKS = "No worker runs here: what arrives is kept, and nothing is done with it until one is started."
_NAMED = 12  # runs that are shown of a kind
_DAYS = 31  # of proofs that are shown


def of(store: Store, history: History, config: Config, limits: Mapping[str, Mapping[str, int]]) -> Shown:
    """Say how things stand. Raises StoreUnavailable."""
    counts, alerts = history.counts(), history.alerts()
    stopped = [one for one in automations(store, config) if one["paused"]]
    others = [one for one in alerts if not one.key.startswith("run ")]  # runs that need a person are listed as such
    with store.read() as db:
        used = budgets(store, db, limits)
    works = is_served(store)
    return {
        "sentence": sentence(counts, len(others), stopped) if works else _NOBODY_WORKS,
        "is_well": works and not others and not counts["runs"].get("needs_attention", 0) and not counts["events_held"],
        "attention": history.runs(limit=_NAMED, state="needs_attention"),
        "at_work": [one for state in ("running", "waiting") for one in history.runs(limit=_NAMED, state=state)],
        "paused": stopped,
        "counts": counts,
        "alerts": [vars(one) for one in others],
        "connections": connections(store, config, alerts),
        "budgets": used,
    }


def sentence(counts: Mapping[str, Any], alerts: int, stopped: Sequence[Shown]) -> str:
    """Say in one sentence whether all is well."""
    stuck = counts["runs"].get("needs_attention", 0)
    if stuck:
        also = f", and {alerts} thing{'s are' if alerts > 1 else ' is'} wrong" if alerts else ""
        return f"{stuck} run{'s need' if stuck > 1 else ' needs'} a person{also}."
    if alerts:
        return f"{alerts} thing{'s are' if alerts > 1 else ' is'} wrong, and want{'' if alerts > 1 else 's'} a person."
    held = counts["events_held"]
    if held:
        return f"{held} event{'s wait' if held > 1 else ' waits'} for something to be put right; see the reasons below."
    if collected := sum(one["waiting"] for one in stopped):
        return f"{collected} event{'s wait' if collected > 1 else ' waits'} for what is paused."
    at_work = counts["runs"].get("running", 0) + counts["runs"].get("waiting", 0)
    waits = counts["events_waiting"]
    if at_work or waits:
        return f"At work: {at_work} run{'' if at_work == 1 else 's'}, {waits} event{'' if waits == 1 else 's'} waiting."
    return "All is well: everything that arrived has been dealt with."


def _newest(connection: str) -> sa.Select[Any]:
    """Choose what a connection told last; what was refused may be anybody's, and says nothing of it."""
    told = (events.c.connection == connection, events.c.status != "refused")
    newest = sa.select(events.c.received_at, events.c.type, events.c.subject).where(*told)
    return newest.order_by(events.c.id.desc()).limit(1)


def connections(store: Store, config: Config, alerts: list[Alert]) -> list[Shown]:
    """Say of each connection whether it is well, how its webhook is, and what arrived last."""
    with store.read() as db:
        hooked = {row.connection: row for row in db.execute(sa.select(hooks))}
        searched = db.execute(sa.select(trails)).all()
        shown = []
        for name, one in config.shown.items():
            last = db.execute(_newest(name)).first()
            wrong = [alert for alert in alerts if _is_about(alert, name)]
            mine = [row for row in searched if row.connection == name]
            trouble = "; ".join(row.trouble for row in mine if row.trouble)
            raised = config.catalog.connectors[one.type].raised(one.settings)
            shown.append(
                {
                    "name": name,
                    "type": one.type,
                    "is_well": not wrong and not trouble,
                    "wrong": [{"what": alert.what, "remedy": alert.remedy} for alert in wrong],
                    "listened": bool(listening_to(name, config.automations, raised)),
                    "webhook": _webhook(one.settings, hooked.get(name)),
                    "webhook_seen_at": moment(hooked[name].claimed_at or None) if name in hooked else None,
                    "searched_at": moment(max((row.searched_at or 0.0 for row in mine), default=0.0) or None),
                    "trouble": trouble,
                    "last_event_at": moment(last.received_at) if last is not None else None,
                    "last_event": f"{last.type} {last.subject}".strip() if last is not None else "",
                }
            )
    return shown


def automations(store: Store, config: Config) -> list[Shown]:
    """Say of each automation how it did lately: runs, success, time taken; what waits; whether it is paused."""
    since = time.time() - LATELY
    with store.read() as db:
        stopped = paused(db)
        # By their age, and not by an index of what they are grouped by, in which those of all times are.
        name, state = sa.func.coalesce(runs.c.automation, ""), sa.func.coalesce(runs.c.state, "")
        took = sa.func.avg(runs.c.ended_at - runs.c.started_at)
        lately = sa.select(name, state, sa.func.count(), took).where(runs.c.made_at >= since)
        rows = db.execute(lately.group_by(name, state)).all()
        newest = db.execute(sa.select(runs.c.automation, sa.func.max(runs.c.id)).group_by(runs.c.automation)).all()
        last = {row.automation: row for row in db.execute(sa.select(runs).where(runs.c.id.in_([r[1] for r in newest])))}
        parked = sa.select(waiting.c.automation, sa.func.count()).where(waiting.c.run_id.is_(None))
        waits = {row[0]: row[1] for row in db.execute(parked.group_by(waiting.c.automation))}
    shown = []
    for one in config.automations:
        counted = {state: many for name, state, many, _ in rows if name == one.name}
        usual = next((average for name, state, _, average in rows if name == one.name and state == "done"), None)
        pause = stopped.get(one.name)
        shown.append(
            {
                "name": one.name,
                "on": one.started_by,
                "paused": one.paused or pause is not None,
                "paused_by": pause.by if pause is not None else "",
                "paused_since": moment(pause.since) if pause is not None else None,
                "done": counted.get("done", 0),
                "needs_attention": counted.get("needs_attention", 0),
                "runs": sum(counted.values()),
                "seconds": float(usual) if usual is not None else None,
                "waiting": waits.get(one.name, 0),
                "last_run": last[one.name].id if one.name in last else None,
                "last_state": last[one.name].state if one.name in last else "",
                "last_at": moment(last[one.name].made_at) if one.name in last else None,
            }
        )
    return shown


def days(store: Store) -> list[Shown]:
    """List what was proved, day by day, newest first."""
    query = sa.select(proofs).order_by(proofs.c.day.desc(), proofs.c.automation)
    with store.read() as db:
        rows = db.execute(query).all()
    kept = sorted({row.day for row in rows}, reverse=True)[:_DAYS]
    return [
        {
            "day": row.day,
            "automation": row.automation,
            "made_at": moment(row.made_at),
            "counts": json.loads(row.counts),
            "complete": bool(row.complete),
            "digest": row.digest,
        }
        for row in rows
        if row.day in kept and row.digest
    ]


def _is_about(alert: Alert, connection: str) -> bool:
    kind, _, rest = alert.key.partition(" ")
    return kind in _OF_CONNECTIONS and rest.partition(" ")[0] == connection


def _webhook(settings: object, row: Any) -> str:  # noqa: ANN401 - a row of `hooks`
    """Say how deliveries arrive."""
    if isinstance(settings, Receiving) and settings.polls:
        return f"asked every {settings.poll_every:g} s; nothing is delivered"
    if row is None or not hasattr(settings, "keep_webhook"):
        return "made by hand at the service" if isinstance(settings, Receiving) else ""
    return "looked after" if row.url else "not registered, so what happens is found by searching alone"
