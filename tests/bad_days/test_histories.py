"""Whatever happens to files and to us, in whatever order: the portal's state, the proof and the ledger agree.

A world is a room with many folders, and each folder has a history: what people upload, overwrite, rename, move and
delete in it. What happens to us (answers and deliveries that are lost, operations that vanish, outages, restarts,
kills) happens in the middle of all of them. Everything is drawn from the world's number. The oracle is what lies in
the pretend portal at the end, and every upload differs from every other.

Our own driver and not a state machine of Hypothesis: a history takes seconds, whose simplest examples are all alike,
and fifty of them side by side take no longer than one.
"""

import json
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
from stage import Keeper, Portal, Rooms, copy_uploads, next_second, sized, until

from roomkeeper.store.tables import events

Make = Callable[..., Keeper]
HISTORIES, ROUNDS = 50, 8
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


class World:
    """A room with many histories, and a service to which much happens."""

    def __init__(self, rooms: Rooms, keeper: Keeper, random: Random) -> None:
        self.rooms, self.keeper, self._random = rooms, keeper, random
        self.histories = [History(f"History {one}", rooms, Random(random.random())) for one in range(HISTORIES)]
        self.happened: list[str] = []

    def play(self) -> None:
        """Let people work and things happen, and then everything come to rest."""
        for number in range(ROUNDS):
            self.happened.append(f"--- round {number}, {time.strftime('%H:%M:%S')}")
            self._let_something_happen()
            half = len(self.histories) // 2
            for one in self.histories[:half]:
                one.go_on()
            self._let_something_happen()
            for one in self.histories[half:]:
                one.go_on()
            # The id of a file that was deleted for good comes again: only moments tell two files apart.
            deleted = [one for one in self.histories if one.delete_for_good()]
            if deleted:
                next_second()
        self._come_to_rest()

    def _let_something_happen(self) -> None:
        things = [self._lose_calls, self._lose_deliveries, self._let_operations_vanish, self._stop_the_portal]
        things += [self._restart, self._kill, self._kill_when_busy, self._get_well, self._search]
        chosen = self._random.choice(things)
        self.happened.append(chosen.__name__.strip("_"))
        chosen()

    def _lose_calls(self) -> None:
        self._fault(self._random.choice(LOSSES))

    def _stop_the_portal(self) -> None:
        self._fault(OUTAGE)

    def _fault(self, *faults: dict[str, Any]) -> None:
        """Have these happen to our calls, and not to those of people."""
        mine = [one | {"key": self.rooms.keeper_key} for one in faults]
        self.happened.append(f"  {faults}")
        self.rooms.portal.direct("PUT", "/faults", json=mine)

    def _lose_deliveries(self) -> None:
        self._switch_hooks(on=False)

    def _switch_hooks(self, *, on: bool) -> None:
        for hook in self.rooms.portal.direct("GET", "/webhooks"):
            self.rooms.portal.direct("PUT", "/webhooks", json={"id": hook["id"], "enabled": on})

    def _let_operations_vanish(self) -> None:
        wanted = {"vanish_every": 2, "vanish_after": self._random.choice([0, 1, None]), "seconds_per_item": 0.02}
        self.rooms.portal.direct("PUT", "/operations", json=wanted)

    def _restart(self) -> None:
        self.keeper.stop()
        self.keeper.start_apart()

    def _kill(self) -> None:
        self.keeper.kill()
        self.keeper.start_apart()

    def _kill_when_busy(self) -> None:
        time.sleep(self._random.random() * 2)
        self._kill()

    def _get_well(self) -> None:
        self._fault()
        self._switch_hooks(on=True)
        wanted = {"vanish_every": 0, "seconds_per_item": 0.001}
        self.rooms.portal.direct("PUT", "/operations", json=wanted)

    def _search(self) -> None:
        self.keeper.ask("reconcile", codes=(0, 1, 3))

    def _come_to_rest(self) -> None:
        self._get_well()
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
        return "\n".join([*self.happened, *played, "", *lines])


@pytest.mark.long
@pytest.mark.parametrize("number", range(sized(200, 1)))
def test_state_proof_and_ledger_agree_after_whatever_happened(number: int, portal: Portal, keepers: Make) -> None:
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)], keep_webhook=False)
    keeper.start_apart()
    keeper.register()
    world = World(rooms, keeper, Random(number))

    world.play()

    found = world.disagreements()
    if found:
        (keeper.folder / "history.txt").write_text(world.told() + "\n" + keeper.log())
    assert found == [], f"world {number}; what was played is in {keeper.folder / 'history.txt'}"
