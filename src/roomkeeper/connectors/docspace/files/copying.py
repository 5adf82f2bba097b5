"""Decide about copies: how to treat a namesake, what an operation or a listing proves, what to tell people. Pure.

A copy carries no reference to its source (facts/docspace.md 14, rule 4), so the ledger says which copy is whose.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, Protocol

from roomkeeper.connectors.docspace.files.identity import changed_at, made_at, same_file
from roomkeeper.contract.step import Entry
from roomkeeper.docspace import EntryId, File, entry_id
from roomkeeper.docspace.files import OnConflict
from roomkeeper.docspace.models import OperationFile
from roomkeeper.docspace.titles import same_title, title_key
from roomkeeper.errors import FailedItem, NotFound, QuotaExceeded, RemoteError

Policy = Literal["version", "skip", "keep_both"]
COPIES = "copy of files: "  # what the ledger's scopes of copies begin with
_CLOCKS = 600.0  # seconds that the portal's clock and the store's may be apart (ours)
VERSIONS_BACK = 20  # versions of a file for which an earlier attempt's line is looked for (ours)
BATCH = 100  # files in one operation: the server checks each of them before it answers (2.1) (CopyPermissionsCheck.cs)


class Copy(Protocol):
    """A file as a listing or an operation shows it."""

    @property
    def id(self) -> EntryId | None: ...  # noqa: D102
    @property
    def title(self) -> str: ...  # noqa: D102
    @property
    def version(self) -> int: ...  # noqa: D102
    @property
    def size(self) -> int | None: ...  # noqa: D102
    @property
    def created(self) -> datetime | None: ...  # noqa: D102


@dataclass(frozen=True)
class Intent:
    """What was written down before a copy was asked for: enough to tell afterwards whether it happened."""

    file: EntryId
    version: int
    title: str
    size: int | None
    folder: EntryId
    mode: OnConflict
    namesake: EntryId | None = None
    namesake_version: int = 0
    operation: str = ""
    asked_at: float = 0.0
    #: When the file was made, as the portal says it: its id is given again to another file once it is deleted for good
    #: (recorded; FileQueries.FileMaxIdAsync), so an id and a version are no identity. Empty in lines of older versions.
    created: str = ""
    #: When it was changed, for a version's number does not tell one content from the next. Empty in lines as above.
    changed: str = ""
    #: What it became, once it is done: so that what is there later can be told from it. Empty as above.
    copy_title: str = ""
    copy_version: int = 0
    copy_size: int | None = None
    copy_made: str = ""

    @property
    def item(self) -> str:
        """Its line in the ledger."""
        return item(self.file, self.version)

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON data."""
        return {**self.__dict__, "mode": int(self.mode)}

    def is_of(self, file: File) -> bool:
        """Whether it is about this very file, and not about one that had its id before, or its path."""
        if isinstance(file.id, str) and self.changed and self._may_differ(file):
            return False
        return same_file(self.created, file)

    def may_be_older(self, file: File) -> bool:
        """Whether the file may hold something else by now, though its version has the same number."""
        return bool(self.changed) and self._may_differ(file)

    def _may_differ(self, file: File) -> bool:
        return self.changed != changed_at(file) or not same_size(self.size, file.size)

    def become(self, copy: Copy) -> "Intent":
        """Add what it became."""
        return replace(
            self,
            copy_title=copy.title,
            copy_version=copy.version,
            copy_size=copy.size or 0,
            copy_made=made_at(copy),
        )

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Intent":
        """Read what `to_json` gave."""
        return cls(**{**data, "mode": OnConflict(data["mode"])})


def is_done(entry: Entry | None, file: File) -> bool:
    """Whether a line of the ledger says that this very file, in this version, is copied."""
    return entry is not None and entry.done and Intent.from_json(entry.detail).is_of(file)


def item(file: EntryId, version: int) -> str:
    """Name a version of a file, for the ledger."""
    return f"{file}/{version}"


def as_id(target: str) -> EntryId | None:
    """Read an id back from the ledger."""
    return entry_id(target) if target else None


def recent(version: int, back: int) -> range:
    """Give the numbers of the last versions, up to this one."""
    return range(max(1, version - back), version + 1)


def lines_of(files: Iterable[File]) -> list[str]:
    """Name the lines of these files in the ledger, and of the versions before."""
    return [item(file.id, version) for file in files for version in recent(file.version, VERSIONS_BACK)]


def file_of(ledger_item: str) -> str:
    """Tell which file a line of the ledger is about; ids of third-party storage may have slashes in them."""
    return ledger_item.rpartition("/")[0]


def mode_for(policy: Policy, namesake: File | None, *, is_anothers: bool) -> OnConflict | None:
    """Choose how to copy a file; None to leave it.

    `is_anothers` says that the namesake is our copy of another file that still exists, or somebody's that lies beside
    our copy of this one, or in third-party storage, where every version is the first (ThirdPartyProviderDao.cs): it is
    to be left as it is, so the file gets a name of its own.
    """
    if namesake is None:
        return OnConflict.SKIP  # nothing to conflict with; and if that is no longer so, nothing is harmed
    if is_anothers or policy == "keep_both":
        return OnConflict.DUPLICATE
    return OnConflict.OVERWRITE if policy == "version" else None


