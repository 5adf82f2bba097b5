"""Write lines as CSV, so that a spreadsheet takes nothing that people wrote for a formula. Pure."""

import csv
import io
import json
from collections.abc import Mapping, Sequence

from roomkeeper.outside import cleaned

#: What a cell may not begin with (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def written(lines: Sequence[Mapping[str, object]], columns: Sequence[str] | None = None) -> str:
    """Write lines below their columns' names: these columns, or all that any of the lines has."""
    names = columns if columns is not None else list(dict.fromkeys(name for line in lines for name in line))
    file = io.StringIO()
    writer = csv.DictWriter(file, names, extrasaction="ignore", lineterminator="\n")
    writer.writerow({name: _cell(name) for name in names})
    writer.writerows({name: _cell(line.get(name)) for name in names} for line in lines)
    return file.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, Mapping | list | tuple):
        value = ", ".join(map(str, value)) if _is_plain(value) else json.dumps(value, ensure_ascii=False, default=str)
    if not isinstance(value, str):
        return value
    shown = cleaned(value)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown


def _is_plain(value: Mapping[object, object] | Sequence[object]) -> bool:
    return not isinstance(value, Mapping) and all(isinstance(one, str | int | float) for one in value)
