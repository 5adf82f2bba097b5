"""What was asked of a real portal is asked of the pretend one, call by call, and answered alike (`recorded/probes`)."""

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from stage import until
from stage.receiver import Receiver, Rule, receiver

from roomkeeper.demo import Portal

RECORDED = Path(__file__).parent / "recorded"
PROBES = sorted((RECORDED / "probes").glob("*.jsonl"))
FIELDS = {name: set(text.split()) for name, text in json.loads((RECORDED / "fields.json").read_text()).items()}
#: Who was there, as what; the keys that some of them had made, with what they are good for.
CAST = {
    "admin": "admin",
    **dict.fromkeys(("keeper", "other"), "room_admin"),
    **dict.fromkeys(("user", "spare", "victim"), "user"),
    **dict.fromkeys(("guest", "guest2"), "guest"),
}
MAKERS = {
    **dict.fromkeys(("files:read", "files:write", "rooms:read", "rooms:write"), "keeper"),
    **dict.fromkeys(("accounts:read", "accounts:write", "*:read", "*:write"), "admin"),
    "accounts.self:read": "other",
}
#: What the webhooks' receiver answered, by method and hook; 200 to all else.
RULES: dict[tuple[str, str], Rule] = {
    ("HEAD", "probe-1-head204"): lambda _: 204,
    ("HEAD", "probe-1-head301"): lambda _: 301,
    ("HEAD", "probe-1-head404"): lambda _: 404,
    ("HEAD", "probe-1-head405"): lambda _: 405,
    ("HEAD", "probe-1-head500"): lambda _: 500,
    ("POST", "probe-1-f-500"): lambda number: 500 if number < 3 else 200,
    ("POST", "probe-1-f-503"): lambda number: 503 if number < 2 else 200,
    ("POST", "probe-1-f-404"): lambda number: 404 if number < 7 else 200,
    ("POST", "probe-1-f-429"): lambda number: 429 if number < 2 else 200,
    ("POST", "probe-1-f-302"): lambda _: 302,
    ("POST", "probe-1-f-cut"): lambda number: 0 if number < 3 else 200,
    ("POST", "probe-1-f-204"): lambda _: 204,
}
#: Fields that were in some answers and not in others, in one and the same loop.
RACED = {"lastOpened", "lastUsed"}
COMPLETED = 2  # of an operation, which has ended a moment earlier
A_THING = re.compile(r"\{[^{}]+\}")
#: What is otherwise, and why that is well: by probe, call and difference.
KNOWN = [
    (
        "archive",
        "/log$",
        "total 8 instead of 9",
        "a room that is archived twice has a row more; the recording does not show which",
    ),
    ("audit.events", "/security/audit", "", "the audit trail is not played"),
    ("clock", "GET /settings$", "lacks", "settings that nobody reads are left out"),
    ("envelope.anonymous", "/capabilities", "lacks", "settings that nobody reads are left out"),
    ("envelope.headers", "GET /settings$", "lacks", "settings that nobody reads are left out"),
    ("envelope.headers", "OPTIONS", "405 instead of 204", "for browsers of other sites"),
    ("file.copyas", "/openedit", "lacks", "the editor is not played"),
    ("file.info", "/presigneduri", "stream", "the portal's own address"),
    ("file.open", "/openedit", "lacks", "the editor is not played"),
    ("hooks.gone", "/log", "", "the log of a webhook that was deleted meanwhile"),
    ("ops.bad", "/copy", "folders|files|give|list", "nobody sends a null among ids"),
    ("ops.listing", "/fileops", "", "which of two operations has ended by then is a race"),
    ("ops.terminate", "/terminate/", "", "an operation of an earlier probe was still listed"),
    ("ops.terminate", "/fileops$", "", "which of two operations has ended by then is a race"),
    ("people.guest-disabled", "/authentication", "404", "nobody signs in with a password"),
    ("people.guest-disabled", "@self", "200 instead of 401", "the session had ended; a key does not"),
    ("people.lookup", "/people/filter", "listAdminModules|createdBy", "who comes first: the owner has another name"),
    ("people.lookup", "/search", "listAdminModules", "who comes first: the owner has another name"),
    ("quota.usage", "quota", "", "pages of a tariff that nobody reads"),
    ("settings.version", "", "lacks", "settings that nobody reads are left out"),
    ("settings.version", "/cultures", "", "languages"),
    ("settings.version", "/messagesettings", "404 instead of 405", "settings that nobody reads are left out"),
    ("settings.version", "GET /portal$", "version", "settings that nobody reads are left out"),
]


