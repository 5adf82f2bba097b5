"""`serve`, `simulate`, `demo`: what keeps running."""

import asyncio
import json
import socket
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from roomkeeper import demo
from roomkeeper.automations.address import listening, reached
from roomkeeper.cli.options import DEFAULT, FAILED, USAGE, ConfigFile
from roomkeeper.cli.outcome import outcome
from roomkeeper.cli.printing import PROGRAM, out, stop
from roomkeeper.configuration.config import Config
from roomkeeper.configuration.loading import load
from roomkeeper.configuration.resolving import Local
from roomkeeper.connectors import CATALOG
from roomkeeper.errors import OrderRefused
from roomkeeper.telemetry import metrics, tracing

if TYPE_CHECKING:
    from roomkeeper.app.app import App, Role
    from roomkeeper.serving.service import Service
    from roomkeeper.simulator.server import Example

T = TypeVar("T")

#: The parts of a role that go apart, in the order in which they begin: deliveries are taken first.
_APART: dict[str, tuple["Role", ...]] = {"all": ("door", "worker", "desk"), "web": ("door", "desk")}
Together = Annotated[
    bool, typer.Option("--together", help="One process instead of four: less memory, and less that stands by itself.")
]


def serve(
    config: ConfigFile = DEFAULT,
    port: Annotated[int | None, typer.Option(help="Listen on this port instead.", min=0, max=65_535)] = None,
    role: Annotated[
        str, typer.Option(help="all, web (receive and show) or worker (run only); the split needs PostgreSQL.")
    ] = "all",
    together: Together = False,
) -> None:
    """Receive events, run automations and serve the pages.

    What receives, what works and what shows are processes of their own, so that nothing keeps a delivery waiting; one
    that dies is started again. At a terminal and without a configuration it does what `roomkeeper setup` does: ask for
    one on pages, and go on.
    """
    # Elsewhere a missing file is a fault: a path mistyped, a disk not there.
    if role == "all" and not config.exists() and sys.stdout.isatty():
        set_up(config, f"127.0.0.1:{8080 if port is None else port}", together=together)
        return
    from roomkeeper.serving.listening import bound  # noqa: PLC0415

    _serve(config, role, lambda one: bound(one.host, one.port if port is None else port), together=together)


def set_up(
    config: ConfigFile = DEFAULT,
    listen: Annotated[str, typer.Option(help="Address and port to listen on.")] = "127.0.0.1:8080",
    together: Together = False,
) -> None:
    """Ask on pages for what a first configuration needs, try it live, write it, and go on serving it."""
    from roomkeeper.serving.listening import Stopped, bound, serve_until  # noqa: PLC0415
    from roomkeeper.serving.log import start_log  # noqa: PLC0415
    from roomkeeper.setup import site  # noqa: PLC0415
    from roomkeeper.setup.draft import Draft  # noqa: PLC0415

    if config.exists():
        stop(f"{config} is there already", "Change it on the page Configuration, or give another with -c.", USAGE)
    address = listening(listen)
    if address is None:
        raise typer.BadParameter("write it as 127.0.0.1:8080", param_hint="--listen")
    line = bound(*address)
    port = line.getsockname()[1]
    interview = site.Interview(Draft(config, f"{listen.rpartition(':')[0]}:{port}"))
    start_log(interview.redact, sys.stderr)

    async def asked(stopped: Stopped) -> None:
        line.listen()  # whoever is quicker with the link than we are waits, and is not refused
        typer.echo(f"There is no {config} yet. Set it up in a browser, by a link that is good once:")
        typer.echo(f"  {reached(address[0], port)}{interview.path}")
        typer.echo(f"(Or in this terminal: stop it, and `{PROGRAM} init`.)")
        sys.stdout.flush()
        await serve_until(interview.done, site.site(interview), line, stopped)

    with Stopped() as stopped:
        _run(asked(stopped))
    if not stopped.asked:
        _serve(config, "all", lambda _: line, together=together)


def _serve(config: Path, role: str, line_of: Callable[[Config], socket.socket], *, together: bool) -> None:
    """Serve the file as it is, on the address that the configuration is given; it is taken first."""
    if role not in {"all", "web", "worker"}:
        raise typer.BadParameter("choose all, web or worker", param_hint="--role")
    local = Local(config.parent / ".env")
    local.read()
    loaded = load(config, CATALOG)
    if role != "all" and "://" not in loaded.store:
        what, remedy = f"--role {role} needs a store that processes can share", "set `store: postgresql://user@host/db`"
        stop(what, remedy, USAGE)
    from roomkeeper.serving import memory  # noqa: PLC0415
    from roomkeeper.serving.log import start_log  # noqa: PLC0415

    memory.give_back()
    line = line_of(loaded)
    if together or role not in _APART:
        from roomkeeper.app.building import build  # noqa: PLC0415 - the engine takes half a second to load
        from roomkeeper.serving.service import Service  # noqa: PLC0415

        first = build(loaded, role=role)  # type: ignore[arg-type]
        start_log(first.redact, sys.stderr)
        tracing.start()

        def renewed(running: "App") -> "App":
            return build(_read_anew(local, config, running.config), role=role)  # type: ignore[arg-type]

        _run(_served(Service(first, line, say=typer.echo, renew=renewed)))
        return
    from roomkeeper.serving import parts  # noqa: PLC0415
    from roomkeeper.serving.supervisor import Place, Supervisor  # noqa: PLC0415

    start_log(lambda said: said, sys.stderr, part="supervisor")
    parts.must_be_alone(loaded)  # said before anything listens, or writes into another's store
    with metrics.shared():

        def become(place: Place) -> int:
            return outcome(lambda: _run(parts.served(place, loaded, partial(_read_anew, local, config))))

        code = Supervisor(_APART[role], line, become).run()
    if code:
        raise typer.Exit(code)


