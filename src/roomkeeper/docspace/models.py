"""What the portal answers, as frozen models that keep what they need and tolerate what they do not know."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import IntEnum
from functools import cache, lru_cache, partial
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.dataclasses import dataclass

from roomkeeper import outside
from roomkeeper.errors import Garbled

EntryId = int | str
"""A file's or folder's id; a string in third-party storage. The two are counted apart (14): never mix them."""


def entry_id(text: str) -> EntryId:
    """Read an id that was kept as text."""
    return int(text) if text.isdecimal() else text


class RoomType(IntEnum):  # recorded: rooms.create
    """The kinds of room (5.1); 3, 4 and 7 do not exist."""

    FORM_FILLING = 1
    COLLABORATION = 2
    CUSTOM = 5
    PUBLIC = 6
    VIRTUAL_DATA = 8
    AI = 9


class RootType(IntEnum):  # recorded: folder.listing, rooms.list
    """The section a file or folder lives in (1.2)."""

    TRASH = 3
    MY_DOCUMENTS = 5
    ROOMS = 14
    ARCHIVE = 20


class OperationKind(IntEnum):  # FileOperationDto.cs; recorded: ops.shape
    """What a file operation does (2.3)."""

    MOVE = 0
    COPY = 1
    DELETE = 2
    DOWNLOAD = 3
    MARK_AS_READ = 4
    IMPORT = 5
    CONVERT = 6
    DUPLICATE = 7


def _tolerant(kind: type[IntEnum]) -> BeforeValidator:
    """Keep a number that a newer server may send and this enum does not have."""

    def known(value: Any) -> Any:  # noqa: ANN401 - JSON
        try:
            return kind(value)
        except ValueError:
            return value

    return BeforeValidator(known)


#: A date with the tenant's offset (0.1); one that cannot be read is no reason to lose the rest.
Moment = Annotated[datetime | None, BeforeValidator(outside.moment)]
EDITING = 1  # a flag of fileStatus: somebody has the file open in the editor (recorded: file.open)


_AS_THE_PORTAL_WRITES = ConfigDict(
    extra="ignore", alias_generator=to_camel, populate_by_name=True, coerce_numbers_to_str=False
)


class _Answered:
    """What is read from an answer."""

    __slots__ = ()

    @classmethod
    def of(cls, response: object) -> Self:
        """Read one from an answer. Raises Garbled if it has another shape."""
        kind: Any = cls  # a class can be hashed, whatever can be said of what it makes
        reader: TypeAdapter[Self] = _reader(kind)
        try:
            return reader.validate_python(response)
        except ValidationError as error:
            fields = ", ".join(".".join(map(str, problem["loc"])) or "all of it" for problem in error.errors())
            raise Garbled(f"The portal's answer is not a {cls.__name__.lower()}: {fields} cannot be read") from error

    @classmethod
    def many(cls, response: object) -> tuple[Self, ...]:
        """Read a list of them from an answer; an absent one is empty. Raises Garbled."""
        if response is not None and not isinstance(response, list):
            raise Garbled(f"The portal's answer is not a list of {cls.__name__.lower()}s")
        return tuple(cls.of(entry) for entry in response or ())


@cache
def _reader(kind: Any) -> TypeAdapter[Any]:  # noqa: ANN401 - a class
    return TypeAdapter(kind)


class _Model(_Answered, BaseModel):
    model_config = _AS_THE_PORTAL_WRITES | ConfigDict(frozen=True)


class Access(IntEnum):  # FileShare.cs; recorded: share.values
    """What somebody may do in a room (5.3)."""

    NONE = 0
    READ_WRITE = 1
    READ = 2
    RESTRICT = 3
    VARIES = 4
    REVIEW = 5
    COMMENT = 6
    FILL_FORMS = 7
    CUSTOM_FILTER = 8
    ROOM_MANAGER = 9
    EDITING = 10
    CONTENT_CREATOR = 11


#: A person's status; who was invited and has not come yet is pending (recorded: people.lookup, people.guest-disabled;
#: EmployeeStatus.cs, UserManagerWrapper.cs).
ACTIVE, DISABLED, PENDING = 1, 2, 4


class Group(_Model):
    """A group of people."""

    id: str = ""
    name: str = ""


#: The kinds of account that can own a room (FileStorageService.cs, ChangeOwnerAsync).
MAY_OWN = frozenset({"owner", "admin", "room_admin"})


class Person(_Model):
    """Somebody on the portal; who only made or changed something comes with id and name."""

    id: str = ""
    display_name: str = ""
    email: str = ""
    status: int = 1
    is_visitor: bool = False
    is_admin: bool = False
    is_owner: bool = False
    is_room_admin: bool = False
    registration_date: Moment = None
    groups: tuple[Group, ...] = ()

    @property
    def kind(self) -> str:
        """What kind of account it is, as the portal's people page has it: each kind may do what those after it may."""
        kinds = {"owner": self.is_owner, "admin": self.is_admin, "room_admin": self.is_room_admin}
        return next((kind for kind, is_it in kinds.items() if is_it), "guest" if self.is_visitor else "user")

    @property
    def is_guest(self) -> bool:
        """Whether this is a guest, and not one of the company's own (6.2)."""
        return self.is_visitor

    @property
    def is_disabled(self) -> bool:
        """Whether the account is disabled."""
        return self.status == DISABLED


