"""The doctor finds each fault that is planted, and invents none."""

import json
import os
import re
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mailboxes import Chat, Mailbox
from stage import (
    ClosingDeals,
    Keeper,
    OpeningTickets,
    Portal,
    Rooms,
    copy_uploads,
    free_port,
)

from roomkeeper.store.alerts import Alert, settle

Make = Callable[..., Keeper]
Plant = Callable[[Rooms, Keeper], None]


def in_order(
    keepers: Make,
    rooms: Rooms,
    *,
    others: dict[str, Any] | None = None,
    secrets: dict[str, str] | None = None,
    **settings: Any,
) -> Keeper:
    """Start a Roomkeeper that lacks nothing."""
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms)], others=others, **settings)
    keeper.environment |= secrets or {}
    _write(keeper, '"version": 1', f'"version": 1, "public_url": "{keeper.url}"')
    keeper.start()
    if settings.get("receive") != "poll":
        keeper.say("webhooks", "register")
        keeper.look_back()  # or else it comes to know of what is planted, too
    return keeper


def _write(keeper: Keeper, old: str, new: str) -> None:
    text = keeper.file.read_text()
    assert old in text
    keeper.file.write_text(text.replace(old, new))


def wrong(keeper: Keeper, *words: str) -> dict[str, dict[str, str]]:
    """Ask the doctor; gives what is not ok, by check."""
    checks = keeper.ask("doctor", *words, codes=(0, 1, 3))["checks"]
    assert all(one["remedy"] for one in checks if one["state"] != "ok"), "every fault has a remedy"
    bad = [one for one in checks if one["state"] != "ok"]
    return {one["check"]: one for one in sorted(bad, key=lambda one: one["state"] == "failed")}


def test_what_is_in_order_has_no_finding_and_nothing_is_left_behind(portal: Portal, keepers: Make) -> None:
    rooms = Rooms(portal)
    keeper = in_order(keepers, rooms)

    told = keeper.say("doctor", codes=(0,))

    assert "round trip: a file was made, its event came" in told
    assert " 0 warnings, 0 failed" in told
    left = portal.call("GET", "/files/@my", key=rooms.keeper_key, params={"sortBy": "AZ"})
    assert (left["folders"], left["files"]) == ([], [])
    assert rooms.copies() == 0


def test_a_connection_that_polls_is_in_order_without_a_webhook(portal: Portal, keepers: Make) -> None:
    keeper = in_order(keepers, Rooms(portal), receive="poll")

    assert wrong(keeper) == {}


def _share(rooms: Rooms, room: int, access: int) -> None:
    invitations = [{"id": rooms.keeper, "access": access}]
    rooms.portal.call("PUT", f"/files/rooms/{room}/share", json={"invitations": invitations})


def _changed_key(**change: Any) -> Plant:
    return lambda rooms, _: rooms.portal.direct("PUT", "/keys", json={"key": rooms.keeper_key, **change})


def _changed_hook(**change: Any) -> Plant:
    def plant(rooms: Rooms, _: Keeper) -> None:
        number = rooms.portal.direct("GET", "/webhooks")[0]["id"]
        rooms.portal.direct("PUT", "/webhooks", json={"id": number, **change})

    return plant


def _fault(**fault: Any) -> Plant:
    return lambda rooms, _: rooms.portal.direct("PUT", "/faults", json=[fault])


def _again(rooms: Rooms, keeper: Keeper) -> None:
    wanted = {"name": "again", "uri": f"{keeper.url}/hooks/acme", "secretKey": "12345678", "triggers": 256}
    rooms.portal.call("POST", "/settings/webhook", key=rooms.keeper_key, json=wanted)


def _twin_room(rooms: Rooms, keeper: Keeper) -> None:
    rooms.add("Acme (internal)", {rooms.keeper: 9})
    _write(keeper, f'"to": {rooms.internal}', '"to": "Acme (internal)"')


def _used_up(rooms: Rooms, keeper: Keeper) -> None:
    _write(keeper, '"webhook_secret"', '"budget": {"writes_per_day": 1}, "webhook_secret"')


