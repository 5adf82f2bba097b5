"""`create_room`: a room for something that happened, once, found again by its tag."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from functools import partial
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from roomkeeper.connectors.docspace.files import evidence
from roomkeeper.connectors.docspace.files.tree import files_below
from roomkeeper.connectors.docspace.places import address, dropped, folders_at
from roomkeeper.contract.step import Plan, StepContext, StepKind
from roomkeeper.contract.text import NotBlank
from roomkeeper.docspace import EntryId, Folder, Portal, entry_id
from roomkeeper.docspace.roles import room_type_named
from roomkeeper.docspace.rooms import TITLE_LIMIT
from roomkeeper.docspace.titles import same_title
from roomkeeper.docspace.wire import sanitise_title, shortened
from roomkeeper.docspace.wire import tag as tag_of
from roomkeeper.errors import Forbidden, NotFound, QuotaExceeded, Rejected, RemoteError, StepFailed
from roomkeeper.once import once

RoomTypeName = Literal["collaboration", "custom", "public", "form_filling", "virtual_data"]
_TEMPLATE_POLL, _TEMPLATE_PATIENCE = 0.5, 600.0  # seconds between two looks at a room being made, and in all (ours)
_NAMED = 5  # files that are named (ours)
_TEMPLATE_RETRY = 300.0  # of it that an attempt counts for which the portal ended with an error (ours)


class CreateRoom(BaseModel):
    """What `create_room` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: NotBlank = Field(
        description="The room's title; cut to what the portal takes.",
        examples=["Ticket #{{ ticket.id }} – {{ ticket.subject }}"],
    )
    type: RoomTypeName = Field(default="collaboration", description="What kind of room.", examples=["collaboration"])
    tags: list[NotBlank] = Field(default_factory=list, description="Tags for the room.", examples=[["investigation"]])
    folders: list[NotBlank] = Field(
        default_factory=list,
        description="Folders in the room, nested ones by path.",
        examples=[["Logs", "Attachments", "Findings/Draft"]],
    )
    from_template: int | NotBlank | None = Field(
        default=None,
        description="The id or the exact title of a room template to make it from, with its settings and its looks; "
        "`type` is then the template's.",
        examples=[7, "Project"],
    )
    once_per: NotBlank | None = Field(
        default=None,
        description="What there is one room for; it is the tag by which the room is found again. The event, if you do "
        "not say.",
        examples=["{{ ticket.connection }}-{{ ticket.id }}"],
    )


class Created(BaseModel):
    """The room, its folders by path, and whether this step made it."""

    id: EntryId
    title: str
    url: str
    type: str
    tag: str
    made: bool
    folders: dict[str, EntryId] = Field(default_factory=dict)
    #: Rooms with the same tag that a request left which was taken for lost, and that came too late to be one with it.
    twins: list[EntryId] = Field(default_factory=list)


