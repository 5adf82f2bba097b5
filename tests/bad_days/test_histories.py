"""Whatever happens to files and to us, in whatever order: the portal's state, the proof and the ledger agree.

Hypothesis plays uploads, new versions, twins, renames, moves, deletions, lost deliveries, faults and restarts. The
oracle is this file's own list of what was uploaded, and the pretend portal's state.
"""

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from stage import Keeper, Portal, Rooms, copy_uploads, next_second, sized, until

from roomkeeper.demo import Portal as PretendPortal

Make = Callable[..., Keeper]
STEPS = 8
LOSSES = [
    {"kind": "drop_after", "method": "POST|PUT", "path": "/fileops/", "every": 2, "times": 3},
    {"kind": "drop_before", "path": "/api/2.0/files/", "every": 3, "times": 4},
    {"kind": "status", "status": 503, "path": "/api/2.0/files/", "every": 2, "times": 4, "body": ""},
    {"kind": "status", "status": 429, "path": "/api/2.0/", "every": 3, "times": 3, "headers": {"Retry-After": "1"}},
    {"kind": "truncate", "method": "GET", "path": "/api/2.0/files/", "every": 3, "times": 3},
]


class Histories(RuleBasedStateMachine):
    """One history: what people do in a folder of the client's room."""

    rooms: ClassVar[Rooms]
    keeper: ClassVar[Keeper]
    numbers: ClassVar[Iterator[int]] = itertools.count(1)

    @initialize()
    def begin(self) -> None:
        next_second()  # the id of a file that was deleted for good comes again: only moments tell two histories apart
        self.began = datetime.now(UTC).replace(microsecond=0).isoformat()
        self.name = f"History {next(self.numbers)}"
        self.folders = self.portal.folders(self.rooms.client, [self.name, f"{self.name}/Inner"])
        self.alive: dict[int, str] = {}  # by the file's id: its folder
        self.lost: list[dict[str, Any]] = []  # what happens to our calls, and not to those of people
        self.uploads = 0
        self.played: list[str] = []
        self.runs_before = max((one["id"] for one in self.keeper.runs()), default=0)

    @property
    def portal(self) -> PretendPortal:
        return self.rooms.portal

    def _as_people(self, method: str, path: str, **given: Any) -> Any:
        self.played.append(f"{method} {path} {given.get('json') or given.get('files') or ''}")
        self.portal.direct("PUT", "/faults", json=[])
        done = self.portal.call(method, path, **given)
        self.portal.direct("PUT", "/faults", json=self.lost)
        return done

    def _upload(self, folder: str, title: str, key: str = "") -> None:
        self.uploads += 1
        content = f"{self.name}: upload {self.uploads}".encode()
        files = {"file": (title, content)}
        (made,) = self._as_people("POST", f"/files/{self.folders[folder]}/upload", key=key, files=files)
        self.alive[made["id"]] = folder

    def _place(self, inner: bool) -> str:
        return f"{self.name}/Inner" if inner else self.name

    @rule(title=st.sampled_from(["Offer.docx", "Plan.xlsx", "Ümlaut ß.txt", "a.b.c"]), inner=st.booleans())
    def upload_or_overwrite(self, title: str, inner: bool) -> None:
        self._upload(self._place(inner), title)  # as the owner, whose second one is a version

    @rule(title=st.sampled_from(["Letter.docx", "Offer.docx"]))
    def upload_as_a_guest(self, title: str) -> None:
        self._upload(self.name, title, self.rooms.guest_key)  # whose second one is a twin

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def rename(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.alive)))
        title = f"Renamed {self.uploads} {number}.docx"
        self._as_people("PUT", f"/files/file/{number}", json={"title": title})

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def move(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.alive)))
        folder = self._place(self.alive[number] == self.name)
        wanted = {"fileIds": [number], "destFolderId": self.folders[folder], "conflictResolveType": 2}
        self._as_people("PUT", "/files/fileops/move", json=wanted)
        self.alive[number] = folder

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), for_good=st.booleans())
    def delete(self, data: st.DataObject, for_good: bool) -> None:
        number = data.draw(st.sampled_from(sorted(self.alive)))
        self._as_people("DELETE", f"/files/file/{number}", json={"immediately": for_good})
        del self.alive[number]

    @rule(lost=st.sampled_from(LOSSES))
    def lose_calls(self, lost: dict[str, Any]) -> None:
        self.lost = [lost]
        self.played.append(f"lose {lost}")
        self.portal.direct("PUT", "/faults", json=self.lost)

    @rule()
    def lose_deliveries(self) -> None:
        self.played.append("lose deliveries")
        for hook in self.portal.direct("GET", "/webhooks"):
            self.portal.direct("PUT", "/webhooks", json={"id": hook["id"], "enabled": False})

    @rule()
    def restart(self) -> None:
        self.played.append("restart")
        self.keeper.stop()
        self.keeper.start()

    def teardown(self) -> None:
        if not hasattr(self, "alive"):
            return
        self.portal.direct("PUT", "/faults", json=[])
        for hook in self.portal.direct("GET", "/webhooks"):
            self.portal.direct("PUT", "/webhooks", json={"id": hook["id"], "enabled": True})
        self.keeper.ask("reconcile")
        until(lambda: all(one["state"] != "new" for one in self.keeper.ask("events", "list", "--limit", "500")))
        self.keeper.settle(lambda: True)
        try:
            self._nothing_is_missing()
            self._nothing_is_doubled()
            self._the_proof_agrees()
        except AssertionError as error:
            error.add_note(self._told())
            raise

    def _told(self) -> str:
        """Say what was played, and what came of it: a rare history may not come a second time."""
        of_it = [one["id"] for one in self.keeper.runs() if one["id"] > self.runs_before]
        runs = [json.dumps(self.keeper.ask("runs", "show", str(one)), ensure_ascii=False) for one in of_it]
        lie = [json.dumps(one, ensure_ascii=False) for one in (*self._there(), *self._copies())]
        events = [line for line in self.keeper.say("events", "list", "--limit", "60").splitlines() if line.strip()]
        return "\n".join(["", *self.played, "", *lie, "", *events, "", *runs])

    def _copies(self) -> list[dict[str, Any]]:
        return [one for one in self.portal.tree(self.rooms.internal) if one["path"][:1] == [self.name]]

    def _there(self) -> list[dict[str, Any]]:
        return [one for one in self.portal.tree(self.rooms.client) if one["path"][:1] == [self.name]]

    def _nothing_is_missing(self) -> None:
        """The newest version of each file that is there has been copied."""
        copied = {digest for one in self._copies() for digest in one["digests"]}
        missing = [(one["id"], one["title"]) for one in self._there() if one["digests"][-1] not in copied]
        assert missing == []

    def _nothing_is_doubled(self) -> None:
        """All uploads differ, so each digest is among the copies once."""
        counted = Counter(digest for one in self._copies() for digest in one["digests"])
        assert [digest for digest, many in counted.items() if many > 1] == []

    def _the_proof_agrees(self) -> None:
        proof = self.keeper.ask("prove", "copy-client-uploads", "--since", "1h", codes=(0, 1, 3))
        assert proof["counts"].get("unaccounted", 0) == 0, proof
        assert proof["blind"] == []
        there = {str(one["id"]) for one in self._there()}
        failed = [one for one in proof["lines"] if one["outcome"] == "failed"]
        wrong = [one for one in failed if one["at"] >= self.began and there & set(one["subject"].split())]
        runs = [self.keeper.ask("runs", "show", str(one["run"])) for one in wrong]
        assert not wrong, (wrong, [(one["error"], [step["items"] for step in one["steps"]]) for one in runs])


@pytest.mark.long
def test_state_proof_and_ledger_agree_after_whatever_happened(portal: Portal, keepers: Make) -> None:
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)], keep_webhook=False)
    keeper.start()
    keeper.register()
    Histories.rooms, Histories.keeper = rooms, keeper
    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=sized(10_000, 8),
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