class AuditEntry(_Model):
    """An entry of the portal's records of deeds or of logins (recorded: audit.events)."""

    id: int
    date: Moment = None
    user: str = ""
    user_id: str = ""
    action: str = ""
    action_id: int = 0
    ip: str = ""
    context: str = ""


class Quota(_Model):
    """What the portal's tariff holds, in bytes, and whether it has the audit (recorded: quota.usage)."""

    max_total_size: int = 0
    audit: bool = False


class Section(_Model):
    """A section of the portal, and the bytes that it uses."""

    title: str = ""
    used_space: int = 0


class Handover(_Model):
    """What somebody leaves is being given to another (TaskProgressResponseDto.cs); `percentage` says how far it is."""

    percentage: int = 0
    is_completed: bool = False
    error: str | None = None


class AllowedAddress(_Model):
    """An address that people may come from (IPRestriction.cs)."""

    ip: str
    for_admin: bool = False


class BackupTask(_Model):
    """A backup that is under way or over (BackupProgress.cs); `progress` is in per cent."""

    task_id: str
    is_completed: bool = False
    progress: int = 0
    error: str | None = None
    warning: str | None = None


class BackupRecord(_Model):
    """A backup that is kept (BackupServiceModel.cs)."""

    id: str
    file_name: str


class LinkData(_Model):
    """What a link itself has; its address is `share_link` (5.4)."""

    id: str = ""
    title: str = ""
    link_type: int = 0
    share_link: str = ""
    is_expired: bool = False
    primary: bool = False
    internal: bool = False
    deny_download: bool = False
    request_token: str = ""
    expiration_date: str | None = None
    password: str | None = Field(default=None, repr=False)


class Link(_Model):
    """A link to a room, a folder or a file, and what it gives."""

    access: Annotated[Access | int, _tolerant(Access)] = Access.NONE
    shared_link: LinkData = LinkData()

    @property
    def url(self) -> str:
        """The portal's own address of it."""
        return self.shared_link.share_link

    @property
    def title(self) -> str:
        """What it is called."""
        return self.shared_link.title

    @property
    def ends(self) -> str:
        """When it ends, as the portal writes it; empty if it does not."""
        return self.shared_link.expiration_date or ""

    @property
    def has_end(self) -> bool:
        """Whether it ends some day."""
        return bool(self.shared_link.expiration_date)

    @property
    def password(self) -> str:
        """What it asks for, as those who manage it are told (recorded: links); empty if nothing."""
        return self.shared_link.password or ""

    @property
    def has_password(self) -> bool:
        """Whether it asks for a password."""
        return bool(self.shared_link.password)

    @property
    def token(self) -> str:
        """What the portal knows an external link by."""
        return self.shared_link.request_token

    @property
    def is_expired(self) -> bool:
        """Whether it has ended."""
        return self.shared_link.is_expired

    @property
    def is_primary(self) -> bool:
        """Whether it is the room's own first link (5.4)."""
        return self.shared_link.primary

    @property
    def is_internal(self) -> bool:
        """Whether it opens only for people with an account (FileStorageService.cs, ResolveRequiredAuthAsync)."""
        return self.shared_link.internal

    @property
    def has_no_download(self) -> bool:
        """Whether what it opens can be looked at only."""
        return self.shared_link.deny_download


class Shareable(_Model):
    """A folder or a file, as far as links to it go."""

    id: EntryId
    title: str
    #: What may be given there, by names, to whom (recorded: file.info, folder.info).
    available_share_rights: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    @property
    def by_external_link(self) -> frozenset[Access]:
        """What an external link to it may give, as the portal says."""
        names = {one.name.replace("_", "").casefold(): one for one in Access}
        given = self.available_share_rights.get("ExternalLink", ())
        return frozenset(names[one.casefold()] for one in given if one.casefold() in names) - {Access.NONE}