def last_copied(file: File, entries: Mapping[str, Entry]) -> Entry | None:
    """Choose the line of the last version of this file that is copied, whatever folder it went to."""
    lines = [entries[line] for n in recent(file.version, VERSIONS_BACK) if (line := item(file.id, n)) in entries]
    return next((one for one in reversed(lines) if one.done and _is_about(one, file)), None)


def _is_about(entry: Entry, file: File) -> bool:
    return same_file(Intent.from_json(entry.detail).created, file)


def may_hold(file: File, copy: File, became: Intent) -> bool:
    """Whether our copy of an earlier version of a file may hold this one; `became` is what the ledger says of the copy.

    Nobody may have given it another version since; it must be of the same size, and not older than what it may hold.
    """
    if copy.is_in_trash or became.copy_version != copy.version or not same_size(copy.size, file.size):
        return False
    return file.updated is not None and copy.updated is not None and copy.updated >= file.updated


def batches(files: Sequence[File]) -> list[list[File]]:
    """Divide files into operations: a hundred at most, and no title twice in one, so that results can be told apart."""
    divided: list[list[File]] = []
    titles: list[set[str]] = []
    for file in files:
        title = title_key(file.title)
        at = next((n for n, one in enumerate(divided) if len(one) < BATCH and title not in titles[n]), None)
        if at is None:
            divided.append([])
            titles.append(set())
            at = len(divided) - 1
        divided[at].append(file)
        titles[at].add(title)
    return divided


def results(intents: Sequence[Intent], shown: Iterable[OperationFile]) -> dict[EntryId, Copy]:
    """Find the copies in what a finished operation reports.

    While it runs it shows the sources, and where it fails it may end so (2.3): only what lies in the destination is a
    result. The one result of one file is its copy, whatever title it got.
    """
    folder = str(intents[0].folder)
    sources = {str(intent.file) for intent in intents}
    reported = [replace(intent, asked_at=0.0) for intent in intents]  # it is the operation's own: no clock is needed
    there = [one for one in shown if str(one.folder_id) == folder and str(one.id) not in sources]
    if len(intents) == len(there) == 1 and intents[0].mode is not OnConflict.OVERWRITE:
        return {intents[0].file: there[0]}
    return match(reported, there, ours=frozenset())


def match(intents: Sequence[Intent], shown: Iterable[Copy], *, ours: frozenset[str]) -> dict[EntryId, Copy]:
    """Find the copies among what an operation or a listing shows; `ours` are copies that the ledger knows already.

    An intent that is missing from the answer was not fulfilled, as far as can be seen.
    """
    free = [copy for copy in shown if copy.id is not None]
    found: dict[EntryId, Copy] = {}
    # `a (1).docx` may be a copy of that very name, and `Muller` another file than `Müller`: the nearest choose first.
    for is_its_title in (_is_exactly, _is_one_with, _is_numbered):
        for intent in intents:
            if intent.file in found:
                continue
            copy = next((one for one in free if _fulfils(intent, one, ours, is_its_title)), None)
            if copy is not None:
                found[intent.file] = copy
                free.remove(copy)
    return found


def _fulfils(intent: Intent, copy: Copy, ours: frozenset[str], is_its_title: Callable[[Copy, Intent], bool]) -> bool:
    is_the_namesake = intent.namesake is not None and str(copy.id) == str(intent.namesake)
    is_to_replace = intent.mode is OnConflict.OVERWRITE and intent.namesake is not None
    if is_to_replace and is_the_namesake:
        return copy.version > intent.namesake_version
    if is_the_namesake or str(copy.id) in ours:
        return False
    if is_to_replace and is_its_title is not _is_numbered:
        return False  # what does not replace it lies beside it, under another title
    return is_its_title(copy, intent)


def may_be_by(file: File, account: str, intents: Sequence[Intent]) -> bool:
    """Whether a listed file may be the account's work: made by it, or a namesake that it gave a version to.

    Two versions more than before leave no doubt that one of them is ours, whoever made the last.
    """
    for intent in intents:
        if intent.namesake is not None and str(file.id) == str(intent.namesake):
            return file.updated_by.id in {"", account} or file.version > intent.namesake_version + 1
    # In third-party storage all is shown as its owner's (ThirdPartyProviderDao.cs, InitFileEntry).
    return isinstance(file.id, str) or file.created_by.id in {"", account}


def _is_exactly(copy: Copy, intent: Intent) -> bool:
    return copy.title == intent.title


def _is_one_with(copy: Copy, intent: Intent) -> bool:
    return same_title(copy.title, intent.title)


