"""One request in the hands of a handler, and what it gives back."""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from starlette.requests import Request

from roomkeeper.simulator.fileops import FileOps
from roomkeeper.simulator.history import History
from roomkeeper.simulator.limits import Limits
from roomkeeper.simulator.problems import ApiError, ValidationError, missing, rule_broken
from roomkeeper.simulator.webhooks import Webhooks
from roomkeeper.simulator.world import File, Folder, Key, User, World

BIGGEST = 2**31 - 1  # a greater number is no id of the portal's own storage (recorded: envelope.errors)


@dataclass
class Session:
    """A chunked upload under way."""

    id: str
    folder: Folder
    title: str
    size: int
    user: User
    create_new: bool
    created: datetime | None = None  # by the clock of whoever uploads (SessionRequestDto.cs)
    chunks: dict[int, bytes] = field(default_factory=dict)
    file: File | None = None
    is_aborted: bool = False


@dataclass
class Backups:
    """What the portal knows of its backups; `seconds`, `left` and `fails` are for stories to set."""

    seconds: float = 0.3  # ours
    left: int | None = None
    fails: str = ""
    task: dict[str, Any] | None = None
    kept: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Portal:
    """What the handlers work on."""

    world: World
    webhooks: Webhooks
    history: History
    fileops: FileOps
    limits: Limits
    sessions: dict[str, Session] = field(default_factory=dict)
    journal: list[dict[str, Any]] = field(default_factory=list)
    tenant_status: int = 0  # TenantStatus.cs
    sorting: dict[str, tuple[str, bool]] = field(default_factory=dict)
    sensitive: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    template_job: dict[str, Any] | None = None
    template_made: dict[str, Any] | None = None
    backups: Backups = field(default_factory=Backups)
    handover_seconds: float = 0.3  # ours
    handovers: dict[str, dict[str, Any]] = field(default_factory=dict)
    addresses: list[dict[str, Any]] = field(default_factory=list)
    is_restricted: bool = False
    jobs: set[Any] = field(default_factory=set)


@dataclass
class Reply:
    """A response with what the envelope says of it."""

    response: Any
    count: int | None = None
    total: int | None = None
    status: int = 200  # recorded: envelope.success


class Body(dict[str, Any]):
    """A request's JSON: its names are found in any case (recorded: envelope.success)."""

    def __init__(self, document: dict[str, Any]) -> None:
        super().__init__({name.lower(): value for name, value in document.items()})

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())


