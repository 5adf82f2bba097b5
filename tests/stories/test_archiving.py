"""The second job, whole: a closed deal leaves no file behind, loses none, and the guest's access ends only then."""

import json
import re
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from stage import NOTE, ClosingDeals, Keeper, Portal, sized, until

from roomkeeper.running import orders

Make = Callable[..., Keeper]
VENDORS = ("hubspot", "pipedrive", "salesforce")


@pytest.fixture
def scene(portal: Portal) -> ClosingDeals:
    return ClosingDeals(portal)


def started(scene: ClosingDeals, keepers: Make, automation: Any, *, vendor: str = "hubspot", **named: Any) -> Keeper:
    keeper = keepers(scene.portal, scene.keeper_key, [automation], others={vendor: scene.connection(vendor)}, **named)
    keeper.start()
    return keeper


def digests(files: list[dict[str, Any]]) -> dict[int, list[str]]:
    return {one["id"]: one["digests"] for one in files}


@pytest.mark.parametrize("layout", ["flat", "tree"])
def test_250_files_are_archived_none_left_none_overwritten_and_the_guest_leaves_last(
    scene: ClosingDeals, keepers: Make, store_address: str, layout: str
) -> None:
    scene.fill()
    before = scene.portal.tree(scene.client)
    assert len(before) == 250
    keeper = started(scene, keepers, scene.automation(NOTE, layout=layout), store=store_address)
    deal = scene.deal()

    scene.close(keeper, deal, "hubspot")
    run = keeper.settle()[0]

    after = scene.portal.tree(scene.archive)
    assert (run["state"], run["error"]) == ("done", None)
    assert scene.portal.tree(scene.client) == []
    assert digests(after) == digests(before)
    assert {one["path"][0] for one in after} == {"Northwind _ Sons"}
    if layout == "flat":
        titles = Counter(one["title"].casefold() for one in after)
        assert {len(one["path"]) for one in after} == {1}
        assert set(titles.values()) == {1}
        assert "a_b_ c_ _2026_.docx" in titles
    else:
        kept = {one["id"]: one["path"] for one in before}
        assert {one["id"]: one["path"][1:] for one in after} == kept
    assert scene.guest not in scene.members()
    _the_guest_left_last(scene)
    (note,) = scene.notes(deal)
    assert "Archived 250 files" in note
    moves, renames = len(scene.asked("PUT", "/fileops/move$")), len(scene.asked("PUT", r"/files/file/\d+$"))
    print(f"{layout}: 250 archived, 0 left, {moves} requests to move, {renames} renames")
    shown = keeper.ask("runs", "show", str(run["id"]))["steps"][0]["result"]
    assert (shown["files"], len(shown["report"])) == (250, 250)
    table = keeper.say("runs", "show", str(run["id"]), "--csv").splitlines()
    assert (table[0], len(table)) == ("step,file,title,size,made,outcome,from,to", 251)


def _the_guest_left_last(scene: ClosingDeals) -> None:
    """The journal's order: the last move, then a look at the emptied room and one at the archive, then the guest."""
    last_move = scene.asked("PUT", "/fileops/move$")[-1]
    (revoked,) = [at for at in scene.asked("PUT", f"/files/rooms/{scene.client}/share$") if at > last_move]
    assert [at for at in scene.asked("GET", f"/files/{scene.client}$") if last_move < at < revoked]
    (folder,) = scene.portal.call("GET", f"/files/{scene.archive}/subfolders")
    assert [at for at in scene.asked("GET", f"/files/{folder['id']}$") if last_move < at < revoked]
    assert min(scene.asked("PUT", f"/files/rooms/{scene.client}/share$")) <= last_move  # the invitation


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_deal_delivered_five_times_at_once_and_later_is_archived_and_noted_once(
    scene: ClosingDeals, keepers: Make, vendor: str
) -> None:
    for number in range(12):
        scene.upload(f"File {number}.docx")
    keeper = started(scene, keepers, scene.automation(NOTE), vendor=vendor)
    deal = scene.deal()

    answers = scene.close(keeper, deal, vendor, times=5)
    keeper.settle()
    later = scene.close(keeper, deal, vendor, times=2)
    until(lambda: all(one["state"] != "new" for one in keeper.ask("events", "list")))
    keeper.settle()

    assert {one["status"] for one in answers + later} == {200}
    assert len(keeper.runs()) == 1
    assert len(scene.portal.call("GET", f"/files/{scene.archive}/subfolders")) == 1
    assert len(scene.portal.tree(scene.archive)) == 12
    assert len(scene.asked("PUT", "/fileops/move$")) == 1
    assert len(scene.notes(deal)) == 1
    if vendor == "salesforce":
        assert all("<Ack>true</Ack>" in one["body"] for one in answers)


