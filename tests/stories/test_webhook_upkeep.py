"""The portal's webhook is kept in order: whatever happens to it is noticed within one check, and mended or named."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from dotenv import dotenv_values
from stage import SECRET, Keeper, Portal, Rooms, copy_uploads, until

from roomkeeper.connectors.docspace.events.hooks import new_secret
from roomkeeper.docspace.webhooks import TRIGGERS
from roomkeeper.store.tables import hooks

Make = Callable[..., Keeper]
MANY = 1500  # uploads, by which somebody should have noticed
UPLOADED = TRIGGERS["file.uploaded"]


@pytest.fixture
def rooms(portal: Portal) -> Rooms:
    return Rooms(portal)


def looked_after(keepers: Make, rooms: Rooms, **settings: Any) -> Keeper:
    """Start a Roomkeeper that has registered its webhook and looks after it every few seconds."""
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms)], look_every="5s", **settings)
    text = keeper.file.read_text().replace('"version": 1', f'"version": 1, "public_url": "{keeper.url}"')
    keeper.file.write_text(text)
    keeper.start()
    keeper.say("webhooks", "register")
    return keeper


def planted(portal: Portal, **fault: Any) -> None:
    number = portal.direct("GET", "/webhooks")[0]["id"]
    portal.direct("PUT", "/webhooks", json={"id": number, **fault})


def is_looked_at(keeper: Keeper) -> bool:
    """Whether the service has had a first look at its webhook."""
    with keeper.opened().read() as db:
        return bool(db.execute(sa.select(hooks.c.claimed_at)).scalar())


def copies_an_upload(rooms: Rooms, keeper: Keeper, name: str) -> None:
    before = rooms.copies()
    rooms.upload(name, name.encode())
    keeper.settle(lambda: rooms.copies() == before + 1)


def test_register_makes_one_with_the_right_triggers_and_no_more_however_often(keepers: Make, rooms: Rooms) -> None:
    keeper = looked_after(keepers, rooms)

    keeper.say("webhooks", "register")

    (hook,) = rooms.portal.direct("GET", "/webhooks")
    assert (hook["enabled"], hook["triggers"], hook["secret"]) == (True, UPLOADED, SECRET)
    copies_an_upload(rooms, keeper, "File.docx")
    shown = keeper.ask("webhooks", "list")
    assert shown["wrong"] == []
    assert shown["webhooks"][0]["types"] == ["file.uploaded"]
    assert shown["webhooks"][0]["days_left"] == 3.0


@pytest.mark.parametrize(
    "fault",
    [{"enabled": False}, {"triggers": 0}, {"triggers": TRIGGERS["room.created"]}],
    ids=["disabled", "all triggers", "wrong triggers"],
)
def test_what_was_changed_is_put_right(keepers: Make, rooms: Rooms, fault: dict[str, Any]) -> None:
    keeper = looked_after(keepers, rooms)

    planted(rooms.portal, **fault)
    until(lambda: "mended" in keeper.log())

    (hook,) = rooms.portal.direct("GET", "/webhooks")
    assert (hook["enabled"], hook["triggers"]) == (True, UPLOADED)


def test_a_wrong_secret_is_noticed_by_what_we_refuse_and_set_right(keepers: Make, rooms: Rooms) -> None:
    keeper = looked_after(keepers, rooms)

    planted(rooms.portal, secret="somebody-changed-it")
    rooms.upload("First.docx", b"first")
    until(lambda: "signs with another secret" in keeper.log())
    keeper.settle(lambda: rooms.copies() == 1)  # found in the delivery log

    assert rooms.portal.direct("GET", "/webhooks")[0]["secret"] == SECRET
    copies_an_upload(rooms, keeper, "Second.docx")
    assert keeper.ask("webhooks", "list")["wrong"] == []


def test_a_changed_secret_is_seen_while_deliveries_are_still_being_retried(keepers: Make, rooms: Rooms) -> None:
    """On a portal where something happens all the time, the newest line of the log has never been answered yet.

    What is retried goes on with the former secret, and is written back with it (DbWorker.cs): it is set again.
    """
    keeper = looked_after(keepers, rooms)

    planted(rooms.portal, secret="somebody-changed-it")
    uploads, pending = 0, 0
    while "signs with another secret" not in keeper.log():
        rooms.upload(f"File {uploads}.docx", f"{uploads}".encode())
        uploads += 1
        newest = rooms.portal.call("GET", "/settings/webhooks/log", params={"count": 1})
        pending += newest[0]["status"] == 0
        assert uploads < MANY
    keeper.settle(lambda: rooms.copies() == uploads)

    assert pending > uploads / 2
    until(lambda: rooms.portal.direct("GET", "/webhooks")[0]["secret"] == SECRET)
    copies_an_upload(rooms, keeper, "Last.docx")
    assert rooms.missing_and_doubled() == ([], [])


def test_the_first_look_after_a_start_does_not_wait_for_its_turn(keepers: Make, rooms: Rooms) -> None:
    """It waited until the time between two looks had passed, under a configuration that was another one."""
    keeper = looked_after(keepers, rooms)
    until(lambda: is_looked_at(keeper))
    keeper.stop()
    keeper.file.write_text(keeper.file.read_text().replace('"look_every": "5s"', '"look_every": "1h"'))
    planted(rooms.portal, enabled=False)

    keeper.start()
    until(lambda: bool(rooms.portal.direct("GET", "/webhooks")[0]["enabled"]))

    copies_an_upload(rooms, keeper, "File.docx")


def test_a_deleted_one_is_made_again_but_not_one_that_was_removed_on_purpose(keepers: Make, rooms: Rooms) -> None:
    keeper = looked_after(keepers, rooms)
    (hook,) = rooms.portal.direct("GET", "/webhooks")

    rooms.portal.call("DELETE", f"/settings/webhook/{hook['id']}")
    until(lambda: bool(rooms.portal.direct("GET", "/webhooks")))
    copies_an_upload(rooms, keeper, "File.docx")
    keeper.say("webhooks", "remove")
    until(lambda: "is not registered" in keeper.log())
    keeper.say("webhooks", "repair", codes=(3,))

    assert rooms.portal.direct("GET", "/webhooks") == []


def test_one_registered_twice_is_named_and_deleted_when_asked_for(keepers: Make, rooms: Rooms) -> None:
    keeper = looked_after(keepers, rooms)
    rooms.portal.register(f"{keeper.url}/hooks/acme", SECRET, key=rooms.keeper_key, triggers=256)

    until(lambda: "everything arrives twice" in keeper.log())
    assert len(rooms.portal.direct("GET", "/webhooks")) == 2
    copies_an_upload(rooms, keeper, "File.docx")
    keeper.say("webhooks", "repair")

    assert [one["uri"] for one in rooms.portal.direct("GET", "/webhooks")] == [f"{keeper.url}/hooks/acme"]
    assert rooms.copies() == 1


@pytest.mark.parametrize("order", ["repair", "register"])
def test_one_that_delivers_to_where_we_were_before_comes_with_us(keepers: Make, rooms: Rooms, order: str) -> None:
    keeper = looked_after(keepers, rooms)
    moved = f"http://localhost:{keeper.port}"
    keeper.file.write_text(keeper.file.read_text().replace(f'"public_url": "{keeper.url}"', f'"public_url": "{moved}"'))
    keeper.say("reload")

    until(lambda: "delivers to our former address" in keeper.log())  # unasked it is only named
    assert [one["uri"] for one in rooms.portal.direct("GET", "/webhooks")] == [f"{keeper.url}/hooks/acme"]
    wrong = keeper.ask("webhooks", "list", codes=(3,))["wrong"]
    assert "roomkeeper webhooks repair" in wrong[0]["remedy"]
    keeper.say("webhooks", order)

    assert [one["uri"] for one in rooms.portal.direct("GET", "/webhooks")] == [f"{moved}/hooks/acme"]
    checks = keeper.ask("doctor", codes=(0, 1, 3))["checks"]
    assert {one["state"] for one in checks if one["check"] in {"webhook", "alert"}} == {"ok"}
    copies_an_upload(rooms, keeper, "File.docx")


def test_a_key_that_may_not_look_is_no_reason_to_stop(keepers: Make, rooms: Rooms) -> None:
    keeper = looked_after(keepers, rooms)
    limited = {"key": rooms.keeper_key, "permissions": ["files:write", "rooms:write"]}
    rooms.portal.direct("PUT", "/keys", json=limited)

    until(lambda: "cannot look after the webhook" in keeper.log())
    copies_an_upload(rooms, keeper, "File.docx")


def test_an_address_that_does_not_answer_is_said_when_registering(keepers: Make, rooms: Rooms) -> None:
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms)])
    text = keeper.file.read_text().replace('"version": 1', '"version": 1, "public_url": "http://127.0.0.1:9"')
    keeper.file.write_text(text)

    keeper.say("webhooks", "register", codes=(1,))

    assert rooms.portal.direct("GET", "/webhooks") == []


def test_a_secret_is_made_where_none_is_set_and_stands_nowhere_but_in_env(keepers: Make, rooms: Rooms) -> None:
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms)])
    text = keeper.file.read_text().replace('"version": 1', f'"version": 1, "public_url": "{keeper.url}"')
    keeper.file.write_text(text.replace("!env SECRET", "!env NEW_SECRET"))
    rooms.portal.direct("PUT", "/settings", json={"policy": {"upperCase": True, "digits": True, "specSymbols": True}})
    (keeper.folder / ".env").write_text("OTHER=1")
    told = keeper.say("webhooks", "register", codes=(1,))  # nobody answers yet, but the secret is there
    keeper.start()

    told += keeper.say("webhooks", "register")
    copies_an_upload(rooms, keeper, "File.docx")

    env = keeper.folder / ".env"
    made = dotenv_values(env)["NEW_SECRET"] or ""
    assert len(made) == 30
    assert dotenv_values(env)["OTHER"] == "1"
    assert env.stat().st_mode & 0o777 == 0o600
    assert made not in told + keeper.log()
    assert rooms.portal.direct("GET", "/webhooks")[0]["secret"] == made


def test_secrets_have_every_kind_of_character_and_differ() -> None:
    made = {new_secret() for _ in range(100)}

    assert len(made) == 100
    for secret in made:
        assert len(secret) == 30
        assert re.search("[a-z]", secret)
        assert re.search("[A-Z]", secret)
        assert re.search("[0-9]", secret)
        assert re.search("[-_.+]", secret)
