"""Tables: written as CSV, so that a spreadsheet takes nothing that people wrote for a formula; read from CSV or XLSX.

Pure. Whoever reads one gets cells as they are, in lines of a number: what they must be is said by others.
"""

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time

from roomkeeper.outside import cleaned

Cell = str | int | float | bool | date | datetime | time | None

#: Where a cell begins that a spreadsheet would take for a formula: ours, or what one that divides at other signs makes
#: of it (OWASP, CSV injection).
_FORMULA = re.compile(r"(^|[;\t])(?=[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20])")
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"  # how an .xlsx and an old .xls begin (ECMA-376 part 2; MS-CFB 2.2)
_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}  # Unicode 15, 23.8
_SEPARATORS = ",;\t|"
_COLUMNS = 500  # in a table at most; ours
#: Bytes of a part of an .xlsx once it is unpacked, and of all: a small one may be made to fill the memory. What is kept
#: as a whole, in a hundred times its size, may be less than what is read line by line. Ours.
_PART, _KEPT_WHOLE, _UNPACKED = 30_000_000, 2_000_000, 200_000_000
_BLANK = 100_000  # lines that are looked at, blank ones too; ours


class Unreadable(ValueError):
    """It is no table that can be read; the message goes on after "the table"."""


@dataclass(frozen=True)
class Line:
    """A line that is not blank, and its number as people see it."""

    number: int
    cells: tuple[Cell, ...]


def read(content: bytes, *, encoding: str | None = None, sheet: str | None = None, most: int) -> list[Line]:
    """Read a table: its lines in their order, the one with the columns' names first. Raises Unreadable.

    `encoding` is that of a CSV file; without it, what its first bytes say, else UTF-8. `most` is how many lines it may
    have, below the names.
    """
    if content.startswith(_OLE):
        raise Unreadable("is an old .xls file; save it as .xlsx or CSV")
    is_workbook = content.startswith(_ZIP)
    if sheet is not None and not is_workbook:
        raise Unreadable(f"is a CSV file, and has no sheet {sheet!r}")
    lines = list[Line]()
    for line in _workbook(content, sheet) if is_workbook else _text(content, encoding):
        if line.number > _BLANK:
            raise Unreadable(f"has more than {_BLANK} lines, blank ones counted")
        if all(cell is None or cell == "" for cell in line.cells):
            continue
        if len(lines) > most:
            raise Unreadable(f"has more than {most} lines")
        lines.append(line)
    if not lines:
        raise Unreadable("is empty")
    return lines


def _text(content: bytes, encoding: str | None) -> Iterator[Line]:
    marked = next((name for mark, name in _MARKS.items() if content.startswith(mark)), None)
    try:
        text = content.decode(encoding or marked or "utf-8")
    except LookupError as error:
        raise Unreadable(f"cannot be read: there is no encoding {encoding!r}") from error
    except UnicodeDecodeError as error:
        what = f"is not in {encoding or 'UTF-8'} (byte {error.start + 1}); save it as CSV UTF-8, or say its `encoding`"
        raise Unreadable(what) from error
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
    try:
        for cells in reader:
            yield Line(reader.line_num, tuple(cleaned(cell.strip()) for cell in cells))
    except csv.Error as error:
        raise Unreadable(f"cannot be read at line {reader.line_num}: {error}") from error


def _separator(text: str) -> str:
    """Find what stands between the names: the sign that is there most often."""
    names = next((line for line in text.splitlines() if line.strip()), "")
    return max(_SEPARATORS, key=names.count)


def _workbook(content: bytes, sheet: str | None) -> Iterator[Line]:
    from openpyxl import load_workbook  # noqa: PLC0415 - a tenth of a second to load, for those who read such a table

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            parts = packed.infolist()
            large = [one for one in parts if one.file_size > (_KEPT_WHOLE if _is_kept_whole(one.filename) else _PART)]
            if large or sum(one.file_size for one in parts) > _UNPACKED:
                named = f" ({large[0].filename})" if large else ""
                raise Unreadable(f"is too large once it is unpacked{named}")
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
        if sheet is not None and sheet not in book.sheetnames:
            raise Unreadable(f"has no sheet {sheet!r}; there is: {', '.join(map(repr, book.sheetnames))}")
        chosen = book[sheet] if sheet is not None else book.worksheets[0]
        chosen.reset_dimensions()  # what the file says of its size is not to be relied on
        for number, cells in enumerate(chosen.iter_rows(values_only=True, max_col=_COLUMNS), 1):
            yield Line(number, tuple(cleaned(cell.strip()) if isinstance(cell, str) else cell for cell in cells))
    except Unreadable:
        raise
    except Exception as error:  # the library says in a hundred ways that a file is not what it should be
        raise Unreadable(f"is no .xlsx that can be read: {type(error).__name__}: {error}") from error


def _is_kept_whole(name: str) -> bool:
    """Whether a part is read into memory at once: of the rest, it may be any that a line is in."""
    name = name.casefold()
    is_main = name in {"[content_types].xml", "xl/workbook.xml", "xl/styles.xml"}
    return is_main or name.startswith("xl/theme/") or name.endswith(".rels")


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
    return _FORMULA.sub(r"\1'", cleaned(value))


def _is_plain(value: Mapping[object, object] | Sequence[object]) -> bool:
    return not isinstance(value, Mapping) and all(isinstance(one, str | int | float) for one in value)