async def create_room(params: CreateRoom, context: StepContext) -> Created:
    """Find or make the room, then its folders. Raises StepFailed."""
    portal: Portal = context.client
    tag = tag_of(params.once_per or _tag_of_event(context))

    async def find() -> list[str]:
        return [str(one.id) for one in await portal.rooms.tagged(tag)]

    async def make() -> str:
        title = shortened(sanitise_title(params.title, limit=10 * TITLE_LIMIT), limit=TITLE_LIMIT)
        tags = list(dict.fromkeys(map(tag_of, [tag, *params.tags])))
        if params.from_template is not None:
            pattern = template or await _template(context, params.from_template)
            return str(await _from_template(context, pattern, title, tags))
        return str((await portal.rooms.create(title, room_type_named(params.type), tags)).id)

    async def drop(room: str) -> bool:
        return await dropped(portal, entry_id(room), portal.rooms.delete)

    template: Folder | None = None
    if params.from_template is not None and not await context.call(find):
        # Looked up before the ledger says that the room is being made: one that is not there has had no effect.
        template = await _template(context, params.from_template)
    # Of rooms from a template, which has things in it, the oldest is taken: nothing tells which was made last.
    may_drop = drop if params.from_template is None else None
    async with context.hold("rooms from templates") if params.from_template is not None else nullcontext():
        scope, stands = f"rooms: {context.connection}", partial(_stands, portal)
        try:
            made = await once(context, scope, tag, find=find, make=make, drop=may_drop, stands=stands)
        except (QuotaExceeded, Forbidden, Rejected) as error:
            what = f"the room for {tag!r} cannot be made: {error.message}"
            raise StepFailed(what, remedy=_may_make(error)) from error
        if made.here and params.from_template is not None:
            await _job_over(context, _TEMPLATE_PATIENCE)  # it may be one that is found again, and is being filled
    room = await context.call(partial(portal.folders.get, entry_id(made.target)))
    if room.is_archived:
        what = f"the room for {tag!r} is there already, in the Archive section: room {room.id} {room.title!r}"
        raise StepFailed(what, remedy="Bring it back from there, then `roomkeeper runs retry`; or cancel the run.")
    if made.here and params.from_template is not None:
        await _must_be_whole(context, template or await _seen(context, params.from_template), room)
    folders = await folders_at(context, room.id, params.folders, is_new=made.here and params.from_template is None)
    kind = room.room_type.name.lower() if hasattr(room.room_type, "name") else str(room.room_type)  # type: ignore[union-attr]
    return Created(
        id=room.id,
        title=room.title,
        url=address(portal, room.id),
        type=kind,
        tag=tag,
        made=made.here,
        folders=folders,
        twins=[entry_id(one) for one in made.twins],
    )


async def plan_room(params: CreateRoom, context: StepContext) -> Plan:
    """Say whether the room is there, or what would be made."""
    portal: Portal = context.client
    tag = tag_of(params.once_per or _tag_of_event(context))
    found = await context.call(partial(portal.rooms.tagged, tag))
    if found:
        return Plan((), f"room {found[0].id} {found[0].title!r} is there already, with the tag {tag!r}")
    title = shortened(sanitise_title(params.title, limit=10 * TITLE_LIMIT), limit=TITLE_LIMIT)
    made = f"create the {params.type} room {title!r} with the tag {tag!r}"
    return Plan((made, *(f"create the folder {path!r} in it" for path in params.folders)))


CREATE_ROOM = StepKind(
    name="create_room",
    summary="Make a room with folders, once: it is found again by a tag.",
    params=CreateRoom,
    result=Created,
    plan=plan_room,
    apply=create_room,
    connection_type="docspace",
    scopes=frozenset({"rooms:write", "files:write"}),
    evidence=evidence.of_room,
)


def _tag_of_event(context: StepContext) -> str:
    event = context.events[0] if context.events else None
    about = f"{event.connection} {event.lane or event.meaning}" if event is not None else f"run {context.run}"
    if not context.item:
        return about[:200]
    # Tags are one to the portal's database where titles are: the digest tells `Müller` from `Muller` (recorded).
    return f"{about[:150]} {context.item[:30]} {hashlib.sha256(context.item.encode()).hexdigest()[:8]}"


async def _stands(portal: Portal, room: str) -> bool:
    try:
        await portal.folders.get(entry_id(room))
    except NotFound:
        return False
    except Forbidden:  # it is there, and somebody put us out
        return True
    return True


async def _template(context: StepContext, wanted: int | str) -> Folder:
    """Find a room template by its id or its title. Raises StepFailed."""
    portal: Portal = context.client
    if isinstance(wanted, int) or wanted.isdecimal():
        with suppress(NotFound, Forbidden):
            return await context.call(partial(portal.folders.get, int(wanted)))
    found = await context.call(portal.rooms.templates)
    same = [one for one in found if same_title(one.title, str(wanted))]
    if len(same) == 1:
        return same[0]
    many = "several room templates are" if same else "the account sees no room template that is"
    there = ", ".join(f"{one.title!r} ({one.id})" for one in same or found) or "none"
    remedy = f"There is: {there}. Write its title or id into `from_template`; share the template with the account."
    raise StepFailed(f"{many} called {wanted!r}", remedy=remedy)


