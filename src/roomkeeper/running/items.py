"""What `for_each` goes through: a list's items, each done once, whatever ends the process meanwhile."""

import asyncio
import hashlib
import itertools
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError

from roomkeeper.contract.step import Results
from roomkeeper.errors import ApprovalNeeded, FailedItem, RemoteError, StepFailed, TemplateError
from roomkeeper.outside import cleaned
from roomkeeper.store.database import Store
from roomkeeper.store.tables import step_items

MOST = 10_000  # items: what each came to is kept with the run (ours)
WIDTH = 8  # items at the same time, of steps that may stand side by side (ours)
_HOPELESS = 25  # failures from the first item on, after which the others are not tried (ours)
_KEY = 120  # characters of a key (ours)
_TOLD = 2.0  # seconds between two words about how far it has come (ours)
#: What belongs to one item, so that the others go on.
_ITS_OWN = (StepFailed, RemoteError, TemplateError, ValidationError, ApprovalNeeded)


@dataclass(frozen=True)
class Item:
    """One of the list: its number from 1, what it is known by from run to run, and what it is."""

    number: int
    key: str
    value: Any

    @property
    def said(self) -> str:
        """Name it for people: what it is known by, or its place in the list."""
        return f"item {self.number}" if self.key.partition(" #")[0] == _digest(self.value) else self.key

    def variables(self) -> dict[str, Any]:
        """Give what templates see of it."""
        return {"item": self.value, "number": self.number}


_NOT_THERE = (
    "See what the event holds (`roomkeeper events show`), and have its sender put the list in; or do nothing without "
    "it: `{{ … | default([], true) }}`, then `roomkeeper runs retry --as-now`."
)


def items_of(value: object) -> list[Item]:
    """Tell the items apart: by their `id`, by what they are, or by all that they say. Raises StepFailed."""
    if value in (None, ""):
        raise StepFailed("`for_each` came out empty: what it names is not there", remedy=_NOT_THERE)
    if not isinstance(value, list | tuple):
        what = f"`for_each` came out as {type(value).__name__}, and needs a list"
        raise StepFailed(what, remedy="Name a list, such as `{{ listed.files }}`; see what the steps before it give.")
    if len(value) > MOST:
        what = f"`for_each` came out with {len(value)} items, and takes {MOST}"
        raise StepFailed(what, remedy="Ask for fewer: with `where` or `most` of the step that makes the list.")
    taken, found = set[str](), list[Item]()
    for number, one in enumerate(value, start=1):
        known = _known_by(one)
        keys = itertools.chain([known], (f"{known} #{again}" for again in itertools.count(2)))
        key = next(each for each in keys if each not in taken)
        taken.add(key)
        found.append(Item(number, key, one))
    return found


def _known_by(value: object) -> str:
    named = value.get("id") if isinstance(value, Mapping) else value
    text = cleaned(str(named)) if isinstance(named, str | int) and str(named) else ""
    if text and len(text) <= _KEY:
        return text
    return _digest(value)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:24]


def forget(connection: sa.Connection, run: int, position: int | None = None) -> None:
    """Forget which items are done, of a run or of a step of it: the step is done, or is to do them all again."""
    which = [step_items.c.run_id == run, *([step_items.c.position == position] if position is not None else [])]
    connection.execute(sa.delete(step_items).where(*which))


