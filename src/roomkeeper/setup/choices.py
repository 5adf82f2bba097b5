"""A first configuration: what was chosen, written as `roomkeeper.yaml` and the list of secrets it needs. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from roomkeeper.configuration import env

Job = Literal["copy", "archive", "rooms"]
JOBS: dict[Job, str] = {
    "copy": "copy what a client uploads into an internal room",
    "archive": "archive a client's files when the CRM closes the deal",
    "rooms": "open an investigation room for each new ticket",
}
#: Who may log in to the pages at first, and where the hash of the password is.
ADMIN, ADMIN_SECRET = "admin", "ADMIN_PASSWORD_HASH"
#: The file beside the configuration by which editors complete and check it.
SCHEMA = "roomkeeper.schema.json"
API_KEY, WEBHOOK_SECRET = "DOCSPACE_API_KEY", "DOCSPACE_WEBHOOK_SECRET"


@dataclass(frozen=True)
class Room:
    """A room that was picked."""

    id: int | str
    title: str


@dataclass(frozen=True)
class Service:
    """A service that was chosen: its type, and what its connection says beside it; `{url}`, `{email}` are asked for.

    `name` is the connection's.
    """

    name: str
    type: str
    lines: Sequence[str]
    #: The fields of a deal that hold the client's room and the guest.
    of_deal: tuple[str, str]

    @property
    def can_be_asked(self) -> bool:
        """Whether it can be asked for events; whoever sends JSON calls us, and has nothing that could be called."""
        return self.type != "http"

    def hook(self, public_url: str | None, listen: str) -> str | None:
        """Give the address that its deliveries go to; None if it is asked for events instead."""
        if public_url is None and self.can_be_asked:
            return None
        return f"{public_url or f'http://{listen}'}/hooks/{self.name}"

    @property
    def needs_address(self) -> bool:
        """Whether it has an address of the customer's own."""
        return any("{url}" in line for line in self.lines)

    @property
    def examples(self) -> dict[str, str]:
        """The settings that stand there as an example, each with a word about it."""
        return {name: about for line in self.lines for name, about in [_example(line)] if about}

    @property
    def secrets(self) -> dict[str, str]:
        """The settings that are secrets, each with the name by which the environment is asked for it."""
        return {line.partition(":")[0]: env.asked_for(line)[0] for line in self.lines if "!env " in line}

    @property
    def needs_email(self) -> bool:
        """Whether its token goes with somebody's e-mail address."""
        return any("{email}" in line for line in self.lines)


@dataclass(frozen=True)
class Setup:
    """What was chosen; `public_url` is None where events are asked for instead."""

    url: str
    listen: str
    public_url: str | None
    jobs: Sequence[Job]
    client: Room | None = None
    internal: Room | None = None
    archive: Room | None = None
    crm: Service | None = None
    crm_url: str = ""
    helpdesk: Service | None = None
    helpdesk_url: str = ""
    email: str = ""
    #: Who is invited into new rooms: groups by name, people by e-mail address.
    invited: Sequence[str] = ()
    #: What is given in the place of examples, by the service's type and the setting.
    given: Mapping[tuple[str, str], str] = field(default_factory=dict)

    @property
    def of_deal(self) -> tuple[str, str]:
        """The fields of a deal that hold the client's room and the guest; of no CRM, none."""
        return self.crm.of_deal if self.crm is not None else ("", "")


def yaml_of(setup: Setup) -> str:
    """Write the configuration."""
    parts = [_top(setup), "connections:", _portal(setup)]
    if setup.crm is not None:
        parts.append(_service(setup.crm, setup.crm_url, setup))
    if setup.helpdesk is not None:
        parts.append(_service(setup.helpdesk, setup.helpdesk_url, setup))
    parts.append("\nautomations:")
    writers = {"copy": _copying, "archive": _archiving, "rooms": _opening}
    parts += [writers[job](setup) for job in JOBS if job in setup.jobs]
    return "\n".join(parts) + "\n"


def _top(setup: Setup) -> str:
    lines = [
        "# Written by Roomkeeper's setup. `roomkeeper check` looks it over, `roomkeeper doctor` tries it live.",
        f"# yaml-language-server: $schema={SCHEMA}",
        "version: 1",
        f"listen: {json.dumps(setup.listen)}",
    ]
    if setup.public_url is not None:
        lines.append(f"public_url: {json.dumps(setup.public_url)}   # how this machine is reached from the portal")
    login = ["dashboard:", "  users:", f"    - name: {ADMIN}", f"      password: !env {ADMIN_SECRET}"]
    return "\n".join([*lines, "store: ./var", "", *login, ""])


