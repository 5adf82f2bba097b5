"""How fast deliveries are acknowledged, durably, while copies are running.

Two servers in one run, in turn, so that a noisy machine is noisy for both: Roomkeeper as `roomkeeper serve` runs it
(signature, parsing, deduplication, one commit for those that arrive together, copies under way in the same process),
and beside it a bare Starlette handler that commits one row to SQLite for each request. Both with synchronous=FULL.

    python bench/ack.py [--seconds 6] [--rounds 3]
"""

import argparse
import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from roomkeeper.demo import Portal, free_port, set_scene, wait_for

OWNER_KEY = "sk-" + "0" * 63 + "1"
SECRET = "the-secret-of-the-bench"
CONNECTIONS = 32
FOLDER = {"id": 0}  # where the deliveries say that it happened: the internal room, so that no automation is for them
BARE = "bare"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        keeper, uploading = stack.enter_context(keeper_at_work(folder))
        bare = stack.enter_context(bare_server(folder))
        most: dict[str, list[float]] = {"roomkeeper": [], BARE: []}
        steady: dict[str, list[float]] = {"roomkeeper": [], BARE: []}
        numbers = iter(range(10**9))
        for _ in range(options.rounds):
            for name, url in (("roomkeeper", keeper), (BARE, bare)):
                took, _ = asyncio.run(flood(url, numbers, options.seconds))
                most[name].append(len(took) / options.seconds)
                print(f"{name:10} as many as possible: {len(took) / options.seconds:6.0f}/s, {_percentiles(took)}")
                took, late = asyncio.run(steadily(url, numbers, options.seconds, rate=200))
                steady[name] += took
                print(f"{name:10} 200 a second:                {_percentiles(took)}; {late} late")
        copied = uploading()
        ratios = [ours / theirs for ours, theirs in zip(most["roomkeeper"], most[BARE], strict=True)]
        print(f"\ncopies made meanwhile: {copied}")
        print(f"acks a second, median of {options.rounds}: {statistics.median(most['roomkeeper']):.0f}")
        print(f"of the bare handler's, pair by pair: {', '.join(f'{one:.2f}' for one in ratios)}")
        print(f"at 200 a second: {_percentiles(steady['roomkeeper'])}")


def delivery(number: int) -> bytes:
    """Make a whole signed request, as the portal would send it."""
    body = json.dumps(
        {
            "event": {
                "id": number,
                "createOn": "2026-06-30T12:05:09Z",
                "createBy": "7b6d1a60-0000-4000-8000-000000000000",
                "trigger": "file.updated",
                "triggerId": 512,
            },
            "payload": {
                "id": number,
                "parentId": FOLDER["id"],
                "title": f"Offer {number}.docx",
                "rootId": 5,
                "fileEntryType": 2,
            },
            "webhook": {"id": 3, "name": "hook", "url": "https://hooks.example/x", "triggers": ["*"]},
            "filler": "x" * 500,
        }
    ).encode()
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest().upper()
    head = (
        f"POST /hooks/portal HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"x-docspace-signature-256: sha256={digest}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def flood(url: str, numbers: Iterator[int], seconds: float) -> tuple[list[float], int]:
    """Send on many connections, each as soon as the last answer is there."""
    requests = iter([delivery(next(numbers)) for _ in range(int(seconds * 4000))])
    took: list[float] = []
    until = time.perf_counter() + seconds

    async def sender() -> None:
        async with _connection(url) as ask:
            while time.perf_counter() < until:
                took.append(await ask(next(requests)))

    await asyncio.gather(*(sender() for _ in range(CONNECTIONS)))
    return took, 0


async def steadily(url: str, numbers: Iterator[int], seconds: float, *, rate: int) -> tuple[list[float], int]:
    """Send at a fixed rate, whether answers come or not; time counts from when a request was due."""
    requests = [delivery(next(numbers)) for _ in range(int(seconds * rate))]
    queue: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue()
    took: list[float] = []

    async def sender() -> None:
        async with _connection(url) as ask:
            while (job := await queue.get()) is not None:
                await ask(job[1])
                took.append(time.perf_counter() - job[0])

    senders = [asyncio.create_task(sender()) for _ in range(CONNECTIONS)]
    began = time.perf_counter()
    for at, request in enumerate(requests):
        due = began + at / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        queue.put_nowait((due, request))
    for _ in senders:
        queue.put_nowait(None)
    await asyncio.gather(*senders)
    return took, sum(one > 0.05 for one in took)


@contextlib.asynccontextmanager
async def _connection(url: str):  # noqa: ANN202 - an async context
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))

    async def ask(request: bytes) -> float:
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
        return time.perf_counter() - began

    try:
        yield ask
    finally:
        writer.close()


