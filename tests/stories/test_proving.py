"""Everything is accounted for: each upload, deal and ticket, by the portal's and the vendors' own records."""

import asyncio
import csv
import hashlib
import io
import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from people import form_token
from stage import NOTE, ClosingDeals, Keeper, OpeningTickets, Portal, Rooms, copy_uploads, next_second, until

from roomkeeper import connecting
from roomkeeper.configuration.loading import load
from roomkeeper.connectors import CATALOG
from roomkeeper.intake.inbox import BLANK
from roomkeeper.proving import nightly
from roomkeeper.running import orders
from roomkeeper.store.alerts import Alert, current
from roomkeeper.store.database import opened
from roomkeeper.store.tables import events, proofs, waiting

Make = Callable[..., Keeper]
NAME = "copy-client-uploads"


def proved(keeper: Keeper, name: str, *words: str, codes: tuple[int, ...] = (0,)) -> dict[str, Any]:
    found: dict[str, Any] = keeper.ask("prove", name, "--since", "1h", *words, codes=codes)
    return found


def unlike(found: dict[str, Any], outcome: str = "done") -> dict[str, dict[str, Any]]:
    """Give the lines of another outcome, by what they are about."""
    return {one["subject"]: one for one in found["lines"] if one["outcome"] != outcome}


def test_three_copies_removed_one_upload_failed_and_one_excluded_by_hand_are_shown_and_no_other(
    portal: Portal, keepers: Make
) -> None:
    rooms = Rooms(portal)
    rooms.upload("From before.docx")
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms) | {"gather": 1}])
    next_second()
    keeper.start()
    keeper.register()
    for number in range(20):
        rooms.upload(f"File {number}.docx", f"{number}".encode())
    keeper.settle(lambda: rooms.copies() == 20)
    for one in portal.tree(rooms.internal):
        if one["title"] in {"File 3.docx", "File 7.docx", "File 9.docx"}:
            portal.call("DELETE", f"/files/file/{one['id']}", json={"immediately": one["title"] != "File 9.docx"})
    keeper.stop()
    failing = rooms.upload("Failing.docx", b"failing")
    portal.direct("PUT", f"/files/{failing['id']}", json={"restricted": [rooms.keeper]})
    portal.direct("PUT", "/operations", json={"queue_seconds": 600.0})
    rooms.upload("Cancelled.docx", b"cancelled")
    asked = keeper.copy_requests()
    keeper.start()
    until(lambda: keeper.copy_requests() > asked + 1 and len(keeper.runs()) == 22)
    until(lambda: all(one["about"] for one in keeper.runs()))  # known once a run has its event
    cancelled = next(one["id"] for one in keeper.runs() if one["about"][0] == "Cancelled.docx")
    orders.cancel(keeper.opened(), cancelled)
    keeper.settle(lambda: True)

    found = unlike(proved(keeper, NAME, codes=(1,)))

    said = {subject.split(" ", 2)[2]: (one["outcome"], one["said"], one["remedy"]) for subject, one in found.items()}
    assert {title: outcome for title, (outcome, _, _) in said.items()} == {
        "From before.docx": "excluded",
        **dict.fromkeys(("File 3.docx", "File 7.docx", "File 9.docx"), "unaccounted"),
        "Failing.docx": "failed",
        "Cancelled.docx": "excluded",
    }
    assert "before Roomkeeper listened" in said["From before.docx"][1]
    assert "no longer there" in said["File 9.docx"][1]
    assert "may not copy it" in said["Failing.docx"][1]
    assert f"run {cancelled} was cancelled by hand" in said["Cancelled.docx"][1]
    assert all(said[title][2] for title in ("File 3.docx", "Failing.docx"))


