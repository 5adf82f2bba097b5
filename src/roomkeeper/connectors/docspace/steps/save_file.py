"""`save_file`: put a report into a room, as a text or a table, and see that what lies there is what was written."""

import hashlib
import re
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from roomkeeper import spreadsheet
from roomkeeper.connectors.docspace.files.evidence import of_saved_file
from roomkeeper.connectors.docspace.files.tree import directly_in
from roomkeeper.connectors.docspace.places import (
    LET_IN,
    address,
    folder_at,
    folder_titled,
    must_be_named,
    must_take_files,
    way_to,
)
from roomkeeper.contract.step import Plan, StepContext, StepKind
from roomkeeper.contract.text import NotBlank
from roomkeeper.docspace import EntryId, File, PathPart, Portal, entry_id
from roomkeeper.docspace.titles import bearing, extension, same_title
from roomkeeper.docspace.wire import sanitise_title, shortened
from roomkeeper.errors import Forbidden, NotFound, Rejected, StepFailed
from roomkeeper.once import once

_TITLE_LIMIT = 165  # UTF-16 units: what a title may have after a rename, too (recorded: upload.single, file.rename)
_LARGEST = 20_000_000  # bytes (ours); the portal takes 100 MB in one request (SetupInfo.cs)
_ENDING = 20  # characters of an ending that is kept whatever the title's length (ours)
_NUMBER = re.compile(r" \(\d{1,6}\)(?=\.[^.]*$|$)")  # as the portal numbers: `Name (1).ext` (facts/docspace.md 10)
_MARK = "\ufeff"  # by which spreadsheets know UTF-8


def _without_gaps(value: object) -> object:
    """Leave out what a step gave nothing for, of the results of one that went through a list."""
    return [row for row in value if row is not None] if isinstance(value, list) else value


