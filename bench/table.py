"""Run the benchmarks, and print one table: today's figures beside those of `bench/results.md`, and the goal.

Each benchmark has its yardstick in the same run and prints it before; compare what stands in one line.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
Reads = Callable[[str], str]


def found(pattern: str) -> Reads:
    """Give what a pattern's groups find, or say that it finds nothing."""

    def read(told: str) -> str:
        there = re.search(pattern, told)
        return ", ".join(one.strip() for one in there.groups()) if there else "not printed"

    return read


def worst(pattern: str, unit: str = "") -> Reads:
    """Give the largest of the numbers that a pattern's group finds."""

    def read(told: str) -> str:
        numbers = [float(one) for one in re.findall(pattern, told)]
        return f"{max(numbers):g}{unit}" if numbers else "not printed"

    return read


@dataclass(frozen=True)
class Row:
    """A line of the table: what is measured, as results.md calls it, by what, and how to read what that prints."""

    what: str
    command: str
    read: Reads


_AT_REST = r" *: +([\d.]+ %) of a core \([^)]*\), +(\d+ MiB)"
ROWS = (
    Row(
        "acknowledgements, 32 connections, copies going on, of the bare handler's",
        "ack.py --rounds 2",
        found(r"pair by pair: (.*)"),
    ),
    Row("at 200 a second, copies going on", "ack.py --rounds 2", found(r"\nat 200 a second: (.*)")),
    Row(
        "strangers: worst median of acknowledgements, of the quiet one",
        "door.py --seconds 4",
        worst(r" ms +[\d.]+ ms +([\d.]+) "),
    ),
    Row(
        "strangers: worst growth of memory, all processes",
        "door.py --seconds 4",
        worst(r"([\d.]+) MB +-?[\d.]+ MB", " MB"),
    ),
    Row(
        "an archive of 2,000 files, flat, beside the sample's steps",
        "archive.py --only flat --files 2000",
        found(r"archive_files, flat: +([\d.]+ s \([^)]*\))"),
    ),
    Row(
        "ticket to note, of the calls that must follow one another", "ticket.py", found(r"p50 is ([\d.]+) of that sum")
    ),
    Row("the slowest page with 100,000 events", "pages.py", found(r"slowest page: (.*) \(aim")),
    Row(
        "100,000 events beside 1,000: the worst ratio",
        "growth.py --events 1000 100000",
        worst(r"([\d.]+) of the first"),
    ),
    *(
        Row(f"at rest, {many}, {shape}", "idle.py --connections 1 40 --seconds 30", found(f"{many}, {shape}{_AT_REST}"))
        for many in ("1 connection", "40 connections")
        for shape in ("in parts", "together")
    ),
)


def main() -> None:
    """Run what is wanted, each benchmark once, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", help="parts of the benchmarks' names; all, if there is none")
    wanted = parser.parse_args().only
    rows = [row for row in ROWS if not wanted or any(one in row.command for one in wanted)]
    told = {command: _run(command) for command in dict.fromkeys(row.command for row in rows)}
    known = _known((HERE / "results.md").read_text())
    print("\n| what | command | results.md | today | goal |\n| --- | --- | --- | --- | --- |")
    for row in rows:
        before, goal = known.get(row.what, ("", ""))
        print(f"| {row.what} | `bench/{row.command}` | {before} | {row.read(told[row.command])} | {goal} |")


def _run(command: str) -> str:
    """Run a benchmark, and show what it says while it says it."""
    name, *words = command.split()
    print(f"\n{command}", flush=True)
    process = subprocess.Popen([sys.executable, str(HERE / name), *words], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        print(f"  {line}", end="", flush=True)
        lines.append(line)
    if process.wait() != 0:
        print(f"  {command} ended with {process.returncode}", flush=True)
    return "\n" + "".join(lines)


def _known(text: str) -> dict[str, tuple[str, str]]:
    """Read the last figures and the goals from the table that is kept."""
    rows: Sequence[list[str]] = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")
    ]
    return {row[0]: (row[3], row[4]) for row in rows if len(row) == 5}


if __name__ == "__main__":
    main()
