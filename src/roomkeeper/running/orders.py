"""What people order, written to the store, so that it works beside a running service."""

import json
import re
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import sqlalchemy as sa

from roomkeeper.automations.automation import Automation
from roomkeeper.errors import NotThere, OrderRefused
from roomkeeper.intake.claims import claim
from roomkeeper.running import items
from roomkeeper.store.actions import record
from roomkeeper.store.database import Store
from roomkeeper.store.tables import OPEN, events, runs, steps, waiting

#: What a cancelled run says of itself.
CANCELLED = {"error": "cancelled by hand", "remedy": "`roomkeeper runs retry` lets it go on."}


_OF_A_RUN = re.compile(r"`(roomkeeper runs (?:retry|cancel|undo))((?: --[a-z-]+)*)`")
UNDO = "restore_files"
#: The steps whose record says where files were, so that they can go back.
MOVES = frozenset({"archive_files", "move_files"})
_CAN_BE_UNDONE = (steps.c.do.in_(MOVES), steps.c.plan.is_not(None))


def numbered(run: int, remedy: str | None) -> str | None:
    """Put the run's number into commands that need one: remedies are written before anybody has it before them."""
    return remedy and _OF_A_RUN.sub(rf"`\1 {run}\2`", remedy)


def give(
    store: Store, number: int, order: str, by: str, present: Callable[[str], Automation], *, question: str = ""
) -> int:
    """Give an order by its name; gives the run to look at then. `present` finds an automation as it is now.

    `question` is what a consent is to, as an offer has it; empty is whatever is asked now.

    Raises NotThere, OrderRefused.
    """
    if order == "undo":
        return undo(store, number, by)
    known: dict[str, Callable[[Store, int, str], object]] = {
        "retry": retry,
        "restart": restart,
        "renew": partial(renew, present=present),
        "cancel": cancel,
        "approve": partial(approve, question=question),
    }
    if order not in known:
        raise NotThere(f"There is no order {order!r}", remedy=f"There is {', '.join([*known, 'undo'])}.")
    known[order](store, number, by)
    return number


def retry(store: Store, number: int, by: str = "") -> None:
    """Let a run go on from the step that failed. Raises NotThere, OrderRefused."""
    with store.write() as connection:
        run = _run(connection, number)
        asking = sa.select(steps.c.position).where(steps.c.run_id == number, steps.c.state == "asks")
        asks = run.state == "needs_attention" and connection.execute(asking).first() is not None
        _go_on(connection, run)
        did = (
            f"had run {number} look again, and ask anew" if asks else f"retried run {number} from the step that failed"
        )
        record(connection, by, did, run=number)


def restart(store: Store, number: int, by: str = "") -> None:
    """Let a run do all its steps again, from the first; what they find done they do not do twice.

    Raises NotThere, OrderRefused.
    """
    with store.write() as connection:
        run = _run(connection, number)
        if run.state in OPEN:
            raise OrderRefused(f"Run {number} is {run.state}", remedy="Cancel it first.")
        if run.claims:
            raise OrderRefused(f"Run {number} had not begun", remedy="Retry it.")
        _refuse_undone(connection, run)
        again = {"state": "again", "approved_at": None, "ask_until": None}
        connection.execute(steps.update().where(steps.c.run_id == number).values(again))
        items.forget(connection, number)
        _wait_again(connection, run)
        record(connection, by, f"retried run {number} from the start", run=number)


def renew(store: Store, number: int, by: str = "", *, present: Callable[[str], Automation]) -> None:
    """Let a run do its steps by its automation as it is now, from the first; what they find done is not done twice.

    Raises NotThere, OrderRefused.
    """
    with store.write() as connection:
        run = _run(connection, number)
        if run.undoes is not None:
            raise OrderRefused(f"Run {number} undoes another, and is of no automation", remedy="Retry it.")
        now = present(run.automation)
        moved = sa.select(steps.c.plan).where(steps.c.run_id == number, *_CAN_BE_UNDONE)
        if any(json.loads(plan).get("folder") is not None for plan in connection.execute(moved).scalars()):
            what = f"Run {number} has archived files by the automation as it was"
            raise OrderRefused(what, remedy="Retry it as it was; or undo it, and replay its event.")
        _go_on(connection, run)
        connection.execute(runs.update().where(runs.c.id == number).values(text=now.model_dump_json(by_alias=True)))
        same = [
            sa.and_(steps.c.position == at, steps.c.name == step.name, steps.c.do == step.do)
            for at, step in enumerate(now.steps)
        ]
        connection.execute(sa.delete(steps).where(steps.c.run_id == number, sa.not_(sa.or_(*same))))
        again = {"state": "again", "approved_at": None, "ask_until": None}
        connection.execute(steps.update().where(steps.c.run_id == number).values(again))
        items.forget(connection, number)  # what it did by the automation as it was is not what it is to do now
        record(connection, by, f"retried run {number} with {run.automation} as it is now", run=number)


