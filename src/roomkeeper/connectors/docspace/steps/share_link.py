"""`share_link`: a link to a room, a folder or a file that works: the portal's own, used again, and tried."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from roomkeeper.automations.duration import Duration
from roomkeeper.connectors.docspace.people import AccessName
from roomkeeper.connectors.docspace.places import address, must_be_named, way_to
from roomkeeper.contract.step import Plan, StepContext, StepKind
from roomkeeper.docspace import EntryId, Portal
from roomkeeper.docspace.links import EXTERNAL, INVITATION, Linked
from roomkeeper.docspace.models import Access, Link, LinkState, RoomType
from roomkeeper.docspace.roles import BY_EXTERNAL_LINK, by_invitation_link, named, room_type_named
from roomkeeper.errors import Forbidden, NotFound, Rejected, StepFailed
from roomkeeper.once import once

Kind = Literal["external", "invitation", "room"]
_DEFAULT: Mapping[RoomType, Kind] = {
    RoomType.CUSTOM: "external",
    RoomType.PUBLIC: "external",
    RoomType.FORM_FILLING: "external",
}
_ONLY_PRIMARY = frozenset({RoomType.FORM_FILLING})  # one external link, made with the room, without an end (5.4)
_GONE = frozenset({404, 410})  # ours
_TEN_YEARS = 10 * 365 * 86_400.0  # seconds (FilesLinkUtility.cs, MaxLinkLifeTimeInYears)


_Named = Annotated[EntryId, AfterValidator(must_be_named)]


class ShareLink(BaseModel):
    """What `share_link` can be told: one of `room`, `folder` and `file`, and how."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    room: _Named | None = Field(
        default=None, description="The room: its id or its exact title.", examples=["{{ room.id }}"]
    )
    folder: _Named | None = Field(default=None, description="A folder in a room, by its id.", examples=[50123])
    file: _Named | None = Field(default=None, description="A file, by its id.", examples=["{{ file.id }}"])
    kind: Kind | None = Field(
        default=None,
        description="`external` opens the room to whoever has it, `invitation` makes whoever opens it a member, `room` "
        "is its address for its members. By the room's type, if you do not say: external where there is such a link, "
        "else room. Links to folders and files are external.",
        examples=["room"],
    )
    access: AccessName | None = Field(
        default=None, description="What the link gives; the least, if you do not say.", examples=["read"]
    )
    expires: Duration | None = Field(
        default=None, le=_TEN_YEARS, description="How long the link works, at most ten years.", examples=["30d"]
    )
    password_env: str | None = Field(
        default=None,
        description="The environment variable that holds the link's password; it is never written down.",
        examples=["ROOM_LINK_PASSWORD"],
    )
    deny_download: bool = Field(
        default=False, description="Whether what it opens can be looked at only; of external links.", examples=[True]
    )
    title: str = Field(
        default="Roomkeeper", max_length=255, description="What the link is called.", examples=["Support"]
    )

    @model_validator(mode="after")
    def _is_to_one(self) -> Self:
        if sum(one is not None for one in (self.room, self.folder, self.file)) != 1:
            raise ValueError("name one of `room`, `folder`, `file`")
        return self


class Shared(BaseModel):
    """The link, whether this step made it, and whether it answered."""

    url: str
    kind: Kind
    made: bool
    answered: bool
    because: str = ""
    internal: bool = Field(default=False, description="Whether it opens only for people with an account.")
    ends: str = Field(default="", description="When it ends, as the portal says; empty if it does not.")


@dataclass(frozen=True)
class _Target:
    """What the link is to; `may` is what external links to a folder or a file may give."""

    linked: Linked
    id: EntryId
    title: str
    may: frozenset[Access] = frozenset()
    type: RoomType | None = None  # of a room, which says what its links may give

    @property
    def said(self) -> str:
        return f"{'room' if self.linked == 'rooms' else self.linked} {self.id}"

    def allowed(self, kind: Kind) -> frozenset[Access]:
        return self.may if self.type is None else _given_by(kind, self.type)


