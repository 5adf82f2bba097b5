"""Walk a run through its steps: what the engine records, as plain functions over the store.

Each of `begin`, `step` and `end` can be repeated after a crash and then goes on where it was.
"""

import asyncio
import contextlib
import json
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

import sqlalchemy as sa
import structlog
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError, to_json, to_jsonable_python

from roomkeeper.automations import template
from roomkeeper.automations.automation import Automation, Step, acts_on, stages
from roomkeeper.automations.event import Event, Place
from roomkeeper.contract.catalog import Catalog, Source
from roomkeeper.contract.step import UNFINISHED, Results, StepKind
from roomkeeper.contract.step import Ledger as StepLedger
from roomkeeper.errors import (
    COMPLETE_IT,
    ApprovalNeeded,
    RemoteError,
    RoomkeeperError,
    RunCancelled,
    StepFailed,
    StoreUnavailable,
)
from roomkeeper.intake import pauses, subjects
from roomkeeper.intake.claims import claim
from roomkeeper.intake.events import event_of
from roomkeeper.outside import cleaned
from roomkeeper.running import retrying
from roomkeeper.running.holds import hold
from roomkeeper.running.items import WIDTH, Item, Loop, forget, items_of, wrong_settings
from roomkeeper.running.leases import Lease
from roomkeeper.running.ledger import Ledger
from roomkeeper.running.orders import CANCELLED
from roomkeeper.running.outages import Outages
from roomkeeper.running.rehearsal import Dry, foretold, kind_for
from roomkeeper.store.database import Store
from roomkeeper.store.tables import OPEN, calls, events, runs, steps, waiting
from roomkeeper.telemetry import tracing
from roomkeeper.telemetry.metrics import CALLS, RUNS, STEPS, VERIFIED

log = structlog.get_logger("run")

T = TypeVar("T")
LIVE = 10  # a run with more events than this is bulk work and lets live work go first
_CALLS_KEPT_BACK = 50  # calls gathered before they are written down
_ADD_IT = "Put it back into the configuration, `roomkeeper reload`, then retry the run."
_NOT_EACH = "Give the step the whole list, if it takes one; or write it once for each."
_STORE_BACK, _STORE_BACK_LONGEST = 0.5, 10.0  # seconds
_LONG = 5.0  # seconds: a run that waits so long takes no place from others
_RANDOM = random.Random()  # noqa: S311 - spreads retries, keeps no secret
_LOOK = 1.0  # seconds between two looks whether the run was cancelled


#: Waits so many seconds.
Rest = Callable[[float], Awaitable[None]]
#: Lets a run wait without taking a place from others.
Aside = Callable[[int], contextlib.AbstractContextManager[None]]


