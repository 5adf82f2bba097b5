"""Hold what decides and reads without calling anybody to be passed through whole, every line and branch of it.

`make test` gives it what SlipCover measured. What calls services is held by the suite's percentage (see the Makefile).
"""

import ast
import json
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
PURE = (
    "automations/*.py",
    "connectors/docspace/files/archiving.py",
    "connectors/docspace/files/copying.py",
    "connectors/docspace/files/identity.py",
    "desk/causes.py",
    "desk/offers.py",
    "desk/reasons.py",
    "docspace/budget.py",
    "docspace/signature.py",
    "docspace/titles.py",
    "docspace/wire.py",
    "outside.py",
    "running/ledger.py",
    "running/retrying.py",
    "spreadsheet.py",
    "statuses.py",
    "vendors/answers.py",
    "vendors/deals.py",
    "vendors/reading.py",
    "vendors/templated.py",
    "vendors/tickets.py",
    "vendors/trust.py",
)


def _of_signatures(file: str) -> set[int]:
    """Give the lines of functions' signatures: from Python 3.12 on, those that nobody runs count as left out."""
    functions = [one for one in ast.walk(ast.parse(Path(file).read_text())) if isinstance(one, _FUNCTIONS)]
    return {line for one in functions for line in range(one.lineno, one.body[0].lineno)}


def left_out(measured: dict[str, Any]) -> list[str]:
    """List what no test passed through: the lines, and the branches by where they leave from and lead to."""
    names = [file.partition("src/roomkeeper/")[2] for file in measured["files"]]
    told = [f"{one}: there is no such module" for one in PURE if not any(fnmatch(name, one) for name in names)]
    for file, seen in sorted(measured["files"].items()):
        name = file.partition("src/roomkeeper/")[2]
        if not any(fnmatch(name, one) for one in PURE):
            continue
        signatures = _of_signatures(file)
        lines = ", ".join(str(line) for line in seen["missing_lines"] if line not in signatures)
        branches = ", ".join(f"{begin} to {end}" for begin, end in seen["missing_branches"])
        if lines or branches:
            told.append(f"{file}: lines {lines or 'none'}; branches {branches or 'none'}")
    return told


if __name__ == "__main__":
    found = left_out(json.loads(Path(sys.argv[1]).read_text()))
    sys.exit("\n".join(["What decides and reads is not passed through whole:", *found]) if found else 0)
