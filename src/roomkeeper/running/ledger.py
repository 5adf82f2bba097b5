"""The ledger: what has been done once and must not be done again.

Whoever is about to do something writes it down first (`trying`), then does it, then writes down what came of it
(`done`). After a crash or a lost answer the line says what to look for before acting again.
"""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from roomkeeper.contract.step import Entry
from roomkeeper.store.database import Store
from roomkeeper.store.tables import ledger

_MANY = 400  # items in one query; SQLite and people both prefer statements that end


class Ledger:
    """The ledger as one run sees it."""

    def __init__(self, store: Store, run: int) -> None:
        self._store, self._run = store, run

    async def look(self, scope: str, items: Sequence[str]) -> dict[str, Entry]:
        """Find the entries of these items."""

        def find(connection: sa.Connection) -> dict[str, Entry]:
            found: dict[str, Entry] = {}
            for at in range(0, len(items), _MANY):
                query = sa.select(ledger).where(ledger.c.scope == scope, ledger.c.item.in_(items[at : at + _MANY]))
                found |= {row.item: _entry(row) for row in connection.execute(query)}
            return found

        return await self._store.reading(find)

    async def of_target(self, scope: str, target: str) -> list[Entry]:
        """Find which items became this target."""
        query = sa.select(ledger).where(ledger.c.scope == scope, ledger.c.target == target)
        return await self._store.reading(lambda connection: [_entry(row) for row in connection.execute(query)])

    async def known_targets(self, scope: str, targets: Sequence[str]) -> frozenset[str]:
        """Choose those of these that items of this scope became."""

        def choose(connection: sa.Connection) -> frozenset[str]:
            found: set[str] = set()
            for at in range(0, len(targets), _MANY):
                these = ledger.c.target.in_(targets[at : at + _MANY])
                query = sa.select(ledger.c.target).where(ledger.c.scope == scope, ledger.c.done, these)
                found |= set(connection.execute(query).scalars())
            return frozenset(found)

        return await self._store.reading(choose)

    async def trying(self, scope: str, details: Mapping[str, Mapping[str, Any]]) -> None:
        """Write down, before the act, that these items are about to be done."""
        await self._put(scope, {item: ("", detail) for item, detail in details.items()}, done=False)

    async def done(self, scope: str, results: Mapping[str, tuple[str, Mapping[str, Any]]]) -> None:
        """Write down that these items are done."""
        await self._put(scope, results, done=True)

    async def undone(self, scope: str, items: Sequence[str]) -> None:
        """Take back what was only tried and did not happen."""
        if not items:
            return
        statement = sa.delete(ledger).where(
            ledger.c.scope == scope, ledger.c.item.in_(list(items)), ledger.c.done.is_(False)
        )
        await self._store.writing(lambda connection: connection.execute(statement))

    async def _put(self, scope: str, lines: Mapping[str, tuple[str, Mapping[str, Any]]], *, done: bool) -> None:
        if not lines:
            return
        now = time.time()
        rows = [
            {
                "scope": scope,
                "item": item,
                "done": done,
                "target": target,
                "detail": json.dumps(detail),
                "run_id": self._run,
                "at": now,
            }
            for item, (target, detail) in sorted(lines.items())
        ]
        statement = self._store.insert(ledger)
        changed = {name: statement.excluded[name] for name in ("done", "target", "detail", "run_id", "at")}
        upsert = statement.on_conflict_do_update(index_elements=[ledger.c.scope, ledger.c.item], set_=changed)
        await self._store.writing(lambda connection: connection.execute(upsert, rows))


def _entry(row: Any) -> Entry:  # noqa: ANN401 - a database row
    return Entry(row.item, bool(row.done), row.target, json.loads(row.detail), row.run_id)