class SaveFile(BaseModel):
    """What `save_file` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    to: Annotated[EntryId, AfterValidator(must_be_named)] = Field(
        description="The room or folder: its id, or a room's exact title.", examples=[222222]
    )
    folder: str = Field(
        default="", description="A folder in it, nested ones by path; made if it is missing.", examples=["Reports"]
    )
    title: NotBlank = Field(description="The file's title with its ending.", examples=["Rooms {{ schedule.date }}.csv"])
    text: str | None = Field(
        default=None, description="What is in it, as text.", examples=["{{ listed.count }} contracts"]
    )
    rows: Annotated[list[dict[str, Any]], BeforeValidator(_without_gaps)] | None = Field(
        default=None, description="What is in it, as a table: written as CSV.", examples=["{{ listed.files }}"]
    )
    columns: list[str] | None = Field(
        default=None,
        min_length=1,
        description="The table's columns, in order; all that any row has, if you do not say.",
        examples=[["title", "updated"]],
    )
    on_conflict: Literal["version", "number"] = Field(
        default="version",
        description="Where another file of this title is there: a new version of it, or a file with a number.",
        examples=["number"],
    )

    @model_validator(mode="after")
    def _has_one_content(self) -> Self:
        if (self.text is None) == (self.rows is None):
            raise ValueError("needs `text` or `rows`, and not both")
        if self.columns is not None and self.rows is None:
            raise ValueError("has `columns`, which belong to `rows`")
        return self


class Saved(BaseModel):
    """The file, and whether this step wrote it."""

    file: EntryId
    title: str
    folder: EntryId
    url: str = Field(description="Where people see the folder.")
    version: int
    bytes: int
    made: bool
    created: str = ""


@dataclass(frozen=True)
class _Wanted:
    """What is to lie there."""

    title: str
    content: bytes

    @property
    def digest(self) -> str:
        """Tell its content from others."""
        return hashlib.sha256(self.content).hexdigest()


async def apply(params: SaveFile, context: StepContext) -> Saved:
    """Save it, unless it is there with this very content; and read it back. Raises StepFailed."""
    portal: Portal = context.client
    wanted = _wanted(params)
    place = await _place(params, context)
    folder = await folder_at(context, place.id, _path(params))

    scope, item = f"saved files: {context.connection}", f"{folder} {wanted.title} {wanted.digest}"
    numbered = params.on_conflict == "number"

    async def find() -> list[str]:
        known = (await context.ledger.look(scope, [item])).get(item)
        is_tried = known is not None and not known.done
        return [str(file.id) for file in await _same(context, folder, wanted, numbered=numbered, by_size=is_tried)]

    async def make() -> str:
        return str((await portal.files.upload(folder, wanted.title, wanted.content, is_new=numbered)).id)

    async def stands(number: str) -> bool:
        try:
            file = await portal.files.get(entry_id(number))
        except (NotFound, Forbidden):
            return False
        return file.folder_id == folder and not file.is_in_trash and await _is_it(context, file, wanted, by_size=True)

    try:
        made = await once(context, scope, item, find=find, make=make, stands=stands)
    except (Forbidden, Rejected) as error:
        what = f"{wanted.title!r} cannot be saved in {place.title!r}: {error.message}"
        raise StepFailed(what, remedy=LET_IN) from error
    file = await _read_back(context, entry_id(made.target), wanted)
    return Saved(
        file=file.id,
        title=file.title,
        folder=folder,
        url=address(portal, folder),
        version=file.version,
        bytes=len(wanted.content),
        made=made.here,
        created=file.created.isoformat() if file.created is not None else "",
    )


async def plan(params: SaveFile, context: StepContext) -> Plan:
    """Say what would be saved, and whether it is there already."""
    wanted, place = _wanted(params), await _place(params, context)
    folder: EntryId | None = place.id
    for title in _path(params):
        found = await folder_titled(context, folder, title) if folder is not None else None
        folder = found.id if found is not None else None
    numbered = params.on_conflict == "number"
    if folder is not None and await _same(context, folder, wanted, numbered=numbered, by_size=False):
        return Plan((), f"{wanted.title!r} lies there with this very content")
    where = "/".join([place.title, *_path(params)])
    return Plan((f"save {wanted.title!r}, {len(wanted.content)} bytes, in {where!r}",))


SAVE_FILE = StepKind(
    name="save_file",
    summary="Save a text or a table as a file in a room, read back and compared.",
    params=SaveFile,
    result=Saved,
    plan=plan,
    apply=apply,
    connection_type="docspace",
    takes_many=True,
    places={"to": "write"},
    scopes=frozenset({"files:write", "rooms:read"}),
    evidence=of_saved_file,
)


def _wanted(params: SaveFile) -> _Wanted:
    """Work out title and content. Raises StepFailed."""
    ending = f".{extension(params.title)}" if 0 < len(extension(params.title)) < _ENDING else ""
    title = sanitise_title(params.title, limit=10 * _TITLE_LIMIT)
    stem = title[: len(title) - len(ending)] if ending else title
    title = shortened(stem, limit=_TITLE_LIMIT - len(ending)) + (ending or ".txt")
    text = params.text if params.text is not None else _MARK + _table(params)
    content = text.encode("utf-8", "replace")
    if not content:
        raise StepFailed(f"{title!r} would be empty", remedy="Give it a `text`, or leave the step out with `if`.")
    if len(content) > _LARGEST:
        what = f"{title!r} would have {len(content)} bytes, and {_LARGEST} is the most"
        raise StepFailed(what, remedy="Ask for fewer rows, or columns.")
    return _Wanted(title, content)


def _table(params: SaveFile) -> str:
    rows = params.rows or []
    known = {name for row in rows for name in row}
    missing = [name for name in params.columns or () if rows and name not in known]
    if missing:
        what = f"no row has {', '.join(map(repr, missing))}; there is {', '.join(sorted(known))}"
        raise StepFailed(what, remedy="Correct `columns` in the automation, then `roomkeeper runs retry --as-now`.")
    return spreadsheet.written(rows, params.columns)


def _path(params: SaveFile) -> list[str]:
    return [part.strip() for part in params.folder.split("/") if part.strip()]


async def _place(params: SaveFile, context: StepContext) -> PathPart:
    way = await way_to(context, params.to, setting="to")
    await must_take_files(context, way, setting="to")
    return way[-1]


async def _same(context: StepContext, folder: EntryId, wanted: _Wanted, *, numbered: bool, by_size: bool) -> list[File]:
    """List the files there of this title, or it with a number, and this very content."""
    there = list((await directly_in(context, folder)).files.values())
    files = bearing(wanted.title, there)
    if numbered:
        files += [file for file in there if same_title(_NUMBER.sub("", file.title), wanted.title) and file not in files]
    return [file for file in files if await _is_it(context, file, wanted, by_size=by_size)]


async def _is_it(context: StepContext, file: File, wanted: _Wanted, *, by_size: bool) -> bool:
    """Whether a file has this content; where the portal gives none to this key, `by_size` says that the size will do.

    That is so only for a file of which it is known that we have asked for it.
    """
    if file.size != len(wanted.content):
        return False
    portal: Portal = context.client
    try:
        digest = await context.call(partial(portal.digest, file.id, most=len(wanted.content) + 1))
    except NotFound:
        return False
    return digest == wanted.digest or (digest is None and by_size)


async def _read_back(context: StepContext, number: EntryId, wanted: _Wanted) -> File:
    portal: Portal = context.client
    try:
        file = await context.call(partial(portal.files.get, number))
    except NotFound as error:
        what = f"{wanted.title!r} was saved as file {number}, and is gone"
        raise StepFailed(what, remedy="Find out who removed it; then `roomkeeper runs retry`.") from error
    if not await _is_it(context, file, wanted, by_size=True):
        what = f"file {number} {file.title!r} is not what was saved: {file.size} bytes, not {len(wanted.content)}"
        raise StepFailed(what, remedy="Somebody may have changed it meanwhile; `roomkeeper runs retry` saves it again.")
    return file
