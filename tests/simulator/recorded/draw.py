"""Draw the calls of a portal's recording, to be played against the pretend one: `python draw.py RECORDING.json.gz`.

Writes a file for each probe into `probes/`, a line for each call: who asks what, and what was answered. What names a
thing that an earlier answer gave is written as that thing ("{file 2}"), so that it can be asked of another portal. Of
an answer stand its status, the kind of its body, its message, the names of its fields (which many answers share, in
`fields.json`) and what it shows that is the same on another portal. `await` is what was asked until it had ended,
`look` what was asked for the sake of ids only, `more` the bodies of the same call again.
"""

import collections
import gzip
import itertools
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Line = dict[str, Any]
Fields = dict[tuple[str, ...], str]

HERE = Path(__file__).parent
API = "/api/2.0"
BLANKED = "\u2026"  # stands for a secret
RUN = "probe-1"  # as long as the name of a run, which the titles begin with
#: Of one set-up: these go on with what the other made.
GO_ON = {"ops.batch": "folder.big", "ops.terminate": "folder.big"}
#: Whose webhooks are told of what they do themselves: what was delivered is drawn, too.
DELIVERED = {"hooks.events", "hooks.failures", "hooks.burst"}
#: Whose facts, thousands of them by a rule, are played by a test of their own (`test_as_recorded.py`).
NOT_DRAWN = {"keys.scopes", "share.values", "links"}
UNKNOWN = 50  # numbers that a call has as they stood in the recording: the answer that named them is cut there
#: Where the things of all probes are.
SHARED = r"/files/(@|rooms$|1$|folder/1$)|/files/rooms\?|/people/(filter|status)|/settings/webhook$|/security/|/keys$"
#: Fields that were in some answers and not in others, in one and the same loop.
RACED = {"lastOpened", "lastUsed"}
#: What an answer shows that is the same on another portal.
SHOWN = (
    *("title", "version", "versionGroup", "filesCount", "foldersCount", "access", "roomType", "fileExst", "fileType"),
    *("pureContentLength", "fileStatus", "tags", "private", "indexing", "denyDownload", "shared", "status"),
    *("enabled", "ssl", "triggers", "name"),
)
#: Of what kind a thing is that a path names, and a field.
PLACES = (
    (r"/filehandler\.ashx\?action=download&fileid=(\d+)", "file"),
    (r"/files/file/(-?\d+)", "file"),
    (r"/files/rooms/(-?\d+)", "folder"),
    (r"/files/folder/(-?\d+)", "folder"),
    (r"/files/(-?\d+)", "folder"),
    (r"/settings/webhook/(\d+)/retry", "row"),
    (r"/settings/webhook/(\d+)", "hook"),
)
KINDS = {
    **dict.fromkeys(("fileIds", "fileId"), "file"),
    **dict.fromkeys(("folderIds", "destFolderId", "folderId", "roomId", "templateId", "parentId"), "folder"),
    "configId": "hook",
    "ids": "row",
}


def main(recording: Path) -> None:
    """Write the files of all probes."""
    record = json.loads(gzip.decompress(recording.read_bytes()))
    target, receiver, run = record["meta"]["target"], record["meta"]["receiver"], record["meta"]["run"]
    names = {("guid", one["id"]): f"{{{who}}}" for who, one in target["accounts"].items()}
    names |= {("guid", one["id"].upper()): f"{{{who} in capitals}}" for who, one in target["accounts"].items()}
    words = {
        run: RUN,
        run.upper(): RUN.upper(),
        receiver: "{receiver}",
        receiver.replace("127.0.0.1", "localhost"): "{receiver by name}",
        target["accounts"]["owner"]["email"]: "{mail of the owner}",
    }
    fields: Fields = {}
    probes = {probe["id"]: probe for probe in record["probes"]}
    for name, probe in probes.items():
        if name in NOT_DRAWN:
            continue
        before = probes[GO_ON[name]]["calls"] if name in GO_ON else []
        drawing = Drawing(dict(names), words, fields)
        lines = drawing.lines([*before, *probe["calls"]])
        if name in DELIVERED:
            lines.append({"delivered": drawing.told(record["deliveries"], probe["calls"])})
        head = {"about": probe["about"], "facts": probe["section"]}
        text = "".join(f"{json.dumps(line)}\n" for line in [head, *lines])
        (HERE / "probes" / f"{name}.jsonl").write_text(text)
    rows = [f" {json.dumps(number)}: {json.dumps(' '.join(names))}" for names, number in fields.items()]
    (HERE / "fields.json").write_text("{\n" + ",\n".join(rows) + "\n}\n")


