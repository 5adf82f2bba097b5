"""The moments of a schedule: through summer time, downtimes and odd expressions, each once."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roomkeeper.automations.schedule import MOST, Schedule, is_cron

BERLIN = ZoneInfo("Europe/Berlin")
moments = st.integers(1_577_836_800, 2_051_222_400).map(lambda at: datetime.fromtimestamp(at, UTC))  # 2020 to 2034


def local(schedule: Schedule, first: str, last: str) -> list[str]:
    """Give what is due between two local moments, as the wall clock shows it, with its distance from UTC."""
    after, until = (datetime.fromisoformat(one).replace(tzinfo=BERLIN).astimezone(UTC) for one in (first, last))
    return [f"{one.astimezone(BERLIN):%m-%d %H:%M %z}" for one in schedule.moments(after, until)]


@pytest.mark.parametrize(
    ("cron", "first", "last", "due"),
    [
        # 29 March 2026: from 02:00 to 03:00 there is no local time; 25 October: it comes twice.
        ("30 2 * * *", "2026-03-28T12:00", "2026-03-30T12:00", ["03-29 03:30 +0200", "03-30 02:30 +0200"]),
        ("30 2 * * *", "2026-10-24T12:00", "2026-10-26T12:00", ["10-25 02:30 +0200", "10-26 02:30 +0100"]),
        ("0 2,3 * * *", "2026-03-29T01:00", "2026-03-29T05:00", ["03-29 03:00 +0200"]),
        (
            "0 * * * *",
            "2026-10-25T01:30",
            "2026-10-25T03:30",
            ["10-25 02:00 +0200", "10-25 02:00 +0100", "10-25 03:00 +0100"],
        ),
        (
            "0 * * * *",
            "2026-03-29T00:30",
            "2026-03-29T04:30",
            ["03-29 01:00 +0100", "03-29 03:00 +0200", "03-29 04:00 +0200"],
        ),
        ("0 8 * * mon", "2026-03-20T00:00", "2026-04-01T00:00", ["03-23 08:00 +0100", "03-30 08:00 +0200"]),
    ],
)
def test_summer_time_leaves_out_nothing_and_doubles_nothing(cron: str, first: str, last: str, due: list[str]) -> None:
    assert local(Schedule(cron=cron, time_zone="Europe/Berlin"), first, last) == due


@given(moments, st.integers(0, 400), st.sampled_from(["30 2 * * *", "0 0 * * *", "59 23 * * *", "0 12 * * *"]))
def test_what_is_daily_is_due_once_a_day_wherever(begin: datetime, days: int, cron: str) -> None:
    zone = ZoneInfo("America/Santiago")  # it changes at midnight
    noon = begin.astimezone(zone).replace(hour=13, minute=0, second=0, microsecond=0)
    end = (noon.replace(tzinfo=None) + timedelta(days=days)).replace(tzinfo=zone)

    due = Schedule(cron=cron, time_zone="America/Santiago").moments(noon, end)

    assert len(due) == days
    assert due == sorted(set(due))


@given(moments, st.lists(st.floats(0, 90_000), max_size=6), st.sampled_from([10.0, 60.0, 3600.0, 86_400.0]))
def test_however_often_one_looks_each_moment_is_found_once(begin: datetime, looks: list[float], every: float) -> None:
    schedule, at, found = Schedule(every=every), begin, list[datetime]()
    for seconds in looks:
        found += schedule.moments(at, at + timedelta(seconds=seconds))
        at += timedelta(seconds=seconds)

    assert found[-MOST:] == schedule.moments(begin, at)[-len(found) :] if found else schedule.moments(begin, at) == []
    assert all(one.timestamp() % every == 0 for one in found)
    assert len(set(found)) == len(found)


def test_of_very_many_the_newest_are_found() -> None:
    year = [datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)]

    for schedule in (Schedule(every=10.0), Schedule(cron="* * * * *")):
        due = schedule.moments(*year)
        assert (len(due), due[-1]) == (MOST, year[1])


@pytest.mark.parametrize(
    "expression", ["", "* * * *", "* * * * * *", "61 * * * *", "@daily", "0 0 30 2 *", "x y z a b", "R 8 * * *"]
)
def test_what_is_no_cron_expression_or_never_comes_is_refused(expression: str) -> None:
    assert not is_cron(expression)


UTC_NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize("schedule", [Schedule(every=3600.0), Schedule(cron="0 * * * *")])
def test_a_moment_belongs_to_the_look_that_ends_with_it_and_to_no_other(schedule: Schedule) -> None:
    hour = timedelta(hours=1)

    assert schedule.moments(UTC_NOON - hour, UTC_NOON) == [UTC_NOON]
    assert schedule.moments(UTC_NOON, UTC_NOON + hour) == [UTC_NOON + hour]
    assert schedule.moments(UTC_NOON, UTC_NOON + timedelta(minutes=59)) == []


@pytest.mark.parametrize(
    ("cron", "due"),
    [
        ("5 12 * * *", "2026-11-20T12:05:00+00:00"),
        ("0 12 * * *", "2026-11-21T12:00:00+00:00"),
        ("0 0 1 1 *", "2027-01-01T00:00:00+00:00"),
        ("0 0 29 2 *", "2028-02-29T00:00:00+00:00"),
    ],
)
def test_the_next_moment_is_the_first_after_now(cron: str, due: str) -> None:
    coming = Schedule(cron=cron).coming(UTC_NOON)

    assert (coming.isoformat() if coming is not None else None) == due


def test_what_is_due_every_so_often_comes_next_at_its_next_multiple() -> None:
    coming = Schedule(every=600.0).coming(UTC_NOON + timedelta(seconds=1))

    assert coming == UTC_NOON + timedelta(minutes=10)


@pytest.mark.parametrize("expression", ["* * * *", "* * * * * *", "0 0 * * * 2026", "r r * * *", "0 8 * * montag"])
def test_only_five_fields_with_known_names_are_a_cron_expression(expression: str) -> None:
    assert not is_cron(expression)


def test_what_is_due_in_decades_is_not_looked_for() -> None:
    assert Schedule(every=20_000 * 86_400.0).coming(datetime(2026, 11, 26, tzinfo=UTC)) is None