def _given_by(kind: str, room: RoomType) -> frozenset[Access]:
    """List what a link of that kind to such a room may give."""
    if kind == "external":
        return BY_EXTERNAL_LINK.get(room, frozenset())
    return by_invitation_link(room) if kind == "invitation" else frozenset()


def mistakes(given: Mapping[str, Any], type_of_room: str | None) -> list[tuple[tuple[str | int, ...], str, str]]:
    """Say what of an automation's text cannot work for a room of this type: where, what, the remedy."""
    if type_of_room is None or type_of_room.upper() not in RoomType.__members__:
        return []
    room = room_type_named(type_of_room)
    kind = given.get("kind") or _DEFAULT.get(room, "room")
    found: list[tuple[tuple[str | int, ...], str, str]] = []
    if kind == "external" and room not in BY_EXTERNAL_LINK:
        remedy = "use `kind: room` (for its members) or `kind: invitation`, or a custom or public room"
        found.append((("kind",), f"a {type_of_room} room has no external links", remedy))
        return found
    for name in ("expires", "password_env"):
        if given.get(name) is not None and (kind == "room" or (kind == "external" and room in _ONLY_PRIMARY)):
            what = f"the {kind} link of a {type_of_room} room cannot have `{name}`"
            found.append(((name,), what, "leave it out, or use another kind of room or link"))
    if given.get("password_env") is not None and kind == "invitation":
        found.append((("password_env",), "an invitation link has no password", "leave it out"))
    if given.get("deny_download") and (kind != "external" or room in _ONLY_PRIMARY):
        what = f"the {kind} link of a {type_of_room} room cannot have `deny_download`"
        found.append((("deny_download",), what, "leave it out, or use an external link"))
    access = Access.__members__.get(str(given.get("access") or "").upper())
    may = _given_by(kind, room)
    if access is not None and access not in may:
        what = f"the {kind} link of a {type_of_room} room cannot give the access {named(access)!r}"
        remedy = f"take one of: {', '.join(sorted(map(named, may)))}" if may else "leave out `access`"
        found.append((("access",), what, remedy))
    return found


async def apply(params: ShareLink, context: StepContext) -> Shared:
    """Find or make the link, and try it. Raises StepFailed."""
    portal: Portal = context.client
    target = await _target(params, context)
    kind = _checked(params, target)
    if kind == "room":
        await context.call(partial(portal.folders.get, target.id))
        return Shared(url=address(portal, target.id), kind=kind, made=False, answered=True, because="for its members")
    try:
        primary = await _primary(params, context, target, kind)
        link, made = primary or await _link(params, context, target, kind)
    except (Forbidden, Rejected) as error:
        remedy = await _remedy(params, context, target, kind, error)
        raise StepFailed(f"{target.said} gets no {kind} link: {error.message}", remedy=remedy) from error
    answered, because = await _tried(context, link, kind)
    internal = kind == "external" and link.is_internal
    return Shared(
        url=link.url, kind=kind, made=made, answered=answered, because=because, internal=internal, ends=link.ends
    )


async def plan(params: ShareLink, context: StepContext) -> Plan:
    """Say which link would be made or used."""
    target = await _target(params, context)
    kind = _checked(params, target)
    return Plan((f"give the {kind} link of {target.said} {target.title!r}, made if it is not there",))


SHARE_LINK = StepKind(
    name="share_link",
    summary="Give a link to a room, a folder or a file that works.",
    lasting="Whoever has the link may use it until it ends, or is taken away on the portal.",
    params=ShareLink,
    result=Shared,
    plan=plan,
    apply=apply,
    connection_type="docspace",
    side_by_side=True,
    mistakes=mistakes,
    places={"room": "manage", "folder": "manage"},
    scopes=frozenset({"files:read"}),
    scopes_of_settings={"room": "rooms:write", "folder": "files:write", "file": "files:write"},
)


