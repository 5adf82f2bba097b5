"""A body is not what its writer made: what a customer's customer wrote may close its quotation and add fields."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from roomkeeper.connectors.freshdesk import webhook as freshdesk
from roomkeeper.connectors.freshdesk.settings import Freshdesk
from roomkeeper.connectors.http import webhook as http
from roomkeeper.connectors.http.settings import Http
from roomkeeper.connectors.jira import webhook as jira
from roomkeeper.connectors.jira.settings import Jira
from roomkeeper.connectors.zendesk import webhook as zendesk
from roomkeeper.connectors.zendesk.settings import Zendesk
from roomkeeper.contract.delivery import Delivery
from roomkeeper.errors import DeliveryUnreadable

ZENDESK = Zendesk(url="https://acme.zendesk.com", email="bot@acme.example", api_token="t")
FRESHDESK = Freshdesk(url="https://acme.freshdesk.com", api_key="k")
JIRA = Jira(url="https://acme.atlassian.net", email="b@x.example", api_token="t")
ERP = Http(event="deal.closed", fields={"id": "dealId", "status": "status", "company": "clientName", "at": "closedAt"})
TEMPLATE = '{{"ticket_id":"5","subject":"{subject}","url":"https://acme/5","requester_email":"ann@client.example",'
TEMPLATE += '"created_at":"2026-11-25T10:00:00Z"}}'


def ticket(subject: str, connector: Any = zendesk, settings: Any = ZENDESK) -> Any:
    """Have a subject stand in a template as it is, as a helpdesk does."""
    (event,) = connector.read("support", settings, Delivery(TEMPLATE.format(subject=subject).encode()))
    return event


@pytest.mark.parametrize(("connector", "settings"), [(zendesk, ZENDESK), (freshdesk, FRESHDESK)])
@pytest.mark.parametrize(
    "subject",
    [
        'x","ticket_id":"1',
        'x","Ticket ID":"1',
        'x","ticketId":1,"z":"',
        'x","ticket":{"id":"1"},"z":"',
        'x","ticket_number":"1',
        'x","id":"1',
        'x" , "ticket_id" : "1" , broken',
    ],
)
def test_a_subject_that_names_another_ticket_decides_nothing(connector: Any, settings: Any, subject: str) -> None:
    event = ticket(subject, connector, settings)

    assert event.unusable
    assert event.ignored
    assert event.facts["ticket"]["id"] == ""


@pytest.mark.parametrize("subject", ['x","action":"created","z":"","action":"update', 'x","event":"a","Event":"b'])
def test_a_subject_that_says_what_happened_and_something_else_decides_nothing(subject: str) -> None:
    event = ticket(subject)

    assert event.unusable
    assert "ambiguous" in event.ignored


def test_fields_that_contradict_themselves_are_left_to_the_vendor_s_own_record() -> None:
    event = ticket('x","requester_email":"evil@elsewhere.example","Created At":"0001-01-01T00:00:00+01:00","z":"')

    assert not event.unusable
    assert event.facts["ticket"]["id"] == "5"
    assert event.facts["ticket"]["requester"]["email"] == ""  # it is read where an automation uses it
    assert event.facts["ticket"]["created_at"] == ""
    assert abs((event.at - datetime.now(UTC)).total_seconds()) < 60


def test_the_same_said_twice_is_no_contradiction() -> None:
    event = ticket('x","ticket_id":"5","Ticket ID":5,"z":"')

    assert not event.ignored
    assert event.facts["ticket"]["id"] == "5"


def test_half_an_emoji_and_escapes_of_a_terminal_are_replaced() -> None:
    event = ticket("Broken \\ud83d \\u001b[2J")

    assert event.facts["ticket"]["subject"] == "Broken \ufffd \ufffd[2J"
    assert event.subject.encode()


@pytest.mark.parametrize("extra", ['"webhookEvent":"x",', '"issue":{"id":"9","key":"B-9"},'])
def test_an_issue_that_is_named_twice_decides_nothing(extra: str) -> None:
    issue = '{"id":"1","key":"A-1","fields":{"summary":"s"}}'
    body = f'{{"webhookEvent":"jira:issue_created",{extra}"issue":{issue}}}'.encode()

    (event,) = jira.read("support", JIRA, Delivery(body))

    assert event.unusable
    assert "ambiguous" in event.ignored


@pytest.mark.parametrize(
    ("name", "status"), [('Mueller "Bau" GmbH', "won"), ("Two\nlines", "won"), ("back\\slash \\x", "won")]
)
def test_what_decides_is_read_out_of_json_that_a_name_has_broken(name: str, status: str) -> None:
    body = f'{{"dealId": "4150001", "status": "Closed Won", "clientName": "{name}", "closedAt": "2026-11-25T10:00:00"}}'

    (event,) = http.read("erp", ERP, Delivery(body.encode()))

    assert (event.facts["deal"]["id"], event.facts["deal"]["status"]) == ("4150001", status)
    assert event.at == datetime(2026, 11, 25, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "body",
    [
        '{"dealId": "1", "status": "won", "clientName": "x", "dealId": "2", "closedAt": "2026-11-25"}',
        '{"dealId": "1", "status": "won", "clientName": "a "b" ", "dealId": "2", "closedAt": "2026-11-25"}',
        '{"dealId": "1", "clientName": "a "b" "}',
        "[]",
        "nothing",
    ],
)
def test_what_cannot_be_made_out_is_said_and_nothing_is_guessed(body: str) -> None:
    with pytest.raises(DeliveryUnreadable):
        http.read("erp", ERP, Delivery(body.encode()))


def test_the_cases_that_decided_wrongly_are_valid_json() -> None:
    """So that no parser's complaint stands in for the rule."""
    assert json.loads(TEMPLATE.format(subject='x","ticket_id":"1'))["ticket_id"] == "1"
