"""Events of a sender's own, such as `employee.hired`, with the fields that the connection names. Pure.

What is before the full stop is what templates call it: `{{ employee.email }}`.
"""

from collections.abc import Mapping
from typing import Any

from roomkeeper.automations.event import Event, noun_of
from roomkeeper.connectors.http.settings import Http
from roomkeeper.contract.step import ABOUT, EventKind
from roomkeeper.errors import DeliveryUnreadable
from roomkeeper.vendors.by_hand import about as by_hand_about
from roomkeeper.vendors.reading import inside, moment, text

_WHOLE = "fields"  # the whole body, as with deals and tickets


def kinds(settings: Http) -> Mapping[str, EventKind]:
    """List the kind of event that this connection adds to those that are known."""
    if settings.event is None or settings.is_known:
        return {}
    own: dict[str, Any] = {name: {} for name in (*settings.fields, "id", "connection")} | {_WHOLE: None}
    return {settings.event: EventKind(settings.event, {"event": ABOUT, noun_of(settings.event): own})}


def told(connection: str, settings: Http, body: Mapping[str, Any], name: str) -> Event:
    """Make the event of a delivery called `name`. Raises DeliveryUnreadable where the id is not in it."""
    type_ = str(settings.event)
    noun = noun_of(type_)
    fields = {one: inside(body, path) for one, path in settings.fields.items()}
    known = text(fields.get("id"))
    if "id" in settings.fields and not known:
        raise DeliveryUnreadable(f"the body has no `{settings.fields['id']}`, which is to be the id of the {noun}")
    facts = {one: "" if value is None else value for one, value in fields.items()}
    facts |= {"id": known or name[:12], "connection": connection, _WHOLE: dict(body)}
    return Event(
        type=type_,
        connection=connection,
        at=moment(text(fields.get("at"))),
        delivery=f"delivery {name}",
        meaning=f"{noun} {facts['id']} by delivery {name}",
        subject=f"{noun} {facts['id']} {_called(fields)}".strip()[:200],
        facts={noun: facts},
        lane=f"{noun} {facts['id']}",
        raw=dict(body),
    )


def _called(fields: Mapping[str, Any]) -> str:
    """Find what people would call it."""
    return next((text(fields[name]) for name in ("name", "title", "subject", "email") if fields.get(name)), "")


def by_hand(connection: str, type_: str, fields: Mapping[str, Any]) -> Event:
    """Make the event that somebody asks for by hand. Raises NotThere."""
    return by_hand_about(noun_of(type_))(connection, type_, fields)
