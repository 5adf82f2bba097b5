"""`share_link`: a link to a room that works: the portal's own, used again, and tried."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from roomkeeper.automations.duration import Duration
from roomkeeper.connectors.docspace.inviting import AccessName
from roomkeeper.connectors.docspace.places import address, must_be_named, way_to
from roomkeeper.contract.step import Plan, StepContext, StepKind
from roomkeeper.docspace import EntryId, PathPart, Portal
from roomkeeper.docspace.models import Access, Link, LinkState, RoomType
from roomkeeper.docspace.roles import BY_EXTERNAL_LINK, by_invitation_link, named, room_type_named
from roomkeeper.errors import Forbidden, Rejected, ScopeMissing, StepFailed
from roomkeeper.once import once

Kind = Literal["external", "invitation", "room"]
_DEFAULT: Mapping[RoomType, Kind] = {
    RoomType.CUSTOM: "external",
    RoomType.PUBLIC: "external",
    RoomType.FORM_FILLING: "external",
}
_ONLY_PRIMARY = frozenset({RoomType.FORM_FILLING})  # one external link, made with the room, without an end (5.4)
_GONE = frozenset({404, 410})  # ours


class ShareLink(BaseModel):
    """What `share_link` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    room: Annotated[EntryId, AfterValidator(must_be_named)] = Field(
        description="The room: its id or its exact title.", examples=["{{ room.id }}"]
    )
    kind: Kind | None = Field(
        default=None,
        description="`external` opens the room to whoever has it, `invitation` makes whoever opens it a member, `room` "
        "is its address for its members. By the room's type, if you do not say: external where there is such a link, "
        "else room.",
        examples=["room"],
    )
    access: AccessName | None = Field(
        default=None, description="What the link gives; the least, if you do not say.", examples=["read"]
    )
    expires: Duration | None = Field(default=None, description="How long the link works.", examples=["30d"])
    password_env: str | None = Field(
        default=None,
        description="The environment variable that holds the link's password; it is never written down.",
        examples=["ROOM_LINK_PASSWORD"],
    )
    title: str = Field(
        default="Roomkeeper", max_length=255, description="What the link is called.", examples=["Support"]
    )


class Shared(BaseModel):
    """The link, whether this step made it, and whether it answered."""

    url: str
    kind: Kind
    made: bool
    answered: bool
    because: str = ""


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
    access = Access.__members__.get(str(given.get("access") or "").upper())
    may = _allowed(room, kind)
    if access is not None and access not in may:
        what = f"the {kind} link of a {type_of_room} room cannot give the access {named(access)!r}"
        remedy = f"take one of: {', '.join(sorted(map(named, may)))}" if may else "leave out `access`"
        found.append((("access",), what, remedy))
    return found


async def apply(params: ShareLink, context: StepContext) -> Shared:
    """Find or make the link, and try it. Raises StepFailed."""
    portal: Portal = context.client
    room = (await way_to(context, params.room, setting="room"))[-1]
    kind = _checked(params, room)
    if kind == "room":
        await context.call(partial(portal.folders.get, room.id))
        return Shared(url=address(portal, room.id), kind=kind, made=False, answered=True, because="for its members")
    try:
        link, made = await _link(params, context, room, kind)
    except ScopeMissing:
        raise
    except (Forbidden, Rejected) as error:
        remedy = await _remedy(params, context, room, kind, error)
        raise StepFailed(f"room {room.id} gets no {kind} link: {error.message}", remedy=remedy) from error
    answered, because = await _tried(context, link, kind)
    return Shared(url=link.url, kind=kind, made=made, answered=answered, because=because)


async def plan(params: ShareLink, context: StepContext) -> Plan:
    """Say which link would be made or used."""
    room = (await way_to(context, params.room, setting="room"))[-1]
    kind = _checked(params, room)
    return Plan((f"give the {kind} link of room {room.id} {room.title!r}, made if it is not there",))


SHARE_LINK = StepKind(
    name="share_link",
    summary="Give a link to a room that works.",
    params=ShareLink,
    result=Shared,
    plan=plan,
    apply=apply,
    connection_type="docspace",
    side_by_side=True,
    mistakes=mistakes,
    places={"room": "manage"},
    scopes=frozenset({"rooms:write", "files:read"}),
)


def _allowed(room: RoomType, kind: str) -> frozenset[Access]:
    if kind == "external":
        return BY_EXTERNAL_LINK.get(room, frozenset())
    return by_invitation_link(room) if kind == "invitation" else frozenset()


def _checked(params: ShareLink, room: PathPart) -> Kind:
    """Choose the kind of link, and refuse what a room of this type does not have. Raises StepFailed."""
    type_ = room.room_type
    if not isinstance(type_, RoomType):
        raise StepFailed(f"{room.title!r} ({room.id}) is no room, or of a type that is not known")
    wrong = mistakes(params.model_dump(exclude_none=True), type_.name.lower())
    if wrong:
        _, what, remedy = wrong[0]
        raise StepFailed(what, remedy=f"Correct the automation: {remedy}.")
    return params.kind or _DEFAULT.get(type_, "room")


