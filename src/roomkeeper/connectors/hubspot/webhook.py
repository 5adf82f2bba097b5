"""HubSpot's deliveries, verified and read (facts/vendors.md 4). Pure.

Two senders: the webhooks API, an array of changes with ids only, and a workflow's "Send a webhook", a deal object.
"""

import hashlib
import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from roomkeeper import outside
from roomkeeper.automations.event import Event
from roomkeeper.connectors.hubspot.settings import HubSpot
from roomkeeper.contract.delivery import Delivery
from roomkeeper.errors import DeliveryRefused, DeliveryUnreadable
from roomkeeper.vendors import deals, trust

V3, V3_TIME, OLD, OLD_VERSION = (
    "X-HubSpot-Signature-v3",
    "X-HubSpot-Request-Timestamp",
    "X-HubSpot-Signature",
    "X-HubSpot-Signature-Version",
)
_WINDOW = 300.0  # seconds that a v3 signature is good for
_DEAL_TYPE = "0-3"
_CHANGES = frozenset({"deal.propertyChange", "object.propertyChange"})
_CREATIONS = frozenset({"deal.creation", "object.creation"})
_TELLING = frozenset({"dealstage", "hs_is_closed", "hs_is_closed_won", "hs_is_closed_lost"})
#: Escapes that HubSpot decodes before it signs.
_DECODED = {
    "%3A": ":",
    "%2F": "/",
    "%3F": "?",
    "%40": "@",
    "%21": "!",
    "%24": "$",
    "%27": "'",
    "%28": "(",
    "%29": ")",
    "%2A": "*",
    "%2C": ",",
    "%3B": ";",
}


def verify(settings: HubSpot, delivery: Delivery) -> None:
    """Check that HubSpot sent it: by v3 if it is there, else by v1 or v2. Raises DeliveryRefused."""
    if settings.unsigned:
        return
    secrets = trust.plain(settings.client_secret)
    trust.must_be_set(secrets, "client_secret")
    if delivery.header(V3) or settings.only_v3:
        _verify_v3(secrets, delivery)
        return
    source, over = delivery.body, ""
    if delivery.header(OLD_VERSION).lower() == "v2":
        over = _over(delivery)
        source = f"{delivery.method}{delivery.url}".encode() + source
    trust.check_signature(
        delivery.header(OLD).lower(),
        secrets,
        lambda secret: hashlib.sha256(secret.encode() + source).hexdigest(),
        header=OLD,
        over=over,
    )


def _verify_v3(secrets: Sequence[str], delivery: Delivery) -> None:
    stamp = delivery.header(V3_TIME)
    if not re.fullmatch(r"\d{1,15}", stamp):
        raise DeliveryRefused(
            f"the header {V3_TIME} is missing or not a number of milliseconds",
            remedy="HubSpot sends it with each signature of version 3; see what in between takes headers away.",
        )
    age = time.time() - int(stamp) / 1000
    if abs(age) > _WINDOW:
        raise DeliveryRefused(
            f"it was signed {abs(age):.0f} s {'ago' if age > 0 else 'from now'}, and only five minutes are allowed",
            remedy="Set the clock of this machine, if it is wrong (NTP); HubSpot sends it again.",
        )
    uri = re.sub(r"%[0-9A-Fa-f]{2}", lambda found: _DECODED.get(found[0].upper(), found[0]), delivery.url)
    message = f"{delivery.method}{uri}".encode() + delivery.body + stamp.encode()
    trust.check_signature(
        delivery.header(V3),
        secrets,
        lambda secret: trust.hmac_sha256_base64(secret, message),
        header=V3,
        over=_over(delivery),
    )


def _over(delivery: Delivery) -> str:
    return f" this delivery to {delivery.url.partition('?')[0]}"


def read(connection: str, settings: HubSpot, delivery: Delivery) -> list[Event]:
    """Read one delivery: whether a deal closed is known only when it has been read. Raises DeliveryUnreadable."""
    try:
        document = outside.document(delivery.body).value
    except outside.Unreadable as error:
        raise DeliveryUnreadable(f"the body {error}") from error
    if isinstance(document, dict) and document.get("subscriptionType"):
        document = [document]
    if isinstance(document, dict):
        return [_of_workflow(connection, settings, document, delivery.body)]
    if not isinstance(document, list) or not all(isinstance(one, dict) for one in document):
        raise DeliveryUnreadable("the body is neither an array of changes nor a deal")
    return [_of_change(connection, settings, one) for one in document]


