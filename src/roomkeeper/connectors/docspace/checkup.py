"""Try what a portal's connection needs: key, permissions, rooms, records (facts/docspace.md 2.6, 8, 11)."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

from roomkeeper.connectors.docspace.events.trails import rooms_called
from roomkeeper.contract.checkup import Examination, Finding, Needed, State
from roomkeeper.docspace import EntryId, Portal
from roomkeeper.docspace.models import Access, Key, PathPart, Person
from roomkeeper.errors import Forbidden, NotFound, RemoteError, ScopeMissing, Unauthorized

_SOON = timedelta(days=14)  # before a key's end (ours)
_GROUPS = "accounts:read"  # the scope of the list of groups (8)
_OLDEST = (3, 5)  # the first version whose webhooks are as described (ours)
_SKEW, _FAR = 30.0, 240.0  # seconds that clocks may differ: said, and too far for signatures with a time (ours)
_WRITES = frozenset({Access.ROOM_MANAGER, Access.CONTENT_CREATOR, Access.READ_WRITE})
_MANAGES = frozenset({Access.ROOM_MANAGER, Access.READ_WRITE})
_MAKE_ONE = "Make one with a dedicated account (a room admin), under Developer Tools, API keys."
_INVITE = "Invite the account of the key into that room as {role}; being an administrator of the portal is not enough."


async def examine(portal: Portal, about: Examination) -> AsyncIterator[Finding]:
    """Try everything; a key that is not accepted ends it, for nothing else can be tried then."""
    try:
        key = await portal.people.key()
    except Unauthorized as error:
        yield Finding("key", "failed", error.message, error.remedy)
        return
    except RemoteError as error:
        yield Finding("key", "failed", f"the portal cannot be asked: {error.message}", error.remedy or "Check `url`.")
        return
    yield _of_key(key)
    for one in _of_permissions(key, about):
        yield one
    person = await _person(portal, key)
    yield _account(person, key)
    if "room.created" in about.types and isinstance(person, Person):
        yield _of_others(person)
    async for one in _hello(portal):
        yield one
    for needed in about.places:
        yield await _place(portal, key, needed)
    async for one in _groups(portal, about):
        yield one
    async for one in _records(portal, about):
        yield one


def _of_key(key: Key) -> Finding:
    who = key.create_by.display_name or key.create_by.id or "somebody the portal does not name"
    said = f"{key.name!r} acts as {who}"
    if key.expires_at is None:
        return Finding("key", "ok", f"{said}, without an end")
    left = key.expires_at - datetime.now(UTC)
    if left < _SOON:
        when = f"in {left.days} day{'' if left.days == 1 else 's'}" if left.days >= 1 else "within a day"
        return Finding("key", "warning", f"{said}, and ends {when}", _MAKE_ONE)
    return Finding("key", "ok", f"{said}, until {key.expires_at:%Y-%m-%d}")


def _of_permissions(key: Key, about: Examination) -> list[Finding]:
    """Say which permissions are missing for what (8)."""
    has = set(key.permissions)
    if not has or "*" in has:
        return [Finding("permissions", "ok", "the key may do all that its account may")]
    found = []
    for scope, why in sorted(about.scopes.items()):
        if scope == _GROUPS and not _covers(has, scope) and "accounts:write" in has:
            what = f"the key lacks {scope}, which is needed to find groups by their names"
            found.append(Finding("permissions", "warning", what, f"Make a key with {scope} too, if you name groups."))
        elif not _covers(has, scope):
            what = f"the key lacks {scope}, which is needed for {why}"
            found.append(Finding("permissions", "failed", what, f"Make a key with {scope} too."))
    if not about.polls and about.settings.catch_up and not _covers(has, "*:read"):
        what = "the key lacks *:read, so the delivery log cannot be searched; the rooms' histories are, which is enough"
        found.append(
            Finding("permissions", "warning", what, "Give it *:read for both ways of finding what was missed.")
        )
    if not about.polls and about.settings.keep_webhook and not _covers(has, "*:write"):
        what = "the key has no full access, so the webhook can be neither registered nor repaired"
        found.append(Finding("permissions", "warning", what, "Give it full access, or look after the webhook by hand."))
    return found or [Finding("permissions", "ok", f"the key may do what is needed: {', '.join(sorted(has))}")]


def _covers(has: set[str], scope: str) -> bool:
    """Whether it is granted: who may write may read, but for the list of groups (recorded: keys.scopes)."""
    family, _, verb = scope.partition(":")
    also = {"*:read"} if verb == "read" else set[str]()
    also |= {f"{family}:write"} if scope != _GROUPS else set()
    return bool(has & {scope, "*:write", *also})


async def _person(portal: Portal, key: Key) -> Person | RemoteError:
    """Look up whose key it is, or why that cannot be seen."""
    try:
        return await portal.people.get(key.create_by.id)
    except RemoteError as error:
        return error


def _account(person: Person | RemoteError, key: Key) -> Finding:
    if isinstance(person, ScopeMissing):
        return Finding("account", "ok", "what kind of account it is cannot be seen with this key (accounts:read)")
    if isinstance(person, RemoteError):
        return Finding("account", "warning", f"the account cannot be looked up: {person.message}", person.remedy)
    name = person.display_name or key.create_by.display_name
    if person.is_guest:
        return Finding("account", "failed", f"{name} is a guest, who may do next to nothing", _MAKE_ONE)
    if person.is_owner:
        what = (
            f"{name} is the portal's owner: what the owner uploads is taken for Roomkeeper's own work, and not copied"
        )
        return Finding("account", "warning", what, f"Use an account of its own. {_MAKE_ONE}")
    return Finding("account", "ok", f"{name}, {'an administrator' if person.is_admin else 'a member'} of the portal")


def _of_others(person: Person) -> Finding:
    """Say whose new rooms the account is told of: nobody can have invited it into them yet (1.3)."""
    if person.is_admin or person.is_owner:
        return Finding("room.created", "ok", "the account is told of every new room")
    what = "the account is told of rooms that it makes itself, and of nobody else's: it may not see them yet"
    remedy = "Use a key of an administrator of the portal for this connection; `room.created` is raised for all then."
    return Finding("room.created", "warning", what, remedy)


async def _hello(portal: Portal) -> AsyncIterator[Finding]:
    """Ask what anybody may ask: the version, and by the way what time it is there."""
    hello = await portal.hello()
    if hello is None:
        yield Finding(
            "version", "warning", "the portal does not say which version it is", "Look it up in its settings."
        )
        return
    if hello.closed:
        yield Finding("portal", "failed", f"the portal {hello.closed}", "What waits for it goes on by itself.")
    numbers = [int(part) for part in hello.version.split(".")[:2] if part.isdecimal()]
    if not numbers:
        yield Finding("version", "ok", "the portal does not say which version it is")
    elif tuple(numbers) < _OLDEST:
        what = f"version {hello.version} is older than 3.5: its webhooks differ"
        yield Finding("version", "warning", what, "Update the portal, or use `receive: poll`.")
    else:
        yield Finding("version", "ok", hello.version)
    if hello.ahead is None:
        return
    differ = f"the portal's clock is {abs(hello.ahead):.0f} s {'ahead of' if hello.ahead > 0 else 'behind'} this one"
    if abs(hello.ahead) > _SKEW:
        state: State = "failed" if abs(hello.ahead) > _FAR else "warning"
        yield Finding("clock", state, differ, "Set both clocks by NTP (`timedatectl` shows how this one is set).")
    else:
        yield Finding("clock", "ok", "the portal's clock and this one agree")


async def _place(portal: Portal, key: Key, needed: Needed) -> Finding:
    """Look at a room or folder that an automation names: whether it is there, which one is meant, what one may do."""
    check = f"room {needed.place}"
    try:
        found = await rooms_called(portal, needed.place)
        if len(found) != 1:
            return _ambiguous(check, needed, found)
        return await _looked_at(portal, key, needed, found[0])
    except NotFound:
        what = f"there is no room or folder {needed.place} ({needed.where})"
        return Finding(check, "failed", what, "Correct the id: it is the number in the room's address.")
    except ScopeMissing as error:
        return Finding(check, "failed", f"it cannot be looked at: {error.message}", error.remedy)
    except Forbidden as error:
        what = f"the account may not see {needed.place} ({needed.where}): {error.message}"
        return Finding(check, "failed", what, _INVITE.format(role="room manager"))
    except RemoteError as error:
        return Finding(check, "failed", f"it cannot be looked at: {error.message} ({needed.where})", error.remedy)


def _ambiguous(check: str, needed: Needed, found: Sequence[EntryId]) -> Finding:
    if not found:
        what = f"the account sees no room that is called {needed.place!r} ({needed.where})"
        remedy = "Correct its title, or write its id; or invite the account into it, if it is not."
        return Finding(check, "failed", what, remedy)
    what = f"several rooms are called {needed.place!r}: {', '.join(map(str, found))} ({needed.where})"
    return Finding(check, "failed", what, "Write the id of the one that is meant.")


async def _looked_at(portal: Portal, key: Key, needed: Needed, place: EntryId) -> Finding:
    check = f"room {needed.place}"
    folder, way = await portal.folders.get(place), await portal.folders.path(place)
    said = f"{_named(way)} ({needed.where})"
    if folder.is_in_trash or folder.is_archived:
        where = "in the trash" if folder.is_in_trash else "archived: nothing can be put there or taken away"
        return Finding(check, "failed", f"{said} is {where}", "Restore it, or name another one.")
    room = next((part for part in way if part.room_type is not None), None)
    if needed.right == "read" and (room is None or room.id != folder.id):
        what = f"{said} is no room, and `where` is about rooms: it never fits"
        return Finding(check, "failed", what, "Write the room that it lies in.")
    if room is None:
        return Finding(check, "ok", f"{said} lies outside of rooms")
    role = await _role_in(portal, key, room.id)
    if role is None and needed.right == "write" and folder.security.get("Create") is False:
        role = Access.READ
    judged = _judged(check, role, needed, said)
    return await _lasting(portal, judged, needed, room.id, said) if judged.state == "ok" else judged


async def _lasting(portal: Portal, judged: Finding, needed: Needed, room: EntryId, said: str) -> Finding:
    """Warn of a room that takes files and deletes them again, new versions with the first one.

    It goes by when the first version was saved (CleanupLifetimeExpiredService.cs).
    """
    lifetime = (await portal.folders.get(room)).lifetime if needed.right == "write" else None
    if lifetime is None:
        return judged
    what = f"{said} deletes each file {lifetime.days} days after its first version came, whatever its later ones are"
    remedy = "If that is not meant, switch off the lifetime of files in the room's settings."
    return Finding(judged.check, "warning", what, remedy)


def _judged(check: str, role: Access | None, needed: Needed, said: str) -> Finding:
    """Say whether the account's role is enough for what is needed (2.6)."""
    if role is None:
        return Finding(check, "ok", f"{said}; the account belongs to it by a group, or its role cannot be seen")
    if role in {Access.NONE, Access.RESTRICT}:
        what = f"the account is not in {said}: it can see it, and neither copy nor change anything"
        return Finding(check, "failed", what, _INVITE.format(role="room manager"))
    enough = {"read": True, "write": role in _WRITES, "manage": role in _MANAGES}[needed.right]
    spoken = "owner" if role is Access.READ_WRITE else role.name.lower().replace("_", " ")
    if not enough:
        what = f"the account is {spoken} of {said}, which is not enough"
        return Finding(check, "failed", what, _INVITE.format(role="room manager"))
    return Finding(check, "ok", f"{said}: the account is {spoken}")


