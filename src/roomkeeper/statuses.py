"""Tell an error by its HTTP status, as every service means it. Pure."""

from collections.abc import Mapping
from http import HTTPStatus

from roomkeeper.errors import (
    Clash,
    Forbidden,
    NotFound,
    QuotaExceeded,
    Rejected,
    RemoteError,
    RemoteFault,
    Throttled,
    Unauthorized,
)

_BY_STATUS: Mapping[int, type[RemoteError]] = {
    HTTPStatus.UNAUTHORIZED: Unauthorized,
    HTTPStatus.PAYMENT_REQUIRED: QuotaExceeded,
    HTTPStatus.FORBIDDEN: Forbidden,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.TOO_MANY_REQUESTS: Throttled,
    HTTPStatus.CONFLICT: Clash,
    HTTPStatus.TOO_EARLY: Clash,
}


def is_success(status: int) -> bool:
    """Whether it is a 2xx."""
    return status // 100 == 2  # noqa: PLR2004 - 2xx is clearer than names for it


def by_status(status: int, told: str, headers: Mapping[str, str], *, remedy: str = "") -> RemoteError:
    """Make the error that fits; `headers` may say when to come back."""
    wait = _seconds(headers.get("retry-after"))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return RemoteFault(told, status=status, retry_after=wait, remedy=remedy)
    if status == HTTPStatus.REQUEST_TIMEOUT:
        return Clash(told, status=status, retry_after=wait, remedy=remedy, may_have_happened=True)
    return _BY_STATUS.get(status, Rejected)(told, status=status, retry_after=wait, remedy=remedy)


def _seconds(value: str | None) -> float | None:
    try:
        return max(0.0, float(value)) if value is not None else None
    except ValueError:
        return None