async def _link(params: ShareLink, context: StepContext, room: PathPart, kind: Kind) -> tuple[Link, bool]:
    """Find our link, or make it once."""
    portal: Portal = context.client
    room_type = RoomType(int(room.room_type or 0))
    plain = params.expires is None and params.password_env is None and params.access is None
    if kind == "external" and (room_type in _ONLY_PRIMARY or (room_type is RoomType.PUBLIC and plain)):
        return await context.call(partial(portal.rooms.primary_link, room.id)), False
    access = _access(params, room_type, kind)
    wanted = _wanted(params, kind, access)

    async def ours() -> list[Link]:
        links = await portal.rooms.links(room.id, external=kind == "external")
        return [one for one in links if _is_ours(one, params, kind, access)]

    async def find() -> list[str]:
        return [one.url for one in await ours()]

    async def make() -> str:
        return (await portal.rooms.make_link(room.id, wanted)).url

    kept = f"{'password' if params.password_env else 'open'} {params.expires or 'endless'}"
    item = f"room {room.id} {kind} {named(access)} {kept} {params.title}"

    async def drop(url: str) -> bool:
        for one in await ours():
            if one.url == url:
                await portal.rooms.remove_link(room.id, one)
        return url not in await find()

    async def stands(url: str) -> bool:
        return url in await find()

    scope = f"links: {context.connection}"
    made = await once(context, scope, item, find=find, make=make, drop=drop, stands=stands)
    link = next((one for one in await context.call(ours) if one.url == made.target), None)
    if link is None:
        raise await _not_as_wanted(params, context, room, kind)
    return link, made.here


def _wanted(params: ShareLink, kind: Kind, access: Access) -> dict[str, object]:
    """Write the request for a link."""
    wanted: dict[str, object] = {
        "linkType": 1 if kind == "external" else 0,
        "access": int(access),
        "title": params.title,
        "denyDownload": False,
        "internal": False,
    }
    if params.expires is not None:
        end = datetime.now(UTC) + timedelta(seconds=params.expires)
        wanted["expirationDate"] = end.strftime("%Y-%m-%dT%H:%M:%S.0000000Z")
    if params.password_env is not None:
        wanted["password"] = _password(params.password_env)
    return wanted


async def _remedy(
    params: ShareLink, context: StepContext, room: PathPart, kind: Kind, error: Forbidden | Rejected
) -> str:
    """Say what helps against a refusal, by what the portal has now: it says it in words, in its own language."""
    if isinstance(error, Rejected) and params.password_env is not None:
        return _RULES.format(variable=params.password_env)
    links = await context.call(partial(context.client.rooms.links, room.id, external=kind == "external"))
    mine = [one.title for one in links if kind == "invitation" or not one.is_primary]
    if len(mine) >= _AT_MOST[kind]:
        return _FULL.format(number=len(mine), titles=", ".join(map(repr, mine)))
    return _LINKS


async def _not_as_wanted(params: ShareLink, context: StepContext, room: PathPart, kind: Kind) -> StepFailed:
    """Say what is wrong with the link that was made. The portal drops an end that is past by its own clock."""
    links = await context.call(partial(context.client.rooms.links, room.id, external=kind == "external"))
    made = next((one for one in links if one.title == params.title), None)
    what = f"the link {params.title!r} of room {room.id} was made, "
    if made is not None and made.is_expired:
        return StepFailed(f"{what}and has ended already", remedy="Give it longer: `expires` in the automation.")
    if made is not None and params.expires is not None and not made.has_end:
        why = f"{what}but without an end: by the portal's clock, the one that was asked for is past"
        return StepFailed(why, remedy="Delete the link; set the clocks right, or give it longer (`expires`).")
    if made is not None:
        return StepFailed(f"{what}but with another access or password than asked for", remedy=_LINKS)
    return StepFailed(f"{what}and is not in the list of the room's links", remedy=_LINKS)


def _is_ours(link: Link, params: ShareLink, kind: Kind, access: Access) -> bool:
    """Whether it is the link that is meant: the one invitation link there may be (5.4), or one with our title."""
    if not link.url or link.is_expired or link.access != access or link.has_end != (params.expires is not None):
        return False
    return kind == "invitation" or (
        link.title == params.title and link.has_password == (params.password_env is not None)
    )


def _access(params: ShareLink, room: RoomType, kind: Kind) -> Access:
    if params.access is not None:
        return Access[params.access.upper()]
    may = _allowed(room, kind)
    order = (Access.READ, Access.FILL_FORMS, Access.COMMENT, Access.REVIEW, Access.EDITING, Access.CONTENT_CREATOR)
    return next(access for access in order if access in may)


def _password(variable: str) -> str:
    value = os.environ.get(variable, "")
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
        raise StepFailed(f"the portal says of the new link: {state.name.lower().replace('_', ' ')}", remedy=_LINKS)
    if state in _GONE:
        raise StepFailed(f"the link was made, but it answers {state}", remedy=_LINKS)
    if state is None:
        return False, "it cannot be reached from here, which says nothing about others"
    return state < 400, f"its page answered {state}"  # noqa: PLR2004 - 4xx


#: How many of them a room can have, beside its primary link (recorded: links).
_AT_MOST: Mapping[Kind, int] = {"external": 5, "invitation": 1}
_RULES = (
    "If it is the password that is refused: put one into {variable} that the portal's password rules admit (Settings, "
    "Security), `roomkeeper reload`, then `roomkeeper runs retry`."
)
_FULL = (
    "The room has {number} such links already, as many as the portal allows: {titles}. Delete one, or give `title` the "
    "name of one that is to be used; then `roomkeeper runs retry`."
)
_LINKS = (
    "See whether the portal allows external sharing (Settings, Security), whether the room has links left, and whether "
    "the account of the API key manages it; then `roomkeeper runs retry`."
)
