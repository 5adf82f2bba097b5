"""What vendors say, read without calling anybody."""

from datetime import UTC, datetime
from typing import Any

import pytest

from roomkeeper.automations.event import Event
from roomkeeper.contract.step import ABOUT, EventKind, common
from roomkeeper.errors import Garbled, StepFailed
from roomkeeper.vendors import answers, deals, templated, tickets

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