async def _target(params: ShareLink, context: StepContext) -> _Target:
    """Find what the link is to. Raises StepFailed."""
    if params.file is not None:
        return await _entry(context, "file", params.file)
    if params.room is not None:
        room = (await way_to(context, params.room, setting="room"))[-1]
        if not isinstance(room.room_type, RoomType):
            other = f"{room.title!r} ({room.id}) is no room, or of a type that is not known"
            raise StepFailed(other, remedy="Write the id or the exact title of a room; of a folder, `folder:`.")
        return _Target("rooms", room.id, room.title, type=room.room_type)
    assert params.folder is not None  # noqa: S101 - the settings name one of the three
    folder = (await way_to(context, params.folder, setting="folder"))[-1]
    if folder.room_type is not None:
        what = f"{folder.title!r} ({folder.id}) is a room"
        raise StepFailed(what, remedy="Correct the automation: write it as `room:`.")
    return await _entry(context, "folder", folder.id)


async def _entry(context: StepContext, linked: Literal["folder", "file"], number: EntryId) -> _Target:
    """Read what a folder or a file is, and what links to it may give. Raises StepFailed."""
    try:
        entry = await context.call(partial(context.client.links.entry, linked, number))
    except (NotFound, Forbidden) as error:
        what = f"{linked} {number} is not there, or the account may not see it: {error.message}"
        raise StepFailed(what, remedy=_SEE_IT) from error
    return _Target(linked, entry.id, entry.title, entry.by_external_link)


def _checked(params: ShareLink, target: _Target) -> Kind:
    """Choose the kind of link, and refuse what it does not have or give. Raises StepFailed."""
    if target.type is not None:
        wrong = mistakes(params.model_dump(exclude_none=True, exclude_defaults=True), target.type.name.lower())
        if wrong:
            _, what, remedy = wrong[0]
            raise StepFailed(what, remedy=f"Correct the automation: {remedy}.")
        return params.kind or _DEFAULT.get(target.type, "room")
    if params.kind not in {None, "external"}:
        what = f"{target.said} {target.title!r} has external links only"
        raise StepFailed(what, remedy="Correct the automation: leave out `kind`, or name a room.")
    access = Access[params.access.upper()] if params.access is not None else None
    if target.may == {Access.FILL_FORMS}:
        what = f"{target.said} {target.title!r} lies in a form room, which has one link for all that is in it"
        raise StepFailed(what, remedy="Correct the automation: write the room as `room:`.")
    if not target.may or (access is not None and access not in target.may):
        given = f"the access {named(access)!r}" if access is not None and target.may else "any access"
        may = ", ".join(sorted(map(named, target.may)))
        remedy = f"Correct the automation: take one of {may}." if may else _NOT_THERE
        raise StepFailed(f"a link to {target.said} {target.title!r} cannot give {given}", remedy=remedy)
    return "external"


async def _link(params: ShareLink, context: StepContext, target: _Target, kind: Kind) -> tuple[Link, bool]:
    """Find our link, or make it once; gives whether it was made."""
    portal: Portal = context.client
    access = _access(params, target, kind)
    wanted = _wanted(params, kind, access)

    async def ours() -> list[Link]:
        links = await _of(portal, target, kind)
        return [one for one in links if _is_ours(one, params, kind, access)]

    async def find() -> list[str]:
        return [one.url for one in await ours()]

    async def make() -> str:
        await _take_away_ended(portal, target, kind, params.title)
        return (await portal.links.make(target.linked, target.id, wanted)).url

    async def drop(url: str) -> bool:
        for one in await ours():
            if one.url == url:
                await portal.links.remove(target.linked, target.id, one)
        return url not in await find()

    async def stands(url: str) -> bool:
        return url in await find()

    scope = f"links: {context.connection}"
    item = _item(params, target, kind, access)
    made = await once(context, scope, item, find=find, make=make, drop=drop, stands=stands)
    link = next((one for one in await context.call(ours) if one.url == made.target), None)
    if link is None:
        raise await _not_as_wanted(params, context, target, kind)
    if params.password_env is not None and link.password != _password(params.password_env):
        what = f"the link {link.title!r} of {target.said} asks for another password than {params.password_env} has now"
        raise StepFailed(what, remedy=_REPLACED)
    return link, made.here


