"""What the portal tells of people and rooms: each event runs, with the fields that its page promises."""

import time
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from mailboxes import Chat
from stage import SECRET, Keeper, Portal, Rooms, next_second, until

from roomkeeper import docspace
from roomkeeper.connectors.docspace.events import trails
from roomkeeper.connectors.docspace.events.webhook import EVENTS as DELIVERED
from roomkeeper.docspace.budget import LocalTally
from roomkeeper.docspace.models import HistoryEntry
from roomkeeper.docspace.webhooks import mask
from roomkeeper.store.tables import alerts

Make = Callable[..., Keeper]


def _making(name: str, on: str, title: str, **where: Any) -> dict[str, Any]:
    steps = [{"do": "create_room", "via": "acme", "with": {"title": title, "once_per": f"{name} {{{{ event.id }}}}"}}]
    return {"name": name, "on": on, "where": where, "steps": steps} | ({} if where else {"where": {}})


def _rooms(portal: Portal) -> list[str]:
    return sorted(one["title"] for one in portal.direct("GET", "/rooms"))


def test_new_people_are_told_apart_by_what_they_may_do(portal: Portal, keepers: Make) -> None:
    """No delivery says what kind of account it is: the portal is asked."""
    key = portal.direct("POST", "/users", json={"name": "Ada", "email": "ada@x.example", "kind": "admin"})["key"]
    title = "{{ user.first_name }} of {{ user.last_name }}, {{ user.type }}, {{ user.status }}, {{ user.email }}"
    keeper = keepers(portal, key, [_making("welcome", "user.created", title, type="user")])
    keeper.rewrite(public_url=keeper.url)
    keeper.start()
    keeper.say("webhooks", "register")
    for first, kind in (("Mia", 4), ("Gus", 2), ("Rob", 1)):
        wanted = {"email": f"{first}@x.example", "firstName": first, "lastName": "Acme", "type": kind}
        portal.call("POST", "/people/active", json=wanted)
    (run,) = keeper.settle(lambda: bool(keeper.runs()) and len(keeper.ask("events", "list")) == 3)

    assert run["state"] == "done"
    assert _rooms(portal) == ["Mia of Acme, user, active, Mia@x.example"]
    told = keeper.ask("events", "list")
    assert sum("no automation is for this one" in one["reason"] for one in told) == 2, told


def test_a_room_that_is_deleted_is_told_of_though_it_can_be_asked_for_no_more(portal: Portal, keepers: Make) -> None:
    key = portal.direct("POST", "/users", json={"name": "Ada", "email": "ada@x.example", "kind": "admin"})["key"]
    keeper = keepers(portal, key, [_making("record", "room.deleted", "Was {{ room.title }}", room="Acme")])
    keeper.rewrite(public_url=keeper.url)
    keeper.start()
    keeper.say("webhooks", "register")
    for title in ("Acme", "Other"):
        room = portal.call("POST", "/files/rooms", json={"title": title, "roomType": 5})["id"]
        portal.call("DELETE", f"/files/rooms/{room}", json={"deleteAfter": False})
    (run,) = keeper.settle(lambda: bool(keeper.runs()) and len(keeper.ask("events", "list")) == 2)

    assert run["state"] == "done"
    assert _rooms(portal) == ["Was Acme"]


#: What is written down of each kind that only a room's history knows: automations that save it as a file's title.
KINDS = {
    "room.member_added": "{{ room.title }} - {{ member.name }} may {{ member.access }}",
    "room.member_changed": "{{ room.title }} - {{ member.name }} may {{ member.access }}, not {{ member.old_access }}",
    "room.member_removed": "{{ room.title }} - {{ member.name }} is gone",
    "room.tagged": "{{ room.title }} - tagged {{ room.tags | join(' and ') }}",
    "room.quota_exceeded": "{{ room.title }} - {{ file.title }} is too much, {{ 'kept' if file.saved else 'refused' }}",
    "room.untagged": "{{ room.title }} - no more {{ room.tags | join(' and ') }}",
    "link.created": "{{ link.room_title }} - link {{ link.title }} for {{ link.access }}",
    "link.deleted": "{{ link.room_title }} - no link {{ link.title }}",
    "file.renamed": "{{ file.room_title }} - {{ file.old_title }} is {{ file.title }}",
    "file.locked": "{{ file.room_title }} - {{ file.title }} is locked",
    "file.unlocked": "{{ file.room_title }} - {{ file.title }} is free",
}
TOLD = [
    "Case - Mia may Editor, not Viewer",
    "Case - Mia may Viewer",
    "Case - Mia is gone",
    "Case - a.docx is b.docx",
    "Case - b.docx is free",
    "Case - b.docx is locked",
    "Case - b.docx is too much, kept",
    "Case - link Review for Viewer",
    "Case - no link Review",
    "Case - no more urgent",
    "Case - tagged urgent and open",
]


