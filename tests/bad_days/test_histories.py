"""Whatever happens to files and to us, in whatever order: the portal's state, the proof and the ledger agree.

A world is a room with many folders, and each folder has a history: what people upload, overwrite, rename, move and
delete in it. What happens to us (answers and deliveries that are lost, operations that vanish, outages, restarts,
kills) happens in the middle of all of them. Everything is drawn from the world's number. The oracle is what lies in
the pretend portal at the end, and every upload differs from every other.

Our own driver and not a state machine of Hypothesis: a history takes seconds, whose simplest examples are all alike,
and fifty of them side by side take no longer than one.
"""

import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from random import Random
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from stage import NOTE, ClosingDeals, Keeper, Portal, Rooms, copy_uploads, next_second, sized, until

from roomkeeper.store.tables import events

Make = Callable[..., Keeper]
HISTORIES, ROUNDS, DEALS, LARGE = 50, 8, 15, 350
TITLES = ["Offer.docx", "Plan.xlsx", "Ümlaut ß.txt", "a.b.c"]
LOSSES: list[dict[str, Any]] = [
    {"kind": "drop_after", "method": "POST|PUT", "path": "/fileops/", "every": 2, "times": 3},
    {"kind": "drop_before", "path": "/api/2.0/files/", "every": 3, "times": 4},
    {"kind": "late", "method": "POST|PUT", "path": "/fileops/", "every": 2, "times": 2, "seconds": 2},
    {"kind": "status", "status": 503, "path": "/api/2.0/files/", "every": 2, "times": 4, "body": ""},
    {"kind": "status", "status": 429, "path": "/api/2.0/", "every": 3, "times": 3, "headers": {"Retry-After": "1"}},
    {"kind": "status", "status": 402, "path": "/api/2.0/", "times": 5},
    {"kind": "status", "status": 500, "path": "/api/2.0/files/", "times": 3},
    {"kind": "truncate", "method": "GET", "path": "/api/2.0/files/", "every": 3, "times": 3},
]
OUTAGE: dict[str, Any] = {"kind": "status", "status": 503, "path": "/", "body": ""}


class History:
    """What people do in a folder of the client's room."""

    def __init__(self, name: str, rooms: Rooms, random: Random) -> None:
        self.name, self._rooms, self._random = name, rooms, random
        self._folders = rooms.portal.folders(rooms.client, [name, f"{name}/Inner"])
        self._alive: dict[int, str] = {}  # by the file's id: its folder
        self._uploads = 0
        self.trashed: set[str] = set()  # folders
        self.played: list[str] = []

    def go_on(self) -> None:
        """Do one of the things that can be done, or nothing."""
        doing = [self._rest, *3 * [self._overwrite], *3 * [self._upload_as_a_guest]]
        doing += [self._rename, self._move, self._trash, self._rename_inner, self._trash_inner]
        self._random.choice(doing)()

    def delete_for_good(self) -> bool:
        """Delete one, so that its id comes again."""
        if not self._alive or self._random.random() > 0.05:
            return False
        number = self._any()
        self._call("DELETE", f"/files/file/{number}", json={"immediately": True})
        del self._alive[number]
        return True

    def _rest(self) -> None:
        """Do nothing."""

    def _overwrite(self) -> None:
        self._upload(self._random.choice(TITLES), self._place(), "")  # as the owner, whose second one is a version

    def _upload_as_a_guest(self) -> None:
        title = self._random.choice(TITLES[:2])
        self._upload(title, self._place(), self._rooms.guest_key)  # whose second one is a twin

    def _rename(self) -> None:
        if self._alive:
            number = self._any()
            with contextlib.suppress(httpx2.HTTPStatusError):  # a move that vanished left it in a folder that is gone
                self._call("PUT", f"/files/file/{number}", json={"title": f"Renamed {self._uploads} {number}.docx"})

    def _move(self) -> None:
        if not self._alive:
            return
        number = self._any()
        folder = f"{self.name}/Inner" if self._alive[number] == self.name else self.name
        wanted = {"fileIds": [number], "destFolderId": self._folders[folder], "conflictResolveType": 2}
        self._call("PUT", "/files/fileops/move", json=wanted)
        self._alive[number] = folder

    def _trash(self) -> None:
        if self._alive:
            number = self._any()
            self._call("DELETE", f"/files/file/{number}", json={"immediately": False})
            del self._alive[number]

    def _rename_inner(self) -> None:
        folder = self._folders[f"{self.name}/Inner"]
        self._call("PUT", f"/files/folder/{folder}", json={"title": f"Inner {self._uploads}"})

    def _trash_inner(self) -> None:
        inner = f"{self.name}/Inner"
        self._call("DELETE", f"/files/folder/{self._folders[inner]}", json={"immediately": False})
        self.trashed.add(str(self._folders[inner]))
        self._alive = {number: place for number, place in self._alive.items() if place != inner}
        made = self._call("POST", f"/files/folder/{self._folders[self.name]}", json={"title": "Inner"})
        self._folders[inner] = made["id"]

    def _upload(self, title: str, place: str, key: str) -> None:
        self._uploads += 1
        content = f"{self.name}: upload {self._uploads}".encode()
        path = f"/files/{self._folders[place]}/upload"
        (made,) = self._call("POST", path, key=key, files={"file": (title, content)})
        self._alive[made["id"]] = place

    def _call(self, method: str, path: str, **given: Any) -> Any:
        self.played.append(f"{method} {path} {given.get('json') or given.get('files') or ''}")
        return self._rooms.portal.call(method, path, **given)

    def _place(self) -> str:
        return self._random.choice([self.name, f"{self.name}/Inner"])

    def _any(self) -> int:
        return self._random.choice(sorted(self._alive))


