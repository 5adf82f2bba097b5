"""Salesforce's deliveries, verified and read (facts/vendors.md 6). Pure.

An Outbound Message is SOAP with up to a hundred notifications and wants an Ack; a flow's HTTP callout is JSON. No body
is kept: it may hold a SessionId, a live credential.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from roomkeeper import outside
from roomkeeper.automations.event import Event
from roomkeeper.connectors.salesforce.settings import Salesforce
from roomkeeper.contract.delivery import Delivery
from roomkeeper.errors import DeliveryRefused, DeliveryUnreadable
from roomkeeper.vendors import deals, trust

_ID = 15  # significant characters of a record id; the 18-character form adds a checksum
_OPPORTUNITY = "006"  # what the ids of opportunities begin with (Salesforce, Standard Field Record ID Prefix Decoder)
#: What is a character (XML 1.0, 2.2).
_CHARACTERS = (range(9, 11), range(13, 14), range(0x20, 0xD800), range(0xE000, 0xFFFE), range(0x10000, 0x110000))
_REFERENCE = re.compile(rb"&#(x[0-9a-fA-F]{1,6}|[0-9]{1,7});")
_ACK = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
    '<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse>'
    "</soapenv:Body></soapenv:Envelope>"
)
_KEPT_OUT = frozenset({"SessionId"})  # a live credential: neither kept nor shown


def verify(settings: Salesforce, delivery: Delivery) -> None:
    """Check the token, and the organisation of an Outbound Message: nothing is signed. Raises DeliveryRefused."""
    if not settings.unsigned:
        tokens = trust.plain(settings.webhook_token)
        trust.must_be_set(tokens, "webhook_token")
        given = delivery.header("X-Webhook-Token") or delivery.basic[1] or delivery.bearer or delivery.query("token")
        if not given or not trust.same(given, tokens):
            raise DeliveryRefused(
                "the token is missing or not the one of this connection",
                remedy="Add `?token=…` to the Outbound Message's address, or the header X-Webhook-Token to the "
                "callout's credential.",
            )
    if not _is_soap(delivery):
        return
    try:
        organisation = _text(_parsed(delivery.body), "OrganizationId")
    except DeliveryUnreadable:
        return  # `read` says what is wrong with it
    if record_id(organisation) != record_id(settings.organization_id):
        raise DeliveryRefused(
            f"it comes from the organisation {organisation[:80]!r}, not from the one of this connection",
            remedy="Compare `organization_id` with Setup, Company Information; a sandbox has an id of its own.",
        )


def read(connection: str, settings: Salesforce, delivery: Delivery) -> list[Event]:  # noqa: ARG001 - others need them
    """Read one delivery. Raises DeliveryUnreadable."""
    if _is_soap(delivery):
        notifications = [one for one in _parsed(delivery.body).iter() if _name(one) == "Notification"]
        if not notifications:
            raise DeliveryUnreadable("the message holds no Notification", keeps_body=False)
        return [_of_notification(connection, one) for one in notifications]
    return _of_callout(connection, delivery.body)


def acknowledge(delivery: Delivery) -> tuple[str, bytes] | None:
    """Give the answer without which Salesforce sends an Outbound Message again for a day."""
    return ("text/xml", _ACK.encode()) if _is_soap(delivery) else None


def record_id(text: str) -> str:
    """Give the significant part of a record id: its 15- and 18-character forms are the same record."""
    return text[:_ID] if len(text) >= _ID and text.isalnum() else ""


def _of_notification(connection: str, notification: Element) -> Event:
    number = _text(notification, "Id")
    record = next((one for one in notification if _name(one) == "sObject"), None)
    fields = {_name(one): outside.cleaned(one.text or "") for one in record} if record is not None else {}
    kind = next((value for name, value in (record.attrib.items() if record is not None else ()) if "type" in name), "")
    return _event(connection, fields, kind.rpartition(":")[2] or "Opportunity", f"notification {number}")


def _of_callout(connection: str, body: bytes) -> list[Event]:
    try:
        document = outside.document(body).value
    except outside.Unreadable as error:
        raise DeliveryUnreadable(f"the body {error}", keeps_body=False) from error
    records = [one for one in _objects(document) if _opportunity(one)]
    if not records:  # it may be wrapped: `{"new": [{…}], "old": [{…}]}`
        wrapped = [value for one in _objects(document) for value in one.values()]
        records = [one for value in wrapped for one in _objects(value) if _opportunity(one)]
    if not records:
        raise DeliveryUnreadable("no field names the opportunity: let the callout send its `Id`", keeps_body=False)
    # One that is closed again is told in the same words: they are one delivery only if they come together.
    arrived = f"callout {trust.arrival(body)}"
    several: dict[str, list[dict[str, Any]]] = {}
    for one in records:
        several.setdefault(record_id(_opportunity(one)), []).append(one)
    return [
        _event(connection, _agreed(told), "Opportunity", arrived if len(several) == 1 else f"{arrived} {number}")
        for number, told in several.items()
    ]


def _agreed(told: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Take what is said of one opportunity; of what it was and is (`recordPrior`) only its id, for it is read."""
    number = {"Id": _opportunity(told[0])}
    return told[0] | number if all(one == told[0] for one in told) else number


