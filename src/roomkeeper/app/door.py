"""The door, put together: deliveries are trusted, read, kept and answered, and nothing else."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from urllib.parse import quote

from starlette.applications import Starlette

from roomkeeper.app.app import App
from roomkeeper.automations.automation import heard_of
from roomkeeper.automations.redaction import Redactor, secrets_in
from roomkeeper.configuration.config import Config
from roomkeeper.intake.inbox import Inbox
from roomkeeper.store.database import Store, address
from roomkeeper.web import doorway
from roomkeeper.web.receiver import Gate


def build_door(config: Config, on_new: Callable[[], None]) -> App:
    """Build the door alone; `on_new` is called, from any thread, when something new was kept."""
    store = Store(config.store)
    inbox = Inbox(store)
    inbox.on_new = on_new

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        with kept(store, inbox):
            yield

    site = doorway.site(gates(config), inbox, lifespan=lifespan)
    return App(site, "door", store, redactor(config), config, warnings(config))


@contextlib.contextmanager
def kept(store: Store, inbox: Inbox) -> Iterator[None]:
    """Bring the store up to date, and write what arrives, as long as this lasts. Raises StoreUnavailable."""
    store.migrate()
    inbox.start()
    try:
        yield
    finally:
        inbox.stop()
        store.close()


def gates(config: Config) -> dict[str, Gate]:
    """Make a gate for each connection: how its deliveries are trusted and read, and which kinds are listened to."""
    made = {}
    for name, connection in config.connections.items():
        connector = config.catalog.connectors[connection.type]
        listened = heard_of(one for one in config.automations if one.from_ in {None, name})
        made[name] = Gate(
            name,
            config.hook_of(name) if config.public_url else "",
            partial(connector.verify, connection.settings),
            partial(connector.read, name, connection.settings),
            connector.acknowledge,
            listened,
            frozenset(header.lower() for header in connector.signed_in(connection.settings)),
            connector.largest,
        )
    return made


def redactor(config: Config) -> Redactor:
    """Make what keeps secrets out of logs and pages: those of the connections, the pages, the notices, the store."""
    known = [*secrets_in([one.settings for one in config.connections.values()])]
    known += [*secrets_in(config.dashboard), *secrets_in(config.notify)]
    if "://" in config.store:
        database = address(config.store)
        for given in (database.password, database.query.get("password")):
            known += [str(given), quote(str(given), safe="")] if given else []
    return Redactor(known)


def warnings(config: Config) -> list[str]:
    """Say what every page and the log are to say aloud."""
    return [
        f"The connection {name} accepts deliveries without a signature (`unsigned: true`): anybody can send them."
        for name, connection in config.connections.items()
        if getattr(connection.settings, "unsigned", False)
    ]
