"""Move files and whole folders into one folder: in batches, divided where they are refused, each awaited.

A move keeps ids, so it can be asked for again without harm: what is there already stays there, and what the next
listing still shows at its old place was not moved.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from roomkeeper.connectors.docspace.files.watching import awaited, quiet
from roomkeeper.contract.step import StepContext
from roomkeeper.docspace import EntryId, Operation, Portal
from roomkeeper.docspace.models import OperationKind
from roomkeeper.errors import (
    Forbidden,
    NotFound,
    QuotaExceeded,
    Rejected,
    RemoteError,
    RemoteFault,
    ScopeMissing,
    Unauthorized,
)

# RateLimiterSettings.cs
_AT_ONCE = 8  # titles given at the same time: half of the 15 writes that the portal takes at once (facts 7)
BATCH = 100  # the server checks each item before it answers (facts/docspace.md 2.1) (CopyPermissionsCheck.cs)
# Operations at the same time, of the 10 that a worker of the portal takes (FilesWorkerServiceExtensions.cs). Each adds
# what it moves to the folders' counts, so that none is lost by the others (AbstractQueries.cs, ChangeFilesCountAsync).
WIDTH = 4  # (ours)
_IN_VAIN = 20  # refusals of single items in a row, after which the rest is not asked for one by one (ours)
_FAULTS = 4  # 5xx after which a request is suspected itself, and divided (ours)

Kind = Literal["file", "folder"]
Item = tuple[Kind, EntryId]


class DestinationGone(Exception):
    """The folder to move into was deleted, or the account may not see it any more."""


@dataclass
class Moved:
    """What came of moving: what was refused and why, and what operations complained of. The listing is the proof."""

    refused: dict[Item, str] = field(default_factory=dict)
    complaints: dict[Item, str] = field(default_factory=dict)
    #: How many single items were refused, one after another, without anything being accepted.
    in_vain: int = 0

    def why(self, item: Item) -> str:
        """Say why an item was not moved, if the portal said so."""
        return self.refused.get(item) or self.complaints.get(item, "")


async def move(context: StepContext, items: Sequence[Item], into: EntryId, *, width: int = 1) -> Moved:
    """Move items into a folder, folders whole. Raises DestinationGone, RemoteError.

    `width` operations go on at the same time: more than one only if no two of the items have one title, for what one
    operation brings is no namesake to another. After a failure nothing more is begun.
    """
    moved, left, done = Moved(), deque(items[at : at + BATCH] for at in range(0, len(items), BATCH)), 0

    async def take_turns() -> None:
        nonlocal done
        while left:
            batch = left.popleft()
            try:
                await context.progress(f"{done} of {len(items)} moved")
                await _move_batch(context, batch, into, moved)
                done += len(batch)
            except Exception:
                left.clear()
                raise

    ended = await asyncio.gather(*(take_turns() for _ in range(width)), return_exceptions=True)
    for failed in ended:
        if failed is not None:
            raise failed
    return moved


async def rename(context: StepContext, titles: Mapping[EntryId, str]) -> dict[EntryId, str]:
    """Give files other titles, several at a time; gives those that the portal refuses, each with its reason."""
    portal: Portal = context.client
    refused: dict[EntryId, str] = {}

    async def one(file: EntryId, title: str) -> None:
        try:
            await context.call(partial(portal.files.rename, file, title))
        except (Forbidden, NotFound, Rejected) as error:
            refused[file] = error.message

    wanted = list(titles.items())
    for at in range(0, len(wanted), _AT_ONCE):
        await context.progress(f"{at} of {len(wanted)} renamed")
        await asyncio.gather(*(one(file, title) for file, title in wanted[at : at + _AT_ONCE]))
    return refused


async def is_there(context: StepContext, folder: EntryId) -> bool:
    """Whether a folder still exists where files can be put into it."""
    portal: Portal = context.client
    try:
        there = await context.call(lambda: portal.folders.get(folder))
    except (Unauthorized, ScopeMissing):
        raise
    except RemoteError as error:
        if error.status in {403, 404}:
            return False
        raise
    return not there.is_in_trash


async def _move_batch(context: StepContext, items: Sequence[Item], into: EntryId, moved: Moved) -> None:
    try:
        operation = await _asked(context, items, into)
    except (Unauthorized, ScopeMissing):
        raise
    except RemoteError as error:
        if not await is_there(context, into):
            raise DestinationGone from error
        if len(items) == 1 or moved.in_vain >= _IN_VAIN or isinstance(error, QuotaExceeded):
            moved.refused |= dict.fromkeys(items, error.message)
            moved.in_vain += 1
            return
        middle = len(items) // 2
        for half in (items[:middle], items[middle:]):
            await _move_batch(context, half, into, moved)
        return
    moved.in_vain = 0
    if operation is None:
        await quiet(context, lambda one: one.kind == OperationKind.MOVE)
        return
    ended = await awaited(context, operation.id)
    if ended is not None and ended.error:
        moved.complaints |= dict.fromkeys(items, ended.error)


async def _asked(context: StepContext, items: Sequence[Item], into: EntryId) -> Operation | None:
    """Start the operation; None if there was no answer, so that it may be under way. Raises RemoteError if refused."""
    portal: Portal = context.client
    files = [id_ for kind, id_ in items if kind == "file"]
    folders = [id_ for kind, id_ in items if kind == "folder"]
    attempts, faults = context.attempts(), 0
    while True:
        await context.check()
        try:
            return await portal.files.move(files, folders, into)
        except RemoteError as error:
            unanswered = error.may_still_happen or (error.may_have_happened and not isinstance(error, RemoteFault))
            if error.retryable and unanswered:
                return None
            faults += isinstance(error, RemoteFault) and error.may_be_of_the_request
            if faults >= _FAULTS:
                raise
            await attempts.failed(error)
