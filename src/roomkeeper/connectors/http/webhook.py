"""Deliveries of any sender of JSON, verified and read. Pure.

Without a map, the bodies of the portal's own sample documents are understood.
"""

import hashlib
import re
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

from roomkeeper import outside
from roomkeeper.automations.event import Event
from roomkeeper.connectors.http import own
from roomkeeper.connectors.http.settings import Http
from roomkeeper.contract.delivery import Delivery
from roomkeeper.contract.step import EventKind
from roomkeeper.errors import DeliveryRefused, DeliveryUnreadable
from roomkeeper.vendors import deals, templated, tickets, trust
from roomkeeper.vendors.deals import Deal
from roomkeeper.vendors.reading import inside, moment, text
from roomkeeper.vendors.tickets import Ticket

KEY = "Idempotency-Key"
EVENTS: Mapping[str, EventKind] = {**deals.EVENTS, **tickets.EVENTS}
_MARK = len("sha256=")
_WON = frozenset({"won", "closedwon", "win", "success", "successful"})
_LOST = frozenset({"lost", "closedlost", "lose", "failed", "abandoned"})
_SAMPLE_DEAL = {"id": "dealId", "company": "clientName"}
#: Fields that decide what is done, and about what.
_DECIDING = ("id", "status", "at")
_SAMPLE_TICKET = {"id": "ticketId", "subject": "subject"}


def raises(settings: Http) -> Collection[str]:
    """List what a connection with these settings tells of."""
    return {settings.event} if settings.event is not None else EVENTS


def verify(settings: Http, delivery: Delivery) -> None:
    """Check the token or the signature. Raises DeliveryRefused."""
    if settings.unsigned:
        return
    tokens, secrets = trust.plain(settings.token), trust.plain(settings.hmac_secret)
    trust.must_be_set([*tokens, *secrets], "token` or `hmac_secret")
    if _is_signed(settings, delivery):
        _check_time(settings, delivery)
        _check_signature(settings, secrets, delivery)
        return
    if not delivery.bearer or not trust.same(delivery.bearer, tokens):
        raise DeliveryRefused(
            "the token is missing or not the one of this connection",
            remedy="Send it as `Authorization: Bearer …`.",
        )


def _is_signed(settings: Http, delivery: Delivery) -> bool:
    """Whether a signature is what proves it: it is asked for, and there, or there is no other proof."""
    return bool(settings.hmac_secret) and (bool(delivery.header(settings.signature_header)) or not settings.token)


def _check_time(settings: Http, delivery: Delivery) -> None:
    """Check that it was signed just now, if the sender says when. Raises DeliveryRefused."""
    if settings.timestamp_header is None:
        return
    said = delivery.header(settings.timestamp_header).strip()
    if not re.fullmatch(r"\d{1,12}", said):
        raise DeliveryRefused(
            f"the header {settings.timestamp_header} is missing or not a number of seconds since 1970",
            remedy="Have the sender write the time there, and sign it: the time, a full stop, and the body.",
        )
    age = time.time() - int(said)
    if abs(age) > settings.timestamp_window:
        when = "ago" if age > 0 else "from now"
        raise DeliveryRefused(
            f"it was signed {abs(age):.0f} s {when}, and only {settings.timestamp_window:.0f} s are allowed",
            remedy="Set the clocks right (NTP), here and at the sender; what is sent again is to be signed anew.",
        )


def _check_signature(settings: Http, secrets: Sequence[str], delivery: Delivery) -> None:
    """Compare the signature, as hex digits or base64: senders differ. Raises DeliveryRefused."""
    name, signed = settings.signature_header, _signed(settings, delivery)
    given = delivery.header(name).strip()
    if given[:_MARK].lower() == "sha256=":
        given = given[_MARK:]
    is_hex = bool(re.fullmatch(r"[0-9A-Fa-f]{64}", given))
    if given and not is_hex and not re.fullmatch(r"[A-Za-z0-9+/_-]{43}=?", given):  # 32 bytes in base64
        raise DeliveryRefused(
            f"{name} holds no signature of a form that is understood",
            remedy="It is HMAC-SHA256 over the body (with `timestamp_header`, over the time, a full stop and the body) "
            "as 64 hex digits or in base64, perhaps behind `sha256=`. A service that signs otherwise needs a token, or "
            "something in between.",
        )
    expected = trust.hmac_sha256_hex if is_hex else trust.hmac_sha256_base64
    compared = given.lower() if is_hex else given
    trust.check_signature(compared, secrets, lambda one: expected(one, signed), header=name)