def _noting(rooms: Rooms) -> list[dict[str, Any]]:
    """Save what each kind of event tells as a file in the internal room."""
    where = {kind: {"room": "Case"} if kind.startswith("file") else {} for kind in KINDS}
    return [
        {
            "name": kind.replace(".", "-").replace("_", "-"),
            "on": kind,
            "where": where[kind],
            "gather": 1,
            "steps": [{"do": "save_file", "with": {"to": rooms.internal, "title": f"{says}.txt", "text": "x"}}],
        }
        for kind, says in KINDS.items()
    ]


def _lived_in(portal: Portal, room: int, member: str, file: int) -> None:
    """Have something of each kind happen in a room, by its owner."""
    for access in (2, 10, 0):
        portal.call("PUT", f"/files/rooms/{room}/share", json={"invitations": [{"id": member, "access": access}]})
    portal.call("PUT", f"/files/rooms/{room}/tags", json={"names": ["urgent", "open"]})
    portal.call("DELETE", f"/files/rooms/{room}/tags", json={"names": ["urgent"]})
    link = {"linkType": 1, "access": 2, "title": "Review"}
    made = portal.call("PUT", f"/files/rooms/{room}/links", json=link)["sharedLink"]["id"]
    portal.call("PUT", f"/files/rooms/{room}/links", json=link | {"linkId": made, "access": 0})
    portal.call("PUT", f"/files/file/{file}", json={"title": "b.docx", "lastVersion": 0})
    owner = portal.call("GET", "/people/@self")["id"]
    portal.direct("POST", "/tell", json={"history": "FileSavedButRoomQuotaExceeded", "file": file, "user": owner})
    for locked in (True, False):
        portal.call("PUT", f"/files/file/{file}/lock", json={"lockFile": locked})


@pytest.mark.parametrize("receive", ["webhook", "poll"])
def test_what_only_a_history_knows_starts_automations_also_when_nobody_listened(
    portal: Portal, keepers: Make, receive: str
) -> None:
    rooms = Rooms(portal)
    case = portal.call("POST", "/files/rooms", json={"title": "Case", "roomType": 5})["id"]
    invited = {"invitations": [{"id": rooms.keeper, "access": 9}]}
    portal.call("PUT", f"/files/rooms/{case}/share", json=invited)
    mia = portal.direct("POST", "/users", json={"name": "Mia", "email": "mia@x.example", "kind": "user"})["id"]
    file = portal.upload(case, "a.docx", b"a")["id"]
    keeper = keepers(portal, rooms.keeper_key, _noting(rooms), receive=receive)
    next_second()  # what went before is not asked for, and the portal writes whole seconds
    keeper.start()
    keeper.look_back()
    keeper.stop()
    next_second()
    _lived_in(portal, case, mia, file)
    keeper.start()
    keeper.settle(lambda: len(portal.tree(rooms.internal)) >= len(TOLD))

    seen = sorted(one["title"].removesuffix(".txt") for one in portal.tree(rooms.internal))
    assert seen == sorted(TOLD)
    keeper.say("prove", "room-tagged", "--since", "1h", codes=(0,))
    with keeper.opened().read() as db:
        opened = db.execute(sa.select(alerts.c.key).where(alerts.c.closed_at.is_(None))).scalars().all()
    assert [key for key in opened if key.startswith(("trail", "missed"))] == []


def test_what_only_a_history_knows_cannot_be_had_where_nobody_reads_histories(portal: Portal, keepers: Make) -> None:
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, _noting(rooms)[3:4], catch_up=False)

    assert "raises room.tagged" in keeper.complaints("check", codes=(2,))