def test_what_a_proof_by_hand_finds_missing_is_told_on_the_first_page_until_one_that_goes_far_finds_it(
    portal: Portal, keepers: Make
) -> None:
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)])
    next_second()
    keeper.start()
    keeper.register()
    rooms.upload("Offer.docx")
    keeper.settle(lambda: rooms.copies() == 1)
    (copy,) = portal.tree(rooms.internal)
    portal.call("DELETE", f"/files/file/{copy['id']}", json={"immediately": True})
    visitor = keeper.visitor()

    def prove(days: int) -> str:
        given = {"token": form_token(visitor, "/accounted"), "automation": NAME, "days": str(days)}
        return visitor.post("/accounted", data=given, headers={"Origin": keeper.url}).text

    assert "All is well" in visitor.get("/").text
    assert "unaccounted" in prove(1)
    first = visitor.get("/").text
    assert ("All is well" in first, "1 unaccounted for" in first) == (False, True)

    accepted = keeper.ask("events", "list", "--status", "accepted")
    keeper.say("events", "replay", str(accepted[0]["id"]))
    keeper.settle(lambda: rooms.copies() == 1)
    prove(1)
    assert "1 unaccounted for" in visitor.get("/").text  # it did not look at what a night looks at
    prove(7)
    assert "1 unaccounted for" not in visitor.get("/").text
    visitor.close()


def test_what_waits_and_what_roomkeeper_itself_uploads_is_said(portal: Portal, keepers: Make) -> None:
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms) | {"paused": True}])
    keeper.start()
    keeper.register()
    rooms.upload("Waiting.docx")
    portal.upload(rooms.client, "Own.docx", b"own", key=rooms.keeper_key)
    until(lambda: len(keeper.ask("events", "list", "--status", "accepted")) == 2)
    until(lambda: {one["state"] for one in keeper.ask("events", "list")} == {"parked", "over"})

    found = {one["subject"].split(" ", 2)[2]: one for one in proved(keeper, NAME)["lines"]}

    assert (found["Waiting.docx"]["outcome"], found["Waiting.docx"]["said"]) == ("waiting", "the automation is paused")
    assert found["Own.docx"]["outcome"] == "excluded"
    assert "Roomkeeper itself uses" in found["Own.docx"]["said"]


def test_with_a_key_that_is_dead_nothing_is_said_to_be_gone(portal: Portal, keepers: Make) -> None:
    """A file answers a dead key as it answers whoever may not see it."""
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.start()
    keeper.register()
    rooms.upload("Offer.docx")
    keeper.settle(lambda: rooms.copies() == 1)
    portal.direct("PUT", "/keys", json={"key": rooms.keeper_key, "is_active": False})

    proof = keeper.ask("prove", "copy-client-uploads", codes=(1,))

    assert all("not accepted any more" in one for one in proof["blind"])
    assert [one["outcome"] for one in proof["lines"]] == ["done"]


def test_what_nobody_told_of_is_unaccounted_until_it_is_found(portal: Portal, keepers: Make) -> None:
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.start()
    keeper.look_back()
    keeper.stop()
    rooms.upload("File.docx")

    waiting = proved(keeper, NAME)
    assert [one["outcome"] for one in waiting["lines"]] == ["waiting"]  # it has just happened
    keeper.say("reconcile")
    keeper.start()
    keeper.settle(lambda: rooms.copies() == 1)

    assert [one["outcome"] for one in proved(keeper, NAME)["lines"]] == ["done"]


def test_the_proof_can_be_kept_as_json_csv_and_a_page_and_its_digest_checked(portal: Portal, keepers: Make) -> None:
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.start()
    keeper.register()
    rooms.upload("<script>alert(1)</script>.docx", b"hostile")
    rooms.upload("=HYPERLINK(1).docx", b"hostile too")
    keeper.settle(lambda: rooms.copies() == 2)
    page = keeper.folder / "proof.html"

    found = proved(keeper, NAME, "--html", str(page))
    rows = list(csv.DictReader(io.StringIO(keeper.say("prove", NAME, "--since", "1h", "--csv", codes=(0,)))))

    lines = "".join(json.dumps(one, sort_keys=True, ensure_ascii=False) + "\n" for one in found["lines"])
    assert hashlib.sha256(lines.encode()).hexdigest() == found["sha256"]
    assert [one["outcome"] for one in rows] == ["done", "done"]
    html = page.read_text()
    assert found["sha256"] in html
    assert "<script>" not in html
    assert "http" not in html.replace(portal.url, "")
    assert "All 2 are accounted for." in html