def question_of(position: int, executions: int) -> str:
    """Name what a step asks: it asks anew with each execution, and may then be about something else."""
    return f"{position}.{executions}"


def approve(store: Store, number: int, by: str, *, question: str = "") -> str:
    """Give consent to what a run asks for, and let it go on; gives what it asked. Raises NotThere, OrderRefused."""
    with store.write() as connection:
        run = _run(connection, number)
        asking = sa.select(steps).where(steps.c.run_id == number, steps.c.state == "asks")
        step = connection.execute(asking).first() if run.state == "needs_attention" else None
        if step is None:
            raise OrderRefused(
                f"Run {number} ({run.state}) asks for nothing",
                remedy=f"`roomkeeper runs show {number}` says how it stands.",
            )
        if question not in {"", question_of(step.position, step.executions)}:
            what = f"Run {number} has looked again since that was shown, and asks something else now: {step.error}"
            raise OrderRefused(what, remedy="Look at what it plans now, and decide then.")
        if step.ask_until < time.time():
            what = f"The time to approve run {number} is over"
            raise OrderRefused(what, remedy=f"`roomkeeper runs retry {number}` has it look again and ask anew.")
        given = {"approved_at": time.time(), "approved_by": by}
        connection.execute(steps.update().where(steps.c.run_id == number, steps.c.state == "asks").values(given))
        _go_on(connection, run)
        record(connection, by, f"approved run {number}: {step.error}", run=number)
        return str(step.error)


def undo(store: Store, number: int, by: str = "") -> int:
    """Make a run that puts back what a run archived or moved; gives its number. Raises NotThere, OrderRefused."""
    with store.write() as connection:
        run = _run(connection, number)
        if run.state in OPEN:
            raise OrderRefused(f"Run {number} is {run.state}: what is under way cannot be undone", remedy="Cancel it.")
        moved = sa.select(steps.c.position, steps.c.plan).where(steps.c.run_id == number, *_CAN_BE_UNDONE)
        rows = connection.execute(moved.order_by(steps.c.position.desc())).all()
        positions = [row.position for row in rows if json.loads(row.plan).get("folder") is not None]
        if not positions:
            raise OrderRefused(f"Run {number} moved nothing, and only archived and moved files can be put back")
        undone = undone_by(connection, number)
        if undone is not None:
            raise OrderRefused(
                f"Run {number} is undone by run {undone} already",
                remedy=f"`roomkeeper runs show {undone}`; if it could not finish, `roomkeeper runs retry {undone}`.",
            )
        text = json.loads(run.text)
        doing = [
            {"do": UNDO, "as": f"undo_{at}", "via": text["steps"][at].get("via")}
            | {"with": {"run": number, "position": at}}
            for at in positions
        ]
        values = {
            "automation": run.automation,
            "key": run.key,
            "connection": run.connection,
            "text": json.dumps(text | {"steps": doing}),
            "gather": 1,
            "state": "waiting",
            "claims": False,
            "made_at": time.time(),
            "undoes": number,
        }
        made = int(connection.execute(sa.insert(runs).values(values).returning(runs.c.id)).scalar_one())
        record(connection, by, f"undid run {number} by run {made}", run=number)
        return made


def undone_by(connection: sa.Connection, number: int) -> int | None:
    """Find the run that undid this one, or is about to."""
    undoing = sa.select(runs.c.id).where(runs.c.undoes == number, runs.c.state != "cancelled")
    return connection.execute(undoing.order_by(runs.c.id).limit(1)).scalar()


def _go_on(connection: sa.Connection, run: Any) -> None:  # noqa: ANN401 - a row of `runs`
    if run.state not in {"needs_attention", "cancelled"}:
        raise OrderRefused(
            f"Run {run.id} is {run.state}: only a run that needs attention or was cancelled can be retried"
        )
    _refuse_undone(connection, run)
    if run.claims and (other := _other_waiting(connection, run)) is not None:
        raise OrderRefused(f"Run {run.id} had not claimed its events yet; run {other} takes them")
    _wait_again(connection, run)


