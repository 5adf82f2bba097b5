"""The commands: they parse and print, and decide nothing.

Exit codes: 0 ok, 1 it failed, 2 usage or configuration, 3 something needs a person.
"""

import logging
import sys
from typing import Annotated

import structlog
import typer

from roomkeeper import __version__
from roomkeeper.cli import (
    beginning,
    configuration,
    events,
    examining,
    people,
    proving,
    reconciling,
    runs,
    serving,
    webhooks,
)
from roomkeeper.cli.options import FAILED, USAGE
from roomkeeper.cli.printing import err, escaped, out, say_problems
from roomkeeper.errors import ConfigError, RoomkeeperError

cli = typer.Typer(
    name="roomkeeper",
    help="Keeps ONLYOFFICE DocSpace rooms in step with a CRM and a helpdesk.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cli.command("serve")(serving.serve)
cli.command("simulate")(serving.simulate)
cli.command("demo")(serving.play)
cli.command("init")(beginning.init)
cli.command("check")(configuration.check)
cli.command("try")(configuration.try_)
cli.command("start")(events.start)
cli.command("doctor")(examining.examine)
cli.command("prove")(proving.prove)
cli.command("reconcile")(reconciling.reconcile)
cli.command("password")(people.password)

_events = typer.Typer(help="What was received.", no_args_is_help=True)
_events.command("list")(events.events_list)
_events.command("show")(events.events_show)
_events.command("replay")(events.events_replay)
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
    """Run a command; an error that we foresaw is said, not thrown."""
    # Commands say themselves what came of it; only `serve` keeps a log, and sets this anew.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        cli()
    except ConfigError as error:
        say_problems(error.problems)
        sys.exit(USAGE)
    except RoomkeeperError as error:
        err.print(f"[red]{escaped(error.message)}[/red]")
        if error.remedy:
            err.print(f"    → {escaped(error.remedy)}")
        sys.exit(FAILED)
    except KeyboardInterrupt:
        sys.exit(130)


@cli.callback(invoke_without_command=True)
def version(show: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Keeps ONLYOFFICE DocSpace rooms in step with a CRM and a helpdesk."""
    if show:
        out.print(f"roomkeeper {__version__}")
        raise typer.Exit
