"""Faults on request: what networks and servers do to a client."""

import asyncio
import re
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

KINDS = ("status", "delay", "drop_before", "drop_after", "late", "truncate", "garble", "clock")


@dataclass
class Fault:
    """What to do to requests that match, with this key or with any; `every` n-th of them, at most `times` times."""

    kind: str
    method: str = ".*"
    path: str = ".*"
    key: str = ""
    every: int = 1
    times: int | None = None
    status: int = 500
    seconds: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    seen: int = 0
    done: int = 0

    def strikes(self, method: str, path: str, authorization: str) -> bool:
        if not (re.fullmatch(self.method, method) and re.search(self.path, path)):
            return False
        if self.key and not authorization.endswith(self.key):
            return False
        self.seen += 1
        if self.seen % self.every or (self.times is not None and self.done >= self.times):
            return False
        self.done += 1
        return True


class FaultInjector:
    """Stands between the network and the portal; /_sim/ is never struck."""

    def __init__(self, app: ASGIApp, faults: list[Fault]) -> None:
        self.app, self.faults = app, faults
        self._jobs: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/_sim"):
            await self.app(scope, receive, send)
            return
        key = Headers(scope=scope).get("Authorization", "")
        struck = [fault for fault in self.faults if fault.strikes(scope["method"], scope["path"], key)]
        send = _dated(send, sum(fault.seconds for fault in struck if fault.kind == "clock"))
        for fault in struck:
            if fault.kind == "delay":
                await asyncio.sleep(fault.seconds)
        final = next((fault for fault in struck if fault.kind not in {"delay", "clock"}), None)
        if final is None:
            await self.app(scope, receive, send)
        elif final.kind == "status":
            await _answer(send, final)
        elif final.kind == "drop_before":
            _hang_up(scope)
        elif final.kind == "late":
            await self._late(final, scope, receive)
        else:
            await self._after(final, scope, receive, send)

    async def _late(self, fault: Fault, scope: Scope, receive: Receive) -> None:
        """Hang up at once, and do the work `seconds` later: what a proxy does that does not wait for a slow server."""
        request = [await receive()]
        while request[-1].get("more_body"):
            request.append(await receive())
        _hang_up(scope)

        async def replay() -> Message:
            return request.pop(0) if request else {"type": "http.disconnect"}

        async def ignore(_: Message) -> None:
            return

        async def work() -> None:
            await asyncio.sleep(fault.seconds)
            await self.app(scope, replay, ignore)

        job = asyncio.get_running_loop().create_task(work())
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    async def _after(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the portal do its work, then spoil the answer."""
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, keep)
        if fault.kind == "drop_after":
            _hang_up(scope)
            return
        start = next(message for message in messages if message["type"] == "http.response.start")
        body = b"".join(message.get("body", b"") for message in messages if message["type"] == "http.response.body")
        if fault.kind == "truncate":
            await send(start)  # announces the whole length…
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
            _hang_up(scope)
            return
        body = body[: len(body) // 2]
        headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
        await send({**start, "headers": [*headers, (b"content-length", str(len(body)).encode())]})
        await send({"type": "http.response.body", "body": body})


def _dated(send: Send, shift: float) -> Send:
    """Say when it was sent, by a clock that is so many seconds ahead."""

    async def dated(message: Message) -> None:
        if message["type"] == "http.response.start":
            date = formatdate(time.time() + shift, usegmt=True).encode()
            message = {**message, "headers": [*message.get("headers", []), (b"date", date)]}
        await send(message)

    return dated


async def _answer(send: Send, fault: Fault) -> None:
    body = fault.body.encode()
    headers: list[Any] = [(name.lower().encode(), value.encode()) for name, value in fault.headers.items()]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": fault.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _hang_up(scope: Scope) -> None:
    """Close the connection without a word; `server.Protocol` leaves the transport in the scope."""
    transport = scope.get("roomkeeper.transport")
    if transport is not None:
        transport.abort()
