"""A service does what it was asked after everybody has hung up: still, each thing is made once.

The product waited ten seconds and then asked again; whatever took longer was made twice, and every run said "done".
It looks now for as long as `settle_after` says; `make test` plays it at a twentieth of the real two minutes.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from stage import ClosingDeals, Keeper, OpeningTickets, Portal, Rooms, copy_uploads, sized, until
from stage.scenes import NOTE

Make = Callable[..., Keeper]
SETTLE_AFTER = sized(120, 6)
#: How late the service is, in seconds of the real two minutes.
LATE = (1, 14, 60, 110)
#: What is made by which request.
MADE_BY = {
    "room": ("POST", "/api/2.0/files/rooms$"),
    "folder": ("POST", "/api/2.0/files/folder/"),
    "link": ("PUT", "/api/2.0/files/rooms/[0-9]+/links$"),
    "note": ("PUT", "/zendesk/api/v2/tickets/"),
    "copy": ("PUT", "/api/2.0/files/fileops/copy$"),
    "archive folder": ("POST", "/api/2.0/files/folder/"),
    "deal's note": ("POST", "/hubspot/crm/v3/objects/notes$"),
}


def be_late(portal: Portal, what: str, seconds: float) -> None:
    method, path = MADE_BY[what]
    seconds *= SETTLE_AFTER / 120
    fault = {"kind": "late", "method": method, "path": path, "seconds": seconds, "times": 1}
    portal.direct("PUT", "/faults", json=[fault])


def was_late(portal: Portal) -> bool:
    return [one["done"] for one in portal.direct("GET", "/faults")] == [1]


class Ticket:
    """A ticket becomes a room with folders, a link, and a note."""

    made = ("room", "folder", "link", "note")

    def __init__(self, portal: Portal, keepers: Make, store: str) -> None:
        self.scene = OpeningTickets(portal)
        external = {"do": "share_link", "as": "outside", "with": {"room": "{{ room.id }}", "kind": "external"}}
        external["with"] |= {"access": "read", "title": "For outsiders"}
        automation = self.scene.automation(external, type="custom", members=[{"group": "Support", "access": "editing"}])
        others = {"zendesk": self.scene.connection("zendesk")}
        self.keeper = keepers(portal, self.scene.keeper_key, [automation], others=others, store=store, **slow())

    def begin(self) -> None:
        self.number = self.scene.open("zendesk", f"{self.keeper.url}/hooks/zendesk")["id"]

    def made_twice(self) -> list[str]:
        rooms = self.scene.rooms()
        there = {"rooms": len(rooms), "notes": len(self.scene.ticket(self.number)["notes"])}
        titles = [title for room in rooms for title in room["folders"]]
        there |= {f"folder {title}": titles.count(title) for title in ("Attachments", "Findings", "Logs")}
        path, key = f"/files/rooms/{rooms[0]['id']}/links", self.scene.keeper_key
        links = self.scene.portal.call("GET", path, key=key, params={"type": 1})
        there["links"] = sum(one["sharedLink"]["title"] == "For outsiders" for one in links)
        return [f"{what}: {many}" for what, many in there.items() if many != 1]


class Upload:
    """A client's upload is copied, into a folder that is made for it."""

    made = ("copy", "folder")

    def __init__(self, portal: Portal, keepers: Make, store: str) -> None:
        self.rooms = Rooms(portal)
        self.inside = portal.folders(self.rooms.client, ["Offers"])["Offers"]
        self.keeper = keepers(portal, self.rooms.keeper_key, [copy_uploads(self.rooms)], store=store, **slow())

    def begin(self) -> None:
        self.keeper.register()
        self.rooms.upload("Offer.docx", b"an offer", folder=self.inside)

    def made_twice(self) -> list[str]:
        return [str(one) for pair in self.rooms.missing_and_doubled() for one in pair]


