"""`check` and `try`: the configuration alone, and what it would do."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from roomkeeper import connecting, trial
from roomkeeper.automations.automation import Automation
from roomkeeper.automations.event import Event
from roomkeeper.cli.options import DEFAULT, NEEDS_A_PERSON, USAGE, AsJson, ConfigFile, source_of, store_of
from roomkeeper.cli.printing import err, escaped, out, print_json
from roomkeeper.configuration.config import Config
from roomkeeper.configuration.loading import load
from roomkeeper.configuration.schema import json_schema
from roomkeeper.connectors import CATALOG
from roomkeeper.contract.delivery import Delivery
from roomkeeper.desk.history import History
from roomkeeper.errors import ConfigError, NotThere, StoreUnavailable
from roomkeeper.intake import stranded
from roomkeeper.intake.events import event_of
from roomkeeper.running.leases import is_served
from roomkeeper.running.rehearsal import Rehearsed
from roomkeeper.store import services
from roomkeeper.store.database import Store


def check(
    config: ConfigFile = DEFAULT,
    as_json: AsJson = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of the file instead.")] = False,
    with_store: Annotated[
        bool, typer.Option("--store", help="Hold it against the store, too: what waits for an automation not in it.")
    ] = False,
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
        print_json({"ok": False, "problems": [vars(one) for one in error.problems]})
        raise typer.Exit(USAGE) from error
    loud = [name for name, one in loaded.connections.items() if getattr(one.settings, "unsigned", False)]
    strands = _stranded(loaded) if with_store else []
    if as_json:
        notes = [vars(one) for one in loaded.notes]
        print_json({"ok": True, "problems": [], "notes": notes, "unsigned": loud, "stranded": strands})
        raise typer.Exit(NEEDS_A_PERSON if strands else 0)
    for name in loud:
        err.print(f"[yellow]warning: {name} accepts deliveries without a signature (`unsigned: true`)[/yellow]")
    for note in loaded.notes:
        err.print(f"[yellow]note: {escaped(str(note))}[/yellow]")
    unset = sum(1 for note in loaded.notes if "is not set" in note.what or "cannot be read" in note.what)
    but = f", but cannot run yet: {unset} secret{' is' if unset == 1 else 's are'} missing" if unset else ""
    out.print(f"[green]{escaped(str(config))} is in order[/green]{but}: {_counted(loaded)}")
    if _runs_another(loaded):
        err.print("note: the running service has another text of it; `roomkeeper reload` has it take this one over")
    for one in strands:
        err.print(escaped(f"{one['what']}\n    → {one['remedy']}"))
    if strands:
        raise typer.Exit(NEEDS_A_PERSON)


def _stranded(loaded: Config) -> list[dict[str, str]]:
    """Say what waits in the store for what this file does not have. Raises StoreUnavailable."""
    with store_of(loaded).read() as db:
        found = stranded.wrong(db, [one.name for one in loaded.automations], loaded.connections)
    return [{"what": one.what, "remedy": one.remedy} for one in found]


def _runs_another(loaded: Config) -> bool:
    """Whether a service on this machine's own store runs another text; a database elsewhere is not asked."""
    if "://" in loaded.store or not Path(loaded.store).exists():  # a check makes nothing
        return False
    store = Store(loaded.store)
    if not is_served(store):
        return False
    try:
        return bool(services.others(store, loaded.digest))
    except StoreUnavailable:
        return False
    finally:
        store.close()


def try_(
    name: Annotated[str, typer.Argument(help="The automation.", metavar="NAME")],
    event: Annotated[
        str | None,
        typer.Option(
            "--event",
            help="A delivery's body in a file, or the number of an event. Without it: what happened last; of a "
            "schedule, that it is due now.",
        ),
    ] = None,
    config: ConfigFile = DEFAULT,
    connection: Annotated[str | None, typer.Option(help="Where the event comes from, if that is not clear.")] = None,
    header: Annotated[
        list[str] | None, typer.Option(help="`Name: value`: a header of the delivery; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what an automation would do with an event; nothing is written to the portal."""
    loaded = load(config, CATALOG)
    automation = loaded.present(name)
    happened = _event_to_try(loaded, automation, event, connection, header or []) if event is not None else None
    result = asyncio.run(_rehearsed(loaded, automation, happened))
    if as_json:
        print_json(vars(result))
    else:
        _print_rehearsed(name, result)
    if result.would_fail:
        raise typer.Exit(NEEDS_A_PERSON)


def _print_rehearsed(name: str, result: Rehearsed) -> None:
    if not result.applies:
        out.print(f"{name} would do nothing: {escaped(result.why)}")
    for step in result.steps:
        out.print(
            f"[bold]{step['name']}[/bold] would:"
            if step["plan"]
            else f"[bold]{step['name']}[/bold] would do nothing: {escaped(step['because'])}"
        )
        for line in step["plan"]:
            out.print(f"  - {escaped(line)}")


async def _rehearsed(config: Config, automation: Automation, happened: Event | None) -> Rehearsed:
    """Rehearse it, without an event with what happened last. Raises NotThere, RemoteError."""
    store = store_of(config)
    try:
        if happened is not None:
            return await connecting.rehearsed(config, store, automation, happened)
        last = await trial.rehearsed(config, store, automation)
    finally:
        store.close()
    if last.would is None:
        what = last.trouble or f"Nothing that {automation.name} listens to has happened so far"
        raise NotThere(what, remedy="Give `--event` a file with a delivery's body.")
    err.print(escaped(f"with {last.about}:"))
    return last.would


def _event_to_try(
    config: Config, automation: Automation, text: str, connection: str | None, headers: Sequence[str]
) -> Event:
    file = Path(text)
    if text.isdecimal() and not file.exists():
        store = store_of(config)
        found = History(store).row(int(text))
        return event_of(found)
    source = source_of(config, automation, connection)
    try:
        body = file.read_bytes()
    except OSError as error:
        raise NotThere(
            f"{text} cannot be read: {error.strerror}",
            remedy="Give a file with a delivery's body, or an event's number.",
        ) from error
    settings = config.connections[source]
    given = {name.strip(): value.strip() for name, _, value in (one.partition(":") for one in headers)}
    return CATALOG.connectors[settings.type].read(source, settings.settings, Delivery(body, given))[0]


def _counted(config: Config) -> str:
    written = [one for one in config.connections.values() if not config.catalog.connectors[one.type].is_built_in]
    counts = {"connection": len(written), "automation": len(config.automations)}
    return ", ".join(f"{number} {noun}{'' if number == 1 else 's'}" for noun, number in counts.items())
