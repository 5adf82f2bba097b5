"""`list_files`: find the files of a room or folder that are as the automation asks, all of them or none.

A list is what later steps act on: they move, rename and report what is in it. So one that was refused, or that shows
less than the portal counts, is a failure and never a short list.
"""

import time
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from roomkeeper.automations.condition import Asked, asking_for, fits
from roomkeeper.automations.duration import Duration
from roomkeeper.connectors.docspace.files.tree import Tree, below
from roomkeeper.connectors.docspace.places import address, must_be_named, way_to
from roomkeeper.contract.step import Plan, StepContext, StepKind, plan_of_list
from roomkeeper.docspace import EntryId, File, PathPart, Portal
from roomkeeper.docspace.titles import extension
from roomkeeper.errors import StepFailed

_FIRST, _LONGEST = 1.0, 60.0  # seconds between two looks at what is counted and not shown (ours)
MOST = 10_000  # files in a list: it is kept with its run (ours)


class ListedFile(BaseModel):
    """A file as it was when it was listed."""

    id: EntryId
    title: str
    extension: str = Field(description="The title's ending, in small letters and without its dot.")
    size: int = Field(description="Bytes.")
    version: int
    path: str = Field(description="The folders from the listed one down to it, with slashes; empty directly in it.")
    created: datetime | None
    updated: datetime | None = Field(description="When its content was last changed.")
    created_by: str = Field(description="Who uploaded it, by name.")
    updated_by: str


class ListFiles(BaseModel):
    """What `list_files` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Annotated[EntryId, AfterValidator(must_be_named)] = Field(
        description="The room or folder to list: its id, or a room's exact title.", examples=[111111]
    )
    subfolders: bool = Field(default=True, description="All levels, or only what lies directly in it.", examples=[True])
    where: Annotated[dict[str, Asked], asking_for(ListedFile.model_fields, "a file")] = Field(
        default_factory=dict,
        description="What a file's fields must be, as in an automation's own `where`.",
        examples=[{"extension": ["docx", "pdf"]}],
    )
    older_than: Duration | None = Field(
        default=None, description="Only what was last changed longer ago than this.", examples=["180d"]
    )
    newer_than: Duration | None = Field(
        default=None, description="Only what was changed within this time.", examples=["7d"]
    )
    most: int | None = Field(
        default=None,
        ge=1,
        le=MOST,
        description="So many at most, those first that were not changed for longest; `more` counts the others. "
        "Without it, a list of more than 10,000 is a failure.",
        examples=[1000],
    )
    patience: Duration = Field(
        default=600.0,
        description="How long to wait for files that the portal counts and does not show, as while one is converted.",
        examples=["10m"],
    )


class Listed(BaseModel):
    """The files, and how many more there are; `ids` is what `move_files` and `copy_files` take."""

    files: list[ListedFile] = Field(default_factory=list)
    ids: list[EntryId] = Field(default_factory=list)
    count: int = 0
    more: int = 0
    bytes: int = 0
    title: str = Field(default="", description="The listed room's or folder's title.")
    url: str = ""


async def apply(params: ListFiles, context: StepContext) -> Listed:
    """List the files. Raises StepFailed where not all of them can be seen."""
    place = (await way_to(context, params.folder, setting="folder"))[-1]
    tree = await _whole(params, context, place)
    found = _chosen(params, tree, await context.now())
    if params.most is None and len(found) > MOST:
        what = f"{len(found)} files of {place.title!r} are as it asks, and a list holds {MOST}"
        raise StepFailed(what, remedy="Ask for fewer, or say with `most:` that the oldest of them will do.")
    listed = [_listed(file, tree) for file in found[: params.most or MOST]]
    portal: Portal = context.client
    return Listed(
        files=listed,
        ids=[one.id for one in listed],
        count=len(listed),
        more=len(found) - len(listed),
        bytes=sum(one.size for one in listed),
        title=place.title,
        url=address(portal, place.id),
    )


async def plan(params: ListFiles, context: StepContext) -> Plan:
    """Say what would be in the list; nothing is waited for."""
    listed = await apply(params.model_copy(update={"patience": 0.0}), context)
    lines = [f"list file {one.id} {'/'.join(filter(None, (one.path, one.title)))!r}" for one in listed.files]
    return plan_of_list(lines, f"no file in {listed.title!r} is as it asks", listed, more=listed.more)


LIST_FILES = StepKind(
    name="list_files",
    summary="Find the files of a room or folder by title, type, size or age: all of them, or it fails.",
    params=ListFiles,
    result=Listed,
    plan=plan,
    apply=apply,
    connection_type="docspace",
    scopes=frozenset({"files:read", "rooms:read"}),
)


async def _whole(params: ListFiles, context: StepContext, place: PathPart) -> Tree:
    """List until all that are counted are seen. Raises StepFailed."""
    began, pause = time.monotonic(), _FIRST
    while True:
        tree = await below(context, place.id)
        if not tree.hidden:
            return tree
        hidden = f"{tree.hidden} file{'' if tree.hidden == 1 else 's'}"
        if time.monotonic() - began >= params.patience:
            raise StepFailed(
                f"{place.title!r} ({place.id}) counts {hidden} that no listing shows: probably being converted",
                remedy="Look into it: wait until nothing is being converted, then `roomkeeper runs retry`.",
            )
        await context.progress(f"{hidden} cannot be seen yet; next look in {pause:.0f} s")
        await context.pause(min(pause, params.patience))
        pause = min(_LONGEST, 2 * pause)


def _chosen(params: ListFiles, tree: Tree, now: float) -> list[File]:
    """Choose the files that are as asked, those first that were not changed for longest."""
    inside = tree.files.values() if params.subfolders else tree.files_in(tree.root)
    found = [file for file in inside if _is_of_age(params, file, now) and _fits(params, file, tree)]
    return sorted(found, key=lambda file: (_changed(file), str(file.id)))


def _changed(file: File) -> float:
    return file.updated.timestamp() if file.updated is not None else 0.0


def _is_of_age(params: ListFiles, file: File, now: float) -> bool:
    """Whether it is as old as asked; where the portal does not say when it was changed, it is neither old nor new."""
    if params.older_than is None and params.newer_than is None:
        return True
    if file.updated is None:
        return False
    age = now - file.updated.timestamp()
    return (params.older_than is None or age > params.older_than) and (
        params.newer_than is None or age <= params.newer_than
    )


def _fits(params: ListFiles, file: File, tree: Tree) -> bool:
    return not params.where or fits(params.where, _listed(file, tree).model_dump())


def _listed(file: File, tree: Tree) -> ListedFile:
    return ListedFile(
        id=file.id,
        title=file.title,
        extension=extension(file.title),
        size=file.size or 0,
        version=file.version,
        path="/".join(tree.path(file.folder_id)),
        created=file.created,
        updated=file.updated,
        created_by=file.created_by.display_name,
        updated_by=file.updated_by.display_name,
    )
