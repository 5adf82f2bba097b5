"""`pause`, `resume`: stop an automation for a while, and let it go on."""

from typing import Annotated

import typer

from roomkeeper.cli.options import DEFAULT, AsJson, ConfigFile, caller, loaded_for_reading, store_of
from roomkeeper.cli.printing import show
from roomkeeper.intake import pauses

Names = Annotated[list[str], typer.Argument(help="The automations.", metavar="AUTOMATION...")]


def pause(names: Names, config: ConfigFile = DEFAULT, as_json: AsJson = False) -> None:
    """Let no run of these automations begin; those at work go on, and events are collected."""
    loaded = loaded_for_reading(config)
    automations = [loaded.present(name) for name in names]  # all or nothing: a name that is not there stops the others
    store = store_of(loaded)
    for one in automations:
        pauses.pause(store, one, caller())
    told = f"Paused: {', '.join(names)}. What arrives waits; `roomkeeper resume {' '.join(names)}` lets it go on."
    show({"paused": names}, as_json, told)


def resume(names: Names, config: ConfigFile = DEFAULT, as_json: AsJson = False) -> None:
    """Let runs of these automations begin again, also for what came meanwhile."""
    loaded = loaded_for_reading(config)
    store = store_of(loaded)
    with store.read() as db:
        held = pauses.paused(db)
    for name in set(names) - set(held):  # which may be gone from the file
        loaded.present(name)
    for name in names:
        pauses.resume(store, name, caller(), loaded.automation)
    show({"resumed": names}, as_json, f"Resumed: {', '.join(names)}. What came meanwhile goes on.")
