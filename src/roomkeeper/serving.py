"""Serve an application on an address until it is asked to stop, and stop in time."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TextIO

import structlog
import uvicorn
from starlette.types import ASGIApp

from roomkeeper.app import App
from roomkeeper.automations.address import reached
from roomkeeper.errors import RoomkeeperError, StoreUnavailable
from roomkeeper.store import services, texts
from roomkeeper.web import door
from roomkeeper.web.front import Front

log = structlog.get_logger("serve")

_KEPT_OPEN = 75  # seconds that a connection may rest: longer than proxies keep theirs (nginx: 60 s)
_LAST_ANSWERS = 5  # seconds that requests under way have, once the service is asked to stop
_LAST_WORD = 0.2  # seconds for the answer that says so to be on its way
_STOPPING = 25.0  # seconds until a service that was asked to stop is ended: less than the unit's TimeoutStopSec
_LOOK = 1.0  # seconds between two looks for an order
_PATIENCE = 60.0  # seconds that the store may be away while the application is exchanged
_STUCK = 71  # the exit code of one that had to be


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


class Service:
    """One application on one bound socket.

    `say` tells who started it what is for nobody else. `renew` reads the file anew and builds another application, to
    take the place of the one that is given; without it, nothing is ever exchanged.
    """

    def __init__(
        self,
        app: App,
        line: socket.socket,
        *,
        say: Callable[[str], None] | None = None,
        renew: Callable[[App], App] | None = None,
        logged_to: TextIO = sys.stderr,
    ) -> None:
        self._app, self._line, self._say, self._renew, self._logged_to = app, line, say, renew, logged_to
        self._name = f"{socket.gethostname()} process {os.getpid()}"
        self._front = Front(app)
        self._works = contextlib.AsyncExitStack()
        self._exchange, self._hangup = asyncio.Lock(), asyncio.Event()
        self._server = _server(self._front)

    async def serve(self) -> None:
        """Serve until `stop`; what works is ended in order after the last request."""
        await self._works.enter_async_context(self._app.working())
        keeper = asyncio.create_task(self._keep_text())
        keeper.add_done_callback(lambda _: self.stop())  # it ends only by a fault: it is raised below
        try:
            for warning in self._app.site.state.desk.warnings:
                log.warning(warning)
            host, port = self._line.getsockname()[:2]
            address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
            log.info("serving", address=address, role=self._app.role, store=self._app.store.said)
            await self._say_where(reached(host, port))
            await self._server.serve(sockets=[self._line])
            log.info("stopping")
        finally:
            async with self._exchange:
                keeper.cancel()
                fault = (await asyncio.gather(keeper, return_exceptions=True))[0]
                with contextlib.suppress(StoreUnavailable):
                    await asyncio.to_thread(services.leave, self._app.store, self._name)
                await self._works.aclose()
        if isinstance(fault, Exception):
            raise fault
        log.info("stopped")

    async def _say_where(self, address: str) -> None:
        """Tell who started it what runs, and how the pages are opened; not the log: others may read that."""
        if self._say is None:
            return
        config = self._app.config
        automations = [f"{one.name}{' (paused)' if one.paused else ''}" for one in config.automations]
        self._say(f"Connections: {', '.join(config.shown)}. Automations: {', '.join(automations) or 'none yet'}.")
        if self._app.role == "worker":
            return
        where = config.public_url or address
        path = await asyncio.to_thread(self._app.link)
        self._say(f"The pages, by a link that is good once: {where}{path}" if path else f"The pages: {where}")

    def stop(self) -> None:
        """Stop taking requests, and end. From the loop that serves."""
        self._front.let_go()
        self._server.should_exit = True

    # --- another text -------------------------------------------------------------------------------------------

    async def _keep_text(self) -> None:
        """Take over the file as it is now whenever that is ordered, here or from another machine."""
        with contextlib.suppress(StoreUnavailable):
            await self._announce()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK):
                    await self._hangup.wait()
            try:
                if self._hangup.is_set() or await asyncio.to_thread(services.is_ordered, self._app.store, self._name):
                    self._hangup.clear()
                    await self._take_over()
            except StoreUnavailable as error:
                log.warning("cannot see whether another text is to be taken over", reason=error.message)

    async def _announce(self) -> None:
        app = self._app
        await asyncio.to_thread(texts.keep, app.store, app.config.text)
        await asyncio.to_thread(services.announce, app.store, self._name, app.role, app.config.digest)

    async def _take_over(self) -> None:
        """Exchange the application for one of the file as it is now; without one that can be, all stays as it is.

        It ends and begins as by a stop and a start, for which everything is made; only the address stays open, and who
        calls meanwhile waits. Raises StoreUnavailable if the store does not come back.
        """
        if self._renew is None:
            return
        try:
            new = await asyncio.to_thread(self._renew, self._app)
        except RoomkeeperError as error:
            why = self._app.redact(f"{error.message}. {error.remedy}".removesuffix(". "))
            log.warning("the file is not taken over; the service goes on as it was", reason=why)
            await asyncio.to_thread(services.refuse, self._app.store, self._name, why)
            return
        async with self._exchange:
            await self._front.close()
            await self._works.aclose()
            await self._begin(new)
            self._front.open(new)
        log.info("took over the file", file=str(new.config.file), automations=len(new.config.automations))
        await self._announce()

    async def _begin(self, new: App) -> None:
        """Begin to work, once the store answers: what was checked a moment ago is in order."""
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                await self._works.enter_async_context(new.working())
            except StoreUnavailable:
                if time.monotonic() > end:
                    raise
                await asyncio.sleep(_LOOK)
            else:
                self._app = new
                start_log(new.redact, self._logged_to)
                return

    def stop_on_signals(self) -> None:
        """Stop on SIGTERM and SIGINT, in time: what does not end by itself is ended.

        Nothing is lost by that: what was accepted is committed, and runs at work are taken up by the next start, as
        after kill -9.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._end_in_time)
        if not self._logged_to.isatty():  # there it says that the terminal is gone; to a service: read your file
            loop.add_signal_handler(signal.SIGHUP, self._hangup.set)

    def _end_in_time(self) -> None:
        if not self._server.should_exit:
            watchdog = threading.Timer(_STOPPING, _give_up)
            watchdog.daemon = True
            watchdog.start()
        self.stop()