#: Fields that are empty: only a form that was filled in has an original, who was invited has said no name yet, and
#: nobody can be asked what kind of account it was that is gone.
EMPTY = {
    *(
        (f"form.{what}", f"form {name}")
        for what in ("filled.out", "stopped")
        for name in ("original", "original_title")
    ),
    ("user.invited", "user last_name"),
    ("user.deleted", "user type"),
}


def _telling(trigger: str) -> dict[str, Any]:
    """Have everything told that an event of this kind is documented to have."""
    noun = trigger.partition(".")[0]
    named = [(noun, name) for name in DELIVERED[trigger].fields[noun] or ()]
    named += [("event", name) for name in ("id", "type", "connection", "at", "actor")]
    lines = "\n".join(f"{whose} {name}={{{{ {whose}.{name} }}}}" for whose, name in named)
    told = {"do": "notify", "via": "team", "with": {"subject": trigger, "text": lines}}
    return {"name": trigger.replace(".", "-"), "on": trigger, "gather": 1, "where": {}, "steps": [told]}


def _operated(portal: Portal, what: str, **given: Any) -> None:
    portal.call("PUT", f"/files/fileops/{what}", json={"deleteAfter": False} | given)
    _are_over(portal)


def _are_over(portal: Portal) -> None:
    until(lambda: all(one["finished"] for one in portal.call("GET", "/files/fileops") or []))


def _folder(portal: Portal, title: str, parent: int) -> int:
    made: int = portal.call("POST", f"/files/folder/{parent}", json={"title": title})["id"]
    return made


def _files_and_folders(portal: Portal, room: int) -> None:
    """Cause an event of every kind that files and folders have, in a folder of a room."""
    inner, other = _folder(portal, "Inner", room), _folder(portal, "Other", room)
    file = portal.upload(inner, "Plan.docx", b"1")["id"]
    portal.upload(inner, "Plan.docx", b"2")
    _operated(portal, "copy", fileIds=[file], destFolderId=other, conflictResolveType=2)
    _operated(portal, "move", fileIds=[file], destFolderId=other, conflictResolveType=2)
    portal.call("PUT", f"/files/file/{file}", json={"title": "Plan B.docx", "lastVersion": 0})
    gone = portal.upload(inner, "Gone.docx", b"3")["id"]
    _operated(portal, "delete", fileIds=[gone])
    lost = portal.upload(inner, "Lost.docx", b"4")["id"]
    _operated(portal, "delete", fileIds=[lost], immediately=True)
    _operated(portal, "bulkdownload", fileIds=[file])
    deep = _folder(portal, "Deep", inner)
    portal.call("PUT", f"/files/folder/{deep}", json={"title": "Deeper"})
    _operated(portal, "copy", folderIds=[deep], destFolderId=other, conflictResolveType=2)
    _operated(portal, "move", folderIds=[deep], destFolderId=other, conflictResolveType=2)
    for title, at_once in (("Old", False), ("Older", True)):
        _operated(portal, "delete", folderIds=[_folder(portal, title, inner)], immediately=at_once)


def _rooms_people_and_what_is_told_only(portal: Portal, room: int, admin: str) -> None:
    """Cause the rest; what cannot be done on the pretend portal, it tells of."""
    made = portal.call("POST", "/files/rooms", json={"title": "Case", "roomType": 5})["id"]
    portal.call("PUT", f"/files/rooms/{made}", json={"title": "Case 2"})
    _operated(portal, "duplicate", folderIds=[made])
    for what in ("archive", "unarchive"):
        portal.call("PUT", f"/files/rooms/{made}/{what}", json={"deleteAfter": False})
        _are_over(portal)
    doomed = portal.call("POST", "/files/rooms", json={"title": "Doomed", "roomType": 5})["id"]
    portal.call("DELETE", f"/files/rooms/{doomed}", json={"deleteAfter": False})
    agent = portal.call("POST", "/files/rooms", json={"title": "Agent", "roomType": 9})["id"]
    person = {"email": "mia@x.example", "firstName": "Mia", "lastName": "Acme", "type": 4}
    mia = portal.call("POST", "/people/active", json=person)["id"]
    portal.call("POST", "/people/invite", json={"invitations": [{"email": "new@x.example", "type": 4}]})
    portal.call("PUT", "/people/status/Terminated", json={"userIds": [mia]})
    group = portal.call("POST", "/group", json={"groupName": "Sales", "groupManager": admin, "members": []})["id"]
    portal.call("PUT", f"/group/{group}", json={"groupName": "Sales 2"})
    gone = httpx2.delete(f"{portal.url}/api/2.0/group/{group}", headers={"Authorization": f"Bearer {portal.owner}"})
    assert gone.is_success
    other = _folder(portal, "Shown", room)
    file, filled = (portal.upload(other, title, b"%PDF")["id"] for title in ("Form.pdf", "Form 1.pdf"))
    forms = {"file": file, "submitted": filled}
    for trigger, about in (
        ("user.deleted", {"person": mia}),
        ("form.submit", forms),
        ("form.filled.out", {"file": file}),
        ("form.stopped", {"file": file}),
        ("agent.updated", {"folder": agent}),
        ("agent.deleted", {"folder": agent}),
        ("folder.downloaded", {"folder": _folder(portal, "Inside", other)}),
        ("file.restored", {"file": file}),
        ("folder.restored", {"folder": _folder(portal, "Inside 2", other)}),
    ):
        portal.direct("POST", "/tell", json={"trigger": trigger, "user": admin, **about})


