"""`check` and `try`: the configuration alone, and what it would do."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

from roomkeeper.automations.automation import Automation, acts_on
from roomkeeper.automations.config import Config, Connection, load, wanted_of
from roomkeeper.automations.delivery import Delivery
from roomkeeper.automations.event import Event
from roomkeeper.automations.schema import json_schema
from roomkeeper.cli.options import DEFAULT, USAGE, AsJson, ConfigFile, automation_named, source_of
from roomkeeper.cli.printing import err, escaped, out, print_json
from roomkeeper.connectors import CATALOG
from roomkeeper.docspace.budget import LocalTally
from roomkeeper.errors import ConfigError, NotThere
from roomkeeper.runs.dispatch import Source, event_of
from roomkeeper.runs.history import History
from roomkeeper.runs.rehearsal import Rehearsed, rehearse
from roomkeeper.runs.store import opened


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
        print_json({"ok": False, "problems": [vars(one) for one in error.problems]})
        raise typer.Exit(USAGE) from error
    loud = [name for name, one in loaded.connections.items() if getattr(one.settings, "unsigned", False)]
    if as_json:
        print_json({"ok": True, "problems": [], "notes": [vars(one) for one in loaded.notes], "unsigned": loud})
        return
    for name in loud:
        err.print(f"[yellow]warning: {name} accepts deliveries without a signature (`unsigned: true`)[/yellow]")
    for note in loaded.notes:
        err.print(f"[yellow]note: {escaped(str(note))}[/yellow]")
    unset = sum(1 for note in loaded.notes if "is not set" in note.what or "cannot be read" in note.what)
    but = f", but cannot run yet: {unset} secret{' is' if unset == 1 else 's are'} missing" if unset else ""
    out.print(f"[green]{escaped(str(config))} is in order[/green]{but}: {_counted(loaded)}")


def try_(
    name: Annotated[str, typer.Argument(help="The automation.", metavar="NAME")],
    event: Annotated[str, typer.Option("--event", help="A delivery's body in a file, or the number of an event.")],
    config: ConfigFile = DEFAULT,
    connection: Annotated[str | None, typer.Option(help="Where the event comes from, if that is not clear.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what an automation would do with an event; nothing is written to the portal."""
    loaded = load(config, CATALOG)
    automation = automation_named(loaded, name)
    happened = _event_to_try(loaded, automation, event, connection)
    result = asyncio.run(_rehearsed(loaded, automation, happened))
    if as_json:
        print_json(vars(result))
        return
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


def dry_source(connection: Connection, config: Config) -> Source:
    """Open a connection that cannot write."""
    connector = CATALOG.connectors[connection.type]
    wanted = wanted_of(connector, config)
    client = connector.connect(connection.settings, tally=LocalTally(), wanted=wanted, dry=True)
    return Source(connection.name, connector, client)


async def _rehearsed(config: Config, automation: Automation, happened: Event) -> Rehearsed:
    sources: dict[str, Source] = {}

    def source(name: str) -> Source:
        if name not in sources:
            sources[name] = dry_source(config.connections[name], config)
        return sources[name]

    def of_step(position: int) -> Source:
        step = automation.steps[position]
        types = {name: one.type for name, one in config.connections.items()}
        name = acts_on(step, config.catalog.kinds(step.do), happened.connection, types)
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


def _event_to_try(config: Config, automation: Automation, text: str, connection: str | None) -> Event:
    file = Path(text)
    if text.isdigit() and not file.exists():
        store = opened(config.store)
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
    return CATALOG.connectors[settings.type].read(source, settings.settings, Delivery(body))[0]


def _counted(config: Config) -> str:
    counts = {"connection": len(config.connections), "automation": len(config.automations)}
    return ", ".join(f"{number} {noun}{'' if number == 1 else 's'}" for noun, number in counts.items())