class LinkState(IntEnum):  # recorded: links
    """What the portal says of an external link to whoever asks (the published `getExternalShareData`)."""

    OK = 0
    INVALID = 1
    EXPIRED = 2
    REQUIRED_PASSWORD = 3
    INVALID_PASSWORD = 4
    EXTERNAL_ACCESS_DENIED = 5


class TemplateJob(_Model):
    """A room that is being made from a template; the portal makes one at a time (5.2)."""

    progress: int = 0
    error: str | None = None
    is_completed: bool = False


class Member(_Model):
    """A person's or a group's access to a room."""

    access: Annotated[Access | int, _tolerant(Access)] = Access.NONE
    is_owner: bool = False
    shared_to_user: Person | None = None
    shared_to_group: Group | None = None

    @property
    def id(self) -> str:
        """Whose it is; empty for a link's."""
        return (self.shared_to_user or self.shared_to_group or Group()).id


class Account(_Model):
    """The user whose key is used: the key acts as the user who made it (8)."""

    id: str
    name: str = ""


class Key(_Model):
    """An API key (8); without permissions it may do all that its maker may."""

    name: str = ""
    permissions: tuple[str, ...] = ()
    create_by: Person = Person()
    expires_at: Moment = None
    is_active: bool = True

    @field_validator("permissions", mode="before")
    @classmethod
    def _none_is_all(cls, value: object) -> object:
        return value or ()


def _utc(value: object) -> object:
    """Read a plain date, which the server writes in UTC without saying so (0.1)."""
    moment = outside.moment(value)
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


PlainMoment = Annotated[datetime | None, BeforeValidator(_utc)]


class Webhook(_Model):
    """A registered webhook (1.6); `status` is what the receiver answered last, 0 if nothing."""

    id: int
    name: str = ""
    uri: str = ""
    enabled: bool = False
    ssl: bool = False
    triggers: int = 0
    target_id: str | None = None
    created_by: Person | None = None
    created_on: PlainMoment = None
    last_failure_on: PlainMoment = None
    last_failure_content: str | None = None
    last_success_on: PlainMoment = None
    status: int = 0


class LoggedDelivery(_Model):
    """A line of the webhooks' log (1.8): what was sent, and how it was answered; status 0 if it was not."""

    id: int
    request_payload: str = ""
    status: int = 0


class Action(_Model):
    """What was done, by the server's number and name for it."""

    id: int = 0
    key: str = ""


class HistoryEntry(_Model):
    """An entry of a room's or a folder's history (11.3); entries alike in a minute are folded into `related`."""

    id: int
    action: Action = Action()
    initiator: Person = Person()
    date: Moment = None
    data: dict[str, Any] = Field(default_factory=dict)
    related: tuple["HistoryEntry", ...] = ()

    @field_validator("related", mode="before")
    @classmethod
    def _absent_is_none(cls, value: object) -> object:
        return value or ()

    def flattened(self) -> list["HistoryEntry"]:
        """Give this entry and all that are folded into it."""
        return [self, *(below for one in self.related for below in one.flattened())]


class PathPart(_Model):
    """One element of a breadcrumb path, the section's root first (1.2)."""

    id: EntryId
    title: str = ""
    room_type: Annotated[RoomType | int | None, _tolerant(RoomType)] = None


@lru_cache(maxsize=10_000)
def _known(person: Person) -> Person:
    """Give one object for all that say the same of somebody."""
    return person


@lru_cache(maxsize=1000)
def _rights(said: frozenset[tuple[str, bool]]) -> Mapping[str, bool]:
    return dict(said)


def _allowed(security: Mapping[str, bool]) -> Mapping[str, bool]:
    """Give one object for all of which the same is said."""
    return _rights(frozenset(security.items()))


Known = Annotated[Person, AfterValidator(_known)]
Rights = Annotated[Mapping[str, bool], AfterValidator(_allowed)]


#: Third-party storage that is out of order shows entries without a name: the others are shown all the same.
Title = Annotated[str, BeforeValidator(lambda title: "" if title is None else title)]