def _of_change(connection: str, settings: HubSpot, change: Mapping[str, Any]) -> Event:
    kind, name = str(change.get("subscriptionType", "")), str(change.get("propertyName", ""))
    deal = _id(change.get("objectId"))
    value, at = str(change.get("propertyValue", "")), change.get("occurredAt")
    meaning = f"deal {deal} {kind.partition('.')[2]} {name} {value} {at}"
    # An event's id is not unique, and one change may be told in both dialects.
    delivery = f"change {change.get('eventId', '')} {change.get('subscriptionId', '')} {meaning}"
    return Event(
        type=deals.CLOSED if _is_deal(change) else kind[:100] or "unknown",
        connection=connection,
        at=_moment(at),
        delivery=delivery,
        meaning=meaning,
        subject=f"deal {deal}: {name or kind} {value}".strip()[:200],
        facts=_facts(settings, change.get("portalId"), deal, stage=value if name == "dealstage" and at else ""),
        lane=f"deal {deal}",
        raw=dict(change),
        ignored=_why_ignored(change, kind, name),
    )


def _is_deal(change: Mapping[str, Any]) -> bool:
    kind = str(change.get("subscriptionType", ""))
    return kind.startswith("deal.") or str(change.get("objectTypeId", "")) == _DEAL_TYPE


def _is_of_another(document: Mapping[str, Any]) -> bool:
    """Whether a workflow of contacts, companies or tickets sent it: their numbers may be a deal's, too."""
    kind = str(document.get("objectType") or "")
    if kind and kind.upper() not in {"DEAL", _DEAL_TYPE}:
        return True
    names_itself = any(name in document for name in ("objectId", "dealId", "hs_object_id", "id"))
    return not names_itself and any(name in document for name in ("vid", "canonical-vid", "is-contact", "companyId"))


def _why_ignored(change: Mapping[str, Any], kind: str, name: str) -> str:
    if not _is_deal(change):
        return f"{kind or 'it'} is not about a deal"
    if not _id(change.get("objectId")):
        return f"{kind} names no deal"
    if kind in _CREATIONS or (kind in _CHANGES and name in _TELLING):
        return ""
    return f"{kind} {name}".strip() + " does not tell that a deal closed"


def _of_workflow(connection: str, settings: HubSpot, document: Mapping[str, Any], body: bytes) -> Event:
    """Read a deal as a workflow sends it: whole, or the fields that were picked."""
    acted_on = document.get("object")
    if isinstance(acted_on, dict) and "objectId" in acted_on:  # a custom action of a workflow (facts/vendors.md 4)
        origin = document.get("origin")
        document = {"portalId": origin.get("portalId") if isinstance(origin, dict) else None, **document, **acted_on}
    properties = document.get("properties")
    inner = properties if isinstance(properties, dict) else {}
    about = str(document.get("objectTypeId") or "")
    if (about and not _is_deal(document)) or _is_of_another(document):
        return _of_change(connection, settings, document)  # which says that it is not about a deal
    wanted = ("objectId", "dealId", "hs_object_id", "id")
    deal = next((found for source in (document, inner) for name in wanted if (found := _id(source.get(name)))), "")
    if not deal:
        raise DeliveryUnreadable("no field names the deal: let the workflow send `hs_object_id`")
    # A deal that is closed again is told in the same words: they are one delivery only if they come together.
    meaning = f"deal {deal} workflow {trust.arrival(body)}"
    return Event(
        type=deals.CLOSED,
        connection=connection,
        at=datetime.now(UTC),
        delivery=meaning,
        meaning=meaning,
        subject=f"deal {deal}: by a workflow",
        facts=_facts(settings, document.get("portalId"), deal),
        lane=f"deal {deal}",
        raw=dict(document),
    )


def _facts(settings: HubSpot, account: object, deal: str, *, stage: str = "") -> dict[str, dict[str, Any]]:
    """Give what is known of the deal so far; where people see it is told by the account's number only."""
    known = {"stage": stage} if stage else {}
    number = _id(account)
    if number:
        known["url"] = f"{settings.app_url}/contacts/{number}/record/0-3/{deal}"
    return deals.about(deal, **known)


def _id(value: object) -> str:
    """Take an id: a number, its text, or {"value": …} as older workflows write it."""
    if isinstance(value, dict):
        value = value.get("value")
    return str(value) if isinstance(value, int | str) and not isinstance(value, bool) and str(value).isdecimal() else ""


def _moment(value: object) -> datetime:
    milliseconds = str(value)
    read = outside.moment_of(int(milliseconds) / 1000) if re.fullmatch(r"\d{1,15}", milliseconds) else None
    return read or datetime.now(UTC)