def test_a_deal_that_is_reopened_and_closed_again_is_archived_again(scene: ClosingDeals, keepers: Make) -> None:
    scene.upload("First.docx")
    keeper = started(scene, keepers, scene.automation(NOTE))
    deal = scene.deal()
    scene.close(keeper, deal, "hubspot")
    keeper.settle()

    scene.close(keeper, deal, "hubspot", status="open")
    until(lambda: any(one["status"] == "ignored" for one in keeper.ask("events", "list")))  # read while it is open
    scene.share(scene.client, scene.guest, 11, by=scene.keeper_key)
    scene.upload("Second.docx")
    scene.close(keeper, deal, "hubspot")
    keeper.settle(lambda: len(keeper.runs()) == 2)

    assert {one["state"] for one in keeper.runs()} == {"done"}
    assert {one["title"] for one in scene.portal.tree(scene.archive)} == {"First.docx", "Second.docx"}
    assert scene.portal.tree(scene.client) == []
    assert len(scene.notes(deal)) == 2
    ignored = [one for one in keeper.ask("events", "list") if one["status"] == "ignored"]
    assert "not closed" in ignored[0]["reason"]


@pytest.mark.parametrize("layout", ["flat", "tree"])
def test_undo_restores_the_tree_by_id_title_and_folder(scene: ClosingDeals, keepers: Make, layout: str) -> None:
    scene.fill()
    before = {(one["id"], one["title"], one["folder"]) for one in scene.portal.tree(scene.client)}
    keeper = started(scene, keepers, scene.automation(layout=layout))
    scene.close(keeper, scene.deal(), "hubspot")
    run = keeper.settle()[0]["id"]
    assert scene.portal.tree(scene.client) == []

    (undone,) = keeper.ask("runs", "undo", str(run), "--wait")

    assert (undone["state"], undone["error"]) == ("done", None), undone["steps"][0]["items"][:3]
    assert {(one["id"], one["title"], one["folder"]) for one in scene.portal.tree(scene.client)} == before
    assert undone["steps"][0]["result"]["files"] == 250


def test_try_shows_the_whole_plan_without_a_single_write(scene: ClosingDeals, keepers: Make) -> None:
    for number in range(3):
        scene.upload("Offer.docx", scene.portal.folders(scene.client, [f"Folder {number}"])[f"Folder {number}"])
    keeper = keepers(
        scene.portal,
        scene.keeper_key,
        [scene.automation(NOTE)],
        others={one: scene.connection(one) for one in VENDORS},
    )
    deal = scene.deal()
    scene.portal.direct("PUT", f"/crm/deals/{deal}", json={"status": "won"})
    change = {"subscriptionType": "deal.propertyChange", "objectId": deal, "propertyName": "dealstage"}
    (keeper.folder / "hubspot.json").write_text(json.dumps([change | {"propertyValue": "closedwon"}]))
    record = scene.portal.direct("GET", f"/crm/deals/{deal}")
    calls = len(scene.portal.direct("GET", "/journal"))
    (keeper.folder / "salesforce.json").write_text(json.dumps({"Id": f"006{deal:012d}"}))

    told = {
        vendor: keeper.ask("try", "archive-closed-deal", "--event", str(file), "--connection", vendor)
        for vendor in ("hubspot", "salesforce")
        for file in [keeper.folder / f"{vendor}.json"]
    }

    for vendor in told:
        archive, revoke, note = told[vendor]["steps"]
        assert told[vendor]["applies"] is True
        assert len([line for line in archive["plan"] if line.startswith("move file")]) == 3
        assert any("Offer (2).docx" in line for line in archive["plan"])
        assert any("create the folder" in line for line in archive["plan"])
        assert "guest" in revoke["plan"][0]
        assert note["plan"] == [
            "what it does is worked out when the steps before it are done",
            "text: with what archive gives",
        ]
    made = scene.portal.direct("GET", "/journal")[calls:]
    assert {one["method"] for one in made if "oauth2" not in one["path"]} == {"GET"}
    assert scene.portal.direct("GET", f"/crm/deals/{deal}") == record
    assert len(scene.portal.tree(scene.client)) == 3