@dataclass(frozen=True, slots=True, config=_AS_THE_PORTAL_WRITES)
class Entry(_Answered):
    """What files and folders have in common. A hundred thousand of them are kept at once: they are kept small."""

    id: EntryId
    title: Title
    root_folder_type: Annotated[RootType | int | None, _tolerant(RootType)] = None
    created_by: Known = Person()
    updated_by: Known = Person()
    created: Moment = None
    updated: Moment = None
    security: Rights = Field(default_factory=partial(_allowed, {}))

    @property
    def is_in_trash(self) -> bool:
        """Whether it was deleted, but can be restored."""
        return self.root_folder_type == RootType.TRASH

    @property
    def is_archived(self) -> bool:
        """Whether it lies in the portal's Archive section, where nothing can be changed (2.6)."""
        return self.root_folder_type == RootType.ARCHIVE


@dataclass(frozen=True, slots=True, config=_AS_THE_PORTAL_WRITES)
class File(Entry):
    """A file; `size` is in bytes, None where the answer leaves it out (as it does when it is 0)."""

    folder_id: EntryId | None = None
    version: int = 1
    size: int | None = Field(default=None, validation_alias=AliasChoices("pureContentLength", "size"))
    file_status: int = 0
    locked: bool = False
    locked_by: str = ""
    comment: str = ""

    @property
    def is_locked_by_another(self) -> bool:
        """Whether somebody else has locked it: of who asks, no name is told (EntryManager.cs; recorded: file.lock)."""
        return self.locked and bool(self.locked_by)

    @property
    def is_being_edited(self) -> bool:
        """Whether somebody has it open in the editor."""
        return bool(self.file_status & EDITING)


class Lifetime(_Model):
    """How long a room keeps a file, from its first version on (recorded: rooms.create; RoomDataLifetime.cs)."""

    period: int = 0  # days, months or years
    value: int = 0
    delete_permanently: bool = False

    @property
    def days(self) -> int:
        """About how many days that is."""
        return self.value * {0: 1, 1: 30, 2: 365}.get(self.period, 1)


class Watermark(_Model):
    """What is shown across a data room's files (WatermarkDto.cs); an image is named by its whole address."""

    additions: int = 0
    text: str | None = None
    rotate: int = 0
    image_scale: int = 0
    image_url: str | None = None
    image_height: float = 0
    image_width: float = 0


class Cover(_Model):
    """A picture of the portal's own that stands for a room (Logo.cs)."""

    id: str


class Logo(_Model):
    """What a room is recognised by: a colour, and a cover if it has no picture (recorded: rooms.create; Logo.cs)."""

    color: str | None = None
    cover: Cover | None = None


@dataclass(frozen=True, slots=True, config=_AS_THE_PORTAL_WRITES)
class Folder(Entry):
    """A folder; a room if it has a room type (3)."""

    parent_id: EntryId | None = None
    #: Files in it, all levels; what is being converted is counted here, and in no listing (recorded: folder.listing).
    files_count: int | None = None
    folders_count: int | None = None
    room_type: Annotated[RoomType | int | None, _tolerant(RoomType)] = None
    tags: tuple[str, ...] = ()
    #: Whether a room's content has an order of its own, in which it is listed whatever is asked for (EntryManager.cs).
    indexing: bool = False
    lifetime: Lifetime | None = None
    watermark: Watermark | None = None
    logo: Logo | None = None


class Contents(_Model):
    """One page of a folder's contents: folders first, then files, one combined offset (3)."""

    files: tuple[File, ...] = ()
    folders: tuple[Folder, ...] = ()
    #: Required: an answer without it is not a listing of nothing. More than the bound is no count (ours).
    total: int = Field(ge=0, le=10_000_000)
    current: Folder | None = None

    @property
    def entries(self) -> int:
        """How far this page moves the offset."""
        return len(self.files) + len(self.folders)

    @property
    def ids(self) -> list[tuple[str, EntryId]]:
        """What this page shows: a folder and a file may have the same id."""
        return [*(("folder", one.id) for one in self.folders), *(("file", one.id) for one in self.files)]


class OperationFile(_Model):
    """A file or folder in an operation's report; the published schema has no ids in it, the server does."""

    id: EntryId | None = None
    title: str = ""
    version: int = 1
    size: int | None = Field(default=None, validation_alias=AliasChoices("pureContentLength", "size"))
    folder_id: EntryId | None = None
    created: Moment = None


class Operation(_Model):
    """A file operation (2.3). `files` are the results once `finished`, the sources while it runs."""

    id: str
    kind: Annotated[OperationKind | int, _tolerant(OperationKind)] = Field(
        default=OperationKind.COPY, validation_alias=AliasChoices("Operation", "operation", "kind")
    )
    progress: int = 0
    error: str | None = None
    finished: bool = False
    files: tuple[OperationFile, ...] = ()
    folders: tuple[OperationFile, ...] = ()
