"""Try what a vendor's connection needs: the token, and what it may do."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from roomkeeper.contract.checkup import Examination, Finding
from roomkeeper.errors import Forbidden, RemoteError, Unauthorized


async def examine(client: Any, about: Examination) -> AsyncIterator[Finding]:  # noqa: ANN401, ARG001 - each its own client
    """Ask who the token is, and what it may do; a token that is not accepted ends it."""
    try:
        yield Finding("token", "ok", await client.whoami())
    except RemoteError as error:
        yield Finding("token", "failed", error.message, error.remedy or "Check `url`, and that the service is up.")
        return
    for check, attempt in client.attempts().items():
        yield await _tried(check, attempt)


async def _tried(check: str, attempt: Callable[[], Awaitable[str]]) -> Finding:
    """Try one thing: it says what is missing, or nothing."""
    try:
        missing = await attempt()
    except (Unauthorized, Forbidden) as error:
        return Finding(check, "failed", error.message, error.remedy)
    except RemoteError as error:
        return Finding(check, "warning", f"it could not be tried: {error.message}", error.remedy)
    if missing:
        return Finding(check, "failed", missing, "Give the account that right.")
    return Finding(check, "ok", "may do what is needed")
