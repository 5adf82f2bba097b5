"""`webhooks …`: what the portal delivers to us, registered and kept in order."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from roomkeeper import connecting
from roomkeeper.cli.options import DEFAULT, NEEDS_A_PERSON, AsJson, ConfigFile, loaded_for_reading, store_of
from roomkeeper.cli.printing import err, escaped, out, print_json, print_table, show
from roomkeeper.configuration import env as secrets_file
from roomkeeper.configuration.config import Config
from roomkeeper.configuration.document import references
from roomkeeper.configuration.loading import load
from roomkeeper.connectors import CATALOG
from roomkeeper.contract.catalog import Source
from roomkeeper.contract.upkeep import Ailment, Hook, Upkeep
from roomkeeper.errors import NotThere
from roomkeeper.store.database import Store
from roomkeeper.watching import webhooks as upkeep
from roomkeeper.watching.webhooks import Kept

T = TypeVar("T")
Wanted = Annotated[str | None, typer.Argument(help="The connection, if there are several.", metavar="[CONNECTION]")]


def webhooks_list(connection: Wanted = None, config: ConfigFile = DEFAULT, as_json: AsJson = False) -> None:
    """List the portal's webhooks, and say what is wrong with ours."""

    async def look(source: Source, kept: Upkeep, hook: Hook, _: Store) -> tuple[list[Any], list[Ailment]]:
        return list(await kept.list(source.client, hook)), list(await kept.ail(source.client, hook))

    rows, ailments = _with_portal(config, connection, look)
    if as_json:
        print_json({"webhooks": [vars(one) for one in rows], "wrong": [vars(one) for one in ailments]})
    else:
        shown = [
            vars(one) | {"types": list(one.types), "ours": _yes(one.is_ours), "enabled": _yes(one.enabled)}
            for one in rows
        ]
        columns = ("id", "name", "url", "ours", "enabled", "types", "last_success", "days_left")
        print_table(columns, shown, "The portal has no webhook that this account may see.")
        _say(ailments)
    if ailments:
        raise typer.Exit(NEEDS_A_PERSON)


def webhooks_register(connection: Wanted = None, config: ConfigFile = DEFAULT, as_json: AsJson = False) -> None:
    """Register the webhook, for what automations listen to; if it has no secret, one is made and put into .env."""
    loaded = loaded_for_reading(config)
    name = _portal_named(loaded, connection)
    made = "" if loaded.connections[name].settings.polls else ensure_secret(config, loaded, name)
    if made:
        err.print(f"A secret was made and written into {escaped(str(config.parent / '.env'))} as {made}.")
        err.print("    → Restart `roomkeeper serve` if it is running: it reads its secrets when it starts.")

    async def register(source: Source, kept: Upkeep, hook: Hook, store: Store) -> int | str:
        number = await kept.register(source.client, hook)
        upkeep.remember(store, hook)
        return number

    number = _with_portal(config, connection, register)
    show({"id": number}, as_json, f"Webhook {number} is registered and will be looked after.")


def webhooks_repair(connection: Wanted = None, config: ConfigFile = DEFAULT, as_json: AsJson = False) -> None:
    """Put right what is wrong with our webhook, and delete superfluous ones."""

    async def repair(source: Source, _: Upkeep, hook: Hook, store: Store) -> list[Ailment]:
        return await upkeep.look_after(store, Kept(source, hook, 0.0), twins=True)

    ailments = _with_portal(config, connection, repair)
    if as_json:
        print_json([vars(one) for one in ailments])
    elif not ailments:
        out.print("[green]Nothing was wrong.[/green]")
    else:
        _say(ailments)
        out.print("What was missed is found by itself within minutes, or now by `roomkeeper reconcile`.")
    if any(not one.mended for one in ailments):
        raise typer.Exit(NEEDS_A_PERSON)


def webhooks_remove(connection: Wanted = None, config: ConfigFile = DEFAULT, as_json: AsJson = False) -> None:
    """Delete our webhook from the portal; it is not made again."""

    async def remove(source: Source, kept: Upkeep, hook: Hook, store: Store) -> list[int | str]:
        upkeep.forget(store, hook)  # first, or else the service might make it again meanwhile
        gone = list(await kept.remove(source.client, hook))
        upkeep.forget(store, hook)
        return gone

    gone = _with_portal(config, connection, remove)
    told = f"Removed webhook {', '.join(map(str, gone))}." if gone else "There was none of ours."
    show({"removed": gone}, as_json, told)


def _yes(claim: bool) -> str:
    return "yes" if claim else "no"


def ensure_secret(file: Path, config: Config, connection: str) -> str:
    """Make the webhook's secret where the configuration names one that is not set; gives the name it was put under.

    It goes into `.env` beside the configuration, readable for this user alone, and nowhere else.
    """
    named = references(file).get((connection, "webhook_secret"))
    if named is None:
        remedy = f"Add `webhook_secret: !env DOCSPACE_WEBHOOK_SECRET` to {connection} in {file}."
        raise NotThere(f"{connection} names no secret for its webhook", remedy=remedy)
    env = file.parent / ".env"
    if named.kind != "env" or secrets_file.is_set(env, named.name):
        return ""
    upkeep_of = CATALOG.connectors[config.connections[connection].type].upkeep
    secrets_file.put(env, named.name, upkeep_of.secret() if upkeep_of is not None else "")
    return named.name


def _with_portal(file: Path, connection: str | None, act: Callable[[Source, Upkeep, Hook, Store], Awaitable[T]]) -> T:
    """Do something with a connection's webhooks. Raises NotThere, RemoteError."""
    config = load(file, CATALOG)
    name = _portal_named(config, connection)
    if config.connections[name].settings.polls:
        raise NotThere(
            f"{name} is asked for its events (`receive: poll`), so it needs no webhook",
            remedy="Nothing needs doing. For deliveries instead: `receive: webhook`, and `public_url`.",
        )
    if config.public_url is None:
        remedy = "Add `public_url: https://…`, the address under which the portal reaches this machine."
        raise NotThere(f"{file} does not say where the portal is to deliver to", remedy=remedy)
    store = store_of(config)

    async def work() -> T:
        sources = connecting.connected(config, store)
        try:
            source = sources[name]
            kept = source.connector.upkeep
            if kept is None:  # `_portal_named` chooses none such
                raise NotThere(f"The webhooks of {name} are made at the vendor's")
            hook = await store.reading(partial(upkeep.informed, connecting.wanted_hook(config, source)))
            return await act(source, kept, hook, store)
        finally:
            await connecting.close(sources)

    return asyncio.run(work())


def _portal_named(config: Config, wanted: str | None) -> str:
    """Find the connection that is meant. Raises NotThere."""
    able = [name for name, one in config.connections.items() if CATALOG.connectors[one.type].upkeep is not None]
    if wanted is not None and wanted not in able and wanted in config.connections:
        raise NotThere(
            f"The webhooks of {wanted} are made at the vendor's", remedy="docs/how-to says what to click there."
        )
    chosen = wanted or (able[0] if len(able) == 1 else None)
    if chosen not in able:
        raise NotThere("It is not clear which portal is meant", remedy=f"Name one of: {', '.join(able) or 'none'}.")
    return str(chosen)


def _say(ailments: list[Ailment]) -> None:
    for one in ailments:
        if one.mended:
            out.print(f"[green]mended[/green]: {escaped(one.what)}")
        else:
            err.print(f"[red]{escaped(one.what)}[/red]\n    → {escaped(one.remedy)}")
