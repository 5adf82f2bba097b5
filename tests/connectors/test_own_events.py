"""Events to which an `http` connection gives a name: what is read, what automations may use, what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roomkeeper.configuration.config import Config
from roomkeeper.configuration.loading import load
from roomkeeper.connectors import CATALOG
from roomkeeper.connectors.http import webhook
from roomkeeper.connectors.http.settings import Http
from roomkeeper.contract.delivery import Delivery
from roomkeeper.errors import ConfigError, DeliveryUnreadable, NotThere

HIRED = Http(
    token=("a-long-token",),
    event="employee.hired",
    fields={"id": "person.id", "email": "person.mail", "teams": "teams", "first": "teams.0.name"},
)


def delivered(body: Any, **headers: str) -> Delivery:
    return Delivery(json.dumps(body).encode(), {"authorization": "Bearer a-long-token", **headers})


def configured(folder: Path, hr: dict[str, Any], *steps: dict[str, Any], **more: Any) -> Config:
    portal = {"type": "docspace", "url": "https://a.example", "api_key": "k" * 20, "webhook_secret": "s" * 20}
    given_: dict[str, Any] = {
        "version": 1,
        "listen": "127.0.0.1:8080",
        "store": "./var",
        "connections": {"acme": portal, "hr": {"type": "http", **hr}, **more.pop("others", {})},
        "automations": [{"name": "hiring", "on": "employee.hired", "steps": list(steps)} | more],
    }
    secrets = {"PORTAL_KEY": "k" * 20, "PORTAL_SECRET": "s" * 20, "HR_TOKEN": "t" * 20}
    text = json.dumps(given_, indent=1)
    for name, at in (("PORTAL_KEY", "k" * 20), ("PORTAL_SECRET", "s" * 20), ("HR_TOKEN", "t" * 20)):
        text = text.replace(f'"{at}"', f"!env {name}")
    return load(folder / "roomkeeper.yaml", CATALOG, text=text, secrets=secrets)


def faults(folder: Path, hr: dict[str, Any], *steps: dict[str, Any], **more: Any) -> str:
    with pytest.raises(ConfigError) as error:
        configured(folder, hr, *steps, **more)
    return str(error.value)


NAMED = {"event": "employee.hired", "token": "t" * 20, "fields": {"id": "id", "email": "mail"}}


def test_what_is_named_is_read_and_keeps_its_kind() -> None:
    body = {"person": {"id": 7, "mail": "ann@x.example"}, "teams": [{"name": "Sales"}, {"name": "Export"}]}

    (event,) = webhook.read("hr", HIRED, delivered(body))

    assert (event.type, event.lane, event.subject) == ("employee.hired", "employee 7", "employee 7 ann@x.example")
    told = event.facts["employee"]
    assert (told["id"], told["email"], told["first"]) == ("7", "ann@x.example", "Sales")
    assert told["teams"] == body["teams"]
    assert told["fields"] == body


def test_what_is_not_there_is_empty_but_without_its_id_it_is_refused() -> None:
    (event,) = webhook.read("hr", HIRED, delivered({"person": {"id": "7"}}))

    assert (event.facts["employee"]["email"], event.facts["employee"]["first"]) == ("", "")
    with pytest.raises(DeliveryUnreadable, match=r"no `person\.id`"):
        webhook.read("hr", HIRED, delivered({"person": {}}))


def test_the_same_body_is_one_event_and_another_is_another() -> None:
    first, again, other = (
        webhook.read("hr", HIRED, delivered({"person": {"id": 7}, "n": number}))[0] for number in (1, 1, 2)
    )

    assert first.meaning == again.meaning != other.meaning
    assert first.lane == other.lane


@given(st.dictionaries(st.text(), st.recursive(st.none() | st.text() | st.integers(), st.lists)))
def test_whatever_is_sent_is_an_event_or_refused_in_words(body: dict[str, Any]) -> None:
    settings = HIRED.model_copy(update={"fields": {"id": "id", "deep": "a.0.b"}})
    try:
        (event,) = webhook.read("hr", settings, delivered(body))
    except DeliveryUnreadable as error:
        assert "`id`" in str(error)
    else:
        assert event.facts["employee"]["id"]


def test_an_automation_listens_to_it_and_uses_its_fields(tmp_path: Path) -> None:
    step = {"do": "create_user", "with": {"email": "{{ employee.email }}"}}

    config = configured(tmp_path, NAMED, step, where={"email": {"like": "*@x.example"}})

    assert config.automations[0].event_types == ("employee.hired",)
    assert "employee.hired" in config.catalog.event_types
    assert "employee.hired" not in CATALOG.event_types


@pytest.mark.parametrize(
    ("hr", "step", "more", "said"),
    [
        (NAMED, {"do": "create_user", "with": {"email": "{{ employee.mail }}"}}, {}, "has no field 'mail'"),
        (NAMED, {"do": "create_user", "with": {"email": "{{ person.email }}"}}, {}, "person"),
        (NAMED, {"do": "create_user", "with": {"email": "a@x.example"}}, {"where": {"age": 3}}, "no field 'age'"),
        (NAMED | {"event": "room.hired"}, {"do": "read_usage"}, {"on": "room.hired"}, "stands for something else"),
        (NAMED | {"event": "item.sold"}, {"do": "read_usage"}, {"on": "item.sold"}, "stands for something else"),
        (NAMED | {"event": "Hired"}, {"do": "read_usage"}, {"on": "Hired"}, "event"),
        (NAMED | {"fields": {"E-Mail": "mail"}}, {"do": "read_usage"}, {}, "small letters"),
        (NAMED | {"fields": {"connection": "mail"}}, {"do": "read_usage"}, {}, "already"),
        (
            NAMED,
            {"do": "read_usage"},
            {"others": {"other": {"type": "http", **NAMED, "fields": {"id": "nr"}}}},
            "with different fields",
        ),
        (NAMED | {"event": "employee.left"}, {"do": "read_usage"}, {}, "no connection raises"),
    ],
)
def test_what_cannot_be_meant_is_said(
    tmp_path: Path, hr: dict[str, Any], step: dict[str, Any], more: dict[str, Any], said: str
) -> None:
    assert said in faults(tmp_path, hr, step, **more)


def test_by_hand_it_needs_to_know_which() -> None:
    event = webhook.by_hand("hr", "employee.hired", {"employee": {"id": "7", "email": "a@x.example"}})

    assert event.facts["employee"]["email"] == "a@x.example"
    with pytest.raises(NotThere, match="which employee"):
        webhook.by_hand("hr", "employee.hired", {})
