"""`serve`, `simulate`, `demo`: what keeps running."""

import asyncio
import socket
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Annotated, Any

import typer
from dotenv import load_dotenv

from roomkeeper import demo
from roomkeeper.cli.options import DEFAULT, FAILED, USAGE, ConfigFile
from roomkeeper.cli.printing import out, stop
from roomkeeper.configuration.loading import load
from roomkeeper.connectors import CATALOG

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
    from roomkeeper.serving import bound, start_log  # noqa: PLC0415
    from roomkeeper.telemetry import tracing  # noqa: PLC0415

    line = bound(loaded.host, loaded.port if port is None else port)
    service = app.build(loaded, role=role)  # type: ignore[arg-type]
    start_log(service.redact, sys.stderr)
    tracing.start()
    _run(_serving(service, line))


async def _serving(service: "App", line: socket.socket) -> None:
    from roomkeeper.serving import Service  # noqa: PLC0415

    one = Service(service, line)
    one.stop_on_signals()
    await one.serve()


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


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run on the fast event loop where there is one.

    Threads of the engine and the store share the interpreter with the loop that acknowledges deliveries: short turns
    keep it from waiting for them.
    """
    from roomkeeper.serving import fast_loop  # noqa: PLC0415

    sys.setswitchinterval(0.0005)
    with asyncio.Runner(loop_factory=fast_loop) as runner:
        runner.run(work)
