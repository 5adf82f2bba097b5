"""Deliveries of the portal, real and hostile."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roomkeeper.connectors.docspace.events import webhook
from roomkeeper.connectors.docspace.settings import DocSpace
from roomkeeper.contract.delivery import Delivery
from roomkeeper.errors import DeliveryUnreadable

SETTINGS = DocSpace(url="https://acme.example", api_key="k")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def delivery(**changed: Any) -> dict[str, Any]:
    body = {
        "event": {
            "id": 9912,
            "createOn": "2026-06-30T12:05:09Z",
            "createBy": "u1",
            "trigger": "file.uploaded",
            "triggerId": 256,
        },
        "payload": {"id": 50123, "parentId": 4410, "title": "Offer.docx", "modifiedOn": "2026-06-30T12:05:09Z"},
        "webhook": {"id": 3},
    }
    for name, value in changed.items():
        part, _, key = name.partition("__")
        body[part] = body[part] | {key: value}
    return body


def read(body: Any) -> Any:
    return webhook.read("acme", SETTINGS, Delivery(json.dumps(body).encode()))[0]


def test_an_upload_is_read_whole() -> None:
    event = read(delivery())

    assert (event.type, event.connection, event.actor) == ("file.uploaded", "acme", "u1")
    assert event.facts["file"] == {"id": 50123, "title": "Offer.docx", "extension": "docx", "folder": 4410}
    assert event.at.isoformat() == "2026-06-30T12:05:09+00:00"
    assert event.lane == "4410"
    assert not event.ignored


#: As a real portal tells of people (recorded: hooks.events).
INVITED = {"id": "be52", "firstName": "", "lastName": "", "userName": "asked", "status": 4, "email": "asked@x.example"}
MADE = {"id": "537e", "firstName": "Made", "lastName": "Up", "userName": "made", "status": 1, "email": "made@x.example"}


def test_a_person_has_names_address_and_status() -> None:
    made = read(delivery(event__trigger="user.created") | {"payload": MADE})
    invited = read(delivery(event__trigger="user.invited") | {"payload": INVITED})

    names = {"name": "Made Up", "first_name": "Made", "last_name": "Up"}
    assert made.facts["user"] == {"id": "537e", **names, "email": "made@x.example", "status": "active"}
    assert (invited.facts["user"]["name"], invited.facts["user"]["status"]) == ("asked@x.example", "pending")


def test_a_filled_form_has_the_form_that_it_came_from() -> None:
    form, copy = {"id": 7, "title": "Leave.pdf"}, {"id": 8, "parentId": 3, "title": "1 - Mia - Leave.pdf"}
    event = read(delivery(event__trigger="form.submit") | {"payload": {"originalForm": form, "submittedForm": copy}})

    told = {"original": 7, "original_title": "Leave.pdf", "extension": "pdf", "folder": 3}
    assert event.facts["form"] == {"id": 8, "title": "1 - Mia - Leave.pdf", **told}


def test_a_manual_retry_has_another_delivery_and_the_same_meaning() -> None:
    first, again = read(delivery()), read(delivery(event__id=9999))

    assert first.delivery != again.delivery
    assert first.meaning == again.meaning


@pytest.mark.parametrize(
    "changed",
    [
        {"event__trigger": "file.created"},
        {"payload__id": 50124},
        {"event__createOn": "2026-06-30T12:05:10Z"},
        {"payload__modifiedOn": "x"},
    ],
)
def test_another_occurrence_has_another_meaning(changed: dict[str, Any]) -> None:
    assert read(delivery(**changed)).meaning != read(delivery()).meaning


def test_string_ids_of_third_party_storage_are_kept() -> None:
    event = read(delivery(payload__id="sbox-12-|a.docx", payload__parentId="sbox-12-|dir"))

    assert event.facts["file"]["id"] == "sbox-12-|a.docx"
    assert event.lane == "sbox-12-|dir"


def test_an_unknown_trigger_is_ignored_and_named() -> None:
    event = read(delivery(event__trigger="planet.exploded"))

    assert "planet.exploded" in event.ignored


@pytest.mark.parametrize("trigger", webhook.TRIGGERS)
def test_every_trigger_of_the_portal_is_read(trigger: str) -> None:
    assert read(delivery(event__trigger=trigger)).type == trigger


def test_there_are_all_36_of_them() -> None:
    assert len(set(webhook.TRIGGERS)) == len(webhook.TRIGGERS) == 36


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b"null",
        b"{}",
        b'{"event":{}}',
        b"\xff\xfe",
        b"[" * 50_000,
        b'{"a":' * 5_000,
        b"1" * 10_000,
    ],
)
def test_what_cannot_be_read_says_so(body: bytes) -> None:
    with pytest.raises(DeliveryUnreadable) as raised:
        webhook.read("acme", SETTINGS, Delivery(body))

    assert raised.value.message


@given(json_values)
def test_no_json_makes_it_stumble(value: Any) -> None:
    _read_or_refuse(json.dumps(value).encode())


@given(st.sampled_from(["event", "payload", "webhook"]), st.text(max_size=12), json_values)
def test_no_odd_field_makes_it_stumble(part: str, name: str, value: Any) -> None:
    body = delivery()
    body[part] = body[part] | {name: value}
    _read_or_refuse(json.dumps(body).encode())


@given(st.sampled_from(["id", "parentId", "title", "createBy", "createOn", "modifiedOn", "trigger"]), json_values)
def test_no_odd_value_makes_it_stumble(name: str, value: Any) -> None:
    body = delivery()
    for part in ("event", "payload"):
        if name in body[part]:
            body[part] = body[part] | {name: value}
    _read_or_refuse(json.dumps(body).encode())


@given(st.binary(max_size=300))
def test_no_bytes_make_it_stumble(body: bytes) -> None:
    _read_or_refuse(body)


def _read_or_refuse(body: bytes) -> None:
    try:
        events = webhook.read("acme", SETTINGS, Delivery(body))
    except DeliveryUnreadable as error:
        assert error.message
    else:
        assert all(event.type and event.meaning for event in events)
        json.dumps([event.facts for event in events])
