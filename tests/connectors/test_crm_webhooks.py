"""Deliveries of the CRMs: the official vectors, altered, stale and missing; every shape, and hostile ones."""

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from roomkeeper.connectors.http import webhook as http
from roomkeeper.connectors.http.settings import Http
from roomkeeper.connectors.hubspot import webhook as hubspot
from roomkeeper.connectors.hubspot.settings import HubSpot
from roomkeeper.connectors.pipedrive import webhook as pipedrive
from roomkeeper.connectors.pipedrive.settings import Pipedrive
from roomkeeper.connectors.salesforce import webhook as salesforce
from roomkeeper.connectors.salesforce.settings import Salesforce
from roomkeeper.contract.delivery import Delivery
from roomkeeper.errors import DeliveryRefused, DeliveryUnreadable

SECRET = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
URI = "https://www.example.com/webhook_uri"
SHARED = Path(__file__).parents[3] / "shared" / "samples"
HUBSPOT = HubSpot(access_token="t", client_secret=("old", SECRET))
PIPEDRIVE = Pipedrive(url="https://a.example", api_token="t", webhook_user="rk", webhook_password=("old", "pw: ü"))
SALESFORCE = Salesforce(
    url="https://a.example",
    client_id="c",
    client_secret="s",
    organization_id="00D5g000004pReT",
    webhook_token=("old", "token"),
)
ERP = Http(token=("old", "token"))
SIGNED = Http(hmac_secret=("old", "secret"))

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def refused(settings: Any, connector: Any, delivery: Delivery) -> str:
    with pytest.raises(DeliveryRefused) as caught:
        connector.verify(settings, delivery)
    assert caught.value.remedy
    return caught.value.message


# --- HubSpot --------------------------------------------------------------------------------------------------


def v3(body: bytes, *, at: float | None = None, uri: str = URI, secret: str = SECRET) -> dict[str, str]:
    stamp = str(int((time.time() if at is None else at) * 1000))
    message = f"POST{uri}".encode() + body + stamp.encode()
    digest = base64.b64encode(hmac.new(secret.encode(), message, hashlib.sha256).digest()).decode()
    return {"X-HubSpot-Signature-v3": digest, "X-HubSpot-Request-Timestamp": stamp}


def test_hubspot_s_official_v3_vector_fits_at_its_time_only(monkeypatch: pytest.MonkeyPatch) -> None:
    headers = {
        "x-hubspot-signature-v3": "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y=",
        "x-hubspot-request-timestamp": "1693657560000",
    }
    delivery = Delivery(b"{'example_field':'example_value'}", headers, URI)

    assert "only five minutes" in refused(HUBSPOT, hubspot, delivery)
    monkeypatch.setattr(time, "time", lambda: 1693657560.0 + 299)
    hubspot.verify(HUBSPOT, delivery)
    monkeypatch.setattr(time, "time", lambda: 1693657560.0 - 301)
    assert "from now" in refused(HUBSPOT, hubspot, delivery)


def test_hubspot_s_official_v2_vectors_fit() -> None:
    get = {"X-HubSpot-Signature": "eee2dddcc73c94d699f5e395f4b9d454a069a6855fbfa152e91e88823087200e"}
    post = {"X-HubSpot-Signature": "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900"}
    version = {"X-HubSpot-Signature-Version": "v2"}
    body = b'{"example_field":"example_value"}'

    hubspot.verify(HUBSPOT, Delivery(b"", get | version, URI, "GET"))
    hubspot.verify(HUBSPOT, Delivery(body, post | version, URI))
    refused(HUBSPOT, hubspot, Delivery(body, post | version, f"{URI}?more=1"))
    refused(HUBSPOT, hubspot, Delivery(body + b" ", post | version, URI))
    refused(HUBSPOT, hubspot, Delivery(body, post, URI))  # as v1 it does not fit


