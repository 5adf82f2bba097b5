"""The pretend portal does what a real one was seen to do (`recorded/facts.json`, DocSpace 3.7.2, by probe)."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from stage import simulated_portal, until

from roomkeeper.demo import Portal
from roomkeeper.docspace import titles

FACTS: dict[str, Any] = json.loads((Path(__file__).parent / "recorded/facts.json").read_text())
NONE = 999999999
ACCESSES = range(13)


class Recorded:
    """The portal that was recorded: accounts by the names that the facts have for them."""

    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        kinds = {"keeper": "room_admin", "other": "room_admin", "user": "user", "guest": "guest"}
        made = {who: self._account(who, kind) for who, kind in kinds.items()}
        self.ids = {who: one["id"] for who, one in made.items()} | {"group": "0b5e1f0c-0000-4000-8000-00000000beef"}
        self.keys = {who: one["key"] for who, one in made.items()} | {"owner": portal.owner}
        for scope in FACTS["keys.scopes"]["scopes"]:
            self.keys[scope] = self._account(scope, "room_admin", None if scope == "full" else [scope])["key"]
        self.direct("POST", "/groups", {"id": self.ids["group"], "name": "group", "members": [self.ids["user"]]})

    def _account(self, who: str, kind: str, permissions: list[str] | None = None) -> Any:
        wanted = {"name": who, "email": f"{who}@x.example", "kind": kind, "permissions": permissions}
        return self.direct("POST", "/users", wanted)

    def direct(self, method: str, path: str, body: object) -> Any:
        return self.portal.direct(method, path, json=body)

    def ask(self, who: str, method: str, path: str, **request: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.keys[who]}", **request.pop("headers", {})}
        url = f"{self.portal.url}/api/2.0{path}"
        return self.portal.http.request(method, url, headers=headers, **request)

    def made(self, who: str, method: str, path: str, **request: Any) -> Any:
        answer = self.ask(who, method, path, **request)
        assert answer.status_code == 200, answer.text
        return answer.json()["response"]

    def room(self, type_: int = 5, *, by: str = "keeper", title: str = "room") -> int:
        room: int = self.made(by, "POST", "/files/rooms", json={"title": title, "roomType": type_})["id"]
        return room

    def file(self, folder: int, title: str, content: bytes = b"content") -> int:
        made = self.made("keeper", "POST", f"/files/{folder}/upload", files={"file": (title, content)})
        number: int = (made[0] if isinstance(made, list) else made)["id"]
        return number

    def versions(self, folder: int) -> list[list[Any]]:
        listed = self.made("keeper", "GET", f"/files/{folder}")["files"]
        return sorted([one["title"], one["version"]] for one in listed)


@pytest.fixture(scope="module")
def recorded() -> Iterator[Recorded]:
    with simulated_portal() as portal:
        yield Recorded(portal)


def _ids(room: int, file: int, keeper: str, call: str) -> tuple[str, str]:
    method, path = call.split(" ", 1)
    named = {"ROOM": room, "FILE": file, "NONE": NONE, "KEEPER": keeper}
    return method, "/".join(str(named.get(part, part)) for part in path.split("/"))


@pytest.mark.parametrize("group", FACTS["keys.scopes"]["let through"], ids=lambda group: group["calls"][0])
def test_a_key_s_scopes_let_through_what_they_let_through_on_the_portal(
    recorded: Recorded, group: dict[str, Any]
) -> None:
    """Probe keys.scopes: a missing scope is a 403 without a body."""
    room = recorded.room(by="owner")
    file = recorded.made("owner", "POST", f"/files/{room}/upload", files={"file": ("a.txt", b"a")})[0]["id"]

    for call in group["calls"]:
        method, path = _ids(room, file, recorded.ids["keeper"], call)
        body = {} if method == "GET" else {"json": {}}
        refused = {
            scope
            for scope in FACTS["keys.scopes"]["scopes"]
            if (answer := recorded.ask(scope, method, path, **body)).status_code in {401, 403} and not answer.content
        }
        assert set(FACTS["keys.scopes"]["scopes"]) - refused == set(group["by"]), call


@pytest.mark.parametrize("type_", FACTS["share.values"])
def test_a_room_takes_the_accesses_that_rooms_of_its_type_take(recorded: Recorded, type_: str) -> None:
    """Probe share.values: each access for a room admin, a user, a guest and a group; the others are 403."""
    room = recorded.room(int(type_))

    for who, taken in FACTS["share.values"][type_].items():
        whom = {"email": "guest@x.example"} if who == "guest" else {"id": recorded.ids[who]}
        statuses = {
            access: recorded.ask(
                "keeper",
                "PUT",
                f"/files/rooms/{room}/share",
                json={"invitations": [whom | {"access": access}], "notify": False},
            ).status_code
            for access in ACCESSES
        }
        assert statuses == {access: 200 if access in taken else 403 for access in ACCESSES}, who


@pytest.mark.parametrize("type_", FACTS["links"])
@pytest.mark.parametrize("kind", ["invitation", "external"])
def test_a_room_makes_the_links_that_rooms_of_its_type_make(recorded: Recorded, type_: str, kind: str) -> None:
    """Probe links: a link, a 200 without one, or a 403."""
    expected = FACTS["links"][type_][kind]

    for access in ACCESSES:
        room = recorded.room(int(type_))
        wanted = {"access": access, "linkType": 1 if kind == "external" else 0, "title": "x"}
        answer = recorded.ask("keeper", "PUT", f"/files/rooms/{room}/links", json=wanted)
        if access in expected["made"]:
            assert answer.json()["response"]["sharedLink"]["shareLink"], access
        elif access in expected["nothing"]:
            assert (answer.status_code, answer.json().get("response")) == (200, None), access
        else:
            assert answer.status_code == 403, access


@pytest.mark.parametrize(("given", "stored"), FACTS["rooms.titles"])
def test_a_room_s_title_is_stored_as_it_was_seen_to_be(recorded: Recorded, given: str, stored: str) -> None:
    made = recorded.made("keeper", "POST", "/files/rooms", json={"title": given, "roomType": 5})

    assert made["title"] == stored


def test_folders_titles_are_stored_as_they_were_seen_to_be(recorded: Recorded) -> None:
    room = recorded.room()

    for given, stored in FACTS["folders.titles"]:
        made = recorded.made("keeper", "POST", f"/files/folder/{room}", json={"title": given})
        assert made["title"] == stored


def test_renamed_files_get_the_titles_that_they_were_seen_to_get(recorded: Recorded) -> None:
    """Probe file.rename: one file renamed again and again; a blank title leaves the one it has."""
    room = recorded.room()
    file = recorded.file(room, "first.docx")

    for given, stored in FACTS["file.rename"]:
        renamed = recorded.made("keeper", "PUT", f"/files/file/{file}", json={"title": given, "lastVersion": 0})
        assert renamed["title"] == stored, given


@pytest.mark.parametrize("name", FACTS["ops.conflicts"])
def test_a_namesake_fares_as_it_was_seen_to_fare(recorded: Recorded, name: str) -> None:
    """Probe ops.conflicts: what 0 (skip), 1 (overwrite) and 2 (duplicate) leave on both sides."""
    what, policy = name.split()
    expected = FACTS["ops.conflicts"][name]
    source, dest = recorded.room(title=name), recorded.room(title="dest")
    file = recorded.file(source, "x.docx", b"source")
    recorded.file(dest, "x.docx", b"there already")

    body = {"fileIds": [file], "destFolderId": dest, "conflictResolveType": int(policy), "deleteAfter": False}
    started = recorded.made("keeper", "PUT", f"/files/fileops/{what}", json=body | {"returnSingleOperation": True})[0]
    ended: dict[str, Any] = {}

    def over() -> bool:
        listed = recorded.made("keeper", "GET", "/files/fileops", params={"id": started["id"]})
        ended.update(next((one for one in listed if one["id"] == started["id"]), {}))
        return bool(ended.get("finished"))

    until(over)
    counts = {"processed": ended["processed"], **{side: len(ended.get(side) or []) for side in ("files", "folders")}}
    there = recorded.ask("keeper", "GET", f"/files/file/{file}")
    assert counts == expected["end"]
    assert recorded.versions(dest) == expected["dest"]
    assert recorded.versions(source) == expected["source"]
    assert there.status_code == int(expected["source by its id"][0][:3])


def test_lengths_are_written_as_they_were_seen_to_be(recorded: Recorded) -> None:
    room = recorded.room()

    for size, text in FACTS["upload.single"].items():
        made = recorded.made(
            "keeper", "POST", f"/files/{room}/upload", files={"file": (f"{size}.bin", b"x" * int(size))}
        )
        assert (made[0]["contentLength"], made[0]["pureContentLength"]) == (text, int(size))


@pytest.mark.parametrize("one", FACTS["envelope.errors"], ids=lambda one: one["what"])
def test_a_request_is_refused_as_it_was_seen_to_be(recorded: Recorded, one: dict[str, Any]) -> None:
    """Probe envelope.errors: the status, the shape of the body, its message and the fields that it names."""
    method, path = one["call"].split(" ", 1)
    path = path.replace("ROOM", str(recorded.room())).replace("PRIVATE", str(recorded.room(by="owner")))

    answer = recorded.ask(one["as"], method, path, **_request(one))

    assert answer.status_code == one["status"]
    if one["status"] < 400:
        return
    said = answer.json() if answer.content else None
    assert (sorted(said) if isinstance(said, dict) else None) == one["keys"]
    if "error" in one:
        assert said["error"]["message"] == one["error"]
    if "fields" in one:
        assert sorted(said.get("errors") or said["response"]["errors"]) == one["fields"]


def _request(one: dict[str, Any]) -> dict[str, Any]:
    body = one.get("body")
    if body is None:
        return {}
    if isinstance(body, dict) and "raw" in body:
        kind = one.get("type", "application/json")
        return {"content": body["raw"].encode(), "headers": {"Content-Type": kind} if kind else {}}
    return {"json": body}


def _pairs_of_titles() -> list[tuple[str, str]]:
    """Make 200 pairs: a hundred letters beside what they weigh, and a hundred beside what another letter weighs."""
    table = json.loads((Path(titles.__file__).parent / "weights.json").read_text("utf-8"))
    letters = random.Random(12).sample(list(zip(table["letters"], table["weights"], strict=True)), 100)  # any will do
    alike = [(f"Plan {letter} of 2026.txt", f"plan {weight} OF 2026.txt") for letter, weight in letters]
    others = [(f"Plan {letter}.txt", f"Plan {letters[at - 1][1]}.txt") for at, (letter, _) in enumerate(letters)]
    return alike + others


def test_two_hundred_pairs_of_titles_are_one_or_two_to_portal_and_product_alike(portal: Portal) -> None:
    """A file is copied to where its namesake is, and skipped if they are one (recorded: title-weights.json)."""
    pairs, recorded = _pairs_of_titles(), Recorded(portal)
    source, other = recorded.room(), recorded.room()
    titled = ({"title": f"Folder {number}"} for number in range(len(pairs)))
    folders = [recorded.made("keeper", "POST", f"/files/folder/{other}", json=body)["id"] for body in titled]

    for folder, (title, namesake) in zip(folders, pairs, strict=True):
        recorded.file(folder, namesake)
        body = {"fileIds": [recorded.file(source, title)], "destFolderId": folder, "conflictResolveType": 0}
        recorded.made("keeper", "PUT", "/files/fileops/copy", json=body | {"returnSingleOperation": True})
    until(lambda: all(one["finished"] for one in recorded.made("keeper", "GET", "/files/fileops")))

    there = [recorded.made("keeper", "GET", f"/files/folder/{folder}")["filesCount"] for folder in folders]
    assert [titles.same_title(*pair) for pair in pairs] == [count == 1 for count in there]
    assert there[:100] == [1] * 100
    assert there[100:].count(2) > 80  # some letters weigh what their neighbour in the sample weighs
