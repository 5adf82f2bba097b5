"""Which titles are one to the portal's database (recorded: title-weights.json)."""

import json
from functools import cache
from importlib import resources


def title_key(title: str) -> str:
    return "".join(_weights().get(letter, letter) for letter in title.rstrip(" "))


def exactly(title: str) -> str:
    """How PostgreSQL compares: the collation of the columns is MySQL's alone (DbFile.cs, DbFolder.cs)."""
    return title


@cache
def _weights() -> dict[str, str]:
    table = json.loads((resources.files("roomkeeper.simulator") / "weights.json").read_text("utf-8"))
    return dict(zip(table["letters"], table["weights"], strict=True))