@pytest.mark.skipif(not SHARED.exists(), reason="the samples are not beside this checkout")
def test_hubspot_s_official_v1_vector_fits() -> None:
    body = (SHARED / "hubspot" / "v1-validation-body.json").read_bytes()
    signature = "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de"
    headers = {"X-HubSpot-Signature": signature, "X-HubSpot-Signature-Version": "v1"}

    hubspot.verify(HUBSPOT, Delivery(body.rstrip(b"\n"), headers, URI))
    refused(HUBSPOT, hubspot, Delivery(body + b"x", headers, URI))


def test_hubspot_signs_the_decoded_address() -> None:
    called = "https://www.example.com/webhook_uri?to=a%3Ab%2Fc%40d&keep=%20"
    headers = v3(b"[]", uri="https://www.example.com/webhook_uri?to=a:b/c@d&keep=%20")

    hubspot.verify(HUBSPOT, Delivery(b"[]", headers, called))


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        (dict, "is missing"),
        (lambda: {"X-HubSpot-Signature-v3": "x"}, "is missing or not a number"),
        (lambda: {"X-HubSpot-Signature-v3": "x", "X-HubSpot-Request-Timestamp": "soon"}, "not a number"),
        (lambda: v3(b"[]", secret="another"), "does not fit"),
        (lambda: v3(b"[1]"), "does not fit"),
        (lambda: v3(b"[]", uri="https://elsewhere.example/"), "does not fit"),
        # a v3 header that is wrong is not made up for by an old one that is right
        (
            lambda: (
                {"X-HubSpot-Signature-v3": "x", "X-HubSpot-Request-Timestamp": str(int(time.time() * 1000))}
                | {"X-HubSpot-Signature": hashlib.sha256(SECRET.encode() + b"[]").hexdigest()}
            ),
            "does not fit",
        ),
    ],
)
def test_hubspot_deliveries_that_prove_nothing_are_refused(headers: Callable[[], dict[str, str]], said: str) -> None:
    assert said in refused(HUBSPOT, hubspot, Delivery(b"[]", headers(), URI))


def test_without_a_secret_nobody_gets_in() -> None:
    bare = Delivery(b"[]", v3(b"[]", secret=""), URI)
    assert "no secret" in refused(HubSpot(access_token="t"), hubspot, bare)
    assert "no secret" in refused(Pipedrive(url="https://a.example", api_token="t"), pipedrive, bare)
    assert "no secret" in refused(Http(), http, bare)
    none = Salesforce(url="https://a.example", client_id="c", client_secret="s", organization_id="0" * 15)
    assert "no secret" in refused(none, salesforce, bare)


def test_only_v3_refuses_the_old_ones() -> None:
    old = {"X-HubSpot-Signature": hashlib.sha256(SECRET.encode() + b"[]").hexdigest()}
    strict = HubSpot(access_token="t", client_secret=SECRET, only_v3=True)

    hubspot.verify(HUBSPOT, Delivery(b"[]", old, URI))
    refused(strict, hubspot, Delivery(b"[]", old, URI))


def change(**changed: Any) -> dict[str, Any]:
    return {
        "eventId": 1,
        "subscriptionId": 25,
        "portalId": 33,
        "occurredAt": 1730000000000,
        "subscriptionType": "deal.propertyChange",
        "objectId": 12388054600,
        "propertyName": "dealstage",
        "propertyValue": "closedwon",
    } | changed


def read_hubspot(document: Any) -> Any:
    return hubspot.read("sales", HUBSPOT, Delivery(json.dumps(document).encode()))


def test_hubspot_s_two_dialects_tell_the_same() -> None:
    new = {"subscriptionType": "object.propertyChange", "objectTypeId": "0-3", "subscriptionId": 26, "eventId": 2}
    one, other, creation = read_hubspot([change(), change(**new), change(subscriptionType="deal.creation")])

    assert one.type == other.type == creation.type == "deal.closed"
    assert one.meaning == other.meaning != creation.meaning
    assert one.delivery != other.delivery
    assert (one.ignored, other.ignored, creation.ignored) == ("", "", "")
    assert one.facts["deal"]["url"] == "https://app.hubspot.com/contacts/33/record/0-3/12388054600"


