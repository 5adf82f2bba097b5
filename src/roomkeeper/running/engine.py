"""Run, step, wait: the only module that knows the engine library.

A run is one workflow per attempt. Its steps are recorded by the engine, so that a restart goes on after the last
one that finished; what a step did within itself is found again through the ledger and the portal. When a run begins
is decided by `turns`, not by a queue of the library's, and nothing here cancels a workflow: a cancelled run is told so
and ends by itself, so its successor never overlaps with its last call (facts/engine.md, sections 5 and 6).
"""

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog
from dbos import DBOS, SetWorkflowID, _scheduler, _workflow_commands
from dbos._serialization import Serializer
from sqlalchemy.exc import SQLAlchemyError

from roomkeeper.errors import StoreUnavailable
from roomkeeper.running.leases import Lease
from roomkeeper.running.turns import Turn
from roomkeeper.running.walk import Walker
from roomkeeper.store.database import NOTICE, Store, address, durable_sqlite, is_damaged
from roomkeeper.store.tables import OPEN, runs

log = structlog.get_logger("engine")

#: Raised by hand, together with a migration path, when the workflow below changes its order of steps (pitfall 3).
WORKFLOW_VERSION = "1"
_SCHEMA = "engine"
_STOP = 0.1  # seconds until the library's listener and notifier, who have nothing to do here, see that they are to stop
_SELDOM = 3600.0  # seconds between two looks of the library for what there is none of here; ours
_TAKING_BACK = 3.0  # seconds in which the library looks for runs that are taken back each second, and not at each sweep
_SWEEP = 10.0  # seconds between two looks for runs that the engine has given up
_PAGE = 500  # runs looked at in one sweep
_RECOVERY_QUEUE = "_dbos_internal_queue"  # where the library puts what was on no queue
_TAKEN_UP = 100  # times that a run is taken up again whose worker ended while it was at work on it; ours
_KEPT_DAYS = 7  # of the engine's own records; ours are kept by retention
_BEGIN_ANEW = (
    "Stop the service, move this file and those beside it (`-wal`, `-shm`) aside, and start it: they are made anew. "
    "All else is in roomkeeper.sqlite; runs that were under way begin anew, and do nothing twice."
)
_TOO_OFTEN = "MAX_RECOVERY_ATTEMPTS_EXCEEDED"
_OVER = ["SUCCESS", "ERROR", "CANCELLED", _TOO_OFTEN]


