"""Alerts: what is wrong now and wants a person. Each is opened once, however often it is seen, and closed when over."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
import structlog

from roomkeeper.outside import cleaned
from roomkeeper.store.database import Store
from roomkeeper.store.tables import alerts

log = structlog.get_logger("alerts")


@dataclass(frozen=True)
class Kind:
    """A kind of alert: when it is opened, and what a person does about it."""

    when: str
    do: str


#: The kinds, by what the keys of their alerts begin with.
KINDS = {
    "run": Kind("a run failed, or asks for consent", "`roomkeeper runs show` says what to put right; then retry it"),
    "waiting": Kind(
        "events have waited ten minutes for something to be put right",
        "put right what it says: a key, a room, an outage; they go on by themselves",
    ),
    "outage": Kind(
        "a connection is out of order, and its runs wait for it",
        "put right what it says: a key, the portal; they go on by themselves",
    ),
    "stranded": Kind(
        "events or runs wait for an automation or a connection that the configuration does not have any more",
        "give it its name again, or `roomkeeper events redispatch`",
    ),
    "unusable": Kind(
        "genuine deliveries of the last day could not be used: broken, ambiguous, or too large",
        "`roomkeeper events list --status unusable` says what is wrong with each; bodies are kept, but where a live "
        "credential may be in them",
    ),
    "failed": Kind(
        "events of the last day came to nothing: what they were about, or its room, was not found for an hour",
        "`roomkeeper events show` says why; put it right and replay it (`roomkeeper events replay`)",
    ),
    "webhook": Kind(
        "a webhook is disabled, missing or refused, and cannot be mended from here",
        "do what it says; `roomkeeper webhooks repair` tries at once",
    ),
    "trail": Kind(
        "a service's own records cannot be read, or show that deliveries were missed",
        "`roomkeeper doctor` says what keeps deliveries from arriving; what was missed is taken in already",
    ),
    "proof": Kind(
        "a night's proof found what nobody can account for, or could not look",
        "`roomkeeper prove` names each line",
    ),
    "budget": Kind(
        "nine tenths of the portal's writes of the day (UTC) are used",
        "raise `budget` if the portal allows more; work goes on tomorrow",
    ),
    "silence": Kind(
        "nothing was received for twice the longest pause of the days before",
        "`roomkeeper doctor` tries whether events can arrive",
    ),
    "messenger": Kind("one of `notify: to` cannot be told", "put right its address or secret; the others are told"),
}
_LONGEST = 300  # characters of a key


@dataclass(frozen=True)
class Alert:
    """Something that is wrong: `key` tells it from others, for machines; `what` and `remedy` are for people."""

    key: str
    what: str
    remedy: str = ""


def current(store: Store) -> list[Alert]:
    """List what is wrong now, the oldest first."""
    with store.read() as connection:
        rows = connection.execute(sa.select(alerts).where(alerts.c.closed_at.is_(None)).order_by(alerts.c.id)).all()
    return [Alert(row.key, row.what, row.remedy) for row in rows]


def retain(store: Store, scope: str, kept: Sequence[str]) -> None:
    """Close what is open below a scope, but not below one of those `kept`: what is no longer looked at is over."""
    with store.write() as connection:
        below = sa.select(alerts).where(alerts.c.closed_at.is_(None), alerts.c.key.startswith(scope, autoescape=True))
        over = [row.id for row in connection.execute(below) if not row.key.startswith(tuple(kept))]
        connection.execute(alerts.update().where(alerts.c.id.in_(over)).values(closed_at=time.time()))


def settle(store: Store, scope: str, wrong: Sequence[Alert], at: float | None = None) -> None:
    """Open what is newly wrong below a scope, and close what is no longer: `scope` begins the keys of both."""
    now = time.time() if at is None else at
    current = {cleaned(one.key)[:_LONGEST]: one for one in wrong}
    below = sa.select(alerts).where(alerts.c.closed_at.is_(None), alerts.c.key.startswith(scope, autoescape=True))
    with store.read() as connection:  # mostly nothing is wrong, or still the same: no turn at writing is taken for that
        said = {row.key: (row.what, row.remedy) for row in connection.execute(below)}
    if said == {key: (cleaned(one.what), cleaned(one.remedy)) for key, one in current.items()}:
        return
    with store.write() as connection:
        known = {row.key: row for row in connection.execute(below)}
        for key in set(known) - set(current):
            connection.execute(alerts.update().where(alerts.c.id == known[key].id).values(closed_at=now))
            log.info("over", alert=known[key].what)
        for key, one in current.items():
            values = {"what": cleaned(one.what), "remedy": cleaned(one.remedy)}
            if key in known:
                if (known[key].what, known[key].remedy) != (values["what"], values["remedy"]):
                    connection.execute(alerts.update().where(alerts.c.id == known[key].id).values(values))
                continue
            row = {"key": key, **values, "opened_at": now}
            connection.execute(store.insert(alerts).values(row).on_conflict_do_nothing())
            log.warning("alert", what=one.what, remedy=one.remedy, each=True)