def test_hubspot_s_hundred_changes_are_a_hundred_events() -> None:
    assert len(read_hubspot([change(objectId=number) for number in range(100)])) == 100


@pytest.mark.parametrize(
    "changed",
    [
        {"propertyName": "amount"},
        {"subscriptionType": "deal.deletion"},
        {"subscriptionType": "contact.propertyChange"},
        {"subscriptionType": "object.propertyChange", "objectTypeId": "0-1"},
        {"objectId": None},
    ],
)
def test_what_tells_of_no_closed_deal_is_ignored_with_its_kind(changed: dict[str, Any]) -> None:
    (event,) = read_hubspot([change(**changed)])
    assert event.ignored


@pytest.mark.parametrize(
    "body",
    [
        {"objectId": 42, "properties": {}},
        {"properties": {"hs_object_id": {"value": "42"}}},
        {"dealId": "42"},
        {"id": 42},
    ],
)
def test_a_hubspot_workflow_may_send_the_deal_in_several_ways(body: dict[str, Any]) -> None:
    (event,) = read_hubspot(body)
    assert (event.type, event.facts["deal"]["id"], event.ignored) == ("deal.closed", "42", "")


def test_a_custom_action_of_a_workflow_names_its_deal() -> None:
    body = {
        "callbackId": "ap-1",
        "origin": {"portalId": 33, "actionDefinitionId": 2},
        "object": {"objectId": 404, "objectType": "DEAL"},
        "inputFields": {},
    }
    (event,) = read_hubspot(body)

    assert (event.type, event.ignored, event.facts["deal"]["id"]) == ("deal.closed", "", "404")
    assert event.facts["deal"]["url"].endswith("/contacts/33/record/0-3/404")
    (other,) = read_hubspot(body | {"object": {"objectId": 404, "objectType": "CONTACT"}})
    assert "is not about a deal" in other.ignored


def test_one_change_that_is_in_no_list_is_a_change() -> None:
    (event,) = read_hubspot(change(propertyName="amount"))

    assert "amount does not tell that a deal closed" in event.ignored


@pytest.mark.parametrize(
    "body",
    [
        {"objectId": 5, "objectTypeId": "0-1", "properties": {}},
        {"subscriptionType": "contact.propertyChange", "objectId": 5, "propertyName": "email"},
    ],
)
def test_what_is_about_a_contact_is_no_deal_of_that_number(body: dict[str, Any]) -> None:
    (event,) = read_hubspot(body)
    assert "is not about a deal" in event.ignored


@pytest.mark.parametrize(
    "body",
    [
        {"vid": 5, "properties": {"email": {"value": "a@b.example"}}},
        {"vid": 5, "canonical-vid": 5, "is-contact": True, "properties": {"hs_object_id": {"value": "5"}}},
        {"portalId": 1, "companyId": 5, "isDeleted": False, "properties": {"hs_object_id": {"value": "5"}}},
        {"objectType": "TICKET", "portalId": 62515, "objectId": 5, "properties": {}},
    ],
)
def test_the_number_of_a_contact_a_company_or_a_ticket_is_no_deal_s(body: dict[str, Any]) -> None:
    """As workflows of these send them."""
    (event,) = read_hubspot(body)

    assert "is not about a deal" in event.ignored


@pytest.mark.parametrize("body", [{"objectType": "DEAL", "objectId": 5}, {"companyId": 7, "hs_object_id": "5"}])
def test_a_deal_may_name_its_type_or_its_company(body: dict[str, Any]) -> None:
    (event,) = read_hubspot(body)

    assert (event.ignored, event.facts["deal"]["id"]) == ("", "5")


