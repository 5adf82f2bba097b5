"""`comment_on_file`: set the comment of a file's newest version, and see that it shows it."""

from functools import partial

from pydantic import BaseModel, ConfigDict, Field

from roomkeeper.connectors.docspace.files import archiving
from roomkeeper.connectors.docspace.files.meant import LET_IN, file_meant, must_not_be_locked, named
from roomkeeper.contract.step import Plan, StepContext, StepKind
from roomkeeper.contract.text import NotBlank
from roomkeeper.docspace import EntryId, Portal
from roomkeeper.docspace.wire import storable
from roomkeeper.errors import Forbidden, Rejected, StepFailed
from roomkeeper.outside import cleaned

_ATTEMPTS = 3  # ours
COMMENT_LIMIT = 255  # characters that the portal keeps of a comment (FileDao.cs, UpdateCommentAsync)


class CommentOnFile(BaseModel):
    """What `comment_on_file` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    text: NotBlank = Field(
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


async def comment(params: CommentOnFile, context: StepContext) -> Commented:
    """Set the comment of a file's newest version. Raises StepFailed."""
    portal: Portal = context.client
    wanted = _kept(params.text)
    file = await file_meant(params.file, context)
    is_there = file.comment == wanted
    for _ in range(_ATTEMPTS):
        if file.comment == wanted:
            return Commented(file=file.id, title=file.title, version=file.version, text=file.comment, made=not is_there)
        must_not_be_locked(file)
        try:
            await context.call(partial(portal.files.comment, file.id, file.version, wanted))
        except (Forbidden, Rejected) as error:
            raise StepFailed(f"{named(file)} takes no comment: {error.message}", remedy=LET_IN) from error
        file = await file_meant(file.id, context)  # a newer version may have come meanwhile: then that one gets it
    what = f"{named(file)} was given its comment again and again, and shows {file.comment!r}"
    raise StepFailed(what, remedy="Look at the file's version history, then `roomkeeper runs retry`.")


async def plan_comment(params: CommentOnFile, context: StepContext) -> Plan:
    """Say what comment would be set."""
    file = await file_meant(params.file, context)
    if file.comment == _kept(params.text):
        return Plan((), f"{named(file)} has that comment already")
    return Plan((f"comment on version {file.version} of {named(file)}: {_kept(params.text)!r}",))


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


def _kept(text: str) -> str:
    """Give the comment as the portal will show it."""
    return archiving.cut(storable(cleaned(text)), COMMENT_LIMIT).strip()
