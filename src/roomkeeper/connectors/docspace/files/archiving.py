"""Decide about archiving: titles that do not collide, what is recorded, what to tell people. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Literal, overload

from roomkeeper.connectors.docspace.files.identity import made_at, same_file
from roomkeeper.connectors.docspace.files.tree import Tree
from roomkeeper.docspace import EntryId, File
from roomkeeper.docspace.titles import title_key
from roomkeeper.errors import FailedItem

Layout = Literal["flat", "tree"]
TITLE_LIMIT = 165  # characters that a rename takes, 400 above (recorded: file.rename); an upload keeps 170
_SHOWN = 30  # lines of a plan that are shown to whoever approves it (ours)


@dataclass(frozen=True, slots=True)
class Line:
    """A file to be archived: where it was found, and under which title it goes where."""

    file: EntryId
    title: str
    size: int
    folder: EntryId
    path: tuple[str, ...] = ()
    new_title: str = ""
    #: When it was made: an id alone is no identity (`copying.Intent.created`). Empty in plans of older versions.
    created: str = ""
    #: The folders that it lies in below the archive's, as the portal showed them in the end; None before that.
    lies: tuple[str, ...] | None = None

    def is_of(self, file: File) -> bool:
        """Whether this is about that very file, and not about one that had its id before."""
        return same_file(self.created, file)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Line":
        """Read it from JSON data: its fields by their names."""
        lies = data.get("lies")
        return cls(**{**data, "path": tuple(data["path"]), "lies": None if lies is None else tuple(lies)})

    @property
    def was(self) -> str:
        """Where it was found, for people."""
        return "/".join((*self.path, self.title))


@dataclass
class ArchivePlan:
    """What is recorded with the run: what was found in the room, and where it goes. Enough to undo it."""

    room: EntryId
    room_title: str
    under: EntryId
    under_title: str
    title: str
    layout: Layout
    folder: EntryId | None = None
    #: For how many files a person was asked.
    asked: int = 0
    #: How many files the room counts that no listing shows, as a person was told.
    unseen: int = 0
    lines: dict[EntryId, Line] = field(default_factory=dict)
    #: Each folder of the room: its title and its parent.
    folders: dict[EntryId, tuple[str, EntryId]] = field(default_factory=dict)

    def waits_for(self, tree: Tree) -> bool:
        """Whether files are counted there that are not shown, and nobody has looked into it yet."""
        return tree.hidden not in {0, self.unseen}

    def take_in(self, tree: Tree) -> list[Line]:
        """Add what is new in the room; gives the lines that were added."""
        for folder in tree.folders.values():
            self.folders.setdefault(folder.id, (folder.title, folder.parent_id or tree.root))
        added = [line for line in found_in(tree) if line.file not in self.lines]
        for line in added:
            self.lines[line.file] = line
        return added

    def see(self, archive: Tree) -> list[Line]:
        """Note where the files lie in the archive; gives those that do not."""
        paths = {id_: archive.path(id_) for id_ in {file.folder_id for file in archive.files.values()}}
        for file in archive.files.values():
            if file.id in self.lines:
                self.lines[file.id] = replace(self.lines[file.id], lies=paths[file.folder_id])
        return [line for line in self.lines.values() if line.file not in archive.files]

    @property
    def bytes(self) -> int:
        """How much it is altogether."""
        return sum(line.size for line in self.lines.values())

    @property
    def where(self) -> str:
        """Where it all goes, for people."""
        return f"{self.under_title}/{self.title}"

    def goes_to(self, line: Line) -> str:
        """Where a file goes, or where it lies by now, for people."""
        planned = line.path if self.layout == "tree" else ()
        between = planned if line.lies is None else line.lies
        return "/".join((self.where, *between, line.new_title or line.title))

    def told(self) -> list[str]:
        """Say what is to be done, in lines for people."""
        shown = [f"move {line.was!r} to {self.goes_to(line)!r}" for line in islice(self.lines.values(), _SHOWN)]
        head = f"move {self.counted} of room {self.room} {self.room_title!r} to {self.where!r} ({self.layout})"
        rest = [f"… and {len(self.lines) - _SHOWN} more"] if len(self.lines) > _SHOWN else []
        return [head, *shown, *rest]

    @property
    def counted(self) -> str:
        """How many files and how many bytes, for people."""
        return f"{len(self.lines)} file{'' if len(self.lines) == 1 else 's'} ({self.bytes:,} bytes)"

    def to_json(self) -> dict[str, Any]:
        """Give what is to be written as JSON; `lines` is for people. The files are not copied: they may be many."""
        plain = {name: value for name, value in self.__dict__.items() if name not in {"lines", "folders"}}
        folders = [[id_, title, parent] for id_, (title, parent) in self.folders.items()]
        return plain | {"files": list(self.lines.values()), "folders": folders, "lines": self.told()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "ArchivePlan":
        """Read what `to_json` gave."""
        plain = {name: value for name, value in data.items() if name not in {"files", "folders", "lines"}}
        lines = {line.file: line for line in map(Line.from_json, data["files"])}
        folders = {id_: (title, parent) for id_, title, parent in data["folders"]}
        return cls(**plain, lines=lines, folders=folders)


def found_in(tree: Tree) -> list[Line]:
    """Read the files of a room as lines, in the order of their places: the first of a title keeps it."""
    paths = {id_: tree.path(id_) for id_ in {file.folder_id for file in tree.files.values()}}
    return ordered(
        Line(
            *(file.id, file.title, file.size or 0, file.folder_id or tree.root, paths[file.folder_id]),
            created=made_at(file),
        )
        for file in tree.files.values()
    )


def ordered(lines: Iterable[Line]) -> list[Line]:
    """Put files into one order for all listings: those higher up come first, and keep their titles."""
    out = sorted(lines, key=lambda line: str(line.file))
    # One after the other: a hundred thousand keys that say all of it at once take more than the lines do.
    out.sort(key=lambda line: line.title.casefold())
    out.sort(key=lambda line: line.path)
    out.sort(key=lambda line: len(line.path))
    return out


def titled(lines: Iterable[Line], taken: Iterable[str]) -> Iterator[Line]:
    """Give each line a title that nothing else in the folder has, as the portal compares them.

    It tries the title that a line was given before, its own, then `Name (1).ext`, `Name (2).ext` …; of many equal
    ones each goes on counting where the one before it stopped.
    """
    used = {title_key(title) for title in taken}
    counting: dict[str, Iterator[str]] = {}
    for line in lines:
        title = next(one for one in _wished(line, counting) if title_key(one) not in used)
        used.add(title_key(title))
        yield line if line.new_title == title else replace(line, new_title=title)


def _wished(line: Line, counting: dict[str, Iterator[str]]) -> Iterator[str]:
    if line.new_title:
        yield line.new_title
    yield line.title
    numbers = counting.setdefault(line.title, numbered(line.title))
    while True:
        yield next(numbers)


def numbered(title: str) -> Iterator[str]:
    """Give `Name (1).ext`, `Name (2).ext` … without end."""
    stem, dot, extension = title.rpartition(".") if "." in title.lstrip(".") else (title, "", "")
    number = 0
    while True:
        number += 1
        suffix = f" ({number}){dot}{extension}"
        yield f"{shortened(stem, suffix)}{suffix}"


def shortened(stem: str, suffix: str) -> str:
    """Cut a title's stem so that a rename takes it with its suffix."""
    return cut(stem, TITLE_LIMIT - _units(suffix))


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, units: int) -> str:
    """Cut a text to so many UTF-16 units, as .NET counts them, and leave no half of a character."""
    return text.encode("utf-16-le", "surrogatepass")[: 2 * units].decode("utf-16-le", "ignore")


