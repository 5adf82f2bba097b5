"""Open the connections of a configuration, for the service and for commands that work beside it."""

from collections.abc import Callable, Mapping

from roomkeeper.automations.config import Config, wanted_of
from roomkeeper.automations.receiving import Receiving
from roomkeeper.automations.upkeep import Hook
from roomkeeper.runs.dispatch import Source
from roomkeeper.runs.inbox import Inbox
from roomkeeper.runs.prove import Prover
from roomkeeper.runs.reconcile import Reconciler, Watched
from roomkeeper.runs.store import Store
from roomkeeper.runs.tally import SharedTally
from roomkeeper.runs.upkeep import Kept


def connected(config: Config, store: Store, workers: Callable[[], int] = lambda: 1) -> Mapping[str, Source]:
    """Open every connection's client; all of one portal share its budget, also with other processes."""
    sources = {}
    for name, connection in config.connections.items():
        connector = config.catalog.connectors[connection.type]
        tally = SharedTally(store, name, workers)
        client = connector.connect(connection.settings, tally=tally, wanted=wanted_of(connector, config))
        sources[name] = Source(name, connector, client)
    return sources


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


def watched(config: Config, sources: Mapping[str, Source]) -> list[Watched]:
    """List the connections that have a record to search, and are to be searched."""
    every = [_watched(config, source) for source in sources.values()]
    return [
        one for one in every if isinstance(one.settings, Receiving) and (one.settings.catch_up or one.settings.polls)
    ]


def kept(config: Config, sources: Mapping[str, Source]) -> list[Kept]:
    """List the connections whose webhook is looked after: those with one, if it is known where it delivers to."""
    found = []
    for name, one in config.connections.items():
        looked_after = getattr(one.settings, "keep_webhook", False) and not one.settings.polls
        if looked_after and config.public_url is not None:
            found.append(Kept(sources[name], wanted_hook(config, sources[name]), one.settings.look_every))
    return found


def wanted_hook(config: Config, source: Source) -> Hook:
    """Say what the webhook of a connection must be like."""
    settings = config.connections[source.name].settings
    secrets = [one.get_secret_value() for one in settings.webhook_secret]
    types = frozenset(one.on for one in _watched(config, source).listening(config.automations))
    return Hook(source.name, hook_of(config, source.name), types, secrets[0] if secrets else "")


def _watched(config: Config, source: Source) -> Watched:
    """Say how a connection is searched; one that keeps no record never is."""
    settings, hook = config.connections[source.name].settings, hook_of(config, source.name)
    if not isinstance(settings, Receiving):
        return Watched(source, settings, 0.0, polls=False, hook=hook)
    every = settings.poll_every if settings.polls else settings.look_every
    return Watched(source, settings, every, polls=settings.polls, hook=hook)


def hook_of(config: Config, name: str) -> str:
    """Give the address that deliveries to a connection go to; only its path, if our own is not known."""
    return f"{config.public_url or ''}/hooks/{name}"
