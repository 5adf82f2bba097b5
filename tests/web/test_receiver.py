"""The door: what is let in, what is turned away, and how each is answered. One real service, hostile senders."""

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
import pytest
from signing import signed
from stage import Keeper, Rooms, copy_uploads, simulated_portal

from roomkeeper.web import door, receiver


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keeper]:
    with simulated_portal() as portal:
        rooms = Rooms(portal)
        others = {
            "mute": {"type": "docspace", "url": portal.url, "api_key": "!env API_KEY"},
            "desk": {
                "type": "jira",
                "url": "https://x.atlassian.net",
                "email": "a@x.example",
                "api_token": "!env API_KEY",
            },
            "open": {"type": "docspace", "url": portal.url, "api_key": "!env API_KEY", "unsigned": True},
        }
        folder = tmp_path_factory.mktemp("receiver")
        one = Keeper(folder, portal, rooms.keeper_key, [copy_uploads(rooms) | {"from": "acme"}], others=others)
        one.start()
        yield one
        one.stop()


def body(**changed: Any) -> bytes:
    document = {
        "event": {"id": 1, "createOn": "2026-06-30T12:05:09Z", "createBy": "u", "trigger": "file.uploaded"},
        "payload": {"id": 5, "parentId": 999_999, "title": "x"},
    }
    return json.dumps(document | changed).encode()


def post(
    keeper: Keeper, content: bytes, headers: dict[str, str] | None = None, connection: str = "acme"
) -> httpx2.Response:
    return httpx2.post(f"{keeper.url}/hooks/{connection}", content=content, headers=headers or {})


def test_the_portal_s_probe_is_answered(keeper: Keeper) -> None:
    assert httpx2.head(f"{keeper.url}/hooks/acme").status_code == 200
    assert httpx2.head(f"{keeper.url}/hooks/nobody").status_code == 404


def test_a_signed_delivery_is_accepted_and_then_a_duplicate(keeper: Keeper) -> None:
    event = {"id": 900, "createOn": "2026-06-30T12:05:09Z", "trigger": "file.uploaded"}
    content = body(event=event, payload={"id": 41, "parentId": 999_999, "title": "x"})

    assert post(keeper, content, signed(content)).json() == {"status": "accepted"}
    assert post(keeper, content, signed(content)).json() == {"status": "duplicate"}


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("altered body", 401),
        ("missing signature", 401),
        ("wrong secret", 401),
        ("no secret configured", 401),
        ("another connection's name", 404),
        ("3 MB", 413),
        ("3 MB in chunks", 413),
        ("3 MB without a signature", 401),
        ("garbage", 400),
        ("deeply nested", 400),
        ("no event", 400),
        ("string ids", 200),
        ("unknown trigger", 200),
        ("another trigger", 200),
    ],
)
def test_each_delivery_gets_the_answer_that_fits_and_starts_nothing(keeper: Keeper, name: str, status: int) -> None:
    nested = b'{"event":' + b"[" * 60_000 + b"]" * 60_000 + b"}"
    event = {"id": 77, "createOn": "2026-06-30T12:05:09Z", "trigger": "planet.exploded"}
    strings = {
        "payload": {"id": "sbox-1", "parentId": "sbox-2", "title": "x"},
        "event": event | {"trigger": "file.uploaded", "id": 78},
    }
    before = len(keeper.runs())
    answers = {
        "altered body": lambda: post(keeper, body() + b" ", signed(body())),
        "missing signature": lambda: post(keeper, body()),
        "wrong secret": lambda: post(keeper, body(), signed(body(), "wrong")),
        "no secret configured": lambda: post(keeper, body(), signed(body(), ""), "mute"),
        "another connection's name": lambda: post(keeper, body(), signed(body()), "nobody"),
        "3 MB": lambda: post(keeper, b"x" * 3_000_000, signed(b"x" * 3_000_000)),
        "3 MB in chunks": lambda: httpx2.post(
            f"{keeper.url}/hooks/acme", content=(b"x" * 100_000 for _ in range(30)), headers=signed(b"")
        ),
        "3 MB without a signature": lambda: post(keeper, b"x" * 3_000_000),
        "garbage": lambda: post(keeper, b"\x00\xff{", signed(b"\x00\xff{")),
        "deeply nested": lambda: post(keeper, nested, signed(nested)),
        "no event": lambda: post(keeper, b"{}", signed(b"{}")),
        "string ids": lambda: post(keeper, body(**strings), signed(body(**strings))),
        "unknown trigger": lambda: post(keeper, body(event=event), signed(body(event=event))),
        "another trigger": lambda: post(keeper, _created(), signed(_created())),
    }

    try:
        answer = answers[name]()
    except httpx2.WriteError:  # the answer came before the whole of a large body was sent
        assert name.startswith("3 MB")
        return

    assert answer.status_code == status
    said = answer.json()
    assert said.get("error") if status != 200 else said["status"] in {"accepted", "ignored", "duplicate"}
    assert "Traceback" not in answer.text + keeper.log()
    assert len(keeper.runs()) == before


