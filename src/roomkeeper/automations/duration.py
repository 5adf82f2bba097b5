"""Durations as people write them: `90s`, `30m`, `1h`, `7d`, or a number of seconds."""

import math
import re
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SHAPE = r"^\d+(\.\d+)?\s*[smhd]$"


def seconds(value: object) -> float:
    """Read a duration. Raises ValueError."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf:
        return float(value)
    text = str(value).strip().lower()
    if re.match(_SHAPE, text):
        return float(text[:-1]) * _UNITS[text[-1]]
    raise ValueError("must be a duration such as 90s, 30m, 1h or 7d")


Duration = Annotated[
    float,
    BeforeValidator(seconds),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": _SHAPE}]}),
]
"""Seconds."""


def spoken(seconds: float) -> str:
    """Say a duration shortly: `1h`, `90s`."""
    for unit in ("d", "h", "m"):
        if seconds >= _UNITS[unit] and seconds % _UNITS[unit] == 0:
            return f"{seconds / _UNITS[unit]:.0f}{unit}"
    return f"{seconds:.15g}s"
