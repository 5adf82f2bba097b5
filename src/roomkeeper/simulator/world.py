"""The portal's state: people, rooms, folders, files, and the rules that need nothing else."""

import hashlib
import itertools
import secrets
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from roomkeeper.simulator import rights
from roomkeeper.simulator.rights import Access
from roomkeeper.simulator.titles import title_key

ROOMS_ROOT, ARCHIVE_ROOT, TRASH_ROOT, MY_ROOT = 14, 20, 3, 5  # recorded: folder.listing
SHARE_ROOT, FAVORITES_ROOT, RECENT_ROOT = 6, 10, 11  # recorded: folder.listing
SECTIONS = {14: "VirtualRooms", 20: "Archive", 3: "Trash", 5: "My documents"}  # recorded: folder.listing
SECTIONS |= {SHARE_ROOT: "Shared with me", FAVORITES_ROOT: "Favorites", RECENT_ROOT: "Recent"}
# recorded: rooms.create
FOLDER_TYPES = {1: 15, 2: 16, 5: 19, 6: 22, 8: 29, 9: 31}  # a room's type, as its folder's type
COLOURS = ("61C059", "70E096", "FF6680", "7757D9", "1FCECB")  # a room gets one of them (recorded: rooms.create)
UNSAFE = set('\t*+:"<>?|\\/')


def now() -> datetime:
    """The database keeps whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


def file_title(title: str, limit: int = 170) -> str:
    """A file's title keeps its extension when it is cut (recorded: folders.titles)."""
    stem, dot, extension = title.rpartition(".")
    ending = sanitise(dot + extension) if dot and stem and len(title) > limit else ""
    return sanitise(stem if ending else title, limit - len(ending)) + ending


def sanitise(title: str, limit: int = 170) -> str:
    units = title.encode("utf-16-le", "surrogatepass")
    out = []
    for at in range(0, len(units), 2):
        unit = int.from_bytes(units[at : at + 2], "little")
        out.append("_" if 0xD800 <= unit <= 0xDFFF or chr(unit) in UNSAFE else chr(unit))
    return "".join(out)[:limit].strip()


@dataclass
class User:
    name: str
    email: str
    kind: str = "user"  # owner | admin | room_admin | user | guest
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: int = 1
    registered: datetime = field(default_factory=now)
    created_by: "User | None" = None
    visits: "Folder | None" = None  # the room that a stranger's link opens

    @property
    def is_admin(self) -> bool:
        return self.kind in {"owner", "admin"}

    @property
    def may_manage_rooms(self) -> bool:
        return self.kind in {"owner", "admin", "room_admin"}


@dataclass
class Key:
    user: User
    name: str
    permissions: list[str] | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    secret: str = field(default_factory=lambda: "sk-" + secrets.token_hex(32))  # ours
    is_active: bool = True
    created: datetime = field(default_factory=now)
    last_used: datetime | None = None
    expires: datetime | None = None


@dataclass
class Share:
    access: Access
    granted_by: str


@dataclass
class Link:
    """A link to a room, or to what lies in one; `kind` 0 is an invitation, 1 external."""

    kind: int
    access: Access
    title: str
    primary: bool = False
    expires: datetime | None = None
    password: str | None = None
    internal: bool = False
    deny_download: bool = False
    max_use: int | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    token: str = field(default_factory=lambda: secrets.token_urlsafe(12))  # ours


@dataclass
class Folder:
    id: int
    title: str
    parent: "Folder | None"
    created_by: User
    kind: int = 0  # the section number of a root folder
    room_type: int | None = None
    tags: list[str] = field(default_factory=list)
    shares: dict[str, Share] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    pinned_by: set[str] = field(default_factory=set)
    form_roles: set[str] = field(default_factory=set)  # whoever has a role in a form in it
    deny_download: bool = False
    is_indexed: bool = False
    lifetime: dict[str, Any] | None = None  # of the files in it, as it was given
    watermark: dict[str, Any] | None = None  # as it was given
    cover: str = ""
    colour: str = COLOURS[0]
    origin: "Folder | None" = None  # where it lay before it came into the trash
    created: datetime = field(default_factory=now)
    modified: datetime = field(default_factory=now)
    modified_by: User | None = None
    children: "dict[int, Folder]" = field(default_factory=dict)
    contents: "dict[int, File]" = field(default_factory=dict)
    titles: "dict[str, list[File]]" = field(default_factory=dict)

    def way(self) -> list["Folder"]:
        """From the section's root down to this folder."""
        here: Folder | None = self
        up: list[Folder] = []
        while here is not None:
            up.append(here)
            here = here.parent
        return up[::-1]

    def branch(self) -> "Iterator[Folder]":
        """This folder and all below."""
        yield self
        for child in self.children.values():
            yield from child.branch()

    @property
    def root(self) -> "Folder":
        return self.way()[0]

    @property
    def room(self) -> "Folder | None":
        return next((part for part in self.way() if part.room_type is not None), None)


