"""What went wrong is named as what it is, with a remedy that works as it stands."""

import contextlib
from collections.abc import Callable

from people import form_token
from stage import Keeper, Portal, Rooms, copy_uploads, until

Make = Callable[..., Keeper]


def failed(keeper: Keeper) -> dict[str, object]:
    """Wait for a run that needs a person; gives its number and how the command line shows it."""
    (run,) = keeper.settle(lambda: bool(keeper.runs()) and keeper.runs()[0]["state"] == "needs_attention")
    return {"id": run["id"], "shown": " ".join(keeper.say("runs", "show", str(run["id"])).split())}


def test_a_destination_that_is_archived_is_named(portal: Portal, keepers: Make) -> None:
    """It was told that the account lacked rights, which it had."""
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.start()
    keeper.register()
    portal.call("PUT", f"/files/rooms/{rooms.internal}/archive", json={"deleteAfter": False})
    until(lambda: portal.call("GET", f"/files/folder/{rooms.internal}")["rootFolderType"] == 20)

    rooms.upload("Offer.docx")
    told = failed(keeper)

    assert "is archived" in str(told["shown"])
    assert "room manager" not in str(told["shown"])


def test_runs_that_one_deed_puts_right_are_one_card_and_go_on_together(portal: Portal, keepers: Make) -> None:
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.start()
    keeper.register()
    portal.direct("PUT", "/faults", json=[{"kind": "status", "status": 403, "path": "/files/fileops/copy"}])
    for number in range(1, 4):
        rooms.upload(f"{number}.docx", b"offer")
        keeper.settle(lambda number=number: [one["state"] for one in keeper.runs()] == ["needs_attention"] * number)
    numbers = [one["id"] for one in keeper.runs()]
    portal.direct("PUT", "/faults", json=[])

    with contextlib.closing(keeper.visitor()) as ann:
        now, together = ann.get("/").text, f"/runs/retry?runs={','.join(map(str, numbers))},999,x"
        asked = ann.get(together).text
        from_here = {"Origin": keeper.url, "Sec-Fetch-Site": "same-origin"}
        ordered = ann.post(together, data={"token": form_token(ann, together)}, headers=from_here)
        assert ordered.status_code == 303, ordered.text
        keeper.settle(lambda: rooms.copies() == 3)
        late = ann.get(together)

    assert f">Run {numbers[0]}</a> and 2 more" in now
    assert now.count('<li class="card bad"') == 1
    assert "Retry 3 runs?" in asked
    assert all(f"Run {number} of copy-client-uploads" in asked for number in numbers)
    assert {one["state"] for one in keeper.runs()} == {"done"}
    assert "None of these runs needs a person any more" in late.text


def test_a_room_that_was_renamed_is_missed_by_its_title(portal: Portal, keepers: Make) -> None:
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms, to="Acme (internal)")])
    keeper.start()
    keeper.register()
    portal.call("PUT", f"/files/rooms/{rooms.internal}", json={"title": "Renamed"})

    rooms.upload("Offer.docx")
    told = failed(keeper)

    assert "the account sees no room that is called 'Acme (internal)'" in str(told["shown"])
    order = f"`roomkeeper runs retry {told['id']} --as-now`"
    for words in (("runs", "show", str(told["id"])), ("runs", "list"), ("prove", "copy-client-uploads")):
        assert order in str(keeper.ask(*words)), words


def test_a_dead_key_is_no_room_that_nobody_is_invited_to(portal: Portal, keepers: Make) -> None:
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.start()
    keeper.look_back()
    portal.direct("PUT", "/keys", json={"key": rooms.keeper_key, "is_active": False})

    found = {one["trail"]: one for one in keeper.ask("reconcile", codes=(0, 1, 3))}

    assert found["history"]["blind"] == []
    assert "new key" in found["history"]["remedy"]


def test_deliveries_that_were_refused_are_why_nothing_arrived(portal: Portal, keepers: Make) -> None:
    """It was said that they never came, and the doctor, who was named, found nothing wrong."""
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)], keep_webhook=False, look_every="5s")
    keeper.start()
    portal.register(f"{keeper.url}/hooks/acme", "another-secret-than-ours")
    keeper.look_back()
    for number in range(4):
        rooms.upload(f"File {number}.docx")
        keeper.settle(lambda number=number: rooms.copies() == number + 1)

    until(lambda: "came and were refused" in keeper.log())
    assert "never delivered, and found" in keeper.log()
