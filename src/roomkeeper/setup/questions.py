"""The questions of the setup, in their order: what is asked, and what an answer must be, tried live where it can be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from roomkeeper.connectors import CATALOG
from roomkeeper.contract.instruction import Instruction, followed
from roomkeeper.contract.naming import one_called, written
from roomkeeper.docspace.models import Folder
from roomkeeper.docspace.wire import portal_address
from roomkeeper.errors import ConfigError, RoomkeeperError
from roomkeeper.setup import asking, trying
from roomkeeper.setup.choices import ADMIN, ADMIN_SECRET, API_KEY, JOBS, Room, Service
from roomkeeper.setup.draft import Draft
from roomkeeper.setup.offered import CRMS, HELPDESKS
from roomkeeper.web.passwords import LONGEST, SHORTEST, hashed

Form = Mapping[str, str]
_FROM_ELSEWHERE = Instruction(
    "From elsewhere",
    "That address is reached from this machine alone. For a service on another one, give a public address in *How "
    "things arrive* first.",
)
_ROOMS = {
    "client": ("copy", "The room that clients upload to", "Uploads in it, and in all its folders, are copied."),
    "internal": ("copy", "The room that gets the copies", "Clients need no access to it."),
    "archive": ("archive", "The room that holds the archive", "A folder is made in it for each closed deal."),
}


class Unfit(Exception):
    """An answer that will not do: what is wrong, by the field."""

    def __init__(self, wrong: Mapping[str, str]) -> None:
        super().__init__("; ".join(wrong.values()))
        self.wrong = wrong


@dataclass(frozen=True)
class Field:
    """One thing that is asked for."""

    name: str
    label: str
    hint: str = ""
    kind: str = "text"
    value: str = ""
    #: What can be chosen: each with its label. For a text they are offered while one types.
    options: Sequence[tuple[str, str]] = ()
    is_needed: bool = True


@dataclass(frozen=True)
class Guide:
    """What is to be done at a service, so that there is something to fill in."""

    where: str
    instructions: Sequence[Instruction]


@dataclass(frozen=True)
class Question:
    """One page of them. A form's empty secret leaves the one that was given before."""

    name: str = ""
    title: str = ""
    why: str = ""
    #: What the button says: whether the answer is tried live.
    button: str = "Try it, and go on"

    def is_asked(self, _draft: Draft) -> bool:
        """Whether what was said so far leaves it open."""
        return True

    def fields(self, draft: Draft) -> list[Field]:
        """List what is asked."""
        raise NotImplementedError

    def guides(self, _draft: Draft) -> list[Guide]:
        """List what is to be done elsewhere, to be read beside the fields."""
        return []

    async def take(self, draft: Draft, form: Form) -> str:
        """Take the answers into the draft, and say what was found out. Raises Unfit, RoomkeeperError."""
        raise NotImplementedError


class _OfPortal(Question):
    def fields(self, draft: Draft) -> list[Field]:
        return [
            Field("url", "The portal's address", "Such as https://acme.onlyoffice.com", "url", draft.url),
            _secret("key", "API key", "It begins with sk-.", is_given=draft.knows(API_KEY)),
        ]

    def guides(self, _draft: Draft) -> list[Guide]:
        portal = CATALOG.connectors["docspace"]
        return [Guide(portal.name, portal.instructions)]

    async def take(self, draft: Draft, form: Form) -> str:
        url = form.get("url", "").strip()
        draft.typed |= {API_KEY: key} if (key := form.get("key", "").strip()) else {}
        key = draft.typed.get(API_KEY) or draft.secrets.get(API_KEY, "")
        wrong = {}
        if not asking.is_address(url):
            wrong["url"] = "This is no address. Write it with https:// (or http:// on your own network)."
        if not asking.may_be_key(key):
            wrong["key"] = "This is no API key: it begins with sk- and has letters and digits."
        if wrong:
            raise Unfit(wrong)
        url = portal_address(url)
        seen = await asking.look(url, key)
        draft.take_key(url, key, seen, await asking.groups(url, key))
        return f"The key works: {seen.said}."


class _OfJobs(Question):
    def fields(self, draft: Draft) -> list[Field]:
        copy, archive, rooms = (
            Field(
                f"job-{name}",
                f"{what[0].upper()}{what[1:]}",
                kind="check",
                value="yes" if name in draft.jobs else "",
                is_needed=False,
            )
            for name, what in JOBS.items()
        )
        crm = Field("crm", "Where deals are closed", kind="choice", value=draft.crm, options=_named(CRMS))
        desk = Field(
            "helpdesk", "Where tickets are opened", kind="choice", value=draft.helpdesk, options=_named(HELPDESKS)
        )
        return [copy, archive, crm, rooms, desk]

    async def take(self, draft: Draft, form: Form) -> str:
        draft.jobs = [name for name in JOBS if form.get(f"job-{name}")]
        draft.crm = form.get("crm", "") if form.get("crm") in CRMS else ""
        draft.helpdesk = form.get("helpdesk", "") if form.get("helpdesk") in HELPDESKS else ""
        wrong = {}
        if not draft.jobs:
            wrong["job-copy"] = "Choose one at least."
        if "archive" in draft.jobs and not draft.crm:
            wrong["crm"] = "Choose where deals are closed."
        if "rooms" in draft.jobs and not draft.helpdesk:
            wrong["helpdesk"] = "Choose where tickets are opened."
        if draft.seen is not None and not draft.seen.rooms and draft.jobs != ["rooms"]:
            wrong["job-copy"] = (
                f"{draft.seen.who} sees no room. Invite this account into the rooms first, as room manager."
            )
        if wrong:
            raise Unfit(wrong)
        return ""


