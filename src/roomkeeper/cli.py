"""The commands: they parse and print, and decide nothing.

Exit codes: 0 ok, 1 it failed, 2 usage or configuration, 3 something needs a person.
"""

import asyncio
import contextlib
import json
import logging
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import structlog
import typer
import uvicorn
from rich.console import Console
from rich.table import Table

from roomkeeper import __version__, demo
from roomkeeper.automations.automation import Automation, acts_on
from roomkeeper.automations.config import Config, Connection, load
from roomkeeper.automations.event import Event
from roomkeeper.automations.schema import json_schema
from roomkeeper.connectors import CATALOG
from roomkeeper.docspace.budget import LocalTally
from roomkeeper.errors import ConfigError, NotThere, Problem, RoomkeeperError
from roomkeeper.runs import orders
from roomkeeper.runs.dispatch import Source, event_of
from roomkeeper.runs.history import History
from roomkeeper.runs.inbox import Inbox
from roomkeeper.runs.leases import is_served
from roomkeeper.runs.rehearsal import Rehearsed, rehearse
from roomkeeper.runs.store import Store, opened

if TYPE_CHECKING:
    from roomkeeper.app import App

FAILED, USAGE, NEEDS_A_PERSON = 1, 2, 3

cli = typer.Typer(
    name="roomkeeper",
    help="Keeps ONLYOFFICE DocSpace rooms in step with a CRM and a helpdesk.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
events = typer.Typer(help="What was received.", no_args_is_help=True)
runs = typer.Typer(help="What was done about it.", no_args_is_help=True)
cli.add_typer(events, name="events")
cli.add_typer(runs, name="runs")

ConfigFile = Annotated[Path, typer.Option("-c", "--config", help="The configuration file.", metavar="FILE")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="How many at most.")]
DEFAULT = Path("roomkeeper.yaml")

_PIPED = 240  # columns where there is no terminal to fit
out = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else _PIPED)
err = Console(stderr=True, soft_wrap=True, highlight=False)


def main() -> None:
    """Run a command; an error that we foresaw is said, not thrown."""
    try:
        cli()
    except ConfigError as error:
        _say_problems(error.problems)
        sys.exit(USAGE)
    except RoomkeeperError as error:
        err.print(f"[red]{_escaped(error.message)}[/red]")
        if error.remedy:
            err.print(f"    → {_escaped(error.remedy)}")
        sys.exit(FAILED)
    except KeyboardInterrupt:
        sys.exit(130)


# --- the service ----------------------------------------------------------------------------------------------


@cli.command()
def serve(
    config: ConfigFile = DEFAULT,
    port: Annotated[int | None, typer.Option(help="Listen on this port instead.", min=0, max=65_535)] = None,
    role: Annotated[
        str, typer.Option(help="all, web (receive only) or worker (run only); the split needs PostgreSQL.")
    ] = "all",
) -> None:
    """Receive events, run automations and show the live page, in one process or in several."""
    loaded = load(config, CATALOG)
    if role not in {"all", "web", "worker"}:
        raise typer.BadParameter("choose all, web or worker", param_hint="--role")
    if role != "all" and "://" not in loaded.store:
        what, remedy = f"--role {role} needs a store that processes can share", "set `store: postgresql://user@host/db`"
        _stop(what, remedy, USAGE)
    from roomkeeper import app  # noqa: PLC0415 - the engine takes a second to load, and other commands do not need it

    _start_log()
    service = app.build(loaded, role=role)  # type: ignore[arg-type]
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
        for warning in service.site.state.warnings:
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


@cli.command()
def simulate(
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 8090,
    pace: Annotated[
        float, typer.Option(help="1 keeps the real portal's waits between deliveries; less is faster.")
    ] = 0.02,
) -> None:
    """Serve a pretend portal alone, for trying automations and for tests."""
    from roomkeeper.simulator import server  # noqa: PLC0415 - only this command needs it

    out.print(f"A pretend portal at http://127.0.0.1:{port}; its owner's API key is {server.OWNER_KEY}")
    out.print(
        "Rooms, files and webhooks: as on a real one, below /api/2.0. People, faults and the journal: below /_sim."
    )
    server.serve(port=port, pace=pace)


@cli.command("demo")
def play(
    once: Annotated[bool, typer.Option("--once", help="Play it, print the summary, and exit.")] = False,
    port: Annotated[int, typer.Option(help="Where the live page is served.")] = 8080,
) -> None:
    """Play the whole story on a simulated portal, and check what came of it."""
    if not demo.play(out, once=once, port=port):
        raise typer.Exit(FAILED)


