"""`reconcile`: find and take in what was missed."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from roomkeeper import connecting
from roomkeeper.automations.duration import seconds
from roomkeeper.cli.options import DEFAULT, FAILED, NEEDS_A_PERSON, AsJson, ConfigFile, by_whom, store_of
from roomkeeper.cli.printing import err, escaped, out, print_json, print_table
from roomkeeper.configuration.config import Config
from roomkeeper.configuration.loading import load
from roomkeeper.connectors import CATALOG
from roomkeeper.intake.inbox import Inbox
from roomkeeper.store.database import Store
from roomkeeper.watching.reconcile import Searched

Since = Annotated[
    str | None,
    typer.Option(help="Look back so far (2h, 30d) or to this moment (2026-11-20T08:00), whatever was searched before."),
]


def reconcile(config: ConfigFile = DEFAULT, since: Since = None, as_json: AsJson = False) -> None:
    """Find what was never delivered, in the portal's and the vendors' own records, and take it in."""
    loaded = load(config, CATALOG)
    store = store_of(loaded)
    began = moment_of(since) if since is not None else None
    searched = asyncio.run(_searched(loaded, store, began))
    if as_json:
        print_json([vars(one) | {"new": list(one.new), "blind": list(one.blind)} for one in searched])
    else:
        rows = [vars(one) | {"found": len(one.new), "events": list(one.new)} for one in searched]
        print_table(("connection", "trail", "found", "known", "events"), rows, "No connection has a record to search.")
        for one in searched:
            _say_trouble(one)
        if any(one.new for one in searched):
            out.print(by_whom(store))
    if any(one.error for one in searched):
        raise typer.Exit(FAILED)
    if any(one.blind for one in searched):
        raise typer.Exit(NEEDS_A_PERSON)


def moment_of(text: str) -> datetime:
    """Read how far back to look: a duration, or a moment; one without a zone is this machine's."""
    now = datetime.now(UTC)
    try:
        since = now - timedelta(seconds=seconds(text))
    except OverflowError:
        since = now.replace(year=1971)
    except ValueError:
        try:
            since = datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            what = f"{text!r} is neither a duration such as 2h or 30d nor a moment such as 2026-11-20T08:00"
            raise typer.BadParameter(what, param_hint="--since") from error
    if since > now:
        raise typer.BadParameter(f"{text} is not over yet", param_hint="--since")
    return since


async def _searched(config: Config, store: Store, since: datetime | None) -> list[Searched]:
    sources = connecting.connected(config, store)
    try:
        return await connecting.reconciler(config, store, Inbox(store), sources).search_all(since)
    finally:
        await connecting.close(sources)


def _say_trouble(searched: Searched) -> None:
    where = f"{searched.connection}, {searched.trail}"
    if searched.note:
        err.print(escaped(f"{where}: {searched.note}"))
    lines: list[Any] = [(f"cannot be searched: {searched.error}", searched.remedy)] if searched.error else []
    for what, remedy in [*lines, *((one, "") for one in searched.blind)]:
        err.print(f"[red]{escaped(where)}: {escaped(what)}[/red]")
        if remedy:
            err.print(f"    → {escaped(remedy)}")