@dataclass
class Version:
    content: bytes
    by: User
    at: datetime
    comment: str = ""
    is_lost: bool = False  # it is listed, and its content is not stored

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass
class File:
    id: int
    title: str
    folder: Folder
    created_by: User
    versions: list[Version]
    created: datetime = field(default_factory=now)
    locked_by: User | None = None
    editing_by: set[str] = field(default_factory=set)
    restricted: set[str] = field(default_factory=set)  # users who may not copy it
    moved_by: User | None = None  # to whom it is not new (recorded: ops.dates, ops.folders)
    origin: Folder | None = None  # where it lay before it came into the trash
    links: list[Link] = field(default_factory=list)
    converting: bool = False  # then it is counted and in no listing (recorded: facts, "Listings and history")
    is_open_version: bool = False  # the last one was saved before the editor was closed (EntryManager.cs)
    category: int = 0  # such as a PDF, and a PDF that is a form (FileMoveCopyOperation.cs)

    @property
    def current(self) -> Version:
        return self.versions[-1]

    @property
    def version(self) -> int:
        return len(self.versions)

    @property
    def size(self) -> int:
        return len(self.current.content)

    @property
    def extension(self) -> str:
        ending = self.title.rsplit(".", 1)[1] if "." in self.title else ""
        return f".{ending}" if ending else ""