@dataclass
class Loop:
    """A step's way through its items: what is done stays done, what fails is named, and the others go on.

    `do(item)` gives the item's result, or None where it is left out.
    """

    store: Store
    run: int
    position: int
    do: Callable[[Item], Awaitable[dict[str, Any] | None]]
    tell: Callable[[str], Awaitable[None]]
    width: int = 1
    _failed: dict[int, FailedItem] = field(default_factory=dict)
    _results: dict[int, dict[str, Any] | None] = field(default_factory=dict)
    _ended: list[Exception] = field(default_factory=list)
    _told_at: float = 0.0

    async def go_through(self, items: Sequence[Item]) -> Results:
        """Do what is not done yet. Raises StepFailed, with what was done; and what ends the whole step."""
        known = await self.store.reading(self._known)
        self._results = {one.number: known[one.key] for one in items if one.key in known}
        before, left = len(self._results), iter([one for one in items if one.key not in known])
        await asyncio.gather(*(self._work_off(left, items, before) for _ in range(self.width)))
        if self._ended:
            raise self._ended[0]
        results = Results(
            results=[self._results.get(one.number) for one in items],
            count=len(items),
            skipped=sum(one is None for one in self._results.values()),
        )
        if self._failed:
            raise self._some_failed(items, results)
        return results

    async def _work_off(self, left: Any, items: Sequence[Item], before: int) -> None:  # noqa: ANN401 - an iterator
        for item in left:
            if self._ended or self._is_hopeless():
                return
            try:
                await self._one(item)
            except Exception as error:  # noqa: BLE001 - it ends the step once the others have come to rest
                self._ended.append(error)
                return
            await self._say_how_far(len(self._results) + len(self._failed), len(items), before)

    async def _one(self, item: Item) -> None:
        try:
            result = await self.do(item)
        except _ITS_OWN as error:
            self._failed[item.number] = _failure(item, error)
        else:
            await self.store.writing(partial(self._note, item, result))
            self._results[item.number] = result

    def _known(self, connection: sa.Connection) -> dict[str, dict[str, Any] | None]:
        mine = (step_items.c.run_id == self.run, step_items.c.position == self.position)
        return {row.key: json.loads(row.result) for row in connection.execute(sa.select(step_items).where(*mine))}

    def _note(self, item: Item, result: dict[str, Any] | None, connection: sa.Connection) -> None:
        row = {"run_id": self.run, "position": self.position, "key": item.key, "result": json.dumps(result)}
        insert = self.store.insert(step_items).values(**row, at=time.time())
        connection.execute(insert.on_conflict_do_nothing())

    def _is_hopeless(self) -> bool:
        return len(self._failed) >= _HOPELESS and not self._results

    async def _say_how_far(self, done: int, of: int, before: int) -> None:
        if time.monotonic() - self._told_at < _TOLD:
            return
        self._told_at = time.monotonic()
        again = f", {before} of them before" if before else ""
        failed = f"; {len(self._failed)} failed" if self._failed else ""
        await self.tell(f"{done} of {of}{again}{failed}")

    def _some_failed(self, items: Sequence[Item], results: Results) -> StepFailed:
        failed = [self._failed[number] for number in sorted(self._failed)]
        untried = len(items) - len(self._results) - len(failed)
        what = f"{len(failed)} of {len(items)} items failed, the first, {failed[0].item}: {failed[0].reason}"
        if untried:
            what += f"; {untried} were not tried, since none had come to anything"
        return StepFailed(what, remedy=_ONLY_THOSE, items=failed, result=results.model_dump(mode="json"))


_ONLY_THOSE = "Put right what is said of each; then `roomkeeper runs retry`, which does only what is not done."


def wrong_settings(error: ValidationError) -> str:
    """Say which settings came out wrong, without what only programmers want to know."""
    said = (f"`{'.'.join(map(str, one['loc']))}` {one['msg'].removeprefix('Value error, ')}" for one in error.errors())
    return f"its settings came out wrong: {'; '.join(said)}"


def _failure(item: Item, error: Exception) -> FailedItem:
    if isinstance(error, ValidationError):
        return FailedItem(item.said, wrong_settings(error), "Correct the automation, or the item.")
    if isinstance(error, StepFailed) and error.items:
        named = "; ".join(f"{one.item}: {one.reason}" for one in error.items)
        return FailedItem(item.said, f"{error.message} ({named})", error.remedy or error.items[0].remedy)
    return FailedItem(item.said, str(error), getattr(error, "remedy", ""))
