"""`runs …`: what was done about events, and what people order."""

from functools import partial
from typing import Annotated

import typer

from roomkeeper.cli.options import (
    DEFAULT,
    NEEDS_A_PERSON,
    About,
    AsJson,
    ConfigFile,
    Limit,
    Wait,
    by_whom,
    caller,
    history_of,
    kept_store_of,
    known,
    loaded_for_reading,
)
from roomkeeper.cli.printing import print_csv, print_json, print_run, print_table, show
from roomkeeper.cli.waiting import wait_for_runs
from roomkeeper.desk.history import RUN_STATES, History, Part
from roomkeeper.running import orders


def runs_list(
    config: ConfigFile = DEFAULT,
    limit: Limit = 50,
    automation: Annotated[str | None, typer.Option(help="Only of this automation.")] = None,
    state: Annotated[
        str | None, typer.Option(help="Only waiting, running, done, needs_attention or cancelled ones.")
    ] = None,
    about: About = "",
    as_json: AsJson = False,
) -> None:
    """List runs, newest first; exit code 3 if one of those shown needs a person."""
    known("--state", state, RUN_STATES)
    history = history_of(config)
    shown = history.runs(automation=automation, state=state, part=Part(limit, about=about))
    if automation and not shown and not history.runs(automation=automation, limit=1):  # of one that is gone, there are
        known("--automation", automation, [one.name for one in loaded_for_reading(config).automations])
    if as_json:
        print_json([one | {"remedy": orders.numbered(one["id"], one["remedy"])} for one in shown])
    else:
        rows = [one | {"events": len(one["events"]), "says": one["error"] or one["progress"]} for one in shown]
        print_table(
            ("id", "automation", "about", "state", "events", "started_at", "says"),
            rows,
            "None." if automation or state or about else "No run yet.",
        )
    if any(one["state"] == "needs_attention" for one in shown):
        raise typer.Exit(NEEDS_A_PERSON)


def runs_show(
    number: Annotated[int, typer.Argument(metavar="ID")],
    config: ConfigFile = DEFAULT,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a line for each file, as CSV.")] = False,
    calls: Annotated[bool, typer.Option("--calls", help="With every call to a service.")] = False,
) -> None:
    """Show one run: its steps, what they did, what failed and what to do."""
    shown = history_of(config).run(number)
    if as_json:
        print_json(shown | {"remedy": orders.numbered(number, shown["remedy"])})
    elif as_csv:
        reports = {step["name"]: (step["result"] or {}).get("report", []) for step in shown["steps"]}
        print_csv([{"step": name} | line for name, lines in reports.items() for line in lines])
    else:
        print_run(shown, calls=calls)
    if shown["state"] == "needs_attention":
        raise typer.Exit(NEEDS_A_PERSON)


def runs_retry(
    numbers: Annotated[list[int] | None, typer.Argument(metavar="[ID...]")] = None,
    every: Annotated[bool, typer.Option("--all", help="All runs that need attention.")] = False,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="All steps again, from the first; nothing is made twice.")
    ] = False,
    as_now: Annotated[
        bool,
        typer.Option("--as-now", help="With the automation as it is now, from the first step; nothing made twice."),
    ] = False,
    config: ConfigFile = DEFAULT,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Let runs go on from the step that failed; what is done is not done again."""
    if as_now and from_start:
        raise typer.BadParameter("--as-now begins from the start anyway: leave out --from-start")
    store = kept_store_of(config)
    history = History(store)
    chosen = list(numbers or [])
    if every:
        stuck = history.runs(limit=100_000, state="needs_attention")
        chosen += [one["id"] for one in reversed(stuck)]  # the oldest first, as they were made
    if not chosen and not every:
        raise typer.BadParameter("name a run, or give --all")
    for number in chosen:
        history.run(number)  # all or nothing
    renew = partial(orders.renew, present=loaded_for_reading(config).present) if as_now else None
    for number in chosen:
        (renew or (orders.restart if from_start else orders.retry))(store, number, caller())
    told = f"Run {', '.join(map(str, chosen))} will go on. {by_whom(store)}" if chosen else "No run needs attention."
    show({"retried": chosen}, as_json, told, quiet=wait)
    if wait:
        wait_for_runs(history, chosen, as_json)


def runs_cancel(
    numbers: Annotated[list[int], typer.Argument(metavar="ID...")],
    config: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Stop runs before their next call; what they did so far stays."""
    store = kept_store_of(config)
    states = {number: orders.cancel(store, number, caller()) for number in numbers}
    told = "\n".join(
        f"Run {number} is cancelled."
        if state == "cancelled"
        else f"Run {number} is {state}, and stops before its next call."
        for number, state in states.items()
    )
    show({"cancelled": [{"id": number, "state": state} for number, state in states.items()]}, as_json, told)


def runs_approve(
    number: Annotated[int, typer.Argument(metavar="ID")],
    config: ConfigFile = DEFAULT,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Consent to what a run asks for, as `runs show` has it; it goes on."""
    store = kept_store_of(config)
    asked = orders.approve(store, number, caller())
    show({"approved": number, "asked": asked}, as_json, f"Approved: {asked}. {by_whom(store)}", quiet=wait)
    if wait:
        wait_for_runs(History(store), [number], as_json)


def runs_undo(
    number: Annotated[int, typer.Argument(metavar="ID")],
    config: ConfigFile = DEFAULT,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Put the files that a run archived back where they were; access that it ended is not given back."""
    store = kept_store_of(config)
    made = orders.undo(store, number, caller())
    told = f"Run {made} puts back what run {number} moved. {by_whom(store)}"
    show({"undone": number, "run": made}, as_json, told, quiet=wait)
    if wait:
        wait_for_runs(History(store), [made], as_json)
