"""The portal's rate limits, and a record of how near to them its callers came."""

import math
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field


@dataclass
class Usage:
    """What one user did."""

    calls: deque[float] = field(default_factory=deque)
    in_flight: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})
    peak_in_flight: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})
    peak_per_minute: int = 0
    writes_today: int = 0
    refused: int = 0


@dataclass
class Limits:
    """`enforce` answers 429; without it the use is only recorded, as on a server without limits."""

    enforce: bool = False
    per_minute: int = 1500  # RateLimiterSettings.cs
    reads: int = 50  # RateLimiterSettings.cs
    writes: int = 15  # RateLimiterSettings.cs
    writes_per_day: int = 10_000  # RateLimiterSettings.cs
    vendor_calls: int = 0  # that each vendor takes in `vendor_seconds`; none: as many as come (ours)
    vendor_seconds: float = 60.0  # ours
    usage: dict[str, Usage] = field(default_factory=lambda: defaultdict(Usage))

    def enter(self, user: str, method: str) -> dict[str, str] | None:
        """Count a call in. Headers of a 429 if it is refused; None if it may go on."""
        usage, write = self.usage[user], method != "GET"
        at = time.monotonic()
        while usage.calls and usage.calls[0] <= at - 60:
            usage.calls.popleft()
        daily = method in {"POST", "PUT"}
        refusal = self._refusal(usage, write=write, daily=daily) if self.enforce else None
        if refusal is not None:
            usage.refused += 1
            return refusal
        usage.calls.append(at)
        usage.peak_per_minute = max(usage.peak_per_minute, len(usage.calls))
        usage.writes_today += daily
        usage.in_flight[write] += 1
        usage.peak_in_flight[write] = max(usage.peak_in_flight[write], usage.in_flight[write])
        return None

    def vendor_refuses(self, vendor: str) -> str | None:
        """Count a call at a vendor in. When to come back, in seconds, if it is refused; None if it may go on."""
        calls, at = self.usage[vendor].calls, time.monotonic()
        while calls and calls[0] <= at - self.vendor_seconds:
            calls.popleft()
        if self.vendor_calls and len(calls) >= self.vendor_calls:
            return str(math.ceil(calls[0] + self.vendor_seconds - at))
        calls.append(at)
        return None

    def leave(self, user: str, method: str) -> None:
        self.usage[user].in_flight[method != "GET"] -= 1

    def _refusal(self, usage: Usage, *, write: bool, daily: bool) -> dict[str, str] | None:
        """Only the fixed window of the day says when to come back."""
        if usage.in_flight[write] >= (self.writes if write else self.reads):
            return {"X-RateLimit-Limit": str(self.writes if write else self.reads), "X-RateLimit-Remaining": "0"}
        if len(usage.calls) >= self.per_minute:
            return {"X-RateLimit-Limit": str(self.per_minute), "X-RateLimit-Remaining": "0"}
        if daily and usage.writes_today >= self.writes_per_day:
            left = str(86_400 - int(time.time()) % 86_400)
            return {
                "X-RateLimit-Limit": str(self.writes_per_day),
                "X-RateLimit-Remaining": "0",
                "Retry-After": left,
                "X-RateLimit-Reset": left,
            }
        return None