def _item(params: ShareLink, target: _Target, kind: Kind, access: Access) -> str:
    """Name the link in the ledger, by all that makes it another one."""
    kept = f"{'password' if params.password_env else 'open'} {params.expires or 'endless'}"
    kept += " to look at" if params.deny_download else ""
    return f"{target.said} {kind} {named(access)} {kept} {params.title}"


async def _primary(params: ShareLink, context: StepContext, target: _Target, kind: Kind) -> tuple[Link, bool] | None:
    """Read a room's first link, if that will do; gives that it was not made.

    Who manages the room may have changed what it gives (FileSecurity.cs, AvailableRoomAccesses). Raises StepFailed
    where the room can have no other.
    """
    plain = not (params.expires or params.password_env or params.access or params.deny_download)
    if kind != "external" or not (target.type in _ONLY_PRIMARY or (target.type is RoomType.PUBLIC and plain)):
        return None
    link: Link = await context.call(partial(context.client.links.primary, target.id))
    is_bound = link.has_password or link.has_no_download or link.has_end or link.is_expired
    if link.access == _access(params, target, kind) and not is_bound:
        return link, False
    if target.type in _ONLY_PRIMARY:
        what = f"somebody gave the only link of {target.said} a password, an end or another access"
        raise StepFailed(what, remedy="Put it back in the room's settings on the portal, then retry the run.")
    return None


async def _of(portal: Portal, target: _Target, kind: Kind) -> tuple[Link, ...]:
    """List its links of that kind."""
    return await portal.links.of(target.linked, target.id, external=kind == "external")


async def _take_away_ended(portal: Portal, target: _Target, kind: Kind, title: str) -> None:
    """Remove links of ours that have ended: they go on counting among those there may be (FileSharing.cs)."""
    for one in await _of(portal, target, kind):
        if one.is_expired and one.title == title:
            await portal.links.remove(target.linked, target.id, one)


def _wanted(params: ShareLink, kind: Kind, access: Access) -> dict[str, object]:
    """Write the request for a link."""
    wanted: dict[str, object] = {
        "linkType": EXTERNAL if kind == "external" else INVITATION,
        "access": int(access),
        "title": params.title,
        "denyDownload": params.deny_download,
        "internal": False,
    }
    if params.expires is not None:
        end = datetime.now(UTC) + timedelta(seconds=params.expires)
        wanted["expirationDate"] = end.strftime("%Y-%m-%dT%H:%M:%S.0000000Z")
    if params.password_env is not None:
        wanted["password"] = _password(params.password_env)
    return wanted


async def _remedy(
    params: ShareLink, context: StepContext, target: _Target, kind: Kind, error: Forbidden | Rejected
) -> str:
    """Say what helps against a refusal, by what the portal has now: it says it in words, in its own language."""
    if isinstance(error, Rejected) and params.password_env is not None:
        return _RULES.format(variable=params.password_env)
    links = await context.call(partial(_of, context.client, target, kind))
    is_room = target.type is not None
    mine = [one.title for one in links if kind == "invitation" or not is_room or not one.is_primary]
    has_first = not is_room and any(one.is_primary for one in links)
    if len(mine) >= (_AT_MOST[kind] if is_room else _OF_AN_ENTRY if has_first else _OF_AN_ENTRY - 1):
        return _FULL.format(number=len(mine), titles=", ".join(map(repr, mine)))
    return _LINKS