class Weather:
    """What happens to us, and not to people: the portal cuts their calls short as little as it stops them."""

    def __init__(self, portal: Portal, key: str, keeper: Keeper, random: Random) -> None:
        self._portal, self._key, self._keeper, self._random = portal, key, keeper, random
        self.happened: list[str] = []

    def turn(self) -> None:
        """Let something happen."""
        things = [self._lose_calls, self._lose_deliveries, self._let_operations_vanish, self._stop_the_portal]
        things += [self._restart, self._kill, self._kill_when_busy, self.clear, self._search]
        chosen = self._random.choice(things)
        self.happened.append(f"{time.strftime('%H:%M:%S')} {chosen.__name__.strip('_')}")
        chosen()

    def clear(self) -> None:
        """Let all be well."""
        self._fault()
        self._switch_hooks(on=True)
        self._portal.direct("PUT", "/operations", json={"vanish_every": 0, "seconds_per_item": 0.001})

    def _lose_calls(self) -> None:
        self._fault(self._random.choice(LOSSES))

    def _stop_the_portal(self) -> None:
        self._fault(OUTAGE)

    def _fault(self, *faults: dict[str, Any]) -> None:
        self.happened.append(f"  {faults}")
        self._portal.direct("PUT", "/faults", json=[one | {"key": self._key} for one in faults])

    def _lose_deliveries(self) -> None:
        self._switch_hooks(on=False)

    def _switch_hooks(self, *, on: bool) -> None:
        for hook in self._portal.direct("GET", "/webhooks"):
            self._portal.direct("PUT", "/webhooks", json={"id": hook["id"], "enabled": on})

    def _let_operations_vanish(self) -> None:
        after = self._random.choice([0, 1, None])
        wanted = {"vanish_every": 2, "vanish_after": after, "seconds_per_item": 0.02}
        self._portal.direct("PUT", "/operations", json=wanted)

    def _restart(self) -> None:
        self._keeper.stop()
        self._keeper.start_apart()

    def _kill(self) -> None:
        self._keeper.kill()
        self._keeper.start_apart()

    def _kill_when_busy(self) -> None:
        time.sleep(self._random.random() * 2)
        self._kill()

    def _search(self) -> None:
        self._keeper.ask("reconcile", codes=(0, 1, 3))


