"""Whatever happens to files and to us, in whatever order: the portal's state, the proof and the ledger agree.

Hypothesis plays uploads, new versions, twins, renames, moves, deletions, lost deliveries, faults, outages, stops and
kills. A hundred histories are played at once, each in a folder of its own: what people do, they do in some of them, and
what happens to us happens to all. The oracle is this file's own list of what was uploaded, and the pretend portal's
state.
"""

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from stage import Keeper, Portal, Rooms, copy_uploads, next_second, sized, until

from roomkeeper.demo import Portal as PretendPortal
from roomkeeper.desk.history import History as Told

Make = Callable[..., Keeper]
BESIDE = 100  # histories that are played at once
SOME = 12  # of them something is done in at a time
STEPS = 60
LOSSES = [
    {"kind": "drop_after", "method": "POST|PUT", "path": "/fileops/", "every": 2, "times": 3},
    {"kind": "drop_before", "path": "/api/2.0/files/", "every": 3, "times": 4},
    {"kind": "status", "status": 503, "path": "/api/2.0/files/", "every": 2, "times": 4, "body": ""},
    {"kind": "status", "status": 429, "path": "/api/2.0/", "every": 3, "times": 3, "headers": {"Retry-After": "1"}},
    {"kind": "truncate", "method": "GET", "path": "/api/2.0/files/", "every": 3, "times": 3},
    {"kind": "status", "status": 503, "path": "/", "times": 12, "body": ""},
]


@dataclass
class History:
    """What people do in one folder of the client's room, and in the one within it."""

    name: str
    folders: dict[str, int]
    alive: dict[int, str] = field(default_factory=dict)  # by the file's id: its folder
    played: list[str] = field(default_factory=list)
    uploads: int = 0

    def place(self, inner: bool) -> str:
        return f"{self.name}/Inner" if inner else self.name


CHANCE = st.randoms(use_true_random=True)  # nothing of it is made smaller


