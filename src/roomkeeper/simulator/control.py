"""What a real portal has no routes for: make people, cause faults, read the journal. All below /_sim/."""

from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from roomkeeper.simulator import dto
from roomkeeper.simulator.api.request import Portal
from roomkeeper.simulator.api.uploads import convert, save_edited, store
from roomkeeper.simulator.faults import KINDS, Fault
from roomkeeper.simulator.rights import Access
from roomkeeper.simulator.titles import exactly, title_key
from roomkeeper.simulator.world import File, Folder, Share, now


def routes(faults: list[Fault]) -> list[Route]:
    """Build the control routes over the list of faults that the injector reads."""

    async def users(request: Request) -> JSONResponse:
        """Make a user and a key: {name, email, kind, permissions?}."""
        wanted, world = await request.json(), _portal(request).world
        user = world.add_user(wanted["name"], wanted["email"], wanted.get("kind", "user"))
        user.created_by = world.owner
        key = world.add_key(user, wanted.get("key_name", "key"), wanted.get("permissions"))
        return JSONResponse({"id": user.id, "key": key.secret, "key_id": key.id})

    async def groups(request: Request) -> JSONResponse:
        wanted = await request.json()
        _portal(request).world.groups[wanted["id"]] = (wanted["name"], set(wanted["members"]))
        return JSONResponse({})

    async def cause(request: Request) -> JSONResponse:
        """Replace the faults by this list; an empty one ends them."""
        wanted = await request.json()
        unknown = [one["kind"] for one in wanted if one.get("kind") not in KINDS]
        if unknown:
            return JSONResponse({"error": f"unknown kinds {unknown}; there are {KINDS}"}, 400)
        faults[:] = [Fault(**one) for one in wanted]
        return JSONResponse({"faults": len(faults)})

    async def struck(_: Request) -> JSONResponse:
        return JSONResponse([{"kind": one.kind, "path": one.path, "done": one.done} for one in faults])

    async def operations(request: Request) -> JSONResponse:
        """Set {vanish_every, vanish_after, hollow, locked, seconds_per_item, queue_seconds}."""
        for name, value in (await request.json()).items():
            setattr(_portal(request).fileops.faults, name, value)
        return JSONResponse({})

    async def settings(request: Request) -> JSONResponse:
        """Set {tenant_status (1: suspended, 4: restoring), webhooks_suppressed, refuses_private, policy, room_limit,
        space_limit, has_audit, is_indexed (false: the search engine has nothing yet), conversion_seconds, backups:
        {seconds, left, fails}, handover_seconds, enforce_limits, loses_history, titles: mysql | postgresql (while it is
        empty)} and the limits, of the portal and of the vendors.
        """
        portal, wanted = _portal(request), await request.json()
        portal.tenant_status = wanted.pop("tenant_status", portal.tenant_status)
        portal.webhooks.suppressed = wanted.pop("webhooks_suppressed", portal.webhooks.suppressed)
        portal.webhooks.refuses_private = wanted.pop("refuses_private", portal.webhooks.refuses_private)
        portal.webhooks.policy |= wanted.pop("policy", {})
        portal.limits.enforce = wanted.pop("enforce_limits", portal.limits.enforce)
        portal.history.loses = wanted.pop("loses_history", portal.history.loses)
        if "titles" in wanted:
            portal.world.title_key = {"mysql": title_key, "postgresql": exactly}[wanted.pop("titles")]
        portal.handover_seconds = wanted.pop("handover_seconds", portal.handover_seconds)
        for name, value in wanted.pop("backups", {}).items():
            setattr(portal.backups, name, value)
        for name in {"room_limit", "space_limit", "has_audit", "is_indexed"} & set(wanted):
            setattr(portal.world, name, wanted.pop(name))
        portal.world.conversion_seconds = wanted.pop("conversion_seconds", portal.world.conversion_seconds)
        for name, value in wanted.items():
            setattr(portal.limits, name, value)
        return JSONResponse({})

    async def keys(request: Request) -> JSONResponse:
        """Change a key: {key, is_active?, permissions?, expires_in_days?}."""
        wanted = await request.json()
        key = _portal(request).world.keys[wanted["key"]]
        key.is_active = wanted.get("is_active", key.is_active)
        key.permissions = wanted.get("permissions", key.permissions)
        if "expires_in_days" in wanted:
            key.expires = now() + timedelta(days=wanted["expires_in_days"])
        return JSONResponse({})

    async def hooks(request: Request) -> JSONResponse:
        """Look at the webhooks, or change one: {id, enabled?, triggers?, secret?, quiet_days?}."""
        configs = _portal(request).webhooks.configs
        if request.method == "PUT":
            wanted = await request.json()
            config = configs[wanted["id"]]
            for name in {"enabled", "triggers", "secret"} & set(wanted):
                setattr(config, name, wanted[name])
            if "quiet_days" in wanted:
                config.last_success = now() - timedelta(days=wanted["quiet_days"])
                config.created = min(config.created, config.last_success)
        shown = [
            {"id": one.id, "uri": one.uri, "enabled": one.enabled, "triggers": one.triggers, "secret": one.secret}
            for one in configs.values()
        ]
        return JSONResponse(shown)

    async def file(request: Request) -> JSONResponse:
        """Look at a file as nobody can, or set {editing_by, restricted: [user ids], converting, category, locked_by,
        created_by, days_old, disk_days_old}: saved so long ago, or made then by the clock of whoever uploaded it.

        {converted: title, in_place} has the document server make another file of it, or another version.
        {saved: text, user, is_forced} lets a user save it in the editor, forced: before it is closed.
        """
        world = _portal(request).world
        one = world.file(request.path_params["id"])
        if one is None:
            return JSONResponse({}, 404)
        wanted = await request.json() if request.method == "PUT" else {}
        if "locked_by" in wanted:
            one.locked_by = world.users.get(wanted["locked_by"])
        if "created_by" in wanted:
            one.created_by = world.users[wanted["created_by"]]
        if "days_old" in wanted:
            one.created -= timedelta(days=wanted["days_old"])
            for version in one.versions:
                version.at -= timedelta(days=wanted["days_old"])
        one.created -= timedelta(days=wanted.get("disk_days_old", 0))
        if "converted" in wanted:
            convert(_portal(request), one, wanted["converted"], in_place=wanted.get("in_place", False))
        if "saved" in wanted:
            save_edited(
                _portal(request),
                one,
                wanted["saved"].encode(),
                world.users[wanted["user"]],
                is_forced=wanted.get("is_forced", False),
            )
        for name in {"editing_by", "restricted"} & set(wanted):
            setattr(one, name, set(wanted[name]))
        one.converting = wanted.get("converting", one.converting)
        one.category = wanted.get("category", one.category)
        return JSONResponse(_described(one))

    async def folder(request: Request) -> JSONResponse:
        """Have a room keep its files only so long: {lifetime: {period, value}}."""
        one = _portal(request).world.folders[int(request.path_params["id"])]
        one.lifetime = (await request.json())["lifetime"]
        return JSONResponse({})

    async def tree(request: Request) -> JSONResponse:
        """Every file below a folder, with its path and the digest of each version."""
        world = _portal(request).world
        folder = world.folder(request.path_params["id"])
        if folder is None:
            return JSONResponse([], 404)
        return JSONResponse([_described(one, below=len(folder.way())) for one in world.files_in(folder, deep=True)])

    async def fill(request: Request) -> JSONResponse:
        """Let {user} upload {files} files in one moment; {tell} the webhooks of it as a chunked upload would."""
        portal, wanted = _portal(request), await request.json()
        folder, user = portal.world.folders[int(request.path_params["id"])], portal.world.users[wanted["user"]]
        for number in range(wanted["files"]):
            content = f"{number} of {wanted['files']}".encode()
            title = f"{wanted['files']} {number}.docx"
            file = store(portal, folder, title, content, user, create_new=False)
            if wanted.get("tell"):
                portal.webhooks.publish("file.uploaded", file, user)
        return JSONResponse({})

    async def tell(request: Request) -> JSONResponse:
        """Tell the webhooks of something, as if {user} had done it: {trigger, file | folder | person, submitted?}; or
        write it into the history: {history, file}.

        For what cannot be done here: forms, agents, deleted accounts, rooms with a quota.
        """
        portal, wanted = _portal(request), await request.json()
        world, trigger = portal.world, wanted.get("trigger", "")
        actor = world.users[wanted["user"]]
        if "history" in wanted:
            portal.history.note(wanted["history"], world.files[wanted["file"]], actor)
        elif "person" in wanted:
            portal.webhooks.publish_person(trigger, world.users[wanted["person"]], actor)
        elif "submitted" in wanted:
            portal.webhooks.publish_form(trigger, world.files[wanted["file"]], world.files[wanted["submitted"]], actor)
        else:
            entity = world.files[wanted["file"]] if "file" in wanted else world.folders[wanted["folder"]]
            portal.webhooks.publish(trigger, entity, actor)
        return JSONResponse({})

    async def logins(request: Request) -> JSONResponse:
        """Let people log in: {user: how many days ago}; and make their accounts so old, with {made: days}."""
        world = _portal(request).world
        wanted = await request.json()
        for user in world.users.values():
            user.registered -= timedelta(days=wanted.get("made", 0))
        for id_, days in wanted.get("logins", {}).items():
            world.logins.append((len(world.logins) + 1, world.users[id_], now() - timedelta(days=days)))
        world.logins.sort(key=lambda one: one[2])
        return JSONResponse({})

    async def templates(request: Request) -> JSONResponse:
        """Make room templates: {id: [type, [folders], [files], {lifetime, watermark, cover}]}."""
        world = _portal(request).world
        for id_, (kind, folders, *more) in (await request.json()).items():
            template = world.add_template(f"Template {id_}", kind, folders, int(id_), *more[:1])
            for name, value in (more[1] if more[1:] else {}).items():
                setattr(template, name, value)
            template.shares = {one: Share(Access.READ, world.owner.id) for one in world.users}
        return JSONResponse({})

    async def rooms(request: Request) -> JSONResponse:
        """Every room: its title, type, tags, folders, members and links."""
        world = _portal(request).world
        shown = [
            {
                "id": room.id,
                "title": room.title,
                "type": room.room_type,
                "tags": room.tags,
                "folders": sorted("/".join(part.title for part in one.way()[2:]) for one in _below(room)),
                "members": {who: int(one.access) for who, one in room.shares.items()},
                "links": [{"token": one.token, "kind": one.kind, "title": one.title} for one in room.links],
            }
            for room in world.folders.values()
            if room.room_type is not None
        ]
        return JSONResponse(shown)

    async def members(request: Request) -> JSONResponse:
        """Who has access to a room, its owner first: {user or group id: access}; or give {form_roles} in it."""
        room = _portal(request).world.folders[int(request.path_params["id"])]
        if request.method == "PUT":
            room.form_roles = set((await request.json())["form_roles"])
        return JSONResponse({room.created_by.id: 1} | {who: int(one.access) for who, one in room.shares.items()})

    async def join(request: Request) -> JSONResponse:
        """Let {user} open the room's invitation link: who joined so has the access from nobody else.

        InvitationService.cs: the joiner's own share, and no relation to whoever made the link.
        """
        portal, wanted = _portal(request), await request.json()
        room, user = portal.world.folders[int(request.path_params["id"])], portal.world.users[wanted["user"]]
        link = next(one for one in room.links if one.kind == 0)
        room.shares[user.id] = Share(link.access, user.id)
        portal.history.note_member("RoomCreateUser", room, user, user, access=link.access)
        return JSONResponse({"access": int(link.access)})

    async def grow(request: Request) -> JSONResponse:
        """Let {user} make {folders} folders, and spread {files} files over them; {title} gives all the same one."""
        portal, wanted = _portal(request), await request.json()
        root, user = portal.world.folders[int(request.path_params["id"])], portal.world.users[wanted["user"]]
        made = [root]
        for number in range(wanted["folders"]):
            shallow = [one for one in made[-20:] if len(one.way()) - len(root.way()) < wanted.get("depth", 4)]
            parent = root if number % 10 == 0 or not shallow else shallow[number % len(shallow)]
            made.append(portal.world.add_folder(parent, f"Folder {number}", user))
        for number in range(wanted["files"]):
            title, twins = wanted.get("title") or f"File {number}.docx", "title" in wanted
            store(portal, made[number % len(made)], title, f"{number}".encode(), user, create_new=twins)
        return JSONResponse({})

    async def journal(request: Request) -> JSONResponse:
        since = int(request.query_params.get("since", 0))
        return JSONResponse(_portal(request).journal[since:])

    async def usage(request: Request) -> JSONResponse:
        portal = _portal(request)
        shown = {}
        for user, one in portal.limits.usage.items():
            shown[portal.world.users[user].name] = {
                "peak_per_minute": one.peak_per_minute,
                "peak_reads": one.peak_in_flight[False],
                "peak_writes": one.peak_in_flight[True],
                "writes_today": one.writes_today,
                "refused": one.refused,
            }
        return JSONResponse(shown)

    async def deliveries(request: Request) -> JSONResponse:
        """How the webhooks did: how many rows, how many of them delivered, waiting or given up."""
        hooks = _portal(request).webhooks
        delivered = sum(1 for row in hooks.log if row.delivery is not None)
        return JSONResponse({"rows": len(hooks.log), "delivered": delivered, "pending": hooks.pending})

    return [
        Route("/_sim/users", users, methods=["POST"]),
        Route("/_sim/groups", groups, methods=["POST"]),
        Route("/_sim/faults", cause, methods=["PUT"]),
        Route("/_sim/faults", struck, methods=["GET"]),
        Route("/_sim/operations", operations, methods=["PUT"]),
        Route("/_sim/settings", settings, methods=["PUT"]),
        Route("/_sim/keys", keys, methods=["PUT"]),
        Route("/_sim/webhooks", hooks, methods=["GET", "PUT"]),
        Route("/_sim/files/{id}", file, methods=["GET", "PUT"]),
        Route("/_sim/folders/{id}", folder, methods=["PUT"]),
        Route("/_sim/folders/{id}/tree", tree),
        Route("/_sim/folders/{id}/fill", fill, methods=["POST"]),
        Route("/_sim/rooms", rooms),
        Route("/_sim/templates", templates, methods=["PUT"]),
        Route("/_sim/logins", logins, methods=["PUT"]),
        Route("/_sim/tell", tell, methods=["POST"]),
        Route("/_sim/rooms/{id}/members", members, methods=["GET", "PUT"]),
        Route("/_sim/rooms/{id}/join", join, methods=["POST"]),
        Route("/_sim/folders/{id}/grow", grow, methods=["POST"]),
        Route("/_sim/journal", journal),
        Route("/_sim/usage", usage),
        Route("/_sim/deliveries", deliveries),
    ]


def _portal(request: Request) -> Portal:
    portal: Portal = request.app.state.portal
    return portal


def _below(folder: Folder) -> list[Folder]:
    return [found for child in folder.children.values() for found in (child, *_below(child))]


def _described(one: File, below: int = 0) -> dict[str, Any]:
    return {
        "id": one.id,
        "title": one.title,
        "folder": one.folder.id,
        "path": [part.title for part in one.folder.way()[below:]],
        "version": one.version,
        "digests": [version.digest for version in one.versions],
        "created_by": one.created_by.name,
        "seen_by_portal": dto.utc(one.created),
    }
