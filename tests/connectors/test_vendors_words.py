"""What vendors say, read without calling anybody."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from roomkeeper.automations.event import Event
from roomkeeper.contract.step import ABOUT, EventKind, common
from roomkeeper.errors import Garbled, StepFailed
from roomkeeper.vendors import answers, deals, templated, tickets
from roomkeeper.vendors.reading import inside, moment, overlaid

WON = deals.Deal("401", "won", name="Renewal")


def event(meaning: str = "m", **more: Any) -> Event:
    at = datetime(2026, 11, 26, tzinfo=UTC)
    return Event(deals.CLOSED, "crm", at, "d", meaning, "deal 401", facts=deals.about("401"), **more)


@pytest.mark.parametrize(("said", "many"), [(None, 0), (3, 3), ("12", 12), ("0", 0)])
def test_how_many_there_are_is_a_number_or_one_as_text(said: object, many: int) -> None:
    assert answers.count(said, "the deals") == many


@pytest.mark.parametrize("said", [True, -1, 1.5, "", "-3", "9" * 40, "\u0664", [], {}])
def test_what_is_no_number_of_things_is_no_answer(said: object) -> None:
    with pytest.raises(Garbled, match="the deals cannot be counted"):
        answers.count(said, "the deals")


def test_a_deal_that_is_closed_by_hand_is_closed_again() -> None:
    by_hand = deals.by_hand("crm", deals.CLOSED, {"deal": {"id": "401", "name": "As said"}})

    known = deals.completed(by_hand, WON, since="2026-11-26T10:00:00Z")

    assert known.meaning == by_hand.meaning
    assert known.facts["deal"]["name"] == "As said"
    assert known.facts["deal"]["status"] == "won"


def test_a_closing_of_which_nobody_says_when_keeps_what_it_was_told_as() -> None:
    known = deals.completed(event(), WON, since="")

    assert (known.meaning, known.standing, known.witness) == ("m", "", "")


class NoStep:
    """A step's surroundings in which nothing happened."""

    events: tuple[Event, ...] = ()


def test_a_ticket_that_nobody_named_is_asked_for() -> None:
    assert tickets.subject_of("7", NoStep(), "ticket") == "7"  # type: ignore[arg-type]
    with pytest.raises(StepFailed, match="which ticket to write on") as failed:
        tickets.subject_of(None, NoStep(), "ticket")  # type: ignore[arg-type]
    assert "`ticket:`" in failed.value.remedy


def test_of_two_things_that_are_said_to_have_triggered_it_none_is_believed() -> None:
    broken = b'{"ticket_id": 7, "triggered_event": "new", "subject": "a "quoted", "triggered_event": "updated"}'

    told = templated.told(broken)

    assert told.body["ticket_id"] == "7"
    assert "triggeredevent" in told.ambiguous


def test_of_kinds_of_which_one_has_fields_that_only_its_sender_knows_none_can_be_used() -> None:
    known = EventKind("a.b", {"event": ABOUT, "a": {"id": {}}})
    unknown = EventKind("c.d", {"event": ABOUT, "a": None})

    assert common([known, unknown]).fields["a"] is None
    assert common([known, known]).fields["a"] == {"id": {}}


def test_a_closing_is_known_by_the_moment_it_began_and_one_that_people_may_have_edited_by_its_state() -> None:
    certain = deals.completed(event(), WON, since="2026-11-26T10:00:00Z")
    doubtful = deals.completed(event(), WON, since="2026-11-26T10:00:00Z", certain=False, told="2026-11-26")
    still_open = deals.completed(event(), WON, since="", why="it is open")

    assert (certain.meaning, certain.standing) == ("deal 401 won since 2026-11-26T10:00:00Z", "")
    assert (doubtful.standing, doubtful.witness) == ("deal 401 won", "deal 401 won since 2026-11-26")
    assert (still_open.meaning, still_open.ignored) == ("deal 401 not closed: d", "it is open")
    assert deals.standing_of("deal 401 not closed: d") == ""


def test_a_closing_that_was_found_is_the_one_that_may_have_been_told_of() -> None:
    found = deals.found("crm", "401", "won", "2026-11-26T10:00:00Z")

    assert found.meaning == deals.completed(event(), WON, since="2026-11-26T10:00:00Z").meaning
    assert found.lane == "deal 401"
    assert found.at == datetime(2026, 11, 26, 10, tzinfo=UTC)


def test_a_deal_that_goes_from_one_won_stage_to_another_is_closed_since_the_first() -> None:
    history = [("paid", "12:00"), ("signed", "11:00"), ("offer", "10:00"), ("signed", "09:00")]
    means = {"paid": "won", "signed": "won"}.get

    assert deals.began(history, "won", means) == "11:00"
    assert deals.began(history[:2], "won", means) == "11:00"
    assert deals.began(history, "lost", means) == ""