def test_every_trigger_comes_with_every_field_that_its_page_promises(portal: Portal, keepers: Make) -> None:
    """What people do is told to an administrator who is in the room: of its own acts nobody is told."""
    owner = portal.call("GET", "/people/@self")["id"]
    ada = portal.direct("POST", "/users", json={"name": "Ada", "email": "ada@x.example", "kind": "admin"})
    chat = Chat()
    team = {"type": "webhook", "url": chat.url, "token": "!env CRM_SECRET"}
    rooms = Rooms(portal)
    portal.call("PUT", f"/files/rooms/{rooms.client}/share", json={"invitations": [{"id": ada["id"], "access": 9}]})
    keeper = keepers(portal, ada["key"], [_telling(one) for one in DELIVERED], others={"team": team})
    keeper.rewrite(public_url=keeper.url)
    keeper.start()
    keeper.say("webhooks", "register")
    _files_and_folders(portal, rooms.client)
    _rooms_people_and_what_is_told_only(portal, rooms.client, owner)
    keeper.settle(lambda: {one["subject"] for one in chat.told} >= set(DELIVERED))
    chat.close()

    told = [(one["subject"], *line.partition("=")) for one in chat.told for line in one["text"].splitlines()]
    promised = {(trigger, name) for trigger, name, _, _ in told}
    filled = {(trigger, name) for trigger, name, _, value in told if value}
    assert {trigger for trigger, _ in promised} == set(DELIVERED)
    assert promised - filled == EMPTY


def test_changes_of_a_file_are_told_apart_by_its_history(portal: Portal, keepers: Make) -> None:
    rooms, chat = Rooms(portal), Chat()
    file = rooms.upload("a.docx")["id"]
    told = {"do": "notify", "via": "team", "with": {"subject": "{{ file.change }}", "text": "{{ file.title }}"}}
    changed = {"name": "changes", "on": "file.updated", "gather": 1, "steps": [told]}
    chosen = {"change": ["renamed", "saved", "locked", "other"]}
    team = {"type": "webhook", "url": chat.url, "token": "!env CRM_SECRET"}
    others = {"team": team}
    keeper = keepers(portal, rooms.keeper_key, [changed | {"where": chosen}], others=others, catch_up=False)
    keeper.start()
    portal.register(f"{keeper.url}/hooks/acme", SECRET, key=rooms.keeper_key, triggers=mask(["file.updated"]))

    def people(method: str, path: str, **given: Any) -> None:
        portal.call(method, path, key=portal.owner, **given)
        time.sleep(3)  # what has no entry is not to be taken for what went before it

    people("PUT", f"/files/file/{file}", json={"title": "b.docx", "lastVersion": 0})
    people("PUT", f"/files/file/{file}/lock", json={"lockFile": True})
    portal.direct("PUT", f"/files/{file}", json={"locked_by": None})
    people("PUT", f"/files/file/{file}/comment", json={"version": 1, "comment": "Seen"})
    portal.direct("PUT", f"/files/{file}", json={"saved": "new", "user": rooms.guest})
    keeper.settle(lambda: len(chat.told) >= 4)
    chat.close()

    assert sorted(one["subject"] for one in chat.told) == ["locked", "other", "renamed", "saved"]


