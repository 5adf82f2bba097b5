"""Wait for something to change in a store, at next to no cost.

Who looks whether there is something to do asks again and again, for ever, and nearly always for nothing. An embedded
store tells in microseconds whether anybody has committed anything since (`Store.version`), so that only then it is
asked; PostgreSQL is asked each time.
"""

import asyncio
import time

from roomkeeper.store.database import Store


async def change(store: Store, wake: asyncio.Event, seen: int | None, *, look: float, longest: float) -> None:
    """Wait until `wake` is set, or the store is not as it was when its version was `seen`, or `longest` seconds.

    Looks every `look` seconds. Take the version before you ask the store, so that what changes meanwhile counts.
    """
    end = time.monotonic() + longest
    while True:
        try:
            async with asyncio.timeout(look):  # not `wait_for`: before Python 3.12 that would swallow a cancellation
                await wake.wait()
        except TimeoutError:
            if seen is None or store.version() != seen or time.monotonic() >= end:
                return
        else:
            return