def _signed(settings: Http, delivery: Delivery) -> bytes:
    """Put together what is signed."""
    if settings.timestamp_header is None:
        return delivery.body
    return delivery.header(settings.timestamp_header).strip().encode() + b"." + delivery.body


def _named(settings: Http, delivery: Delivery) -> str:
    """Name a delivery, so that it is known when it comes again: by what proves it, for the rest may be anybody's.

    A signature covers no key, so one who captured the request could send it under another. A token's own request is
    whole: what its sender says is one delivery is one.
    """
    if _is_signed(settings, delivery):
        return hashlib.sha256(_signed(settings, delivery)).hexdigest()
    return delivery.header(KEY) or hashlib.sha256(delivery.body).hexdigest()


def read(connection: str, settings: Http, delivery: Delivery) -> list[Event]:
    """Read one delivery. Raises DeliveryUnreadable, naming the field."""
    name = _named(settings, delivery)
    body, repeated = _body(settings, delivery.body)
    kind = settings.event or _recognised(body)
    if repeated:  # any field may be one that an automation goes by, and this sender cannot be asked again
        unclear = ", ".join(f"`{outside.one_line(one)}`" for one in sorted(repeated))
        raise DeliveryUnreadable(f"ambiguous: the body has {unclear} twice, with different values")
    if kind is None:
        why = "it is neither a deal nor a ticket: set `event` and `fields` for this connection"
        at = datetime.now(UTC)
        return [Event("unknown", connection, at, delivery=name, meaning=name, subject="", raw=body, ignored=why)]
    if not settings.is_known:
        return [own.told(connection, settings, body, name)]
    if kind == deals.CLOSED:
        return [_deal(connection, settings.fields, body, name)]
    why = templated.of(body).why_not_created if settings.event is None else ""
    return [_ticket(connection, settings.fields, body, name, why)]


def _body(settings: Http, sent: bytes) -> tuple[Mapping[str, Any], frozenset[str]]:
    """Read the object that was sent, and which names in it contradict themselves. Raises DeliveryUnreadable.

    A template with a quotation mark in a name is no JSON; most such senders send it once, and have no list to look in.
    So what decides is read out of it, where the configuration says how it is called and it is there once.
    """
    try:
        document = outside.document(sent, strict=False)
    except outside.Unreadable as error:
        paths = [settings.fields[name] for name in _DECIDING if name in settings.fields]
        found = templated.salvaged(sent, paths)
        if not paths or len(found) < len(paths):
            raise DeliveryUnreadable(f"the body {error}{_hint(sent)}") from error
        return found, frozenset()
    if not isinstance(document.value, dict):
        raise DeliveryUnreadable("the body is not a JSON object")
    return document.value, document.repeated


def _hint(sent: bytes) -> str:
    """Say what else it is that was sent."""
    if sent[:2] == b"\x1f\x8b":
        return "; it is packed (gzip): have the sender leave that out"
    if re.match(rb"[^\s={}\[\]\"<]{1,100}=", sent):
        return "; it is a form: have the sender write JSON"
    return "; it is XML: have the sender write JSON" if sent.lstrip()[:1] == b"<" else ""


def by_hand(connection: str, type_: str, fields: Mapping[str, Any]) -> Event:
    """Make the event that somebody asks for by hand; there is nobody to ask for what is left out. Raises NotThere."""
    if type_ not in EVENTS:
        return own.by_hand(connection, type_, fields)
    if type_ == deals.CLOSED:
        event = deals.by_hand(connection, type_, fields)
        empty = Deal(id=deals.identified(event), status="won").facts(connection)
    else:
        event = tickets.by_hand(connection, type_, fields)
        empty = Ticket(id=str(event.facts["ticket"]["id"])).facts(connection)
    return replace(event, facts={noun: known | dict(event.facts[noun]) for noun, known in empty.items()})


