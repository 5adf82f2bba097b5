"""Watch file operations to their end, however long that takes (facts/docspace.md 2.3)."""

import time
from collections.abc import Callable
from functools import partial

from roomkeeper.contract.step import StepContext
from roomkeeper.docspace import Operation, Portal

# Ours; DistributedTaskQueue.cs
_FIRST, _GROWTH, _LONGEST = 0.15, 1.6, 2.0  # seconds between two looks; the server drops what is not asked for in 60 s
_FURTHEST = 4.0  # seconds ahead for which an operation's own word is taken; a run that waits five is put aside (ours)
GRACE = 1.0  # seconds for the item that a vanished operation may still be at work on (ours)


async def awaited(context: StepContext, operation: str) -> Operation | None:
    """Watch an operation to its end; None if it vanished, which does not mean that it succeeded."""
    portal: Portal = context.client
    began, pause, before = time.monotonic(), _FIRST, 0
    while True:
        await context.pause(pause)
        seen = await context.call(partial(portal.operations.get, operation))
        if seen is None or seen.finished:
            return seen
        pause = next_look(time.monotonic() - began, seen.progress, before, pause)
        before = seen.progress


def next_look(taken: float, progress: int, before: int, pause: float) -> float:
    """Say in how many seconds to look again at what is `progress` per cent done after so many seconds.

    At its end, if it goes on like that; where it does not say how far it is, or has not gone on since the look
    `before`, later each time.
    """
    if before < progress < 100:  # noqa: PLR2004 - per cent
        return min(_FURTHEST, max(_FIRST, taken * (100 - progress) / progress))
    return min(_LONGEST, pause * _GROWTH)


async def quiet(context: StepContext, concerns: Callable[[Operation], bool]) -> None:
    """Wait until no operation of this account that concerns us is under way: one may have started unseen."""
    portal: Portal = context.client
    while True:
        await context.pause(GRACE)
        under_way = await context.call(portal.operations.all)
        if not any(concerns(one) for one in under_way if not one.finished):
            return
