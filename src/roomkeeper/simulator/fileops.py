"""Copy, move and delete: a synchronous all-or-nothing check, then an asynchronous operation."""

import asyncio
import contextlib
import time
import traceback
import uuid
from dataclasses import dataclass, field
from typing import Any

from roomkeeper.simulator import dto
from roomkeeper.simulator.history import History
from roomkeeper.simulator.problems import ApiError, forbidden, missing, rule_broken
from roomkeeper.simulator.rights import Access
from roomkeeper.simulator.webhooks import Webhooks
from roomkeeper.simulator.world import ARCHIVE_ROOT, TRASH_ROOT, File, Folder, User, Version, World, now

MOVE, COPY, DELETE, DOWNLOAD, DUPLICATING = 0, 1, 2, 3, 7  # FileOperationDto.cs; recorded: ops.shape
SKIP, OVERWRITE, DUPLICATE = 0, 1, 2  # FileConflictResolveType.cs
LOCKED = "Distributed Lock Error. Status: NotAcquired, Resource: room_1, Elapsed: 30012"  # DistributedLockException.cs
CREATED, RUNNING, COMPLETED, CANCELED, FAILED = 0, 1, 2, 3, 4  # recorded: ops.shape
FORM_ROOM = 1  # recorded: rooms.create
WORKERS = 10  # copies and moves at the same time (FilesWorkerServiceExtensions.cs:91)
# DefaultDistributedTaskQueueFactory.cs
UNPOLLED_LIFE = 60.0  # seconds after its last progress; a task nobody asks for is dropped, running or not


@dataclass
class Operation:
    owner: User
    kind: int
    hold: bool
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    progress: int = 0
    error: str = ""
    processed: int = 0
    finished_at: float | None = None
    touched: float = field(default_factory=time.monotonic)
    sources: list[File] = field(default_factory=list)
    results: list[File] = field(default_factory=list)
    destination: Folder | None = None
    touched_folders: list[Folder] = field(default_factory=list)  # those of the request, where they are now
    status: int = RUNNING
    is_gone: bool = False

    @property
    def is_finished(self) -> bool:
        return self.finished_at is not None


@dataclass
class Faults:
    """What goes wrong inside operations, on request."""

    locked: int = 0  # copies of files for which the room is locked by whoever writes into it
    vanish_every: int = 0  # every n-th operation is not to be found again…
    vanish_after: int | None = None  # …having done so many items first (None: all)
    hollow: int = 0  # so many copies are listed and have no content: the worker ended in between (FileDao.cs)
    seconds_per_item: float = 0.001  # ours
    queue_seconds: float = 0.0


@dataclass(frozen=True)
class Batch:
    """What a copy or move request asks for."""

    files: list[Any]
    folders: list[Any]
    destination: Any
    conflict: int
    hold: bool
    content: bool
    single: bool


