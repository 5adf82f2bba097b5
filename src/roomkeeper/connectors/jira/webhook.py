"""Jira's deliveries, verified and read (facts/vendors.md 3). Pure.

Four shapes: the admin webhook, Automation's "Send web request" in two formats, and Data Center's automation.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from roomkeeper import outside
from roomkeeper.automations.event import Event
from roomkeeper.connectors.jira.settings import Jira
from roomkeeper.contract.delivery import Delivery
from roomkeeper.errors import DeliveryRefused
from roomkeeper.vendors import tickets, trust
from roomkeeper.vendors.reading import mapping, text
from roomkeeper.vendors.tickets import Ticket

SIGNATURE = "X-Hub-Signature"
IDENTIFIER = "X-Atlassian-Webhook-Identifier"
_CREATED = "jira:issue_created"
#: Fields of which none may come twice: Automation's bodies are templates, and a summary may stand in them unescaped.
_DECIDING = frozenset({"webhookEvent", "issue", "id", "key"})


def verify(settings: Jira, delivery: Delivery) -> None:
    """Check the signature if there is a secret, else the token. Raises DeliveryRefused."""
    if settings.unsigned:
        return
    secrets, tokens = trust.plain(settings.webhook_secret), trust.plain(settings.webhook_token)
    trust.must_be_set([*secrets, *tokens], "webhook_secret` or `webhook_token")
    signature = delivery.header(SIGNATURE)
    if secrets and (signature or not tokens):
        method, _, given = signature.partition("=")
        if signature and method.strip().lower() != "sha256":
            raise DeliveryRefused(
                f"{SIGNATURE} says {method[:20]!r}, and only sha256 is accepted",
                remedy="Jira signs with it; see what else sends to this address.",
            )
        given = given.strip().lower()
        trust.check_signature(given, secrets, lambda one: trust.hmac_sha256_hex(one, delivery.body), header=SIGNATURE)
        return
    given = delivery.header("X-Webhook-Token") or delivery.query("token")
    if not given or not trust.same(given, tokens):
        raise DeliveryRefused(
            "the token is missing or not the one of this connection",
            remedy="Add the header X-Webhook-Token to the web request, or `?token=…` to the webhook's address.",
        )


def read(connection: str, settings: Jira, delivery: Delivery) -> list[Event]:
    """Read one delivery; never refuses: what is no new issue is listed as ignored, with its kind."""
    name = delivery.header(IDENTIFIER) or hashlib.sha256(delivery.body).hexdigest()
    try:
        read = outside.document(delivery.body, strict=False)
    except outside.Unreadable as error:
        return [_unusable(connection, name, {}, f"the body {error}")]
    body = read.value
    if not isinstance(body, dict):
        return [_unusable(connection, name, {}, "the body is not a JSON object")]
    unclear = _DECIDING & read.repeated
    if unclear:
        why = f"ambiguous: {', '.join(f'`{one}`' for one in sorted(unclear))} comes twice, with different values"
        return [_unusable(connection, name, body, why)]
    kind = text(body.get("webhookEvent"))
    is_itself_one = "key" in body and "fields" in body
    if is_itself_one and body.get("issue") is not None:
        why = "ambiguous: it is an issue, and has another in `issue`, as when a summary adds fields of its own"
        return [_unusable(connection, name, body, why)]
    issue = body if is_itself_one else mapping(body.get("issue"))
    why = _why_ignored(body, kind)
    if why:
        return [_ignored(connection, name, body, why, kind)]
    if not text(issue.get("id")) or not text(issue.get("key")):
        return [_unusable(connection, name, body, "no issue is named: let the web request send the issue's data")]
    return [tickets.told(connection, issue_as_ticket(settings, issue), delivery=f"delivery {name}", raw=body, why="")]


def issue_as_ticket(settings: Jira, issue: Mapping[str, Any]) -> Ticket:
    """Read an issue as a ticket, from a delivery or from the API."""
    fields = mapping(issue.get("fields"))
    reporter = mapping(fields.get("reporter")) or mapping(fields.get("creator"))
    key = text(issue.get("key"))
    return Ticket(
        id=text(issue.get("id")),
        key=key,
        subject=text(fields.get("summary")),
        url=f"{settings.url}/browse/{key}",
        priority=text(mapping(fields.get("priority")).get("name")).lower(),
        requester_name=text(reporter.get("displayName")),
        requester_email=text(reporter.get("emailAddress")),
        created_at=text(fields.get("created")),
        fields=dict(fields),
    )


def _why_ignored(body: Mapping[str, Any], kind: str) -> str:
    if kind and kind != _CREATED:
        return f"{kind} is not a new issue"
    if not kind and body.get("comment"):
        return "a comment is not a new issue"
    changed = mapping(body.get("changelog"))
    if not kind and (changed.get("items") or changed.get("histories")):
        return "a change is not a new issue"
    return ""


def _ignored(connection: str, name: str, body: Mapping[str, Any], why: str, kind: str = "") -> Event:
    return tickets.told(connection, Ticket(id=""), delivery=f"delivery {name}", raw=dict(body), why=why, kind=kind)


def _unusable(connection: str, name: str, body: Mapping[str, Any], why: str) -> Event:
    return replace(_ignored(connection, name, body, why), unusable=True)