def test_archived_deals_are_accounted_for_and_missing_files_are_named(portal: Portal, keepers: Make) -> None:
    scene = ClosingDeals(portal)
    for number in range(3):
        scene.upload(f"File {number}.docx")
    keeper = keepers(
        portal, scene.keeper_key, [scene.automation(NOTE)], others={"hubspot": scene.connection("hubspot")}
    )
    keeper.start()
    deal, lost = scene.deal(), scene.deal()
    scene.close(keeper, deal, "hubspot")
    portal.direct("PUT", f"/crm/deals/{lost}", json={"status": "lost"})
    keeper.settle()
    keeper.say("reconcile")

    def both_were_dispatched() -> bool:
        states = [one["state"] for one in keeper.ask("events", "list", "--status", "accepted")]
        return len(states) == 2 and "new" not in states

    until(both_were_dispatched)
    keeper.settle()

    found = proved(keeper, "archive-closed-deal")
    by_deal = {one["subject"].split()[1]: one for one in found["lines"]}
    assert by_deal[str(deal)]["outcome"] == "done"
    assert "3 files in" in by_deal[str(deal)]["said"]
    assert by_deal[str(lost)]["outcome"] == "excluded"

    gone = portal.tree(scene.archive)[0]["id"]
    portal.call("DELETE", f"/files/file/{gone}", key=scene.keeper_key, json={"immediately": True})
    until(lambda: len(portal.tree(scene.archive)) == 2)
    missing = unlike(proved(keeper, "archive-closed-deal", codes=(1,)))
    (line,) = [one for one in missing.values() if one["outcome"] == "unaccounted"]
    assert f"file {gone} is no longer there" in line["said"]


@pytest.mark.parametrize("vendor", ["zendesk", "jira"])
def test_tickets_are_accounted_for(portal: Portal, keepers: Make, vendor: str) -> None:
    scene = OpeningTickets(portal)
    keeper = keepers(portal, scene.keeper_key, [scene.automation()], others={vendor: scene.connection(vendor)})
    keeper.start()
    tickets = [scene.open(vendor, f"{keeper.url}/hooks/{vendor}", subject=f"S {n}")["id"] for n in range(4)]
    keeper.settle(lambda: len(keeper.runs()) == 4)

    found = proved(keeper, "investigation-room")

    assert found["counts"] == {"done": 4}
    assert len(tickets) == 4
    assert all("room " in one["said"] for one in found["lines"])


@pytest.fixture
def by_night(portal: Portal, keepers: Make, monkeypatch: pytest.MonkeyPatch) -> tuple[Rooms, Keeper]:
    """A keeper whose nights can be looked at from here: its secrets are in this environment."""
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)])
    for name, value in keeper.environment.items():
        monkeypatch.setenv(name, value)
    return rooms, keeper


def test_a_night_that_finds_something_missing_or_cannot_look_is_an_alert_until_it_is_over(
    portal: Portal, by_night: tuple[Rooms, Keeper]
) -> None:
    rooms, keeper = by_night
    keeper.start()
    keeper.register()
    rooms.upload("File.docx")
    keeper.settle(lambda: rooms.copies() == 1)
    keeper.stop()

    first = _night(keeper)
    portal.direct("PUT", "/faults", json=[{"kind": "status", "status": 500, "path": r"/files/folder/\d+/log"}])
    blind = _night(keeper, day=23)
    portal.direct("PUT", "/faults", json=[])
    (copy,) = portal.tree(rooms.internal)
    portal.call("DELETE", f"/files/file/{copy['id']}", json={"immediately": True})
    missing = _night(keeper, day=24)

    assert first == []
    assert [one.key for one in blind] == ["proof copy-client-uploads blind"]
    assert "cannot be proved" in blind[0].what
    assert [one.key for one in missing] == ["proof copy-client-uploads unaccounted"]
    assert "File.docx" in missing[0].what