class Helpdesk:
    """Gives its tickets in pages, the newest first, and tells how many were asked for."""

    def __init__(self, *pages: list[tickets.Ticket]) -> None:
        self._pages, self.given = pages, 0

    async def newest_tickets(self, since: datetime) -> AsyncIterator[list[tickets.Ticket]]:
        del since
        for page in self._pages:
            self.given += 1
            yield page


async def test_tickets_are_looked_for_back_to_the_first_that_is_older() -> None:
    def ticket(number: int, day: int) -> tickets.Ticket:
        return tickets.Ticket(str(number), created_at=f"2026-11-{day}T10:00:00Z")

    desk = Helpdesk([ticket(9, 26), ticket(8, 25)], [ticket(7, 24), ticket(6, 20)], [ticket(5, 19)])
    search = SimpleNamespace(connection="desk")
    parts = tickets._listed(desk, search, datetime(2026, 11, 22, tzinfo=UTC))  # type: ignore[arg-type]

    assert [[one.subject for one in part.events] async for part in parts] == [["ticket 9", "ticket 8"], ["ticket 7"]]
    assert desk.given == 2


async def test_a_ticket_is_read_only_for_what_is_used_and_was_not_told() -> None:
    told = tickets.told("desk", tickets.Ticket("7", subject="As told"), delivery="d", raw={})
    asked: list[str] = []

    async def read(number: str) -> tickets.Ticket:
        asked.append(number)
        return tickets.Ticket("7", subject="As read", priority="high", requester_email="ann@x.example")

    assert await tickets.completed(told, frozenset({"subject"}), read) is told
    known = (await tickets.completed(told, frozenset({"subject", "requester.email"}), read)).facts["ticket"]

    assert asked == ["7"]
    assert (known["subject"], known["priority"], known["requester"]["email"]) == ("As told", "high", "ann@x.example")


def test_an_answer_that_is_not_what_was_asked_for_is_no_answer() -> None:
    assert answers.rows(None, "the deals") == []
    assert answers.record({"id": 4}, "deal 4") == {"id": 4}
    for wrong in ("none", [1], {"id": 1}):
        with pytest.raises(Garbled, match="the deals cannot be read: a list of objects was expected"):
            answers.rows(wrong, "the deals")
    with pytest.raises(Garbled, match="deal 4 cannot be read: the answer has no `id`") as failed:
        answers.record({"text": "x" * 100}, "deal 4")
    assert str(failed.value).endswith(" …")


def test_a_list_that_leads_back_to_where_it_was_has_no_end() -> None:
    pages = answers.Pages("the list of deals")

    assert [pages.next(cursor) for cursor in ("a", "b", None, "")] == ["a", "b", "", ""]
    with pytest.raises(Garbled, match="has no end: the answer leads back to 'a'"):
        pages.next("a")


def test_what_is_empty_does_not_hide_what_is_known() -> None:
    known = {"name": "Ann", "owner": {"email": "a@x.example", "id": 1}, "note": ""}
    more = {"name": "", "owner": {"email": None, "id": 2}, "stage": "", "note": "n"}

    assert overlaid(known, more) == {
        "name": "Ann",
        "owner": {"email": "a@x.example", "id": 2},
        "note": "n",
        "stage": "",
    }


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a.0.b", 1),
        ("d.e", 3),
        ("f.g", None),
        ("f.h.i", 5),
        ("a.1.b", None),
        ("a.x", None),
        ("c", 2),
        ("c.d", None),
        ("", None),
    ],
)
def test_a_path_leads_through_objects_and_lists_or_nowhere(path: str, value: object) -> None:
    several = {"d.e": 3, "f": {"g": 4, "h.i": 5}, "f.g": 6}

    assert inside({"a": [{"b": 1}], "c": 2} | several, path) == value


async def test_all_tickets_are_given_where_none_is_older() -> None:
    desk = Helpdesk([tickets.Ticket("9", created_at="2026-11-26T10:00:00Z")])
    search = SimpleNamespace(connection="desk")
    parts = tickets._listed(desk, search, datetime(2026, 11, 22, tzinfo=UTC))  # type: ignore[arg-type]

    assert [len(part.events) async for part in parts] == [1]


@pytest.mark.parametrize(
    "written",
    ["2017-09-26T00:04:07Z", "1506384247", "1506384247000", "/Date(1506384247000)/", "/Date(1506384247000+0200)/"],
)
def test_a_time_is_read_however_it_is_counted(written: str) -> None:
    assert moment(written) == datetime(2017, 9, 26, 0, 4, 7, tzinfo=UTC)


@pytest.mark.parametrize("written", ["", "yesterday", "/Date(x)/", "12345"])
def test_what_is_no_time_that_can_be_shown_is_now(written: str) -> None:
    assert abs(moment(written) - datetime.now(UTC)).total_seconds() < 3600