def _give_up() -> None:
    log.critical("stopping took too long; ending the process", seconds=_STOPPING)
    sys.stderr.flush()
    os._exit(_STUCK)


async def serve_until(over: asyncio.Event, site: ASGIApp, line: socket.socket) -> bool:
    """Serve a site until something is over; whoever calls then waits for who listens next. False if it was stopped.

    Signals go to whoever is asked for them next: between the two, none is lost.
    """
    server, loop, stopped = _server(site), asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    watching = asyncio.create_task(_leave_after((over, stopped), server))
    try:
        await server.serve(sockets=[line.dup()])
    finally:
        watching.cancel()
    return not stopped.is_set()


async def _leave_after(ends: Iterable[asyncio.Event], server: uvicorn.Server) -> None:
    waiting = [asyncio.create_task(one.wait()) for one in ends]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(_LAST_WORD)
    finally:
        for one in waiting:
            one.cancel()
    server.should_exit = True


def _server(site: ASGIApp) -> "_Server":
    settings = uvicorn.Config(
        site,
        http=door.connections(door.most_open()),  # type: ignore[arg-type]
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # the front's business: which proxies are trusted may change
        timeout_graceful_shutdown=_LAST_ANSWERS,
        timeout_keep_alive=_KEPT_OPEN,
        backlog=2048,
    )
    return _Server(settings)


class _Server(uvicorn.Server):
    """Leaves signals to us."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def start_log(redact: Callable[[str], str], stream: TextIO) -> None:
    """Log for people on a terminal, as JSON lines elsewhere; whatever is said, no secret is in it."""
    human = stream.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if human else [structlog.processors.format_exc_info]),
            structlog.dev.ConsoleRenderer() if human else structlog.processors.JSONRenderer(),
            lambda _, __, line: redact(str(line)),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Redacting(redact))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # what strangers do wrong is said by the door, sparingly


class _Redacting(logging.Formatter):
    """Writes what libraries log, tracebacks too, without secrets."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Write one line, or more."""
        return self._redact(super().format(record))


def fast_loop() -> asyncio.AbstractEventLoop:
    """Make the fastest event loop there is here."""
    with contextlib.suppress(ImportError):
        import uvloop  # noqa: PLC0415 - it does not exist on Windows

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()
