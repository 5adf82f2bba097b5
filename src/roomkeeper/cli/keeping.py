"""`backup`, `transfer`: copies of what is kept."""

from pathlib import Path
from typing import Annotated

import typer

from roomkeeper.cli.options import DEFAULT, FAILED, AsJson, ConfigFile, kept_store_of
from roomkeeper.cli.printing import PROGRAM, show, stop
from roomkeeper.running.leases import is_served
from roomkeeper.store.backup import back_up, counted
from roomkeeper.store.backup import transfer as copied_to
from roomkeeper.store.database import Store


def backup(
    folder: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")],
    config: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Copy an embedded store into a new folder, while the service runs."""
    files = back_up(kept_store_of(config), folder)
    held = counted(folder)
    many = f"{len(files)} file{'' if len(files) == 1 else 's'}"
    said = ", ".join(f"{rows} {name}" for name, rows in held.items())
    told = f"{many} lie in {folder}: {said}. Keep the configuration and its .env with them: they are not in it."
    show({"folder": str(folder), "files": [one.name for one in files], "holds": held}, as_json, told)


def transfer(
    address: Annotated[str, typer.Argument(help="An empty database: postgresql://user@host/db.", metavar="ADDRESS")],
    config: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Copy everything that is kept into an empty PostgreSQL database; the service must not run."""
    store = kept_store_of(config)
    if is_served(store):
        stop("A service is running on this store", "Stop it first, so that nothing comes in meanwhile.", FAILED)
    target = Store(address)
    try:
        rows = copied_to(store, target)
    finally:
        target.close()
    said = ", ".join(f"{many} {name}" for name, many in rows.items()) or "nothing"
    told = f"Copied: {said}.\nSet `store:` to the new address, then start the service: `{PROGRAM} serve`."
    show({"copied": rows}, as_json, told)