def test_a_large_archive_waits_for_consent_and_goes_on_with_it(scene: ClosingDeals, keepers: Make) -> None:
    for number in range(4):
        scene.upload(f"File {number}.docx")
    keeper = started(scene, keepers, scene.automation(NOTE, approve_over=3))
    deal = scene.deal()
    scene.close(keeper, deal, "hubspot")

    run = keeper.settle()[0]
    assert run["state"] == "needs_attention"
    assert "move 4 files" in run["error"]
    assert len(scene.portal.tree(scene.client)) == 4
    assert scene.asked("PUT", "/fileops/move$") == []
    assert scene.guest in scene.members()
    shown = keeper.say("runs", "show", str(run["id"]))
    assert "move 'File 0.docx' to 'Archive/Northwind _ Sons/File 0.docx'" in shown
    assert "runs approve" in shown

    ann, page = keeper.visitor(), f"/runs/{run['id']}/approve"
    seen = dict(re.findall(r'name="(token|question)" value="([^"]+)"', ann.get(page).text))
    scene.upload("File 4.docx")
    keeper.say("runs", "retry", str(run["id"]), "--wait")
    from_here = {"Origin": keeper.url, "Sec-Fetch-Site": "same-origin"}
    stale = ann.post(page, data=seen, headers=from_here)
    assert stale.status_code == 409
    assert "asks something else now: move 5 files" in stale.text
    assert len(scene.portal.tree(scene.client)) == 5

    (approved,) = keeper.ask("runs", "approve", str(run["id"]), "--wait")
    assert approved["state"] == "done"
    assert approved["steps"][0]["approved_by"]
    assert scene.portal.tree(scene.client) == []


def test_a_step_that_asks_shows_what_the_next_ones_would_do(scene: ClosingDeals, keepers: Make) -> None:
    scene.upload("File.docx")
    automation = scene.automation(NOTE)
    automation["steps"].insert(0, {"do": "approve", "with": {"text": "Archive {{ deal.company }}?", "within": "8s"}})
    keeper = started(scene, keepers, automation)
    scene.close(keeper, scene.deal(), "hubspot")

    run = str(keeper.settle()[0]["id"])
    asking = keeper.ask("runs", "show", run)["steps"][0]
    assert asking["state"] == "asks"
    assert asking["error"] == "Archive Northwind / Sons?"
    assert any("move file" in line for line in asking["plan"])
    assert any("end the access" in line for line in asking["plan"])

    time.sleep(8.1)
    keeper.say("runs", "approve", run, codes=(1,))
    assert len(scene.portal.tree(scene.client)) == 1
    keeper.say("runs", "retry", run)
    until(lambda: keeper.runs()[0]["state"] == "needs_attention")
    orders.approve(keeper.opened(), int(run), "the test")  # a command may take longer than eight seconds
    keeper.settle()
    assert scene.portal.tree(scene.client) == []


def test_of_a_room_in_which_a_file_is_open_that_is_said_and_not_that_a_right_is_missing(
    portal: Portal, keepers: Make
) -> None:
    """It is refused in the words of a missing right (CopyPermissionsCheck.cs)."""
    scene = ClosingDeals(portal, owned=True)
    open_one = scene.upload("Open.docx")["id"]
    portal.direct("PUT", f"/files/{open_one}", json={"editing_by": [scene.guest]})
    step = {"do": "archive_room", "with": {"room": scene.client}}
    keeper = started(scene, keepers, {"name": "away", "on": "deal.closed", "steps": [step]})

    scene.close(keeper, scene.deal(), "hubspot")
    (refused,) = keeper.settle()
    portal.direct("PUT", f"/files/{open_one}", json={"editing_by": []})
    keeper.say("runs", "retry", str(refused["id"]))
    (run,) = keeper.settle(lambda: keeper.runs()[0]["state"] == "done")

    assert "while 'Open.docx' is open in the editor" in refused["error"]
    assert run["error"] is None
    assert portal.call("GET", f"/files/folder/{scene.client}")["rootFolderType"] == 20


def test_a_room_of_ours_is_archived_after_its_files_and_undo_brings_it_back(portal: Portal, keepers: Make) -> None:
    scene = ClosingDeals(portal, owned=True)
    scene.upload("File.docx")
    room = {"do": "archive_room", "with": {"room": "{{ deal.fields.docspace_room_id }}"}}
    keeper = started(scene, keepers, scene.automation(room))
    scene.close(keeper, scene.deal(), "hubspot")
    run = keeper.settle()[0]
    assert run["state"] == "done"
    assert scene.portal.call("GET", f"/files/folder/{scene.client}")["rootFolderType"] == 20

    (undone,) = keeper.ask("runs", "undo", str(run["id"]), "--wait")

    assert undone["state"] == "done"
    assert scene.portal.call("GET", f"/files/folder/{scene.client}")["rootFolderType"] == 14
    assert [one["title"] for one in scene.portal.tree(scene.client)] == ["File.docx"]


