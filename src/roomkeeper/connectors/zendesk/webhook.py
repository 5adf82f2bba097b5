"""Zendesk's deliveries, verified and read (facts/vendors.md 1). Pure.

A trigger's webhook has whatever body the customer wrote, often broken JSON; an event webhook a fixed one.
"""

import hashlib
import time
from collections.abc import Mapping
from typing import Any

from roomkeeper import outside
from roomkeeper.automations.event import Event
from roomkeeper.connectors.zendesk.settings import PUBLIC_TEST_SECRET, Zendesk
from roomkeeper.contract.delivery import Delivery
from roomkeeper.errors import DeliveryRefused
from roomkeeper.vendors import templated, tickets, trust
from roomkeeper.vendors.reading import mapping, text
from roomkeeper.vendors.templated import Told
from roomkeeper.vendors.tickets import Ticket

SIGNATURE, STAMP = "X-Zendesk-Webhook-Signature", "X-Zendesk-Webhook-Signature-Timestamp"
INVOCATION = "X-Zendesk-Webhook-Invocation-Id"
_EVENTS = "zen:event-type:"
_OF_TICKETS = f"{_EVENTS}ticket."
_CREATED = f"{_OF_TICKETS}created"


def verify(settings: Zendesk, delivery: Delivery) -> None:
    """Check the signature over timestamp and body. Raises DeliveryRefused."""
    if settings.unsigned:
        return
    secrets = trust.plain(settings.webhook_secret)
    trust.must_be_set(secrets, "webhook_secret")
    stamp, given = delivery.header(STAMP), delivery.header(SIGNATURE)
    message = stamp.encode() + delivery.body
    if given and trust.same(given, [trust.hmac_sha256_base64(PUBLIC_TEST_SECRET, message)]):
        raise DeliveryRefused(
            "it is signed with the public secret of Zendesk's test button, which everybody knows",
            remedy="Create the webhook first, then test it: it is signed with its own secret from then on.",
        )
    trust.check_signature(given, secrets, lambda one: trust.hmac_sha256_base64(one, message), header=SIGNATURE)
    if settings.window is not None and _age(stamp) > settings.window:
        raise DeliveryRefused(
            f"it was signed at {stamp[:40]!r}, longer ago than `window` allows",
            remedy="Set the clock of this machine, if it is wrong (NTP), or leave out `window`.",
        )


def read(connection: str, settings: Zendesk, delivery: Delivery) -> list[Event]:
    """Read one delivery; never refuses: what cannot be read is listed as ignored, with the reason."""
    told = templated.told(delivery.body)
    body = told.body
    invocation = delivery.header(INVOCATION)
    kind = text(body.get("type"))
    if kind.startswith(_EVENTS) and _is_event(told, kind):
        return [_of_event(connection, settings, body, kind)]
    ticket = _of_template(settings, told)
    unclear = told.why_unusable or ("ambiguous: it names a ticket, and an event" if kind.startswith(_EVENTS) else "")
    why = unclear or told.why_not_created
    name = f"invocation {invocation}" if invocation else f"body {hashlib.sha256(delivery.body).hexdigest()}"
    return [tickets.told(connection, ticket, delivery=name, raw=dict(body), why=why, unusable=bool(unclear))]


def _is_event(told: Told, kind: str) -> bool:
    """Whether it is an event as Zendesk writes it, and not a template in which a subject has made one up.

    An event's subject names what it is about (`zen:ticket:1`, `zen:user:2`, `zen:article:3`).
    """
    subject = told.fields.get("subject")
    this_ticket = f"zen:ticket:{text(mapping(told.body.get('detail')).get('id'))}"
    is_elsewhere = not kind.startswith(_OF_TICKETS) and text(subject).startswith("zen:")
    is_about_it = is_elsewhere or subject in {None, this_ticket}
    names_another = told.names_a_ticket or told.fields.get("id", "").isdecimal()  # an event's own id is a UUID
    return is_about_it and not told.ambiguous and not names_another


def _of_event(connection: str, settings: Zendesk, body: Mapping[str, Any], kind: str) -> Event:
    detail = mapping(body.get("detail"))
    # The number of an organisation or of somebody is no ticket's.
    number = text(detail.get("id")) if kind.startswith(_OF_TICKETS) else ""
    ticket = Ticket(
        id=number,
        subject=text(detail.get("subject")),
        url=f"{settings.url}/agent/tickets/{number}",
        priority=text(detail.get("priority")).lower(),
        created_at=text(detail.get("created_at")),
        fields=dict(detail),
    )
    name = f"event {text(body.get('id')) or hashlib.sha256(repr(body).encode()).hexdigest()}"
    why = "" if kind == _CREATED else f"{kind.removeprefix(_EVENTS)} is not a new ticket"
    return tickets.told(connection, ticket, delivery=name, raw=dict(body), why=why, kind=kind)


def _of_template(settings: Zendesk, told: Told) -> Ticket:
    """Read a customer's own body: placeholders render as text, and the keys are theirs."""
    number = told.ticket
    return Ticket(
        id=number,
        subject=told.first("subject", "tickettitle", "ticketsubject", "title"),
        url=f"{settings.url}/agent/tickets/{number}",
        priority=told.only("priority", "ticketpriority").lower(),
        requester_name=told.first("requestername", "requesterfullname", "ticketrequestername"),
        requester_email=told.only("requesteremail", "ticketrequesteremail"),
        created_at=told.first("createdat", "ticketcreatedat"),
        fields=dict(told.body),
    )


def _age(stamp: str) -> float:
    moment = outside.moment(stamp)
    return abs(time.time() - moment.timestamp()) if moment is not None else float("inf")