# --- the configuration ----------------------------------------------------------------------------------------


@cli.command()
def check(
    config: ConfigFile = DEFAULT,
    as_json: AsJson = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of the file instead.")] = False,
) -> None:
    """Check the configuration alone, without the network."""
    if schema:
        typer.echo(json.dumps(json_schema(CATALOG), indent=2))
        return
    try:
        loaded = load(config, CATALOG, secrets_required=False)
    except ConfigError as error:
        if not as_json:
            raise
        _print_json({"ok": False, "problems": [vars(one) for one in error.problems]})
        raise typer.Exit(USAGE) from error
    loud = [name for name, one in loaded.connections.items() if getattr(one.settings, "unsigned", False)]
    if as_json:
        _print_json({"ok": True, "problems": [], "notes": [vars(one) for one in loaded.notes], "unsigned": loud})
        return
    for name in loud:
        err.print(f"[yellow]warning: {name} accepts deliveries without a signature (`unsigned: true`)[/yellow]")
    for note in loaded.notes:
        err.print(f"[yellow]note: {_escaped(str(note))}[/yellow]")
    out.print(f"[green]{_escaped(str(config))} is in order[/green]: {_counted(loaded)}")


@cli.command("try")
def try_(
    name: Annotated[str, typer.Argument(help="The automation.", metavar="NAME")],
    event: Annotated[str, typer.Option("--event", help="A delivery's body in a file, or the number of an event.")],
    config: ConfigFile = DEFAULT,
    connection: Annotated[str | None, typer.Option(help="Where the event comes from, if that is not clear.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what an automation would do with an event; nothing is written to the portal."""
    loaded = load(config, CATALOG)
    automation = _automation(loaded, name)
    happened = _event_to_try(loaded, automation, event, connection)
    result = asyncio.run(_rehearsed(loaded, automation, happened))
    if as_json:
        _print_json(vars(result))
        return
    if not result.applies:
        out.print(f"{name} would do nothing: {_escaped(result.why)}")
    for step in result.steps:
        out.print(
            f"[bold]{step['name']}[/bold] would:"
            if step["plan"]
            else f"[bold]{step['name']}[/bold] would do nothing: {_escaped(step['because'])}"
        )
        for line in step["plan"]:
            out.print(f"  - {_escaped(line)}")


def dry_source(connection: Connection) -> Source:
    """Open a connection that cannot write."""
    connector = CATALOG.connectors[connection.type]
    client = connector.connect(connection.settings, tally=LocalTally(), dry=True)
    return Source(connection.name, connector, client)


async def _rehearsed(config: Config, automation: Automation, happened: Event) -> Rehearsed:
    sources: dict[str, Source] = {}

    def source(name: str) -> Source:
        if name not in sources:
            sources[name] = dry_source(config.connections[name])
        return sources[name]

    def of_step(position: int) -> Source:
        step = automation.steps[position]
        types = {name: one.type for name, one in config.connections.items()}
        wanted = config.catalog.steps[step.do].connection_type
        name = acts_on(step, wanted, happened.connection, types)
        if name is None:
            raise NotThere(f"It is not clear which connection {step.do} acts on", remedy="Name it with `via:`.")
        return source(name)

    store = opened(config.store)
    try:
        origin = source(happened.connection)
        return await rehearse(automation, happened, store, config.catalog, source_of=of_step, origin=origin)
    finally:
        store.close()
        for one in sources.values():
            await one.client.close()


@cli.command()
def start(
    name: Annotated[str, typer.Argument(help="The automation.", metavar="NAME")],
    with_: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            help="A field of the event, such as file.id=50123; repeat a field for several events.",
            metavar="FIELD=VALUE",
        ),
    ] = None,
    config: ConfigFile = DEFAULT,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the runs to end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run an automation by hand, whatever its `where` says; the running service takes it up."""
    loaded = load(config, CATALOG)
    automation = _automation(loaded, name)
    source = _source_of(loaded, automation, None)
    connector = CATALOG.connectors[loaded.connections[source].type]
    made = [connector.by_hand(source, automation.on, fields) for fields in _events_from(with_ or [], automation.on)]
    store = opened(loaded.store)
    numbers = [Inbox(store).hand_in(one, automation=automation.name) for one in made]
    history = History(store)
    told = f"Handed in: event {', '.join(map(str, numbers))}. {_by_whom(store)}"
    _show({"events": numbers}, as_json, told, quiet=wait and as_json)
    if wait:
        _wait_for(history, numbers, as_json)


# --- events and runs ------------------------------------------------------------------------------------------


@events.command("list")
def events_list(
    config: ConfigFile = DEFAULT,
    limit: Limit = 50,
    connection: Annotated[str | None, typer.Option(help="Only from this connection.")] = None,
    status: Annotated[str | None, typer.Option(help="Only accepted, duplicate, ignored or refused ones.")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="Only of this type.")] = None,
    as_json: AsJson = False,
) -> None:
    """List what was received, newest first."""
    _known("--status", status, ("accepted", "duplicate", "ignored", "refused"))
    _known("--connection", connection, list(_loaded(config).connections))
    shown = _history(config).events(limit=limit, connection=connection, status=status, type_=type_)
    if as_json:
        _print_json(shown)
        return
    columns = ("id", "received_at", "connection", "type", "subject", "status", "runs", "reason")
    _print_table(columns, shown, "None." if connection or status or type_ else "Nothing received yet.")


@events.command("show")
def events_show(
    number: Annotated[int, typer.Argument(metavar="ID")], config: ConfigFile = DEFAULT, as_json: AsJson = False
) -> None:
    """Show one event with its body."""
    shown = _history(config).event(number)
    if as_json:
        _print_json(shown)
        return
    _print_fields(
        shown,
        (
            "id",
            "connection",
            "type",
            "status",
            "reason",
            "received_at",
            "at",
            "actor",
            "subject",
            "duplicate_of",
            "runs",
        ),
    )
    out.print(_escaped(shown["body"] or "(no body is kept)"))


@events.command("replay")
def events_replay(
    numbers: Annotated[list[int], typer.Argument(metavar="ID...")],
    config: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Dispatch events again, by the configuration as it is now; what is done already is not done twice."""
    store = opened(_loaded(config).store)
    history = History(store)
    for number in numbers:
        history.row(number)  # all or nothing: a number that does not exist stops the others too
    for number in numbers:
        orders.replay(store, number)
    _show(
        {"replayed": numbers},
        as_json,
        f"Event {', '.join(map(str, numbers))} will be dispatched again. {_by_whom(store)}",
    )


@runs.command("list")
def runs_list(
    config: ConfigFile = DEFAULT,
    limit: Limit = 50,
    automation: Annotated[str | None, typer.Option(help="Only of this automation.")] = None,
    state: Annotated[
        str | None, typer.Option(help="Only waiting, running, done, needs_attention or cancelled ones.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first; exit code 3 if one of those shown needs a person."""
    _known("--state", state, ("waiting", "running", "done", "needs_attention", "cancelled"))
    shown = _history(config).runs(limit=limit, automation=automation, state=state)
    if as_json:
        _print_json(shown)
    else:
        rows = [one | {"events": len(one["events"]), "says": one["error"] or one["progress"]} for one in shown]
        _print_table(
            ("id", "automation", "state", "events", "started_at", "ended_at", "says"),
            rows,
            "None." if automation or state else "No run yet.",
        )
    if any(one["state"] == "needs_attention" for one in shown):
        raise typer.Exit(NEEDS_A_PERSON)


@runs.command("show")
def runs_show(
    number: Annotated[int, typer.Argument(metavar="ID")],
    config: ConfigFile = DEFAULT,
    as_json: AsJson = False,
    calls: Annotated[bool, typer.Option("--calls", help="With every call to the portal.")] = False,
) -> None:
    """Show one run: its steps, what they did, what failed and what to do."""
    shown = _history(config).run(number)
    if as_json:
        _print_json(shown)
    else:
        _print_run(shown, calls=calls)
    if shown["state"] == "needs_attention":
        raise typer.Exit(NEEDS_A_PERSON)


@runs.command("retry")
def runs_retry(
    numbers: Annotated[list[int] | None, typer.Argument(metavar="[ID...]")] = None,
    every: Annotated[bool, typer.Option("--all", help="All runs that need attention.")] = False,
    config: ConfigFile = DEFAULT,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for them to end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let runs go on from the step that failed; what is done is not done again."""
    store = opened(_loaded(config).store)
    history = History(store)
    chosen = list(numbers or [])
    if every:
        chosen += [one["id"] for one in history.runs(limit=100_000, state="needs_attention")]
    if not chosen and not every:
        raise typer.BadParameter("name a run, or give --all")
    for number in chosen:
        history.run(number)  # all or nothing
    for number in chosen:
        orders.retry(store, number)
    told = f"Run {', '.join(map(str, chosen))} will go on. {_by_whom(store)}" if chosen else "No run needs attention."
    _show({"retried": chosen}, as_json, told, quiet=wait)
    if wait:
        _finish(history, chosen, as_json)


@runs.command("cancel")
def runs_cancel(
    numbers: Annotated[list[int], typer.Argument(metavar="ID...")],
    config: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Stop runs before their next call; what they did so far stays."""
    store = opened(_loaded(config).store)
    states = {number: orders.cancel(store, number) for number in numbers}
    told = "\n".join(
        f"Run {number} is cancelled."
        if state == "cancelled"
        else f"Run {number} is {state}, and stops before its next call."
        for number, state in states.items()
    )
    _show({"cancelled": [{"id": number, "state": state} for number, state in states.items()]}, as_json, told)


@cli.callback(invoke_without_command=True)
def version(show: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Keeps ONLYOFFICE DocSpace rooms in step with a CRM and a helpdesk."""
    if show:
        out.print(f"roomkeeper {__version__}")
        raise typer.Exit


# --- finding what was named -----------------------------------------------------------------------------------


def _loaded(file: Path) -> Config:
    """Load a configuration for a command that needs no secret but the store's."""
    return load(file, CATALOG, secrets_required=False)


def _known(option: str, value: str | None, known: Sequence[str]) -> None:
    if value is not None and value not in known:
        raise typer.BadParameter(f"{value!r} is none of: {', '.join(known)}", param_hint=option)


def _by_whom(store: Store) -> str:
    if is_served(store):
        return "The running service takes it from here."
    return "No service is running on this store; it is taken up when you start one (`roomkeeper serve`)."


def _history(file: Path) -> History:
    return History(opened(_loaded(file).store))


def _automation(config: Config, name: str) -> Automation:
    automation = config.automation(name)
    if automation is None:
        known = ", ".join(one.name for one in config.automations) or "none"
        raise NotThere(f"There is no automation {name!r}", remedy=f"There is: {known}.")
    return automation


def _source_of(config: Config, automation: Automation, wanted: str | None) -> str:
    raising = [name for name, one in config.connections.items() if automation.on in CATALOG.connectors[one.type].events]
    name = wanted or automation.from_ or (raising[0] if len(raising) == 1 else None)
    if name not in raising:
        raise NotThere(
            f"It is not clear where {automation.on} comes from",
            remedy=f"Add --connection with one of: {', '.join(raising)}.",
        )
    return str(name)


def _event_to_try(config: Config, automation: Automation, text: str, connection: str | None) -> Event:
    file = Path(text)
    if text.isdigit() and not file.exists():
        store = opened(config.store)
        found = History(store).row(int(text))
        return event_of(found)
    source = _source_of(config, automation, connection)
    try:
        body = file.read_bytes()
    except OSError as error:
        raise NotThere(
            f"{text} cannot be read: {error.strerror}",
            remedy="Give a file with a delivery's body, or an event's number.",
        ) from error
    return CATALOG.connectors[config.connections[source].type].read(source, {}, body)[0]


def _events_from(pairs: Sequence[str], type_: str) -> list[dict[str, Any]]:
    """Turn `file.id=1` into events' fields; a field that comes again begins another event."""
    made: list[dict[str, Any]] = [{}]
    for pair in pairs:
        path, equals, text = pair.partition("=")
        if not equals or not path:
            raise typer.BadParameter(f"{pair!r} is not FIELD=VALUE", param_hint="--with")
        names = path.split(".") if "." in path else [path, "id"] if path == type_.partition(".")[0] else [path]
        if _has(made[-1], names):
            made.append({})
        node = made[-1]
        for name in names[:-1]:
            node = node.setdefault(name, {})
        node[names[-1]] = _value(text)
    return made


def _has(node: Any, names: Sequence[str]) -> bool:  # noqa: ANN401 - JSON
    for name in names:
        if not isinstance(node, dict) or name not in node:
            return False
        node = node[name]
    return True


def _value(text: str) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(text)
    except ValueError:
        return text


# --- waiting --------------------------------------------------------------------------------------------------


def _wait_for(history: History, numbers: Sequence[int], as_json: bool) -> None:
    """Wait until the events have been dispatched, then for their runs."""
    with _patience(as_json, "waiting for the service to take it up"):
        while any(history.event(number)["state"] == "new" or not _settled(history, number) for number in numbers):
            time.sleep(0.3)
    shown = [history.event(number) for number in numbers]
    idle = [one for one in shown if not one["runs"]]
    for one in idle:
        err.print(f"[red]event {one['id']} started nothing: {_escaped(one['reason'])}[/red]")
    _finish(history, sorted({run for one in shown for run in one["runs"]}), as_json)
    if idle:
        raise typer.Exit(NEEDS_A_PERSON)


def _settled(history: History, number: int) -> bool:
    shown = history.event(number)
    return bool(shown["state"] == "over" or shown["runs"])


def _finish(history: History, numbers: Sequence[int], as_json: bool) -> None:
    with _patience(as_json, "running"):
        while any(history.run(number)["state"] in {"waiting", "running"} for number in numbers):
            time.sleep(0.3)
    shown = [history.run(number) for number in numbers]
    if as_json:
        _print_json(shown)
    else:
        for one in shown:
            _print_run(one)
    if any(one["state"] == "needs_attention" for one in shown):
        raise typer.Exit(NEEDS_A_PERSON)


def _patience(as_json: bool, what: str) -> contextlib.AbstractContextManager[Any]:
    return contextlib.nullcontext() if as_json else err.status(what)


# --- printing -------------------------------------------------------------------------------------------------


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def _show(value: object, as_json: bool, told: str, *, quiet: bool = False) -> None:
    if quiet:
        return
    if as_json:
        _print_json(value)
    else:
        out.print(_escaped(told))


def _print_table(columns: Sequence[str], rows: Sequence[dict[str, Any]], empty: str) -> None:
    if not rows:
        out.print(empty)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*[_cell(column, row[column]) for column in columns])
    out.print(table, soft_wrap=False)


def _cell(column: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    text = str(value)[:19].replace("T", " ") if column.endswith("_at") else str(value)
    return _escaped(text)


def _print_fields(shown: dict[str, Any], names: Sequence[str]) -> None:
    for name in names:
        if shown[name] not in (None, "", []):
            out.print(f"[bold]{name.replace('_', ' ')}[/bold]  {_cell(name, shown[name])}")


def _file_line(line: dict[str, Any]) -> str:
    where = f" → file {line['copy']} in folder {line['folder']}" if line.get("copy") is not None else ""
    version = f", version {line['version']}" if "version" in line else ""
    return f"file {line['file']} {line['title']!r}{version}: {line['outcome']}{where}"


def _print_run(shown: dict[str, Any], *, calls: bool = False) -> None:
    _print_fields(shown, ("id", "automation", "state", "key", "attempt", "started_at", "ended_at", "error", "remedy"))
    out.print(f"[bold]events[/bold]  {len(shown['events'])}")
    for step in shown["steps"]:
        made = len(step["calls"])
        out.print(f"[bold]{step['name']}[/bold]: {step['state']}, {made} call{'' if made == 1 else 's'} to the portal")
        for name, value in (step["result"] or {}).items():
            if not isinstance(value, list) and value not in (None, ""):
                out.print(f"    {name}: {_escaped(str(value))}")
        if step["error"]:
            out.print(f"    [red]{_escaped(step['error'])}[/red]")
        for line in (step["result"] or {}).get("files", []):
            out.print(f"    {_escaped(_file_line(line))}")
        for call in step["calls"] if calls else []:
            status = call["status"] or "no answer"
            out.print(f"    {call['method']} {_escaped(call['path'])} {status} {call['milliseconds']} ms")
        for item in step["items"]:
            out.print(f"    - {_escaped(item['item'])}: {_escaped(item['reason'])}\n      → {_escaped(item['remedy'])}")


def _counted(config: Config) -> str:
    counts = {"connection": len(config.connections), "automation": len(config.automations)}
    return ", ".join(f"{number} {noun}{'' if number == 1 else 's'}" for noun, number in counts.items())


def _say_problems(problems: Sequence[Problem]) -> None:
    for problem in problems:
        where = _escaped(f"{problem.file}:{problem.line}")
        err.print(f"[red]{where}[/red]: {_escaped(problem.what)}\n    → {_escaped(problem.remedy)}")
    err.print(f"{len(problems)} problem{'' if len(problems) == 1 else 's'}")


def _stop(what: str, remedy: str, code: int) -> NoReturn:
    err.print(f"[red]{_escaped(what)}[/red]\n    → {_escaped(remedy)}")
    raise typer.Exit(code)


def _escaped(text: str) -> str:
    """Keep a title's [brackets] from being read as markup."""
    return text.replace("[", "\\[")


def _without_password(store: str) -> str:
    head, at, tail = store.rpartition("@")
    scheme, _, user = head.partition("://")
    return f"{scheme}://{user.partition(':')[0]}@{tail}" if at else store


# --- running --------------------------------------------------------------------------------------------------


def _start_log() -> None:
    """Log to stderr: for people on a terminal, as JSON lines elsewhere."""
    human = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if human else [structlog.processors.format_exc_info]),
            structlog.dev.ConsoleRenderer() if human else structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)


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
