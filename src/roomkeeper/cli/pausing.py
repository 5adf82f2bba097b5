"""`pause`, `resume`: stop an automation for a while, and let it go on."""

from collections.abc import Callable
from typing import Annotated

import typer

from roomkeeper.automations.automation import Automation
from roomkeeper.cli.options import DEFAULT, AsJson, ConfigFile, caller, loaded_for_reading, store_of
from roomkeeper.cli.printing import show
from roomkeeper.intake import pauses
from roomkeeper.store.database import Store

Names = Annotated[list[str], typer.Argument(help="The automations.", metavar="AUTOMATION...")]


def pause(names: Names, config: ConfigFile = DEFAULT, as_json: AsJson = False) -> None:
    """Let no run of these automations begin; those at work go on, and events are collected."""
    _ordered(names, config, pauses.pause)
    told = f"Paused: {', '.join(names)}. What arrives waits; `roomkeeper resume {' '.join(names)}` lets it go on."
    show({"paused": names}, as_json, told)


def resume(names: Names, config: ConfigFile = DEFAULT, as_json: AsJson = False) -> None:
    """Let runs of these automations begin again, also for what came meanwhile."""
    _ordered(names, config, pauses.resume)
    show({"resumed": names}, as_json, f"Resumed: {', '.join(names)}. What came meanwhile goes on.")


def _ordered(names: list[str], config: ConfigFile, order: Callable[[Store, Automation, str], None]) -> None:
    loaded = loaded_for_reading(config)
    automations = [loaded.present(name) for name in names]  # all or nothing: a name that is not there stops the others
    store = store_of(loaded)
    for one in automations:
        order(store, one, caller())