def test_a_night_is_proved_once_and_again_each_hour_until_it_is_complete(by_night: tuple[Rooms, Keeper]) -> None:
    _, keeper = by_night
    keeper.start()
    keeper.stop()
    told = {"connection": "acme", "type": "file.uploaded", "status": "accepted", "at": time.time(), "facts": "{"}
    unreadable = sa.insert(events).values(BLANK | told | {"id": 1, "received_at": time.time()})
    parked = {"automation": NAME, "key": "room", "lane": "", "connection": "acme", "event_id": 1, "parked_at": 0.0}
    an_hour_passes = sa.update(proofs).values(made_at=proofs.c.made_at - 3601)

    _night(keeper, hour=1)
    too_early = _proofs(keeper)
    _write(keeper, unreadable, sa.insert(waiting).values(parked))  # no Roomkeeper wrote that
    (broken,) = _night(keeper, hour=2)
    failed = _proofs(keeper)
    _write(keeper, sa.delete(waiting), sa.delete(events))
    _night(keeper, hour=2)
    too_soon = _proofs(keeper)
    _write(keeper, an_hour_passes)
    alerts = _night(keeper, hour=3)
    complete = _proofs(keeper)
    _write(keeper, an_hour_passes)
    _night(keeper, hour=4)

    assert too_early == []
    assert "whether anything was missed cannot be proved" in broken.what
    assert [one.complete for one in failed] == [False]
    assert too_soon == failed
    assert alerts == []
    assert [one.complete for one in complete] == [True]
    assert [one.made_at for one in _proofs(keeper)] == [one.made_at - 3601 for one in complete]  # nobody made it again


def _proofs(keeper: Keeper) -> list[Any]:
    with keeper.opened().read() as db:
        return list(db.execute(sa.select(proofs)))


def _write(keeper: Keeper, *statements: sa.Executable) -> None:
    with keeper.opened().write() as db:
        for one in statements:
            db.execute(one)


def _night(keeper: Keeper, *, day: int = 22, hour: int = 3) -> list[Alert]:
    """Look at the clock once, as the service does; gives the alerts that are open afterwards."""
    config = load(keeper.file, CATALOG)
    store = opened(config.store)

    async def look() -> None:
        sources = connecting.connected(config, store)
        prover = connecting.prover(config, store, sources)
        await nightly.look(store, prover, config.automations, datetime(2026, 11, day, hour, tzinfo=UTC))
        await connecting.close(sources)

    asyncio.run(look())
    found = current(store)
    store.close()
    return found


def test_an_operator_proves_on_the_page_and_sees_what_is_not_done(portal: Portal, keepers: Make) -> None:
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)])
    next_second()
    keeper.start()
    keeper.register()
    for title in ("Kept.docx", "Gone.docx"):
        rooms.upload(title)
    keeper.settle(lambda: rooms.copies() == 2)
    (gone,) = [one for one in portal.tree(rooms.internal) if one["title"] == "Gone.docx"]
    portal.call("DELETE", f"/files/file/{gone['id']}", json={"immediately": True})
    visitor = keeper.visitor()
    given = {"token": form_token(visitor, "/accounted"), "automation": "copy-client-uploads", "days": "7"}

    answer = visitor.post("/accounted", data=given, headers={"Origin": keeper.url, "Sec-Fetch-Site": "same-origin"})

    assert "1 of 2 is unaccounted for" in answer.text
    assert "Gone.docx" in answer.text
    assert "is no longer there" in answer.text
    assert answer.text.index("What is not done: 1") < answer.text.index("Gone.docx")
    assert answer.text.index("What is done, and still there: 1") < answer.text.index("Kept.docx")
    (page, table) = [visitor.get(one) for one in re.findall(r'href="(/accounted/\w+/proof\.\w+)"', answer.text)]
    assert "Gone.docx" in page.text
    assert page.headers["content-disposition"].startswith("attachment")
    assert len(table.text.splitlines()) == 1 + 2
    again = given | {"order": "again", "proof": re.findall(r'name="proof" value="(\w+)"', answer.text)[0]}
    done = visitor.post("/accounted", data=again, headers={"Origin": keeper.url, "Sec-Fetch-Site": "same-origin"})
    assert done.status_code == 303
    keeper.settle(lambda: rooms.copies() == 2)
    assert visitor.get("/accounted/00/proof.csv").status_code == 404
    forged = visitor.post("/accounted", data=given | {"token": "x"}, headers={"Origin": keeper.url})
    assert forged.status_code == 403
