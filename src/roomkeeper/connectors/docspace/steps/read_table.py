"""`read_table`: read a table that people keep, from a file of the portal or of this machine: all of it, or nothing.

What does not fit is named, line by line, before anything is done with the others.
"""

import asyncio
import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from roomkeeper import spreadsheet
from roomkeeper.contract.step import Plan, StepContext, StepKind, plan_of_list
from roomkeeper.docspace import EntryId, Portal
from roomkeeper.errors import FailedItem, Forbidden, NotFound, StepFailed
from roomkeeper.spreadsheet import Cell, Line

Sort = Literal["text", "number", "whole", "date", "email", "yes_no"]
MOST = 10_000  # lines: a list holds no more (ours)
_LARGEST = 10_000_000  # bytes of the file (ours)
_NAMED = 30  # lines that are named of those that do not fit (ours)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_OURS = frozenset({"id", "line"})
_EMAIL = re.compile(r"[^@\s,;<>]{1,64}@[^@\s,;<>.]{1,63}(?:\.[^@\s,;<>.]{1,63}){1,10}")
_NUMBER = re.compile(r"[+-]?\d{1,18}(?:\.\d{1,18})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_YES, _NO = frozenset({"yes", "true", "1", "x"}), frozenset({"no", "false", "0"})
#: What a spreadsheet shows where a formula came to nothing (ECMA-376 part 1, 18.17.2.1).
_BROKEN = frozenset({"#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!", "#GETTING_DATA"})


class Column(BaseModel):
    """A column that the table must have, and what its cells must be."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    column: str = Field(min_length=1, description="What it is called in the table.", examples=["E-mail"])
    as_: Sort = Field(
        default="text",
        alias="as",
        description="What its cells are: `date` is given as 2026-11-27, `yes_no` as true or false.",
        examples=["email"],
    )
    may_be_blank: bool = Field(default=False, description="Whether a cell may be empty.", examples=[True])


def _short(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


class ReadTable(BaseModel):
    """What `read_table` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: EntryId | None = Field(default=None, description="The file on the portal, by its id.", examples=[333333])
    path: str | None = Field(
        default=None,
        description="The file on the machine of the service, from the root.",
        examples=["/srv/clients.csv"],
    )
    columns: dict[str, Annotated[Column, BeforeValidator(_short)]] = Field(
        min_length=1,
        description="The columns that are read, by what they are called in the steps; of the others nothing is known. "
        "A name alone means: as text, and never blank.",
        examples=[{"client": "Client", "email": {"column": "E-mail", "as": "email"}}],
    )
    key: str | None = Field(
        default=None,
        description="The column by which a line is known: no two may have the same. In a `for_each` it is done once, "
        "wherever it stands in the table.",
        examples=["email"],
    )
    sheet: str | None = Field(
        default=None, description="Which sheet of a workbook; the first, if you do not say.", examples=["Clients"]
    )
    encoding: str | None = Field(
        default=None, description="What a CSV file is written in, where it is not UTF-8.", examples=["cp1252"]
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.file is None) == (self.path is None):
            raise ValueError("needs `file` or `path`, and not both")
        if self.path is not None and not Path(self.path).is_absolute():
            raise ValueError(
                f"has the `path` {self.path!r}, which does not begin at the root, as /srv/clients.csv does"
            )
        for name in self.columns:
            if not _NAME.fullmatch(name) or name in _OURS:
                raise ValueError(f"has a column {name!r}: take small letters, digits and _, and not `id` or `line`")
        if self.key is not None and self.key not in self.columns:
            raise ValueError(f"has the `key` {self.key!r}, which is none of its columns")
        return self


class Table(BaseModel):
    """The lines of a table."""

    rows: list[dict[str, Any]] = Field(
        default_factory=list,
        description="Each line: its columns, its number in the table as `line`, and as `id` what it is known by.",
    )
    count: int = 0
    title: str = Field(default="", description="The file's title.")
    version: int | None = Field(default=None, description="Of a file on the portal, the version that was read.")


async def apply(params: ReadTable, context: StepContext) -> Table:
    """Read it. Raises StepFailed with every line that does not fit, RemoteError."""
    content, title, version = await _content(params, context)
    try:
        lines = await asyncio.to_thread(
            spreadsheet.read, content, encoding=params.encoding, sheet=params.sheet, most=MOST
        )
    except spreadsheet.Unreadable as error:
        raise StepFailed(
            f"the table {title!r} {error}", remedy="Put the file right; then `roomkeeper runs retry`."
        ) from error
    rows = _rows(params, lines, title)
    return Table(rows=rows, count=len(rows), title=title, version=version)


async def plan(params: ReadTable, context: StepContext) -> Plan:
    """Say what would be read."""
    table = await apply(params, context)
    lines = [f"read line {row['line']} of {table.title!r}: {row['id']}" for row in table.rows]
    return plan_of_list(lines, f"the table {table.title!r} has names, and no lines", table)


def mistakes(given: Mapping[str, Any], _: str | None) -> list[tuple[tuple[str | int, ...], str, str]]:
    """Say what cannot be right: a path that is made of what strangers write may lead to any file of this machine."""
    if "{" not in str(given.get("path") or ""):
        return []
    return [(("path",), "the `path` of read_table may not be worked out from an event", "write it as it is")]


READ_TABLE = StepKind(
    name="read_table",
    summary="Read a table (CSV or XLSX) strictly: every line fits, or it fails and names those that do not.",
    params=ReadTable,
    result=Table,
    plan=plan,
    apply=apply,
    connection_type="docspace",
    mistakes=mistakes,
    scopes=frozenset({"files:read"}),
)


async def _content(params: ReadTable, context: StepContext) -> tuple[bytes, str, int | None]:
    """Read the file's bytes; with its title and version. Raises StepFailed."""
    if params.path is not None:
        return await asyncio.to_thread(_on_disk, Path(params.path)), Path(params.path).name, None
    portal: Portal = context.client
    number: EntryId = params.file if params.file is not None else ""
    try:
        file = await context.call(partial(portal.files.get, number))
    except (NotFound, Forbidden) as error:
        what = f"the file {number} cannot be read: {error.message}"
        raise StepFailed(what, remedy="Give the account of the API key access to it, or correct `file`.") from error
    if file.size is not None and file.size > _LARGEST:
        raise _too_large(file.title, file.size)
    try:
        content = await context.call(partial(portal.content, file.id, most=_LARGEST))
    except NotFound as error:
        what = f"the portal has no content of {file.title!r} ({file.id}): {error.message}"
        raise StepFailed(what, remedy="Open it there; if that fails, too, upload it anew.") from error
    if content is None:
        what = f"the portal gives the content of {file.title!r} ({file.id}) to this account's key no way"
        raise StepFailed(what, remedy="See whether the account may download it: a room can forbid that.")
    return content, file.title, file.version


def _on_disk(path: Path) -> bytes:
    """Read a file of this machine. Raises StepFailed."""
    try:
        if path.stat().st_size > _LARGEST:
            raise _too_large(str(path), path.stat().st_size)
        return path.read_bytes()
    except OSError as error:
        what = f"{path} cannot be read: {error.strerror}"
        raise StepFailed(what, remedy="See whether it is there, and whether the service's user may read it.") from error


def _too_large(title: str, size: int) -> StepFailed:
    return StepFailed(f"{title!r} has {size} bytes, and a table may have {_LARGEST}", remedy="Divide it.")


# --- lines and cells: pure ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Place:
    """Where a column stands in the table."""

    name: str
    at: int
    column: Column


def _rows(params: ReadTable, lines: Sequence[Line], title: str) -> list[dict[str, Any]]:
    """Give the lines as the automation calls their columns. Raises StepFailed with every one that does not fit."""
    places = _places(params.columns, lines[0], title)
    rows, wrong, first_of = list[dict[str, Any]](), list[FailedItem](), dict[str, int]()
    for line in lines[1:]:
        row, reasons = _row(places, line)
        known_by = str(row.get(params.key)) if params.key is not None else f"line {line.number}"
        before = first_of.setdefault(known_by.casefold(), line.number)
        if not reasons and before != line.number:
            reasons = [f"`{params.key}` is {known_by!r}, as in line {before}"]
        if reasons:
            wrong.append(FailedItem(f"line {line.number}", "; ".join(reasons), "Put the table right."))
        rows.append({"id": known_by, "line": line.number, **row})
    if wrong:
        more = f", the first {_NAMED} are named" if len(wrong) > _NAMED else ""
        what = f"{len(wrong)} of {len(rows)} lines of {title!r} do not fit{more}; nothing was done with the others"
        raise StepFailed(what, remedy="Put the table right; then `roomkeeper runs retry`.", items=wrong[:_NAMED])
    return rows


def _places(columns: Mapping[str, Column], names: Line, title: str) -> list[_Place]:
    """Find the columns by their names in the first line. Raises StepFailed."""
    there = [str(cell or "").strip() for cell in names.cells]
    found = [
        [at for at, name in enumerate(there) if name.casefold() == one.column.strip().casefold()]
        for one in columns.values()
    ]
    missing = [one.column for one, at in zip(columns.values(), found, strict=True) if not at]
    twice = [one.column for one, at in zip(columns.values(), found, strict=True) if len(at) > 1]
    if missing:
        shown = ", ".join(repr(name) for name in there if name) or "nothing"
        what = f"the table {title!r} has no column {', '.join(map(repr, missing))}; its first line has {shown}"
        raise StepFailed(what, remedy="Correct the table's first line, or `columns` in the automation.")
    if twice:
        what = f"the table {title!r} has the column {', '.join(map(repr, twice))} more than once"
        raise StepFailed(what, remedy="Give each column a name of its own.")
    return [_Place(name, at[0], one) for (name, one), at in zip(columns.items(), found, strict=True)]


def _row(places: Sequence[_Place], line: Line) -> tuple[dict[str, Any], list[str]]:
    """Read a line: its values, and what is wrong with them."""
    row, reasons = dict[str, Any](), list[str]()
    for place in places:
        cell = line.cells[place.at] if place.at < len(line.cells) else None
        if cell is None or cell == "":
            row[place.name] = None
            reasons += [] if place.column.may_be_blank else [f"`{place.name}` is blank"]
            continue
        try:
            row[place.name] = _AS[place.column.as_](cell)
        except ValueError as error:
            row[place.name] = None
            reasons.append(f"`{place.name}` is {str(cell)[:60]!r}, {error}")
    return row, reasons


def _text(cell: Cell) -> str:
    if isinstance(cell, str) and cell in _BROKEN:
        raise ValueError("which a formula came to")
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return cell.isoformat() if isinstance(cell, date) else str(cell)


def _number(cell: Cell) -> float:
    if isinstance(cell, int | float) and not isinstance(cell, bool) and abs(cell) != float("inf"):
        return float(cell)
    if isinstance(cell, str) and _NUMBER.fullmatch(cell):
        return float(cell)
    raise ValueError("and no number such as 1234.5")


def _whole(cell: Cell) -> int:
    value = _number(cell)
    if not value.is_integer() or abs(value) > 2**53:
        raise ValueError("and no whole number")
    return int(value)


def _date(cell: Cell) -> str:
    if isinstance(cell, datetime):
        return cell.date().isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, str) and _DATE.fullmatch(cell):
        with contextlib.suppress(ValueError):
            return date.fromisoformat(cell).isoformat()
    raise ValueError("and no date such as 2026-11-27")


def _email(cell: Cell) -> str:
    if isinstance(cell, str) and _EMAIL.fullmatch(cell):
        return cell
    raise ValueError("and no e-mail address")


def _yes_no(cell: Cell) -> bool:
    said = str(cell).strip().casefold()
    if said in _YES or said in _NO:
        return said in _YES
    raise ValueError("and neither yes nor no")


_AS: Mapping[Sort, Callable[[Cell], Any]] = {
    "text": _text,
    "number": _number,
    "whole": _whole,
    "date": _date,
    "email": _email,
    "yes_no": _yes_no,
}