class Api:
    """One request in the hands of a handler."""

    def __init__(self, request: Request, portal: Portal, key: Key, body: Body) -> None:
        self.request, self.portal, self.user, self.key, self.body = request, portal, key.user, key, body
        self.world = portal.world

    def query(self, name: str, default: str = "") -> str:
        return next(
            (value for key, value in self.request.query_params.multi_items() if key.lower() == name.lower()), default
        )

    def queries(self, name: str) -> list[str]:
        wanted = {name.lower(), f"{name.lower()}[]"}
        return [value for key, value in self.request.query_params.multi_items() if key.lower() in wanted]

    def number(self, name: str, default: int, most: int | None = None) -> int:
        text = self.query(name)
        if not text:
            return default
        shown = name[:1].upper() + name[1:]
        try:
            number = int(text)
        except ValueError as error:
            raise ValidationError({name: [f"The value '{text}' is not valid for {shown}."]}) from error
        if most is not None and not 1 <= number <= most:
            raise ValidationError({name: [f"The field {shown} must be between 1 and {most}."]})
        return number

    def start(self) -> int:
        """Read the offset; a negative one is refused by the list, not by the request (recorded: envelope.errors)."""
        start = self.number("startIndex", 0)
        if start < 0:
            what = f"from ('{start}') must be greater than or equal to '0'. (Parameter 'from')"
            raise ApiError(400, f"{what}\nActual value was {start}.", "System.ArgumentOutOfRangeException")
        return start

    def flag(self, name: str) -> bool:
        text = self.query(name).casefold()
        if text not in {"", "true", "false"}:
            raise ValidationError({name: [f"The value '{text}' is not valid for {name[:1].upper()}{name[1:]}."]})
        return text == "true"

    def switch(self, name: str) -> bool:
        """Read a boolean of the body."""
        value = self.body.get(name, False)
        if not isinstance(value, bool):
            raise not_of_type(name, "System.Boolean")
        return value

    def folder(self, name: str = "folder_id") -> Folder:
        folder = self.world.folder(_own(self.request.path_params[name]))
        if folder is None:
            raise missing("folder")
        if not self.world.may_read(self.user, folder):
            raise rule_broken("You don't have enough permission to view the folder content")
        return folder

    def file(self) -> File:
        file = self.world.file(_own(self.request.path_params["file_id"]))
        if file is None:
            raise missing("file")
        if not self.world.may_read(self.user, file.folder):
            raise rule_broken("You don't have enough permission to view the file")
        return file

    def room(self) -> Folder:
        return self.folder("room_id")

    def manages(self, room: Folder) -> bool:
        return self.world.may_manage(self.user, room)

    def title(self, most: int, kind: str) -> str:
        """Read the title of what is to be made; `kind` is the request's name on the server."""
        if "title" not in self.body:
            raise lacking(kind, "title")
        title = self.body.get("title")
        if title is None:
            raise ApiError(400, "Value cannot be null. (Parameter 'title')", "System.ArgumentNullException")
        if not isinstance(title, str):
            raise not_of_type("title", "System.String")
        if units(title) > most:
            what = f"The field Title must be a string or array type with a maximum length of '{most}'."
            raise ValidationError({"Title": [what]})
        if not title.strip():
            what = "The value cannot be an empty string. (Parameter 'title')"
            raise ApiError(400, what, "System.ArgumentException")
        return title.strip()

    def person(self, wanted: Any, where: str = "$.userIds[0]") -> User:
        try:
            return self.world.users[str(uuid.UUID(wanted))]
        except (ValueError, TypeError, AttributeError) as error:
            raise ValidationError({where: ["The JSON value could not be converted to System.Guid."]}) from error
        except KeyError as error:
            raise missing("user") from error


def units(text: str) -> int:
    """Count as the server does: UTF-16."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def lacking(kind: str, *names: str) -> ValidationError:
    """Say that a body has not what it must have."""
    asked = ", ".join(f"'{name}'" for name in names)
    what = f"JSON deserialization for type 'ASC.Files.ApiModels.RequestDto.{kind}' was missing required properties"
    return ValidationError({"$": [f"{what} including: {asked}."]})


def not_of_type(name: str, type_: str) -> ValidationError:
    """Say that a value of the body is not what it must be."""
    return ValidationError({f"$.{name}": [f"The JSON value could not be converted to {type_}. Path: $.{name}."]})


def _own(wanted: str) -> int:
    """Read the id of what lies in the portal's own storage; anything else belongs to no storage that is known."""
    try:
        number = int(wanted)
    except ValueError as error:
        raise no_selector(wanted) from error
    if number > BIGGEST:
        raise no_selector("")
    return number


def no_selector(wanted: str) -> ApiError:
    """Say that an id names a storage that is not connected (recorded: envelope.errors)."""
    name = wanted.partition("-")[0] if "-" in wanted else ""
    return ApiError(404, f"Selector '{name}' not found", "ASC.Common.Web.ItemNotFoundException")


Handler = Callable[[Api], Awaitable[Any] | Any]
BODILESS: set[Handler] = set()


def bodiless(handler: Handler) -> Handler:
    """Mark a handler that takes no body; any other is refused without one, 415 (recorded: envelope.errors)."""
    BODILESS.add(handler)
    return handler


#: Method, path, handler, and the family of scopes it belongs to: empty for what any key may call.
Routes = list[tuple[str, str, Handler, str]]