async def _from_template(context: StepContext, template: Folder, title: str, tags: Sequence[str]) -> EntryId:
    """Make a room from a template. The status may be another's (5.2); of ours one at a time is made."""
    portal: Portal = context.client
    await portal.rooms.from_template(template, title, tags)
    waited, said = 0.0, ""
    while waited < _TEMPLATE_PATIENCE:
        await context.pause(_TEMPLATE_POLL)
        error, took = await _job_over(context, _TEMPLATE_PATIENCE - waited)
        waited += _TEMPLATE_POLL + took
        made = await context.call(partial(_tagged, portal, tags[0]))  # asked after the job: it is whole by now
        if made is not None:
            return made.id
        # It was another's job, or ours was dropped in silence because another's was running.
        said = error or said
        await portal.rooms.from_template(template, title, tags)
        waited += _TEMPLATE_RETRY if error else 0.0
    raise Rejected(f"The portal made no room from template {template.id}: {said or 'it says nothing'}")


async def _job_over(context: StepContext, patience: float) -> tuple[str, float]:
    """Wait until no room is being made from a template; gives the last one's error, and the seconds it took."""
    waited = 0.0
    while True:
        state = await context.call(context.client.rooms.template_status)
        if state is None or state.is_completed or state.error or waited >= patience:
            return state.error if state is not None else "", waited
        await context.pause(_TEMPLATE_POLL)
        waited += _TEMPLATE_POLL


async def _seen(context: StepContext, wanted: int | str) -> Folder | None:
    """Find a template, if it can be seen: one that is gone meanwhile is nothing to compare with."""
    try:
        return await _template(context, wanted)
    except StepFailed:
        return None


async def _must_be_whole(context: StepContext, template: Folder | None, room: Folder) -> None:
    """See that a new room has its template's files and settings: the portal only logs what it could not copy or set.

    (CreateRoomFromTemplateOperation.cs, CopyFolderContentAsync; FileStorageService.cs, InternalCreateFolderAsync)
    Raises StepFailed, naming them.
    """
    if template is None:
        return
    told = f"room {room.id} {room.title!r}"
    settings = ("lifetime", "watermark")
    unset = [one for one in settings if getattr(template, one) is not None and getattr(room, one) is None]
    if unset:
        raise StepFailed(f"{told} lacks the {' and the '.join(unset)} of its template", remedy=_SET_IT)
    if (room.files_count or 0) >= (template.files_count or 0):
        return
    wanted, there = await files_below(context, template.id), await files_below(context, room.id)
    missing = Counter(one.title for one in wanted.values()) - Counter(one.title for one in there.values())
    if missing:
        what = f"{told} lacks {missing.total()} of the {len(wanted)} files of its template"
        named = ", ".join(map(repr, list(missing)[:_NAMED]))
        raise StepFailed(f"{what}: {named}", remedy=_COPY_THEM)


async def _tagged(portal: Portal, tag: str) -> Folder | None:
    found = await portal.rooms.tagged(tag)
    return found[0] if found else None


_SET_IT = (
    "Set it in the room's settings, then `roomkeeper runs retry`, which goes on with the room as it is. Or delete the "
    "room first: then another one is made."
)
_COPY_THEM = (
    "See whether the portal has space left, copy them there by hand, then `roomkeeper runs retry`, which goes on with "
    "the room as it is. Or delete the room first: then another one is made."
)


def _may_make(error: RemoteError) -> str:
    if isinstance(error, QuotaExceeded):
        return (
            "The tariff's rooms are used up: archive or delete some, or raise the tariff; then `roomkeeper runs retry`."
        )
    if isinstance(error, Forbidden):
        return "Make the account of the API key a room admin of the portal, then `roomkeeper runs retry`."
    return error.remedy