class Walker:
    """Walks runs; one for a process."""

    def __init__(
        self,
        store: Store,
        lease: Lease,
        catalog: Catalog,
        sources: Mapping[str, Source],
        *,
        aside: Aside,
        outages: Outages,
        settle_after: float,
        rest: Rest = asyncio.sleep,
    ) -> None:
        self._store, self._lease, self._catalog, self._sources = store, lease, catalog, sources
        self._aside, self._outages, self._settle_after, self._rest = aside, outages, settle_after, rest

    async def begin(self, number: int, attempt: int) -> list[list[int]]:
        """Claim the run's events and mark it as running; returns the positions of the steps still to do, by stages."""

        def act(connection: sa.Connection) -> list[list[int]]:
            run = _run(connection, number)
            if run is None or run.attempt != attempt or run.state not in OPEN:
                return []
            if run.state == "waiting" and run.automation in set(connection.execute(pauses.names()).scalars()):
                # Given back: it is handed over anew once the automation is resumed, as another attempt.
                back = {"attempt": run.attempt + 1, "handed_over": False}
                connection.execute(runs.update().where(runs.c.id == number).values(back))
                return []
            if run.claims and not claim(self._store, connection, run):
                gone = {"state": "cancelled", "claims": False, "ended_at": time.time()}
                why = {"error": "its events went elsewhere before it began", "remedy": ""}
                connection.execute(runs.update().where(runs.c.id == number).values(gone | why))
                return []
            now = time.time()
            changed: dict[str, Any] = {"state": "running", "claims": False, "ended_at": None}
            changed |= {"started_at": now} if run.state == "waiting" or run.started_at is None else {}
            connection.execute(runs.update().where(runs.c.id == number).values(**changed, error=None, remedy=None))
            over = sa.select(steps.c.position).where(steps.c.run_id == number, steps.c.state.in_(["done", "skipped"]))
            done = set(connection.execute(over).scalars())
            doing = _automation(run).steps
            return stages([at for at in range(len(doing)) if at not in done], doing, self._is_side_by_side)

        return await _persistently(partial(self._store.writing, act))

    def _is_side_by_side(self, step: Step) -> bool:
        if step.for_each is not None:
            return False
        kinds = self._catalog.kinds(step.do).values()
        return bool(kinds) and all(kind.side_by_side for kind in kinds)

    async def stage(self, number: int, attempt: int, positions: Sequence[int]) -> str:
        """Do the steps of one stage at the same time; returns the worst state of theirs.

        If one of them closed the door, it is looked at once what came in before.
        """
        states = await asyncio.gather(*(self.step(number, attempt, position) for position in positions))
        worst = next((state for state in ("cancelled", "failed", "asks") if state in states), "done")
        return (
            worst if worst != "done" else await _persistently(partial(self._looked_again, number, attempt, positions))
        )

    async def step(self, number: int, attempt: int, position: int) -> str:
        """Do one step; returns its state. What goes wrong is written down, not raised."""
        return await _persistently(partial(self._step, number, attempt, position))

    async def _step(self, number: int, attempt: int, position: int) -> str:
        run = await self._store.reading(lambda connection: _run(connection, number))
        if run is None or run.attempt != attempt:
            return "cancelled"  # a newer attempt has it
        step = _automation(run).steps[position]
        work = self._work(run, position)
        opened = await self._store.writing(lambda connection: _open_step(connection, number, position, step))
        if opened.over is not None:
            return opened.over
        work.approved = opened.approved
        began, trace = time.monotonic(), await self._trace(number)
        with (
            structlog.contextvars.bound_contextvars(run=number, step=step.name),
            tracing.step(trace, number, step.name, step.do) as work.span,
        ):
            state, values = await self._outcome(run, step, position, work)
            await work.write_calls()
            await self._store.writing(partial(work.close, state, values))
            STEPS.labels(step.do, state).observe(time.monotonic() - began)
            log.info("step ended", state=state, error=values.get("error"))
        return state

    def _work(self, run: Any, position: int, item: str = "") -> "_Work":  # noqa: ANN401 - a row of `runs`
        return _Work(
            self._store,
            self._lease,
            run,
            position,
            item=item,
            aside=self._aside,
            settle_after=self._settle_after,
            rest=self._rest,
        )

    async def end(self, number: int, attempt: int, outcome: str) -> str:
        """Write down how the run ended."""
        state = outcome if outcome in {"done", "cancelled"} else "needs_attention"

        def act(connection: sa.Connection) -> str:
            run = _run(connection, number)
            if run is None or run.attempt != attempt or run.state != "running":
                return state
            failed = sa.select(steps).where(steps.c.run_id == number, steps.c.state.in_(["failed", "asks"]))
            fault = (
                connection.execute(failed.order_by(steps.c.position)).first() if state == "needs_attention" else None
            )
            values = {"state": state, "ended_at": time.time()}
            if state == "cancelled":
                values |= CANCELLED
            if fault is not None:
                values |= {"error": f"{fault.name}: {fault.error}", "remedy": fault.remedy}
            connection.execute(runs.update().where(runs.c.id == number).values(values))
            return state

        ended = await _persistently(partial(self._store.writing, act))
        await self._measure(number, ended)
        if ended == "needs_attention":
            log.warning("run needs a person", run=number, remedy=f"roomkeeper runs show {number}")
        else:
            log.info("run ended", run=number, state=ended)
        return ended

    async def _looked_again(self, number: int, attempt: int, positions: Sequence[int]) -> str:
        """Do the steps once more that are to hold until one of these has closed the door; returns the worst state."""
        run = await self._store.reading(lambda connection: _run(connection, number))
        if run is None or run.attempt != attempt or run.state != "running":
            return "done"
        states = await self._store.reading(partial(_states, number))
        doing, over = _automation(run).steps, {"done", "skipped"}
        closed = [at for at in positions if states.get(at) == "done" and self._is(doing[at], "closes")]
        opened = [at for at in states if self._is(doing[at], "until_closed") and any(at < later for later in closed)]
        for position in opened:
            if states[position] in over:  # else an earlier look was cut short
                here = (steps.c.run_id == number, steps.c.position == position, steps.c.state == "done")
                await self._store.writing(partial(_mark_again, here))
            state = await self.step(number, attempt, position)
            if state not in over:
                return state
        return "done"

    def _is(self, step: Step, what: str) -> bool:
        return any(getattr(kind, what) for kind in self._catalog.kinds(step.do).values())

    async def _measure(self, number: int, ended: str) -> None:
        """Count the run, and how long its events took from when they happened to when they were verified."""
        run = await self._store.reading(lambda connection: _run(connection, number))
        if run is None:
            return
        RUNS.labels(run.automation, ended).inc()
        tracing.ended(await self._trace(number), number, run.automation, ended, run.made_at)
        if ended == "done" and run.attempt == 1:
            for event in await self._store.reading(lambda connection: claimed(connection, number)):
                VERIFIED.labels(run.automation).observe(max(0.0, run.ended_at - event.at.timestamp()))

    async def _trace(self, number: int) -> str:
        """Find the trace of the delivery that a run is for, if there is one."""
        if not tracing.is_on():
            return ""
        first = sa.select(events.c.trace).join(waiting, waiting.c.event_id == events.c.id)
        first = first.where(waiting.c.run_id == number, events.c.trace != "").order_by(waiting.c.id).limit(1)
        return str(await self._store.reading(lambda connection: connection.execute(first).scalar()) or "")

    async def give_up(self, number: int, attempt: int, reason: str) -> None:
        """Mark a run that the engine will not go on with, so that it does not stay open unseen."""
        values = {
            "state": "needs_attention",
            "ended_at": time.time(),
            "error": reason,
            "remedy": f"See the log, then `roomkeeper runs retry {number}`.",
        }
        statement = runs.update().where(runs.c.id == number, runs.c.attempt == attempt, runs.c.state.in_(OPEN))
        await self._store.writing(lambda connection: connection.execute(statement.values(values)))

    async def _outcome(self, run: Any, step: Step, position: int, work: "_Work") -> tuple[str, dict[str, Any]]:  # noqa: ANN401
        """Do the step and say how it went."""
        try:
            if not await work.was_left_unfinished():
                await work.check()
            return await self._acted(run, step, position, work)
        except ApprovalNeeded as error:
            until = time.time() + error.within
            ends = datetime.fromtimestamp(until, UTC)
            remedy = f"Approve it (`roomkeeper runs approve {run.id}`) until {ends:%Y-%m-%d %H:%M} UTC, or cancel it."
            return "asks", {"error": error.message, "remedy": remedy, "ask_until": until}
        except RunCancelled:
            return "cancelled", {"error": "cancelled by hand"}
        except ValidationError as error:
            return "failed", {"error": wrong_settings(error), "remedy": COMPLETE_IT}
        except StepFailed as error:
            items = [asdict(item) for item in error.items]
            return "failed", {"error": error.message, "remedy": error.remedy, "items": items, "result": error.result}
        except StoreUnavailable:
            raise  # the step is done again once the store is back
        except RoomkeeperError as error:
            return "failed", {"error": error.message, "remedy": error.remedy}
        except Exception as error:
            log.exception("a step failed in a way nobody foresaw")
            fault = f"a fault in Roomkeeper itself: {type(error).__name__}: {error}"
            return "failed", {"error": fault, "remedy": "Report it with the log; then retry the run."}

    async def _acted(self, run: Any, step: Step, position: int, work: "_Work") -> tuple[str, dict[str, Any]]:  # noqa: ANN401
        """Do what the step says, unless its `if` leaves it out. Raises what goes wrong."""
        happened = await self._happened(run)
        variables = await self._variables(run.id, position, happened)
        if step.for_each is not None:
            through = await self._gone_through(run, step, position, work, seen=variables, happened=happened)
            return "done", {"result": through}
        if step.if_ is not None and not template.holds(step.if_, variables):
            return "skipped", {"result": {"because": f"`if: {step.if_}` is false"}}
        source = self._source(step, run.connection)
        work.ready(source, happened, partial(self._ahead, run, position, variables, happened))
        return "done", {"result": await self._done(step, variables, work, source)}

    async def _done(self, step: Step, variables: Mapping[str, Any], work: "_Work", source: Source) -> BaseModel:
        """Work out the step's settings and apply it; gives its result. Raises what goes wrong."""
        kind = kind_for(step, self._catalog, source.connector.type)
        params = kind.params.model_validate(template.render(step.with_, variables))
        work.inputs = params.model_dump(mode="json")
        work.about += subjects.of_step(work.connection, [getattr(params, name, None) for name in kind.places], {})
        return await self._applied(kind, params, work, source)

    async def _gone_through(
        self,
        run: Any,  # noqa: ANN401 - a row of `runs`
        step: Step,
        position: int,
        work: "_Work",
        *,
        seen: Mapping[str, Any],
        happened: Sequence[Event],
    ) -> Results:
        """Do the step for each item of its list. Raises StepFailed with those that failed."""
        listed = items_of(template.render(step.for_each, seen))
        source = self._source(step, run.connection)
        work.ready(source, happened, _nothing_ahead)
        work.inputs = {"for_each": step.for_each, **step.with_}

        async def do(item: Item) -> dict[str, Any] | None:
            here = {**seen, **item.variables()}
            if step.if_ is not None and not template.holds(step.if_, here):
                return None
            own = self._work(run, position, item.key)
            own.common = work.common
            own.ready(source, happened, _nothing_ahead, many=len(listed))
            try:
                result = (await self._done(step, here, own, source)).model_dump(mode="json")
            finally:
                await own.write_calls()
                work.about += own.about
            work.about += subjects.of_step(own.connection, (), result)
            return result

        width = WIDTH if kind_for(step, self._catalog, source.connector.type).side_by_side else 1
        return await Loop(self._store, run.id, position, do, work.progress, width).go_through(listed)

    async def _applied(self, kind: StepKind, params: BaseModel, work: "_Work", source: Source) -> BaseModel:
        """Apply the step; again, if its connection was out of order meanwhile. Raises StepFailed, RemoteError."""
        is_first = True
        while True:
            try:
                return await kind.apply(params, work)
            except (RemoteError, StepFailed) as error:
                trouble = error if isinstance(error, RemoteError) else error.__cause__
                if not isinstance(trouble, RemoteError):
                    raise
                if not await self._outages.outlasted(source, trouble, work, is_first=is_first):
                    raise
                is_first = False

    async def _happened(self, run: Any) -> list[Event]:  # noqa: ANN401 - a row of `runs`
        """Read the run's events; for another attempt what they are about is read again: it may be corrected now."""
        happened = await self._store.reading(lambda connection: claimed(connection, run.id))
        source = self._sources.get(run.connection)
        if run.attempt == 1 or source is None:
            return happened
        return [await _read_again(event, source) for event in happened]

    async def _variables(self, run: int, position: int, happened: Sequence[Event]) -> dict[str, Any]:
        def results(connection: sa.Connection) -> dict[str, Any]:
            here = (steps.c.run_id == run, steps.c.position < position, steps.c.state.in_(["done", "skipped"]))
            rows = connection.execute(sa.select(steps.c.name, steps.c.state, steps.c.result).where(*here))
            return {
                row.name: json.loads(row.result or "{}") if row.state == "done" else template.left_out(row.name)
                for row in rows
            }

        first = self._catalog.variables(happened[0]) if happened else {}
        return first | await self._store.reading(results)

    async def _ahead(
        self,
        run: Any,  # noqa: ANN401 - a row of `runs`
        position: int,
        variables: Mapping[str, Any],
        happened: Sequence[Event],
    ) -> list[str]:
        """Tell what the steps after this one would do, as far as that can be known."""
        automation, lines, done = _automation(run), list[str](), set[tuple[str, str]]()
        known = dict(variables)
        for later in range(position + 1, len(automation.steps)):
            step = automation.steps[later]
            context = Dry(
                Ledger(self._store, 0), self._source(step, run.connection), happened, automation, later, foretold=done
            )
            told = await foretold(step, self._catalog, known, context)
            lines += [f"{step.name}: {line}" for line in told["plan"] or [f"nothing: {told['because']}"]]
        return lines

    def _source(self, step: Step, connection: str) -> Source:
        types = {name: one.connector.type for name, one in self._sources.items()}
        name = acts_on(step, self._catalog.kinds(step.do), connection, types)
        if name is None:
            what = f"it is not clear any more which connection {step.do} acts on ({step.via or connection!r})"
            raise StepFailed(what, remedy=_ADD_IT)
        return self._sources[name]


