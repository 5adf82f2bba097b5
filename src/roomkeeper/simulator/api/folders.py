"""Folders: what is in them, where they are, making, renaming and deleting them, their history."""

from typing import Any

from roomkeeper.simulator import dto
from roomkeeper.simulator.api.listing import contents
from roomkeeper.simulator.api.request import Api, Reply, Routes, units
from roomkeeper.simulator.problems import ValidationError, forbidden, missing, rule_broken
from roomkeeper.simulator.world import FAVORITES_ROOT, MY_ROOT, RECENT_ROOT, SHARE_ROOT, TRASH_ROOT, now, sanitise

TITLE_LIMIT = 165  # (recorded: folders.titles, folder.create)


def folder_contents(api: Api) -> Any:
    folder = api.world.folder(api.request.path_params["folder_id"])
    if folder is None and api.user is api.world.anonymous:
        raise forbidden()
    if folder is not None and folder.root.kind == TRASH_ROOT and folder.parent is not None:  # (recorded: ops.delete)
        raise rule_broken("You are not allowed to preview the elements in the Trash")
    folder = api.folder()
    return contents(api, folder)


def my_contents(api: Api) -> Any:
    if api.user.kind == "guest":  # guests have no documents of their own (recorded: folder.create)
        raise missing("folder")
    return contents(api, api.world.personal(api.user, MY_ROOT))


def section(kind: int) -> Any:
    """A section of whoever asks, such as the trash."""

    def section_contents(api: Api) -> Any:
        return contents(api, api.world.personal(api.user, kind))

    return section_contents


async def root_contents(api: Api) -> Any:
    """All sections, in a stream."""
    kinds = (MY_ROOT, SHARE_ROOT, TRASH_ROOT)
    return Reply([contents(api, api.world.personal(api.user, kind)) for kind in kinds])


def folder_info(api: Api) -> Any:
    return dto.folder(api.folder(), api.world, api.user, is_single=True)


def folder_path(api: Api) -> Any:
    return Reply([dto.folder(one, api.world, api.user) for one in api.folder().way()], count=1)


def folder_subfolders(api: Api) -> Any:
    return Reply([dto.folder(one, api.world, api.user) for one in api.world.subfolders(api.folder())], count=1)


def folder_create(api: Api) -> Any:
    title = api.title(TITLE_LIMIT, "CreateFolder")
    parent = api.world.folder(api.request.path_params["folder_id"])
    if parent is None:
        raise rule_broken("The required folder was not found")
    if not api.world.may_create(api.user, parent):
        raise rule_broken("You don't have enough permission to create")
    folder = api.world.add_folder(parent, title, api.user)
    api.portal.history.note("FolderCreated", folder, api.user)
    api.portal.webhooks.publish("folder.created", folder, api.user)
    return dto.folder(folder, api.world, api.user)


def folder_rename(api: Api) -> Any:
    folder, title = api.folder(), api.body.get("title")
    if isinstance(title, str) and units(title) > TITLE_LIMIT:
        what = f"The field Title must be a string or array type with a maximum length of '{TITLE_LIMIT}'."
        raise ValidationError({"Title": [what]})
    # A guest may not, whatever `security` says (recorded: folder.create).
    if api.user.kind == "guest" and folder.created_by is api.user:
        raise forbidden()
    if api.user.kind == "guest" or "Rename" not in api.world.folder_rights(api.user, folder):
        raise rule_broken("You don't have enough permission to rename the folder")
    if isinstance(title, str) and title.strip():  # a blank one changes nothing (recorded: folder.create)
        old = folder.title
        folder.title, folder.modified, folder.modified_by = sanitise(title), now(), api.user
        is_room = folder.room_type is not None
        api.portal.history.note("RoomRenamed" if is_room else "FolderRenamed", folder, api.user, old_title=old)
        api.portal.webhooks.publish("room.updated" if is_room else "folder.updated", folder, api.user)
    shown = dto.folder(folder, api.world, api.user)
    is_blank = isinstance(title, str) and not title.strip()
    return shown | {"title": ""} if is_blank and folder.room_type is None else shown


def folder_delete(api: Api) -> Any:
    shown = api.portal.fileops.delete(api.user, [], [api.folder()], immediately=api.switch("immediately"))
    return Reply(shown, count=1)


def folder_log(api: Api) -> Any:
    folder = api.world.folder(api.request.path_params["folder_id"])
    if folder is not None and not api.world.may_read(api.user, folder):
        raise forbidden()
    return log(api, api.folder())


def log(api: Api, wanted: Any) -> Reply:
    """The history of a folder or a file; a date in whatever form is refused (recorded: history)."""
    count, start = api.number("count", 100, most=100), api.start()
    for name in ("fromDate", "toDate"):
        if api.query(name):
            raise ValidationError({name: ["The input was not valid."]})
    items, number, total = api.portal.history.page(wanted, start, count)
    return Reply(items, count=number, total=total)


def folder_news(api: Api) -> Any:
    api.folder()
    return Reply([], count=1)  # (recorded: history)


ROUTES: Routes = [
    ("POST", "/files/folder/{folder_id}", folder_create, "files"),
    ("PUT", "/files/folder/{folder_id}", folder_rename, "files"),
    ("DELETE", "/files/folder/{folder_id}", folder_delete, "files"),
    ("GET", "/files/folder/{folder_id}", folder_info, "files"),
    ("GET", "/files/folder/{folder_id}/path", folder_path, "files"),
    ("GET", "/files/folder/{folder_id}/log", folder_log, "files"),
    ("GET", "/files/@my", my_contents, "files"),
    ("GET", "/files/@root", root_contents, "files"),
    ("GET", "/files/@trash", section(TRASH_ROOT), "files"),
    ("GET", "/files/@favorites", section(FAVORITES_ROOT), "files"),
    ("GET", "/files/@recent", section(RECENT_ROOT), "files"),
    ("GET", "/files/@share", section(SHARE_ROOT), "files"),
    ("GET", "/files/{folder_id}/subfolders", folder_subfolders, "files"),
    ("GET", "/files/{folder_id}/news", folder_news, "files"),
    ("GET", "/files/{folder_id}", folder_contents, "files"),
]
ANONYMOUS = {folder_contents, folder_info}