def _read_anew(local: Local, file: Path, running: Config, text: str | None = None) -> Config:
    """Read the file, or a text that stands for it, to take the place of what runs. Raises ConfigError, OrderRefused."""
    local.read()
    return _fitting(running, load(file, CATALOG, text=text))


def _fitting(running: Config, new: Config) -> Config:
    """Let through what can take the place of what runs. Raises OrderRefused."""
    for setting, now, then in (
        ("listen", (running.host, running.port), (new.host, new.port)),
        ("store", running.store, new.store),
    ):
        if now != then:
            raise OrderRefused(f"`{setting}` was changed, which takes a restart of `roomkeeper serve`")
    return new


async def _served(service: "Service") -> None:
    service.stop_on_signals()
    await service.serve()


def simulate(
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 8090,
    example: Annotated[bool, typer.Option("--example", help="With two rooms and two accounts, for a trial.")] = False,
    pace: Annotated[
        float, typer.Option(help="1 keeps the real portal's waits between deliveries; less is faster.")
    ] = 0.02,
) -> None:
    """Serve a pretend portal alone, for trying automations and for tests."""
    from roomkeeper.serving.listening import bound  # noqa: PLC0415
    from roomkeeper.simulator import server  # noqa: PLC0415 - only this command needs it

    url = f"http://127.0.0.1:{port}"
    bound("127.0.0.1", port).close()  # who has it taken is said before anything else
    out.print(f"A pretend portal at {url}; its owner's API key is {server.OWNER_KEY}")
    out.print(
        "Rooms, files and webhooks: as on a real one, below /api/2.0. People, faults and the journal: below /_sim."
    )
    out.print("Stop it with Ctrl-C; nothing of it is kept.")
    if example:
        _say_example(url, server.EXAMPLE)
    server.serve(port=port, pace=pace, example=example)


def _say_example(url: str, made: "Example") -> None:
    """Say what there is to try the three jobs with."""
    hooks = "http://127.0.0.1:8080/hooks"
    deal: dict[str, object] = {"name": "Renewal", "company": "Acme"}
    deal |= {"own": {"docspace_room_id": made.room, "docspace_guest_id": made.guest}}
    won = {"status": "won", "vendor": "pipedrive", "to": f"{hooks}/sales", "secret": "roomkeeper:PASSWORD"}
    ticket = {"subject": "Printer on fire", "by": "zendesk", "to": [f"{hooks}/support"], "secret": "SECRET"}
    zendesk = f"--helpdesk zendesk --helpdesk-url {url}/zendesk --helpdesk-email bot@acme.example --invite {made.group}"
    for line in (
        f"\nFor a trial: the rooms {made.client!r}, {made.internal!r} and {made.archive!r},",
        f"the group {made.group!r}, and an account that may work in all of them:",
        f"  export DOCSPACE_API_KEY={made.keeper_key}",
        f"  {PROGRAM} init trial --url {url} --public-url http://127.0.0.1:8080 --job copy \\",
        f"    --from '{made.client}' --to '{made.internal}'",
        "A guest uploads into the client's room with:",
        f"  curl -H 'Authorization: Bearer {made.guest_key}' -F file=@FILE {url}/api/2.0/files/{made.room}/upload",
        "\nFor the second job, a pretend Pipedrive: PIPEDRIVE_TOKEN=pipedrive-pretend, and a password of your own.",
        f"  {PROGRAM} init … --job archive --archive {made.archive} --crm pipedrive --crm-url {url}/pipedrive",
        "A deal is made, and won, with:",
        f"  curl -d '{json.dumps(deal)}' {url}/_sim/crm/deals",
        f"  curl -X PUT -d '{json.dumps(won)}' {url}/_sim/crm/deals/50010",
        "\nFor the third, a pretend Zendesk: ZENDESK_TOKEN=helpdesk-pretend, and a secret of your own.",
        f"  {PROGRAM} init … --job rooms {zendesk}",
        "A ticket is opened with:",
        f"  curl -d '{json.dumps(ticket)}' {url}/_sim/helpdesk/tickets",
        "docs/tutorial/first-hour.md goes through all three.",
    ):
        typer.echo(line)  # as it stands: a shell is to read it


def play(
    once: Annotated[bool, typer.Option("--once", help="Play it, print the summary, and exit.")] = False,
    port: Annotated[int, typer.Option(help="Where the pages are served.")] = 8080,
) -> None:
    """Play the whole story on a simulated portal, and check what came of it."""
    if not demo.play(out, once=once, port=port):
        raise typer.Exit(FAILED)


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run on the fast event loop where there is one.

    Threads of the engine and the store share the interpreter with the loop that acknowledges deliveries: short turns
    keep it from waiting for them.
    """
    from roomkeeper.serving.listening import fast_loop  # noqa: PLC0415

    sys.setswitchinterval(0.0005)
    with asyncio.Runner(loop_factory=fast_loop) as runner:
        return runner.run(work)
