"""Open the connections of a configuration, for the service and for commands that work beside it."""

from collections.abc import Callable, Mapping

from roomkeeper.automations.config import Config, wanted_of
from roomkeeper.automations.receiving import Receiving
from roomkeeper.runs.dispatch import Source
from roomkeeper.runs.inbox import Inbox
from roomkeeper.runs.reconcile import EVERY, Reconciler, Watched
from roomkeeper.runs.store import Store
from roomkeeper.runs.tally import SharedTally


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


def watched(config: Config, sources: Mapping[str, Source]) -> list[Watched]:
    """List the connections that have a record to search, and are to be searched."""
    found = []
    for name, one in config.connections.items():
        settings = one.settings
        if isinstance(settings, Receiving) and (settings.catch_up or settings.polls):
            every = settings.poll_every if settings.polls else EVERY
            found.append(Watched(sources[name], settings, every, polls=settings.polls, hook=hook_of(config, name)))
    return found


def hook_of(config: Config, name: str) -> str:
    """Give the address that deliveries to a connection go to; only its path, if our own is not known."""
    return f"{config.public_url or ''}/hooks/{name}"
