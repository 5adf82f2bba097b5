"""Causes: what several runs need a person for, told once and put right once."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Shown = dict[str, Any]
_OF_ONE = re.compile(r"'[^']*'|\"[^\"]*\"|\d+")  # what an error names that is of its own run: titles, and numbers


@dataclass(frozen=True)
class Cause:
    """Runs that failed in the same words and have one remedy, the newest first; one that asks for consent is alone."""

    runs: Sequence[Shown]

    @property
    def newest(self) -> Shown:
        """The run whose words are shown for all."""
        return self.runs[0]

    @property
    def numbers(self) -> str:
        """The runs' numbers, as an address has them."""
        return ",".join(str(run["id"]) for run in self.runs)

    @property
    def may_be_retried(self) -> bool:
        """Whether there are several that a retry may help; where the remedy is to give up, it does not."""
        remedy = self.newest["remedy"] or ""
        return len(self.runs) > 1 and ("runs cancel" not in remedy or "runs retry" in remedy)


def of(stuck: Iterable[Shown]) -> list[Cause]:
    """Put runs that need a person together by what went wrong, in the order in which they come.

    The remedy alone does not tell: of many it is that each file has its own.
    """
    found: dict[tuple[object, ...], list[Shown]] = {}
    for run in stuck:
        words = _OF_ONE.sub("…", run["error"] or "")
        key = (run["id"],) if run["asks"] else (run["automation"], run["remedy"], words)
        found.setdefault(key, []).append(run)
    return [Cause(runs) for runs in found.values()]