class _Work:
    """What a step may use while it runs (contract.step.StepContext)."""

    def __init__(
        self,
        store: Store,
        lease: Lease,
        run: Any,  # noqa: ANN401 - a row of `runs`
        position: int,
        *,
        item: str,
        aside: Aside,
        settle_after: float,
        rest: Rest,
    ) -> None:
        self.run: int = run.id
        doing = _automation(run)  # its name then: what was done under it is found again, whatever it is called now
        self.task = f"{doing.name}/{doing.steps[position].name}" + (f"[{item}]" if item else "")
        self.item = item
        self.common: dict[str, Any] = {}
        self.events: Sequence[Event] = ()
        self.ledger: StepLedger = Ledger(store, run.id)
        self.client: Any = None
        self.connection = ""
        self.inputs: Mapping[str, Any] | None = None  # the step's settings, as the templates came out
        self.span: Any = None  # of the trace, if there is one
        self.about: list[subjects.Subject] = []  # what it worked on
        self._store, self._lease, self._position, self._aside, self._rest = store, lease, position, aside, rest
        self._calls: list[dict[str, Any]] = []
        self._looked, self._may_cancel = 0.0, True
        self.approved = False
        self.settle_after = settle_after
        self._ahead: Callable[[], Awaitable[list[str]]] = _nothing_ahead

    def ready(
        self, source: Source, happened: Sequence[Event], ahead: Callable[[], Awaitable[list[str]]], *, many: int = 1
    ) -> None:
        """Give the step its connection and its events; `many` is of how many items this is one."""
        self.events, self.connection, self._ahead = happened, source.name, ahead
        self.client = source.client.view(bulk=max(len(happened), many) > LIVE, observe=self._observe)

    async def now(self) -> float:
        """Tell the time by the store's clock."""
        return time.time() if self._store.is_embedded else await self._store.reading(self._store.now)

    async def call(self, make: Callable[[], Awaitable[T]]) -> T:
        """Make a call that is safe to repeat, until it succeeds or there is no sense in trying on."""
        attempts = self.attempts()
        while True:
            await self.check()
            try:
                return await make()
            except RemoteError as error:
                await attempts.failed(error)

    def attempts(self) -> "_Attempts":
        """Begin to count attempts."""
        return _Attempts(self)

    async def pause(self, seconds: float) -> None:
        """Wait, with an eye on whether the run is cancelled."""
        left = seconds
        with self._aside(self.run) if seconds >= _LONG else contextlib.nullcontext():
            while left > 0:
                await self._rest(min(left, _LOOK))
                left -= _LOOK
                await self.check()

    async def check(self) -> None:
        """Make sure that this run may still act: nobody cancelled it, and the lease is safe."""
        while not self._lease.is_safe():  # noqa: ASYNC110 - a thread renews it
            await asyncio.sleep(0.2)
        if time.monotonic() - self._looked < _LOOK:
            return
        if not self._may_cancel:
            return
        self._looked = time.monotonic()
        query = sa.select(runs.c.cancel_requested).where(runs.c.id == self.run)
        if await self._store.reading(lambda connection: connection.execute(query).scalar()):
            raise RunCancelled
        if len(self._calls) >= _CALLS_KEPT_BACK:
            await self.write_calls()

    async def was_left_unfinished(self) -> bool:
        """Whether an earlier life of this step stopped where nobody may stop; then it is not cancelled now."""
        recorded = await self.recorded()
        unfinished = isinstance(recorded, dict) and bool(recorded.get(UNFINISHED))
        self._may_cancel = not unfinished
        return unfinished

    @contextlib.contextmanager
    def to_the_end(self) -> Iterator[None]:
        """Let nobody cancel what is done within."""
        before, self._may_cancel = self._may_cancel, False
        try:
            yield
        finally:
            self._may_cancel = before

    def hold(self, name: str) -> contextlib.AbstractAsyncContextManager[None]:
        """Keep every other run from working on what bears this name."""
        return hold(self._store, f"{self.connection} {name}", self.run, self.check, partial(self._aside, self.run))

    def met(self, kind: str, number: str, title: str, *, wanted: str = "") -> None:
        """Note what it works on, in place of what the settings call it."""
        self.about = [one for one in self.about if one.title or one.number != wanted]
        self.about.append(subjects.Subject(self.connection, kind, number, title))

    async def progress(self, text: str) -> None:
        """Say how far it has come."""
        text = f"{self.item}: {text}" if self.item else text
        await self._store.writing(lambda connection: connection.execute(self._mine().values(progress=text)))

    async def record(self, plan: Any) -> None:  # noqa: ANN401 - JSON
        """Keep what is to be done. Raises StepFailed for one item of many: there is one such place for a step."""
        if self.item:
            raise StepFailed("a step that plans what it does cannot be done `for_each`", remedy=_NOT_EACH)
        written = _as_json(plan)
        await self._store.writing(lambda connection: connection.execute(self._mine().values(plan=written)))

    async def recorded(self, of: tuple[int, int] | None = None) -> Any:  # noqa: ANN401 - JSON
        """Read what was recorded."""
        run, position = of or (self.run, self._position)
        query = sa.select(steps.c.plan).where(steps.c.run_id == run, steps.c.position == position)
        plan = await self._store.reading(lambda connection: connection.execute(query).scalar())
        return json.loads(plan) if plan is not None else None

    async def ahead(self) -> list[str]:
        """Tell what the steps after this one would do."""
        return await self._ahead()

    def _mine(self) -> sa.Update:
        return steps.update().where(steps.c.run_id == self.run, steps.c.position == self._position)

    def close(self, state: str, values: Mapping[str, Any], connection: sa.Connection) -> None:
        """Write down how the step ended, and what it worked on."""
        written = {name: _written(name, value) for name, value in values.items()}
        if state == "asks":
            written["approved_at"] = None  # an earlier consent was to something else
        if state == "done":
            forget(connection, self.run, self._position)
        ended = {"state": state, "ended_at": time.time(), "progress": None, "inputs": json.dumps(self.inputs)}
        connection.execute(self._mine().values(ended | written))
        about = [*self.about, *subjects.of_step(self.connection, (), dict(values.get("result") or {}))]
        subjects.link_runs(self._store, connection, [(one, self.run) for one in dict.fromkeys(about)])

    async def write_calls(self) -> None:
        """Write down the calls made since the last time."""
        gathered, self._calls = self._calls, []
        if gathered:
            await self._store.writing(lambda connection: connection.execute(sa.insert(calls), gathered))

    def _observe(self, exchange: Any) -> None:  # noqa: ANN401 - each client has its own record of a call
        made = {"run_id": self.run, "position": self._position, "at": time.time()} | asdict(exchange)
        self._calls.append(made | {"error": cleaned(exchange.error)})
        tracing.call(self.span, self.connection, made)
        CALLS.labels(self.connection, exchange.method, str(exchange.status)).observe(exchange.milliseconds / 1000)