class _OfRooms(Question):
    def is_asked(self, draft: Draft) -> bool:
        return bool({"copy", "archive"} & set(draft.jobs))

    def fields(self, draft: Draft) -> list[Field]:
        options = [(written(one), "") for one in _rooms(draft)]
        return [
            Field(name, label, hint, "text", _shown(draft.rooms.get(name)), options)
            for name, (job, label, hint) in _ROOMS.items()
            if job in draft.jobs
        ]

    async def take(self, draft: Draft, form: Form) -> str:
        wrong, found = {}, {}
        for name, (job, _, _) in _ROOMS.items():
            if job not in draft.jobs:
                continue
            try:
                found[name] = _room(form.get(name, "").strip(), draft)
            except LookupError as error:
                wrong[name] = str(error)
        if not wrong and "copy" in draft.jobs and found["client"].id == found["internal"].id:
            wrong["internal"] = "This is the room that clients upload to: choose another."
        if wrong:
            raise Unfit(wrong)
        draft.rooms = found
        if "copy" in draft.jobs:
            await _may_work(draft)
        return "The account may do there what is needed." if "copy" in draft.jobs else ""


class _OfArrival(Question):
    def fields(self, draft: Draft) -> list[Field]:
        hint = (
            "The address under which the portal reaches this machine. Leave it empty if it cannot: then Roomkeeper "
            "asks the portal every 15 seconds."
        )
        about = f"{SHORTEST} characters or more; only its hash is kept."
        label = f"A password for these pages, for the name {ADMIN!r}"
        return [
            Field("public_url", "Public address", hint, "url", draft.public_url or "", is_needed=False),
            _secret("password", label, about, is_given=draft.has_password, kind="new-password"),
        ]

    async def take(self, draft: Draft, form: Form) -> str:
        address, password = form.get("public_url", "").strip().rstrip("/"), form.get("password", "")
        wrong = {}
        if address and not asking.is_address(address):
            wrong["public_url"] = "This is no address. It begins with https://; or leave it empty."
        if len(password) < SHORTEST and (password or not draft.has_password):
            wrong["password"] = f"It must have {SHORTEST} characters or more."
        elif len(password) > LONGEST:
            wrong["password"] = f"It must have {LONGEST} characters at most."
        if wrong:
            raise Unfit(wrong)
        draft.public_url = address or None
        if password:
            draft.secrets[ADMIN_SECRET] = hashed(password)
        return ""


class _OfServices(Question):
    def is_asked(self, draft: Draft) -> bool:
        return bool(draft.services)

    def fields(self, draft: Draft) -> list[Field]:
        fields = [one for service in draft.services for one in _of_service(service, draft)]
        if "rooms" in draft.jobs:
            known = ", ".join((draft.groups or {}).values())
            hint = "Groups of the portal, or e-mail addresses; several with commas."
            hint += f" There is: {known}." if known else ""
            fields.append(Field("invited", "Who works in new rooms", hint, "text", ", ".join(draft.invited)))
        return fields

    def guides(self, draft: Draft) -> list[Guide]:
        chosen = [(CATALOG.connectors[one.type], draft.hook(one)) for one in draft.services]
        far = [_FROM_ELSEWHERE] if draft.public_url is None else []
        return [
            Guide(one.name, [*followed(one.instructions, hook), *(far if one.type == "http" else [])])
            for one, hook in chosen
        ]

    async def take(self, draft: Draft, form: Form) -> str:
        wrong: dict[str, str] = {}
        for service in draft.services:
            wrong |= _take_service(service, draft, form)
        if "rooms" in draft.jobs:
            words = [word for one in form.get("invited", "").split(",") if (word := one.strip())]
            draft.invited = [(draft.groups or {}).get(one.casefold(), one) for one in words]
            unknown = [one for one in draft.invited if "@" not in one and one.casefold() not in (draft.groups or {})]
            if not draft.invited:
                wrong["invited"] = "Nobody could enter the new rooms: name somebody."
            elif unknown and draft.groups is not None:
                wrong["invited"] = f"There is no group {', '.join(map(repr, unknown))} on the portal."
        if wrong:
            raise Unfit(wrong)
        try:
            config = draft.config()
        except ConfigError as error:
            raise RoomkeeperError("; ".join(f"{one.what}: {one.remedy}" for one in error.problems)) from error
        failed = [
            f"{name}: {one.said}. {one.remedy}"
            for name, one in await trying.examined(config, [one.name for one in draft.services])
            if one.state == "failed" and one.check != "address"
        ]
        if failed:
            raise RoomkeeperError(" ".join(failed).strip())
        asked = [CATALOG.connectors[one.type].name for one in draft.services if one.can_be_asked]
        waits = ["Your CRM is heard of when it first calls."] if len(asked) < len(draft.services) else []
        return " ".join([*([f"{' and '.join(asked)} let us in."] if asked else []), *waits])