class Drawing:
    """One probe, call by call, and what its answers have named so far."""

    def __init__(self, names: dict[tuple[str, Any], str], words: dict[str, str], fields: Fields) -> None:
        self.names, self.words, self.fields = names, words, fields
        self.counts = collections.Counter[str]()

    def lines(self, calls: list[dict[str, Any]]) -> list[Line]:
        """Write down the calls that can be asked again, with the names that a later one needs."""
        drawn: list[Line] = []
        for call in calls:
            if BLANKED in json.dumps([call["request"], call["as"]], ensure_ascii=False):
                continue  # it cannot be asked
            if call.get("loop") and call["method"] == "GET":
                self._loop(call, drawn)
            else:
                self._call(call, drawn)
        return list(_needed(drawn))

    def told(self, deliveries: list[dict[str, Any]], calls: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
        """Count what the webhooks that were made here were told of until the end, by their names and the trigger."""
        made = {(call["request"] or {}).get("name") for call in calls if call["path"].endswith("/settings/webhook")}
        told: dict[str, collections.Counter[str]] = {}
        for one in deliveries:
            if one["method"] == "POST" and one["name"] in made and one["t"] <= calls[-1]["at"] + 1.0:
                trigger = json.loads(one["raw"])["event"]["trigger"]
                told.setdefault(self._worded(one["name"]), collections.Counter())[trigger] += 1
        return {name: dict(sorted(counts.items())) for name, counts in told.items()}

    def _loop(self, call: dict[str, Any], drawn: list[Line]) -> None:
        kind = "await" if call["path"].endswith(("/files/fileops", "/status")) else "look"
        line = {"as": call["as"], kind: self._path(call["path"]), "query": self._query(call), "gives": {}}
        waits = itertools.takewhile(lambda one: "await" in one, reversed(drawn))
        same = next((one for one in waits if (one["await"], one["query"]) == (line.get("await"), line["query"])), None)
        if same is None:
            drawn.append(line)
        self._gather(call, same or line)

    def _call(self, call: dict[str, Any], drawn: list[Line]) -> None:
        line: Line = {"as": call["as"], "call": f"{call['method']} {self._path(call['path'])}"}
        if call["query"]:
            line["query"] = self._query(call)
        if call["request"] is not None:
            line["body"] = self._value(_with_text(call), "")
            if "raw" in call["request"] and "Content-Type" in call["requestHeaders"]:
                line["type"] = call["requestHeaders"]["Content-Type"]
        if re.fullmatch(r"DELETE /settings/webhook/\d{1,5}", line["call"]):
            return  # it was made by what cannot be asked
        if len(re.findall(r"\b\d+\b", json.dumps(line.get("body")))) > UNKNOWN:
            return
        line |= {"status": call["status"], **self._answer(call), "gives": {}}
        self._gather(call, line)
        if not call.get("loop"):
            drawn.append(line)
        elif drawn and drawn[-1].get("call") == line["call"] and "more" in drawn[-1]:
            drawn[-1]["more"].append(line["body"])
            place = len(drawn[-1]["more"])
            drawn[-1]["gives"] |= {name: [place, *path] for name, path in line["gives"].items()}
        else:
            drawn.append(line | {"more": [], "gives": {name: [0, *path] for name, path in line["gives"].items()}})

    def _path(self, path: str) -> str:
        path = path.removeprefix(API)
        for pattern, kind in PLACES:
            if found := re.match(pattern, path):
                path = path[: found.start(1)] + str(self._name(kind, int(found[1]))) + path[found.end(1) :]
                break
        return "/".join(self._name("guid", self._worded(part)) for part in path.split("/"))

    def _query(self, call: dict[str, Any]) -> list[list[Any]]:
        return [[name, self._value(value, name)] for name, value in call["query"]]

    def _value(self, value: Any, key: str) -> Any:
        """Write a value with the names of what it names; `key` is the field that it stands in."""
        if isinstance(value, dict):
            return {name: self._value(one, name) for name, one in value.items()}
        if isinstance(value, list):
            return [self._value(one, key) for one in value]
        if key in KINDS and not isinstance(value, bool) and re.fullmatch(r"\d+", str(value)):
            named = self._name(KINDS[key], int(value))
            return value if named == int(value) else named
        if key == "id" and isinstance(value, int):
            return self._name("hook", value)
        return self._name("guid", self._worded(value)) if isinstance(value, str) else value

    def _worded(self, text: str) -> str:
        for word, meant in self.words.items():
            text = text.replace(word, meant)
        return text

    def _name(self, kind: str, value: Any) -> Any:
        return self.names.get((kind, value), value)

    def _answer(self, call: dict[str, Any]) -> Line:
        body = call.get("response")
        if not isinstance(body, dict):
            return {} if "shape" in call else {"has a body": body is not None or bool(call.get("text"))}
        if "error" in body:
            return {"error": body["error"].get("message")}
        if "response" not in body:
            return {"fields": self._set(body)}
        is_shared = bool(re.search(SHARED, call["path"])) and RUN not in json.dumps(self._query(call))
        said, counts = (
            body["response"],
            {} if is_shared else {name: body[name] for name in ("count", "total") if name in body},
        )
        if isinstance(said, list):
            first = said[0] if said else None
            return {"list": self._set(first) if isinstance(first, dict) else self._value(said, ""), **counts}
        if isinstance(said, dict):
            return {"fields": self._set(said), "shows": {} if is_shared else self._value(_shown(said), ""), **counts}
        return {"value": self._value(said, "")}

    def _set(self, value: dict[str, Any]) -> str:
        """Give the number of a set of fields."""
        return self.fields.setdefault(tuple(sorted(set(value) - RACED)), str(len(self.fields) + 1))

    def _gather(self, call: dict[str, Any], line: Line) -> None:
        """Name all that an answer names for the first time."""
        body = call.get("response")
        said = body.get("response") if isinstance(body, dict) else None
        if isinstance(said, dict) and "expiresAt" in said and line.get("call") == "POST /keys":
            line["gives"]["key:day"] = ["key"]
        if isinstance(said, dict) and "current" in said:
            said = {"current": said["current"], **said}
        for path, kind, value in _ids(said, [], {}):
            if (kind, value) not in self.names:
                self.counts[kind] += 1
                name = f"{kind} {self.counts[kind]}"
                self.names[kind, value] = f"{{{name}}}"
                line["gives"][name] = path


def _needed(drawn: list[Line]) -> Iterator[Line]:
    asked = json.dumps(
        [[line.get(part) for part in ("call", "body", "query", "more", "await", "look")] for line in drawn]
    )
    used = {name[1:-1] for name in re.findall(r"\{\w+ \d+\}", asked)}
    for line in drawn:
        gives = {name: path for name, path in line.pop("gives").items() if name in used or name.startswith("key:")}
        if "look" not in line or gives:
            yield line | ({"gives": gives} if gives else {})


def _with_text(call: dict[str, Any]) -> Any:
    """Give the request with the text of a form's field, of which the recording has the length only."""
    request, said = call["request"], (call.get("response") or {}).get("response")
    parts = request.get("multipart") if isinstance(request, dict) else None
    if parts and isinstance(parts.get("title"), list) and isinstance(said, dict):
        return {"multipart": parts | {"title": said["title"]}}
    return request


def _shown(said: dict[str, Any]) -> dict[str, Any]:
    shown = {name: said[name] for name in SHOWN if name in said}
    for name in ("files", "folders"):
        if isinstance(said.get(name), list) and all("title" in one for one in said[name]):
            shown[name] = [one["title"] for one in said[name]][:20]
    return shown


def _ids(value: Any, path: list[Any], owner: dict[str, Any]) -> Iterator[tuple[list[Any], str, Any]]:
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _ids(one, [*path, name], value)
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _ids(one, [*path, number], owner)
    elif not path or value in (None, 0, -1) or isinstance(value, bool):
        return
    elif path[-1] in KINDS and isinstance(value, int):
        yield path, KINDS[path[-1]], value
    elif path[-1] == "id":
        yield path, _kind(owner) if isinstance(value, int) else "guid", value


def _kind(thing: dict[str, Any]) -> str:
    telling = {"version": "file", "triggers": "hook", "trigger": "row"}
    return next((kind for field, kind in telling.items() if field in thing), "folder")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