async def _read_again(event: Event, source: Source) -> Event:
    """Complete an event anew, if its service can be asked; it stays the same event."""
    try:
        fresh = await source.connector.complete(source.client, event)
    except RemoteError:
        return event
    return event if fresh.ignored else replace(event, facts=fresh.facts)


def claimed(connection: sa.Connection, run: int) -> list[Event]:
    """Read the events that a run has claimed, oldest first, each with its place."""
    query = (
        sa.select(events, waiting.c.place)
        .join(waiting, waiting.c.event_id == events.c.id)
        .where(waiting.c.run_id == run)
        .order_by(waiting.c.id)
    )
    return [
        event_of(row, Place.from_json(json.loads(row.place)) if row.place else None)
        for row in connection.execute(query)
    ]


def _written(name: str, value: Any) -> Any:  # noqa: ANN401 - a column's value
    if name in {"result", "items"}:
        return _as_json(value)
    return cleaned(value) if isinstance(value, str) else value


def _as_json(value: Any) -> str | bytes:  # noqa: ANN401 - whatever a step plans or comes to
    """Write models and dataclasses as they are: of an archive's plan or report a copy takes much memory."""
    try:
        return to_json(value, fallback=_told_one_by_one)
    except PydanticSerializationError:  # half a character, which only Python's own writes
        return json.dumps(to_jsonable_python(value, fallback=_told_one_by_one))