async def _role_in(portal: Portal, key: Key, room: EntryId) -> Access | None:
    """Find the account's role in a room: NONE if it is not in it, None if that cannot be said."""
    try:
        members = await portal.rooms.members(room)
    except (Forbidden, ScopeMissing):
        return None
    mine = next((one for one in members if one.id == key.create_by.id), None)
    if mine is None:
        return None if any(one.shared_to_group is not None for one in members) else Access.NONE
    if mine.is_owner:
        return Access.READ_WRITE
    return mine.access if isinstance(mine.access, Access) else None


async def _groups(portal: Portal, about: Examination) -> AsyncIterator[Finding]:
    """Look for the groups that steps invite, as `invite` looks for them: by id or by name."""
    if not about.groups:
        return
    try:
        there = await portal.people.groups()
    except RemoteError as error:
        yield Finding("groups", "warning", f"they cannot be looked up: {error.message}", error.remedy)
        return
    for name, where in about.groups.items():
        many = sum(name == one.id or name.casefold() == one.name.casefold() for one in there)
        if many == 1:
            yield Finding(f"group {name}", "ok", f"it is there ({where})")
        else:
            what = "there is no such group on the portal" if not many else "several groups have this name"
            remedy = "Correct the name, or make the group." if not many else "Write the id of the one that is meant."
            yield Finding(f"group {name}", "failed", f"{what} ({where})", remedy)


async def _records(portal: Portal, about: Examination) -> AsyncIterator[Finding]:
    """Try whether what was missed could be found: the histories of the rooms that are listened to."""
    for needed in [one for one in about.places if one.right == "read"]:
        check = f"history of {needed.place}"
        try:
            called = await rooms_called(portal, needed.place)
            for room in called:
                await portal.history.of_folder(room)
        except RemoteError as error:
            remedy = error.remedy or _INVITE.format(role="room manager")
            yield Finding(
                check, "failed", f"it cannot be read, so nothing missed could be found: {error.message}", remedy
            )
        else:
            if called:  # that there is none is said where it is looked for
                yield Finding(check, "ok", "what was missed there can be found again")


def _named(way: tuple[PathPart, ...]) -> str:
    titles = [part.title for part in way]
    return f"{'/'.join(titles[1:] or titles)!r} ({way[-1].id})" if way else "an unknown place"