class Engine:
    """The engine of this process. `start` on the loop that serves, `stop` before it closes."""

    def __init__(self, store: Store, lease: Lease, walker: Walker, on_over: Callable[[int], None]) -> None:
        self._store, self._lease, self._walker, self._on_over = store, lease, walker, on_over
        self._sqlite: sa.Engine | None = None
        self._run: Callable[[int, int], Any] | None = None
        self._strays: set[str] = set()
        self._unknown: set[tuple[int, int, str]] = set()
        self._library: Any = None
        self._expected = self._looked = 0.0

    async def start(self) -> None:
        """Launch; runs that this process left unfinished go on at once."""
        self._library = DBOS(config=self._config())  # type: ignore[arg-type]
        walker = self._walker

        @DBOS.workflow(name="run", max_recovery_attempts=_TAKEN_UP)
        async def run(number: int, attempt: int) -> str:
            try:
                stages: list[Any] = await DBOS.run_step_async({"name": "claim"}, walker.begin, number, attempt)
                outcome = "done"
                for stage in stages:
                    positions = stage if isinstance(stage, list) else [stage]  # as an older Roomkeeper recorded it
                    name = f"step {' '.join(map(str, positions))}"
                    outcome = await DBOS.run_step_async({"name": name}, walker.stage, number, attempt, positions)
                    if outcome != "done":
                        break
                return await DBOS.run_step_async({"name": "end"}, walker.end, number, attempt, outcome)
            finally:
                self._on_over(number)  # which records nothing

        self._run = run
        DBOS.listen_queues([])  # but for the library's own, by which it takes runs back
        self._launch()
        if self._store.is_embedded:  # nobody hands over runs yet, so that one look is enough
            await self._give_back(await self._unknown_runs())

    def _launch(self) -> None:
        """Have the library begin. Raises StoreUnavailable."""
        # Each look costs a thread and a statement that is put together anew; nobody at rest has either to give away.
        _workflow_commands._BACKGROUND_JOBS_INTERVAL_SEC = _SELDOM  # noqa: SLF001 - nothing here is delayed or has a deadline
        _scheduler._STARTUP_FAST_POLL_DURATION_SEC = 0.0  # noqa: SLF001 - nothing here has a schedule of the library's
        told = logging.getLogger("dbos")
        told.setLevel(logging.CRITICAL)  # what keeps it from beginning is thrown, too
        try:
            DBOS.launch()
        except SQLAlchemyError as error:
            if self._store.is_embedded and is_damaged(error):
                what = f"The file {_file(self._store)} is damaged; it holds how far the runs under way have come"
                raise StoreUnavailable(what, remedy=_BEGIN_ANEW) from error
            raise self._store.unavailable("The engine's tables cannot be opened", error) from error
        told.setLevel(logging.WARNING)
        kept = self._library._sys_db  # noqa: SLF001
        kept.list_queues = _no_queues
        kept.dequeue_scopes = self._scopes
        self._expect_runs()  # those that this process left when it ended

    def _expect_runs(self) -> None:
        """Have the library look each second: somebody is about to put runs on the queue by which it takes them back."""
        self._expected = time.monotonic() + _TAKING_BACK

    def _scopes(self, _: str) -> list[None]:
        """Say whether the library is to look on that queue now: it is empty for days, and asked each second."""
        now = time.monotonic()
        if now > self._expected and now < self._looked + _SWEEP:
            return []
        self._looked = now
        return [None]

    async def stop(self) -> None:
        """Stop taking runs; those at work are taken up again by the next start, or by another process."""
        logging.getLogger("dbos").setLevel(logging.ERROR)  # it warns of each run that is let go of, which is meant
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as own:  # the library shuts down the loop's executor, so this must not run in that
            # First, for a run taken back after the others were let go of would go on beside its successor.
            await loop.run_in_executor(own, self._take_back_no_more)
            at_work = list(self._library._workflow_tasks)  # noqa: SLF001 - what is not let go of fails when all is shut
            for task in at_work:
                task.cancel()
            await asyncio.gather(*at_work, return_exceptions=True)
            await loop.run_in_executor(own, partial(DBOS.destroy, destroy_registry=True))
        loop.set_default_executor(ThreadPoolExecutor())
        if self._sqlite is not None:
            self._sqlite.dispose()

    def _take_back_no_more(self) -> None:
        for event in self._library.background_thread_stop_events:
            event.set()
        for thread in threading.enumerate():
            if thread.name == f"queue-worker-{_RECOVERY_QUEUE}":
                thread.join()  # it has at most to begin what it has just taken

    async def begin(self, turn: Turn) -> None:
        """Begin a run's attempt; doing so twice is the same as once. Raises StoreUnavailable."""
        if self._run is None:
            raise StoreUnavailable("The engine has not started")
        with SetWorkflowID(_workflow(turn.run, turn.attempt)):
            await DBOS.start_workflow_async(self._run, turn.run, turn.attempt)

    async def recover(self, process: str) -> bool:
        """Take back what a dead process left; true once nothing of it is left.

        The library's own call logs and swallows errors, so it is repeated until no run is pending (pitfall 1).
        """
        await asyncio.to_thread(DBOS._recover_pending_workflows, [process])  # noqa: SLF001 - there is no public one
        self._expect_runs()
        left = await DBOS.list_workflows_async(status="PENDING", executor_id=process, load_input=False, limit=1)
        return not left

    async def sweep(self) -> None:
        """Look for ever for runs that the engine lost, and take them back or say so."""
        while True:
            await asyncio.sleep(_SWEEP)
            try:
                await self._take_back_strays()
                await self._name_the_given_up()
                await self._forget_old()
            except (StoreUnavailable, SQLAlchemyError) as error:
                log.warning("cannot sweep", reason=str(error))

    async def _take_back_strays(self) -> None:
        """Recover runs that are marked as pending and that nobody works on.

        Either their process is not alive (it may have claimed one between its death warrant and its end), or it is
        this one, and the record of a step could not be written, so that the library let go of the run.
        """
        pending = await DBOS.list_workflows_async(status="PENDING", load_input=False, load_output=False)
        alive = await asyncio.to_thread(self._lease.alive)
        working = set(self._library._active_workflows_set.activeList())  # noqa: SLF001
        mine = {one.workflow_id for one in pending if one.executor_id == self._lease.id} - working
        for process in {str(one.executor_id) for one in pending} - alive - {self._lease.id}:
            await self.recover(process)
        for workflow in mine & self._strays:
            log.warning("a run was let go; it is taken up again", workflow=workflow)
            await asyncio.to_thread(
                self._library._sys_db.reenqueue_for_recovery,  # noqa: SLF001 - there is no public one for one run
                workflow,
                [self._lease.id],
                _RECOVERY_QUEUE,
            )
            self._expect_runs()
        self._strays = mine

    async def _name_the_given_up(self) -> None:
        open_runs = await self._open_runs()
        for one in await self._known(open_runs):
            if one.status in _OVER:
                row = open_runs[one.workflow_id]
                why = f"the engine ended it with {one.status}"
                if one.status == _TOO_OFTEN:
                    why = f"a worker ended {_TAKEN_UP} times while this was under way; the log says why"
                await self._walker.give_up(row.id, row.attempt, why)
        unknown = await self._unknown_runs()
        # What was handed over a moment ago may not be written down yet: twice unknown is unknown.
        await self._give_back(unknown & self._unknown)
        self._unknown = unknown

    async def _unknown_runs(self) -> set[tuple[int, int, str]]:
        """Find runs that the engine should have and does not: a crash between the two, or its own database was lost."""
        open_runs = await self._open_runs()
        known = {one.workflow_id for one in await self._known(open_runs)}
        return {(row.id, row.attempt, row.state) for name, row in open_runs.items() if name not in known}

    async def _open_runs(self) -> dict[str, Any]:
        query = (
            sa.select(runs.c.id, runs.c.attempt, runs.c.state)
            .where(runs.c.state.in_(OPEN), runs.c.handed_over)
            .order_by(runs.c.id)
            .limit(_PAGE)
        )
        rows = await self._store.reading(lambda connection: connection.execute(query).all())
        return {_workflow(row.id, row.attempt): row for row in rows}

    async def _known(self, open_runs: Mapping[str, Any]) -> Sequence[Any]:
        if not open_runs:
            return []
        return await DBOS.list_workflows_async(workflow_ids=list(open_runs), load_input=False, load_output=False)

    async def _give_back(self, unknown: Collection[tuple[int, int, str]]) -> None:
        """Have runs wait for their turns again that are still as they were seen."""

        def act(connection: sa.Connection) -> None:
            for number, attempt, state in unknown:
                same = (runs.c.id == number, runs.c.attempt == attempt, runs.c.state == state, runs.c.handed_over)
                again = runs.update().where(*same).values(handed_over=False, state="waiting", attempt=attempt + 1)
                connection.execute(again)

        if unknown:
            await self._store.writing(act)

    async def _forget_old(self) -> None:
        before = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - _KEPT_DAYS * 86_400))
        old = await DBOS.list_workflows_async(
            status=_OVER, completed_before=before, limit=500, load_input=False, load_output=False
        )
        if old:
            await DBOS.delete_workflows_async([one.workflow_id for one in old])

    def _config(self) -> Mapping[str, Any]:
        config: dict[str, Any] = {
            "name": "roomkeeper",
            "application_version": WORKFLOW_VERSION,
            "executor_id": self._lease.id,
            "serializer": JsonSerializer(),
            "max_executor_threads": 64,
            "dbos_system_schema": _SCHEMA,
            "log_level": "WARNING",
            "notification_listener_polling_interval_sec": _STOP,
            "notification_coalesce_sec": _STOP,
            "scheduler_polling_interval_sec": _SELDOM,
        }
        if self._store.is_embedded:
            self._sqlite = durable_sqlite(_file(self._store))
            return config | {"system_database_engine": self._sqlite}
        return config | {"system_database_url": _url(self._store), "sys_db_pool_size": 12}