@pytest.mark.parametrize("layout", ["flat", "tree"])
def test_thousands_of_files_in_500_folders_take_few_requests(scene: ClosingDeals, keepers: Make, layout: str) -> None:
    many = sized(10_000, 2_000)
    pages = many // 100
    size = {"user": scene.guest, "folders": 500, "files": many}
    scene.portal.direct("POST", f"/folders/{scene.client}/grow", json=size)
    scene.portal.direct("PUT", "/operations", json={"seconds_per_item": 0.0})
    keeper = started(scene, keepers, scene.automation(layout=layout))

    scene.close(keeper, scene.deal(), "hubspot")
    run = keeper.settle(within=400)[0]

    assert (run["state"], run["error"]) == ("done", None)
    assert len(scene.portal.tree(scene.archive)) == many
    assert scene.portal.tree(scene.client) == []
    moves = scene.asked("PUT", "/fileops/move$")
    listing = [at for at in scene.asked("GET", f"/files/{scene.client}$") if at < moves[0]]
    assert len(moves) <= (pages + 10 if layout == "flat" else 10)
    assert len(listing) <= pages + 10
    print(f"{layout}: {many} files, {len(moves)} requests to move, {len(listing)} reads to list the room")


def test_of_a_large_room_several_hundreds_are_moved_at_the_same_time(scene: ClosingDeals, keepers: Make) -> None:
    scene.portal.direct("POST", f"/folders/{scene.client}/grow", json={"user": scene.guest, "folders": 0, "files": 450})
    scene.portal.direct("PUT", "/operations", json={"seconds_per_item": 0.05})
    keeper = started(scene, keepers, scene.automation())

    scene.close(keeper, scene.deal(), "hubspot")
    until(lambda: len(scene.asked("PUT", "/fileops/move$")) >= 4)
    left = len(scene.portal.tree(scene.client))
    run = keeper.settle()[0]

    assert left > 150  # one after another, three hundred would have gone before the fourth is asked for
    assert (run["state"], run["error"]) == ("done", None)
    assert len(scene.portal.tree(scene.archive)) == 450
    assert len(scene.asked("PUT", "/fileops/move$")) == 5


def test_a_customer_s_own_pipeline_and_a_lost_deal_are_told_apart(scene: ClosingDeals, keepers: Make) -> None:
    scene.upload("File.docx")
    keeper = started(scene, keepers, scene.automation())
    lost, won = scene.deal(), scene.deal()

    scene.close(keeper, lost, "hubspot", status="lost")
    keeper.ask("events", "list")
    scene.close(keeper, won, "hubspot", stage="13394832", pipeline="777")
    keeper.settle()

    assert len(keeper.runs()) == 1
    assert scene.portal.tree(scene.client) == []
    told = keeper.ask("events", "list", "--status", "accepted")  # the CRM's list of deals may tell of it as well
    reasons = [one["reason"] for one in told if not one["runs"]]
    assert ["no automation is for this one" in one for one in reasons] == [True]


def test_what_the_crm_does_not_show_yet_is_looked_up_again(scene: ClosingDeals, keepers: Make) -> None:
    scene.upload("File.docx")
    keeper = started(scene, keepers, scene.automation())
    faults = [{"kind": "status", "path": "/hubspot/crm/v3/objects/deals/", "status": 404, "times": 3}]
    scene.portal.direct("PUT", "/faults", json=faults)

    scene.close(keeper, scene.deal(), "hubspot")
    run = keeper.settle()[0]

    assert run["state"] == "done"
    assert scene.portal.tree(scene.client) == []