def test_what_is_started_by_hand_has_the_fields_of_what_its_number_stands_for(portal: Portal, keepers: Make) -> None:
    """`start --with file.id=…` told of a file without a title."""
    rooms, chat = Rooms(portal), Chat()
    told = {"do": "notify", "via": "team", "with": {"subject": "{{ file.title }}", "text": "{{ file.extension }}"}}
    automation = {"name": "tell", "on": "file.uploaded", "gather": 1, "where": {"room": rooms.client}, "steps": [told]}
    team = {"type": "webhook", "url": chat.url, "token": "!env CRM_SECRET"}
    keeper = keepers(portal, rooms.keeper_key, [automation], others={"team": team}, catch_up=False)
    keeper.start()
    file = rooms.upload("Offer.docx")

    keeper.ask("start", "tell", "--with", f"file.id={file['id']}", "--wait")
    chat.close()
    assert [(one["subject"], one["text"]) for one in chat.told] == [("Offer.docx", "docx")]


@pytest.mark.parametrize("is_delivered", [True, False])
def test_what_moves_between_rooms_or_back_from_the_trash_is_one_event(
    portal: Portal, keepers: Make, *, is_delivered: bool
) -> None:
    """Two rooms' histories have an entry each (FilesMessageService.cs); what is restored is "moved" there, too."""
    rooms = Rooms(portal)
    other = rooms.add("Other", {rooms.keeper: 9})
    deeds = ["file.moved", "folder.moved", "file.copied"] + (["file.restored"] if is_delivered else [])
    kinds = [
        {
            "name": deed.replace(".", "-"),
            "on": deed,
            "gather": 1,
            "steps": [
                {
                    "do": "save_file",
                    "with": {"to": rooms.internal, "title": f"{{{{ {noun}.title }}}} {deed}", "text": "x"},
                }
            ],
        }
        for deed in deeds
        for noun in [deed.partition(".")[0]]
    ]
    keeper = keepers(portal, rooms.keeper_key, kinds)
    keeper.start()
    if is_delivered:
        portal.register(f"{keeper.url}/hooks/acme", SECRET, key=rooms.keeper_key, triggers=mask(deeds))
    file = rooms.upload("a.docx")["id"]
    folder = portal.folders(rooms.client, ["Folder"])["Folder"]

    portal.call("PUT", "/files/fileops/move", json={"fileIds": [file], "folderIds": [folder], "destFolderId": other})
    until(lambda: [one["id"] for one in portal.tree(other)] == [file])
    portal.call("PUT", "/files/fileops/copy", json={"fileIds": [file], "destFolderId": rooms.client})
    until(lambda: len(portal.tree(rooms.client)) == 1)
    if is_delivered:
        portal.call("DELETE", f"/files/file/{file}", json={"immediately": False})
        until(lambda: portal.tree(other) == [])
        portal.call("PUT", "/files/fileops/move", json={"fileIds": [file], "destFolderId": other})
        keeper.settle(lambda: len(keeper.runs()) == len(deeds))
    keeper.ask("reconcile")
    runs = keeper.settle(lambda: len(keeper.runs()) >= len(deeds))

    assert sorted(one["automation"] for one in runs) == sorted(deed.replace(".", "-") for deed in deeds)
    assert {one["state"] for one in runs} == {"done"}


async def test_what_came_out_of_third_party_storage_is_told_by_one_entry_in_the_words_of_the_other_half(
    portal: Portal,
) -> None:
    """It says neither where from nor what the folder is called (FilesMessageService.cs)."""
    rooms = Rooms(portal)
    other = rooms.add("Other", {rooms.keeper: 9})
    told = {"id": 7, "title": "a.docx", "toFolderId": str(rooms.client)}
    entry = HistoryEntry.model_validate({"id": 1, "action": {"key": "FileCopied"}, "data": told})
    reading = trails._Reading(None, None)
    client = docspace.Portal(portal.url, rooms.keeper_key, budget=docspace.Budget(docspace.Limits(), LocalTally()))

    try:
        elsewhere = [await reading._is_told_elsewhere(client, entry, room) for room in (rooms.client, other)]
    finally:
        await client.close()

    assert elsewhere == [False, True]
