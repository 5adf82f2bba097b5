"""Templates and conditions, and which events an automation is for."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from roomkeeper.automations import template
from roomkeeper.automations.automation import Automation, acts_on, is_for, matches, stages, used_by
from roomkeeper.automations.event import Event, Place
from roomkeeper.errors import TemplateError

VARIABLES: dict[str, Any] = {"file": {"id": 7, "title": "Offer", "tags": ["a"]}, "n": {"none": None}}


@pytest.mark.parametrize(
    ("value", "rendered"),
    [
        ("plain", "plain"),
        (5, 5),
        ("{{ file.id }}", 7),
        ("  {{ file.id }}  ", 7),
        ("{{ file.tags }}", ["a"]),
        ("{{ n.none }}", None),
        ("{{ file.id + 1 }}", 8),
        ("No. {{ file.id }}", "No. 7"),
        ("{{ file.id }}{{ file.id }}", "77"),
        ("{% if file.id > 5 %}big{% endif %}", "big"),
        ({"a": ["{{ file.title | upper }}"]}, {"a": ["OFFER"]}),
        ("{{ '}}' }}", "}}"),
    ],
)
def test_a_value_that_is_one_expression_keeps_its_type(value: Any, rendered: Any) -> None:
    assert template.render(value, VARIABLES) == rendered


@pytest.mark.parametrize(
    "value", ["{{ nothing }}", "{{ file.nothing }}", "x {{ file.nothing.more }}", "{{ 1 / 0 }}", "{{ file.id.x }}"]
)
def test_what_is_not_there_is_an_error(value: str) -> None:
    with pytest.raises(TemplateError):
        template.render(value, VARIABLES)


@pytest.mark.parametrize(
    "value",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ file.__init__.__globals__ }}",
        "{{ file.update({'id': 1}) }}",
        "{{ ().__class__.__bases__[0].__subclasses__() }}",
        "{{ range(10000000) | list }}",
    ],
)
def test_the_sandbox_holds(value: str) -> None:
    with pytest.raises((TemplateError, OverflowError)):
        template.render(value, VARIABLES)
    assert VARIABLES["file"]["id"] == 7


@pytest.mark.parametrize(
    ("condition", "holds"),
    [("file.id", True), ("file.id > 8", False), ("file.nothing", False), ("nothing", False), ("n.none", False)],
)
def test_a_condition_takes_what_is_not_there_for_false(condition: str, holds: bool) -> None:
    assert template.holds(condition, VARIABLES) is holds


@pytest.mark.parametrize(
    ("source", "used"),
    [
        ("{{ file.id }}", {("file", "id")}),
        ("{{ deal.fields['room id'] }} {{ x }}", {("deal", "fields", "room id"), ("x",)}),
        ("{% for t in file.tags %}{{ t.name }}{{ loop.index }}{% endfor %}", {("file", "tags")}),
        ("{% set a = file.id %}{{ a }}", {("file", "id")}),
        ("{{ range(3) }}", set()),
        ("no template", set()),
    ],
)
def test_the_variables_of_a_template_are_known_before_it_is_used(source: str, used: set[tuple[str, ...]]) -> None:
    assert template.references(source) == used


@given(st.text(max_size=40))
def test_no_template_raises_anything_but_a_template_error(text: str) -> None:
    for source in (text, "{{ " + text + " }}"):
        try:
            template.references(source)
            template.render(source, VARIABLES)
        except (TemplateError, OverflowError, RecursionError):
            pass


def event(**changed: Any) -> Event:
    given_: dict[str, Any] = {
        "type": "file.uploaded",
        "connection": "acme",
        "at": datetime.now(UTC),
        "delivery": "d",
        "meaning": "m",
        "subject": "s",
        "actor": "u1",
        "facts": {"file": {"id": 5, "title": "Offer.docx"}},
    }
    return Event(**given_ | changed).at_place(Place(111, "Client: Acme", 4410, ("In", "2026")))


@pytest.mark.parametrize(
    ("where", "holds"),
    [
        ({}, True),
        ({"room": 111}, True),
        ({"room": "111"}, True),
        ({"room": "client: acme"}, True),
        ({"room": "Client"}, False),
        ({"room": [5, 111]}, True),
        ({"room": 4410}, False),
        ({"title": "Offer.docx", "actor": "u1"}, True),
        ({"title": "Other.docx"}, False),
        ({"path": "In/2026"}, True),
    ],
)
def test_where_holds_for_ids_titles_and_lists(where: dict[str, Any], holds: bool) -> None:
    assert matches(where, event()) is holds


def test_an_automation_listens_to_one_kind_from_one_connection() -> None:
    automation = Automation.model_validate({"name": "a", "on": "file.uploaded", "from": "acme", "steps": [{"do": "x"}]})

    assert is_for(automation, event())
    assert not is_for(automation, event(type="file.created"))
    assert not is_for(automation, event(connection="other"))


def test_what_a_filter_gives_piece_by_piece_is_a_list_and_its_errors_are_ours() -> None:
    assert template.render("{{ many | select('gt', 1) }}", {"many": [1, 2, 3]}) == [2, 3]

    with pytest.raises(TemplateError, match="cannot be worked out"):
        template.render("{{ many | select('gt', 1) }}", {"many": [1, "two"]})


@pytest.mark.parametrize(
    ("text", "came"),
    [
        ("Room {{ t.category }}", "Room "),
        ("Room {{ t.category | default('none') }}", "Room none"),
        ("Room {{ t.gone | default('none') }}", "Room none"),
        ("Room {{ t.empty | default('none') }}", "Room "),
        ("Room {{ t.empty | default('none', true) }}", "Room none"),
        ("{{ t.category | d(7) }}", 7),
        ("{{ t.category }}", None),
        ("{{ t.count | default(7) }}", 0),
    ],
)
def test_null_is_nothing_and_no_word(text: str, came: object) -> None:
    """Helpdesks write null for whatever is empty."""
    assert template.render(text, {"t": {"category": None, "empty": "", "count": 0}}) == came


@pytest.mark.parametrize("text", ["{{ t.category }}", "Room {{ t.category }}"])
def test_what_is_missing_is_said_with_what_to_write(text: str) -> None:
    with pytest.raises(
        TemplateError, match=r"there is no 'category': write `\| default\(''\)` behind what may be missing"
    ):
        template.render(text, {"t": {}})


def test_what_is_written_raw_stays_as_it_is() -> None:
    assert template.render("{% raw %}{{ x }}{% endraw %}", {"x": 1}) == "{{ x }}"


def test_a_condition_that_is_a_template_within_a_text_is_refused() -> None:
    with pytest.raises(TemplateError, match="an expression already"):
        template.references("'{{ file.title }}' == 'a'", condition=True)


def test_a_value_that_grows_without_end_is_refused() -> None:
    with pytest.raises(TemplateError, match="becomes longer than"):
        template.render("{{ many | join('') }}", {"many": ["x" * template.LARGEST, "y"]})


def test_what_a_step_gives_that_was_left_out_is_nothing_and_no_object_of_python_s() -> None:
    told = {"told": template.left_out("told")}

    assert template.render("{{ told.room.title | default('none') }}", told) == "none"
    assert not hasattr(told["told"], "__html__")


def test_an_automation_for_rooms_that_a_pattern_names_is_for_none_by_name() -> None:
    said = {"name": "a", "on": "file.uploaded", "steps": [{"do": "x"}]}

    assert Automation.model_validate(said | {"where": {"room": {"like": "Acme*"}}}).rooms == []
    assert Automation.model_validate(said | {"where": {"room": ["Acme", 7]}}).rooms == ["Acme", 7]


def test_a_step_acts_on_no_connection_that_there_is_not() -> None:
    (step,) = Automation.model_validate({"name": "a", "on": "x", "steps": [{"do": "x", "via": "gone"}]}).steps

    assert acts_on(step, {"docspace"}, "acme", {"acme": "docspace"}) is None


def scheduled(**said: Any) -> Automation:
    return Automation.model_validate({"name": "weekly", "on": "schedule", "steps": [{"do": "x"}], **said})


def test_a_schedule_tells_its_moment_by_the_wall_clock_of_its_zone() -> None:
    told = scheduled(cron="0 8 * * mon", time_zone="Europe/Berlin").due(datetime(2026, 11, 30, 7, 0, 0, 5, tzinfo=UTC))

    assert told == {
        "automation": "weekly",
        "due": "2026-11-30T07:00:00+00:00",
        "date": "2026-11-30",
        "time": "08:00",
        "weekday": "Monday",
        "week": 49,
        "month": "November",
        "year": 2026,
    }


def test_a_schedule_is_its_own_place_and_what_has_none_tells_no_moment() -> None:
    other = Automation.model_validate({"name": "a", "on": "x", "steps": [{"do": "x"}]})

    assert len(scheduled(every="1h").rooms) == 1
    assert other.schedule is None
    assert other.due(datetime(2026, 11, 30, tzinfo=UTC)) == {}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"every": "9s"}, "must be 10s or more"),
        ({"cron": "every monday"}, "must be a cron expression"),
        ({"cron": "0 8 * * *", "time_zone": "Europe/Nowhere"}, "a time zone that this machine knows"),
        ({"cron": "0 8 * * *", "every": "1h"}, "needs `every` or `cron`, and not both"),
    ],
)
def test_what_is_no_schedule_is_refused_in_words(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        scheduled(**wrong)


def test_a_step_waits_for_one_beside_it_only_where_it_uses_what_that_gives() -> None:
    steps = [{"do": "invite"}, {"do": "share_link", "as": "link"}, {"do": "note", "with": {"text": "{{ link.url }}"}}]
    steps += [
        {"do": "tag", "if": "link.url"},
        {"do": "invite", "for_each": "{{ people }}", "with": {"who": "{{ item }}"}},
    ]
    said = Automation.model_validate({"name": "a", "on": "x", "steps": steps}).steps

    assert stages(range(5), said, lambda step: step.do != "note") == [[0, 1], [2], [3, 4]]
    assert stages([], said, lambda _: True) == []
    assert used_by(said[4]) == {"people"}


@pytest.mark.parametrize(
    ("names", "named"), [({"acme": "docspace"}, "acme"), ({"acme": "docspace", "beta": "docspace"}, None), ({}, None)]
)
def test_a_step_acts_on_the_only_connection_that_fits_or_asks(names: dict[str, str], named: str | None) -> None:
    (step,) = Automation.model_validate({"name": "a", "on": "x", "steps": [{"do": "x"}]}).steps

    assert acts_on(step, {"docspace"}, "crm", {"crm": "hubspot", **names}) == named


def test_the_templates_inside_a_value_are_those_of_all_its_parts() -> None:
    assert template.inside({"a": ["{{ x }}", ("{% if y %}1{% endif %}", 3)], "b": "plain"}) == [
        "{{ x }}",
        "{% if y %}1{% endif %}",
    ]


def test_what_may_be_used_in_templates_works() -> None:
    assert "default" in template.filters()
    assert "defined" in template.tests()
    assert all(callable(one) for one in template.functions().values())


def test_a_condition_that_cannot_be_worked_out_is_said_with_its_text() -> None:
    with pytest.raises(TemplateError, match="the condition 'n / 0 > 1' cannot be worked out"):
        template.holds("n / 0 > 1", {"n": 1})


def test_a_place_is_kept_and_added_to_what_the_event_is_about() -> None:
    place = Place(7, "Acme", 9, ("Offers", "2026"))
    known = event(facts={"room": {"id": 7}, "file": {"id": 5}})

    assert Place.from_json(place.to_json()) == place
    assert known.at_place(place).place == place
    told = known.at_place(place).facts[known.noun]
    assert (told["room"], told["room_title"], told["path"]) == (7, "Acme", "Offers/2026")


def test_an_event_about_a_room_is_told_what_that_is_called() -> None:
    known = event(type="room.archived", facts={"room": {"id": 111}})

    assert known.facts["room"]["title"] == "Client: Acme"