def explain_left(file: File, line: Line, complaint: str) -> FailedItem:
    """Say why a file is still in the client room, and what to do."""
    name = f"file {file.id} {line.was!r}"
    if file.is_being_edited:
        return FailedItem(name, "it is open in the editor", "Have it closed, then `roomkeeper runs retry`.")
    if file.locked:
        by = f" by {file.locked_by}" if file.locked_by else ""
        return FailedItem(name, f"it is locked{by}", "Have it unlocked, then `roomkeeper runs retry`.")
    if complaint:
        remedy = _SAYS_WHY + _MAY_MOVE + (_FILLED if file.title.lower().endswith(".pdf") else "")
        return FailedItem(name, f"the portal refuses to move it: {complaint}", remedy)
    return FailedItem(name, "the portal moved it again and again, and it is still there", _MAY_MOVE)


def explain_missing(line: Line, file: File | None, plan: ArchivePlan) -> FailedItem:
    """Say that a planned file is not in the archive, and where it is as far as can be seen."""
    name = f"file {line.file} {line.was!r}"
    if file is None:
        return FailedItem(name, "it is gone, or lies where the account of the API key may not look", _GONE)
    if file.is_in_trash:
        return FailedItem(name, "it was moved to the trash", _GONE)
    return FailedItem(name, f"somebody moved it to folder {file.folder_id}, out of {plan.where!r}", _GONE)


class Report(Sequence[Mapping[str, object]]):
    """A line for each file of an archive, with its old and its new place: what was moved comes first.

    Each is made when it is asked for: of a hundred thousand files they take more memory than the plan does.
    """

    def __init__(self, plan: ArchivePlan, moved: Sequence[Line], not_moved: Sequence[Line]) -> None:
        self._plan, self._moved, self._not_moved = plan, moved, not_moved

    def __len__(self) -> int:
        return len(self._moved) + len(self._not_moved)

    @overload
    def __getitem__(self, at: int) -> Mapping[str, object]: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[Mapping[str, object]]: ...

    def __getitem__(self, at: int | slice) -> Mapping[str, object] | Sequence[Mapping[str, object]]:
        if isinstance(at, slice):
            return [self[one] for one in range(*at.indices(len(self)))]
        if at < len(self._moved):
            return self._told(self._moved[at], "moved", self._plan.goes_to(self._moved[at]))
        return self._told(self._not_moved[at - len(self._moved)], "not moved", "")

    def _told(self, line: Line, outcome: str, to: str) -> Mapping[str, object]:
        was = f"{self._plan.room_title}/{line.was}"
        told = {"file": line.file, "title": line.title, "size": line.size, "made": line.created}
        return told | {"outcome": outcome, "from": was, "to": to}


EACH_FILE = "Each file has its reason and remedy below; put them right, then `roomkeeper runs retry`."
_SAYS_WHY = "Put right what it says. If that is about rights: "
_FILLED = (
    " What was filled in, or is being filled in, in a form room can be moved by nobody (FileSecurity.cs): copy it "
    "with `copy_files`."
)
_MAY_MOVE = (
    "Make sure that the account of the API key is room manager in both rooms (being a portal administrator is not "
    "enough), then `roomkeeper runs retry`."
)
_GONE = (
    "Bring it back to where it was, then `roomkeeper runs retry`. If it was meant to go, `roomkeeper events replay` "
    "the event: that plans anew, with what is there."
)