def test_the_sample_document_s_own_body_archives_a_room(scene: ClosingDeals, keepers: Make) -> None:
    scene.upload("File.docx")
    room = "{{ deal.fields.clientRoomId }}"
    settings = {"room": room, "under": "{{ deal.fields.archiveRootFolderId }}", "title": "{{ deal.company }}"}
    revoke = {"do": "revoke_guest", "with": {"guest": "{{ deal.fields.guestUserId }}", "room": room}}
    automation = {
        "name": "archive-closed-deal",
        "on": "deal.closed",
        "steps": [{"do": "archive_files", "with": settings}, revoke],
    }
    erp = {"type": "http", "token": "!env CRM_SECRET"}
    keeper = keepers(scene.portal, scene.keeper_key, [automation], others={"erp": erp})
    keeper.start()
    body = {
        "clientRoomId": scene.client,
        "archiveRootFolderId": scene.archive,
        "clientName": "A/B",
        "guestUserId": scene.guest,
    }

    answers = [
        httpx2.post(f"{keeper.url}/hooks/erp", json=body, headers={"Authorization": "Bearer a-secret-of-the-crm"})
        for _ in range(3)
    ]
    keeper.settle()

    assert [one.json()["status"] for one in answers] == ["accepted", "duplicate", "duplicate"]
    assert [(one["path"], one["title"]) for one in scene.portal.tree(scene.archive)] == [(["A_B"], "File.docx")]
    assert scene.guest not in scene.members()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"room": 999999}, "`room` 999999 does not exist"),
        ({"under": 999999}, "`under` 999999 does not exist"),
        ({"title": "{{ deal.fields.nothing or '' }}"}, "cannot be worked out"),
        ({"title": "{{ '' if deal.id else 'x' }}"}, "came out empty"),
    ],
)
def test_settings_that_come_out_wrong_are_named_and_nothing_is_moved(
    scene: ClosingDeals, keepers: Make, changed: dict[str, Any], said: str
) -> None:
    scene.upload("File.docx")
    keeper = started(scene, keepers, scene.automation(**changed))

    scene.close(keeper, scene.deal(), "hubspot")
    run = keeper.settle()[0]

    assert run["state"] == "needs_attention"
    assert said in run["error"]
    assert len(scene.portal.tree(scene.client)) == 1
    assert scene.guest in scene.members()


def test_a_room_that_holds_its_own_archive_and_a_folder_are_refused(scene: ClosingDeals, keepers: Make) -> None:
    folder = scene.portal.folders(scene.client, ["Inner"])["Inner"]
    inside = started(scene, keepers, scene.automation(under=folder))
    scene.close(inside, scene.deal(), "hubspot")
    assert "lies in the very room" in inside.settle()[0]["error"]
    inside.stop()

    no_room = started(scene, keepers, scene.automation(room=folder))
    scene.close(no_room, scene.deal(), "hubspot")
    assert "not a room" in no_room.settle()[0]["error"]


def test_an_open_deal_can_be_tried_as_if_it_were_won(scene: ClosingDeals, keepers: Make) -> None:
    scene.upload("File.docx")
    others = {"hubspot": scene.connection("hubspot")}
    keeper = keepers(scene.portal, scene.keeper_key, [scene.automation(NOTE)], others=others)
    change = {"subscriptionType": "deal.propertyChange", "objectId": scene.deal(), "propertyName": "dealstage"}
    (keeper.folder / "change.json").write_text(json.dumps([change | {"propertyValue": "closedwon"}]))

    told = keeper.ask("try", "archive-closed-deal", "--event", str(keeper.folder / "change.json"))

    assert told["applies"] is False
    assert "not closed" in told["why"]
    assert any("File.docx" in line for line in told["steps"][0]["plan"])


def test_a_retry_reads_the_deal_again(scene: ClosingDeals, keepers: Make) -> None:
    scene.upload("File.docx")
    keeper = started(scene, keepers, scene.automation(NOTE))
    deal = scene.deal(own={"docspace_room_id": scene.client, "docspace_guest_id": "nobody@x.example"})
    scene.close(keeper, deal, "hubspot")
    run = keeper.settle()[0]
    assert "nobody on the portal" in run["error"]
    assert scene.guest in scene.members()

    scene.portal.direct("PUT", f"/crm/deals/{deal}", json={"own": {"docspace_guest_id": "guest@x.example"}})
    (retried,) = keeper.ask("runs", "retry", str(run["id"]), "--wait")

    assert retried["state"] == "done"
    assert scene.guest not in scene.members()
    assert "Archived 1 files" in scene.notes(deal)[0]


def test_what_was_not_archived_or_is_undone_already_cannot_be_undone(scene: ClosingDeals, keepers: Make) -> None:
    for number in range(4):
        scene.upload(f"File {number}.docx")
    keeper = started(scene, keepers, scene.automation(approve_over=3))
    scene.close(keeper, scene.deal(), "hubspot")
    run = str(keeper.settle()[0]["id"])

    keeper.say("runs", "undo", run, codes=(1,))  # it only asks
    keeper.ask("runs", "approve", run, "--wait")
    keeper.ask("runs", "undo", run, "--wait")
    keeper.say("runs", "undo", run, codes=(1,))

    assert len(scene.portal.tree(scene.client)) == 4
    assert len(keeper.runs()) == 2