def _told_one_by_one(value: Any) -> Iterator[Any]:  # noqa: ANN401 - whatever a step tells in its own way
    if not isinstance(value, Sequence):
        raise TypeError(f"{type(value).__name__} cannot be written as JSON")
    return iter(value)


async def _nothing_ahead() -> list[str]:
    return []


async def _persistently(act: Callable[[], Awaitable[T]]) -> T:
    """Do it again until the store is there: an outage of the store is no failure of a run."""
    pause = _STORE_BACK
    while True:
        try:
            return await act()
        except StoreUnavailable as error:
            log.warning("a run waits for the store", reason=error.message)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _STORE_BACK_LONGEST)


def _states(number: int, connection: sa.Connection) -> dict[int, str]:
    """Tell the states of a run's steps, by position."""
    query = sa.select(steps.c.position, steps.c.state).where(steps.c.run_id == number)
    return {row.position: row.state for row in connection.execute(query.order_by(steps.c.position))}


def _mark_again(here: Sequence[sa.ColumnElement[bool]], connection: sa.Connection) -> None:
    connection.execute(steps.update().where(*here).values(state="again"))


def _run(connection: sa.Connection, number: int) -> Any:  # noqa: ANN401 - a row of `runs`
    return connection.execute(sa.select(runs).where(runs.c.id == number)).first()


