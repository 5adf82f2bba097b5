"""Wait for what was handed to the service."""

import contextlib
import time
from collections.abc import Sequence
from typing import Any

import typer

from roomkeeper.cli.options import NEEDS_A_PERSON
from roomkeeper.cli.printing import err, escaped, print_json, print_run
from roomkeeper.desk.history import History

_LOOK = 0.1  # seconds between two looks, which are cheap (ours)


def wait_for_events(history: History, numbers: Sequence[int], as_json: bool) -> None:
    """Wait until the events have been dispatched, then for their runs."""
    with _patience(as_json, "waiting for the service to take it up"):
        while history.is_undecided(numbers):
            time.sleep(_LOOK)
    shown = [history.event(number) for number in numbers]
    idle = [one for one in shown if not one["runs"]]
    for one in idle:
        err.print(f"[red]event {one['id']} started nothing: {escaped(one['reason'])}[/red]")
    wait_for_runs(history, sorted({run for one in shown for run in one["runs"]}), as_json)
    if idle:
        raise typer.Exit(NEEDS_A_PERSON)


def wait_for_runs(history: History, numbers: Sequence[int], as_json: bool) -> None:
    """Wait until these runs have ended, and print them."""
    with _patience(as_json, "running"):
        while history.is_under_way(numbers):
            time.sleep(_LOOK)
    shown = [history.run(number) for number in numbers]
    if as_json:
        print_json(shown)
    else:
        for one in shown:
            print_run(one)
    if any(one["state"] == "needs_attention" for one in shown):
        raise typer.Exit(NEEDS_A_PERSON)


def _patience(as_json: bool, what: str) -> contextlib.AbstractContextManager[Any]:
    return contextlib.nullcontext() if as_json else err.status(what)
