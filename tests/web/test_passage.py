"""Two servers share one address: whatever is asked for, of whichever it is, is answered by the one that it is for."""

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator, Callable

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from roomkeeper.serving.listening import Server, bound
from roomkeeper.web import passage
from roomkeeper.web.doorway import is_here
from roomkeeper.web.passage import Passage, between


def echoing(name: str) -> Starlette:
    """Answer with its name and how much was sent."""

    async def told(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"{name} {request.method} {request.url.path} {len(await request.body())}")

    return Starlette(routes=[Route("/{path:path}", told, methods=["GET", "POST"])])


@contextlib.asynccontextmanager
async def shared(is_there: Callable[[str], bool] = is_here) -> AsyncIterator[tuple[str, Server, Server]]:
    """Serve an address in two parts: the door, which lets in, and the desk behind it."""
    near, far = between()
    line = bound("127.0.0.1", 0)
    line.listen()  # who calls waits
    port = line.getsockname()[1]
    door = Server(echoing("door"), Passage(near, is_there))
    desk = Server(echoing("desk"), Passage(far, lambda path: not is_there(path)))
    running = [asyncio.create_task(door.serve(sockets=[line])), asyncio.create_task(desk.serve(sockets=[]))]
    try:
        yield f"http://127.0.0.1:{port}", door, desk
    finally:
        door.should_exit = desk.should_exit = True
        await asyncio.gather(*running)
        near.close()
        far.close()


async def test_each_request_of_many_connections_is_answered_by_the_right_one() -> None:
    chance = random.Random(20261127)

    async def caller(url: str) -> None:
        async with httpx2.AsyncClient(base_url=url, limits=httpx2.Limits(max_connections=1), timeout=30) as one:
            for _ in range(30):
                path = chance.choice(["/hooks/acme", "/livez", "/", "/runs/7?x=/hooks/", "/%68ooks/acme"])
                body = b"x" * chance.choice([0, 10, 40_000, 300_000])
                told = (await one.post(path, content=body)).text
                decoded = path.partition("?")[0].replace("%68", "h")
                assert told == f"{'door' if is_here(decoded) else 'desk'} POST {decoded} {len(body)}"

    async with shared() as (url, door, desk):
        await asyncio.gather(*(caller(url) for _ in range(20)))
        assert door.server_state.total_requests + desk.server_state.total_requests == 20 * 30
        assert min(door.server_state.total_requests, desk.server_state.total_requests) > 100


async def test_a_head_that_comes_in_pieces_is_handed_over_whole() -> None:
    async with shared() as (url, _, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        whole = b"POST /somewhere HTTP/1.1\r\nHost: x\r\nX-Long: " + b"y" * 2000 + b"\r\nContent-Length: 5\r\n\r\nhello"
        for at in range(0, len(whole), 97):
            writer.write(whole[at : at + 97])
            await writer.drain()
            await asyncio.sleep(0)
        answer = await _answer(reader)
        writer.close()

    assert answer == "desk POST /somewhere 5"


async def test_who_sends_before_it_is_answered_is_asked_to_come_again_where_the_next_is_for_the_other() -> None:
    """Its first request is answered; the second was never begun (RFC 9112, 9.3.2)."""
    async with shared() as (url, _, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /pages HTTP/1.1\r\nHost: x\r\n\r\n")
        said = await asyncio.wait_for(reader.read(), 10)
        writer.close()

    assert b"desk" not in said


async def test_an_answer_that_is_still_on_its_way_is_not_cut_off_by_what_is_asked_next() -> None:
    large = b"x" * 8_000_000

    async def sent(_: Request) -> PlainTextResponse:
        return PlainTextResponse(large)

    near, far = between()
    line = bound("127.0.0.1", 0)
    line.listen()
    port = line.getsockname()[1]
    door = Server(Starlette(routes=[Route("/livez", sent)]), Passage(near, is_here))
    running = asyncio.create_task(door.serve(sockets=[line]))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    writer.write(b"GET /pages HTTP/1.1\r\nHost: x\r\n\r\n")
    await asyncio.sleep(0.2)  # it comes while most of the answer before is unsent
    body = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    door.should_exit = True
    await running
    for one in (near, far):
        one.close()

    assert head.startswith(b"HTTP/1.1 200")
    assert body == large


async def test_when_nobody_takes_them_on_callers_are_asked_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passage, "_MOST_WAITING", 2)
    near, far = between()
    far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2048)
    line = bound("127.0.0.1", 0)
    line.listen()  # who calls waits
    url = f"http://127.0.0.1:{line.getsockname()[1]}"
    door = Server(echoing("door"), Passage(near, is_here))
    running = asyncio.create_task(door.serve(sockets=[line]))

    async def asked(client: httpx2.AsyncClient) -> int:
        try:
            return (await client.get(f"{url}/pages", headers={"X-Long": "y" * 1500})).status_code
        except httpx2.TransportError:
            return 0  # it waits for a desk that never comes

    async with httpx2.AsyncClient(timeout=2) as client:
        told = await asyncio.gather(*(asked(client) for _ in range(30)))
        lives = (await client.get(f"{url}/livez")).text
    door.should_exit = True
    await running
    for one in (near, far):
        one.close()

    assert 503 in told
    assert set(told) <= {0, 503}
    assert lives == "door GET /livez 0"


async def _answer(reader: asyncio.StreamReader) -> str:
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
    return (await reader.readexactly(int(length.split(b":")[1]))).decode()
