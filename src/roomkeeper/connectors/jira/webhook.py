"""Jira's deliveries, verified and read (facts/vendors.md 3). Pure.

Four shapes: the admin webhook, Automation's "Send web request" in two formats, and Data Center's automation.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from roomkeeper import outside
from roomkeeper.automations.event import Event
from roomkeeper.connectors.jira.settings import Jira
from roomkeeper.contract.delivery import Delivery
from roomkeeper.errors import DeliveryRefused
from roomkeeper.vendors import templated, tickets, trust
from roomkeeper.vendors.reading import mapping, moment, text
from roomkeeper.vendors.tickets import Ticket

SIGNATURE = "X-Hub-Signature"
IDENTIFIER = "X-Atlassian-Webhook-Identifier"
_CREATED = "jira:issue_created"
#: Fields of which none may come twice: Automation's bodies are templates, and a summary may stand in them unescaped.
_DECIDING = frozenset(
    {"webhookEvent", "issue", "id", "key", "issue_id", "issueId", "issue_key", "issueKey", "transition", "changelog"}
) | {"event", "event_type", "issue_event_type_name"}
_KINDS = ("event", "event_type", "issue_event_type_name")  # what a web request may name, besides `webhookEvent`
#: What an event means of which only the names of an issue were told: `complete` reads which it is.
NAMED = "issue"
_KEY = r"[^\s{}]{1,80}-\d{1,20}"  # a site may choose what stands before the number
_OWN_KEY = r"[A-Z][A-Z0-9_]{0,80}-\d{1,20}"  # as Jira writes them of itself
_SHOWN = 80  # characters of what a sender wrote that are repeated
#: Within it, rules of the site's own are at work on a new issue; a second word of it is known for the same. Ours.
_AT_ONCE = timedelta(minutes=10)


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
    why = why_ignored(body, issue)
    if why:
        return [_ignored(connection, name, body, why, kind)]
    numbers, keys = _named(body, issue)
    why = _why_no_issue(numbers, keys)
    if why:
        return [_unusable(connection, name, body, why)]
    is_whole = bool(text(issue.get("id")) and text(issue.get("key")))
    named = {"id": "".join(numbers), "key": "".join(keys)}
    ticket = issue_as_ticket(settings, {**issue, **named})
    told = tickets.told(connection, ticket, delivery=f"delivery {name}", raw=body, why="")
    if is_whole:
        return [told]
    # By names alone it is not known whether it was told of, nor whether a summary wrote one of them: reading it says.
    known = named["key"] or named["id"]
    return [replace(told, meaning=f"{NAMED} {known} by delivery {name}", lane=f"ticket {known}")]


def _named(body: Mapping[str, Any], issue: Mapping[str, Any]) -> tuple[set[str], set[str]]:
    """Give every number and every key that a body gives for the issue, however it spells what they are."""
    said = [(outside.spelled(str(name)), text(value)) for name, value in body.items()]
    numbers, keys = ({value for name, value in said if name == wanted} for wanted in ("issueid", "issuekey"))
    if issue:
        return (numbers | {text(issue.get("id"))}) - {""}, (keys | {text(issue.get("key"))}) - {""}
    flat = {value for name, value in said if name == "key" and re.fullmatch(_OWN_KEY, value)}
    # Flat: `{"id": "10001", "key": "SUP-1", "summary": …}`.
    numbers |= {value for name, value in said if name == "id"} if flat else set()
    return numbers - {""}, (keys | flat) - {""}


def _why_no_issue(numbers: set[str], keys: set[str]) -> str:
    """Say why it cannot be told which issue is meant; empty if it can."""
    if len(numbers) > 1 or len(keys) > 1:
        several = ", ".join(sorted(keys if len(keys) > 1 else numbers))
        return f"ambiguous: it names {several[:_SHOWN]}, as when a summary adds fields of its own"
    odd = [one for one in numbers if not re.fullmatch(r"\d{1,20}", one)]
    odd += [one for one in keys if not re.fullmatch(_KEY, one)]
    if odd:
        return f"{odd[0][:_SHOWN]!r} is no issue: let the web request send `issue_key`, such as {{{{issue.key}}}}"
    return "" if numbers or keys else "no issue is named: let the web request send the issue's data, or `issue_key`"


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
        created_at=_moment(fields.get("created")),
        fields=dict(fields),
    )


def _moment(value: object) -> str:
    """Give a moment as Jira's API writes it; Automation's own format counts milliseconds."""
    written = text(value)
    read = outside.moment_of(int(written) / 1000) if re.fullmatch(r"\d{11,15}", written) else None
    return read.isoformat() if read is not None else written


def why_ignored(body: Mapping[str, Any], issue: Mapping[str, Any]) -> str:
    """Say why a body tells of no new issue, by what it says itself and by the issue; empty if it may tell of one."""
    kind = text(body.get("webhookEvent"))
    if kind:
        return "" if kind == _CREATED else f"{kind} is not a new issue"
    said = next((text(body.get(name)) for name in _KINDS if templated.tells_of_another(text(body.get(name)))), "")
    if said:
        return f"{said[:_SHOWN]!r} is not a new issue"
    named = next((text(body[name]) for name in _KINDS if body.get(name)), "")
    if named and not templated.tells_of_creation(named) and _is_old(body, issue):
        return f"{named[:_SHOWN]!r} of an issue that was there before is not a new issue"
    if body.get("transition") and _is_old(body, issue):  # a workflow's own webhook is sent at every step
        return "a step of its workflow is not a new issue"
    if body.get("comment"):
        return "a comment is not a new issue"
    if mapping(body.get("changelog")).get("items") or _has_changed(body, issue):
        return "a change is not a new issue"
    return ""


def _made(issue: Mapping[str, Any]) -> datetime | None:
    """Tell when it was made, if it says so."""
    created = _moment(mapping(issue.get("fields")).get("created"))
    return moment(created) if created else None


def _is_old(body: Mapping[str, Any], issue: Mapping[str, Any]) -> bool:
    """Whether it was made long before it was told of; one that does not say when is taken for new."""
    made = _made(issue)
    return made is not None and moment(_moment(body.get("timestamp"))) - made > _AT_ONCE


def _has_changed(body: Mapping[str, Any], issue: Mapping[str, Any]) -> bool:
    """Whether it was changed later than other rules do at once: Automation's formats tell of all that ever was."""
    told = [mapping(one.get("changelog")).get("histories") for one in (body, issue)]
    histories = [mapping(one) for several in told if isinstance(several, list) for one in several]
    made = _made(issue)
    return any(made is None or moment(_moment(one.get("created"))) - made > _AT_ONCE for one in histories)


def _ignored(connection: str, name: str, body: Mapping[str, Any], why: str, kind: str = "") -> Event:
    return tickets.told(connection, Ticket(id=""), delivery=f"delivery {name}", raw=dict(body), why=why, kind=kind)


def _unusable(connection: str, name: str, body: Mapping[str, Any], why: str) -> Event:
    return replace(_ignored(connection, name, body, why), unusable=True)