QUESTIONS: tuple[Question, ...] = (
    _OfPortal("portal", "The portal", "Where your rooms are, and with whose eyes Roomkeeper sees them."),
    _OfJobs("jobs", "What to do", "One, or several; more can be written later.", "Go on"),
    _OfRooms("rooms", "The rooms", "Type a part of a room's title."),
    _OfArrival(
        "arrival", "How things arrive", "How Roomkeeper hears of what happens, and how you come back here.", "Go on"
    ),
    _OfServices("services", "CRM and helpdesk", "What they are to know of Roomkeeper, and Roomkeeper of them."),
)


def open_ones(draft: Draft) -> list[Question]:
    """List the questions that this draft has to answer."""
    return [one for one in QUESTIONS if one.is_asked(draft)]


def _named(services: Mapping[str, Service]) -> list[tuple[str, str]]:
    return [("", "choose"), *((name, CATALOG.connectors[name].summary) for name in services)]


def _rooms(draft: Draft) -> Sequence[Folder]:
    return draft.seen.rooms if draft.seen is not None else ()


def _shown(room: Room | None) -> str:
    return written(room) if room is not None else ""


def _room(word: str, draft: Draft) -> Room:
    """Find the room that is meant. Raises LookupError, which says why none is."""
    found = one_called(_rooms(draft), word, asking.same_stored_title)
    return Room(found.id, found.title)


async def _may_work(draft: Draft) -> None:
    """Try what the account may do in the rooms of the copying job. Raises Unfit."""
    fields = {f"room {one.id}": name for name, one in draft.rooms.items()}
    found = await trying.examined(draft.config(only=["copy"]), ("portal",))
    failed = [one for _, one in found if one.state == "failed"]
    wrong = {fields[one.check]: f"{one.said}. {one.remedy}" for one in failed if one.check in fields}
    if wrong:
        raise Unfit(wrong)
    if failed:
        raise RoomkeeperError("; ".join(one.said for one in failed), remedy=failed[0].remedy)


def _of_service(service: Service, draft: Draft) -> list[Field]:
    """List what a service asks for: its address, what stands there as an example, and its secrets."""
    settings = CATALOG.connectors[service.type].settings.model_fields
    called = CATALOG.connectors[service.type].name

    def about(setting: str) -> str:
        return settings[setting].description or "" if setting in settings else ""

    found = [
        Field(
            f"{service.type}-{setting}",
            f"{called}: {label}",
            about(setting),
            kind,
            draft.said.get((service.type, setting), ""),
        )
        for setting, label, kind in _open(service)
    ]
    return found + [
        _secret(
            f"secret-{name}",
            f"{called}: {setting.replace('_', ' ').replace('api ', 'API ')}",
            about(setting).partition("; a list of two")[0],
            is_given=draft.knows(name),
        )
        for setting, name in draft.asked_secrets(service).items()
    ]


def _secret(name: str, label: str, about: str, *, is_given: bool, kind: str = "password") -> Field:
    """Ask for a secret; one that was given is not shown again, and stays if nothing is said."""
    kept = " Leave it empty to keep the one you gave." if is_given else ""
    return Field(name, label, f"{about}{kept}", kind, is_needed=not is_given)


def _open(service: Service) -> list[tuple[str, str, str]]:
    """List the settings of a service that are no secrets: each with its label and kind."""
    found = [("url", "address", "url")] if service.needs_address else []
    found += [("email", "e-mail address of its agent", "email")] if service.needs_email else []
    return found + [(setting, about, "text") for setting, about in service.examples.items()]


def _take_service(service: Service, draft: Draft, form: Form) -> dict[str, str]:
    """Take what is said of a service; gives what is wrong with it, by the field."""
    wrong = {}
    for setting, _, kind in _open(service):
        name = f"{service.type}-{setting}"
        said = form.get(name, "").strip()
        if not said or (kind == "url" and not asking.is_address(said)) or (kind == "email" and "@" not in said):
            wrong[name] = {"url": "This is no address.", "email": "This is no e-mail address."}.get(
                kind, "This is needed."
            )
        draft.said[service.type, setting] = said.rstrip("/") if kind == "url" else said
    for name in draft.asked_secrets(service).values():
        if given := form.get(f"secret-{name}", "").strip():
            draft.typed[name] = given
        if name in draft.typed:
            draft.secrets[name] = draft.typed[name]
        elif name not in draft.secrets:
            wrong[f"secret-{name}"] = "This is needed."
    return wrong
