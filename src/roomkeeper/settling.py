"""When a request without an answer is settled: from then on it can have no effect that is not to be seen yet.

A proxy hangs up, or our process dies, and the service goes on. So nothing is asked for again until it was looked for
for as long as a service may take (`settle_after` of the configuration), counted from when the request may have been
sent, by the store's clock, which all machines share.
"""

from roomkeeper.contract.step import StepContext
from roomkeeper.errors import RemoteError

_HELD_BACK = 100.0  # seconds at most from a ledger's line to its request: the budget's longest wait, and a connection's


async def after_trouble(context: StepContext, error: RemoteError) -> float:
    """Tell when a request that has just failed so is settled; at once, if the service itself has answered."""
    return await context.now() + (context.settle_after if error.may_still_happen else 0.0)


async def since_before(context: StepContext, asked_at: float) -> float:
    """Tell when a request is settled that an earlier life of this run wrote down then, and whose end it did not see."""
    return min(asked_at + _HELD_BACK, await context.now()) + context.settle_after


async def from_now(context: StepContext) -> float:
    """Tell when work is settled that the service has begun, and whose end it does not tell of any more."""
    return await context.now() + context.settle_after
