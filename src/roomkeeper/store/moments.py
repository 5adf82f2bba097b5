"""Moments, as commands, pages and the API write them: ISO 8601, in UTC, to the millisecond."""

from datetime import UTC, datetime

from roomkeeper import outside


def moment(at: float | None) -> str | None:
    """Write what the store keeps: seconds since 1970. What no clock can show is left out, with no harm to a list."""
    read = outside.moment_of(at) if at is not None else None
    return written(read) if read is not None else None


def written(at: datetime) -> str:
    """Write a moment that is known as such."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")
