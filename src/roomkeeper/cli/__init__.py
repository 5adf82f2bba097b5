"""The commands: they parse and print, and decide nothing.

Exit codes: 0 ok, 1 it failed, 2 usage or configuration, 3 something needs a person.
"""

import functools
import logging
import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import structlog
import typer

from roomkeeper import __version__
from roomkeeper.cli import (
    beginning,
    configuration,
    events,
    examining,
    keeping,
    pausing,
    people,
    proving,
    reconciling,
    reloading,
    runs,
    serving,
    webhooks,
)
from roomkeeper.cli.options import close_stores
from roomkeeper.cli.outcome import outcome
from roomkeeper.cli.printing import out

cli = typer.Typer(
    name="roomkeeper",
    help="Keeps ONLYOFFICE DocSpace rooms in step with a CRM and a helpdesk.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cli.command("serve")(serving.serve)
cli.command("setup")(serving.set_up)
cli.command("reload")(reloading.reload)
cli.command("simulate")(serving.simulate)
cli.command("demo")(serving.play)
cli.command("init")(beginning.init)
cli.command("check")(configuration.check)
cli.command("try")(configuration.try_)
cli.command("start")(events.start)
cli.command("doctor")(examining.examine)
cli.command("prove")(proving.prove)
cli.command("reconcile")(reconciling.reconcile)
cli.command("pause")(pausing.pause)
cli.command("resume")(pausing.resume)
cli.command("backup")(keeping.backup)
cli.command("transfer")(keeping.transfer)
cli.command("password")(people.password)
cli.command("link")(people.link)

_events = typer.Typer(help="What was received.", no_args_is_help=True)
_events.command("list")(events.events_list)
_events.command("show")(events.events_show)
_events.command("replay")(events.events_replay)
_events.command("redispatch")(events.events_redispatch)
cli.add_typer(_events, name="events")

_runs = typer.Typer(help="What was done about it.", no_args_is_help=True)
_runs.command("list")(runs.runs_list)
_runs.command("show")(runs.runs_show)
_runs.command("retry")(runs.runs_retry)
_runs.command("cancel")(runs.runs_cancel)
_runs.command("approve")(runs.runs_approve)
_runs.command("undo")(runs.runs_undo)
cli.add_typer(_runs, name="runs")


_webhooks = typer.Typer(help="What the portal delivers to us.", no_args_is_help=True)
_webhooks.command("list")(webhooks.webhooks_list)
_webhooks.command("register")(webhooks.webhooks_register)
_webhooks.command("repair")(webhooks.webhooks_repair)
_webhooks.command("remove")(webhooks.webhooks_remove)
cli.add_typer(_webhooks, name="webhooks")


def main() -> None:
    """Run the command line of this process."""
    # Commands say themselves what came of it; only `serve` keeps a log, and sets this anew.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    sys.exit(run(sys.argv[1:]))


@functools.cache
def _command() -> Callable[[list[str]], object]:
    """Put the commands together: once, also where many are given in one process."""
    return typer.main.get_command(cli)


def run(words: Sequence[str]) -> int:
    """Run a command; an error that we foresaw is said, not thrown. Gives the exit code."""
    try:
        return outcome(lambda: _command()(list(words)))
    finally:
        close_stores()


@cli.callback(invoke_without_command=True)
def version(show: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Keeps ONLYOFFICE DocSpace rooms in step with a CRM and a helpdesk."""
    if show:
        out.print(f"roomkeeper {__version__}")
        raise typer.Exit