class Deal:
    """A deal's files are archived into a folder that is made for them, and the deal has a note."""

    made = ("archive folder", "deal's note")

    def __init__(self, portal: Portal, keepers: Make, store: str) -> None:
        self.scene = ClosingDeals(portal)
        self.scene.upload("Offer.docx")
        others = {"hubspot": self.scene.connection("hubspot")}
        automation = self.scene.automation(NOTE)
        self.keeper = keepers(portal, self.scene.keeper_key, [automation], others=others, store=store, **slow())
        self.deal = self.scene.deal()

    def begin(self) -> None:
        self.scene.close(self.keeper, self.deal, "hubspot")

    def made_twice(self) -> list[str]:
        folders = self.scene.portal.call("GET", f"/files/{self.scene.archive}")["folders"]
        there = {"folders": len(folders), "notes": len(self.scene.notes(self.deal))}
        there["files"] = len(self.scene.portal.tree(self.scene.archive))
        return [f"{what}: {many}" for what, many in there.items() if many != 1]


def slow() -> dict[str, Any]:
    return {"top": {"settle_after": f"{SETTLE_AFTER}s"}}


CREATIONS: Sequence[tuple[type[Any], str]] = [(job, what) for job in (Ticket, Upload, Deal) for what in job.made]
each_creation = pytest.mark.parametrize("creation", CREATIONS, ids=lambda one: f"{one[0].__name__} {one[1]}")


@each_creation
@pytest.mark.parametrize("seconds", LATE)
def test_what_is_made_after_its_answer_was_lost_is_made_once(
    portal: Portal, keepers: Make, creation: tuple[type[Any], str], seconds: float
) -> None:
    job, what = creation
    it = job(portal, keepers, "./var")
    it.keeper.start()
    be_late(portal, what, seconds)

    it.begin()
    runs = it.keeper.settle()

    assert was_late(portal)
    assert {one["state"] for one in runs} == {"done"}
    assert it.made_twice() == []


#: Of what is made by a creation whose twin appears late: whether ours is taken back, for nothing is in it.
IS_TAKEN_BACK = {
    "room": True,
    "folder": True,
    "archive folder": True,
    "link": True,
    "note": False,
    "deal's note": False,
}


@pytest.mark.parametrize(
    "creation", [one for one in CREATIONS if one[1] in IS_TAKEN_BACK], ids=lambda one: f"{one[0].__name__} {one[1]}"
)
def test_what_appears_later_than_a_service_may_take_is_seen_and_put_right(
    portal: Portal, keepers: Make, creation: tuple[type[Any], str]
) -> None:
    """The second request is under way when the first, which was taken for lost, has its effect."""
    job, what = creation
    it = job(portal, keepers, "./var")
    it.keeper.start()
    method, path = MADE_BY[what]
    late = {"kind": "late", "method": method, "path": path, "seconds": SETTLE_AFTER + 2, "times": 1}
    again = 4 if creation == (Ticket, "folder") else 2  # three folders are asked for at once, and one of them again
    slow = {"kind": "delay", "method": method, "path": path, "seconds": 5, "every": again, "times": 1}
    portal.direct("PUT", "/faults", json=[slow, late])

    it.begin()
    runs = it.keeper.settle()

    assert [one["done"] for one in portal.direct("GET", "/faults")] == [1, 1]
    assert {one["state"] for one in runs} == {"done"}
    if IS_TAKEN_BACK[what]:
        assert it.made_twice() == []
    else:
        assert it.made_twice() == ["notes: 2"]
        (run,) = runs
        told = it.keeper.ask("runs", "show", str(run["id"]))
        assert "was taken for lost" in str(told)


@pytest.mark.crash
@each_creation
@pytest.mark.parametrize("seconds", sized(LATE, [14]))
def test_what_is_made_after_we_were_killed_is_made_once(
    portal: Portal, keepers: Make, creation: tuple[type[Any], str], seconds: float, store_address: str
) -> None:
    """Killed between the request and its effect, and started again at once."""
    job, what = creation
    it = job(portal, keepers, store_address)
    it.keeper.start_apart()
    be_late(portal, what, seconds)

    it.begin()
    until(lambda: was_late(portal))
    it.keeper.kill()
    it.keeper.start_apart()
    runs = it.keeper.settle()

    assert {one["state"] for one in runs} == {"done"}
    assert it.made_twice() == []
