"""Serve an application on an address until it is asked to stop, and stop in time."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TextIO

import structlog
import uvicorn

from roomkeeper.app import App
from roomkeeper.errors import RoomkeeperError
from roomkeeper.web import door

log = structlog.get_logger("serve")

_KEPT_OPEN = 75  # seconds that a connection may rest: longer than proxies keep theirs (nginx: 60 s)
_LAST_ANSWERS = 5  # seconds that requests under way have, once the service is asked to stop
_STOPPING = 25.0  # seconds until a service that was asked to stop is ended: less than the unit's TimeoutStopSec
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
    """One application on one bound socket; `say` tells who started it what is for nobody else."""

    def __init__(self, app: App, line: socket.socket, say: Callable[[str], None] | None = None) -> None:
        self._app, self._line, self._say = app, line, say
        settings = uvicorn.Config(
            app.site,
            http=door.connections(door.most_open()),  # type: ignore[arg-type]
            ws="none",
            lifespan="off",
            log_config=None,
            forwarded_allow_ips=list(app.trusted_proxies),
            access_log=False,
            timeout_graceful_shutdown=_LAST_ANSWERS,
            timeout_keep_alive=_KEPT_OPEN,
            backlog=2048,
        )
        self._server = _Server(settings)

    async def serve(self) -> None:
        """Serve until `stop`; what works is ended in order after the last request."""
        async with self._app.site.router.lifespan_context(self._app.site):
            for warning in self._app.site.state.desk.warnings:
                log.warning(warning)
            host, port = self._line.getsockname()[:2]
            address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
            log.info("serving", address=address, role=self._app.role, store=self._app.store.said)
            await self._say_link(address)
            await self._server.serve(sockets=[self._line])
            log.info("stopping")
        log.info("stopped")

    async def _say_link(self, address: str) -> None:
        """Tell who started it how the pages are opened, and not the log: others may read that."""
        path = await asyncio.to_thread(self._app.link) if self._say is not None else None
        if path is not None and self._say is not None:
            where = self._app.public_url or address.replace("0.0.0.0", "127.0.0.1")
            self._say(f"The pages, by a link that is good once: {where}{path}")

    def stop(self) -> None:
        """Stop taking requests, and end. From the loop that serves."""
        self._server.should_exit = True

    def stop_on_signals(self) -> None:
        """Stop on SIGTERM and SIGINT, in time: what does not end by itself is ended.

        Nothing is lost by that: what was accepted is committed, and runs at work are taken up by the next start, as
        after kill -9.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._end_in_time)

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