def _recognised(body: Mapping[str, Any]) -> str | None:
    """Recognise the bodies of the sample documents archive-crm-deal-files and investigation-room-from-ticket."""
    if body.get("ticketId") not in (None, ""):
        return tickets.CREATED
    if body.get("clientRoomId") not in (None, "") or body.get("dealId") not in (None, ""):
        return deals.CLOSED
    return None


def _deal(connection: str, fields: Mapping[str, str], body: Mapping[str, Any], name: str) -> Event:
    field = _reader(fields or _SAMPLE_DEAL, body)
    if "id" in fields and not field("id"):
        raise DeliveryUnreadable(f"the body has no `{fields['id']}`, which is to be the deal's id")
    said = field("status")
    # Where no status is mapped, the sender tells of deals only once they are won.
    status: Literal["won", "lost"] | None = _status(said) if "status" in fields else "won"
    deal = Deal(
        id=field("id") or name[:12],
        status=status or "lost",
        name=field("name"),
        company=field("company"),
        contact_email=field("contact.email"),
        owner_email=field("owner.email"),
        amount=deals.amount(field("amount")),
        currency=field("currency"),
        url=field("url"),
        fields=body,
    )
    since = field("at")
    return Event(
        type=deals.CLOSED,
        connection=connection,
        at=moment(since),
        delivery=f"delivery {name}",
        meaning=_meaning(deal, status, since, name),
        subject=(deal.subject if status else deal.named)[:200],
        facts=deal.facts(connection),
        lane=f"deal {deal.id}",
        raw=dict(body),
        ignored="" if status else f"deal {deal.id}: `{fields['status']}` is {said!r}, neither won nor lost",
    )


def _meaning(deal: Deal, status: str | None, since: str, name: str) -> str:
    if status is None:
        return deals.not_closed(deal.id, name)
    return deals.closing(deal.id, deal.status, since) if since else f"deal {deal.id} by delivery {name}"


async def complete(_client: object, event: Event) -> Event:
    """Say of a closing that people may have edited its moment: senders have no history that could be asked."""
    standing = deals.standing_of(event.meaning) if event.type == deals.CLOSED else ""
    return replace(event, standing=standing) if standing else event


def _ticket(connection: str, fields: Mapping[str, str], body: Mapping[str, Any], name: str, why: str) -> Event:
    fields = {"id": "id", **fields} if fields else _SAMPLE_TICKET
    field = _reader(fields, body)
    path = fields["id"]
    if not field("id"):
        raise DeliveryUnreadable(f"the body has no `{path}`, which is to be the ticket's id")
    ticket = Ticket(
        id=field("id"),
        key=field("key") or field("id"),
        subject=field("subject"),
        url=field("url"),
        priority=field("priority"),
        requester_name=field("requester.name"),
        requester_email=field("requester.email"),
        created_at=field("created_at"),
        fields=body,
    )
    return tickets.told(connection, ticket, delivery=f"delivery {name}", raw=dict(body), why=why)


def _status(said: str) -> Literal["won", "lost"] | None:
    word = "".join(part for part in said.casefold() if part.isalpha())
    # With a reason behind it: Zoho's "Closed-Lost to Competition", "Lost - price", "Won - Upsell".
    reasoned = re.match(r"\s{0,20}(won|lost)\s{0,20}[-:(/]", said, re.IGNORECASE)
    begin = reasoned[1].casefold() if reasoned is not None else ""
    if word in _WON or word.startswith("closedwon") or begin == "won":
        return "won"
    return "lost" if word in _LOST or word.startswith("closedlost") or begin == "lost" else None


def _reader(fields: Mapping[str, str], body: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a function
    """Give a function that reads our fields from where they stand in the body."""

    def field(name: str) -> str:
        return text(inside(body, fields.get(name, "")))

    return field
