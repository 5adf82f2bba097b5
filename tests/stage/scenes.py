"""Portals with rooms, people, deals and tickets, as the three jobs find them."""

import json
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from roomkeeper.demo import Portal
from stage.keeper import CRM_SECRETS, Keeper

FULL = os.environ.get("ROOMKEEPER_TESTS") == "full"
#: The pretend vendors take as many calls as come; stories need not wait for what real ones allow.
BY_PLAN = {"calls_per_minute": 100_000}
ORGANIZATION = "00D5g000004pReT"


def sized(full: int, quick: int) -> int:
    """Choose a number by the size of the tests: `make test` takes the quick one, `make test-full` the full one."""
    return full if FULL else quick


class Rooms:
    """A client room and an internal room with the people they need."""

    def __init__(self, portal: Portal, name: str = "") -> None:
        self.portal = portal
        people = {"keeper": "room_admin", "guest": "guest"}
        made = {
            who: portal.direct(
                "POST", "/users", json={"name": f"{who}{name}", "email": f"{who}{name}@x.example", "kind": kind}
            )
            for who, kind in people.items()
        }
        self.keeper, self.keeper_key = made["keeper"]["id"], made["keeper"]["key"]
        self.guest, self.guest_key = made["guest"]["id"], made["guest"]["key"]
        self.client = self.add(f"Client: Acme{name}", {self.keeper: 9, self.guest: 11})
        self.internal = self.add(f"Acme{name} (internal)", {self.keeper: 9})

    def add(self, title: str, members: Mapping[str, int]) -> int:
        room: int = self.portal.call("POST", "/files/rooms", json={"title": title, "roomType": 5})["id"]
        invitations = [{"id": who, "access": access} for who, access in members.items()]
        self.portal.call("PUT", f"/files/rooms/{room}/share", json={"invitations": invitations})
        return room

    def upload(self, name: str, content: bytes = b"content", *, folder: int | None = None) -> dict[str, Any]:
        """Upload as the guest."""
        shown: dict[str, Any] = self.portal.upload(folder or self.client, name, content, key=self.guest_key)
        return shown

    def missing_and_doubled(self) -> tuple[list[Any], list[Any]]:
        """Compare the rooms: what has no copy with the same versions, and what is there too often."""
        wanted = Counter((*one["path"], one["title"], *one["digests"]) for one in self.portal.tree(self.client))
        there = Counter((*one["path"], one["title"], *one["digests"]) for one in self.portal.tree(self.internal))
        return list((wanted - there).elements()), list((there - wanted).elements())

    def copies(self) -> int:
        return len(self.portal.tree(self.internal))