class World:
    """Everything one portal knows."""

    def __init__(self) -> None:
        self.users: dict[str, User] = {}
        self.groups: dict[str, tuple[str, set[str]]] = {}
        self.keys: dict[str, Key] = {}
        self.folders: dict[int, Folder] = {}
        self.files: dict[int, File] = {}
        # Files and folders are counted apart, and the same number can be both: so it is here.
        self._folder_ids = itertools.count(1000)
        self.relations: dict[str, set[str]] = {}  # by user: the guests whom they invited or gave access
        self.base = "http://portal.example"
        self.room_limit: int | None = None
        self.space_limit: int | None = None  # bytes
        self.has_audit = True
        self.is_indexed = True
        self.logins: list[tuple[int, User, datetime]] = []
        self.title_key: Callable[[str], str] = (
            title_key  # which titles are one to the database: as MySQL compares, or exactly
        )
        self.conversion_seconds = 0.0  # that a file is hidden for, of a kind that is converted
        self.templates: dict[int, Folder] = {}
        self.anonymous = User("Anonymous", "", "anonymous")
        self.owner = self.add_user("Olga Owner", "owner@portal.example", "owner")
        self.rooms_root = self._add_root(ROOMS_ROOT, self.owner)
        self.archive_root = self._add_root(ARCHIVE_ROOT, self.owner)
        self._personal: dict[tuple[str, int], Folder] = {}

    def add_user(self, name: str, email: str, kind: str) -> User:
        user = User(name=name, email=email, kind=kind)
        self.users[user.id] = user
        return user

    def add_key(self, user: User, name: str, permissions: list[str] | None = None) -> Key:
        key = Key(user=user, name=name, permissions=permissions)
        self.keys[key.secret] = key
        return key

    def visitor(self, token: str) -> User:
        """Whoever comes without a key, perhaps by an external link without a password (recorded: links)."""
        linked, link = self.behind(token)
        if isinstance(linked, Folder) and link is not None and not link.password and not link.internal:
            return User("Anonymous", "", "anonymous", visits=linked)
        return self.anonymous

    def behind(self, token: str) -> "tuple[Folder | File | None, Link | None]":
        """What an external link leads to."""
        every: list[Folder | File] = [*self.folders.values(), *self.files.values()] if token else []
        for one in every:
            for link in one.links:
                if link.token == token and link.kind == 1:
                    return one, link
        return None, None

    def add_template(
        self, title: str, room_type: int, folders: list[str], number: int | None = None, files: Sequence[str] = ()
    ) -> Folder:
        """Make a room that is only a pattern; it is in no list of rooms."""
        template = Folder(number or next(self._folder_ids), sanitise(title), self.rooms_root, self.owner)
        template.room_type = room_type
        for name in folders:
            folder = Folder(next(self._folder_ids), name, template, self.owner)
            template.children[folder.id] = folder
        for name in files:
            self.add_file(template, name, name.encode(), self.owner)
        self.templates[template.id] = template
        return template

    def rooms(self) -> "list[Folder]":
        return [one for one in self.folders.values() if one.room_type is not None]

    def used(self, section: int) -> int:
        """Count the bytes in a section."""
        return sum(file.size for file in self.files.values() if file.folder.root.kind == section)

    def personal(self, user: User, kind: int) -> Folder:
        """The user's own documents or trash."""
        if (user.id, kind) not in self._personal:
            self._personal[user.id, kind] = self._add_root(kind, user)
        return self._personal[user.id, kind]

    def add_folder(self, parent: Folder, title: str, by: User, room_type: int | None = None) -> Folder:
        """No existence check: two folders may bear one title."""
        folder = Folder(next(self._folder_ids), sanitise(title), parent, by, room_type=room_type)
        self.folders[folder.id] = folder
        parent.children[folder.id] = folder
        return folder

    def add_file(self, folder: Folder, title: str, content: bytes, by: User, comment: str = "") -> File:
        at = now()
        # The greatest id plus one: that of a deleted file comes again (recorded; FileQueries.FileMaxIdAsync).
        file = File(
            next(reversed(self.files), 999) + 1, file_title(title), folder, by, [Version(content, by, at, comment)], at
        )
        self.files[file.id] = file
        self._place(file)
        return file

    def move_file(self, file: File, folder: Folder, by: User) -> None:
        """Keep id, versions and dates; two files of one title may come to lie side by side."""
        self._unplace(file)
        file.folder, file.moved_by = folder, by
        self._place(file)

    def rename_file(self, file: File, title: str) -> None:
        self._unplace(file)
        file.title = file_title(title)
        file.current.at = now()  # a rename moves it, too (FileDao.cs, FileRenameAsync)
        self._place(file)

    def purge_file(self, file: File) -> None:
        self._unplace(file)
        del self.files[file.id]

    def move_folder(self, folder: Folder, parent: Folder, by: User) -> None:
        if folder.parent is not None:
            del folder.parent.children[folder.id]
        folder.parent = parent
        parent.children[folder.id] = folder
        for file in self.files_in(folder, deep=True):
            file.moved_by = by

    def purge_folder(self, folder: Folder) -> None:
        for child in list(folder.children.values()):
            self.purge_folder(child)
        for file in list(folder.contents.values()):
            self.purge_file(file)
        if folder.parent is not None:
            del folder.parent.children[folder.id]
        del self.folders[folder.id]

    def folder(self, folder_id: object) -> Folder | None:
        number = _number(folder_id)
        return self.folders.get(number) or self.templates.get(number) if number is not None else None

    def file(self, file_id: object) -> File | None:
        number = _number(file_id)
        return self.files.get(number) if number is not None else None

    def subfolders(self, folder: Folder) -> list[Folder]:
        return list(folder.children.values())

    def files_in(self, folder: Folder, *, deep: bool = False) -> Iterator[File]:
        yield from folder.contents.values()
        if deep:
            for child in folder.children.values():
                yield from self.files_in(child, deep=True)

    def namesake(self, folder: Folder, title: str) -> File | None:
        """The file of that title in the folder; as the database compares."""
        return next(iter(folder.titles.get(self.title_key(title), ())), None)

    def conflicting(self, folder: Folder, file: File) -> File | None:
        """The file there that this one would meet: the oldest of its title (FileQueries.cs, DbFileQueryByTitleAsync).

        If that is of another category, the file gets another title beside it (FileMoveCopyOperation.cs).
        """
        there = folder.titles.get(self.title_key(file.title), ())
        oldest = min(there, key=lambda one: one.created, default=None)
        return oldest if oldest is not None and oldest.category == file.category else None

    def collides(self, folder: Folder, file: File) -> bool:
        """Whether any of its title and category is there (FilesController.cs, CheckMoveOrCopyBatchItems: IsExist)."""
        there = folder.titles.get(self.title_key(file.title), ())
        return any(one.category == file.category for one in there)

    def subfolder_titled(self, parent: Folder, title: str) -> Folder | None:
        wanted = self.title_key(title)
        return next((one for one in parent.children.values() if self.title_key(one.title) == wanted), None)

    def free_title(self, folder: Folder, title: str) -> str:
        """`Name (1).ext`, `Name (2).ext` …"""
        stem, dot, extension = title.rpartition(".") if "." in title else (title, "", "")
        candidate, number = title, 0
        while folder.titles.get(self.title_key(candidate)):
            number += 1
            candidate = f"{stem} ({number}){dot}{extension}"
        return candidate

    def free_folder_title(self, parent: Folder, title: str) -> str:
        """`Title (1)`, `Title (2)` …"""
        taken = {self.title_key(child.title) for child in parent.children.values()}
        candidate, number = title, 0
        while self.title_key(candidate) in taken:
            number += 1
            candidate = f"{title} ({number})"
        return candidate

    # --- rights -------------------------------------------------------------------------------------------

    def role(self, user: User, folder: Folder) -> Access:
        """The user's access to everything in this folder's room; an admin who is no member has Restrict."""
        if user.kind == "anonymous":
            return Access.READ if user.visits is not None and folder.room is user.visits else Access.NONE
        root = folder.root
        if root.kind in {MY_ROOT, TRASH_ROOT}:
            return Access.ROOM_MANAGER if root.created_by is user else Access.NONE
        room = folder.room
        if room is None:
            return Access.RESTRICT if user.is_admin else Access.READ
        if room.created_by is user:
            return Access.ROOM_MANAGER
        share = room.shares.get(user.id)
        if share is not None:
            return share.access
        for group, (_, members) in self.groups.items():
            if user.id in members and group in room.shares:
                return room.shares[group].access
        return Access.RESTRICT if user.is_admin else Access.NONE

    def folder_rights(self, user: User, folder: Folder) -> frozenset[str]:
        role, root = self.role(user, folder), folder.root
        if folder.room_type is not None:
            is_owner = folder.created_by is user
            return rights.of_room(role, folder.room_type, is_owner=is_owner, is_archived=root.kind == ARCHIVE_ROOT)
        if folder.parent is None:
            makes = user.may_manage_rooms if root is self.rooms_root else root.created_by is user
            flags = {"Read", *({"Create", "MoveTo"} if makes and root.kind in {ROOMS_ROOT, MY_ROOT} else ())}
            return frozenset(flags | ({"CopyTo"} if root.kind == MY_ROOT else set()))
        if root.kind == TRASH_ROOT:
            return rights.IN_TRASH if role is not Access.NONE else frozenset()
        is_creator = folder.created_by is user
        return rights.of_folder(role, is_creator=is_creator, is_archived=root.kind == ARCHIVE_ROOT)

    def file_rights(self, user: User, file: File) -> frozenset[str]:
        role, root = self.role(user, file.folder), file.folder.root
        if root.kind == TRASH_ROOT:
            return rights.IN_TRASH if role is not Access.NONE else frozenset()
        flags = rights.of_file(
            role,
            is_creator=file.created_by is user,
            is_held_by_another=file.locked_by not in (None, user),
            is_archived=root.kind == ARCHIVE_ROOT,
        )
        if role is Access.RESTRICT or user.id in file.restricted:
            flags -= {"Copy"}
        return flags

    def may_manage(self, user: User, folder: Folder) -> bool:
        return self.role(user, folder) is Access.ROOM_MANAGER and folder.root.kind != ARCHIVE_ROOT

    def is_stuck(self, user: User, folder: Folder) -> bool:
        """Whether a file below is open, or locked by another: then the folder is not moved (recorded: file.open)."""
        files = self.files_in(folder, deep=True)
        return any(file.editing_by or file.locked_by not in (None, user) for file in files)

    def may_read(self, user: User, folder: Folder) -> bool:
        return self.role(user, folder) is not Access.NONE

    def may_create(self, user: User, folder: Folder) -> bool:
        if folder.parent is None:
            return folder.kind == MY_ROOT and folder.created_by is user
        return "Create" in self.folder_rights(user, folder)

    def may_copy(self, user: User, file: File) -> bool:
        return "Copy" in self.file_rights(user, file)

    def may_edit(self, user: User, file: File) -> bool:
        return "Edit" in self.file_rights(user, file)

    def may_move(self, user: User, file: File) -> bool:
        return "Move" in self.file_rights(user, file)

    def _place(self, file: File) -> None:
        file.folder.contents[file.id] = file
        file.folder.titles.setdefault(self.title_key(file.title), []).append(file)

    def _unplace(self, file: File) -> None:
        del file.folder.contents[file.id]
        file.folder.titles[self.title_key(file.title)].remove(file)

    def _add_root(self, kind: int, owner: User) -> Folder:
        folder = Folder(next(self._folder_ids), SECTIONS[kind], None, owner, kind=kind)
        self.folders[folder.id] = folder
        return folder


def _number(value: object) -> int | None:
    try:
        return int(str(value))
    except ValueError:
        return None
