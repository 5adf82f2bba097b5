"""`rename_file`: give a file another title, that no other file in its folder has, and see that it has it."""

import time
from functools import partial

from pydantic import BaseModel, ConfigDict, Field

from roomkeeper.connectors.docspace.files import archiving
from roomkeeper.connectors.docspace.files.meant import LET_IN, file_meant, must_not_be_locked, named
from roomkeeper.connectors.docspace.files.tree import directly_in
from roomkeeper.contract.step import Plan, StepContext, StepKind
from roomkeeper.contract.text import NotBlank
from roomkeeper.docspace import EntryId, File, Portal
from roomkeeper.docspace.titles import extension, same_title, title_key
from roomkeeper.docspace.wire import sanitise_title
from roomkeeper.errors import Forbidden, Rejected, StepFailed

_ATTEMPTS = 3  # ours
_FRESH = 10.0  # seconds for which a listing of titles serves the files of one list; ours: equal titles are no fault


class RenameFile(BaseModel):
    """What `rename_file` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    title: NotBlank = Field(
        description="The new title; it keeps the file's own ending, whether that is written or not.",
        examples=["{{ file.title | replace(' ', '_') }}"],
    )
    file: EntryId | None = Field(
        default=None, description="The file to rename by id, instead of the event's.", examples=[50123]
    )


class Renamed(BaseModel):
    """The file, its title now and before, and whether this step changed it."""

    file: EntryId
    title: str
    was: str
    made: bool


async def rename(params: RenameFile, context: StepContext) -> Renamed:
    """Give a file another title, or one with a number where another file in its folder has it. Raises StepFailed."""
    portal: Portal = context.client
    was = await file_meant(params.file, context)
    async with context.hold(f"contents of folder {was.folder_id}"):
        file = await file_meant(was.id, context)
        for _ in range(_ATTEMPTS):
            wanted = await _free_title(params, context, file)
            if file.title == wanted:
                return Renamed(file=file.id, title=wanted, was=was.title, made=False)
            must_not_be_locked(file)
            try:
                await context.call(partial(portal.files.rename, file.id, wanted))
            except (Forbidden, Rejected) as error:
                raise StepFailed(f"{named(file)} keeps its title: {error.message}", remedy=LET_IN) from error
            file = await file_meant(was.id, context)
            if file.title == wanted:
                _note_title(context, file)
                return Renamed(file=file.id, title=wanted, was=was.title, made=True)
    what = f"{named(was)} was renamed again and again, and somebody else gives it another title each time"
    raise StepFailed(what, remedy="Find out who does, then `roomkeeper runs retry`.")


async def plan_rename(params: RenameFile, context: StepContext) -> Plan:
    """Say what the file would be called."""
    file = await file_meant(params.file, context)
    wanted = await _free_title(params, context, file)
    if file.title == wanted:
        return Plan((), f"{named(file)} is called so already")
    return Plan((f"rename {named(file)} to {wanted!r}",))


RENAME_FILE = StepKind(
    name="rename_file",
    summary="Give a file another title, with a number where another file in its folder has it; verified.",
    params=RenameFile,
    result=Renamed,
    plan=plan_rename,
    apply=rename,
    connection_type="docspace",
    scopes=frozenset({"files:write"}),
)


async def _free_title(params: RenameFile, context: StepContext, file: File) -> str:
    """Give the title as the portal will store it, numbered where another file in the folder has it."""
    ending = f".{extension(file.title)}" if extension(file.title) else ""
    written = sanitise_title(params.title)
    stem = written[: -len(ending)] if ending and written.lower().endswith(ending) else written
    kept = file.title[len(file.title) - len(ending) :] if ending else ""
    wanted = f"{archiving.shortened(stem, kept)}{kept}"
    if same_title(file.title, wanted) or file.folder_id is None:
        return wanted
    titles = await _titles_in(context, file.folder_id)
    taken = {title for one, title in titles.items() if one != file.id}
    if title_key(wanted) not in taken:
        return wanted
    numbered = archiving.numbered(wanted)
    return next(one for one in numbered if title_key(one) not in taken or one == file.title)


async def _titles_in(context: StepContext, folder: EntryId) -> dict[EntryId, str]:
    """Give the titles in a folder, by file; for the items of one list they are listed anew every few seconds only."""
    known: tuple[float, dict[EntryId, str]] | None = context.common.get(_listed(folder))
    if known is not None and time.monotonic() - known[0] < _FRESH:
        return known[1]
    found = await directly_in(context, folder)
    titles = {one.id: title_key(one.title) for one in found.files.values()}
    context.common[_listed(folder)] = time.monotonic(), titles
    return titles


def _note_title(context: StepContext, file: File) -> None:
    """Know of a title that has just been given."""
    if file.folder_id is not None and (known := context.common.get(_listed(file.folder_id))) is not None:
        known[1][file.id] = title_key(file.title)


def _listed(folder: EntryId) -> str:
    return f"titles in folder {folder}"
