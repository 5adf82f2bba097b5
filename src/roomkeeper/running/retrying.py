"""Whether what failed is tried again, and when: a pure decision."""

from roomkeeper.errors import RemoteError

FIRST, LONGEST = 0.5, 60.0  # seconds between attempts (ours)
PATIENCE = 24 * 3600.0  # seconds; outages of a day heal by themselves (ours)


def pause_after(
    error: RemoteError, *, attempt: int, waited: float, jitter: float, patience: float = PATIENCE
) -> float | None:
    """Give the seconds until the next attempt, or None where there is no sense in one.

    It is asked after the `attempt`-th failure (from 1), `waited` seconds after the first; `jitter` is from 0 to 1. The
    pause doubles up to a minute and is spread over its upper half, so that many runs do not come back at once. What
    the service itself asks for is honoured, and does not count as waited before it is over.
    """
    if not error.retryable:
        return None
    pause = min(LONGEST, FIRST * 2 ** min(attempt - 1, 16))
    after = max(pause * (0.5 + jitter / 2), error.retry_after or 0.0)
    return after if waited <= patience else None