class Uploads:
    """A room with many histories, whose files are copied."""

    def __init__(self, rooms: Rooms, keeper: Keeper, random: Random) -> None:
        self.rooms, self.keeper = rooms, keeper
        self.histories = [History(f"History {one}", rooms, Random(random.random())) for one in range(HISTORIES)]
        self.weather = Weather(rooms.portal, rooms.keeper_key, keeper, random)

    def play(self) -> None:
        """Let people work and things happen, and then everything come to rest."""
        for _ in range(ROUNDS):
            half = len(self.histories) // 2
            for some in (self.histories[:half], self.histories[half:]):
                self.weather.turn()
                for one in some:
                    one.go_on()
            deleted = [one for one in self.histories if one.delete_for_good()]
            if deleted:  # their ids come again: only moments tell two files apart
                next_second()
        self.weather.clear()
        next_second()
        self.keeper.ask("reconcile")
        until(lambda: not self._undecided())
        self.keeper.settle(lambda: True)

    def _undecided(self) -> set[str]:
        """Find the folders whose uploads are not yet decided upon; those in the trash may be restored, and wait."""
        trashed = {folder for one in self.histories for folder in one.trashed}
        with self.keeper.opened().read() as connection:
            new = connection.execute(sa.select(events.c.lane).where(events.c.state == "new").distinct()).scalars()
            return set(new) - trashed

    # --- what must hold at the end --------------------------------------------------------------------------------

    def disagreements(self) -> list[str]:
        """Compare the portal, the proof and the runs; gives a sentence for whatever does not fit."""
        portal = self.rooms.portal
        there = portal.tree(self.rooms.client)
        copied = Counter(digest for one in portal.tree(self.rooms.internal) for digest in one["digests"])
        proof = self.keeper.ask("prove", "copy-client-uploads", "--since", "1h", codes=(0, 1, 3))
        return [
            *(f"missing: {one}" for one in there if one["digests"][-1] not in copied),
            *(f"doubled: {digest} is there {many} times" for digest, many in copied.items() if many > 1),
            *(f"blind: {one}" for one in proof["blind"]),
            *(f"unaccounted: {one}" for one in proof["lines"] if one["outcome"] == "unaccounted"),
            *self._wrongly_open(proof, there),
            *self._unproved(proof, there),
        ]

    def _wrongly_open(self, proof: dict[str, Any], there: list[dict[str, Any]]) -> list[str]:
        """A copy may fail or wait because its file has gone; nothing else is a reason.

        The file that has its number now was made later.
        """
        made = {str(one["id"]): datetime.fromisoformat(one["seen_by_portal"]) for one in there}
        open_ = [one for one in proof["lines"] if one["outcome"] in {"failed", "waiting"}]
        return [
            f"{one['outcome']}: {one}"
            for one in open_
            if (file := one["subject"].split()[1]) in made and made[file] <= datetime.fromisoformat(one["at"])
        ]

    def _unproved(self, proof: dict[str, Any], there: list[dict[str, Any]]) -> list[str]:
        """Whatever is there was uploaded, and so the proof has a line that says where its copy is."""
        done = [one["subject"] for one in proof["lines"] if one["outcome"] == "done"]
        return [f"unproved: {one}" for one in there if not any(f"file {one['id']} " in f"{line} " for line in done)]

    def told(self) -> str:
        """Say what was played and what came of it."""
        runs = [self.keeper.ask("runs", "show", str(one["id"])) for one in self.keeper.runs()]
        lies = [*self.rooms.portal.tree(self.rooms.client), *self.rooms.portal.tree(self.rooms.internal)]
        played = [line for one in self.histories for line in ("", one.name, *one.played)]
        lines = [json.dumps(one, ensure_ascii=False) for one in (*lies, *runs)]
        return "\n".join([*self.weather.happened, *played, "", *lines])


@pytest.mark.long
@pytest.mark.parametrize("number", range(sized(200, 1)))
def test_state_proof_and_ledger_agree_after_whatever_happened(number: int, portal: Portal, keepers: Make) -> None:
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)], keep_webhook=False)
    keeper.start_apart()
    keeper.register()
    world = Uploads(rooms, keeper, Random(number))

    world.play()

    _agreed(world.disagreements(), world.told, keeper)