def _portal(setup: Setup) -> str:
    lines = ["  portal:", "    type: docspace", f"    url: {json.dumps(setup.url)}"]
    lines.append(f"    api_key: !env {API_KEY}")
    if setup.public_url is None:
        lines.append("    receive: poll   # asked every 15 s; needs no address that the portal can reach")
    else:
        lines.append(f"    webhook_secret: !env {WEBHOOK_SECRET}")
    return "\n".join(lines)


def _service(service: Service, url: str, setup: Setup) -> str:
    given = {"url": json.dumps(url), "email": json.dumps(setup.email)}
    settings = [_filled(line, service, setup).format(**given) for line in service.lines]
    if setup.public_url is None and service.can_be_asked:
        settings.append("receive: poll")
    return "\n".join([f"  {service.name}:", f"    type: {service.type}", *(f"    {line}" for line in settings)])


def _filled(line: str, service: Service, setup: Setup) -> str:
    """Put what was given in the place of an example."""
    name, about = _example(line)
    given = setup.given.get((service.type, name)) if about else None
    if given is None:
        return line
    before = " " * (len(line) - len(line.lstrip()))
    return f"{before}{name}: {json.dumps(given)}".replace("{", "{{").replace("}", "}}")


def _example(line: str) -> tuple[str, str]:
    """Read a setting that has a word about it, and is no secret: its name, and the word; empty if it is another."""
    said, _, about = line.partition("   # ")
    name, _, example = said.partition(": ")
    return name.strip(), "" if example.startswith(("!env", "{")) else about


def _copying(setup: Setup) -> str:
    return f"""\
  - name: copy-client-uploads
    on: file.uploaded
    where: {{room: {_named(setup.client)}}}{_titled(setup.client)}
    gather: 100
    steps:
      - do: copy_files
        with:
          to: {_named(setup.internal)}{_titled(setup.internal)}
          keep_folders: true
          on_conflict: version
"""


def _archiving(setup: Setup) -> str:
    room, guest = (f"deal.fields.{one}" for one in setup.of_deal)
    return f"""\
  - name: archive-closed-deal
    on: deal.closed
    where: {{status: won}}
    steps:
      - do: archive_files
        as: archive
        with:
          room: "{{{{ {room} }}}}"   # a field of the deal that holds the room's number
          under: {_named(setup.archive)}{_titled(setup.archive)}
          title: "{{{{ deal.company or deal.name }}}}"
          layout: flat
          approve_over: 500                      # ask a person before moving more files than this
      - do: revoke_guest
        if: {guest}
        with:
          guest: "{{{{ {guest} }}}}"
          room: "{{{{ {room} }}}}"
{_note_on_deal(setup)}"""


def _note_on_deal(setup: Setup) -> str:
    if setup.crm is None or setup.crm.type == "http":  # nothing can be written there
        return ""
    return """\
      - do: note_on_deal
        with: {text: "Archived {{ archive.files }} files: {{ archive.url }}"}
"""


def _opening(setup: Setup) -> str:
    return f"""\
  - name: investigation-room
    on: ticket.created
    steps:
      - do: create_room
        as: room
        with:
          title: "Ticket #{{{{ ticket.id }}}} – {{{{ ticket.subject }}}}"
          type: collaboration
          folders: [Logs, Attachments, Findings]
          once_per: "{{{{ ticket.connection }}}}-{{{{ ticket.id }}}}"   # the tag by which the room is found again
      - do: invite
        with:
          room: "{{{{ room.id }}}}"
          members:
{_members(setup)}
      - do: share_link
        as: link
        with: {{room: "{{{{ room.id }}}}"}}
      - do: note_on_ticket                       # internal, never public
        with: {{text: "Investigation room: {{{{ link.url }}}}"}}
"""


def _members(setup: Setup) -> str:
    kinds = [("email" if "@" in one else "group", json.dumps(one, ensure_ascii=False)) for one in setup.invited]
    return "\n".join(f"            - {{{kind}: {name}, access: editing}}" for kind, name in kinds)


def _titled(room: Room | None) -> str:
    """Say beside a room's number how it is called."""
    title = " ".join(room.title.split()) if room is not None else ""
    return f"   # {title}" if title else ""


def _named(room: Room | None) -> str:
    """Write a room's id as YAML."""
    return json.dumps(room.id if room is not None else 0, ensure_ascii=False)