async def _not_as_wanted(params: ShareLink, context: StepContext, target: _Target, kind: Kind) -> StepFailed:
    """Say what is wrong with the link that was made. The portal drops an end that is past by its own clock."""
    links = await context.call(partial(_of, context.client, target, kind))
    made = next((one for one in links if one.title == params.title), None)
    what = f"the link {params.title!r} of {target.said} was made, "
    if made is not None and made.is_expired:
        return StepFailed(f"{what}and has ended already", remedy="Give it longer: `expires` in the automation.")
    if made is not None and params.expires is not None and not made.has_end:
        why = f"{what}but without an end: by the portal's clock, the one that was asked for is past"
        return StepFailed(why, remedy="Delete the link; set the clocks right, or give it longer (`expires`).")
    if made is not None:
        return StepFailed(f"{what}but with another access or password than asked for", remedy=_LINKS)
    return StepFailed(f"{what}and is not in the list of its links", remedy=_LINKS)


def _is_ours(link: Link, params: ShareLink, kind: Kind, access: Access) -> bool:
    """Whether it is the link that is meant: the one invitation link there may be (5.4), or one with our title."""
    if not link.url or link.is_expired or link.access != access or link.has_end != (params.expires is not None):
        return False
    return kind == "invitation" or (
        link.title == params.title
        and link.has_password == (params.password_env is not None)
        and link.has_no_download == params.deny_download
    )


def _access(params: ShareLink, target: _Target, kind: Kind) -> Access:
    if params.access is not None:
        return Access[params.access.upper()]
    may = target.allowed(kind)
    order = (Access.READ, Access.FILL_FORMS, Access.COMMENT, Access.REVIEW, Access.EDITING, Access.CONTENT_CREATOR)
    return next(access for access in order if access in may)


def _password(variable: str) -> str:
    value = os.environ.get(variable, "").strip()  # as the portal stores it (VirtualRoomsController.cs)
    if not value:
        what = f"the environment variable {variable}, which is to hold the link's password, is not set for the service"
        raise StepFailed(what, remedy="Put it into `.env`, `roomkeeper reload`, then `roomkeeper runs retry`.")
    return value


async def _tried(context: StepContext, link: Link, kind: Kind) -> tuple[bool, str]:
    """Try the link as a stranger would. Raises StepFailed if the portal says that it does not work."""
    portal: Portal = context.client
    state = await portal.try_link(link.url, link.token if kind == "external" else "")
    if isinstance(state, LinkState):
        if state is LinkState.OK or (state is LinkState.REQUIRED_PASSWORD and link.has_password):
            return True, "the portal says that it works"
        if state is LinkState.EXTERNAL_ACCESS_DENIED and link.is_internal:
            return True, "the portal says that it opens for people with an account"
        raise StepFailed(f"the portal says of the new link: {state.name.lower().replace('_', ' ')}", remedy=_LINKS)
    if state in _GONE:
        raise StepFailed(f"the link was made, but it answers {state}", remedy=_LINKS)
    if state is None:
        return False, "it cannot be reached from here, which says nothing about others"
    return state < 400, f"its page answered {state}"  # noqa: PLR2004 - 4xx


#: How many of them a room can have, beside its primary link (recorded: links).
_AT_MOST: Mapping[Kind, int] = {"external": 5, "invitation": 1}
_OF_AN_ENTRY = 6  # links of a folder or a file, the first among them (recorded: file.info; FileSecurity.cs)
_SEE_IT = (
    "Restore it, or invite the account of the API key into its room as room manager; then `roomkeeper runs retry`."
)
_NOT_THERE = "Links are to what lies in a room that is not archived, and is no form room."
_RULES = (
    "If it is the password that is refused: put one into {variable} that the portal's password rules admit (Settings, "
    "Security), `roomkeeper reload`, then `roomkeeper runs retry`."
)
_REPLACED = (
    "Take that link away on the portal, so that the old password opens nothing any more, then `roomkeeper runs retry`, "
    "which makes another. Where two steps have a password each, give each link a `title` of its own."
)
_FULL = (
    "It has {number} such links already, as many as the portal allows: {titles}. Delete one, or give `title` the "
    "name of one that is to be used; then `roomkeeper runs retry`."
)
_LINKS = (
    "See whether the portal allows external sharing (Settings, Security), whether it has links left, and whether the "
    "account of the API key manages the room; then `roomkeeper runs retry`."
)