def _objects(value: object) -> list[dict[str, Any]]:
    """Take an object, or those of a list."""
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]


def _opportunity(record: Mapping[str, Any]) -> str:
    """Give the id of the opportunity that an object names; empty if it names none."""
    known = {outside.spelled(name): value for name, value in record.items()}
    named = [str(known[one]) for one in ("opportunityid", "id", "recordid", "dealid") if known.get(one)]
    return next((one for one in named if record_id(one).startswith(_OPPORTUNITY)), "")


def _event(connection: str, fields: dict[str, Any], kind: str, delivery: str) -> Event:
    deal = record_id(str(fields.get("Id", "")))
    closed = str(fields.get("IsClosed", "")).casefold()
    why = ""
    if kind != "Opportunity":
        why = f"{kind} is not an opportunity"
    elif not deal:
        why = "it names no opportunity: let the message send the field Id"
    elif closed == "false":
        why = f"opportunity {deal} is not closed"
    return Event(
        type=deals.CLOSED if kind == "Opportunity" else kind[:100],
        connection=connection,
        at=datetime.now(UTC),
        delivery=delivery,
        meaning=deals.not_closed(deal, delivery) if deal and closed == "false" else f"opportunity {deal} {delivery}",
        subject=f"deal {deal} {fields.get('StageName', '')}".strip()[:200],
        facts=deals.about(deal),
        lane=f"deal {deal}",
        raw={name: value for name, value in fields.items() if name not in _KEPT_OUT},
        ignored=why,
        keeps_body=False,  # it may hold a SessionId, a live credential
    )


def _is_soap(delivery: Delivery) -> bool:
    return "xml" in delivery.header("content-type").lower() or delivery.body.lstrip()[:1] == b"<"


def _parsed(body: bytes) -> Element:
    """Parse XML without entities, external or our own. Raises DeliveryUnreadable."""
    try:
        root: Element = fromstring(_REFERENCE.sub(_replaced, body), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise DeliveryUnreadable("the body is not XML that can be read", keeps_body=False) from error
    return root


def _replaced(reference: re.Match[bytes]) -> bytes:
    """Put U+FFFD where a reference stands for no character: one name shall not cost the others their reading."""
    digits = reference[1]
    number = int(digits[1:], 16) if digits[:1] in b"xX" else int(digits)
    return reference[0] if any(number in ones for ones in _CHARACTERS) else b"&#xFFFD;"


def _text(element: Element, name: str) -> str:
    return next((one.text or "" for one in _all(element) if _name(one) == name), "")


def _all(element: Element) -> Iterator[Element]:
    """Go through an element's own children first: a Notification's Id is not its record's."""
    yield from element
    yield from element.iter()


def _name(element: Element) -> str:
    """Give the local name: prefixes are the sender's choice."""
    return str(element.tag).rpartition("}")[2]
