"""Causes: what several runs need a person for, told once and put right once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Shown = dict[str, Any]


@dataclass(frozen=True)
class Cause:
    """Runs that failed and have one remedy, the newest first; a run that asks for consent stands alone."""

    runs: Sequence[Shown]

    @property
    def newest(self) -> Shown:
        """The run whose words are shown for all."""
        return self.runs[0]

    @property
    def numbers(self) -> str:
        """The runs' numbers, as an address has them."""
        return ",".join(str(run["id"]) for run in self.runs)


def of(stuck: Iterable[Shown]) -> list[Cause]:
    """Put runs that need a person together by what puts them right, in the order in which they come."""
    found: dict[tuple[str, str | int], list[Shown]] = {}
    for run in stuck:
        is_alone = run["asks"] or not run["remedy"]
        found.setdefault((run["automation"], run["id"] if is_alone else run["remedy"]), []).append(run)
    return [Cause(runs) for runs in found.values()]