def _refuse_undone(connection: sa.Connection, run: Any) -> None:  # noqa: ANN401 - a row of `runs`
    """Do not do again what a person took back. Raises OrderRefused."""
    if (undone := undone_by(connection, run.id)) is not None:
        remedy = f"Replay its event to do it again; `roomkeeper runs show {run.id}` names it."
        raise OrderRefused(f"Run {run.id} was undone by run {undone}", remedy=remedy)


def _wait_again(connection: sa.Connection, run: Any) -> None:  # noqa: ANN401 - a row of `runs`
    changed: dict[str, object] = {"state": "waiting", "attempt": run.attempt + 1, "handed_over": False}
    changed |= {"cancel_requested": False, "error": None, "remedy": None, "ended_at": None}
    connection.execute(runs.update().where(runs.c.id == run.id).values(changed))


def cancel(store: Store, number: int, by: str = "") -> str:
    """Ask a run to stop before its next call; a run that has not begun or that waits for a person is over at once.

    Gives the state it has now. Raises NotThere, OrderRefused.
    """
    with store.write() as connection:
        run = _run(connection, number)
        if run.state in {"done", "cancelled"}:
            raise OrderRefused(f"Run {number} is {run.state} already")
        changed: dict[str, object] = {"cancel_requested": True}
        if run.state != "running" and run.claims:
            claim(store, connection, run)  # what waits now is cancelled with it; what comes later gets a run of its own
        has_not_begun = run.state == "waiting" and (run.claims or not run.handed_over)
        if run.state == "needs_attention" or has_not_begun:
            changed |= {"state": "cancelled", "ended_at": time.time(), "claims": False, **CANCELLED}
        connection.execute(runs.update().where(runs.c.id == number).values(changed))
        record(connection, by, f"cancelled run {number}", run=number)
        return str(changed.get("state", run.state))


def replay(store: Store, number: int, by: str = "") -> None:
    """Dispatch an event again, by the configuration as it is now. Raises NotThere, OrderRefused."""
    with store.write() as connection:
        row = connection.execute(sa.select(events).where(events.c.id == number)).first()
        if row is None:
            raise NotThere(f"There is no event {number}", remedy="`roomkeeper events list` shows those there are.")
        if row.status == "duplicate":
            raise OrderRefused(f"Event {number} is a duplicate", remedy=f"Replay event {row.duplicate_of} instead.")
        if row.status == "refused" or row.body is None:
            raise OrderRefused(f"Event {number} was refused, and what was refused is not kept")
        if row.status == "unusable":
            what = f"Event {number} says nothing that can be acted on: {row.reason}"
            raise OrderRefused(what, remedy="Start what it was about by hand: `roomkeeper start`.")
        here = sa.select(waiting.c.id).where(waiting.c.event_id == number, waiting.c.run_id.is_(None))
        if connection.execute(here).first() is not None:
            raise OrderRefused(f"Event {number} is waiting for its run already")
        twin = _accepted_twin(connection, row)
        if twin is not None:
            raise OrderRefused(f"Event {number} tells the same as event {twin}", remedy=f"Replay event {twin} instead.")
        changed = {"status": "accepted", "state": "new", "reason": "", "next_try": 0.0, "tries": 0}
        connection.execute(events.update().where(events.c.id == number).values(changed))
        record(connection, by, f"replayed event {number}", event=number)


def _accepted_twin(connection: sa.Connection, row: Any) -> int | None:  # noqa: ANN401 - a row of `events`
    """Find another event that was accepted and means the same; what is ignored is kept as often as it comes."""
    same = sa.or_(events.c.meaning == row.meaning, events.c.delivery == row.delivery)
    other = sa.select(events.c.id).where(events.c.connection == row.connection, events.c.id != row.id, same)
    return connection.execute(other.where(events.c.status == "accepted")).scalar()


def _other_waiting(connection: sa.Connection, run: Any) -> int | None:  # noqa: ANN401 - a row of `runs`
    same = (runs.c.automation == run.automation, runs.c.key == run.key)
    query = sa.select(runs.c.id).where(*same, runs.c.state == "waiting", runs.c.claims)
    return connection.execute(query).scalar()


def _run(connection: sa.Connection, number: int) -> Any:  # noqa: ANN401 - a row of `runs`
    run = connection.execute(sa.select(runs).where(runs.c.id == number).with_for_update()).first()
    if run is None:
        raise NotThere(f"There is no run {number}", remedy="`roomkeeper runs list` shows those there are.")
    return run
