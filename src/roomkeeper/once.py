"""Do once what cannot be repeated: write down, look, act, look again.

For effects that a service would do twice if it were asked twice: a note, a room. The ledger's line is written before
the act; after a crash or a lost answer, the service is asked what it has before the act is tried again.
"""

import time
from collections.abc import Awaitable, Callable

from roomkeeper.contract.step import StepContext
from roomkeeper.errors import RemoteError

_SETTLED = 10.0  # seconds after which a request without an answer can do nothing any more
_LOOK_AGAIN = 1.0  # seconds between two looks meanwhile
_FIRST, _LONGEST = 0.5, 60.0  # seconds between two attempts
_PATIENCE = 24 * 3600.0  # seconds


async def once(
    context: StepContext,
    scope: str,
    item: str,
    *,
    find: Callable[[], Awaitable[str | None]],
    make: Callable[[], Awaitable[str]],
    may_go: bool = False,
) -> tuple[str, bool]:
    """Make what `item` stands for, unless it is there; gives what it became, and whether this call made it.

    `find` looks for it at the service and may be repeated; `make` makes it and must not be. `may_go` says that it may
    have been removed since, and is then made again. Raises RemoteError.
    """
    async with context.hold(f"{scope} {item}"):
        known = (await context.ledger.look(scope, [item])).get(item)
        if known is not None and known.done and not may_go:
            return known.target, False
        tried = known is not None and not known.done
        settled_at = float(known.detail["asked_at"]) + _SETTLED if known is not None and tried else 0.0
        target, made = await _made(context, scope, item, find=find, make=make, settled_at=settled_at)
        await context.ledger.done(scope, {item: (target, {})})
        return target, made


async def _made(
    context: StepContext,
    scope: str,
    item: str,
    *,
    find: Callable[[], Awaitable[str | None]],
    make: Callable[[], Awaitable[str]],
    settled_at: float,
) -> tuple[str, bool]:
    began, pause, ours = time.time(), _FIRST, settled_at > 0
    while True:
        found = await context.call(find)
        if found is not None:
            return found, ours
        if time.time() < settled_at:
            await context.pause(_LOOK_AGAIN)
            continue
        await context.check()
        await context.ledger.trying(scope, {item: {"asked_at": time.time()}})
        try:
            return await make(), True
        except RemoteError as error:
            if not error.may_have_happened:
                await context.ledger.undone(scope, [item])
            if not error.retryable or time.time() - began > _PATIENCE:
                raise
            settled_at, ours = (time.time() + _SETTLED, True) if error.may_have_happened else (0.0, ours)
            wait = max(pause, error.retry_after or 0.0)
            await context.progress(f"{error.message}; next try in {wait:.0f} s")
            await context.pause(wait)
            pause = min(_LONGEST, 2 * pause)