class ClosingDeals:
    """A client room full of files, an archive, a guest whom the keeper invited, and deals at three pretend CRMs."""

    def __init__(self, portal: Portal, *, owned: bool = False) -> None:
        self.portal = portal
        people = {"keeper": "room_admin", "guest": "guest"}
        made = {
            who: portal.direct("POST", "/users", json={"name": who, "email": f"{who}@x.example", "kind": kind})
            for who, kind in people.items()
        }
        self.keeper, self.keeper_key = made["keeper"]["id"], made["keeper"]["key"]
        self.guest, self.guest_key = made["guest"]["id"], made["guest"]["key"]
        self.client = self.room("Client: Northwind", by=self.keeper_key if owned else "")
        self.share(self.client, self.guest, 11, by=self.keeper_key)
        vault = self.room("Vault")
        self.archive = portal.call("POST", f"/files/folder/{vault}", json={"title": "Archive"})["id"]
        self.deals: dict[str, int] = {}

    def room(self, title: str, *, by: str = "") -> int:
        room: int = self.portal.call("POST", "/files/rooms", key=by, json={"title": title, "roomType": 5})["id"]
        if not by:
            self.share(room, self.keeper, 9)
        return room

    def share(self, room: int, who: str, access: int, *, by: str = "") -> None:
        invitations = [{"id": who, "access": access}]
        self.portal.call("PUT", f"/files/rooms/{room}/share", key=by, json={"invitations": invitations})

    def members(self) -> set[str]:
        return set(self.portal.direct("GET", f"/rooms/{self.client}/members"))

    def fill(self) -> None:
        """250 files: 12 nested folders, one of 150 files, 20 equal names, titles that are hard to keep."""
        paths = ["Big", *(f"{year}/{kind}" for year in (2025, 2026) for kind in ("Offers", "Bills", "Photos"))]
        made = self.portal.folders(self.client, [*paths, "2026/Offers/Old", "2026/Offers/Old/Older", "Empty"])
        assert len(made) == 12
        for number in range(150):
            self.upload(f"File {number}.docx", made["Big"])
        places = [self.client, *(made[path] for path in made if path not in {"Big", "Empty"})]
        for number in range(20):  # some in one folder, too: the portal allows it
            self.portal.call(
                "POST",
                f"/files/{places[number % 8]}/upload",
                key=self.guest_key,
                params={"createNewIfExist": "false"},
                files={"file": ("Offer.docx", f"offer {number}".encode())},
            )
        for number in range(79):
            self.upload(f"Letter {number}.pdf", places[number % len(places)])
        hard = {"fileName": 'A/B: C+ "2026".docx', "fileSize": 4}
        session = self.portal.call("POST", f"/files/{made['2026/Photos']}/session", key=self.guest_key, json=hard)["id"]
        chunk = {"file": ("chunk", b"2026")}
        self.portal.call("POST", f"/files/{made['2026/Photos']}/session/{session}", key=self.guest_key, files=chunk)

    def upload(self, name: str, folder: int | None = None, content: bytes | None = None) -> Any:
        return self.portal.upload(folder or self.client, name, content or name.encode(), key=self.guest_key)

    def deal(self, **changed: Any) -> int:
        """Make a deal at the CRMs."""
        own = {"docspace_room_id": self.client, "docspace_guest_id": self.guest}
        wanted = {"name": "Renewal", "company": "Northwind / Sons", "contact": "ann@n.example", "own": own} | changed
        made: int = self.portal.direct("POST", "/crm/deals", json=wanted)["id"]
        return made

    def close(self, keeper: Keeper, deal: int, vendor: str, **changed: Any) -> list[dict[str, Any]]:
        """Let a CRM say that a deal is won."""
        secret = {"pipedrive": f"roomkeeper:{CRM_SECRETS['CRM_SECRET']}"}.get(vendor, CRM_SECRETS["CRM_SECRET"])
        told = {"status": "won", "vendor": vendor, "to": f"{keeper.url}/hooks/{vendor}", "secret": secret} | changed
        answers: list[dict[str, Any]] = self.portal.direct("PUT", f"/crm/deals/{deal}", json=told)
        assert "secret" in changed or all(one["status"] < 300 for one in answers), answers
        return answers

    def notes(self, deal: int) -> list[str]:
        shown: list[str] = self.portal.direct("GET", f"/crm/deals/{deal}")["notes"]
        return shown

    def connection(self, vendor: str) -> dict[str, Any]:
        url = f"{self.portal.url}/{vendor}"
        return (
            {
                "hubspot": {"access_token": "!env HUBSPOT_TOKEN", "client_secret": "!env CRM_SECRET"},
                "pipedrive": {
                    "api_token": "!env PIPEDRIVE_TOKEN",
                    "webhook_user": "roomkeeper",
                    "webhook_password": "!env CRM_SECRET",
                },
                "salesforce": {
                    "client_id": "app",
                    "client_secret": "!env SALESFORCE_SECRET",
                    "organization_id": ORGANIZATION,
                    "webhook_token": "!env CRM_SECRET",
                },
            }[vendor]
            | {"type": vendor, "url": url}
            | BY_PLAN
        )

    def automation(self, *more: dict[str, Any], layout: str = "flat", **archive: Any) -> dict[str, Any]:
        """Write the automation of the second job; `more` steps come after revoking the guest."""
        room = "{{ deal.fields.docspace_room_id }}"
        settings = {"room": room, "under": self.archive, "title": "{{ deal.company }}", "layout": layout} | archive
        guest = "{{ deal.fields.docspace_guest_id }}"
        return {
            "name": "archive-closed-deal",
            "on": "deal.closed",
            "where": {"status": "won"},
            "steps": [
                {"do": "archive_files", "as": "archive", "with": settings},
                {
                    "do": "revoke_guest",
                    "if": "deal.fields.docspace_guest_id",
                    "with": {"guest": guest, "room": room},
                },
                *more,
            ],
        }

    def asked(self, method: str, pattern: str) -> list[int]:
        """Find calls in the portal's journal; gives their positions."""
        journal = self.portal.direct("GET", "/journal")
        return [
            at
            for at, one in enumerate(journal)
            if one["method"] == method and re.search(pattern, one["path"]) and one["user"] == "keeper"
        ]