def _is_numbered(copy: Copy, intent: Intent) -> bool:
    """Whether it is `Name (1).ext` for `Name.ext` (2.5), made since it was asked for.

    The portal numbers it also where that was not asked for: beside a namesake of another category, such as a PDF that
    is a form (FileMoveCopyOperation.cs).
    """
    is_new = copy.created is None or copy.created.timestamp() > intent.asked_at - _CLOCKS
    if intent.mode is not OnConflict.DUPLICATE and not is_new:
        return False
    original = intent.title
    stem, dot, extension = original.rpartition(".") if "." in original else (original, "", "")
    pattern = rf"{re.escape(stem)} \(\d+\){re.escape(dot + extension)}"
    return re.fullmatch(pattern, copy.title, re.IGNORECASE) is not None


def is_passing(complaint: str) -> bool:
    """Whether an operation says of a file that others were in its way, and not that it cannot be copied.

    While a file's content is written its room is locked, and whoever waits for that longer than half a minute gives up
    (FileDao.cs, SaveFileAsync; DistributedLockException.cs); databases say the others of two that wait for each other.
    """
    return any(one in complaint for one in _PASSING)


def same_size(one: int | None, other: int | None) -> bool:
    """Compare sizes in bytes; an empty file's is left out of answers."""
    return (one or 0) == (other or 0)


def explain(file: File, error: RemoteError, *, current: File, namesake: File | None) -> FailedItem:
    """Say why a file could not be copied, and what to do; `current` is the source as it is now."""
    name = f"file {file.id} {file.title!r}"
    if current.is_in_trash:
        return gone(file.id, file.title)
    if isinstance(error, QuotaExceeded):
        return FailedItem(name, f"there is no room for it: {error.message}", error.remedy)
    if namesake is not None and namesake.is_locked_by_another:
        why = f"the copy that should get the new version (file {namesake.id}) is locked by {namesake.locked_by}"
        return FailedItem(name, why, _UNLOCK)
    if namesake is not None and namesake.is_being_edited:
        return FailedItem(
            name, f"the copy that should get the new version (file {namesake.id}) is open in the editor", _CLOSE
        )
    if current.is_locked_by_another:
        why = f"the portal refuses it, and the file is locked by {current.locked_by}: {error.message}"
        return FailedItem(name, why, _UNLOCK)
    if isinstance(error, NotFound):
        return FailedItem(name, f"the portal says that it is not there: {error.message}", _RETRY)
    if error.status == 403:  # noqa: PLR2004 - Forbidden
        return FailedItem(name, f"the account of this key may not copy it: {error.message}", _ALLOW)
    return FailedItem(name, error.message, error.remedy or _RETRY)


def gone(file: EntryId, title: str = "") -> FailedItem:
    """Say that a file was deleted before it could be copied."""
    return FailedItem(_called(file, title), "it was deleted before it could be copied", _RESTORE)


def replaced(file: EntryId, title: str = "") -> FailedItem:
    """Say that a file was deleted for good before it could be copied, and that its number is another one's now."""
    reason = "it was deleted for good before it could be copied, and another file has its number now"
    return FailedItem(_called(file, title), reason, "There is nothing left to copy: `roomkeeper runs cancel`.")


def hollow(copy: Copy) -> FailedItem:
    """Say that a copy is listed, and has no content: the portal was stopped between the two."""
    reason = "the portal was stopped while it copied it, or is still at it: the copy is listed, and has no content"
    remedy = (
        "Open it there: a very large file may take some minutes to be whole. If that fails, delete it, then "
        "`roomkeeper runs retry`, which copies the file anew."
    )
    return FailedItem(_called(copy.id or "", copy.title), reason, remedy)


def hidden(file: EntryId, title: str = "") -> FailedItem:
    """Say that a file may not even be looked at: the server answers so for what lies in another's trash, too."""
    reason = "it was deleted (it may lie in its owner's trash), or the account of this key may not see it"
    return FailedItem(_called(file, title), reason, f"{_RESTORE} If it is still there: {_ALLOW}")


def _called(file: EntryId, title: str) -> str:
    return f"file {file} {title!r}" if title else f"file {file}"


_PASSING = (
    "Distributed Lock Error",  # DistributedLockException.cs
    "Deadlock found when trying to get lock",  # MySQL, ER_LOCK_DEADLOCK
    "Lock wait timeout exceeded",  # MySQL, ER_LOCK_WAIT_TIMEOUT
    "deadlock detected",  # PostgreSQL, 40P01
)
_RETRY = "Put that right, then `roomkeeper runs retry`."
_RESTORE = (
    "Restore it from the trash, then `roomkeeper runs retry`; or, if it was meant to go, `roomkeeper runs cancel`."
)
_UNLOCK = "Have it unlocked, then `roomkeeper runs retry`."
_CLOSE = "Wait until it is closed, then `roomkeeper runs retry`."
_ALLOW = (
    "Invite the account of the API key into the room as room manager or content creator (being a portal "
    "administrator is not enough), then `roomkeeper runs retry`."
)
