"""The portal's deliveries, read into events (facts/docspace.md 1)."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from roomkeeper import outside
from roomkeeper.automations.event import Event, Place, noun_of
from roomkeeper.connectors.docspace.events.facts import of_entry
from roomkeeper.connectors.docspace.settings import DocSpace
from roomkeeper.contract.delivery import Delivery
from roomkeeper.contract.step import ABOUT, EventKind
from roomkeeper.docspace import EntryId, Portal, signature
from roomkeeper.docspace.webhooks import TRIGGERS
from roomkeeper.errors import DeliveryUnreadable, Forbidden, NotFound, NotThere, ScopeMissing, Unavailable

_FIELDS: dict[str, tuple[str, ...]] = {
    "file": ("id", "title", "extension", "folder", "room", "room_title", "path"),
    "folder": ("id", "title", "folder", "room", "room_title", "path"),
    "room": ("id", "title", "room", "room_title"),
    "form": ("id", "title", "extension", "original", "original_title", "folder", "room", "room_title", "path"),
    "user": ("id", "name", "first_name", "last_name", "email", "status", "type"),
    "group": ("id", "name"),
    "agent": ("id", "title", "room", "room_title"),
}
_SHARED = frozenset(
    {
        ("event", "type"),
        ("event", "connection"),
        *((noun, f) for noun in ("file", "folder", "form") for f in ("room", "room_title")),
    }
)
_PLACED = frozenset({"file", "folder", "form", "room", "link", "agent"})
_ROOMS = frozenset({"room", "agent"})  # which lie in no room: they are one
_ENTRIES = frozenset({"file", "form", "folder", *_ROOMS})
#: What a person's `status` says (EmployeeStatus.cs; recorded: hooks.events).
_STATUSES = {1: "active", 2: "disabled", 4: "pending"}
_UNKNOWN = datetime.fromtimestamp(0, UTC)  # ours
_LONGEST = 200  # characters of a title or an unknown trigger that are kept to be shown (ours)


#: An upload in a single request is told as both (1.4; recorded: hooks.events).
_BESIDE = {"file.created": frozenset({"file.uploaded"}), "file.uploaded": frozenset({"file.created"})}


def _kind(trigger: str) -> EventKind:
    noun = noun_of(trigger)
    names = (*_FIELDS[noun], "change") if trigger == "file.updated" else _FIELDS[noun]
    return EventKind(
        trigger,
        {"event": ABOUT, noun: {name: {} for name in names}},
        _SHARED,
        _BESIDE.get(trigger, frozenset()),
    )


#: What was changed of a file, by what its history has of that moment (HistoryService.cs, TrackedActions).
CHANGES: Mapping[str, str] = {
    "UserFileUpdated": "saved",
    "FileUpdated": "saved",
    "FileUploadedWithOverwriting": "saved",
    "FileRenamed": "renamed",
    "FileLocked": "locked",
    "FileUnlocked": "unlocked",
    "FileRestoreVersion": "restored",
    "FileVersionRemoved": "version removed",
}
OTHER_CHANGE = "other"  # such as a comment, of which no history tells
_ONE_MOMENT = timedelta(seconds=1)  # between a delivery's time and its entry's, both in whole seconds (ours)
_WRITTEN_WITHIN = timedelta(seconds=20)  # that an entry may be on its way (ours: MessagesRepository.cs has a queue)
#: The portal's trigger names (1.3), used as they are.
EVENTS: Mapping[str, EventKind] = {trigger: _kind(trigger) for trigger in TRIGGERS}


def verify(settings: DocSpace, delivery: Delivery) -> None:
    """Check that the portal sent it. Raises DeliveryRefused."""
    if settings.unsigned:
        return
    secrets = [secret.get_secret_value() for secret in settings.webhook_secret]
    signature.verify(delivery.header(signature.HEADER), delivery.body, secrets)


def read(connection: str, settings: DocSpace, delivery: Delivery) -> list[Event]:  # noqa: ARG001 - others need them
    """Read one delivery. Raises DeliveryUnreadable, naming what is missing.

    The same occurrence can come with another `event.id`: from a second webhook, or by a manual retry (1.1). So its
    meaning is made of what stays the same.
    """
    document = _document(delivery.body)
    about, payload = _part(document, "event"), _part(document, "payload", required=False)
    trigger = about.get("trigger")
    if not isinstance(trigger, str) or not trigger:
        raise DeliveryUnreadable("event.trigger is missing")
    at = _moment(about.get("createOn"))
    told = f"delivery {_text(about.get('id'), 'event.id')} of {_plain(about.get('createOn'))}"
    common: dict[str, Any] = {
        "connection": connection,
        "at": at,
        "delivery": told,
        "actor": _plain(about.get("createBy")),
        "raw": document,
    }
    if trigger not in EVENTS:
        shown = trigger[:_LONGEST]
        meaning = f"{shown} {told}"
        return [
            Event(
                type=shown,
                meaning=meaning,
                subject="",
                ignored=f"{shown!r} is not a trigger that Roomkeeper knows",
                **common,
            )
        ]
    noun = noun_of(trigger)
    entity = _entity(payload)
    subject_id = _text(entity.get("id"), "payload.id")
    parts = (trigger, subject_id, at.isoformat(), _plain(entity.get("modifiedOn")), _plain(entity.get("parentId")))
    title = _plain(entity.get("title") or entity.get("name") or _name(entity) or entity.get("email"))[:_LONGEST]
    folder = entity["id"] if noun in _ROOMS else entity.get("parentId")
    return [
        Event(
            type=trigger,
            meaning=" ".join(parts),
            subject=f"{noun} {subject_id} {title}".strip(),
            facts={noun: _facts(noun, entity, title, folder) | _original(payload)},
            channel=_plain(_part(document, "webhook", required=False).get("id")),
            lane=_plain(folder) if noun in _PLACED else "",
            occurrence=f"{trigger} {subject_id}",
            **common,
        )
    ]


def by_hand(connection: str, trigger: str, fields: Mapping[str, Any]) -> Event:
    """Make the event that somebody asks for by hand: `file.id=123`. Raises NotThere."""
    noun = noun_of(trigger)
    given = dict(fields.get(noun) or {})
    if isinstance(given.get("title"), str):
        given = of_entry(noun, given.get("id"), given["title"], given.get("folder")) | given
    if not isinstance(given.get("id"), int | str):
        raise NotThere(f"{trigger} needs to know which {noun}", remedy=f"Add `--with {noun}.id=…`.")
    now = datetime.now(UTC)
    name = f"by hand {noun} {given['id']} {now.isoformat()}"
    return Event(
        type=trigger,
        connection=connection,
        at=now,
        delivery=name,
        meaning=name,
        subject=f"{noun} {given['id']} {given.get('title', '')}".strip(),
        facts={noun: given, **({"member": fields["member"]} if "member" in fields else {})},
        lane=_plain(given.get("folder")) or f"{noun} {given['id']}",
        raw={"by_hand": dict(fields)},
    )


async def complete(portal: Portal, event: Event) -> Event:
    """Look up what no delivery says (1.2), where an automation asks for it. Raises RemoteError.

    That is what kind of account a person has, and what was changed of a file; and what a person who starts something by
    hand has left out.
    """
    if event.noun in _ENTRIES and "title" not in event.facts.get(event.noun, {}):
        return await _with_title(portal, event)
    if event.type == "file.updated" and "change" in portal.wanted and "change" not in event.facts["file"]:
        return await _with_change(portal, event)
    if event.noun != "user" or "type" not in portal.wanted or event.type == "user.deleted":
        return event
    about = event.facts["user"]
    try:
        person = await portal.people.get(str(about["id"]))
    except ScopeMissing as error:  # this event waits, and no other for it
        raise Forbidden(error.message, remedy="Give the API key the scope `accounts:read`, for `user.type`.") from error
    return replace(event, facts={"user": {**about, "type": person.kind}})


async def _with_title(portal: Portal, event: Event) -> Event:
    """Look up what a number stands for; what is not there is left to the step, which says so of its own setting."""
    about = event.facts[event.noun]
    try:
        if event.noun in {"file", "form"}:
            file = await portal.files.get(about["id"])
            title, folder = file.title, file.folder_id
        else:
            entry = await portal.folders.get(about["id"])
            title, folder = entry.title, about["id"] if event.noun in _ROOMS else entry.parent_id
    except ScopeMissing as error:  # as above: this event waits, and no other for it
        raise Forbidden(error.message, remedy=error.remedy) from error
    except (NotFound, Forbidden):
        return event
    known: dict[str, Any] = of_entry(event.noun, about["id"], title, about.get("folder", folder))
    subject = f"{event.noun} {about['id']} {title}"
    return replace(event, subject=subject, facts={**event.facts, event.noun: {**known, **about}})


async def _with_change(portal: Portal, event: Event) -> Event:
    """Say what was changed of a file; while its history may not have it yet, it is as if it was not there."""
    about = event.facts["file"]
    entries = (await portal.history.of_file(about["id"])).entries
    near = [one for one in entries if one.date is not None and abs(one.date - event.at) <= _ONE_MOMENT]
    found = [CHANGES[one.action.key] for one in near if one.action.key in CHANGES]
    if not found and abs(datetime.now(UTC) - event.at) < _WRITTEN_WITHIN:
        raise NotFound("the file's history does not say yet what was changed")
    return replace(event, facts={"file": {**about, "change": found[0] if found else OTHER_CHANGE}})


async def place(portal: Portal, event: Event) -> Place | None:
    """Find the room of an event: the payload only has the direct folder (1.2). None outside of rooms."""
    if event.noun not in _PLACED:
        return None
    about = event.facts.get(event.noun, {})
    if event.type in {
        "room.deleted",
        "agent.deleted",
    }:  # it can be asked for no more, and its delivery has all there is
        return Place(about["id"], str(about.get("title") or ""), about["id"])
    folder: EntryId | None = about.get("folder") or (about.get("id") if event.noun in _ROOMS else None)
    if folder is None and event.noun in {"file", "form"}:
        folder = (await portal.files.get(about["id"])).folder_id
    if folder is None:
        return None
    way = await portal.folders.path(folder)
    at = next((at for at, part in enumerate(way) if part.room_type is not None), None)
    if at is None:
        return None
    return Place(way[at].id, way[at].title, folder, tuple(part.title for part in way[at + 1 :]))


async def myself(portal: Portal) -> str:
    """Tell whose account this is; what it does itself is not acted on."""
    return (await portal.people.myself()).id


async def in_order(portal: Portal) -> None:
    """Make sure that the portal is active and takes the key. Raises RemoteError.

    One that is restored, moved or encrypted answers who we are all the same, and refuses the rest without a reason
    (TenantStatusFilter.cs); what it is, it tells anybody.
    """
    await portal.people.myself()
    hello = await portal.hello()
    if hello is not None and hello.closed:
        raise Unavailable(f"The portal {hello.closed}")


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = outside.document(body).value
    except outside.Unreadable as error:
        raise DeliveryUnreadable(f"the body {error}") from error
    if not isinstance(document, dict):
        raise DeliveryUnreadable("the body is not a JSON object")
    return document


def _part(document: Mapping[str, Any], name: str, *, required: bool = True) -> Mapping[str, Any]:
    part = document.get(name)
    if isinstance(part, dict):
        return part
    if required or part is not None:
        raise DeliveryUnreadable(f"`{name}` is missing or not an object")
    return {}


def _entity(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """Find what it is about; a submitted form comes as two files (1.2)."""
    submitted = payload.get("submittedForm")
    return submitted if isinstance(submitted, dict) else payload


def _original(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Give the form that was filled in: the event is about what came of it (1.2)."""
    form = payload.get("originalForm")
    if not isinstance(form, dict) or not isinstance(form.get("id"), int | str):
        return {}
    return {"original": form["id"], "original_title": _plain(form.get("title"))[:_LONGEST]}


def _name(person: Mapping[str, Any]) -> str:
    """Join a person's names; an invited one may have none yet."""
    return " ".join(part for name in ("firstName", "lastName") if (part := _plain(person.get(name))))


def _facts(noun: str, entity: Mapping[str, Any], title: str, folder: object) -> dict[str, Any]:
    known = of_entry(noun, entity.get("id"), title, folder, name=title) | {
        "first_name": _plain(entity.get("firstName")),
        "last_name": _plain(entity.get("lastName")),
        "email": _plain(entity.get("email")),
        "status": _STATUSES.get(status) if isinstance(status := entity.get("status"), int) else None,
    }
    return {name: known[name] for name in _FIELDS[noun] if known.get(name) is not None}


def _text(value: object, where: str) -> str:
    """Take an id, a number or a string; third-party storage has strings."""
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise DeliveryUnreadable(f"`{where}` is missing or neither a number nor a string")
    return str(value)


def _plain(value: object) -> str:
    return str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""


def _moment(value: object) -> datetime:
    """Read `event.createOn`, UTC to the second; one that is missing is no reason to lose an event."""
    return outside.moment(value) or _UNKNOWN