@contextlib.contextmanager
def keeper_at_work(folder: Path):  # noqa: ANN201 - a context
    """Start a portal and a Roomkeeper, and let uploads be copied all the time."""
    with contextlib.ExitStack() as stack:
        portal_port, port = free_port(), free_port()
        _spawn(stack, ["-m", "roomkeeper", "simulate", "--port", str(portal_port)])
        portal = Portal(f"http://127.0.0.1:{portal_port}", OWNER_KEY)
        wait_for(f"{portal.url}/_sim/usage")
        scene = set_scene(portal)
        FOLDER["id"] = scene.internal
        (folder / "roomkeeper.yaml").write_text(f"""\
version: 1
listen: 127.0.0.1:{port}
connections:
  portal: {{type: docspace, url: {portal.url}, api_key: !env BENCH_KEY, webhook_secret: !env BENCH_SECRET}}
automations:
  - name: copy
    on: file.uploaded
    where: {{room: {scene.client}}}
    steps: [{{do: copy_files, with: {{to: {scene.internal}}}}}]
  - name: listens
    on: file.updated
    where: {{room: 999999}}
    steps: [{{do: copy_files, with: {{to: {scene.internal}}}}}]
""")
        env = {"BENCH_KEY": scene.keeper_key, "BENCH_SECRET": SECRET}
        _spawn(stack, ["-m", "roomkeeper", "serve", "-c", str(folder / "roomkeeper.yaml")], env)
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/readyz")
        portal.register(f"{url}/hooks/portal", SECRET)
        uploader = _spawn(stack, [__file__, "--upload", portal.url, str(scene.client), scene.guest_key])
        yield url, lambda: (uploader.send_signal(signal.SIGTERM), len(portal.tree(scene.internal)))[1]


@contextlib.contextmanager
def bare_server(folder: Path):  # noqa: ANN201 - a context
    with contextlib.ExitStack() as stack:
        port = free_port()
        _spawn(stack, [__file__, "--bare", str(port), str(folder / "bare.sqlite")])
        wait_for(f"http://127.0.0.1:{port}/")
        yield f"http://127.0.0.1:{port}"


def serve_bare(port: int, file: str) -> None:
    """Serve the yardstick: read the body, commit one row, answer."""
    database = sqlite3.connect(file, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        database.execute(f"PRAGMA {pragma}")
    database.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, body BLOB)")

    async def take(request: Request) -> JSONResponse:
        database.execute("INSERT INTO events (body) VALUES (?)", (await request.body(),))
        return JSONResponse({"status": "accepted"})

    async def there(_: Request) -> JSONResponse:
        return JSONResponse({})

    app = Starlette(routes=[Route("/hooks/portal", take, methods=["POST"]), Route("/", there)])
    uvicorn.run(app, port=port, log_level="warning", access_log=False, loop="uvloop", http="httptools")


def upload_for_ever(url: str, room: str, key: str) -> None:
    """Upload two files a second, so that copies are always under way."""
    portal, number = Portal(url, OWNER_KEY), 0
    while True:
        portal.upload(int(room), f"Bench {number}.docx", b"content", key=key)
        number += 1
        time.sleep(0.5)


def _spawn(
    stack: contextlib.ExitStack, words: list[str], env: dict[str, str] | None = None
) -> "subprocess.Popen[bytes]":
    quiet = subprocess.DEVNULL
    process = subprocess.Popen([sys.executable, *words], env={**os.environ, **(env or {})}, stdout=quiet, stderr=quiet)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return process


def _percentiles(took: list[float]) -> str:
    cuts = statistics.quantiles(took, n=100)
    return f"p50 {cuts[49] * 1000:.1f} ms, p99 {cuts[98] * 1000:.1f} ms"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--bare"]:
        serve_bare(int(sys.argv[2]), sys.argv[3])
    elif sys.argv[1:2] == ["--upload"]:
        upload_for_ever(*sys.argv[2:5])
    else:
        main()
