"""`create_folders`: folders in a room, made unless they are there."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from roomkeeper.connectors.docspace.places import folders_at, must_be_named, way_to
from roomkeeper.contract.step import Plan, StepContext, StepKind
from roomkeeper.contract.text import NotBlank
from roomkeeper.docspace import EntryId


class CreateFolders(BaseModel):
    """What `create_folders` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    room: Annotated[EntryId, AfterValidator(must_be_named)] = Field(
        description="The room or folder: its id, or a room's exact title.", examples=["{{ room.id }}"]
    )
    folders: list[NotBlank] = Field(
        min_length=1, description="Folders, nested ones by path.", examples=[["Logs", "Findings/Draft"]]
    )


class FoldersThere(BaseModel):
    """The folders that are there, by path."""

    folders: dict[str, EntryId]


async def create_folders(params: CreateFolders, context: StepContext) -> FoldersThere:
    """Find or make the folders. Raises StepFailed, RemoteError."""
    where = (await way_to(context, params.room, setting="room"))[-1].id
    return FoldersThere(folders=await folders_at(context, where, params.folders))


async def plan_folders(params: CreateFolders, context: StepContext) -> Plan:
    """Say which folders would be looked for."""
    where = (await way_to(context, params.room, setting="room"))[-1]
    return Plan(tuple(f"create the folder {path!r} in {where.title!r}, unless it is there" for path in params.folders))


CREATE_FOLDERS = StepKind(
    name="create_folders",
    summary="Make folders in a room, unless they are there.",
    params=CreateFolders,
    result=FoldersThere,
    plan=plan_folders,
    apply=create_folders,
    connection_type="docspace",
    side_by_side=True,
    places={"room": "write"},
    scopes=frozenset({"files:write", "rooms:read"}),
)
