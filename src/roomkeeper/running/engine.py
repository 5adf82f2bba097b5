"""Run, step, wait: the only module that knows the engine library.

A run is one workflow per attempt. Its steps are recorded by the engine, so that a restart goes on after the last
one that finished; what a step did within itself is found again through the ledger and the portal. Runs of one key
take turns (a partition of the queue), each connection has a queue of its own, and nothing here cancels a workflow:
a cancelled run is told so and ends by itself, so its successor never overlaps with its last call
(facts/engine.md, sections 5 and 6).
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog
from dbos import DBOS, SetEnqueueOptions, SetWorkflowID
from dbos._serialization import Serializer
from sqlalchemy.exc import SQLAlchemyError

from roomkeeper.errors import StoreUnavailable
from roomkeeper.running.leases import Lease
from roomkeeper.running.walk import Walker
from roomkeeper.store.database import NOTICE, Store, durable_sqlite
from roomkeeper.store.tables import runs

log = structlog.get_logger("engine")

#: Raised by hand, together with a migration path, when the workflow below changes its order of steps (pitfall 3).
WORKFLOW_VERSION = "1"
_SCHEMA = "engine"
_POLL = (
    0.25  # seconds between two looks at a queue: each costs the processor some milliseconds, with nothing to do, too
)
_STOP = 0.1  # seconds until the library's listener, which has nothing to do here, sees that it is to stop
_CONCURRENCY = 50  # runs of one connection at work in one process
_SWEEP = 10.0  # seconds between two looks for runs that the engine has given up
_PAGE = 500  # runs looked at in one sweep
_RECOVERY_QUEUE = "_dbos_internal_queue"  # where the library puts what was on no queue
_KEPT_DAYS = 7  # of the engine's own records; ours are kept by retention
_OVER = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]


class Engine:
    """The engine of this process. `start` on the loop that serves, `stop` before it closes."""

    def __init__(self, store: Store, lease: Lease, walker: Walker, connections: Sequence[str]) -> None:
        self._store, self._lease, self._walker = store, lease, walker
        self._connections = connections
        self._sqlite: sa.Engine | None = None
        self._run: Callable[[int, int], Any] | None = None
        self._strays: set[str] = set()
        self._library: Any = None

    async def start(self) -> None:
        """Launch; runs that this process left unfinished go on at once."""
        logging.getLogger("dbos").setLevel(logging.WARNING)
        self._library = DBOS(config=self._config())  # type: ignore[arg-type]
        walker = self._walker

        @DBOS.workflow(name="run", max_recovery_attempts=1_000)
        async def run(number: int, attempt: int) -> str:
            stages: list[Any] = await DBOS.run_step_async({"name": "claim"}, walker.begin, number, attempt)
            outcome = "done"
            for stage in stages:
                positions = stage if isinstance(stage, list) else [stage]  # as an older Roomkeeper recorded it
                name = f"step {' '.join(map(str, positions))}"
                outcome = await DBOS.run_step_async({"name": name}, walker.stage, number, attempt, positions)
                if outcome not in {"done", "skipped"}:
                    break
            return await DBOS.run_step_async({"name": "end"}, walker.end, number, attempt, outcome)

        self._run = run
        DBOS.launch()
        for name in self._connections:
            await DBOS.register_queue_async(
                _queue(name),
                partition_concurrency=1,
                worker_concurrency=_CONCURRENCY,
                polling_interval_sec=_POLL,
                on_conflict="always_update",
            )

    async def stop(self) -> None:
        """Stop taking runs; those at work are taken up again by the next start, or by another process."""
        with ThreadPoolExecutor(1) as own:  # it shuts down the loop's executor, so it must not run in that
            await asyncio.get_running_loop().run_in_executor(own, partial(DBOS.destroy, destroy_registry=True))
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor())
        if self._sqlite is not None:
            self._sqlite.dispose()

    async def enqueue(self, number: int, attempt: int, connection: str, partition: str) -> None:
        """Hand a run to the engine; doing so twice is the same as once."""
        if self._run is None:
            raise StoreUnavailable("The engine has not started")
        options = SetEnqueueOptions(queue_partition_key=partition)
        with SetWorkflowID(_workflow(number, attempt)), options:
            await DBOS.enqueue_workflow_async(_queue(connection), self._run, number, attempt)

    async def recover(self, process: str) -> bool:
        """Take back what a dead process left; true once nothing of it is left.

        The library's own call logs and swallows errors, so it is repeated until no run is pending (pitfall 1).
        """
        await asyncio.to_thread(DBOS._recover_pending_workflows, [process])  # noqa: SLF001 - there is no public one
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
        self._strays = mine

    async def _name_the_given_up(self) -> None:
        old = time.time() - _SWEEP
        query = (
            sa.select(runs.c.id, runs.c.attempt)
            .where(runs.c.state.in_(["running", "waiting"]), runs.c.enqueued, runs.c.made_at < old)
            .order_by(runs.c.id)
            .limit(_PAGE)
        )
        rows = await self._store.reading(lambda connection: connection.execute(query).all())
        open_runs = {_workflow(row.id, row.attempt): row for row in rows}
        if not open_runs:
            return
        known = await DBOS.list_workflows_async(workflow_ids=list(open_runs), load_input=False, load_output=False)
        for one in known:
            if one.status in _OVER:
                row = open_runs[one.workflow_id]
                await self._walker.give_up(row.id, row.attempt, f"the engine ended it with {one.status}")
        missing = [open_runs[name].id for name in set(open_runs) - {one.workflow_id for one in known}]
        again = runs.update().where(runs.c.id.in_(missing), runs.c.state.in_(["running", "waiting"]))
        if missing:  # the engine's own database was lost or put back
            values = {"enqueued": False, "state": "waiting"}
            await self._store.writing(lambda connection: connection.execute(again.values(values)))

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
        }
        if self._store.is_embedded:
            self._sqlite = durable_sqlite(Path(self._store.where) / "engine.sqlite")
            return config | {"system_database_engine": self._sqlite}
        url = sa.make_url(self._store.where).set(drivername="postgresql+psycopg")
        url = url.update_query_dict({name: str(value) for name, value in NOTICE.items()})
        return config | {"system_database_url": url.render_as_string(hide_password=False), "sys_db_pool_size": 12}


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


def _queue(connection: str) -> str:
    return f"runs of {connection}"
