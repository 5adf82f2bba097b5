"""A changed file is taken over without a stop: nothing is missed or doubled by it, and a mistake changes nothing."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from people import form_token
from stage import ClosingDeals, Keeper, Portal, Rooms, copy_uploads, sized, until
from stage.scenes import NOTE

from roomkeeper.configuration.resolving import Local

Make = Callable[..., Keeper]


@pytest.fixture
def rooms(portal: Portal) -> Rooms:
    return Rooms(portal)


@pytest.mark.long
def test_reloads_while_clients_upload_and_deals_close_lose_and_double_nothing(
    portal: Portal, keepers: Make, store_address: str
) -> None:
    many, deals = sized(2000, 60), sized(50, 2)
    rooms, scenes = Rooms(portal), ClosingDeals(portal)
    scenes.upload("Offer.docx")
    archive = scenes.automation(NOTE)
    for room in (rooms.client, rooms.internal):
        invitation = {"invitations": [{"id": scenes.keeper, "access": 9}]}
        portal.call("PUT", f"/files/rooms/{room}/share", json=invitation)
    others = {"hubspot": scenes.connection("hubspot")}
    keeper = keepers(portal, scenes.keeper_key, [copy_uploads(rooms), archive], others=others, store=store_address)
    keeper.start()
    keeper.register()
    uploads = threading.Thread(target=lambda: [rooms.upload(f"File {one}.docx", b"%d" % one) for one in range(many)])
    uploads.start()

    told = []
    closed = []
    for number in range(sized(200, 6)):
        keeper.rewrite(automations=[copy_uploads(rooms) | {"gather": 20 + number}, archive])
        if number < deals:
            closed.append(scenes.deal())
            scenes.close(keeper, closed[-1], "hubspot")
        told += keeper.ask("reload")
    uploads.join()
    keeper.settle(lambda: rooms.copies() == many and all(scenes.notes(one) for one in closed))

    assert all(one["took_over"] for one in told)
    assert rooms.missing_and_doubled() == ([], [])
    assert [len(scenes.notes(one)) for one in closed] == [1] * deals
    assert {one["state"] for one in keeper.runs()} == {"done"}
    print(f"{len(told)} reloads during {many} uploads and {deals} deals: none lost, none twice")


def test_what_was_changed_holds_at_once_and_what_was_there_goes_on(rooms: Rooms, keepers: Make) -> None:
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms) | {"paused": True}])
    keeper.start()
    keeper.register()
    rooms.upload("First.docx")
    until(lambda: len(keeper.ask("events", "list")) > 0)
    session = keeper.visitor()

    keeper.rewrite(automations=[copy_uploads(rooms)])
    assert "note: the running service has another text" in keeper.complaints("check")
    assert "`roomkeeper reload" in keeper.say("doctor", codes=(1,))
    keeper.ask("reload", "--why", "the client pays again")
    keeper.settle(lambda: rooms.copies() == 1)

    assert "another text" not in keeper.complaints("check")
    assert session.get("/").status_code == 200  # who is logged in stays so
    assert "had the configuration read anew: the client pays again" in session.get("/actions").text
    versions = session.get("/configuration").text
    assert "the client pays again" in versions
    assert ", by command" in versions


def test_a_file_with_a_mistake_is_not_taken_over_and_the_old_one_goes_on(rooms: Rooms, keepers: Make) -> None:
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.start()
    keeper.register()
    session = keeper.visitor()

    keeper.rewrite(automations=[copy_uploads(rooms) | {"on": "file.uplaoded"}])
    keeper.say("reload", codes=(2,))
    refused = session.post("/reload", data={"token": form_token(session, "/reload")}, headers=same_site(keeper))
    rooms.upload("Meanwhile.docx")
    keeper.settle(lambda: rooms.copies() == 1)

    assert refused.status_code == 409
    assert "file.uplaoded" in refused.text
    assert "all goes on as it was" in refused.text


def test_the_page_says_that_the_file_was_changed_shows_how_and_takes_it_over(rooms: Rooms, keepers: Make) -> None:
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.start()
    session = keeper.visitor()
    assert "configuration file was changed" not in session.get("/").text

    keeper.rewrite(automations=[copy_uploads(rooms) | {"name": "copies-for-the-team"}])
    assert "configuration file was changed" in session.get("/runs").text
    shown = session.get("/reload").text
    assert '<span class="added">' in shown
    assert "copies-for-the-team" in shown
    given = {"token": form_token(session, "/reload"), "why": "the team has another name"}
    taken = session.post("/reload", data=given, headers=same_site(keeper))

    assert taken.status_code == 303
    assert "the team has another name" in session.get("/configuration").text
    assert "copies-for-the-team" in session.get("/automations").text
    assert "configuration file was changed" not in session.get("/").text


def test_a_hangup_has_it_taken_over_and_another_address_takes_a_restart(rooms: Rooms, keepers: Make) -> None:
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms) | {"paused": True}])
    process = keeper.start_apart()
    keeper.register()
    rooms.upload("First.docx")

    keeper.rewrite(automations=[copy_uploads(rooms)])
    process.send_signal(signal.SIGHUP)
    keeper.settle(lambda: rooms.copies() == 1)
    keeper.rewrite(listen="127.0.0.1:1")
    (told,) = keeper.ask("reload", codes=(1,))

    assert "`listen` was changed, which takes a restart" in told["said"]
    assert httpx2.get(f"{keeper.url}/readyz").status_code == 200


def test_without_a_service_the_next_one_reads_it(rooms: Rooms, keepers: Make) -> None:
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms)])

    assert "the next `roomkeeper serve` reads the file" in " ".join(keeper.say("reload").split())


def test_what_stands_in_the_env_file_changes_with_it_and_what_is_set_outside_goes_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROOMKEEPER_TEST_OUTSIDE", "outside")
    file, local = tmp_path / ".env", Local(tmp_path / ".env")
    names = ("ROOMKEEPER_TEST_OUTSIDE", "ROOMKEEPER_TEST_KEY", "ROOMKEEPER_TEST_GONE")

    def read(**said: str) -> list[Any]:
        file.write_text("".join(f"{name}={value}\n" for name, value in said.items()))
        local.read()
        return [os.environ.get(name) for name in names]

    before = read(ROOMKEEPER_TEST_OUTSIDE="inside", ROOMKEEPER_TEST_KEY="old", ROOMKEEPER_TEST_GONE="there")
    after = read(ROOMKEEPER_TEST_OUTSIDE="inside", ROOMKEEPER_TEST_KEY="new")
    read()

    assert before == ["outside", "old", "there"]
    assert after == ["outside", "new", None]
    assert os.environ.get("ROOMKEEPER_TEST_KEY") is None


def same_site(keeper: Keeper) -> dict[str, str]:
    return {"Origin": keeper.url, "Sec-Fetch-Site": "same-origin"}
