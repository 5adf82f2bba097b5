"""Whether a call that is safe to repeat is tried again: a pure decision."""

from dataclasses import dataclass

from roomkeeper.errors import RemoteError

FIRST, LONGEST = 0.5, 60.0  # seconds between attempts
PATIENCE = 24 * 3600.0  # seconds; outages of a day heal by themselves


@dataclass(frozen=True)
class Retry:
    """Try again after so many seconds."""

    after: float


@dataclass(frozen=True)
class GiveUp:
    """There is no sense in trying again."""

    reason: str


def decide(
    error: RemoteError, *, attempt: int, waited: float, jitter: float, patience: float = PATIENCE
) -> Retry | GiveUp:
    """Decide after the `attempt`-th failure (from 1), `waited` seconds after the first; `jitter` is from 0 to 1.

    The pause doubles up to a minute and is spread over its upper half, so that many runs do not come back at
    once. What the service itself asks for is honoured.
    """
    if not error.retryable:
        return GiveUp(error.message)
    pause = min(LONGEST, FIRST * 2 ** min(attempt - 1, 16))
    after = pause * (0.5 + jitter / 2)
    if error.retry_after is not None:
        after = max(after, error.retry_after)
    if waited + after > patience:
        return GiveUp(f"{error.message} (tried {attempt} times over {waited / 3600:.1f} hours)")
    return Retry(after)