def test_a_deal_that_is_closed_again_is_told_in_the_same_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are one delivery if they come together, as when it is sent again."""
    told = []
    for at in (1_000_000_000.0, 1_000_000_010.0, 1_000_009_000.0):
        monkeypatch.setattr(time, "time", lambda at=at: at)
        (workflow,) = read_hubspot({"hs_object_id": "42"})
        (callout,) = salesforce.read("crm", SALESFORCE, Delivery(b'{"Id": "0065g00000AbCdEAAV"}'))
        told.append((workflow.meaning, workflow.delivery, callout.meaning, callout.delivery))

    assert told[0] == told[1]
    assert not set(told[0]) & set(told[2])


# --- Pipedrive ------------------------------------------------------------------------------------------------


def basic(user: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_pipedrive_s_user_and_password_are_both_needed() -> None:
    pipedrive.verify(PIPEDRIVE, Delivery(b"{}", basic("rk", "pw: ü")))
    pipedrive.verify(PIPEDRIVE, Delivery(b"{}", basic("rk", "old")))
    for headers in ({}, basic("rk", ""), basic("", "old"), basic("rk", "no"), {"authorization": "Basic !!!"}):
        assert "user and password" in refused(PIPEDRIVE, pipedrive, Delivery(b"{}", headers))


def deal_v2(**changed: Any) -> dict[str, Any]:
    meta = {
        "action": "change",
        "entity": "deal",
        "entity_id": "42",
        "id": "u-1",
        "timestamp": "2025-06-19T16:07:36.754Z",
    }
    data = {"id": 42, "status": "won", "won_time": "2025-06-19T16:07:36Z"}
    body = {"meta": meta, "data": data, "previous": {"status": "open", "won_time": None}}
    for name, value in changed.items():
        part, _, key = name.partition("__")
        body[part] = {**body[part], key: value} if key else value
    return body


def read_pipedrive(document: Any) -> Any:
    (event,) = pipedrive.read("crm", PIPEDRIVE, Delivery(json.dumps(document).encode()))
    return event


def test_pipedrive_s_two_versions_tell_the_same() -> None:
    old = {
        "event": "updated.deal",
        "meta": {"action": "updated", "object": "deal", "id": 42, "timestamp": 1739827361},
        "current": {"id": 42, "status": "won", "won_time": "2025-06-19T16:07:36Z"},
        "previous": {"id": 42, "status": "open"},
    }
    new, other = read_pipedrive(deal_v2()), read_pipedrive(old)

    assert (new.ignored, other.ignored) == ("", "")
    assert new.meaning == other.meaning
    assert read_pipedrive(deal_v2(meta__attempt=3)).delivery == new.delivery


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (deal_v2(previous={"value": 5}), "was won before"),
        (deal_v2(previous__status="won"), "was won before"),
        (deal_v2(data__status="open"), "not closed"),
        (deal_v2(meta__action="delete", data=None), "neither a change"),
        (deal_v2(meta__entity="person"), "not about a deal"),
        (deal_v2(data__id=None, meta__entity_id=None, meta__id=None), "names no deal"),
        ([1], "not a JSON object"),
        ({"event": "updated.deal", "current": {"id": 7, "status": "won"}}, "add a webhook of version 2"),
    ],
)
def test_what_is_no_closing_at_pipedrive_is_ignored_never_refused(document: Any, why: str) -> None:
    assert why in read_pipedrive(document).ignored


def test_a_deal_created_as_won_is_a_closing() -> None:
    assert read_pipedrive(deal_v2(meta__action="create", previous=None)).ignored == ""


@given(st.one_of(json_values.map(lambda value: json.dumps(value).encode()), st.binary(max_size=60)))
def test_nothing_makes_pipedrive_s_reader_refuse(body: bytes) -> None:
    assert len(pipedrive.read("crm", PIPEDRIVE, Delivery(body))) == 1


# --- Salesforce -----------------------------------------------------------------------------------------------

MESSAGE = """<?xml version="1.0" encoding="UTF-8"?>
<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<s:Body><notifications xmlns="http://soap.sforce.com/2005/09/outbound">
<OrganizationId>00D5g000004pReTAAA</OrganizationId><ActionId>04k5g0000000001</ActionId>
<SessionId>00D5g!a-live-credential</SessionId>
<Notification><Id>04l5g0000000001AAA</Id>
<sObject xsi:type="q:Opportunity" xmlns:q="urn:sobject.enterprise.soap.sforce.com">
<q:Id>0065g00000AbCdEAAV</q:Id>
<q:IsClosed>true</q:IsClosed><q:StageName>Closed Won</q:StageName></sObject></Notification>
<Notification><Id>04l5g0000000002AAA</Id>
<sObject xsi:type="q:Opportunity" xmlns:q="urn:sobject.enterprise.soap.sforce.com">
<q:Id>0065g00000AbCdFAAV</q:Id><q:IsClosed>false</q:IsClosed></sObject></Notification>
</notifications></s:Body></s:Envelope>"""
XML = {"content-type": "text/xml; charset=utf-8"}


@pytest.mark.parametrize(
    ("headers", "url"),
    [
        ({"X-Webhook-Token": "token"}, ""),
        ({"x-webhook-token": "old"}, ""),
        (basic("anybody", "token"), ""),
        ({"Authorization": "Bearer token"}, ""),
        ({}, "https://hooks.example/hooks/crm?token=token"),
    ],
)
def test_salesforce_s_token_is_taken_wherever_it_can_be_put(headers: dict[str, str], url: str) -> None:
    salesforce.verify(SALESFORCE, Delivery(MESSAGE.encode(), headers | XML, url))


def test_salesforce_s_strangers_are_refused() -> None:
    token = {"X-Webhook-Token": "token"} | XML
    other = MESSAGE.replace("00D5g000004pReTAAA", "00D5g000004pReUAAA")

    assert "token" in refused(SALESFORCE, salesforce, Delivery(MESSAGE.encode(), XML))
    assert "token" in refused(SALESFORCE, salesforce, Delivery(MESSAGE.encode(), {"X-Webhook-Token": ""} | XML))
    assert "organisation" in refused(SALESFORCE, salesforce, Delivery(other.encode(), token))
    assert "organisation" in refused(SALESFORCE, salesforce, Delivery(b"<a/>", token))


def test_an_outbound_message_is_read_by_local_names_and_acknowledged() -> None:
    delivery = Delivery(MESSAGE.encode(), XML)
    closed, still_open = salesforce.read("crm", SALESFORCE, delivery)

    assert (closed.facts["deal"]["id"], closed.ignored) == ("0065g00000AbCdE", "")
    assert "not closed" in still_open.ignored
    assert closed.delivery == "notification 04l5g0000000001AAA"
    assert closed.keeps_body is False
    assert "credential" not in repr(closed.raw)
    kind, answer = salesforce.acknowledge(delivery) or ("", b"")
    assert kind == "text/xml"
    assert b"<Ack>true</Ack>" in answer
    assert salesforce.acknowledge(Delivery(b"{}", {"content-type": "application/json"})) is None


def test_a_flow_s_callout_is_read() -> None:
    (event,) = salesforce.read(
        "crm", SALESFORCE, Delivery(b'{"opportunityId": "0065g00000AbCdEAAV", "IsClosed": true}')
    )
    assert (event.facts["deal"]["id"], event.ignored) == ("0065g00000AbCdE", "")


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": "evt-1", "opportunityId": "0065g00000AbCdEAAV"}',
        b'{"Id": "a0B5g00000Xyz01AAA", "OpportunityId": "0065g00000AbCdEAAV"}',
        b'{"opportunity_id": "0065g00000AbCdEAAV"}',
        b'{"record_id": "0065g00000AbCdEAAV"}',
        b'{"opportunity": {"Id": "0065g00000AbCdEAAV"}}',
        b'{"new": [{"Id": "0065g00000AbCdEAAV", "IsClosed": true}], "old": [{"Id": "0065g00000AbCdE"}]}',
        b'{"now": {"Id": "0065g00000AbCdEAAV", "IsClosed": true}, "was": {"Id": "0065g00000AbCdE", "IsClosed": false}}',
    ],
)
def test_of_several_ids_the_opportunity_s_is_taken(body: bytes) -> None:
    (event,) = salesforce.read("crm", SALESFORCE, Delivery(body))
    assert (event.facts["deal"]["id"], event.ignored) == ("0065g00000AbCdE", "")


def test_each_opportunity_of_a_list_is_an_event() -> None:
    body = b'[{"Id": "0065g00000AbCdEAAV"}, {"Id": "0065g00000ZzZzZAAV", "IsClosed": false}, {"Id": "001x"}]'
    events = salesforce.read("crm", SALESFORCE, Delivery(body))

    assert [one.facts["deal"]["id"] for one in events] == ["0065g00000AbCdE", "0065g00000ZzZzZ"]
    assert [bool(one.ignored) for one in events] == [False, True]
    assert len({one.delivery for one in events}) == 2


def test_one_name_that_xml_does_not_allow_does_not_cost_the_others() -> None:
    odd = MESSAGE.replace("Closed Won", "Closed&#x1F;Won &#xE9;&#233;")
    closed, _ = salesforce.read("crm", SALESFORCE, Delivery(odd.encode(), XML))
    assert closed.subject == "deal 0065g00000AbCdE Closed\ufffdWon éé"


def test_a_message_that_cannot_be_read_is_not_kept() -> None:
    with pytest.raises(DeliveryUnreadable) as raised:
        salesforce.read("crm", SALESFORCE, Delivery(MESSAGE.replace("<q:Id>", "<q:Id").encode(), XML))
    assert raised.value.keeps_body is False


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b"<a>",
        b"<a/>",
        b'{"name": "no id"}',
        b'{"Id": "; DROP"}',
        b"no json",
        b'<?xml version="1.0" encoding="nonsense"?><a/>',
    ],
)
def test_hostile_and_broken_messages_are_unreadable(body: bytes) -> None:
    with pytest.raises(DeliveryUnreadable):
        salesforce.read("crm", SALESFORCE, Delivery(body))


# --- anything that can POST JSON ------------------------------------------------------------------------------


def test_http_takes_a_token_or_a_signature() -> None:
    http.verify(ERP, Delivery(b"{}", {"authorization": "Bearer token"}))
    http.verify(ERP, Delivery(b"{}", {"authorization": "bearer old"}))
    signature = hmac.new(b"secret", b"{}", hashlib.sha256).hexdigest()
    http.verify(SIGNED, Delivery(b"{}", {"X-Signature-256": f"sha256={signature}"}))
    http.verify(SIGNED, Delivery(b"{}", {"x-signature-256": f"sha256={signature.upper()}"}))

    refused(ERP, http, Delivery(b"{}", {}))
    refused(ERP, http, Delivery(b"{}", {"authorization": "Bearer "}))
    refused(ERP, http, Delivery(b"{}", basic("x", "token")))
    refused(SIGNED, http, Delivery(b"{ }", {"X-Signature-256": f"sha256={signature}"}))
    refused(SIGNED, http, Delivery(b"{}", {"authorization": "Bearer secret"}))


@pytest.mark.parametrize(
    "given", ["t=1700000000,v1=5257a8", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d2", "v1,K5oZfzN95Z"]
)
def test_a_signature_of_another_form_is_not_said_to_be_wrong(given: str) -> None:
    """Stripe's, Slack's, and that of Standard Webhooks."""
    with pytest.raises(DeliveryRefused, match="of a form that is understood"):
        http.verify(SIGNED, Delivery(b"{}", {"X-Signature-256": given}))


def mac(message: bytes) -> Any:
    return hmac.new(b"secret", message, hashlib.sha256)


@pytest.mark.parametrize(
    "written",
    [
        lambda one: one.hexdigest(),
        lambda one: "SHA256=" + one.hexdigest().upper(),
        lambda one: base64.b64encode(one.digest()).decode(),
        lambda one: "sha256=" + base64.b64encode(one.digest()).decode(),
    ],
    ids=["hex", "marked hex", "base64", "marked base64"],
)
def test_senders_write_signatures_in_many_ways_and_where_they_like(written: Callable[[Any], str]) -> None:
    settings = Http(hmac_secret="secret", signature_header="X-Hub-Signature-256")

    http.verify(settings, Delivery(b"{}", {"x-hub-signature-256": written(mac(b"{}"))}))

    refused(settings, http, Delivery(b"{ }", {"x-hub-signature-256": written(mac(b"{}"))}))
    refused(settings, http, Delivery(b"{}", {"x-signature-256": written(mac(b"{}"))}))


def stamped(at: float, body: bytes = b"{}", signed: bytes | None = None) -> Delivery:
    said = str(int(at))
    message = said.encode() + b"." + body if signed is None else signed
    return Delivery(body, {"X-Timestamp": said, "X-Signature-256": mac(message).hexdigest()})


def test_what_was_signed_long_ago_is_refused_and_so_is_a_time_that_is_not_signed() -> None:
    settings = Http(hmac_secret="secret", timestamp_header="X-Timestamp", timestamp_window="5m")
    now = time.time()

    for at in (now, now - 280, now + 280):
        http.verify(settings, stamped(at))

    for at in (now - 320, now + 320, 0, 10**11):
        refused(settings, http, stamped(at))
    refused(settings, http, stamped(now, signed=b"{}"))
    refused(settings, http, Delivery(b"{}", {"X-Signature-256": mac(b"{}").hexdigest()}))


def test_a_captured_request_is_the_same_event_whatever_key_is_put_on_it() -> None:
    signed = Http(hmac_secret="secret")
    one, other = (read_http({"dealId": 1}, signed, **{"Idempotency-Key": key}) for key in "ab")
    assert one.meaning == other.meaning
    assert one.delivery == other.delivery

    timed = Http(hmac_secret="secret", timestamp_header="X-Timestamp")
    first, second = (read_http({"dealId": 1}, timed, **{"X-Timestamp": at}) for at in ("1790000000", "1790000001"))
    assert first.meaning != second.meaning


def test_a_signed_time_needs_a_secret() -> None:
    with pytest.raises(ValidationError, match="hmac_secret"):
        Http(token="token", timestamp_header="X-Timestamp")


def read_http(document: Any, settings: Http = ERP, **headers: str) -> Any:
    (event,) = http.read("erp", settings, Delivery(json.dumps(document).encode(), headers))
    return event


def test_the_sample_documents_own_bodies_are_understood_without_a_map() -> None:
    deal = read_http({"clientRoomId": 5, "archiveRootFolderId": 6, "clientName": "Acme", "guestUserId": 7})
    ticket = read_http({"ticketId": 42, "subject": "Printer on fire"})

    assert (deal.type, deal.facts["deal"]["company"], deal.facts["deal"]["status"]) == ("deal.closed", "Acme", "won")
    assert deal.facts["deal"]["fields"]["clientRoomId"] == 5
    assert (ticket.type, ticket.facts["ticket"]["id"], ticket.facts["ticket"]["subject"]) == (
        "ticket.created",
        "42",
        "Printer on fire",
    )
    assert "neither a deal nor a ticket" in read_http({"hello": 1}).ignored


MAPPED = Http(
    token="t",
    event="deal.closed",
    fields={"id": "deal.no", "status": "deal.state", "company": "parties.0.name", "at": "deal.when"},
)


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("Won", "won"),
        ("closed-won", "won"),
        ("CLOSEDLOST", "lost"),
        ("Closed-Lost to Competition", "lost"),  # a stage of Zoho's
        ("Lost - price", "lost"),
        ("Won - Upsell", "won"),
        ("won (renewal)", "won"),
        ("Lost contact", ""),
        ("Won over", ""),
        ("Wonderful", ""),
        (0, ""),
        (2, ""),
        ("", ""),
        (None, ""),
        ("open", ""),
    ],
)
def test_a_mapped_status_is_won_or_lost_or_the_deal_is_not_closed(state: Any, status: str) -> None:
    event = read_http({"deal": {"no": 9, "state": state}, "parties": [{"name": "Acme"}]}, MAPPED)

    assert event.facts["deal"]["company"] == "Acme"
    assert bool(event.ignored) is (status == "")
    assert event.subject.endswith((" won", " lost")) is (status != "")
    assert event.facts["deal"]["status"] == status or event.ignored


def test_the_same_body_is_the_same_event_and_another_time_another() -> None:
    body = {"deal": {"no": 9, "state": "won", "when": "2026-01-01T00:00:00Z"}}
    again = {"deal": {"no": 9, "state": "won", "when": "2026-02-01T00:00:00Z"}}

    assert read_http(body, MAPPED).meaning == read_http(body, MAPPED).meaning != read_http(again, MAPPED).meaning
    one, other = read_http({"dealId": 1}), read_http({"dealId": 1}, **{"Idempotency-Key": "k"})
    assert one.meaning != other.meaning == read_http({"dealId": 1, "sent": 2}, **{"idempotency-key": "k"}).meaning


@pytest.mark.parametrize("settings", [ERP, MAPPED])
def test_no_field_that_comes_twice_is_believed(settings: Http) -> None:
    """A client's name may stand in the template unescaped, and add another's room."""
    body = b'{"clientRoomId":3,"clientName":"x","clientRoomId":"9","deal":{"no":9,"state":"won"},"guestUserId":"g"}'
    with pytest.raises(DeliveryUnreadable, match="`clientRoomId` twice"):
        http.read("erp", settings, Delivery(body))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"dealId=7&Stage=Closed+Won", "it is a form: have the sender write JSON"),
        (b"\x1f\x8b\x08\x00", "it is packed (gzip)"),
        (b"<deal><id>7</id></deal>", "it is XML"),
        (b"{", "the body is not valid JSON"),
    ],
)
def test_what_is_no_json_is_said_to_be_what_it_is(body: bytes, said: str) -> None:
    with pytest.raises(DeliveryUnreadable, match=re.escape(said)):
        http.read("erp", ERP, Delivery(body))


def test_a_field_may_have_full_stops_in_its_name() -> None:
    name = "statecode@OData.Community.Display.V1.FormattedValue"
    settings = Http(token=("token",), event="deal.closed", fields={"id": "opportunityid", "status": name})
    event = read_http({"opportunityid": "80a2", "statecode": 1, name: "Won"}, settings)

    assert (event.facts["deal"]["status"], event.ignored) == ("won", "")


def test_a_field_that_somebody_adds_beside_a_mapped_path_names_no_other_deal() -> None:
    settings = Http(token=("token",), event="deal.closed", fields={"id": "deal.id", "status": "deal.status"})

    with pytest.raises(DeliveryUnreadable, match=r"no `deal\.id`"):
        read_http({"deal": {"id": "42", "status": "won"}, "name": "x", "deal.id": "43"}, settings)


def test_a_body_without_the_mapped_id_is_unreadable_and_named() -> None:
    with pytest.raises(DeliveryUnreadable, match=r"deal\.no"):
        read_http({"deal": {}}, MAPPED)


@given(json_values)
def test_no_json_makes_a_reader_stumble(value: Any) -> None:
    body = Delivery(json.dumps(value).encode())
    for connector, settings in ((http, ERP), (http, MAPPED), (hubspot, HUBSPOT), (salesforce, SALESFORCE)):
        try:
            connector.read("x", settings, body)  # type: ignore[attr-defined]
        except DeliveryUnreadable as error:
            assert error.message


@pytest.mark.parametrize("password", ["pässwörd", "pa\u0308sswo\u0308rd"])
@pytest.mark.parametrize("charset", ["utf-8", "latin-1"])
def test_a_password_with_accents_fits_however_it_is_written(password: str, charset: str) -> None:
    settings = Pipedrive(url="https://a.example", api_token="t", webhook_user="rk", webhook_password=(password,))
    sent = base64.b64encode("rk:pässwörd".encode(charset)).decode()

    pipedrive.verify(settings, Delivery(b"{}", {"Authorization": f"Basic {sent}"}))


def test_an_opportunity_that_is_open_again_ends_its_closing() -> None:
    body = json.dumps({"Id": "006000000000001AAQ", "IsClosed": "false", "StageName": "Negotiation"}).encode()

    (event,) = salesforce.read("crm", SALESFORCE, Delivery(body))

    assert event.ignored
    assert event.meaning.startswith(f"{event.lane} not closed")