def _automation(run: Any) -> Automation:  # noqa: ANN401 - a row of `runs`
    return Automation.model_validate_json(run.text)


@dataclass(frozen=True)
class _Opened:
    """A step as it was found: the state it ended in, if it did, and whether a person approved it."""

    over: str | None = None
    approved: bool = False


def _open_step(connection: sa.Connection, run: int, position: int, step: Step) -> _Opened:
    """Mark a step as running, unless it is over already: the engine's record of it may be lost in a crash."""
    here = sa.and_(steps.c.run_id == run, steps.c.position == position)
    row = connection.execute(sa.select(steps).where(here)).first()
    if row is not None and row.state in {"done", "skipped"}:
        return _Opened(over=str(row.state))
    values = {"name": step.name, "do": step.do, "state": "running", "started_at": time.time(), "ended_at": None}
    if row is None:
        connection.execute(sa.insert(steps).values(run_id=run, position=position, executions=1, **values))
        return _Opened()
    again = {"executions": row.executions + 1, "error": None, "remedy": None, "items": None, "progress": None}
    connection.execute(steps.update().where(here).values(values | again))
    return _Opened(approved=row.approved_at is not None)


class _Attempts:
    """Attempts of a step at one thing, and how long they have taken."""

    def __init__(self, context: _Work) -> None:
        self._context, self._many, self._began = context, 0, time.monotonic()

    async def failed(self, error: RemoteError) -> None:
        """Wait until the next one. Raises the error where there is no sense in one, RunCancelled."""
        self._many += 1
        waited = time.monotonic() - self._began
        pause = retrying.pause_after(error, attempt=self._many, waited=waited, jitter=_RANDOM.random())
        if pause is None and error.retryable:
            raise error.adding(f"tried {self._many} times over {waited / 3600:.1f} hours")
        if pause is None:
            raise error
        if self._many > 1 or pause >= _LONG:
            await self._context.progress(f"{error.message}; next try in {pause:.0f} s")
        await self._context.pause(pause)