class Deals:
    """Rooms with files, each with a deal that is closed: everything goes into an archive, once, and the guest out."""

    def __init__(self, scenes: ClosingDeals, keeper: Keeper, random: Random) -> None:
        self.scenes, self.keeper, self._random = scenes, keeper, random
        self.weather = Weather(scenes.portal, scenes.keeper_key, keeper, random)
        self._rooms: dict[int, int] = {}  # by the deal's id
        self._files: dict[int, dict[int, list[str]]] = {}  # by the deal's id: digests by the file's id
        for number in range(DEALS):
            room = scenes.room(f"Client {number}")
            scenes.share(room, scenes.guest, 11, by=scenes.keeper_key)
            own = {"docspace_room_id": room, "docspace_guest_id": scenes.guest}
            deal = scenes.deal(company=f"Company {number}", own=own)
            self._rooms[deal] = room
            self._fill(room)
            if number == 0:  # so many that several operations go on at the same time
                size = {"user": scenes.guest, "folders": 3, "files": LARGE}
                scenes.portal.direct("POST", f"/folders/{room}/grow", json=size)
            self._files[deal] = {one["id"]: one["digests"] for one in scenes.portal.tree(room)}

    def _fill(self, room: int) -> None:
        folders = self.scenes.portal.folders(room, ["A", "A/B", "C"])
        for number in range(self._random.randrange(1, 25)):
            title = self._random.choice([*TITLES, f"File {number}.docx"])
            place = self._random.choice([room, *folders.values()])
            twin = {"createNewIfExist": self._random.choice(["true", "false"])}
            self.scenes.portal.call(
                "POST",
                f"/files/{place}/upload",
                key=self.scenes.guest_key,
                params=twin,
                files={"file": (title, f"{room} {number}".encode())},
            )

    def play(self) -> None:
        """Close the deals one after the other, each told more than once, while things happen."""
        deals = list(self._rooms)
        for at, deal in enumerate(deals, start=1):
            for _ in range(self._random.choice([1, 1, 2])):
                self.scenes.close(self.keeper, deal, "hubspot")
            self._tidy_up(deals[:at])
            if self._random.random() < 0.5:
                self.weather.turn()
        self.weather.clear()
        self.keeper.settle(lambda: all(self.scenes.notes(deal) for deal in self._rooms))

    def _tidy_up(self, closed: Sequence[int]) -> None:
        """Let somebody rename a file in a room, or move one in a room that is not being archived yet."""
        deal, room = self._random.choice(list(self._rooms.items()))
        there = self.scenes.portal.tree(room)
        if not there:
            return
        file = self._random.choice(there)["id"]
        if deal in closed:
            self.scenes.portal.call("PUT", f"/files/file/{file}", json={"title": f"Tidied {file}.docx"})
        else:
            wanted = {"fileIds": [file], "destFolderId": room, "conflictResolveType": 2}
            self.scenes.portal.call("PUT", "/files/fileops/move", json=wanted)

    def disagreements(self) -> list[str]:
        """Compare the rooms and the archive; gives a sentence for whatever is not as it must be."""
        archived = self.scenes.portal.tree(self.scenes.archive)
        there = {one["id"]: one for one in archived}
        wrong = [f"run {one['id']} is {one['state']}" for one in self.keeper.runs() if one["state"] != "done"]
        for number, (deal, room) in enumerate(self._rooms.items()):
            wrong += [f"left in {room}: {one}" for one in self.scenes.portal.tree(room)]
            for file, digests in self._files[deal].items():
                one = there.get(file)
                if one is None or one["digests"] != digests or one["path"][:1] != [f"Company {number}"]:
                    wrong.append(f"file {file} of {room}: {one}")
            if len(notes := self.scenes.notes(deal)) != 1:
                wrong.append(f"deal {deal}: {len(notes)} notes")
            if self.scenes.guest in self.scenes.portal.direct("GET", f"/rooms/{room}/members"):
                wrong.append(f"the guest is still in room {room}")
        if len(archived) != sum(map(len, self._files.values())):
            wrong.append(f"{len(archived)} files are in the archive")
        proof = self.keeper.ask("prove", "archive-closed-deal", "--since", "1h", codes=(0, 1, 3))
        return wrong + [f"proof: {one}" for one in proof["lines"] if one["outcome"] != "done"]

    def told(self) -> str:
        """Say what was played and what came of it."""
        runs = [self.keeper.ask("runs", "show", str(one["id"])) for one in self.keeper.runs()]
        return "\n".join([*self.weather.happened, "", *(json.dumps(one, ensure_ascii=False) for one in runs)])


@pytest.mark.long
@pytest.mark.parametrize("layout", ["flat", "tree"])
@pytest.mark.parametrize("number", range(sized(50, 1)))
def test_rooms_are_archived_once_and_whole_whatever_happened(
    number: int, layout: str, portal: Portal, keepers: Make
) -> None:
    scenes = ClosingDeals(portal)
    others = {"hubspot": scenes.connection("hubspot")}
    keeper = keepers(portal, scenes.keeper_key, [scenes.automation(NOTE, layout=layout)], others=others)
    keeper.start_apart()
    world = Deals(scenes, keeper, Random(number))

    world.play()

    _agreed(world.disagreements(), world.told, keeper)


def _agreed(disagreements: list[str], told: Callable[[], str], keeper: Keeper) -> None:
    if disagreements:
        (keeper.folder / "history.txt").write_text(f"{told()}\n{keeper.log()}")
    assert disagreements == [], f"what was played is in {keeper.folder / 'history.txt'}"
