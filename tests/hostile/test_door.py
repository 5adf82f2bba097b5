"""Strangers take what they like, and genuine deliveries are acknowledged meanwhile; little is kept of the strangers."""

import contextlib
import json
import resource
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from http.client import HTTPResponse
from pathlib import Path

import httpx2
import pytest
from signing import signed
from stage import Keeper, Portal, Rooms, copy_uploads, until

Make = Callable[..., Keeper]
MEGABYTE = 1024 * 1024
SILENT, HALVES = 1100, 400


@pytest.fixture
def keeper(portal: Portal, keepers: Make) -> Keeper:
    rooms = Rooms(portal)
    one = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)])
    one.start_in_parts()
    until(lambda: {"door", "desk"} <= set(one.parts()))
    for _ in range(20):
        genuine(one)
    return one


@pytest.fixture(autouse=True)
def _many_handles() -> Iterator[None]:
    """Let this process have as many connections as the strangers want."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def genuine(keeper: Keeper) -> None:
    """Deliver as the portal does, and see it acknowledged."""
    event = {"id": time.time_ns(), "createOn": "2026-06-30T12:05:09Z", "createBy": "u", "trigger": "file.uploaded"}
    body = json.dumps({"event": event, "payload": {"id": 5, "parentId": 999_999, "title": "x"}}).encode()
    answer = httpx2.post(f"{keeper.url}/hooks/acme", content=body, headers=signed(body), timeout=60)
    assert answer.status_code == 200, answer.text


def memory(keeper: Keeper) -> int:
    """Measure what those take that strangers reach: the door, and the desk behind it."""
    parts = keeper.parts()
    return sum(int(parts[one].memory_info().rss) for one in ("door", "desk"))


def kept(keeper: Keeper) -> int:
    """Measure the store, with what stands in the log of its last writes only put where it belongs."""
    folder = Path(keeper.folder) / keeper.store
    with contextlib.closing(sqlite3.connect(folder / "roomkeeper.sqlite", timeout=30)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return sum(file.stat().st_size for file in folder.iterdir())


@contextlib.contextmanager
def lines(keeper: Keeper, many: int, said: bytes) -> Iterator[list[socket.socket]]:
    """Open connections that say this, and then nothing."""
    with contextlib.ExitStack() as stack:
        opened = []
        for _ in range(many):
            line = stack.enter_context(socket.create_connection(("127.0.0.1", keeper.port)))
            with contextlib.suppress(OSError):
                line.sendall(said)
            opened.append(line)
        yield opened


def poured(keeper: Keeper, beginning: bytes, part: bytes, times: int) -> bytes:
    """Send the same part again and again, until the other side has enough; gives what it said."""
    with socket.create_connection(("127.0.0.1", keeper.port)) as line:
        line.settimeout(10)
        with contextlib.suppress(OSError):
            line.sendall(beginning)
            for _ in range(times):
                line.sendall(part)
        with contextlib.suppress(OSError):
            return line.recv(1000)
    return b""


@pytest.mark.parametrize(
    ("beginning", "part"),
    [
        (b"POST /hooks/acme HTTP/1.1\r\nHost: x\r\n", b"X-Much: " + b"x" * 8000 + b"\r\n"),
        (b"POST /hooks/acme HTTP/1.1\r\nHost: x\r\nX-Much: ", b"x" * 8000),
        (b"POST /hooks/acme?x=", b"x" * 8000),
        (b"POST /hooks/acme HTTP/1.1\r\nHost: x\r\n", b"X: \r\n" * 1000),
        (b"", b"x" * 8000),
    ],
    ids=["many headers", "a long header", "a long address", "empty headers", "no request"],
)
def test_a_head_has_an_end(keeper: Keeper, beginning: bytes, part: bytes) -> None:
    before = memory(keeper)

    said = poured(keeper, beginning, part, 5000)

    assert said == b"" or said.startswith(b"HTTP/1.1 400")
    genuine(keeper)
    assert memory(keeper) - before < 64 * MEGABYTE


def test_silent_connections_and_half_bodies_stop_no_delivery(keeper: Keeper) -> None:
    memory_before = memory(keeper)
    head = f"POST /hooks/acme HTTP/1.1\r\nHost: x\r\nContent-Length: {2 * MEGABYTE}\r\n"
    bogus = f"{head}X-DocSpace-Signature-256: sha256=00\r\n\r\n".encode()
    with lines(keeper, SILENT, b""), lines(keeper, HALVES, bogus) as halves:
        for number, line in enumerate(halves):
            line.setblocking(False)
            with contextlib.suppress(OSError):
                line.send(b"x" * (2 * MEGABYTE - 1))
            if number % 20 == 0:
                genuine(keeper)
        for _ in range(20):
            genuine(keeper)
        grown = memory(keeper) - memory_before

    print(f"grown by {grown / MEGABYTE:.0f} MB")
    assert grown < 64 * MEGABYTE
    until(lambda: httpx2.get(f"{keeper.url}/livez").status_code == 200)
    assert keeper.log().count("\n") < 100


def test_little_is_kept_of_what_is_refused(keeper: Keeper) -> None:
    before = kept(keeper)
    long = {f"x-{number}-" + "n" * 500: "v" * 100 for number in range(50)}

    for _ in range(200):
        answer = httpx2.post(f"{keeper.url}/hooks/acme?{'q' * 3000}=1", content=b"x" * 10_000, headers=long)
        assert answer.status_code == 401

    genuine(keeper)
    grown = kept(keeper) - before
    print(f"the store grew by {grown / MEGABYTE:.2f} MB")
    assert grown < MEGABYTE
    refused = keeper.ask("events", "list", "--status", "refused", "--limit", "1000")
    assert 0 < len(refused) <= 120
    assert keeper.log().count("refused") < 10


def test_an_address_may_end_with_a_slash(keeper: Keeper) -> None:
    body = b'{"event": {"id": 1, "createOn": "2026-06-30T12:05:09Z", "trigger": "file.uploaded"}, "payload": {"id": 5}}'

    answer = httpx2.post(f"{keeper.url}/hooks/acme/", content=body, headers=signed(body))

    assert answer.status_code in {200, 400}
    assert httpx2.head(f"{keeper.url}/hooks/acme/").status_code == 200


def test_a_body_that_comes_after_its_answer_disturbs_no_later_delivery(keeper: Keeper) -> None:
    """What the head alone refuses is answered at once; the sender may still be sending, and go on with the next."""
    size = 100_000
    head = f"POST /hooks/acme HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", keeper.port)) as line:
        line.settimeout(10)
        line.sendall(head)
        assert answered(line) == 401
        line.sendall(b"x" * size)
        line.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")

        assert answered(line) == 200


def answered(line: socket.socket) -> int:
    """Read one whole answer; gives its status."""
    answer = HTTPResponse(line)
    answer.begin()
    answer.read()
    return answer.status


def test_trailers_have_an_end(keeper: Keeper) -> None:
    beginning = b"POST /login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: "
    before = memory(keeper)

    poured(keeper, beginning, b"x" * 8000, 5000)

    genuine(keeper)
    assert memory(keeper) - before < 64 * MEGABYTE


def test_forms_that_do_not_come_lock_nobody_out(keeper: Keeper) -> None:
    """Each takes a connection, and none makes way for being silent."""
    with lines(keeper, 2500, b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"):
        for _ in range(20):
            genuine(keeper)