class FileOps:
    """The operations of all users."""

    def __init__(self, world: World, webhooks: Webhooks, history: History) -> None:
        self.world, self.webhooks, self.history = world, webhooks, history
        self.faults = Faults()
        self.started = 0
        self._operations: dict[str, Operation] = {}
        self._jobs: set[asyncio.Task[None]] = set()
        self._workers = asyncio.Semaphore(WORKERS)

    # --- requests -----------------------------------------------------------------------------------------

    def duplicate(self, user: User, files: list[File], folders: list[Folder]) -> list[dict[str, Any]]:
        """Copy each beside itself; a room, too."""
        if any(not self.world.may_copy(user, file) for file in files):
            raise forbidden()
        if any("Duplicate" not in self.world.folder_rights(user, folder) for folder in folders):
            raise forbidden()
        operation = Operation(user, DUPLICATING, hold=True)
        self._begin(operation, self._work_duplicate(operation, files, folders))
        return [self._dto(operation, user)]

    def download(self, user: User, files: list[File]) -> list[dict[str, Any]]:
        """Pack files for a download: nothing but the events of it."""
        operation = Operation(user, DOWNLOAD, hold=True)
        self._begin(operation, self._work_download(operation, files))
        return [self._dto(operation, user)]

    def transfer(self, user: User, kind: int, batch: Batch) -> list[dict[str, Any]]:
        """Check everything, then queue; an empty request starts nothing."""
        if not batch.files and not batch.folders:
            return self.listing(user)
        destination, files, folders = self._check(user, kind, batch)
        operation = Operation(user, kind, batch.hold, destination=destination)
        self._begin(operation, self._work_transfer(operation, files, folders, batch.conflict))
        if batch.single:
            return [self._dto(operation, user)]
        # It lists every operation of the user and only then chooses: the finished ones of the other kind are eaten.
        shown = [self._dto(one, user) for one in self._of(user) if one.kind == kind]
        self._consume(user)
        return shown

    def delete(
        self, user: User, files: list[File], folders: list[Folder], *, immediately: bool
    ) -> list[dict[str, Any]]:
        for file in files:
            if "Delete" not in self.world.file_rights(user, file) or file.editing_by:
                raise forbidden()
        for folder in folders:
            if "Delete" not in self.world.folder_rights(user, folder):
                raise forbidden()
        operation = Operation(user, DELETE, hold=True)
        self._begin(operation, self._work_delete(operation, files, folders, immediately))
        shown = [self._dto(one, user) for one in self._of(user) if one.kind == DELETE]
        self._consume(user)
        return shown

    def archive(self, user: User, room: Folder, *, back: bool) -> dict[str, Any]:
        if room.created_by is not user and not user.is_admin:
            raise forbidden()
        if not back and any(file.editing_by for one in room.branch() for file in one.contents.values()):
            raise forbidden()  # in the same words (CopyPermissionsCheck.cs)
        operation = Operation(user, MOVE, hold=True)
        operation.destination = self.world.rooms_root if back else self.world.archive_root
        self._begin(operation, self._work_archive(operation, room, back))
        self._consume(user)
        return self._dto(operation, user)

    def delete_room(self, user: User, room: Folder) -> dict[str, Any]:
        """For good, by its owner; an archived one by administrators, too (recorded: room.delete)."""
        if "Delete" not in self.world.folder_rights(user, room):
            raise forbidden()
        operation = Operation(user, DELETE, hold=True)
        self._begin(operation, self._work_delete_room(operation, room))
        self._consume(user)
        return self._dto(operation, user)

    def of_kind(self, user: User, kind: int) -> list[dict[str, Any]]:
        shown = [self._dto(one, user) for one in self._of(user) if one.kind == kind]
        self._consume(user)
        return shown

    def listing(self, user: User, wanted: str | None = None) -> list[dict[str, Any]]:
        """The user's operations, or one; whatever is reported with a final status is gone afterwards."""
        for operation in self._of(user):
            if time.monotonic() - operation.touched > UNPOLLED_LIFE:
                self._drop(operation)
        shown = [self._dto(one, user) for one in self._of(user) if wanted in {None, one.id}]
        self._consume(user, wanted)
        return shown

    def terminate(self, user: User, wanted: str | None) -> list[dict[str, Any]]:
        for operation in list(self._of(user)):
            if wanted in {None, operation.id}:
                operation.status = CANCELED
                self._drop(operation)
        return self.listing(user)

    def conflicts(self, user: User, destination: Any, file_ids: list[Any]) -> list[dict[str, Any]]:
        folder = self.world.folder(destination)
        if folder is None or not self.world.may_create(user, folder):
            raise forbidden()
        sources = [file for one in file_ids if (file := self.world.file(one)) is not None]
        colliding = [file for file in sources if self.world.collides(folder, file)]
        return [dto.file(file, self.world, user) for file in colliding]  # the sources (recorded: ops.check)

    # --- the synchronous check ----------------------------------------------------------------------------

    def _check(self, user: User, kind: int, batch: Batch) -> tuple[Folder, list[File], list[Folder]]:
        destination = self.world.folder(batch.destination)
        if destination is None:
            raise missing("folder")
        if not self.world.may_create(user, destination):
            raise forbidden()
        folders = self._check_folders(user, kind, batch.folders, destination)
        files: list[File] = []
        if batch.content:
            for folder in folders:
                files += list(folder.contents.values())
            folders = [child for folder in folders for child in folder.children.values()]
        for position, wanted in enumerate(batch.files):
            file = self.world.file(wanted)
            in_trash = file is not None and file.folder.root.kind == TRASH_ROOT
            if file is None or (in_trash and (kind == COPY or file.folder.root.created_by is not user)):
                raise forbidden() if position == 0 else missing("file")
            self._check_file(user, kind, file, destination, batch.conflict)
            files.append(file)
        return destination, files, folders

    def _check_folders(self, user: User, kind: int, wanted: list[Any], destination: Folder) -> list[Folder]:
        folders: list[Folder] = []
        for position, one in enumerate(wanted):
            folder = self.world.folder(one)
            if folder is None:
                raise (
                    ApiError(
                        500, "Object reference not set to an instance of an object.", "System.NullReferenceException"
                    )
                    if position == 0
                    else missing("folder")
                )
            if folder in destination.way():
                raise rule_broken("You cannot copy the folder to its subfolder")
            if folder.room_type is not None or self.world.role(user, folder) in {Access.NONE, Access.RESTRICT}:
                raise forbidden()
            wanted_right = "Move" if kind == MOVE else "Copy"
            if wanted_right not in self.world.folder_rights(user, folder):
                raise forbidden()
            if kind == MOVE and self.world.is_stuck(user, folder):
                raise forbidden()
            folders.append(folder)
        return folders

    def _check_file(self, user: User, kind: int, file: File, destination: Folder, conflict: int) -> None:
        target = self.world.conflicting(destination, file)
        allowed = self._may_move(user, file) if kind == MOVE else self.world.may_copy(user, file)
        if not allowed:
            raise forbidden()
        room = destination.room
        if room is not None and room.room_type == FORM_ROOM and file.extension.casefold() != ".pdf":
            raise rule_broken("Only PDF forms can be added to this room")
        is_held = bool(file.editing_by) or file.locked_by not in (None, user)
        stays = conflict == SKIP and target is not None  # then it is not looked at (recorded: file.lock)
        if kind == MOVE and is_held and not stays:
            raise forbidden()
        if conflict != OVERWRITE or target is None or target is file:
            return
        if target.locked_by not in (None, user) or target.editing_by or not self.world.may_edit(user, target):
            raise forbidden()

    def _may_move(self, user: User, file: File) -> bool:
        """Whether the right to move is there, whoever holds the file locked."""
        holder, file.locked_by = file.locked_by, None
        try:
            return self.world.may_move(user, file)
        finally:
            file.locked_by = holder

    # --- the asynchronous work ----------------------------------------------------------------------------

    def _begin(self, operation: Operation, work: Any) -> None:
        self.started += 1
        vanishes = bool(self.faults.vanish_every) and self.started % self.faults.vanish_every == 0
        self._operations[operation.id] = operation
        if vanishes:
            operation.is_gone = True
        job = asyncio.get_running_loop().create_task(self._drive(operation, work))
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    async def _drive(self, operation: Operation, work: Any) -> None:
        await asyncio.sleep(self.faults.queue_seconds)
        operation.status = RUNNING
        try:
            async with self._workers if operation.kind in {MOVE, COPY} else contextlib.nullcontext():
                await work
        except Exception:  # noqa: BLE001 - as the server does: logged, and the operation ends without an error
            traceback.print_exc()
        operation.progress = 100
        operation.finished_at = time.monotonic()
        if not operation.hold:
            self._drop(operation)

    async def _each(self, operation: Operation, count: int) -> bool:
        """Take the time of one item; False if the operation is to stop before it."""
        await asyncio.sleep(self.faults.seconds_per_item)
        operation.touched = time.monotonic()
        operation.progress = min(99, operation.progress + max(1, 100 // max(1, count)))
        cut_short = operation.is_gone and self.faults.vanish_after is not None
        return operation.status != CANCELED and not (
            cut_short and operation.processed >= (self.faults.vanish_after or 0)
        )

    async def _work_transfer(
        self, operation: Operation, files: list[File], folders: list[Folder], conflict: int
    ) -> None:
        destination = operation.destination
        if destination is None:
            return
        for file in files:
            # The namesake is looked for before the content is copied: what another operation adds meanwhile is
            # not seen, and both can come to lie there.
            target = self.world.conflicting(destination, file)
            if not await self._each(operation, len(files)):
                return
            if self.world.folders.get(destination.id) is None:
                return  # only logged by the server: no error, nothing processed
            if self._transfer_file(operation, file, destination, conflict, target):
                operation.processed += 1
                operation.sources.append(file)
        for folder in folders:
            if not await self._each(operation, len(folders)):
                return
            await self._transfer_folder(operation, folder, destination, conflict)

    def _transfer_file(
        self, operation: Operation, file: File, destination: Folder, conflict: int, target: File | None
    ) -> bool:
        if self.world.files.get(file.id) is None:
            operation.error = "The required file was not found"
            return False
        if operation.kind == MOVE:
            return self._move_file(operation, file, destination, conflict, target)
        return self._copy_file(operation, file, destination, conflict, target)

    def _copy_file(
        self, operation: Operation, file: File, destination: Folder, conflict: int, target: File | None
    ) -> bool:
        user = operation.owner
        if self.faults.locked:
            self.faults.locked -= 1
            operation.error = LOCKED
            return False
        if target is not None and conflict == SKIP:
            return False
        if target is not None and conflict == OVERWRITE:
            if target.locked_by not in (None, user) or target.editing_by:
                operation.error = "The file is locked"
                return False
            target.versions.append(Version(file.current.content, user, now(), "Copied"))
            copy = target
        else:
            title = self.world.free_title(destination, file.title)
            copy = self.world.add_file(destination, title, file.current.content, user, "Copied")
            copy.category = file.category
        if self.faults.hollow:
            self.faults.hollow -= 1
            copy.current.is_lost = True
        if destination is operation.destination or operation.kind == DUPLICATING:
            operation.results.append(copy)
        self.history.note("FileCopied", copy, user, source=file.folder)
        self.webhooks.publish("file.copied", copy, user)
        return True

    def _move_file(
        self, operation: Operation, file: File, destination: Folder, conflict: int, target: File | None
    ) -> bool:
        user, source = operation.owner, file.folder
        if target is not None and conflict == SKIP:
            return False
        if file.editing_by or file.locked_by not in (None, user):
            operation.error = "The file is locked"
            return False
        moved = file
        if target is not None and conflict == OVERWRITE:
            target.versions.append(Version(file.current.content, user, now()))
            if target is not file:  # onto itself it gets a version, too (recorded: ops.conflicts)
                self.world.purge_file(file)
            moved = target
        else:
            file.origin = None
            self.world.move_file(file, destination, user)
        if destination is operation.destination:
            operation.results.append(moved)
        self.history.note("FileMoved", moved, user, source=source)
        self.webhooks.publish("file.restored" if source.root.kind == TRASH_ROOT else "file.moved", moved, user)
        return True

    async def _transfer_folder(self, operation: Operation, folder: Folder, destination: Folder, conflict: int) -> None:
        user = operation.owner
        same = self.world.subfolder_titled(destination, folder.title)
        if operation.kind == MOVE and same is not None and conflict == OVERWRITE:
            return  # (recorded: ops.folders)
        if operation.kind == MOVE and (same is None or conflict == DUPLICATE):
            self._move_folder(operation, folder, destination)
            return
        target = same if same is not None and conflict != DUPLICATE else None
        if target is None:
            title = self.world.free_folder_title(destination, folder.title)
            target = self.world.add_folder(destination, title, user)
            self.history.note("FolderCopied", target, user, source=folder.parent)
            self.webhooks.publish("folder.copied", target, user)
            operation.processed += 1  # a copied folder is counted twice
        if operation.kind == COPY and destination is operation.destination:
            operation.touched_folders.append(target)
        for file in list(folder.contents.values()):
            namesake = self.world.conflicting(target, file)
            if await self._each(operation, len(folder.contents)) and self._transfer_file(
                operation, file, target, conflict, namesake
            ):
                operation.processed += 1
        for child in list(folder.children.values()):
            await self._transfer_folder(operation, child, target, conflict)
        is_empty = not folder.contents and not folder.children
        operation.processed += operation.kind != MOVE or is_empty
        if operation.kind == MOVE and is_empty:
            self.world.purge_folder(folder)

    def _move_folder(self, operation: Operation, folder: Folder, destination: Folder) -> None:
        user = operation.owner
        if self.world.is_stuck(user, folder):
            operation.error = "The file is locked or being edited"
            return
        source = folder.parent or folder
        was_trash = source.root.kind == TRASH_ROOT
        folder.origin = None
        self.world.move_folder(folder, destination, user)
        operation.touched_folders.insert(0, folder)
        self.history.note("FolderMoved", folder, user, source=source)
        self.webhooks.publish("folder.restored" if was_trash else "folder.moved", folder, user)
        operation.processed += 1

    async def _work_duplicate(self, operation: Operation, files: list[File], folders: list[Folder]) -> None:
        user = operation.owner
        for file in files:
            if await self._each(operation, len(files)) and self._copy_file(
                operation, file, file.folder, DUPLICATE, None
            ):
                operation.processed += 1
        for folder in folders:
            parent = folder.parent or folder
            title = self.world.free_folder_title(parent, folder.title)
            copy = self.world.add_folder(parent, title, user, folder.room_type)
            for file in folder.contents.values():
                self.world.add_file(copy, file.title, file.current.content, user, "Copied")
            operation.processed += 2 + len(folder.contents)
            operation.touched_folders += [copy]
            operation.destination = parent
            self.webhooks.publish("room.copied" if folder.room_type is not None else "folder.copied", copy, user)

    async def _work_download(self, operation: Operation, files: list[File]) -> None:
        for file in files:
            if await self._each(operation, len(files)):
                self.webhooks.publish("file.downloaded", file, operation.owner)
                operation.processed += 1

    async def _work_delete_room(self, operation: Operation, room: Folder) -> None:
        await self._each(operation, 1)
        operation.processed += 1 + len(room.contents)
        self.webhooks.publish("room.deleted", room, operation.owner)
        self.world.purge_folder(room)

    async def _work_delete(
        self, operation: Operation, files: list[File], folders: list[Folder], immediately: bool
    ) -> None:
        trash = self.world.personal(operation.owner, TRASH_ROOT)
        for file in files:
            if not await self._each(operation, len(files)):
                return
            if file.locked_by not in (None, operation.owner) or file.editing_by:
                operation.error = "The file is locked"
                continue
            for_good = immediately or file.folder.root.kind == TRASH_ROOT
            self.webhooks.publish("file.deleted" if for_good else "file.trashed", file, operation.owner)
            self.history.note("FileDeleted" if for_good else "FileMovedToTrash", file, operation.owner)
            if for_good:
                self.world.purge_file(file)
                self.history.forget(file)
            else:
                file.origin = file.folder
                self.world.move_file(file, trash, operation.owner)
            operation.processed += 1
        for folder in folders:
            for_good = immediately or folder.root.kind == TRASH_ROOT
            self.webhooks.publish("folder.deleted" if for_good else "folder.trashed", folder, operation.owner)
            if for_good:
                self.world.purge_folder(folder)
            else:
                self.history.note("FolderMovedToTrash", folder, operation.owner)
                folder.origin = folder.parent
                self.world.move_folder(folder, trash, operation.owner)
            operation.processed += 1

    async def _work_archive(self, operation: Operation, room: Folder, back: bool) -> None:
        await self._each(operation, 1)
        target = self.world.rooms_root if back else self.world.archive_root
        if room.root.kind == (ARCHIVE_ROOT if not back else self.world.rooms_root.kind):
            return
        self.world.move_folder(room, target, operation.owner)
        operation.touched_folders = [room]
        operation.processed += 1
        self.history.note("RoomUnarchived" if back else "RoomArchived", room, operation.owner)
        self.webhooks.publish("room.restored" if back else "room.archived", room, operation.owner)

    # --- reporting ----------------------------------------------------------------------------------------

    def _of(self, user: User) -> list[Operation]:
        return [one for one in self._operations.values() if one.owner is user and not one.is_gone]

    def _status(self, operation: Operation) -> int:
        """The finish flag is published before the queue's status: seen finished while still running, once."""
        if operation.finished_at is None:
            return operation.status
        return COMPLETED if time.monotonic() - operation.finished_at > 0.02 else RUNNING

    def _consume(self, user: User, wanted: str | None = None) -> None:
        for operation in self._of(user):
            if wanted in {None, operation.id} and self._status(operation) > RUNNING:
                self._drop(operation)

    def _drop(self, operation: Operation) -> None:
        if not operation.is_finished:
            operation.status = CANCELED
        self._operations.pop(operation.id, None)

    def _dto(self, operation: Operation, viewer: User) -> dict[str, Any]:
        files = operation.results if operation.is_finished else operation.sources
        alive = [file for number, file in {one.id: one for one in files}.items() if number in self.world.files]
        out: dict[str, Any] = {
            "id": operation.id,
            "Operation": operation.kind,
            "progress": operation.progress,
            "error": operation.error,
            "processed": str(operation.processed),
            "finished": operation.is_finished,
            "status": self._status(operation),
        }
        if alive:
            out["files"] = [dto.file(file, self.world, viewer) for file in alive]
        if operation.is_finished and operation.destination is not None and not operation.results:
            copied, moved = (
                (operation.touched_folders, []) if operation.kind != MOVE else ([], operation.touched_folders)
            )
            shown = [*moved, operation.destination, *copied]
            out["folders"] = [dto.folder(one, self.world, viewer) for one in shown if one.id in self.world.folders]
        return out
