"""`events …` and `start`: what was received, and what is handed in by hand."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from roomkeeper.automations.automation import Automation
from roomkeeper.automations.schedule import SCHEDULE
from roomkeeper.cli.options import (
    DEFAULT,
    NEEDS_A_PERSON,
    About,
    AsJson,
    ConfigFile,
    Limit,
    Wait,
    by_whom,
    caller,
    history_of,
    kept_store_of,
    known,
    loaded_for_reading,
    source_of,
    store_of,
)
from roomkeeper.cli.printing import PROGRAM, escaped, out, print_fields, print_json, print_table, show
from roomkeeper.cli.waiting import wait_for_events
from roomkeeper.configuration.loading import load
from roomkeeper.connectors import CATALOG
from roomkeeper.desk.history import EVENT_STATUSES, History, Part
from roomkeeper.intake import pauses, stranded
from roomkeeper.intake.inbox import Inbox
from roomkeeper.running import orders
from roomkeeper.store.database import Store


def events_list(
    config: ConfigFile = DEFAULT,
    limit: Limit = 50,
    connection: Annotated[str | None, typer.Option(help="Only from this connection.")] = None,
    status: Annotated[
        str | None, typer.Option(help="Only accepted, duplicate, ignored, unusable or refused ones.")
    ] = None,
    type_: Annotated[str | None, typer.Option("--type", help="Only of this type.")] = None,
    about: About = "",
    as_json: AsJson = False,
) -> None:
    """List what was received, newest first."""
    known("--status", status, EVENT_STATUSES)
    history, types = history_of(config), [type_] if type_ else []
    part = Part(limit, about=about)
    shown = history.events(connection=connection, status=status, types=types, part=part)
    is_asked = connection is not None or type_ is not None
    if is_asked and not shown and not history.events(connection=connection, types=types, limit=1):
        loaded = loaded_for_reading(config)  # only now: what was received may have names of the file as it was then
        known("--connection", connection, list(loaded.connections))
        known("--type", type_, loaded.catalog.event_types)
    if as_json:
        print_json(shown)
        return
    columns = ("id", "received_at", "connection", "type", "subject", "status", "runs", "reason")
    print_table(columns, shown, "None." if connection or status or type_ or about else "Nothing received yet.")


def events_show(
    number: Annotated[int, typer.Argument(metavar="ID")], config: ConfigFile = DEFAULT, as_json: AsJson = False
) -> None:
    """Show one event with its body."""
    shown = history_of(config).event(number)
    if as_json:
        print_json(shown)
        return
    print_fields(
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
    out.print(escaped(shown["body"] or "(no body is kept)"))


def events_replay(
    numbers: Annotated[list[int], typer.Argument(metavar="ID...")],
    config: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Dispatch events again, by the configuration as it is now; what is done already is not done twice."""
    store = kept_store_of(config)
    history = History(store)
    for number in numbers:
        history.row(number)  # all or nothing: a number that does not exist stops the others too
    for number in numbers:
        orders.replay(store, number, caller())
    show(
        {"replayed": numbers},
        as_json,
        f"Event {', '.join(map(str, numbers))} will be dispatched again. {by_whom(store)}",
    )


def events_redispatch(
    name: Annotated[str, typer.Argument(help="The automation, or the connection, that is gone.", metavar="NAME")],
    config: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Dispatch what waits for an automation that is gone, by the configuration as it is now.

    What waits for a connection that is gone goes nowhere by it: the events are let go of.
    """
    loaded = loaded_for_reading(config)
    store = kept_store_of(config)
    many = stranded.redispatch(store, name, [one.name for one in loaded.automations], loaded.connections, caller())
    counted = f"{many} events of {name} go" if many > 1 else f"{many} event of {name} goes"
    told = f"{counted} by the configuration as it is now. {by_whom(store)}"
    show({"redispatched": many}, as_json, told)


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
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Run an automation by hand, whatever its `where` says; the running service takes it up."""
    loaded = load(config, CATALOG)
    automation = loaded.present(name)
    source = source_of(loaded, automation, None)
    connector = CATALOG.connectors[loaded.connections[source].type]
    type_ = _meant(automation, with_ or [])
    wanted = [_due_now(automation, fields) for fields in _events_from(with_ or [], type_)]
    made = [connector.by_hand(source, type_, fields) for fields in wanted]
    store = store_of(loaded)
    numbers = [Inbox(store).hand_in(one, automation=automation.name) for one in made]
    history = History(store)
    paused = _why_it_waits(automation, store)
    told = f"Handed in: event {', '.join(map(str, numbers))}. {paused or by_whom(store)}"
    show({"events": numbers}, as_json, told, quiet=wait and as_json and not paused)
    if wait and paused:
        raise typer.Exit(NEEDS_A_PERSON)
    if wait:
        wait_for_events(history, numbers, as_json)


def _why_it_waits(automation: Automation, store: Store) -> str:
    """Say what keeps an automation from running what is handed in for it; nothing if nothing does."""
    with store.read() as db:
        by_hand = automation.name in pauses.paused(db)
    if automation.paused:
        return f"{automation.name} is paused by the configuration: it waits until `paused: true` is taken out."
    return f"{automation.name} is paused: it waits until `{PROGRAM} resume {automation.name}`." if by_hand else ""


def _meant(automation: Automation, pairs: Sequence[str]) -> str:
    """Choose which of the events that start it is meant: the first that has what is given, else the first."""
    given = {pair.partition("=")[0].partition(".")[0] for pair in pairs}
    fitting = [type_ for type_ in automation.event_types if type_.partition(".")[0] in given]
    return (fitting or automation.event_types)[0]


def _due_now(automation: Automation, fields: dict[str, Any]) -> dict[str, Any]:
    """Have a schedule say that it is due now, by its own wall clock."""
    due = automation.due(datetime.now(UTC))
    return fields | {SCHEDULE: due | fields.get(SCHEDULE, {})} if due else fields


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
