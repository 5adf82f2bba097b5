"""Conditions of `where` that ask for more than being the same."""

import json
import re
from datetime import UTC, datetime
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from roomkeeper.automations.automation import Automation, matches, unmet
from roomkeeper.automations.condition import Condition, asking_for, fits
from roomkeeper.automations.event import Event, Place
from roomkeeper.docspace.wire import sanitise_title

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def event(**facts: Any) -> Event:
    at = datetime(2026, 11, 26, tzinfo=UTC)
    return Event(
        "file.uploaded",
        "acme",
        at,
        "d",
        "m",
        "s",
        facts={"file": facts},
        place=Place(7, sanitise_title("Client: Acme"), 7),
    )


def where(**asked: Any) -> dict[str, Any]:
    return Automation(name="a", on="file.uploaded", where=asked, steps=[{"do": "copy_files"}]).where


@pytest.mark.parametrize(
    ("asked", "holds"),
    [
        ({"title": {"contains": "offer"}}, True),
        ({"title": {"contains": ["invoice", "OFFER"]}}, True),
        ({"title": {"contains": "invoice"}}, False),
        ({"title": {"like": "*.PDF"}}, True),
        ({"title": {"like": "offer ?.pdf"}}, True),
        ({"title": {"like": "offer"}}, False),
        ({"title": {"like": "*[1]*"}}, False),
        ({"room": {"like": "Client: *"}}, True),
        ({"room": {"contains": "t: A"}}, True),
        ({"room": {"not": "Client: Acme"}}, False),
        ({"room": {"like": "Client: *", "not": "Client: Other"}}, True),
        ({"size": {"above": 100, "below": 1e3}}, True),
        ({"size": {"above": 512}}, False),
        ({"size": {"above": 511}}, True),
        ({"size": {"below": 512}}, False),
        ({"size": {"below": 513}}, True),
        ({"size": {"below": 100}}, False),
        ({"title": {"above": 1}}, False),
        ({"extension": {"not": ["docx", "xlsx"]}}, True),
        ({"extension": {"not": "pdf"}}, False),
        ({"nothing": {"not": "pdf"}}, True),
        ({"nothing": {"contains": ""}}, False),
        ({"title": {"contains": "offer"}, "extension": "docx"}, False),
        ({"extension": ["docx", "pdf"]}, True),
    ],
)
def test_a_condition_holds_or_does_not(asked: dict[str, Any], holds: bool) -> None:
    happened = event(title="Offer 1.pdf", extension="pdf", size="512")

    assert matches(where(**asked), happened, stored=sanitise_title) is holds


def test_what_does_not_hold_is_said_as_it_stands_in_the_file() -> None:
    (missed,) = unmet(where(title={"like": "*.docx", "not": "x"}), event(title="Offer.pdf"))

    assert (missed[0], str(missed[1]), missed[2]) == ("title", "like '*.docx', not 'x'", "Offer.pdf")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"contain": "x"}, "'contain' is not one of contains, like, above, below, not: did you mean 'contains'?"),
        ({}, "must say what it contains"),
        ({"contains": None}, "must say what it contains"),
        ({"not": None, "like": "x"}, "must say what it contains"),
        ({"contains": []}, "at least 1 item"),
        ({"above": "much"}, "number"),
    ],
)
def test_what_is_no_condition_is_refused_in_one_sentence(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as raised:
        where(title=wrong)

    (one,) = raised.value.errors()
    assert said in one["msg"]


@given(st.lists(st.sampled_from(["*", "?", "a", "[", "]", "!", "."]), max_size=8).map("".join), texts)
def test_a_pattern_is_what_its_stars_say(pattern: str, text: str) -> None:
    shape = "".join({"*": ".*", "?": "."}.get(one, re.escape(one)) for one in pattern)

    assert Condition(like=pattern).holds([text]) is bool(re.fullmatch(shape, text.casefold(), re.DOTALL))


def test_a_run_keeps_its_conditions() -> None:
    """The automation's text is kept with each run, and read again."""
    kept = Automation(name="a", on="file.uploaded", where=where(title={"not": "x"}), steps=[{"do": "copy_files"}])

    again = Automation.model_validate(json.loads(kept.model_dump_json(by_alias=True)))

    assert again.where == kept.where


def test_what_can_be_asked_for_is_named_where_something_else_was() -> None:
    asked = TypeAdapter(Annotated[dict[str, Any], asking_for({"title", "size"}, "a file")])

    assert asked.validate_python({"size": 1}) == {"size": 1}
    with pytest.raises(ValidationError, match="asks for age, colour; a file has size, title"):
        asked.validate_python({"colour": "red", "age": 3, "title": "a"})


@pytest.mark.parametrize(
    ("where_", "fields", "holds"),
    [
        ({}, {}, True),
        ({"role": "guest"}, {"role": "guest", "tags": []}, True),
        ({"tags": "a"}, {"tags": ["b", "a"]}, True),
        ({"tags": "a", "role": "user"}, {"tags": ["a"], "role": "guest"}, False),
        ({"tags": "a"}, {"tags": []}, False),
    ],
)
def test_fields_are_as_a_where_asks(where_: dict[str, Any], fields: dict[str, Any], holds: bool) -> None:
    assert fits(where_, fields) is holds
