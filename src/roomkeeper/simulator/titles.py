"""Which titles are one to the portal's database (recorded: title-weights.json)."""

import json
from functools import cache
from importlib import resources


def title_key(title: str) -> str:
    return "".join(_weights().get(letter, letter) for letter in title.rstrip(" "))


def same_title(one: str, other: str) -> bool:
    return title_key(one) == title_key(other)


@cache
def _weights() -> dict[str, str]:
    table = json.loads((resources.files("roomkeeper.simulator") / "weights.json").read_text("utf-8"))
    return dict(zip(table["letters"], table["weights"], strict=True))
