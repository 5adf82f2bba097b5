"""What a status says of a request: its kind of error, when to come back, and what may have happened."""

import pytest

from roomkeeper import errors
from roomkeeper.statuses import by_status

NOW = "Thu, 26 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("status", "kind", "retryable", "happened", "still"),
    [
        (400, errors.Rejected, False, False, False),
        (401, errors.Unauthorized, False, False, False),
        (402, errors.QuotaExceeded, False, False, False),
        (403, errors.Forbidden, False, False, False),
        (404, errors.NotFound, False, False, False),
        (408, errors.Clash, True, True, True),
        (409, errors.Clash, True, False, False),
        (415, errors.Rejected, False, False, False),
        (425, errors.Clash, True, False, False),
        (429, errors.Throttled, True, False, False),
        (500, errors.RemoteFault, True, True, False),
        (502, errors.RemoteFault, True, True, True),
        (503, errors.RemoteFault, True, True, False),
        (504, errors.RemoteFault, True, True, True),
    ],
)
def test_a_status_says_what_may_be_done(
    status: int, kind: type[errors.RemoteError], retryable: bool, happened: bool, still: bool
) -> None:
    error = by_status(status, "said", {})

    assert type(error) is kind
    assert (error.status, error.message, error.retry_after) == (status, "said", None)
    assert (error.retryable, error.may_have_happened, error.may_still_happen) == (retryable, happened, still)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 408, 409, 415, 425, 429, 500, 502, 503, 504])
def test_when_to_come_back_and_what_to_do_are_kept_whatever_the_status(status: int) -> None:
    error = by_status(status, "said", {"retry-after": "7"}, remedy="do this")

    assert (error.retry_after, error.remedy) == (7.0, "do this")


def test_who_says_that_it_is_away_is_not_stumbling_over_the_request() -> None:
    found = {status: by_status(status, "", {}) for status in (500, 502, 503, 504)}

    assert {status for status, one in found.items() if getattr(one, "may_be_of_the_request", None)} == {500}


def test_a_request_that_did_not_arrive_cannot_happen_any_more() -> None:
    lost, refused = errors.Unreachable("lost"), errors.Unreachable("refused", may_have_happened=False)

    assert (lost.may_still_happen, refused.may_still_happen) == (True, False)
    assert not errors.Garbled("cut short").may_still_happen  # an answer came


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "inf"}, 86_400.0),
        ({"retry-after": "999999999"}, 86_400.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Thu, 26 Nov 2026 12:01:30 GMT", "date": NOW}, 90.0),
        ({"retry-after": "Thu, 26 Nov 2026 11:00:00 GMT", "date": NOW}, 0.0),
        ({"retry-after": "Thu, 26 Nov 2026 12:01:30 GMT"}, None),
        ({"retry-after": "Thu, 99 Nov 2026 12:01:30 GMT", "date": NOW}, None),
    ],
)
def test_when_to_come_back_is_read_in_both_forms(headers: dict[str, str], wait: float | None) -> None:
    assert by_status(429, "", headers).retry_after == wait
