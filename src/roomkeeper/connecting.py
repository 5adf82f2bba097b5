"""Open the connections of a configuration, for the service and for commands that work beside it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from roomkeeper.automations.automation import Automation, acts_on, heard_of, listening_to
from roomkeeper.automations.event import Event
from roomkeeper.configuration.config import Config, Connection, wanted_of
from roomkeeper.contract.catalog import NamedRoom, Source
from roomkeeper.contract.receiving import Receiving
from roomkeeper.contract.upkeep import Hook
from roomkeeper.docspace.budget import LocalTally
from roomkeeper.errors import NotThere
from roomkeeper.intake.inbox import Inbox
from roomkeeper.proving.prove import Proof, Prover
from roomkeeper.running.rehearsal import Rehearsed, rehearse
from roomkeeper.running.tally import SharedTally
from roomkeeper.store.database import Store
from roomkeeper.watching.notices import Notices
from roomkeeper.watching.reconcile import Reconciler, Watched
from roomkeeper.watching.watch import Watch
from roomkeeper.watching.webhooks import Kept


def connected(config: Config, store: Store, workers: Callable[[], int] = lambda: 1) -> Mapping[str, Source]:
    """Open every connection's client; all of one account share its budget, also with other processes."""
    sources = {}
    for name, connection in config.connections.items():
        connector = config.catalog.connectors[connection.type]
        tally = SharedTally(store, config.budget_of(name), workers)
        client = connector.connect(connection.settings, tally=tally, wanted=wanted_of(connector, config))
        sources[name] = Source(name, connector, client)
    return sources


def dry_source(connection: Connection, config: Config) -> Source:
    """Open a connection that cannot write."""
    connector = config.catalog.connectors[connection.type]
    wanted = wanted_of(connector, config)
    client = connector.connect(connection.settings, tally=LocalTally(), wanted=wanted, dry=True)
    return Source(connection.name, connector, client)


async def rehearsed(config: Config, store: Store, automation: Automation, happened: Event) -> Rehearsed:
    """Work out what an automation would do with an event; the transport refuses every write.

    Raises NotThere, RemoteError.
    """
    sources: dict[str, Source] = {}

    def source(name: str) -> Source:
        if name not in config.connections:
            raise NotThere(f"There is no connection {name!r} any more", remedy="Try it with a newer event.")
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

    try:
        origin = source(happened.connection)
        return await rehearse(automation, happened, store, config.catalog, source_of=of_step, origin=origin)
    finally:
        await close(sources)


async def rooms(config: Config) -> list[NamedRoom]:
    """List the rooms that the accounts of the portals see. Raises RemoteError."""
    sources = {name: dry_source(one, config) for name, one in config.connections.items()}
    try:
        return [
            replace(room, connection=source.name)
            for source in sources.values()
            if source.connector.rooms is not None
            for room in await source.connector.rooms(source.client)
        ]
    finally:
        await close(sources)


async def close(sources: Mapping[str, Source]) -> None:
    """Close the clients."""
    for source in sources.values():
        await source.client.close()


def reconciler(config: Config, store: Store, inbox: Inbox, sources: Mapping[str, Source]) -> Reconciler:
    """Make what finds what was never delivered."""
    return Reconciler(
        store, inbox, watched(config, sources), config.automations, kept_days=config.retention.events_days
    )


def prover(config: Config, store: Store, sources: Mapping[str, Source]) -> Prover:
    """Make what accounts for automations: every connection counts, also those that are not searched by themselves."""
    every = [_watched(config, source) for source in sources.values()]
    return Prover(store, config.catalog, sources, every, kept_days=config.retention.events_days)


async def proved(config: Config, store: Store, automation: Automation, since: datetime) -> Proof:
    """Account for an automation, by connections of its own. Raises StoreUnavailable."""
    sources = connected(config, store)
    try:
        return await prover(config, store, sources).prove(automation, since)
    finally:
        await close(sources)


def watched(config: Config, sources: Mapping[str, Source]) -> list[Watched]:
    """List the connections that have a record to search, and are to be searched."""
    every = [_watched(config, source) for source in sources.values()]
    return [
        one for one in every if isinstance(one.settings, Receiving) and (one.settings.catch_up or one.settings.polls)
    ]


def watch(config: Config, store: Store) -> Watch:
    """Make what sees what wants a person."""
    listened = [
        name
        for name, one in config.connections.items()
        if not config.catalog.connectors[one.type].is_built_in  # nobody has to be heard of for something to be due
        and listening_to(name, config.automations, config.catalog.connectors[one.type].raised(one.settings))
    ]
    writes = {name: one["writes_per_day"] for name, one in limits(config).items()}
    automations = [one.name for one in config.automations]
    return Watch(store, listened=listened, writes=writes, automations=automations, connections=config.connections)


def limits(config: Config) -> dict[str, dict[str, int]]:
    """List the portals' budgets: one for each account, under the name of its first connection."""
    budgets = {name: getattr(one.settings, "budget", None) for name, one in config.connections.items()}
    return {
        name: one.model_dump() for name, one in budgets.items() if one is not None and config.budget_of(name) == name
    }


def notices(config: Config, store: Store, sources: Mapping[str, Source]) -> Notices:
    """Make what tells people outside of the pages."""
    return Notices(store, [sources[name] for name in config.notify.to], config.public_url or "")


def kept(config: Config, sources: Mapping[str, Source]) -> list[Kept]:
    """List the connections whose webhook is looked after: those with one, if it is known where it delivers to."""
    found = []
    for name, one in config.connections.items():
        looked_after = getattr(one.settings, "keep_webhook", False) and not one.settings.polls
        if looked_after and config.public_url is not None:
            hook = wanted_hook(config, sources[name])
            if hook.types or not heard_of(config.automations):  # else automations live by the histories alone
                found.append(Kept(sources[name], hook, one.settings.look_every))
    return found


def wanted_hook(config: Config, source: Source) -> Hook:
    """Say what the webhook of a connection must be like."""
    settings = config.connections[source.name].settings
    secrets = [one.get_secret_value() for one in settings.webhook_secret]
    types = heard_of(_watched(config, source).listening(config.automations)) - source.connector.undelivered
    hook, secret = config.hook_of(source.name), secrets[0] if secrets else ""
    return Hook(source.name, hook, types, secret, settles=config.settle_after)


def _watched(config: Config, source: Source) -> Watched:
    """Say how a connection is searched; one that keeps no record never is."""
    settings, hook = config.connections[source.name].settings, config.hook_of(source.name)
    if not isinstance(settings, Receiving):
        return Watched(source, settings, 0.0, polls=False, hook=hook)
    every = settings.poll_every if settings.polls else settings.look_every
    return Watched(source, settings, every, polls=settings.polls, hook=hook)