class Histories(RuleBasedStateMachine):
    """Histories that are played side by side.

    Hypothesis often begins with the rule of fewest arguments whose name comes first: that should be one that does much.
    """

    rooms: ClassVar[Rooms]
    keeper: ClassVar[Keeper]
    numbers: ClassVar[Iterator[int]] = itertools.count(1)
    judged: ClassVar[dict[str, int]] = {}  # by name, with how much was done in it

    @initialize()
    def begin(self) -> None:
        next_second()  # the id of a file that was deleted for good comes again: only moments tell two histories apart
        self.began = datetime.now(UTC).replace(microsecond=0).isoformat()
        self.lost: list[dict[str, Any]] = []  # what happens to our calls, and not to those of people
        self.happened: list[str] = []
        self.histories = [self._history(f"History {next(self.numbers)}") for _ in range(BESIDE)]

    def _history(self, name: str) -> History:
        return History(name, self.portal.folders(self.rooms.client, [name, f"{name}/Inner"]))

    @property
    def portal(self) -> PretendPortal:
        return self.rooms.portal

    def _as_people(self, history: History, method: str, path: str, **given: Any) -> Any:
        history.played.append(f"{method} {path} {given.get('json') or given.get('files') or ''}")
        self.happened.append(history.played[-1])
        self.portal.direct("PUT", "/faults", json=[])
        done = self.portal.call(method, path, **given)
        self.portal.direct("PUT", "/faults", json=self.lost)
        return done

    def _upload(self, history: History, folder: str, title: str, key: str = "") -> None:
        history.uploads += 1
        content = f"{history.name}: upload {history.uploads}".encode()
        files = {"file": (title, content)}
        (made,) = self._as_people(history, "POST", f"/files/{history.folders[folder]}/upload", key=key, files=files)
        history.alive[made["id"]] = folder

    def _some(self, chance: Random) -> list[History]:
        return chance.sample(self.histories, SOME)

    def _some_files(self, chance: Random) -> list[tuple[History, int]]:
        return [(one, chance.choice(sorted(one.alive))) for one in self._some(chance) if one.alive]

    @rule(chance=CHANCE)
    def client_uploads(self, chance: Random) -> None:
        for history in self._some(chance):  # a second one of the same title is a twin
            self._upload(history, history.name, chance.choice(["Letter.docx", "Offer.docx"]), self.rooms.guest_key)

    @rule(chance=CHANCE)
    def colleague_uploads(self, chance: Random) -> None:
        for history in self._some(chance):  # as the owner, whose second one is a version
            title = chance.choice(["Offer.docx", "Plan.xlsx", "Ümlaut ß.txt", "a.b.c"])
            self._upload(history, history.place(chance.random() < 0.5), title)

    @rule(chance=CHANCE)
    def rename(self, chance: Random) -> None:
        for history, number in self._some_files(chance):
            title = f"Renamed {history.uploads} {number}.docx"
            self._as_people(history, "PUT", f"/files/file/{number}", json={"title": title})

    @rule(chance=CHANCE)
    def move(self, chance: Random) -> None:
        for history, number in self._some_files(chance):
            folder = history.place(history.alive[number] == history.name)
            wanted = {"fileIds": [number], "destFolderId": history.folders[folder], "conflictResolveType": 2}
            self._as_people(history, "PUT", "/files/fileops/move", json=wanted)
            history.alive[number] = folder

    @rule(chance=CHANCE)
    def delete(self, chance: Random) -> None:
        for history, number in self._some_files(chance):
            immediately = chance.random() < 0.5
            self._as_people(history, "DELETE", f"/files/file/{number}", json={"immediately": immediately})
            del history.alive[number]

    @rule(lost=st.sampled_from(LOSSES))
    def lose_calls(self, lost: dict[str, Any]) -> None:
        self.lost = [lost]
        self.happened.append(f"lose {lost}")
        self.portal.direct("PUT", "/faults", json=self.lost)

    @rule(delivers=st.booleans())
    def webhook_changes(self, delivers: bool) -> None:
        self.happened.append(f"the webhook delivers: {delivers}")
        self._have_it_delivered(delivers)

    def _have_it_delivered(self, delivers: bool) -> None:
        for hook in self.portal.direct("GET", "/webhooks"):
            self.portal.direct("PUT", "/webhooks", json={"id": hook["id"], "enabled": delivers})

    @rule(killed=st.booleans())
    def restart(self, killed: bool) -> None:
        self.happened.append("kill" if killed else "stop")
        if killed:
            self.keeper.kill()
        self.keeper.stop()
        self.keeper.start_apart()

    def teardown(self) -> None:
        if not hasattr(self, "histories"):
            return
        self.portal.direct("PUT", "/faults", json=[])
        self._have_it_delivered(True)
        self.keeper.ask("reconcile")
        until(lambda: not Told(self.keeper.opened()).counts()["events_waiting"])
        self.keeper.settle(lambda: True)
        there, copies = self.portal.tree(self.rooms.client), self.portal.tree(self.rooms.internal)
        failed = self._failed_by_the_proof()
        for history in self.histories:
            mine = [one for one in there if one["path"][:1] == [history.name]]
            its_copies = [one for one in copies if one["path"][:1] == [history.name]]
            try:
                _nothing_is_missing(mine, its_copies)
                _nothing_is_doubled(its_copies)
                self._the_proof_agrees(mine, failed)
            except AssertionError as error:
                error.add_note(self._told(history, mine, its_copies))
                raise
        self.judged.update({one.name: len(one.played) for one in self.histories if one.played})

    def _told(self, history: History, there: list[Any], copies: list[Any]) -> str:
        """Say what was played, and what came of it: a rare history may not come a second time."""
        ids = {str(one["id"]) for one in there}
        runs = [one for one in self.keeper.runs() if ids & {word for about in one["about"] for word in about.split()}]
        shown = [json.dumps(self.keeper.ask("runs", "show", str(one["id"])), ensure_ascii=False) for one in runs]
        lie = [json.dumps(one, ensure_ascii=False) for one in (*there, *copies)]
        events = [line for line in self.keeper.say("events", "list", "--limit", "200").splitlines() if line.strip()]
        return "\n".join(["", *history.played, "", *self.happened, "", *lie, "", *events, "", *shown])

    def _failed_by_the_proof(self) -> list[dict[str, Any]]:
        proof = self.keeper.ask("prove", "copy-client-uploads", "--since", "1h", codes=(0, 1, 3))
        assert proof["counts"].get("unaccounted", 0) == 0, proof
        assert proof["blind"] == []
        return [one for one in proof["lines"] if one["outcome"] == "failed" and one["at"] >= self.began]

    def _the_proof_agrees(self, there: list[Any], failed: list[dict[str, Any]]) -> None:
        ids = {str(one["id"]) for one in there}
        wrong = [one for one in failed if ids & set(one["subject"].split())]
        runs = [self.keeper.ask("runs", "show", str(one["run"])) for one in wrong]
        assert not wrong, (wrong, [(one["error"], [step["items"] for step in one["steps"]]) for one in runs])


def _nothing_is_missing(there: list[Any], copies: list[Any]) -> None:
    """The newest version of each file that is there has been copied."""
    copied = {digest for one in copies for digest in one["digests"]}
    assert [(one["id"], one["title"]) for one in there if one["digests"][-1] not in copied] == []


def _nothing_is_doubled(copies: list[Any]) -> None:
    """All uploads differ, so each digest is among the copies once."""
    counted = Counter(digest for one in copies for digest in one["digests"])
    assert [digest for digest, many in counted.items() if many > 1] == []


@pytest.mark.long
@pytest.mark.parametrize("part", range(sized(50, 1)))
def test_state_proof_and_ledger_agree_after_whatever_happened(portal: Portal, keepers: Make, part: int) -> None:
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)], keep_webhook=False)
    keeper.start_apart()
    keeper.register()
    Histories.rooms, Histories.keeper, Histories.judged = rooms, keeper, {}
    while len(Histories.judged) < sized(200, 60):
        run_state_machine_as_test(
            Histories,
            settings=settings(
                max_examples=2,
                stateful_step_count=STEPS,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                database=None,
                phases=[Phase.generate],  # what happens depends on the moment, too: it is told, and not made smaller
            ),
        )
    print(f"part {part}: {len(Histories.judged)} histories, {sum(Histories.judged.values())} deeds, no disagreement")
