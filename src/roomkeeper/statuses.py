"""Tell an error by its HTTP status, as every service means it. Pure."""

import math
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
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
    Unavailable,
)
from roomkeeper.outside import one_line

_LONGEST = 86_400.0  # seconds: whoever wants more is asked again tomorrow
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
    wait = _seconds(headers.get("retry-after"), headers.get("date"))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return RemoteFault(told, status=status, retry_after=wait, remedy=remedy)
    if status == HTTPStatus.REQUEST_TIMEOUT:
        return Clash(told, status=status, retry_after=wait, remedy=remedy, may_have_happened=True)
    return _BY_STATUS.get(status, Rejected)(told, status=status, retry_after=wait, remedy=remedy)


def redirected(status: int, told: str, headers: Mapping[str, str]) -> Unavailable | None:
    """Make the error of a redirect, which none of the APIs answers with by itself; None for any other status."""
    if not HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return None
    where = one_line(headers.get("location", "")) or "nowhere"
    return Unavailable(f"{told}, a redirect to {where}", status=status, remedy=_REDIRECTED)


_REDIRECTED = (
    "If the service has another address by now (https instead of http, a new name), correct `url`; if it is a page "
    "that tells of maintenance, there is nothing to do: Roomkeeper goes on trying."
)


def _seconds(value: str | None, date: str | None) -> float | None:
    """Read `Retry-After` in both its forms, seconds and a date (RFC 9110, 10.2.3); a date by the answer's own clock."""
    if value is None:
        return None
    try:
        wait = float(value)
    except ValueError:
        wait = _between(date, value)
    return None if math.isnan(wait) else min(max(0.0, wait), _LONGEST)


def _between(date: str | None, later: str) -> float:
    try:
        return (parsedate_to_datetime(later) - parsedate_to_datetime(date or "")).total_seconds()
    except (TypeError, ValueError):
        return math.nan
