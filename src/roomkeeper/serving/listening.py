"""The address that is listened on, and the server behind it."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

import uvicorn
from starlette.types import ASGIApp

from roomkeeper.errors import RoomkeeperError
from roomkeeper.web import door
from roomkeeper.web.passage import Passage

BACKLOG = 2048  # callers that may wait until they are let in; ours
_KEPT_OPEN = 75  # seconds that a connection may rest: longer than proxies keep theirs (nginx: 60 s)
_LAST_ANSWERS = 5  # seconds that requests under way have, once the service is asked to stop
_LAST_WORD = 0.2  # seconds for the answer that says so to be on its way


class AddressTaken(RoomkeeperError):
    """The address to listen on is taken."""


def bound(host: str, port: int) -> socket.socket:
    """Take an address before anything is said to be served there. Raises AddressTaken."""
    line = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        line.bind((host, port))
    except OSError as error:
        line.close()
        what = f"{host}:{port} cannot be listened on: {error.strerror}"
        raise AddressTaken(what, remedy="Stop what uses it, change `listen`, or give --port.") from error
    return line


class Server(uvicorn.Server):
    """Serves a site to who calls, and to whom the other side of a passage hands over; leaves signals to us."""

    def __init__(self, site: ASGIApp, passage: Passage | None = None) -> None:
        self._passage = passage
        super().__init__(
            uvicorn.Config(
                site,
                http=door.connections(door.most_open(), passage),  # type: ignore[arg-type]
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,  # the front's business: which proxies are trusted may change
                timeout_graceful_shutdown=_LAST_ANSWERS,
                timeout_keep_alive=_KEPT_OPEN,
                backlog=BACKLOG,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and to take what is handed over."""
        await super().startup(sockets)
        if self._passage is not None:
            self._passage.receive(self._admit)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End, after the last answers."""
        if self._passage is not None:
            self._passage.close()
        await super().shutdown(sockets)

    def _admit(self, line: socket.socket, read: bytes) -> None:
        """Go on with a connection that another process began."""
        made = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state, read=read
        )
        admitting = asyncio.create_task(_admitted(made, line))
        self.server_state.tasks.add(admitting)  # a task that nobody knows may be forgotten
        admitting.add_done_callback(self.server_state.tasks.discard)


async def _admitted(made: asyncio.Protocol, line: socket.socket) -> None:
    with contextlib.suppress(OSError):  # who called has gone meanwhile
        await asyncio.get_running_loop().connect_accepted_socket(lambda: made, line)


class Stopped:
    """Whether somebody has asked this process to stop; a context, within which no such signal is lost.

    A loop hears signals only while it runs: one that comes while it is being closed, or between two, it forgets.
    """

    def __init__(self) -> None:
        self.asked = False
        self._tell: Callable[[], object] = _nobody
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, *_: object) -> None:
        self.asked = True
        self._tell()

    @contextlib.contextmanager
    def heard_by(self, event: asyncio.Event) -> Iterator[None]:
        """Set an event of the running loop, as long as this lasts."""
        loop = asyncio.get_running_loop()
        self._tell = lambda: loop.call_soon_threadsafe(event.set)
        if self.asked:
            event.set()
        try:
            yield
        finally:
            self._tell = _nobody


def _nobody() -> None: ...


async def serve_until(over: asyncio.Event, site: ASGIApp, line: socket.socket, stopped: Stopped) -> None:
    """Serve a site until something is over, or it is to stop; whoever calls then waits for who listens next."""
    server, asked = Server(site), asyncio.Event()
    with stopped.heard_by(asked):
        watching = asyncio.create_task(_leave_after((over, asked), server))
        try:
            await server.serve(sockets=[line.dup()])
        finally:
            watching.cancel()


async def _leave_after(ends: Iterable[asyncio.Event], server: Server) -> None:
    waiting = [asyncio.create_task(one.wait()) for one in ends]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(_LAST_WORD)
    finally:
        for one in waiting:
            one.cancel()
    server.should_exit = True


def fast_loop() -> asyncio.AbstractEventLoop:
    """Make the fastest event loop there is here."""
    with contextlib.suppress(ImportError):
        import uvloop  # noqa: PLC0415 - it does not exist on Windows

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()
