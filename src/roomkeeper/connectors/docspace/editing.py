"""`rename_file` and `comment_on_file`: change what a file says of itself, and see that it says so."""

import time
from functools import partial
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from roomkeeper.connectors.docspace import archiving
from roomkeeper.connectors.docspace.identity import is_told_of
from roomkeeper.connectors.docspace.tree import directly_in
from roomkeeper.contract.step import Plan, StepContext, StepKind
from roomkeeper.docspace import EntryId, File, Portal
from roomkeeper.docspace.titles import extension, same_title, title_key
from roomkeeper.docspace.wire import sanitise_title, storable
from roomkeeper.errors import Forbidden, NotFound, Rejected, StepFailed
from roomkeeper.outside import cleaned

COMMENT_LIMIT = 255  # characters that the portal keeps of a comment (FileDao.cs, UpdateCommentAsync)
_ATTEMPTS = 3  # ours
_FRESH = 10.0  # seconds for which a listing of titles serves the files of one list; ours: equal titles are no fault
_LET_IN = (
    "Invite the account of the API key into the file's room as room manager or content creator, then "
    "`roomkeeper runs retry`."
)


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("came out empty")
    return value.strip()


class RenameFile(BaseModel):
    """What `rename_file` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    title: Annotated[str, AfterValidator(_not_blank)] = Field(
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


class CommentOnFile(BaseModel):
    """What `comment_on_file` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    text: Annotated[str, AfterValidator(_not_blank)] = Field(
        description="The comment of the file's newest version; the portal keeps 255 characters.",
        examples=["Checked by {{ event.connection }}"],
    )
    file: EntryId | None = Field(
        default=None, description="The file to comment on by id, instead of the event's.", examples=[50123]
    )


class Commented(BaseModel):
    """The file, the version, its comment as the portal has it, and whether this step set it."""

    file: EntryId
    title: str
    version: int
    text: str
    made: bool


async def rename(params: RenameFile, context: StepContext) -> Renamed:
    """Give a file another title, or one with a number where another file in its folder has it. Raises StepFailed."""
    portal: Portal = context.client
    was = await _file(params.file, context)
    async with context.hold(f"contents of folder {was.folder_id}"):
        file = await _file(was.id, context)
        for _ in range(_ATTEMPTS):
            wanted = await _free_title(params, context, file)
            if file.title == wanted:
                return Renamed(file=file.id, title=wanted, was=was.title, made=False)
            _must_not_be_locked(file)
            try:
                await context.call(partial(portal.files.rename, file.id, wanted))
            except (Forbidden, Rejected) as error:
                raise StepFailed(f"{_name(file)} keeps its title: {error.message}", remedy=_LET_IN) from error
            file = await _file(was.id, context)
            if file.title == wanted:
                _note_title(context, file)
                return Renamed(file=file.id, title=wanted, was=was.title, made=True)
    what = f"{_name(was)} was renamed again and again, and somebody else gives it another title each time"
    raise StepFailed(what, remedy="Find out who does, then `roomkeeper runs retry`.")


async def plan_rename(params: RenameFile, context: StepContext) -> Plan:
    """Say what the file would be called."""
    file = await _file(params.file, context)
    wanted = await _free_title(params, context, file)
    if file.title == wanted:
        return Plan((), f"{_name(file)} is called so already")
    return Plan((f"rename {_name(file)} to {wanted!r}",))


async def comment(params: CommentOnFile, context: StepContext) -> Commented:
    """Set the comment of a file's newest version. Raises StepFailed."""
    portal: Portal = context.client
    wanted = _kept(params.text)
    file = await _file(params.file, context)
    is_there = file.comment == wanted
    for _ in range(_ATTEMPTS):
        if file.comment == wanted:
            return Commented(file=file.id, title=file.title, version=file.version, text=file.comment, made=not is_there)
        _must_not_be_locked(file)
        try:
            await context.call(partial(portal.files.comment, file.id, file.version, wanted))
        except (Forbidden, Rejected) as error:
            raise StepFailed(f"{_name(file)} takes no comment: {error.message}", remedy=_LET_IN) from error
        file = await _file(file.id, context)  # a newer version may have come meanwhile: then that one gets it
    what = f"{_name(file)} was given its comment again and again, and shows {file.comment!r}"
    raise StepFailed(what, remedy="Look at the file's version history, then `roomkeeper runs retry`.")


async def plan_comment(params: CommentOnFile, context: StepContext) -> Plan:
    """Say what comment would be set."""
    file = await _file(params.file, context)
    if file.comment == _kept(params.text):
        return Plan((), f"{_name(file)} has that comment already")
    return Plan((f"comment on version {file.version} of {_name(file)}: {_kept(params.text)!r}",))


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

COMMENT_ON_FILE = StepKind(
    name="comment_on_file",
    summary="Set the comment of a file's newest version, verified.",
    lasting="A comment stays until somebody deletes it on the portal.",
    params=CommentOnFile,
    result=Commented,
    plan=plan_comment,
    apply=comment,
    connection_type="docspace",
    scopes=frozenset({"files:write"}),
)


async def _file(named: EntryId | None, context: StepContext) -> File:
    """Read the file that is meant. Raises StepFailed."""
    portal: Portal = context.client
    about = context.events[0].facts.get("file", {}) if context.events else {}
    number = named if named is not None else about.get("id")
    if number is None:
        raise StepFailed("the event is about no file", remedy="Say which one with `file:`.")
    if isinstance(number, str) and not number.isdecimal():
        what = f"file {number} lies in third-party storage, where this cannot be verified"
        raise StepFailed(what, remedy="Choose a file of the portal's own storage.")
    try:
        file = await context.call(partial(portal.files.get, number))
    except NotFound as error:
        raise StepFailed(f"file {number} is gone: {error.message}", remedy=_GONE) from error
    except Forbidden as error:
        await context.call(portal.people.myself)  # a dead key is answered so as well: this says it
        raise StepFailed(f"the account may not see file {number}: {error.message}", remedy=_LET_IN) from error
    if file.is_in_trash:
        raise StepFailed(f"{_name(file)} lies in the trash", remedy=_GONE)
    if named is None and not is_told_of(file, context.events[:1]):
        what = f"file {number} {about.get('title', '')!r} was deleted for good, and another has its number now"
        raise StepFailed(what, remedy="There is nothing left to act on: `roomkeeper runs cancel`.")
    return file


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


def _kept(text: str) -> str:
    """Give the comment as the portal will show it."""
    return archiving.cut(storable(cleaned(text)), COMMENT_LIMIT).strip()


def _must_not_be_locked(file: File) -> None:
    """Say so beforehand: the refusal reads as if the server were out of order (recorded: file.rename)."""
    if file.is_locked_by_another:
        what = f"{_name(file)} is locked by {file.locked_by}"
        raise StepFailed(what, remedy="Have it unlocked, then `roomkeeper runs retry`.")


def _name(file: File) -> str:
    return f"file {file.id} {file.title!r}"


_GONE = "Restore it from the trash, then `roomkeeper runs retry`; if it was meant to go, `roomkeeper runs cancel`."