def make_tables(store: Store) -> None:
    """Make the engine's own tables, which it makes itself when it starts."""
    DBOS.migrate(f"sqlite:///{_file(store)}" if store.is_embedded else _url(store), schema=_SCHEMA)


def _no_queues(*, application_name: str | None) -> list[Any]:  # noqa: ARG001 - as the library calls it
    """List the queues that are kept in the database: none, `turns` decides when a run begins."""
    return []


def _file(store: Store) -> Path:
    return Path(store.where) / "engine.sqlite"


def _url(store: Store) -> str:
    url = address(store.where).set(drivername="postgresql+psycopg")
    url = url.update_query_dict({name: str(value) for name, value in NOTICE.items()})
    return url.render_as_string(hide_password=False)


class JsonSerializer(Serializer):
    """JSON instead of pickle: it outlives renamed classes, and nobody can plant code in it (pitfall 11)."""

    def serialize(self, data: Any) -> str:  # noqa: ANN401 - the library's signature
        """Write it down."""
        return json.dumps(data, default=_error_as_json)

    def deserialize(self, serialized_data: str) -> Any:  # noqa: ANN401
        """Read it back; an error comes back as one."""
        data = json.loads(serialized_data)
        if isinstance(data, dict) and _ERROR in data:
            return RuntimeError(data[_ERROR])
        return data

    def name(self) -> str:
        """Say which serialiser wrote a row."""
        return "roomkeeper_json"


_ERROR = "__error__"


def _error_as_json(value: object) -> object:
    if isinstance(value, BaseException):
        return {_ERROR: f"{type(value).__name__}: {value}"}
    raise TypeError(f"{type(value).__name__} does not go into the engine's records")


def _workflow(number: int, attempt: int) -> str:
    """Sortable, so that runs made in one moment keep their order (pitfall 4)."""
    return f"{number:012d}:{attempt}"
