"""Deliveries of the helpdesks: signatures, altered, stale and missing; every shape, and hostile ones."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from roomkeeper.connectors.freshdesk import webhook as freshdesk
from roomkeeper.connectors.freshdesk.settings import Freshdesk
from roomkeeper.connectors.jira import webhook as jira
from roomkeeper.connectors.jira.client import complete
from roomkeeper.connectors.jira.settings import Jira
from roomkeeper.connectors.zendesk import webhook as zendesk
from roomkeeper.connectors.zendesk.settings import PUBLIC_TEST_SECRET, Zendesk
from roomkeeper.contract.delivery import Delivery
from roomkeeper.errors import DeliveryRefused
from roomkeeper.vendors import tickets
from roomkeeper.vendors.tickets import Ticket

ACCOUNT = {"url": "https://acme.zendesk.com", "email": "bot@acme.example", "api_token": "t"}
ZENDESK = Zendesk(**ACCOUNT, webhook_secret=("old", "secret"))
FRESHDESK = Freshdesk(url="https://acme.freshdesk.com", api_key="k", webhook_token=("old", "token"))
JIRA = Jira(
    url="https://acme.atlassian.net",
    email="b@x.example",
    api_token="t",
    webhook_secret=("old", "It's a Secret to Everybody"),
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def refused(connector: Any, settings: Any, delivery: Delivery) -> str:
    with pytest.raises(DeliveryRefused) as caught:
        connector.verify(settings, delivery)
    return caught.value.message


# --- Zendesk --------------------------------------------------------------------------------------------------


def signed(body: bytes, secret: str = "secret", at: datetime | None = None) -> dict[str, str]:
    stamp = f"{at or datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    digest = hmac.new(secret.encode(), stamp.encode() + body, hashlib.sha256).digest()
    return {
        "x-zendesk-webhook-signature": base64.b64encode(digest).decode(),
        "x-zendesk-webhook-signature-timestamp": stamp,
    }


def test_zendesk_s_worked_value_is_the_public_secret_s_and_refused_with_its_reason() -> None:
    headers = {
        "X-Zendesk-Webhook-Signature": "en/ni9vbvGxPZiCR3QAyIo8BQOXkSMAih2wjD+XKcd0=",
        "X-Zendesk-Webhook-Signature-Timestamp": "2026-07-22T10:00:00Z",
    }

    assert "public secret" in refused(zendesk, ZENDESK, Delivery(b'{"ticket_id":"35436"}', headers))


def test_the_public_secret_cannot_even_be_configured() -> None:
    with pytest.raises(ValidationError, match="everybody knows"):
        Zendesk(**ACCOUNT, webhook_secret=PUBLIC_TEST_SECRET)


def test_zendesk_s_signature_covers_time_and_body() -> None:
    body = b'{"ticket_id": "1"}'
    zendesk.verify(ZENDESK, Delivery(body, signed(body)))
    zendesk.verify(ZENDESK, Delivery(body, signed(body, "old")))
    zendesk.verify(ZENDESK, Delivery(body, signed(body, at=datetime.now(UTC) - timedelta(hours=5))))

    assert "does not fit" in refused(zendesk, ZENDESK, Delivery(body + b" ", signed(body)))
    assert "does not fit" in refused(zendesk, ZENDESK, Delivery(body, signed(body, "another")))
    moved = signed(body) | {"x-zendesk-webhook-signature-timestamp": "2020-01-01T00:00:00Z"}
    assert "does not fit" in refused(zendesk, ZENDESK, Delivery(body, moved))
    assert "is missing" in refused(zendesk, ZENDESK, Delivery(body, {}))
    assert "no secret" in refused(zendesk, Zendesk(**ACCOUNT), Delivery(body, signed(body)))


def test_a_window_refuses_what_was_signed_long_ago() -> None:
    strict = Zendesk(**ACCOUNT, webhook_secret="secret", window="5m")
    zendesk.verify(strict, Delivery(b"{}", signed(b"{}")))

    old = signed(b"{}", at=datetime.now(UTC) - timedelta(minutes=6))
    assert "longer ago" in refused(zendesk, strict, Delivery(b"{}", old))


def read_zendesk(body: bytes) -> Any:
    (event,) = zendesk.read("support", ZENDESK, Delivery(body))
    return event


@pytest.mark.parametrize(
    "body",
    [
        b'{"ticket_id": "42", "subject": "a"}',
        b'{"ticketID": 42, "title": "a"}',
        b'{"ticket": {"id": 42, "subject": "a"}}',
        b"ticket_id=42&subject=a",
        b'{"requester": {"id": 7}, "ticket": {"id": 42}}',
        b'{"id": "0b5e1f0c", "ticket": {"id": 42, "type": "Password update"}}',
        b'{"id": "1234", "ticket": {"id": 42}}',
        b'{"ticket_id": "42", "type": "Password update", "event": "ticket created"}',
        b'{"subject":"he said "about ticket id: 7" again","ticket_id":"42"}',
        b'{"ticket_id": "42", "subject": "he said "no" and\nleft"}',
        b"{'ticket_id': 42, subject: \xff\xfe",
        b'{"ticket_id": 42, "event": "Emergency ticket created (credit card)"}',
        b'{"ticket_id": 42, "trigger": "Notify Roomkeeper: new ticket, unassigned"}',
        b'{"ticket_id": 42, "event": "Ticket created and assigned"}',
        b'{"ticket_id": 42, "event": "New change request"}',
        b'{"ticket_id": 42, "event": "Ticket created (change request)"}',
        b'{"ticket_id": 42, "trigger": "Create room & add note"}',
        b'{"ticket_id": 42, "event": "email_received"}',
        *(
            f'{{"ticket_id": 42, "trigger": "{title}"}}'.encode()
            for title in (
                "Escalated tickets to DocSpace",
                "Resolve incidents in a room",
                "SLA room",
                "Notify: attachments",
            )
        ),
        b'{"ticket_id": 42, "event": "Form completed"}',
        b'{"ticket_id": 42, "event": "created_and_pending"}',
        b'ticket_id=42&subject=He said "hi"\nand <left>',
        b'{"ticket_id": "#42"}',
        b'{"ticket_id": 42.0}',
        '{"ticket_id": "42", "клиент": {"id": "9"}, "依頼者": {"id": "7"}}'.encode(),
        '{"ticket_id": "42", "комментарий": {"event": "updated"}}'.encode(),
        b'"ticket_id": "42", "url": "https://x.example/?a=b"',
        b'{"ticket_id":"42","requester":{"id":77},"subject":"he said "hi""}',
        b'{"ticket_id":"42","subject":"he said "hi" see https://x.example/?a=1&id=99"}',
    ],
)
def test_a_customer_s_template_is_read_however_it_is_written_or_broken(body: bytes) -> None:
    event = read_zendesk(body)

    assert (event.type, event.ignored, event.meaning) == ("ticket.created", "", "ticket 42 created")
    assert event.facts["ticket"]["url"] == "https://acme.zendesk.com/agent/tickets/42"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"type": "End User Comment", "ticketID": "12345"}', "'End User Comment' is not a new ticket"),
        (b'{"ticket_id": 1, "event": "ticket.updated"}', "not a new ticket"),
        (b'{"ticket_id": 1, "action": "deleted"}', "not a new ticket"),
        (b'{"ticket_id": 1, "event": "comment_created"}', "not a new ticket"),
        (b'{"ticket_id": 1, "event": "Ticket updated: status Open"}', "not a new ticket"),
        (b'{"ticket_id": 1, "event": "ticket_reopened"}', "not a new ticket"),
        *(
            (f'{{"ticket_id": 1, "event": "{kind}"}}'.encode(), "not a new ticket")
            for kind in (
                *("ticketUpdated", "TICKETUPDATED", "ticketupdated", "ticket_resolved", "Ticket resolved"),
                *("ticket_reassigned", "unassigned", "newcomment", "New ticket comment", "New ticket reply"),
                *("New ticket status: closed", "Create ticket note", "Ticket creator changed"),
                *("agent_responded", "attachment_added", "satisfaction_rated", "sla_breached", "message_received"),
                *("created_tag", "customer_response", "completed", "Ticket has been completed", "task_completed"),
                *("new assignee for ticket", "New change on issue", "New attachment on case", "Ticket updated by rule"),
                *("jira-ticket-completed", "Ticket moved", "tag_added", "escalated", "status: pending"),
            )
        ),
        (b'{"event":"ticket.updated","ticket_id":"5","subject":"he said "hi""}', "not a new ticket"),
        (b'{"subject":"he said ", "ticket_id": "42" again","ticket_id":"77"}', "several tickets"),
        (b'{"type": "zen:event-type:ticket.comment_added", "detail": {"id": "1"}}', "ticket.comment_added is not"),
        (b'{"type": "zen:event-type:user.created", "detail": {"id": "1"}}', "user.created is not"),
        (
            b'{"type": "zen:event-type:user.tags_changed", "subject": "zen:user:1", "detail": {"id": "1"}}',
            "user.tags_changed is not",
        ),
        (
            b'{"type": "zen:event-type:agent.state_changed", "subject": "zen:agent:1", "detail": {"agent_id": "1"}}',
            "agent.state_changed is not",
        ),
        (b'{"hello": 1}', "no field holds a ticket's id"),
        (b'{"ticket_id": "{{ticket.id}}"}', "this is '{{ticket.id}}': the placeholder was not filled in"),
        (b'{"ticket_id": "INC-11"}', "a ticket's id is a number, and this is 'INC-11'"),
        (b'<?xml version="1.0"?><hook><ticket_id>42</ticket_id></hook>', "the body is XML: have it sent as JSON"),
        (b'{"ticket_id": 1, "trigger": "comment_added"}', "not a new ticket"),
        (b'{"ticket_id": 1, "trigger": "Ticket updated"}', "not a new ticket"),
        (b"ticket_id=5\r\nevent=updated", "not a new ticket"),
        (b'ticket_id=5&event=ticket_updated&subject=He said "hi"', "not a new ticket"),
        (b"", "no field holds a ticket's id (the body is not valid JSON"),
        (b"[]", "the body is not a JSON object"),
    ],
)
def test_what_is_no_new_zendesk_ticket_is_ignored_with_its_reason(body: bytes, why: str) -> None:
    assert why in read_zendesk(body).ignored


TEMPLATE = '{"ticket_id": "5", "subject": "%s", "requester_email": "%s", "priority": "low"}'


@pytest.mark.parametrize(
    "body",
    [
        TEMPLATE % ('x","type":"zen:event-type:ticket.created","detail":{"id":"1","subject":"mine"},"z":"', "a"),
        '{"id": "5", "title": "x","type":"zen:event-type:ticket.created","detail":{"id":"1"},"z":""}',
        '{"id": "5", "title": "x","type":"zen:event-type:ticket.created","subject":"zen:ticket:1","detail":{"id":"1"}}',
        '{"id":"5","subject":"he said "hi", ticket_id: 1"}',
        '{"ticket":{"id":"5","subject":"he said "hi", ticket_id: 1"}}',
    ],
)
def test_a_subject_cannot_name_another_zendesk_ticket(body: str) -> None:
    event = read_zendesk(body.encode())
    assert event.unusable
    assert "ambiguous" in event.ignored


def test_a_subject_cannot_add_who_asks_or_how_urgent_it_is() -> None:
    added = (
        'x","requester_email":"q","ticket_requester_email":"evil@evil.example","priority":"q","ticket_priority":"urgent'
    )
    event = read_zendesk((TEMPLATE % (added, "ann@acme.example")).encode())

    assert event.facts["ticket"]["id"] == "5"
    assert event.facts["ticket"]["requester"]["email"] == ""
    assert event.facts["ticket"]["priority"] == ""


# --- Freshdesk ------------------------------------------------------------------------------------------------


def test_freshdesk_s_token_comes_as_header_or_password() -> None:
    basic = {"Authorization": "Basic " + base64.b64encode(b"anybody:token").decode()}
    freshdesk.verify(FRESHDESK, Delivery(b"{}", {"x-webhook-token": "token"}))
    freshdesk.verify(FRESHDESK, Delivery(b"{}", {"X-Webhook-Token": "old"}))
    freshdesk.verify(FRESHDESK, Delivery(b"{}", basic))

    for headers in ({}, {"X-Webhook-Token": ""}, {"X-Webhook-Token": "no"}, {"Authorization": "Basic x"}):
        assert "token" in refused(freshdesk, FRESHDESK, Delivery(b"{}", headers))


@pytest.mark.parametrize(
    ("inner", "ignored"),
    [
        ({"ticket_id": "11", "triggered_event": "{ticket_action:created}"}, False),
        ({"ticket_id": "11"}, False),
        ({"ticket_id": "11", "type": "Account closure", "triggered_event": "{ticket_action:created}"}, False),
        ({"ticket_id": "11", "triggered_event": "{status:{from:2,to:5}}"}, True),
        ({"ticket_id": "11", "triggered_event": "{ticket_action:update}"}, True),
        ({"ticket_id": "11", "triggered_event": "{unknown_event:{from:3,to:1}}"}, True),
        ({"ticket_id": "11", "triggered_event": "{ticket_type:{from:Question,to:Creative request}}"}, True),
        ({"ticket": {"id": "11", "triggered_event": "{status:{from:2,to:5}}"}}, True),
        ({"ticket_subject": "no id"}, True),
    ],
)
def test_freshdesk_s_wrapper_tells_whether_the_ticket_is_new(inner: dict[str, str], ignored: bool) -> None:
    (event,) = freshdesk.read("support", FRESHDESK, Delivery(json.dumps({"freshdesk_webhook": inner}).encode()))
    assert bool(event.ignored) is ignored


# --- Jira -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        '{"freshdesk_webhook":{"ticket_id":"5","ticket_subject":"x"},"freshdesk_webhook":{"ticket_id":"1","z":""}}',
        '{"ticket_id":"5","ticket_subject":"x","freshdesk_webhook":{"ticket_id":"1"},"z":""}',
        '{"id":"5","title":"x","freshdesk_webhook":{"ticket_id":"1"},"z":""}',
    ],
)
def test_a_subject_cannot_name_another_freshdesk_ticket(body: str) -> None:
    (event,) = freshdesk.read("support", FRESHDESK, Delivery(body.encode()))
    assert event.unusable
    assert "ambiguous" in event.ignored


@pytest.mark.parametrize("beside", ['"id":7', '"ticket_id":"7"', '"id":"0b5e1f0c"'])
def test_what_stands_beside_freshdesk_s_wrapper_and_says_the_same_is_no_other_ticket(beside: str) -> None:
    body = f'{{"freshdesk_webhook":{{"ticket_id":"7"}},{beside}}}'
    (event,) = freshdesk.read("support", FRESHDESK, Delivery(body.encode()))
    assert (event.ignored, event.facts["ticket"]["id"]) == ("", "7")


def test_the_number_of_an_organisation_is_no_ticket_s() -> None:
    event = read_zendesk(b'{"type": "zen:event-type:organization.created", "detail": {"id": 51}}')

    assert event.facts["ticket"]["id"] == ""
    assert "51" not in event.lane


@pytest.mark.parametrize(("said", "meant"), [("3", "high"), (4, "urgent"), ("High", "high"), ("", "")])
def test_freshdesk_s_priorities_are_names_however_they_are_said(said: object, meant: str) -> None:
    body = json.dumps({"freshdesk_webhook": {"ticket_id": 7, "ticket_priority": said}}).encode()
    (event,) = freshdesk.read("support", FRESHDESK, Delivery(body))

    assert event.facts["ticket"]["priority"] == meant


def test_a_summary_cannot_name_another_issue() -> None:
    other = '{"id":"10033","key":"SUP-3","fields":{"summary":"x"},"issue":{"id":"1","key":"SUP-1","fields":{}},"z":{}}'
    (event,) = jira.read("support", JIRA, Delivery(other.encode()))
    assert event.unusable
    assert "ambiguous" in event.ignored


def test_jira_s_official_vector_fits_and_nothing_else() -> None:
    right = "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"
    jira.verify(JIRA, Delivery(b"Hello World!", {"X-Hub-Signature": right}))
    jira.verify(JIRA, Delivery(b"Hello World!", {"x-hub-signature": right.upper().replace("SHA256", "sha256")}))

    assert "does not fit" in refused(jira, JIRA, Delivery(b"Hello World?", {"X-Hub-Signature": right}))
    assert "only sha256" in refused(jira, JIRA, Delivery(b"x", {"X-Hub-Signature": "sha1=ab"}))
    assert "is missing" in refused(jira, JIRA, Delivery(b"x", {"X-Hub-Signature-256": right}))


def test_jira_s_token_comes_as_header_or_in_the_address() -> None:
    settings = Jira(url="https://j.example", token="pat", webhook_token="token")
    jira.verify(settings, Delivery(b"{}", {"X-Webhook-Token": "token"}))
    jira.verify(settings, Delivery(b"{}", {}, "https://hooks.example/hooks/jira?token=token"))

    assert "token" in refused(jira, settings, Delivery(b"{}", {}, "https://hooks.example/hooks/jira?token="))
    assert "token" in refused(jira, settings, Delivery(b"{}", {"X-Hub-Signature": "sha256=aa"}))


def test_a_jira_connection_must_be_able_to_speak() -> None:
    with pytest.raises(ValidationError, match="Data Center"):
        Jira(url="https://j.example", email="only@x.example")


ISSUE: dict[str, Any] = {
    "id": "10033",
    "key": "SUP-3",
    "fields": {"summary": "VPN down", "creator": {"displayName": "Ann"}},
}


def test_what_freshdesk_says_of_an_update_is_found_in_a_body_that_a_subject_broke() -> None:
    inner = '"ticket_id":"11","ticket_subject":"he said "hi" to me","triggered_event":"{status:{from:2,to:5}}"'
    (event,) = freshdesk.read("support", FRESHDESK, Delivery(f'{{"freshdesk_webhook": {{{inner}}}}}'.encode()))

    assert "is not a new ticket" in event.ignored


def test_a_web_request_may_name_an_issue_by_its_number_and_its_key_alone() -> None:
    body = b'{"issue_id": 10033, "issue_key": "SUP-3", "key": "room-2024"}'
    (event,) = jira.read("support", JIRA, Delivery(body))

    assert (event.ignored, event.facts["ticket"]["id"], event.facts["ticket"]["key"]) == ("", "10033", "SUP-3")


@pytest.mark.parametrize(
    "added",
    [
        '"key":"SUP-2"',
        '"issueKey":"SUP-2"',
        '"issue":{"key":"SUP-2"}',
        '"issue":{"id":"10","key":"SUP-2","fields":{"reporter":{"emailAddress":"evil@x.example"}}}',
        '"id":"10","key":"SUP-2","fields":{}',
    ],
)
def test_a_summary_cannot_name_another_issue_beside_the_one_that_is_named(added: str) -> None:
    (event,) = jira.read("support", JIRA, Delivery(f'{{"issue_key":"SUP-1","summary":"x",{added}}}'.encode()))

    assert event.unusable
    assert "it names SUP-1, SUP-2" in event.ignored


@pytest.mark.parametrize("odd", ['"its keys":5', '"names":{"a":"b"}', '"key2":null'])
def test_no_field_of_a_sender_s_own_makes_it_stumble(odd: str) -> None:
    body = f'{{"issue":{{"id":"10033","key":"SUP-3",{odd}}}}}'.encode()
    (event,) = jira.read("support", JIRA, Delivery(body))

    assert (event.ignored, event.meaning) == ("", "ticket 10033 created")


class Issues:
    """Jira as it is asked for one issue."""

    wanted: frozenset[str] = frozenset()

    def __init__(self, *, created: str = "") -> None:
        self.asked: list[str] = []
        self._issue = ISSUE | {"fields": {**ISSUE["fields"], "created": created}}

    async def ticket(self, number: str) -> Ticket:
        self.asked.append(number)
        return jira.issue_as_ticket(JIRA, self._issue)


async def test_two_names_of_which_one_is_another_issue_s_name_none() -> None:
    (event,) = jira.read("support", JIRA, Delivery(b'{"issue_key":"SUP-3","summary":"x","issue_id":"10002"}'))

    known = await complete(Issues(), event)  # type: ignore[arg-type]

    assert event.ignored == ""
    assert "it names issue 10002 and SUP-3, which are two" in known.ignored


async def test_an_old_issue_that_is_told_of_by_its_key_alone_is_no_new_one() -> None:
    (event,) = jira.read("support", JIRA, Delivery(b'{"issue_key":"SUP-3","event":"priority_raised"}'))
    (zeros,) = jira.read("support", JIRA, Delivery(b'{"issue_id":"0010033"}'))

    known = await complete(Issues(created="2020-01-01T10:00:00.000+0000"), event)  # type: ignore[arg-type]

    assert "of an issue that was there before" in known.ignored
    assert (await complete(Issues(), zeros)).ignored == ""  # type: ignore[arg-type]


async def test_an_issue_that_is_asked_for_by_hand_stays_one() -> None:
    by_hand = tickets.by_hand("support", "ticket.created", {"ticket": {"id": "10033"}})

    known = await complete(Issues(), by_hand)  # type: ignore[arg-type]

    assert known.meaning == by_hand.meaning


def test_issues_that_are_told_of_by_their_keys_have_lanes_of_their_own() -> None:
    lanes = [jira.read("support", JIRA, Delivery(f'{{"issue_key":"SUP-{n}"}}'.encode()))[0].lane for n in (1, 2)]

    assert lanes == ["ticket SUP-1", "ticket SUP-2"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"issue_key": "SUP-3"}, "SUP-3"),
        ({"issueKey": "SUP-3", "priority": "high"}, "SUP-3"),
        ({"issue": {"key": "SUP-3"}}, "SUP-3"),
        ({"webhookEvent": "jira:issue_created", "issue": {"key": "SUP-3", "fields": {"summary": "x"}}}, "SUP-3"),
        ({"issue_id": 10033}, "10033"),
        ({"key": "SUP-3", "summary": "x"}, "SUP-3"),
        ({"id": "10033", "key": "SUP-3", "summary": "x"}, "SUP-3"),
    ],
)
async def test_an_issue_that_is_named_by_one_of_its_names_is_read_and_known_by_both(
    body: dict[str, Any], named: str
) -> None:
    (event,) = jira.read("support", JIRA, Delivery(json.dumps(body).encode()))
    (whole,) = jira.read("support", JIRA, Delivery(json.dumps({"issue": ISSUE}).encode()))
    site = Issues()

    known = await complete(site, event)  # type: ignore[arg-type]

    assert event.ignored == ""
    assert site.asked == [named]
    assert (known.meaning, known.subject, known.lane) == (whole.meaning, whole.subject, whole.lane)
    assert [known.facts["ticket"][one] for one in ("id", "key", "url")] == [
        whole.facts["ticket"][one] for one in ("id", "key", "url")
    ]


def changed(*moments: str, created: object = "2026-11-01T10:00:00.000+0000") -> dict[str, Any]:
    """An issue as Automation sends it: with all that ever was changed of it."""
    histories = [{"created": at, "items": [{"field": "status"}]} for at in moments]
    fields = ISSUE["fields"] | {"created": created}
    return {"issue": ISSUE | {"fields": fields, "changelog": {"histories": histories}}}


@pytest.mark.parametrize(
    ("body", "ignored"),
    [
        ({"webhookEvent": "jira:issue_created", "issue": ISSUE}, ""),
        (changed() | {"transition": {"transitionName": "Erstellen"}, "timestamp": 1793527205000}, ""),
        (
            changed() | {"transition": {"transitionName": "Reopen"}, "timestamp": 1793627205000},
            "a step of its workflow",
        ),
        ({"event": "issue_updated", "issue": ISSUE}, "'issue_updated' is not a new issue"),
        ({"event": "New ticket", "issue": ISSUE}, ""),
        ({"event": "Vorgang erstellt", "issue": ISSUE}, ""),
        (changed(), ""),
        (changed("2026-11-01T10:00:03.000+0000"), ""),  # another rule, at once
        (changed("2026-11-02T10:00:00.000+0000"), "a change is not a new issue"),
        (changed("2026-11-02T10:00:00.000+0000", created=1793527200000), "a change is not a new issue"),
        (changed("2026-11-02T10:00:00.000+0000", created=""), "a change is not a new issue"),
        ({"issueKey": "{{issue.key}}"}, "'{{issue.key}}' is no issue"),
        ({"event": "issue_transitioned", "issue": ISSUE, "timestamp": 1893452400000}, "is not a new issue"),
        ({"event": "attachment_added", "issue_id": 10033, "issue_key": "SUP-3"}, "is not a new issue"),
        (changed() | {"event": "Vorgang bewegt", "timestamp": 1893452400000}, "of an issue that was there before"),
        (changed() | {"event": "Vorgang erstellt", "timestamp": 1793527205000}, ""),
        ({"summary": "x"}, "or `issue_key`"),
        ({"issue": ISSUE, "timestamp": 1}, ""),
        (ISSUE | {"id": 10033, "self": "https://internal/x"}, ""),
        (ISSUE | {"changelog": {"startAt": 0, "maxResults": 0, "total": 0, "histories": None}}, ""),
        ({"webhookEvent": "jira:issue_updated", "issue": ISSUE}, "jira:issue_updated is not a new issue"),
        ({"webhookEvent": "comment_created", "comment": {}}, "comment_created is not a new issue"),
        ({"issue": ISSUE, "comment": {"body": "x"}}, "a comment is not a new issue"),
        ({"issue": ISSUE, "changelog": {"items": [{"field": "status"}]}}, "a change is not a new issue"),
        ({"webhookEvent": "jira:issue_created"}, "no issue is named"),
        ([], "not a JSON object"),
    ],
)
def test_jira_s_shapes_are_told_apart(body: Any, ignored: str) -> None:
    (event,) = jira.read("support", JIRA, Delivery(json.dumps(body).encode()))

    assert ignored in event.ignored
    assert bool(event.ignored) is bool(ignored)
    if not ignored:
        ticket = event.facts["ticket"]
        assert (ticket["id"], ticket["key"], ticket["url"]) == (
            "10033",
            "SUP-3",
            "https://acme.atlassian.net/browse/SUP-3",
        )
        assert ticket["requester"]["name"] == "Ann"


READERS: list[Callable[[Delivery], Any]] = [
    lambda one: zendesk.read("x", ZENDESK, one),
    lambda one: freshdesk.read("x", FRESHDESK, one),
    lambda one: jira.read("x", JIRA, one),
]


@given(st.one_of(json_values.map(lambda value: json.dumps(value).encode()), st.binary(max_size=80)))
def test_nothing_makes_a_helpdesk_s_reader_refuse(body: bytes) -> None:
    for read in READERS:
        assert len(read(Delivery(body))) == 1
