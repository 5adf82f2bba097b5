"""Do once what cannot be repeated: write down, look, act, look again.

For effects that a service would do twice if it were asked twice: a note, a room. The ledger's line is written before
the act; after a crash or a lost answer, the service is asked what it has before the act is tried again. If what was
asked for first appears after all, later than a service may take, there are two: then the one that was made last is
taken back as long as it is empty, or both are named.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from roomkeeper import settling
from roomkeeper.contract.step import StepContext
from roomkeeper.errors import RemoteError, RemoteFault

_FAULTS = 30  # 5xx after which the request itself is what it stumbles over: a quarter of an hour (ours)
_LOOK_AGAIN = 1.0  # seconds between two looks for what may still be carried out


@dataclass(frozen=True)
class Made:
    """What there is now, whether this call made it, and what appeared beside it and could not be taken back."""

    target: str
    here: bool
    twins: tuple[str, ...] = ()


async def once(
    context: StepContext,
    scope: str,
    item: str,
    *,
    find: Callable[[], Awaitable[Sequence[str]]],
    make: Callable[[], Awaitable[str]],
    drop: Callable[[str], Awaitable[bool]] | None = None,
    stands: Callable[[str], Awaitable[bool]] | None = None,
    is_new: bool = False,
) -> Made:
    """Make what `item` stands for, unless it is there.

    `find` lists all that may be it at the service, the one that counts first, and may be repeated; `make` makes it and
    must not be. `drop` takes back what was made a moment ago, and tells whether it is gone: what has something in it
    stays. It may be repeated.
    `stands` tells whether what it became is still there, if it may have been removed since: then it is found or made
    again. `is_new` says that nothing can be there yet, so that the first attempt need not look. Raises RemoteError.
    """
    async with context.hold(f"{scope} {item}"):
        known = (await context.ledger.look(scope, [item])).get(item)
        if known is not None and known.done and (stands is None or await context.call(partial(stands, known.target))):
            return Made(known.target, here=False)
        settled_at = 0.0
        if known is not None and not known.done:
            settled_at = await settling.since_before(context, float(known.detail["asked_at"]))
        work = _Work(context, scope, item, find, make, drop)
        made = await work.done(settled_at, looks=known is not None or not is_new)
        await context.ledger.done(scope, {item: (made.target, {"twins": made.twins} if made.twins else {})})
        return made


@dataclass(frozen=True)
class _Work:
    context: StepContext
    scope: str
    item: str
    find: Callable[[], Awaitable[Sequence[str]]]
    make: Callable[[], Awaitable[str]]
    drop: Callable[[str], Awaitable[bool]] | None

    async def done(self, settled_at: float, *, looks: bool) -> Made:
        """Find it or make it; `settled_at` is when an earlier request for it can have no effect any more."""
        context, attempts, faults, ours = self.context, self.context.attempts(), 0, settled_at > 0
        while True:
            found = await context.call(self.find) if looks else ()
            if found:
                return Made(found[0], here=ours, twins=tuple(found[1:]) if ours else ())
            looks = True
            if await context.now() < settled_at:
                await context.pause(_LOOK_AGAIN)
                continue
            await context.check()
            await context.ledger.trying(self.scope, {self.item: {"asked_at": await context.now()}})
            try:
                target = await self.make()
            except RemoteError as error:
                if not error.may_have_happened:
                    await context.ledger.undone(self.scope, [self.item])
                settled_at, ours = await settling.after_trouble(context, error), ours or error.may_have_happened
                faults += isinstance(error, RemoteFault) and error.may_be_of_the_request
                if faults >= _FAULTS:
                    raise error.adding(f"{faults} times, while it answered other questions") from error.__cause__
                await attempts.failed(error)
            else:
                return await self._looked_back(target) if ours else Made(target, here=True)

    async def _looked_back(self, target: str) -> Made:
        """See whether an earlier request, which was taken for lost, came to something after all."""
        others = [one for one in await self.context.call(self.find) if one != target]
        if not others:
            return Made(target, here=True)
        if self.drop is not None and await self.context.call(partial(self.drop, target)):
            return Made(others[0], here=True)
        await self.context.progress(f"{target} was made, and {', '.join(others)} appeared late beside it")
        return Made(target, here=True, twins=tuple(others))
