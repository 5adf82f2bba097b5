"""Do once what cannot be repeated: write down, look, act, look again.

For effects that a service would do twice if it were asked twice: a note, a room. The ledger's line is written before
the act; after a crash or a lost answer, the service is asked what it has before the act is tried again.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from roomkeeper import settling
from roomkeeper.contract.step import StepContext
from roomkeeper.errors import RemoteError

_LOOK_AGAIN = 1.0  # seconds between two looks for what may still be carried out
_FIRST, _LONGEST = 0.5, 60.0  # seconds between two attempts
_PATIENCE = 24 * 3600.0  # seconds


async def once(
    context: StepContext,
    scope: str,
    item: str,
    *,
    find: Callable[[], Awaitable[str | None]],
    make: Callable[[], Awaitable[str]],
    stands: Callable[[str], Awaitable[bool]] | None = None,
    is_new: bool = False,
) -> tuple[str, bool]:
    """Make what `item` stands for, unless it is there; gives what it became, and whether this call made it.

    `find` looks for it at the service and may be repeated; `make` makes it and must not be. `stands` tells whether what
    it became is still there, if it may have been removed since: then it is found or made again. `is_new` says that
    nothing can be there yet, so that the first attempt need not look. Raises RemoteError.
    """
    async with context.hold(f"{scope} {item}"):
        known = (await context.ledger.look(scope, [item])).get(item)
        if known is not None and known.done and (stands is None or await context.call(partial(stands, known.target))):
            return known.target, False
        settled_at = 0.0
        if known is not None and not known.done:
            settled_at = await settling.since_before(context, float(known.detail["asked_at"]))
        work = _Work(context, scope, item, find, make)
        target, made = await work.done(settled_at, looks=known is not None or not is_new)
        await context.ledger.done(scope, {item: (target, {})})
        return target, made


@dataclass(frozen=True)
class _Work:
    context: StepContext
    scope: str
    item: str
    find: Callable[[], Awaitable[str | None]]
    make: Callable[[], Awaitable[str]]

    async def done(self, settled_at: float, *, looks: bool) -> tuple[str, bool]:
        """Find it or make it; `settled_at` is when an earlier request for it can have no effect any more."""
        context, pause, ours = self.context, _FIRST, settled_at > 0
        began = await context.now()
        while True:
            found = await context.call(self.find) if looks else None
            if found is not None:
                return found, ours
            looks = True
            if await context.now() < settled_at:
                await context.pause(_LOOK_AGAIN)
                continue
            await context.check()
            await context.ledger.trying(self.scope, {self.item: {"asked_at": await context.now()}})
            try:
                return await self.make(), True
            except RemoteError as error:
                if not error.may_have_happened:
                    await context.ledger.undone(self.scope, [self.item])
                settled_at, ours = await settling.after_trouble(context, error), ours or error.may_have_happened
                if not error.retryable or await context.now() - began > _PATIENCE:
                    raise
                wait = max(pause, error.retry_after or 0.0)
                await context.progress(f"{error.message}; next try in {wait:.0f} s")
                await context.pause(wait)
                pause = min(_LONGEST, 2 * pause)
