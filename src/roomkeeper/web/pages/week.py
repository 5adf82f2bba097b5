"""The week at a glance, drawn here: it needs no script, and says the same in a table."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.requests import Request

from roomkeeper.desk.week import Day, week
from roomkeeper.web.access import Who
from roomkeeper.web.desk import Desk
from roomkeeper.web.rendering import Shown

#: The drawing, in units of its own.
WIDTH, HEIGHT, _FOOT = 700, 200, 24
_BAR, _GAP = 22, 4
_KINDS = ("arrived", "done", "needed")


@dataclass(frozen=True)
class Bar:
    """One bar of the drawing."""

    kind: str
    x: float
    y: float
    height: float
    count: int


async def view(_request: Request, desk: Desk, _who: Who) -> Shown:
    """Show the last seven days."""
    days = await asyncio.to_thread(week, desk.store, datetime.now(UTC))
    most = max((max(day.arrived, day.done, day.needed) for day in days), default=0)
    data = {
        "days": days,
        "most": most,
        "groups": [
            (_middle(at, len(days)), day.date[5:], _bars(at, day, len(days), most)) for at, day in enumerate(days)
        ],
        "width": WIDTH,
        "height": HEIGHT,
        "bar": _BAR,
        "said": _said(days),
    }
    return Shown("The last seven days", "week.html", data)


def _said(days: Sequence[Day]) -> str:
    """Say the drawing in a sentence."""
    arrived, done, needed = (sum(getattr(day, kind) for day in days) for kind in _KINDS)
    came = f"{arrived} event{'' if arrived == 1 else 's'} arrived, {done} of them {'is' if done == 1 else 'are'} done"
    return f"{came}, and {needed} run{' needs' if needed == 1 else 's need'} a person."


def _middle(at: int, many: int) -> float:
    return (at + 0.5) * WIDTH / many


def _bars(at: int, day: Day, many: int, most: int) -> list[Bar]:
    left = _middle(at, many) - (len(_KINDS) * _BAR + (len(_KINDS) - 1) * _GAP) / 2
    room = HEIGHT - _FOOT - 22  # above the highest bar stands its number
    bars = []
    for number, kind in enumerate(_KINDS):
        count = getattr(day, kind)
        height = max(2.0, room * count / most) if count else 0.0  # what there is can be seen
        bars.append(Bar(kind, left + number * (_BAR + _GAP), HEIGHT - _FOOT - height, height, count))
    return bars
