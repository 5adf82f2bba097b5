"""What many commands share: their options, their exit codes, and finding what was named."""

import getpass
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from roomkeeper.automations.automation import Automation
from roomkeeper.cli.printing import written_with
from roomkeeper.configuration.config import Config
from roomkeeper.configuration.loading import kept_in, load
from roomkeeper.configuration.sources import sources
from roomkeeper.connectors import CATALOG
from roomkeeper.desk.history import History
from roomkeeper.errors import NotThere
from roomkeeper.running.leases import is_served
from roomkeeper.store.database import Store, is_made, opened

FAILED, USAGE, NEEDS_A_PERSON, INTERRUPTED = 1, 2, 3, 130

DEFAULT = Path("roomkeeper.yaml")


def _noted(file: Path) -> Path:
    """Let the commands that this one prints name the same file."""
    written_with(None if file == DEFAULT else file)
    return file


ConfigFile = Annotated[
    Path, typer.Option("-c", "--config", help="The configuration file.", metavar="FILE", callback=_noted)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="How many at most.")]
About = Annotated[str, typer.Option("--about", help="Only about a room, file, ticket or deal, by number or name.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait for the runs to end.")]


def loaded_for_reading(file: Path) -> Config:
    """Load a configuration for a command that needs no secret but the store's."""
    return load(file, CATALOG, secrets_required=False)


def known(option: str, value: str | None, known: Sequence[str]) -> None:
    """Make sure that an option is one of those there are."""
    if value is not None and value not in known:
        raise typer.BadParameter(f"{value!r} is none of: {', '.join(known)}", param_hint=option)


def by_whom(store: Store) -> str:
    """Say who will take up what was ordered."""
    if is_served(store):
        return "The running service takes it from here."
    return "No service is running on this store; it is taken up when you start one (`roomkeeper serve`)."


def caller() -> str:
    """Say who gives a command, for the record."""
    return f"{getpass.getuser()}, by command"


def store_of(config: Config) -> Store:
    """Open a configuration's store, up to date, until the command has ended."""
    return _until_the_end(config.store)


def _until_the_end(where: str) -> Store:
    store = opened(where)
    _stores.append(store)
    return store


def kept_store_of(file: Path) -> Store:
    """Open a configuration's store for a command about what was done. Raises ConfigError, NotThere.

    What else is wrong in the file is no matter: a service may run by it as it was. Where nothing was received, no store
    is made: a folder that is made in passing would look like one, and be backed up like one.
    """
    where = kept_in(file)
    if not is_made(where):
        raise NotThere(
            f"There is no store in {where}, so nothing was received yet",
            remedy=f"Look at `store:` in {file}; a store is made when the service first runs.",
        )
    return _until_the_end(where)


_stores: list[Store] = []  # of the command that runs


def close_stores() -> None:
    """Close what the command opened."""
    while _stores:
        _stores.pop().close()


def history_of(file: Path) -> History:
    """Open the read side of this configuration's store."""
    return History(kept_store_of(file))


def source_of(config: Config, automation: Automation, wanted: str | None) -> str:
    """Find the connection that an event comes from. Raises NotThere."""
    raising = sources(automation, config.connections, CATALOG)
    name = wanted or automation.from_ or (raising[0] if len(raising) == 1 else None)
    if name not in raising:
        raise NotThere(
            f"It is not clear where {automation.started_by} comes from",
            remedy=f"Add --connection with one of: {', '.join(raising)}.",
        )
    return str(name)
