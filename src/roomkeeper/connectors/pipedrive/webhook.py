"""Pipedrive's deliveries, verified and read (facts/vendors.md 5). Pure.

Whatever is authentic gets a 2xx, also what cannot be used: ten refused deliveries ban a webhook for half an hour.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from roomkeeper import outside
from roomkeeper.automations.event import Event
from roomkeeper.connectors.pipedrive.settings import Pipedrive
from roomkeeper.contract.delivery import Delivery
from roomkeeper.errors import DeliveryRefused
from roomkeeper.vendors import deals, trust
from roomkeeper.vendors.reading import mapping, text

CLOSED = frozenset({"won", "lost"})


def verify(settings: Pipedrive, delivery: Delivery) -> None:
    """Check user and password; Pipedrive does not sign. Raises DeliveryRefused."""
    if settings.unsigned:
        return
    passwords = trust.plain(settings.webhook_password)
    trust.must_be_set(passwords, "webhook_password")
    user, password = delivery.basic
    # Both are compared, whatever comes of the first.
    fits = [trust.same(user, [settings.webhook_user]), trust.same(password, passwords)]
    if not password or not all(fits):
        raise DeliveryRefused(
            "user and password are missing or not those of this connection",
            remedy="Give the webhook in Pipedrive the HTTP user and password that stand here as `webhook_user` and "
            "`webhook_password`.",
        )


def read(connection: str, settings: Pipedrive, delivery: Delivery) -> list[Event]:  # noqa: ARG001 - others need them
    """Read one delivery, in the shape of version 2 or 1; never refuses."""
    try:
        document = outside.document(delivery.body).value
    except outside.Unreadable as error:
        return [_unusable(connection, delivery.body, f"the body {error}")]
    if not isinstance(document, dict):
        return [_unusable(connection, delivery.body, "the body is not a JSON object")]
    meta = mapping(document.get("meta"))
    if not meta:
        what = "it says of nothing what happened to it (`meta`): add a webhook of version 2 under Tools and apps"
        return [_unusable(connection, delivery.body, what)]
    now = mapping(document.get("data") or document.get("current"))
    before = mapping(document.get("previous"))
    deal = text(now.get("id") or meta.get("entity_id") or meta.get("id"))
    kind = f"{text(meta.get('entity') or meta.get('object'))} {text(meta.get('action'))}".strip()
    status = text(now.get("status"))
    since = text(now.get(f"{status}_time") or now.get("close_time"))
    stamp = text(meta.get("timestamp"))
    meaning = f"deal {deal} {status} since {since}" if since else f"deal {deal} {kind} {status} at {stamp}"
    why = _why_ignored(meta, now, before, deal)
    if why:
        told = f"{kind} {stamp} {hashlib.sha256(delivery.body).hexdigest()}"
        is_open = _entity(meta) == "deal" and bool(deal) and status == "open"
        meaning = deals.not_closed(deal, told) if is_open else f"{told} {deal}"
    return [
        Event(
            type=deals.CLOSED if _entity(meta) == "deal" else kind[:100] or "unknown",
            connection=connection,
            at=_moment(stamp),
            delivery=f"delivery {_delivery_id(meta, delivery.body)}",
            meaning=meaning,
            subject=f"{kind} {deal}: {status}".strip(": ")[:200],
            facts=deals.about(deal),
            lane=f"deal {deal}",
            raw=document,
            ignored=why,
        )
    ]


def _why_ignored(meta: Mapping[str, Any], now: Mapping[str, Any], before: Mapping[str, Any], deal: str) -> str:
    entity, action, status = _entity(meta), text(meta.get("action")), text(now.get("status"))
    if entity != "deal":
        return f"{entity or 'it'} {action} is not about a deal".replace("  ", " ")
    if action not in {"change", "create", "updated", "added"}:
        return f"deal {action} is neither a change nor a creation"
    if not deal:
        return "it names no deal"
    if status not in CLOSED:
        return f"deal {deal} is {status or 'without a status'}, not closed"
    is_new = action in {"create", "added"}
    if not is_new and ("status" not in before or before["status"] == status):
        return f"deal {deal} was {status} before: this change is another one"
    return ""


def _entity(meta: Mapping[str, Any]) -> str:
    return text(meta.get("entity") or meta.get("object"))


def _delivery_id(meta: Mapping[str, Any], body: bytes) -> str:
    """Give what is equal for every attempt: version 2 has an id of its own, version 1 has none."""
    given = text(meta.get("id")) if meta.get("entity") else ""
    return given or hashlib.sha256(body).hexdigest()


def _unusable(connection: str, body: bytes, why: str) -> Event:
    name = f"unreadable {hashlib.sha256(body).hexdigest()}"
    now = datetime.now(UTC)
    return Event("unknown", connection, now, delivery=name, meaning=name, subject="", ignored=why, unusable=True)


def _moment(stamp: str) -> datetime:
    """Read `2025-06-19T16:07:36.754Z`, or version 1's seconds."""
    read = outside.moment_of(int(stamp)) if re.fullmatch(r"\d{1,12}", stamp) else outside.moment(stamp)
    return read or datetime.now(UTC)