def test_get_is_not_how_deliveries_come(keeper: Keeper) -> None:
    assert httpx2.get(f"{keeper.url}/hooks/acme").status_code == 405


def test_nothing_is_ever_answered_410(keeper: Keeper) -> None:
    """The portal deletes a webhook that is answered so (1.7)."""
    assert httpx2.delete(f"{keeper.url}/hooks/acme").status_code == 405


def test_unsigned_deliveries_are_taken_only_where_that_is_said_aloud(keeper: Keeper) -> None:
    answer = post(keeper, body(), connection="open")
    page = keeper.visitor().get("/").text

    assert answer.status_code == 200
    assert "without a signature" in page
    assert "without a signature" in keeper.log()
    told = keeper.say("check")
    assert "in order" in told


def test_a_sender_that_stops_halfway_is_let_go(keeper: Keeper) -> None:
    with socket.create_connection(("127.0.0.1", keeper.port)) as line:
        line.sendall(b"POST /hooks/acme HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\nhalf")

    assert httpx2.get(f"{keeper.url}/livez").status_code == 200


def raw(keeper: Keeper, sent: bytes) -> socket.socket:
    line = socket.create_connection(("127.0.0.1", keeper.port), timeout=20)
    line.sendall(sent)
    return line


def test_a_further_head_that_does_not_come_is_not_waited_for(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first head of a connection has a clock from the beginning; a later one has it once it is not whole."""
    monkeypatch.setattr(door, "HEAD_WITHIN", 0.3)
    with raw(keeper, b"HEAD /hooks/acme HTTP/1.1\r\nHost: x\r\n\r\n") as line:
        assert line.recv(4096).startswith(b"HTTP/1.1 200")
        line.sendall(b"POST /hooks/acme HTTP/1.1\r\nHo")

        assert line.recv(4096).startswith(b"HTTP/1.1 400")
        assert line.recv(4096) == b""


def test_a_body_that_does_not_come_and_a_store_that_does_not_answer_are_told_apart(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver, "_BODY_WITHIN", 0.3)
    monkeypatch.setattr(receiver, "_KEPT_WITHIN", 0.6)
    content = body(payload={"id": 43, "parentId": 999_999, "title": "x"})
    signature = signed(content)
    head = f"POST /hooks/acme HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in signature.items()) + "\r\n"
    with raw(keeper, head.encode() + content[:10]) as line:
        late = line.recv(4096)
    with keeper.opened().write():  # whoever else would write waits
        away = post(keeper, content, signature)

    assert late.startswith(b"HTTP/1.1 400")
    assert b"the body did not arrive" in late
    assert (away.status_code, away.headers["retry-after"]) == (503, "5")
    assert post(keeper, content, signature).json() == {"status": "duplicate"}  # it was written all the same


@pytest.mark.parametrize("host", ["[", "a b", "x?token=y", "x#y", ""])
def test_whatever_host_a_stranger_names_it_is_turned_away_in_words(keeper: Keeper, host: str) -> None:
    with raw(keeper, f"POST /hooks/desk HTTP/1.1\r\nHost: {host}\r\nContent-Length: 2\r\n\r\n{{}}".encode()) as line:
        answer = line.recv(4096)

    assert answer.startswith(b"HTTP/1.1 401")


def test_of_two_headers_of_one_name_the_first_one_counts(keeper: Keeper) -> None:
    content = body(payload={"id": 44, "parentId": 999_999, "title": "x"})
    name, right = next((name, value) for name, value in signed(content).items() if "signature" in name.lower())

    first = httpx2.post(f"{keeper.url}/hooks/acme", content=content, headers=[(name, right), (name, "sha256=00")])
    second = httpx2.post(f"{keeper.url}/hooks/acme", content=content, headers=[(name, "sha256=00"), (name, right)])

    assert (first.status_code, second.status_code) == (200, 401)


def test_refused_deliveries_are_shown_with_their_reason(keeper: Keeper) -> None:
    post(keeper, body(), signed(body(), "wrong"))

    refused = keeper.ask("events", "list", "--status", "refused")
    assert any("signature" in one["reason"] for one in refused)


def test_secrets_are_in_no_log_page_or_answer(keeper: Keeper) -> None:
    post(keeper, body(), signed(body(), "wrong"))
    shown = keeper.log() + keeper.visitor().get("/").text + keeper.say("events", "list") + keeper.say("check", "--json")

    for secret in keeper.environment.values():
        assert secret not in shown


@pytest.mark.parametrize("headers", [{}, {"X-Forwarded-For": "9.9.9.9"}, {"Via": "1.1 proxy"}])
def test_without_a_login_only_a_link_opens_the_pages(keeper: Keeper, headers: dict[str, str]) -> None:
    """Through a forwarded port or a plain proxy, the whole world is this machine."""
    closed = httpx2.get(f"{keeper.url}/", headers=headers)

    assert closed.status_code == 403
    assert "roomkeeper link" in closed.text
    for path in ("/live/", "/runs", "/enter", "/enter?once=guessed"):
        assert httpx2.get(f"{keeper.url}{path}", headers=headers).status_code == 403
    for path in ("/api/v1/runs", "/metrics"):
        assert httpx2.get(f"{keeper.url}{path}", headers=headers).status_code == 401


def test_a_link_is_good_once(keeper: Keeper) -> None:
    link = keeper.say("link").strip()
    assert link.startswith(f"{keeper.url}/enter?once=")
    none_kept = httpx2.Limits(max_keepalive_connections=0)
    mine, others = [httpx2.Client(base_url=keeper.url, limits=none_kept) for _ in range(2)]

    assert mine.get(link).status_code == 303
    assert others.get(link).status_code == 403
    assert (mine.get("/").status_code, others.get("/").status_code) == (200, 403)
    others.cookies.set(f"roomkeeper-{keeper.port}", link.partition("once=")[2])  # what the link brings is no session
    assert others.get("/").status_code == 403


def test_the_page_shows_hostile_titles_as_text(keeper: Keeper) -> None:
    content = body(payload={"id": 6, "parentId": 1, "title": "<script>alert(1)</script>"})
    post(keeper, content, signed(content))

    page = keeper.visitor().get("/")

    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_a_second_service_on_the_same_store_is_refused_in_words(keeper: Keeper) -> None:
    second = keeper.start_apart(port=0, wait=False)

    assert second.wait(30) == 1
    assert "Another Roomkeeper serves the store" in keeper.log()


def _created() -> bytes:
    event = {"id": 79, "createOn": "2026-06-30T12:05:09Z", "trigger": "file.created"}
    return body(event=event)


def test_days_are_those_of_whoever_looks(keeper: Keeper) -> None:
    content = body(payload={"id": 77, "parentId": 999_999, "title": "x"})
    post(keeper, content, signed(content))
    client, now = keeper.visitor(), datetime.now(UTC)
    zone = "Pacific/Kiritimati" if now.hour >= 10 else "Pacific/Pago_Pago"  # where it is another day already, or still
    there, here = (f"{one:%Y-%m-%d}" for one in (now.astimezone(ZoneInfo(zone)), now))

    def shows(day: str, zone: str) -> bool:
        page = client.get("/events", params={"since": day, "until": day, "zone": zone})
        return 'href="/events/' in page.text.partition("<tbody>")[2]

    assert there != here
    assert (shows(there, zone), shows(here, zone)) == (True, False)
    assert (shows(here, ""), shows(here, "Nowhere/At_All"), shows(there, "../etc")) == (True, True, False)


def test_static_files_are_those_two_and_no_others(keeper: Keeper) -> None:
    assert httpx2.get(f"{keeper.url}/static/style.css").status_code == 200
    assert httpx2.get(f"{keeper.url}/static/..%2f__init__.py").status_code == 404
    assert Path(keeper.file).exists()