def _alerted(_: Rooms, keeper: Keeper) -> None:
    settle(keeper.opened(), "trail ", [Alert("trail acme x", "something is wrong", "Mend it.")])


def _removed(rooms: Rooms, _: Keeper) -> None:
    number = rooms.portal.direct("GET", "/webhooks")[0]["id"]
    rooms.portal.call("DELETE", f"/settings/webhook/{number}")


PLANTED: dict[str, tuple[Plant, dict[str, str]]] = {
    "the key is switched off": (_changed_key(is_active=False), {"key": "failed"}),
    "the key ends soon": (_changed_key(expires_in_days=3), {"key": "warning"}),
    "the key may only read files": (
        _changed_key(permissions=["files:read", "rooms:read"]),
        {"permissions": "failed", "webhook": "warning"},
    ),
    "the account's user type is guest": (
        lambda rooms, keeper: keeper.environment.update(API_KEY=rooms.guest_key),
        {"account": "failed", "room {internal}": "failed", "webhook": "warning"},
    ),
    "the account is not in the source room": (
        lambda rooms, _: _share(rooms, rooms.client, 0),
        {"room {client}": "failed", "history of {client}": "failed"},
    ),
    "the account may only read in the target room": (
        lambda rooms, _: _share(rooms, rooms.internal, 2),
        {"room {internal}": "failed"},
    ),
    "the target room deletes what it has": (
        lambda rooms, _: rooms.portal.direct(
            "PUT", f"/folders/{rooms.internal}", json={"lifetime": {"period": 0, "value": 30}}
        ),
        {"room {internal}": "warning"},
    ),
    "a room does not exist": (
        lambda rooms, keeper: _write(keeper, f'"to": {rooms.internal}', '"to": 4711'),
        {"room 4711": "failed"},
    ),
    "a title means two rooms": (_twin_room, {"room Acme (internal)": "failed"}),
    "the history cannot be read": (
        _fault(kind="status", status=500, path=r"/files/folder/\d+/log"),
        {"history of {client}": "failed"},
    ),
    "the webhook is disabled": (_changed_hook(enabled=False), {"webhook": "failed"}),
    "the webhook has other triggers": (_changed_hook(triggers=2), {"webhook": "failed"}),
    "the webhook is gone": (_removed, {"webhook": "failed"}),
    "the webhook is there twice": (_again, {"webhook": "warning"}),
    "the webhook has another secret": (_changed_hook(secret="another-one"), {"round trip": "failed"}),
    "events are never sent": (
        lambda rooms, _: rooms.portal.direct("PUT", "/settings", json={"webhooks_suppressed": True}),
        {"round trip": "failed"},
    ),
    "no service runs": (
        lambda _, keeper: keeper.stop(),
        {"service": "warning", "address": "failed"},
    ),
    "the address is not ours": (
        lambda rooms, keeper: _write(keeper, f'"public_url": "{keeper.url}"', f'"public_url": "{rooms.portal.url}"'),
        {"address": "failed", "webhook": "failed"},
    ),
    "the address is not said": (
        lambda _, keeper: _write(keeper, f'"public_url": "{keeper.url}",', ""),
        {"address": "warning"},
    ),
    "the address has no name": (
        lambda _, keeper: _write(
            keeper, f'"public_url": "{keeper.url}"', '"public_url": "https://no.such.name.invalid"'
        ),
        {"address": "failed", "webhook": "failed", "configuration": "warning"},  # and nobody could log in there
    ),
    "rooms of others are waited for": (
        lambda _, keeper: _write(keeper, '"on": "file.uploaded"', '"on": "room.created"'),
        {"room.created": "warning", "webhook": "failed"},
    ),
    "the day's writes are nearly used up": (_used_up, {"budget": "warning", "round trip": "warning"}),
    "something is wrong already": (_alerted, {"alert": "warning"}),
    "a connection accepts anything": (
        lambda _, keeper: _write(keeper, '"type": "docspace"', '"type": "docspace", "unsigned": true'),
        {"configuration": "warning"},
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_each_fault_is_found_and_none_is_invented(portal: Portal, keepers: Make, name: str) -> None:
    rooms = Rooms(portal)
    keeper = in_order(keepers, rooms, keep_webhook=False)  # or else it is mended before the doctor comes
    plant, expected = PLANTED[name]
    text = keeper.file.read_text()

    plant(rooms, keeper)
    found = wrong(keeper, "--patience", "6")

    if keeper.file.read_text() != text:
        expected = expected | {"service": "warning"}  # it runs the one from before
    expected = {check.format(client=rooms.client, internal=rooms.internal): state for check, state in expected.items()}
    assert {check: one["state"] for check, one in found.items()} == expected


def test_the_store_in_memory_is_said(portal: Portal, keepers: Make) -> None:
    memory = Path("/dev/shm")
    if not (memory.is_dir() and os.access(memory, os.W_OK)):
        pytest.skip("this machine has no file system in memory")
    folder = memory / f"roomkeeper-{free_port()}"
    try:
        keeper = keepers(portal, Rooms(portal).keeper_key, [], store=str(folder))
        found = wrong(keeper)
    finally:
        subprocess.run(["rm", "-rf", str(folder)], check=True)

    assert found["store"]["state"] == "failed"


@pytest.mark.parametrize(("ahead", "state"), [(-90, "warning"), (600, "failed")])
def test_clocks_that_differ_are_said(portal: Portal, keepers: Make, ahead: int, state: str) -> None:
    keeper = in_order(keepers, Rooms(portal))
    portal.direct("PUT", "/faults", json=[{"kind": "clock", "seconds": ahead}])

    found = wrong(keeper)

    assert {check: one["state"] for check, one in found.items()} == {"clock": state}
    said = re.search(r"(\d+) s (ahead of|behind) this one", found["clock"]["said"])
    assert said is not None
    assert abs(int(said[1]) - abs(ahead)) <= 3
    assert (said[2] == "ahead of") == (ahead > 0)


VENDORS = {
    "zendesk": ("PUT", "/helpdesk/roles", {"zendesk": "end-user"}, "token"),
    "freshdesk": ("PUT", "/helpdesk/roles", {"freshdesk": "nobody"}, "token"),
    "jira": ("PUT", "/helpdesk/roles", {"jira": "customer"}, "permissions"),
}


@pytest.mark.parametrize("vendor", ["zendesk", "freshdesk", "jira", "hubspot", "pipedrive", "salesforce"])
def test_tokens_are_tried_and_what_they_may_do(portal: Portal, keepers: Make, vendor: str) -> None:
    is_helpdesk = vendor in VENDORS
    scene: Any = OpeningTickets(portal) if is_helpdesk else ClosingDeals(portal)
    keeper = keepers(portal, scene.keeper_key, [scene.automation()], others={vendor: scene.connection(vendor)})
    assert [one for one in wrong(keeper).values() if one["connection"] == vendor and one["check"] != "address"] == []

    if is_helpdesk:
        method, path, body, check = VENDORS[vendor]
        portal.direct(method, path, json=body)
        assert wrong(keeper)[check]["connection"] == vendor
    secret = {"HUBSPOT_TOKEN", "PIPEDRIVE_TOKEN", "SALESFORCE_SECRET", "HELPDESK_TOKEN"}
    keeper.environment |= dict.fromkeys(secret, "wrong")
    assert wrong(keeper)["token"]["state"] == "failed"


def test_who_is_told_something_is_tried_and_told_nothing(portal: Portal, keepers: Make) -> None:
    rooms, chat, mailbox = Rooms(portal), Chat(), Mailbox(free_port())
    mail = {"type": "smtp", "host": "127.0.0.1", "port": mailbox.port, "security": "none", "from": "rk@acme.test"}
    others: dict[str, Any] = {
        "chat": {"type": "slack", "url": "!env CHAT"},
        "mail": mail | {"to": ["ops@acme.test"]},
    }
    try:
        keeper = in_order(keepers, rooms, others=others, secrets={"CHAT": chat.url})
        told = keeper.say("doctor", codes=(0,))
        assert f"127.0.0.1:{mailbox.port} would take mail from rk@acme.test for ops@acme.test" in told
        assert "can be reached; whether it takes a message is seen when there is one" in told

        mailbox.refused = "ops@acme.test"
        found = wrong(keeper)
        assert set(found) == {"receiver"}
        assert "answered 550" in found["receiver"]["said"]
    finally:
        chat.close()
        mailbox.close()
    checks = keeper.ask("doctor", codes=(0, 1, 3))["checks"]

    gone = {one["connection"]: one for one in checks if one["check"] == "receiver"}
    assert {name: one["state"] for name, one in gone.items()} == {"chat": "failed", "mail": "failed"}
    assert all("planted-chat-secret" not in str(one) for one in checks)
    assert (chat.told, mailbox.mails) == ([], [])


def test_a_portal_that_is_not_there_is_the_only_finding_about_it(portal: Portal, keepers: Make) -> None:
    keeper = in_order(keepers, Rooms(portal))
    _write(keeper, f'"url": "{portal.url}"', '"url": "http://127.0.0.1:9"')

    found = wrong(keeper)

    assert {check: one["state"] for check, one in found.items()} == {"service": "warning", "key": "failed"}
    assert "another text of the configuration" in found["service"]["said"]


def test_a_recording_of_the_portal_has_its_shapes_and_neither_names_nor_secrets(portal: Portal, keepers: Make) -> None:
    rooms = Rooms(portal)
    rooms.upload("Very private.docx")
    keeper = in_order(keepers, rooms)
    file = keeper.folder / "portal.json"

    keeper.say("doctor", "--no-round-trip", "--record", str(file), codes=(0, 3))

    text = file.read_text()
    lines = {one["call"]: one for one in json.loads(text)["docspace 1"]}
    assert lines["GET /files/rooms/{room}"]["shape"]["roomType"] == 5
    assert lines["GET /files/rooms/{room}"]["shape"]["created"] == "date with 7 digits, Z"
    assert {one["status"] for one in lines.values()} == {200}
    for private in ("Very private", "Acme", "x.example", rooms.keeper_key, rooms.keeper_key[-4:], str(rooms.client)):
        assert private not in text


def test_a_store_that_others_may_read_is_said_and_a_new_one_is_nobody_else_s(tmp_path: Path, portal: Portal) -> None:
    rooms = Rooms(portal)
    keeper = Keeper(tmp_path, portal, rooms.keeper_key, [copy_uploads(rooms)], store="../shared-store")
    folder = tmp_path.parent / "shared-store"
    folder.chmod(0o755)
    keeper.ask("events", "list")
    assert [one.name for one in folder.iterdir() if one.stat().st_mode & 0o077] == []

    (folder / "roomkeeper.sqlite").chmod(0o644)
    said = keeper.ask("doctor", "--no-round-trip", codes=(0, 1, 3))["checks"]

    assert any("others on this machine may read" in one["said"] for one in said if one["check"] == "store")


def test_a_group_that_is_not_on_the_portal_is_found_before_a_room_needs_it(portal: Portal, keepers: Make) -> None:
    """It was published, and the first ticket's room had no team."""
    rooms = Rooms(portal)
    portal.direct("POST", "/groups", json={"id": str(uuid.uuid4()), "name": "Support", "members": []})
    members = [{"group": name, "access": "editing"} for name in ("support", "Suport", "{{ file.title }}")]
    invite = {"do": "invite", "with": {"room": rooms.internal, "members": members}}
    automation = copy_uploads(rooms)
    keeper = keepers(portal, rooms.keeper_key, [automation | {"gather": 1, "steps": [*automation["steps"], invite]}])
    keeper.start()

    found = wrong(keeper)

    assert [name for name in found if name.startswith("group ")] == ["group Suport"]
    assert found["group Suport"]["state"] == "failed"
    assert "no such group" in found["group Suport"]["said"]
