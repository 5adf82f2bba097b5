"""What `doctor` says of a portal's key, account and clock, for each thing that a portal may say of them."""

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from roomkeeper.connectors.docspace import checkup
from roomkeeper.contract.checkup import Examination, Finding
from roomkeeper.docspace import Budget, Limits, Portal
from roomkeeper.docspace.budget import LocalTally

NOW = datetime.now(UTC)
KEY: dict[str, Any] = {"name": "roomkeeper", "permissions": [], "createBy": {"id": "k", "displayName": "Keeper"}}
PERSON: dict[str, Any] = {"id": "k", "displayName": "Keeper", "isAdmin": True}
GROUPS = [{"id": "g1", "name": "Support"}, {"id": "g2", "name": "Twin"}, {"id": "g3", "name": "twin"}]


class Answering(ThreadingHTTPServer):
    """Answers what it is told to, by the path; 404 where it is told nothing."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.date = ""
        self.answers: dict[str, Any] = {
            "/keys/@self": KEY,
            "/people/k": PERSON,
            "/settings": {"version": "3.7.2"},
            "/group": GROUPS,
        }


class _Handler(BaseHTTPRequestHandler):
    server: Answering

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def date_time_string(self, timestamp: float | None = None) -> str:  # noqa: ARG002 - as it is called
        return self.server.date or super().date_time_string()

    def do_GET(self) -> None:
        answer = self.server.answers.get(self.path.partition("?")[0].removeprefix("/api/2.0"), 404)
        status = answer if isinstance(answer, int) else 200
        body = json.dumps({"response": answer, "statusCode": status}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def portal() -> Iterator[Answering]:
    with Answering() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def said(portal: Answering, **about: Any) -> Mapping[str, Finding]:
    """Examine it; gives what was found, by what was looked at: the last of each, and the one that is not in order."""
    settings = SimpleNamespace(catch_up=True, keep_webhook=True)

    async def found() -> list[Finding]:
        client = Portal(portal.url, "sk-x", budget=Budget(Limits(), LocalTally()), timeout=5.0)
        try:
            return [one async for one in checkup.examine(client, Examination("acme", settings, **about))]
        finally:
            await client.close()

    listed = sorted(asyncio.run(found()), key=lambda one: one.state != "ok")
    return {one.check: one for one in listed}


@pytest.mark.parametrize(
    ("key", "state", "what"),
    [
        ({}, "ok", "acts as Keeper, without an end"),
        ({"createBy": {"id": "k"}}, "ok", "acts as k"),
        ({"expiresAt": (NOW + timedelta(days=90)).isoformat()}, "ok", "until "),
        ({"expiresAt": (NOW + timedelta(days=1, hours=1)).isoformat()}, "warning", "ends in 1 day"),
        ({"expiresAt": (NOW + timedelta(hours=3)).isoformat()}, "warning", "ends within a day"),
    ],
)
def test_whose_key_it_is_and_how_long(portal: Answering, key: dict[str, Any], state: str, what: str) -> None:
    portal.answers["/keys/@self"] = KEY | key

    found = said(portal)["key"]

    assert (found.state, what in found.said) == (state, True), found


@pytest.mark.parametrize("status", [401, 500])
def test_a_key_that_is_not_accepted_ends_it(portal: Answering, status: int) -> None:
    portal.answers["/keys/@self"] = status

    assert [(one.check, one.state) for one in said(portal).values()] == [("key", "failed")]


@pytest.mark.parametrize(
    ("has", "about", "state", "what"),
    [
        (["*"], {"scopes": {"files:write": "copies"}}, "ok", "all that its account may"),
        (
            ["files:read"],
            {"scopes": {"files:write": "copies"}, "polls": True},
            "failed",
            "lacks files:write, which is needed for copies",
        ),
        (
            ["files:write"],
            {"scopes": {"files:read": "copies"}, "polls": True},
            "ok",
            "may do what is needed: files:write",
        ),
        (
            ["accounts:write"],
            {"scopes": {"accounts:read": "rooms"}, "polls": True},
            "warning",
            "needed to find groups by their names",
        ),
        (["files:write"], {}, "warning", "so the webhook can be neither registered nor repaired"),
        (["*:write"], {}, "ok", "may do what is needed"),
    ],
)
def test_what_the_key_lacks_is_named_with_what_needs_it(
    portal: Answering, has: list[str], about: dict[str, Any], state: str, what: str
) -> None:
    portal.answers["/keys/@self"] = KEY | {"permissions": has}

    found = said(portal, **about)["permissions"]

    assert (found.state, what in found.said) == (state, True), found


@pytest.mark.parametrize(
    ("person", "state", "what"),
    [
        ({}, "ok", "Keeper, an administrator of the portal"),
        ({"isAdmin": False}, "ok", "Keeper, a member of the portal"),
        ({"isOwner": True}, "warning", "is the portal's owner"),
        ({"isAdmin": False, "isVisitor": True}, "failed", "is a guest"),
        (500, "warning", "cannot be looked up"),
    ],
)
def test_what_kind_of_account_it_is(portal: Answering, person: Any, state: str, what: str) -> None:
    portal.answers["/people/k"] = PERSON | person if isinstance(person, dict) else person

    found = said(portal)["account"]

    assert (found.state, what in found.said) == (state, True), found


@pytest.mark.parametrize(("is_admin", "state"), [(True, "ok"), (False, "warning")])
def test_who_is_told_of_everybody_s_new_rooms(portal: Answering, is_admin: bool, state: str) -> None:
    portal.answers["/people/k"] = PERSON | {"isAdmin": is_admin}

    assert said(portal, types=frozenset({"room.created"}))["room.created"].state == state


@pytest.mark.parametrize(
    ("settings", "check", "state", "what"),
    [
        ({"version": "3.7.2"}, "version", "ok", "3.7.2"),
        ({"version": "3.4.9"}, "version", "warning", "older than 3.5"),
        ({"version": "next"}, "version", "ok", "does not say which version"),
        ([], "version", "ok", "does not say which version"),
        ({"version": "3.7.2", "tenantStatus": 1}, "portal", "failed", "the portal is suspended"),
    ],
)
def test_what_the_portal_says_of_itself(portal: Answering, settings: Any, check: str, state: str, what: str) -> None:
    portal.answers["/settings"] = settings

    found = said(portal)[check]

    assert (found.state, what in found.said) == (state, True), found


@pytest.mark.parametrize(
    ("ahead", "state", "what"),
    [(0, "ok", "agree"), (90, "warning", "ahead of"), (-90, "warning", "behind"), (600, "failed", "ahead of")],
)
def test_clocks_that_differ_are_said(portal: Answering, ahead: float, state: str, what: str) -> None:
    portal.date = format_datetime(datetime.now(UTC) + timedelta(seconds=ahead), usegmt=True)

    found = said(portal)["clock"]

    assert (found.state, what in found.said) == (state, True), found


def test_groups_are_looked_for_by_id_or_name(portal: Answering) -> None:
    named = {"support": "step invite", "g2": "step invite", "Twin": "step invite", "Nobody": "step invite"}

    found = said(portal, groups=named)
    portal.answers["/group"] = 500
    unknown = said(portal, groups=named)

    assert {name: found[f"group {name}"].state for name in named} == {
        "support": "ok",
        "g2": "ok",
        "Twin": "failed",
        "Nobody": "failed",
    }
    assert "several groups" in found["group Twin"].said
    assert "no such group" in found["group Nobody"].said
    assert unknown["groups"].state == "warning"
