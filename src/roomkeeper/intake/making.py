"""Runs are made for what waits: one for each key that has none."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
import structlog

from roomkeeper.automations.automation import Automation
from roomkeeper.errors import StoreUnavailable
from roomkeeper.intake import pauses
from roomkeeper.store.changes import change
from roomkeeper.store.database import Store
from roomkeeper.store.tables import runs, waiting

log = structlog.get_logger("dispatch")

_ANY_WAITS = sa.select(waiting.c.id).where(waiting.c.run_id.is_(None)).limit(1)
_WITHOUT_A_RUN = (
    sa.select(waiting.c.automation, waiting.c.key, waiting.c.connection)
    .where(
        waiting.c.run_id.is_(None),
        waiting.c.automation.in_(sa.bindparam("active", expanding=True)),
        ~sa.exists().where(
            runs.c.automation == waiting.c.automation,
            runs.c.key == waiting.c.key,
            runs.c.state == "waiting",
            runs.c.claims,
        ),
    )
    .distinct()
)
_IDLE = 10.0  # seconds between two looks where nothing is, and nobody has changed anything; ours
_LOOK = 0.5  # seconds between two looks for runs to be made; an event that was parked here has one made at once
_REST = 0.5  # seconds until the store is asked again that did not answer (ours)


class Making:
    """Makes the runs; `woken` is set when something was parked."""

    def __init__(
        self,
        store: Store,
        automations: Sequence[Automation],
        gather: Callable[[Automation], int],
        on_made: Callable[[], None],
    ) -> None:
        self._store, self._automations = store, automations
        self._gather, self._on_made = gather, on_made
        self.woken = asyncio.Event()

    async def run(self) -> None:
        """Make runs until cancelled."""
        while True:
            seen, longest = self._store.version(), _LOOK
            try:
                missing = await self._store.reading(self._missing)
                longest = _IDLE if missing is None else _LOOK
                if missing:
                    await self._store.writing(self._make)
                    self._on_made()
            except StoreUnavailable as error:
                log.warning("runs wait", reason=error.message)
                await asyncio.sleep(_REST)
            await change(self._store, self.woken, seen, look=_LOOK, longest=longest)
            self.woken.clear()

    def _missing(self, connection: sa.Connection) -> Sequence[Any] | None:
        """Find the keys where events wait and no run does; None if nothing waits at all."""
        if connection.execute(_ANY_WAITS).first() is None:
            return None
        stopped = pauses.paused(connection)
        active = [one.name for one in self._automations if not one.paused and one.name not in stopped]
        return connection.execute(_WITHOUT_A_RUN, {"active": active}).all()

    def _make(self, connection: sa.Connection) -> None:
        """Make a run for each key that has none; where another process was quicker, do nothing.

        They are looked for once more: another may have made a run, and begun it, since.
        """
        active = {one.name: one for one in self._automations}
        for row in self._missing(connection) or ():
            automation = active[row.automation]
            values = {
                "automation": row.automation,
                "key": row.key,
                "connection": row.connection,
                "text": automation.model_dump_json(by_alias=True),
                "gather": self._gather(automation),
                "state": "waiting",
                "claims": True,
                "made_at": time.time(),
            }
            connection.execute(self._store.insert(runs).values(values).on_conflict_do_nothing())
