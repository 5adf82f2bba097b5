"""Which file is meant. Its number alone does not say: what is deleted for good leaves it to the next. Pure.

A file keeps the moment of its making through versions, renames and moves (recorded: 28 files with several versions),
and a file that gets an old number has its own (recorded: file.delete). Whoever uploads may say the moment, though: the
portal's own pages give that of the file on the disk (SessionRequestDto.cs).
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from roomkeeper import outside
from roomkeeper.automations.event import Event
from roomkeeper.docspace import File
from roomkeeper.docspace.models import HistoryEntry

#: The actions of a history whose account is the file's maker.
_MAKING = frozenset({"FileUploaded", "FileCreated"})
_LATE = timedelta(minutes=1)  # between the moment of a file's making and that which its event is told to be of (ours)
_ROUNDED = timedelta(seconds=1)  # both moments are whole seconds there, however they were rounded (ours)
#: A portal's time zone may be changed, and a moment then be written otherwise: by whole quarters of an hour.
_QUARTER, _WIDEST = timedelta(minutes=15), timedelta(hours=26)  # ours, after the IANA time zone database


class Made(Protocol):
    """What was made at some moment: a file, as a listing or an operation shows it."""

    @property
    def created(self) -> datetime | None: ...  # noqa: D102


def made_at(file: Made) -> str:
    """Say when a file was made, for the ledger."""
    return file.created.isoformat() if file.created is not None else ""


def changed_at(file: File) -> str:
    """Say when a file was changed, for the ledger: its version's number does not tell one content from the next.

    In third-party storage every version has the number 1. Elsewhere a file that is saved in the editor again keeps the
    number of the save before (EntryManager.cs, SaveEditingAsync: `replaceVersion`); a rename moves the moment, too.
    """
    return file.updated.astimezone(UTC).isoformat() if file.updated is not None else ""


def same_file(created: str, file: File) -> bool:
    """Whether a file is the one that was written down as made then; a line of an older version does not know when.

    The moment counts, and not how it is written: a portal's time zone may be changed.
    """
    return not created or file.created is None or datetime.fromisoformat(created) == file.created


def is_told_of(file: File, events: Iterable[Event]) -> bool | None:
    """Whether an event told of this very file, and not of one that had its number before and is gone.

    None where only the file's own history can say: see `entries_of`.
    """
    said = {_tells_of(event, file) for event in events}
    return True if True in said else None if None in said else False


def entries_of(events: Iterable[Event]) -> frozenset[int]:
    """Give the entries of a history that events were found in.

    What is deleted for good takes its entries out of the history of its number (FileDao.cs, DeleteFileAsync:
    DeleteAuditReferencesAsync), so that one that stands in a file's own history is of that very file.
    """
    return frozenset(entry["id"] for event in events if (entry := _entry(event)) is not None and "id" in entry)


def is_by_another(entry: HistoryEntry, file: File, events: Iterable[Event]) -> bool | None:
    """Whether an entry of a file's own history says that somebody made it of whom no delivery told.

    None if it does not tell of the making. Of somebody who is gone it may name nobody that is known.
    """
    if entry.action.key not in _MAKING:
        return None
    told = {about.get("createBy") for event in events if (about := _payload(event, file))}
    return entry.initiator.id == file.created_by.id and entry.initiator.id not in told


def _payload(event: Event, file: File) -> Mapping[str, Any]:
    """Give what a delivery says of this file's number; of another one, and of what was not delivered, nothing."""
    told = _raw(event).get("payload")
    return told if isinstance(told, Mapping) and str(told.get("id")) == str(file.id) else {}


def _entry(event: Event) -> Mapping[str, Any] | None:
    """Give the entry of a history in which an event was found, if it was."""
    entry = _raw(event).get("history")
    return entry if isinstance(entry, Mapping) else None


def _raw(event: Event) -> Mapping[str, Any]:
    return event.raw if isinstance(event.raw, Mapping) else {}


def _tells_of(event: Event, file: File) -> bool | None:
    if isinstance(file.id, str) or not event.id:
        return True  # in third-party storage the id is the path; an event without one is tried, and was never told
    entry = _entry(event)
    if entry is not None:
        return True if _is_in(entry, file) else None
    about = _payload(event, file)
    maker, made = about.get("createBy"), outside.moment(about.get("createOn"))
    if file.created is None:
        return not (maker and file.created_by.id and maker != file.created_by.id)
    if made is None:
        return event.at.timestamp() == 0 or file.created <= event.at + _LATE
    apart = abs(file.created - made)
    if apart % _QUARTER != timedelta() or apart > _WIDEST:
        return False
    # Who made it may be another by now: the files of somebody who is deleted or hands over become another's
    # (FileQueries.cs, ReassignFilesAsync). Or it is another file, of the same second.
    return None if maker and file.created_by.id and maker != file.created_by.id else True


def _is_in(entry: Mapping[str, Any], file: File) -> bool:
    """Whether an entry of a history is about this file by their words alone: if not, it may be all the same.

    It is written by the request that it tells of, once the file is there, and in the same account's name
    (UploadController.cs, FileDao.cs and MessageFactory.cs: `CurrentAccount`; recorded: history). But the maker may be
    another by now, and the moment of the making is the uploader's clock's, or the disk's (SessionRequestDto.cs,
    `CreateOn`): only where all of it fits is nothing else to be asked.
    """
    action, initiator = entry.get("action") or {}, entry.get("initiator") or {}
    date = outside.moment(entry.get("date"))
    is_its_maker = initiator.get("id") and initiator["id"] == file.created_by.id
    if action.get("key") not in _MAKING or not is_its_maker or date is None or file.created is None:
        return False
    return -_LATE <= file.created - date <= _ROUNDED