class Replay:
    """A cast of people at a pretend portal, and what they learn to know there."""

    def __init__(self, portal: Portal, hooks: Receiver) -> None:
        self.portal, self.hooks = portal, hooks
        self.known: dict[str, Any] = {
            "receiver": hooks.url,
            "receiver by name": hooks.url.replace("127.0.0.1", "localhost"),
        }
        self.keys: dict[str, str] = {}
        me = portal.call("GET", "/people/@self")
        self.known |= {"mail of the owner": me["email"]}
        self._enter("owner", me["id"], portal.owner)
        for who, kind in CAST.items():
            wanted = {"name": f"{who.title()} Probe", "email": f"{who}.probe-1@probe.example", "kind": kind}
            made = portal.direct("POST", "/users", json=wanted)
            self._enter(who, made["id"], made["key"])
        for scope, maker in MAKERS.items():
            wanted = {"name": scope.replace("*", "all").replace(":", " "), "permissions": [scope]}
            self.keys[f"key:{scope}"] = portal.call("POST", "/keys", key=self.keys[maker], json=wanted)["key"]

    def _enter(self, who: str, id_: str, key: str) -> None:
        """Somebody, with a key that was made as the recorded one was."""
        self.known |= {who: id_, f"{who} in capitals": id_.upper()}
        self.keys[who] = key
        if CAST.get(who) != "guest":
            self.keys[who] = self.portal.call("POST", "/keys", key=key, json={"name": "probe-1 full"})["key"]

    def play(self, line: dict[str, Any]) -> list[str]:
        """Ask what the line asks; tell how the answer differs from the one that it has."""
        if "await" in line:
            self._await(line)
            return []
        if "delivered" in line:
            return self._delivered(line["delivered"])
        if "look" in line:
            line["call"] = f"GET {line.pop('look')}"
        answers = [self._asked(line, body) for body in [line.get("body"), *line.get("more", [])]]
        bodies = [_json(answer) for answer in answers]
        found = self.differences(line, answers[0])
        for name, path in line.get("gives", {}).items():
            place, *steps = path if "more" in line else [0, *path]
            try:
                self._learn(name, bodies[place], steps)
            except (KeyError, IndexError, TypeError):
                found.append(f"does not give {name}")
        return found

    def _asked(self, line: dict[str, Any], body: Any) -> httpx2.Response:
        method, path = line["call"].split(" ", 1)
        if "/webhooks/log" in path or "/retry" in path or (method == "DELETE" and "/webhook/" in path):
            self._await_deliveries()
        path = self.filled(path)
        url = self.portal.url + (path if path.startswith("/filehandler") else f"/api/2.0{path}")
        headers = {"Accept": "application/json", **self._authorization(line["as"])}
        query = [(name, str(self.filled(value))) for name, value in line.get("query", [])]
        sent = self._content(self.filled(body), headers)
        if "type" in line:
            headers["Content-Type"] = line["type"]
        return self.portal.http.request(method, url, params=query or None, headers=headers, **sent)

    def _authorization(self, who: str) -> dict[str, str]:
        if who in {"", "nobody"}:
            return {}
        if who.startswith("raw:"):
            return {"Authorization": who[4:]}
        return {"Authorization": f"Bearer {self.keys.get(who) or self.known[who]}"}

    def _content(self, body: Any, headers: dict[str, str]) -> dict[str, Any]:
        if body is None:
            return {}
        if isinstance(body, dict) and set(body) == {"multipart"}:
            parts = body["multipart"].items()
            sent = {
                name: (one[0], b"x" * one[1]) for name, one in parts if isinstance(one, list) and one[0] is not None
            }
            return {
                "files": sent or {"file": (None, b"")},
                "data": {name: one for name, one in parts if isinstance(one, str)},
            }
        if isinstance(body, dict) and set(body) == {"raw"}:
            return {"content": body["raw"].encode()}
        headers["Content-Type"] = "application/json"
        return {"content": json.dumps(body)}

    def filled(self, value: Any) -> Any:
        """Put what is known where its name stands."""
        if isinstance(value, dict):
            return {name: self.filled(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self.filled(one) for one in value]
        if not isinstance(value, str):
            return value
        if A_THING.fullmatch(value):
            return self.known.get(value[1:-1], value)
        return A_THING.sub(lambda found: str(self.known.get(found[0][1:-1], found[0])), value)

    def _learn(self, name: str, body: Any, path: list[Any]) -> None:
        value = body["response"]
        for step in path:
            value = value[step]
        self.known[name] = value

    def _await(self, line: dict[str, Any]) -> None:
        """Ask until it has ended, and learn from each answer on the way."""

        def over() -> bool:
            body = _json(self._asked({**line, "call": f"GET {line['await']}"}, None))
            for name, path in line.get("gives", {}).items():
                with contextlib.suppress(KeyError, IndexError, TypeError):
                    self._learn(name, body, path)
            said = body.get("response") or []
            shown = said if isinstance(said, list) else [said]
            return all(one.get("isCompleted", one.get("status", COMPLETED) == COMPLETED) for one in shown)

        until(over)

    def _delivered(self, wanted: dict[str, dict[str, int]]) -> list[str]:
        """Name what the webhooks were told of otherwise than the recorded ones."""
        self._await_deliveries()
        found = []
        for name, counts in wanted.items():
            there = self.hooks.told[name]
            wrong = {one for one in {*there, *counts} if there[one] != counts.get(one, 0)}
            found += [f"{name}: {there[one]} of {one} instead of {counts.get(one, 0)}" for one in sorted(wrong)]
        return found

    def _await_deliveries(self) -> None:
        """Wait until nothing is under way to a receiver, as who recorded did."""
        until(lambda: not self.portal.direct("GET", "/deliveries")["pending"])

    def differences(self, line: dict[str, Any], answer: httpx2.Response) -> list[str]:
        """Name what an answer has otherwise than the recorded one."""
        if answer.status_code != line.get("status", 200):
            return [f"{answer.status_code} instead of {line['status']}: {answer.text[:100]}"]
        body = _json(answer)
        if "error" in line:
            said = (body or {}).get("error", {}).get("message")
            return [] if said == line["error"] else [f"says {said!r} instead of {line['error']!r}"]
        if "has a body" in line:
            return [] if line["has a body"] == bool(answer.content) else [f"has another body: {answer.text[:100]!r}"]
        if not isinstance(body, dict):
            return [f"is no object: {answer.text[:100]!r}"]
        counts = [name for name in ("count", "total") if name in line and body.get(name) != line[name]]
        return [f"{name} {body.get(name)} instead of {line[name]}" for name in counts] + self._value(line, body)

    def _value(self, line: dict[str, Any], body: dict[str, Any]) -> list[str]:
        value = body.get("response") if "response" in body else body
        if "value" in line:
            wanted = self.filled(line["value"])
            return [] if body.get("response") == wanted else [f"{value!r} instead of {wanted!r}"]
        if "list" in line and not isinstance(line["list"], str):
            wanted = self.filled(line["list"])
            return [] if value == wanted else [f"{value!r} instead of {wanted!r}"]
        if "list" in line:
            is_list = isinstance(value, list) and value and isinstance(value[0], dict)
            return _fields(line["list"], value[0]) if is_list else [f"{value!r} is no list of such"]
        if "fields" not in line:
            return []
        if not isinstance(value, dict):
            return [f"is {value!r}"]
        return _fields(line["fields"], value) + self._shown(line.get("shows", {}), value)

    def _shown(self, wanted: dict[str, Any], value: dict[str, Any]) -> list[str]:
        found = []
        for name, one in wanted.items():
            there = value.get(name)
            if name in {"files", "folders"}:
                there = [each.get("title") for each in there or []][:20]
            if _ordered(name, there) != _ordered(name, self.filled(one)):
                found.append(f"{name} is {there!r} instead of {one!r}")
        return found


def _ordered(name: str, value: Any) -> Any:
    """Where equals came in any order, they may: titles but for their case, and the tags of one call."""
    if name == "tags":
        return sorted(value or [])
    return sorted(value, key=lambda one: str(one).casefold()) if name in {"files", "folders"} and value else value


def _fields(name: str, value: dict[str, Any]) -> list[str]:
    wanted, there = FIELDS[name], set(value) - RACED
    lacking, more = sorted(wanted - there), sorted(there - wanted)
    return ([f"lacks {lacking}"] if lacking else []) + ([f"has {more}"] if more else [])


def _json(answer: httpx2.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None


@pytest.fixture
def replay(portal: Portal) -> Iterator[Replay]:
    with receiver(RULES) as hooks:
        yield Replay(portal, hooks)


@pytest.mark.parametrize("probe", PROBES, ids=lambda path: path.stem)
def test_each_call_of_a_probe_is_answered_as_the_portal_answered_it(probe: Path, replay: Replay) -> None:
    head, *lines = [json.loads(line) for line in probe.read_text().splitlines()]
    known = [one for one in KNOWN if one[0] == probe.stem]

    found, met = [], set()
    for number, line in enumerate(lines, 2):
        for said in replay.play(line):
            call = line.get("call", "deliveries")
            reason = next((one for one in known if re.search(one[1], call) and re.search(one[2], said)), None)
            met.add(reason)
            if reason is None:
                found.append(f"line {number}, {line.get('as')} {line.get('call', 'deliveries')}: {said}")

    assert not found, "\n".join([f"{head['about']} (facts {head['facts']})", *found])
    assert set(known) <= met, "what is said to differ does not"