class OpeningTickets:
    """A portal with a team, and tickets at three pretend helpdesks."""

    group = "0b5e1f0c-0000-4000-8000-00000000beef"

    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        made = {
            who: portal.direct("POST", "/users", json={"name": who, "email": f"{who}@x.example", "kind": kind})
            for who, kind in {"keeper": "room_admin", "lead": "room_admin", "ann": "user"}.items()
        }
        self.keeper_key, self.lead = made["keeper"]["key"], made["lead"]["id"]
        team = {"id": self.group, "name": "Support", "members": [made["ann"]["id"]]}
        portal.direct("POST", "/groups", json=team)

    def connection(self, vendor: str) -> dict[str, Any]:
        url = f"{self.portal.url}/{vendor}"
        return (
            {
                "zendesk": {
                    "email": "bot@x.example",
                    "api_token": "!env HELPDESK_TOKEN",
                    "webhook_secret": "!env CRM_SECRET",
                },
                "freshdesk": {"api_key": "!env HELPDESK_TOKEN", "webhook_token": "!env CRM_SECRET"},
                "jira": {
                    "email": "bot@x.example",
                    "api_token": "!env HELPDESK_TOKEN",
                    "webhook_secret": "!env CRM_SECRET",
                },
            }[vendor]
            | {"type": vendor, "url": url}
            | BY_PLAN
        )

    def automation(self, *more: dict[str, Any], members: Any = None, **room: Any) -> dict[str, Any]:
        """Write the automation of the third job."""
        members = members or [
            {"group": "Support", "access": "editing"},
            {"email": "lead@x.example", "access": "room_manager"},
        ]
        settings = {
            "title": "Ticket #{{ ticket.id }} – {{ ticket.subject }}",
            "type": "collaboration",
            "folders": ["Logs", "Attachments", "Findings"],
            "once_per": "{{ ticket.connection }}-{{ ticket.id }}",
        } | room
        return {
            "name": "investigation-room",
            "on": "ticket.created",
            "steps": [
                {"do": "create_room", "as": "room", "with": settings},
                {"do": "invite", "with": {"room": "{{ room.id }}", "members": members}},
                {"do": "share_link", "as": "link", "with": {"room": "{{ room.id }}"}},
                *more,
                {"do": "note_on_ticket", "with": {"text": "Investigation room: {{ link.url }}"}},
            ],
        }

    def open(self, vendor: str, *addresses: str, subject: str = "Printer on fire", **changed: Any) -> dict[str, Any]:
        """Open a ticket at a helpdesk, which tells each address at once."""
        told = {"by": vendor, "to": list(addresses), "secret": CRM_SECRETS["CRM_SECRET"]}
        made: dict[str, Any] = self.portal.direct(
            "POST", "/helpdesk/tickets", json={"subject": subject} | told | changed
        )
        return made

    def ticket(self, number: int) -> dict[str, Any]:
        shown: dict[str, Any] = self.portal.direct("GET", f"/helpdesk/tickets/{number}")
        return shown

    def rooms(self) -> list[dict[str, Any]]:
        shown: list[dict[str, Any]] = self.portal.direct("GET", "/rooms")
        return shown

    def faults_of(self, tickets: Sequence[int], vendor: str) -> list[str]:
        """Look at the portal and the helpdesk; gives what is not as it must be for each of these tickets."""
        wrong: list[str] = []
        by_tag: dict[str, list[dict[str, Any]]] = {}
        for room in self.rooms():
            for tag in room["tags"]:
                by_tag.setdefault(tag, []).append(room)
        for number in tickets:
            rooms = by_tag.get(f"{vendor}-{number}", [])
            notes = self.ticket(number)["notes"]
            if len(rooms) != 1:
                wrong.append(f"{number}: {len(rooms)} rooms")
                continue
            (room,) = rooms
            if room["folders"] != ["Attachments", "Findings", "Logs"]:
                wrong.append(f"{number}: folders {room['folders']}")
            if room["members"] != {self.group: 10, self.lead: 9}:
                wrong.append(f"{number}: members {room['members']}")
            if len(notes) != 1 or notes[0]["public"]:
                wrong.append(f"{number}: notes {notes}")
            elif f"{self.portal.url}/rooms/shared/{room['id']}" not in json.dumps(notes[0]["body"]):
                wrong.append(f"{number}: another link {notes[0]['body']}")
        return wrong


NOTE = {"do": "note_on_deal", "with": {"text": "Archived {{ archive.files }} files: {{ archive.url }}"}}


def copy_uploads(rooms: Rooms, **changed: Any) -> dict[str, Any]:
    """Write the automation of the first job."""
    settings = {"to": rooms.internal, "keep_folders": True, "on_conflict": "version"} | changed
    return {
        "name": "copy-client-uploads",
        "on": "file.uploaded",
        "where": {"room": rooms.client},
        "gather": 100,
        "steps": [{"do": "copy_files", "with": settings}],
    }
