"""`serve`, `simulate`, `demo`: what keeps running."""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import structlog
import typer
import uvicorn
from dotenv import load_dotenv

from roomkeeper import demo
from roomkeeper.automations.config import Config, load
from roomkeeper.cli.options import DEFAULT, FAILED, USAGE, ConfigFile
from roomkeeper.cli.printing import out, stop
from roomkeeper.connectors import CATALOG
from roomkeeper.errors import RoomkeeperError

if TYPE_CHECKING:
    from roomkeeper.app import App


def serve(
    config: ConfigFile = DEFAULT,
    port: Annotated[int | None, typer.Option(help="Listen on this port instead.", min=0, max=65_535)] = None,
    role: Annotated[
        str, typer.Option(help="all, web (receive only) or worker (run only); the split needs PostgreSQL.")
    ] = "all",
) -> None:
    """Receive events, run automations and serve the pages, in one process or in several."""
    load_dotenv(config.parent / ".env")  # for what a step reads from the environment while it runs
    loaded = load(config, CATALOG)
    if role not in {"all", "web", "worker"}:
        raise typer.BadParameter("choose all, web or worker", param_hint="--role")
    if role != "all" and "://" not in loaded.store:
        what, remedy = f"--role {role} needs a store that processes can share", "set `store: postgresql://user@host/db`"
        stop(what, remedy, USAGE)
    from roomkeeper import app  # noqa: PLC0415 - the engine takes a second to load, and other commands do not need it
    from roomkeeper.runs import tracing  # noqa: PLC0415

    service = app.build(loaded, role=role)  # type: ignore[arg-type]
    _start_log(service.redact)
    tracing.start()
    _run(_serving(service, loaded, loaded.port if port is None else port, role))


async def _serving(service: "App", config: Config, port: int, role: str) -> None:
    settings = uvicorn.Config(
        service.site,
        host=config.host,
        port=port,
        http="httptools",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
        backlog=2048,
    )
    line = _bound(config.host, port)
    server = _Server(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.end)
    log = structlog.get_logger("serve")
    async with service.site.router.lifespan_context(service.site):
        for warning in service.site.state.desk.warnings:
            log.warning(warning)
        address = f"http://{config.host}:{line.getsockname()[1]}"
        log.info("serving", address=address, role=role, store=_without_password(config.store))
        await server.serve(sockets=[line])
        log.info("stopping")
    log.info("stopped")


def _bound(host: str, port: int) -> socket.socket:
    """Take the address before anything is said to be served there."""
    line = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        line.bind((host, port))
    except OSError as error:
        line.close()
        what = f"{host}:{port} cannot be listened on: {error.strerror}"
        raise AddressTaken(what, remedy="Stop what uses it, change `listen`, or give --port.") from error
    return line


class AddressTaken(RoomkeeperError):
    """The address to listen on is taken."""


class _Server(uvicorn.Server):
    """Leaves signals to us, so that what works is ended in order after the last request."""

    def end(self) -> None:
        """Stop taking requests."""
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def simulate(
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 8090,
    example: Annotated[bool, typer.Option("--example", help="With two rooms and two accounts, for a trial.")] = False,
    pace: Annotated[
        float, typer.Option(help="1 keeps the real portal's waits between deliveries; less is faster.")
    ] = 0.02,
) -> None:
    """Serve a pretend portal alone, for trying automations and for tests."""
    from roomkeeper.simulator import server  # noqa: PLC0415 - only this command needs it

    url = f"http://127.0.0.1:{port}"
    out.print(f"A pretend portal at {url}; its owner's API key is {server.OWNER_KEY}")
    out.print(
        "Rooms, files and webhooks: as on a real one, below /api/2.0. People, faults and the journal: below /_sim."
    )
    out.print("Stop it with Ctrl-C; nothing of it is kept.")
    if example:
        made = server.EXAMPLE
        out.print(f"\nFor a trial: rooms {made.client!r} and {made.internal!r}, and an account that may work in both:")
        out.print(f"  export DOCSPACE_API_KEY={made.keeper_key}")
        out.print(f"  roomkeeper init trial --url {url} --public-url http://127.0.0.1:8080 --job copy \\")
        out.print(f"    --from '{made.client}' --to '{made.internal}'")
        out.print("A guest uploads into the client's room with:")
        out.print(
            f"  curl -H 'Authorization: Bearer {made.guest_key}' -F file=@FILE {url}/api/2.0/files/{made.room}/upload"
        )
    server.serve(port=port, pace=pace, example=example)


def play(
    once: Annotated[bool, typer.Option("--once", help="Play it, print the summary, and exit.")] = False,
    port: Annotated[int, typer.Option(help="Where the pages are served.")] = 8080,
) -> None:
    """Play the whole story on a simulated portal, and check what came of it."""
    if not demo.play(out, once=once, port=port):
        raise typer.Exit(FAILED)


def _start_log(redact: Callable[[str], str]) -> None:
    """Log to stderr: for people on a terminal, as JSON lines elsewhere; whatever is said, no secret is in it."""
    human = sys.stderr.isatty()
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
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_Redacting(redact))


class _Redacting(logging.Formatter):
    """Writes what libraries log, tracebacks too, without secrets."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Write one line, or more."""
        return self._redact(super().format(record))


def _run(work: Awaitable[None]) -> None:
    """Run on the fast event loop where there is one.

    Threads of the engine and the store share the interpreter with the loop that acknowledges deliveries: short turns
    keep it from waiting for them.
    """
    sys.setswitchinterval(0.0005)
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    with contextlib.suppress(ImportError):
        import uvloop  # noqa: PLC0415 - it does not exist on Windows

        loop_factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(work)  # type: ignore[arg-type]


def _without_password(store: str) -> str:
    head, at, tail = store.rpartition("@")
    scheme, _, user = head.partition("://")
    return f"{scheme}://{user.partition(':')[0]}@{tail}" if at else store
