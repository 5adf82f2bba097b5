"""How commands print: JSON for programs, tables and lines for people."""

import json
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import typer
from rich import markup
from rich.console import Console
from rich.table import Table

from roomkeeper import outside, spreadsheet
from roomkeeper.errors import Problem
from roomkeeper.running.orders import numbered

#: How this program was called, where its name alone would not find it.
PROGRAM = "roomkeeper" if shutil.which("roomkeeper") or not sys.argv[0].endswith("roomkeeper") else sys.argv[0]
_COMMAND = re.compile(r"`roomkeeper ([^`]*)`")
_given: list[Path] = []  # the configuration file that this command was given, if it was
_PIPED = 240  # columns where there is no terminal to fit
out = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else _PIPED)
err = Console(stderr=True, soft_wrap=True, highlight=False)


def print_json(value: object) -> None:
    """Print JSON for a program; nothing in it steers a terminal."""
    typer.echo(outside.cleaned(json.dumps(value, indent=2, ensure_ascii=False, default=str)))


def show(value: object, as_json: bool, told: str, *, quiet: bool = False) -> None:
    """Print a result, or what it means."""
    if quiet:
        return
    if as_json:
        print_json(value)
    else:
        out.print(escaped(told))


def print_table(columns: Sequence[str], rows: Sequence[dict[str, Any]], empty: str) -> None:
    """Print rows as a table."""
    if not rows:
        out.print(empty)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*[_cell(column, row[column]) for column in columns])
    out.print(table, soft_wrap=False)


def _cell(column: str, value: object) -> str:
    if column == "at" or column.endswith("_at"):
        return _on_the_wall(str(value)) if value else ""
    return escaped(_plain(value))


def _plain(value: object) -> str:
    """Write a value as people do, and not as a program."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_plain(one)}" for name, one in value.items())
    return "" if value is None else str(value)


def _on_the_wall(moment: str) -> str:
    """Write a moment as the clock of this machine has it; JSON has it in UTC."""
    return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def print_fields(shown: dict[str, Any], names: Sequence[str]) -> None:
    """Print the fields that are set."""
    for name in names:
        if shown[name] not in (None, "", []):
            out.print(f"[bold]{name.replace('_', ' ')}[/bold]  {_cell(name, shown[name])}")


def print_csv(lines: Sequence[dict[str, Any]]) -> None:
    """Print lines as CSV, with every column that one of them has."""
    sys.stdout.write(spreadsheet.written(lines))


def print_run(shown: dict[str, Any], *, calls: bool = False) -> None:
    """Print one run for a person; the commands that mend it name it."""
    run = shown["id"]
    print_fields(
        shown | {"remedy": numbered(run, shown["remedy"])},
        ("id", "automation", "state", "key", "attempt", "started_at", "ended_at", "error", "remedy"),
    )
    out.print(f"[bold]events[/bold]  {_numbers(shown['events'])}")
    for step in shown["steps"]:
        _print_step(run, step, calls=calls)


_NAMED = 5  # events that a run's print names (ours)


def _numbers(events: Sequence[int]) -> str:
    """Name the first events by their numbers, and say how many more there are."""
    more = len(events) - _NAMED
    return ", ".join(map(str, events[:_NAMED])) + (f" and {more} more" if more > 0 else "") or "none"


def _print_step(run: int, step: dict[str, Any], *, calls: bool) -> None:
    made, result = len(step["calls"]), step["result"] or {}
    far = f": {escaped(step['progress'])}" if step["progress"] else ""
    out.print(f"[bold]{step['name']}[/bold]: {step['state']}, {made} call{'' if made == 1 else 's'}{far}")
    for name, value in result.items():
        if not isinstance(value, list) and value not in (None, "", {}):
            out.print(f"    {name.replace('_', ' ')}: {escaped(_plain(value))}")
    if step["approved_by"]:
        out.print(f"    approved by {escaped(step['approved_by'])} at {_on_the_wall(step['approved_at'])}")
    if step["error"]:
        out.print(f"    [{'yellow' if step['state'] == 'asks' else 'red'}]{escaped(step['error'])}[/]")
    if step["remedy"]:
        out.print(f"    → {escaped(numbered(run, step['remedy']) or '')}")
    for line in _planned(step["plan"]) if step["state"] == "asks" else []:
        out.print(f"    - {escaped(line)}")
    for line in result.get("report", []):
        out.print(f"    {escaped(_line(line))}")
    for call in step["calls"] if calls else []:
        status = call["status"] or "no answer"
        out.print(f"    {call['method']} {escaped(call['path'])} {status} {call['milliseconds']} ms")
    for item in step["items"]:
        remedy = escaped(numbered(run, item["remedy"]) or "")
        out.print(f"    - {escaped(item['item'])}: {escaped(item['reason'])}\n      → {remedy}")


def _planned(plan: Any) -> list[str]:  # noqa: ANN401 - JSON
    """Give the lines of a recorded plan."""
    if isinstance(plan, list):
        return [str(line) for line in plan]
    return list((plan or {}).get("lines", []))


def _line(line: dict[str, Any]) -> str:
    """One line of a step's report: what became of a file."""
    version = f", version {line['version']}" if "version" in line else ""
    where = f" → {line['to']}" if line.get("to") else ""
    return f"file {line['file']} {line.get('from') or line['title']!r}{version}: {line['outcome']}{where}"


def say_problems(problems: Sequence[Problem]) -> None:
    """Say every problem of a configuration."""
    for problem in problems:
        where = escaped(f"{problem.file}:{problem.line}")
        err.print(f"[red]{where}[/red]: {escaped(problem.what)}\n    → {escaped(problem.remedy)}")
    err.print(f"{len(problems)} problem{'' if len(problems) == 1 else 's'}")


def stop(what: str, remedy: str, code: int) -> NoReturn:
    """Say what is wrong and what to do, and exit."""
    err.print(f"[red]{escaped(what)}[/red]\n    → {escaped(remedy)}")
    raise typer.Exit(code)


def escaped(text: str) -> str:
    """Keep a title's [brackets] from being read as markup, and its control characters from the terminal.

    Commands in it run as they stand.
    """
    return markup.escape(_COMMAND.sub(lambda found: f"`{as_given(found[1])}`", outside.cleaned(text)))


def as_given(words: str) -> str:
    """Write a command so that it can be given from here: with the configuration file that this one was given."""
    has_file = words.split(maxsplit=1)[0] not in _WITHOUT_FILE and " -c " not in f" {words} "
    where = f" -c {shlex.quote(str(_given[-1]))}" if _given and has_file else ""
    return f"{PROGRAM} {words}{where}"


_WITHOUT_FILE = {"init", "demo", "simulate", "password"}


def written_with(file: Path | None) -> None:
    """Write commands with this configuration file from now on; with none where the usual one is meant."""
    _given[:] = [file] if file is not None else []
