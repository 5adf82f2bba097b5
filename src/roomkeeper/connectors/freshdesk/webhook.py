"""Freshdesk's deliveries, verified and read (facts/vendors.md 2). Pure.

Simple content comes in a wrapper, with fixed names; Advanced content is whatever the customer wrote.
"""

import hashlib
import re

from roomkeeper.automations.event import Event
from roomkeeper.connectors.freshdesk.settings import Freshdesk
from roomkeeper.contract.delivery import Delivery
from roomkeeper.errors import DeliveryRefused
from roomkeeper.vendors import templated, tickets, trust
from roomkeeper.vendors.tickets import Ticket

#: How Freshdesk says that a ticket is new: `{ticket_action:created}`; or what a customer wrote in its place.
_CREATED = re.compile(r"ticket_action:\s{0,9}creat|^[^{]{0,200}creat", re.IGNORECASE)


#: Its API counts them, and so do some of its placeholders (facts/vendors.md 2).
_PRIORITIES = {"1": "low", "2": "medium", "3": "high", "4": "urgent"}


def priority_of(said: str) -> str:
    """Give a priority by its name, however it is said."""
    return _PRIORITIES.get(said, said.lower())


def verify(settings: Freshdesk, delivery: Delivery) -> None:
    """Check the shared token; Freshdesk does not sign. Raises DeliveryRefused."""
    if settings.unsigned:
        return
    tokens = trust.plain(settings.webhook_token)
    trust.must_be_set(tokens, "webhook_token")
    given = delivery.header("X-Webhook-Token") or delivery.basic[1]
    if not given or not trust.same(given, tokens):
        raise DeliveryRefused(
            "the token is missing or not the one of this connection",
            remedy="Give the webhook in Freshdesk the custom header X-Webhook-Token, or this token as password.",
        )


def read(connection: str, settings: Freshdesk, delivery: Delivery) -> list[Event]:
    """Read one delivery; never refuses: what cannot be read is listed as ignored, with the reason."""
    told = templated.told(delivery.body, inside="freshdesk_webhook")
    number = told.ticket
    ticket = Ticket(
        id=number,
        subject=told.first("ticketsubject", "subject", "title"),
        url=f"{settings.url}/a/tickets/{number}",
        priority=priority_of(told.only("ticketpriority", "priority")),
        requester_name=told.first("requestername", "ticketrequestername"),
        requester_email=told.only("requesteremail", "ticketrequesteremail"),
        created_at=told.first("ticketcreatedat", "createdat"),
        fields=dict(told.body),
    )
    triggered = told.triggered
    if triggered and "{{" not in triggered:  # it is what Freshdesk itself says
        why = "" if _CREATED.search(triggered) else f"{triggered[:80]!r} is not a new ticket"
    else:
        why = told.why_not_created
    unclear = told.why_unusable
    why = unclear or why
    name = f"body {hashlib.sha256(delivery.body).hexdigest()}"
    return [tickets.told(connection, ticket, delivery=name, raw=dict(told.body), why=why, unusable=bool(unclear))]
