"""Every example does what it says, against the pretend services: only addresses, ids and secrets are put in."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from stage import CRM_SECRETS, SECRET, ClosingDeals, Keeper, OpeningTickets, Portal, Rooms

EXAMPLES = Path(__file__).parents[2] / "examples"
Make = Callable[..., Keeper]
VALUES = {
    "ERP_TOKEN": CRM_SECRETS["CRM_SECRET"],
    "DOCSPACE_WEBHOOK_SECRET": SECRET,
    "HUBSPOT_TOKEN": CRM_SECRETS["HUBSPOT_TOKEN"],
    "PIPEDRIVE_TOKEN": CRM_SECRETS["PIPEDRIVE_TOKEN"],
    "SALESFORCE_CLIENT_SECRET": CRM_SECRETS["SALESFORCE_SECRET"],
    **dict.fromkeys(("ZENDESK_TOKEN", "FRESHDESK_KEY", "JIRA_TOKEN"), CRM_SECRETS["HELPDESK_TOKEN"]),
    **dict.fromkeys(
        (
            *("HUBSPOT_SECRET", "PIPEDRIVE_WEBHOOK_PASSWORD", "SALESFORCE_WEBHOOK_TOKEN"),
            *("ZENDESK_SECRET", "FRESHDESK_WEBHOOK_TOKEN", "JIRA_WEBHOOK_SECRET"),
        ),
        CRM_SECRETS["CRM_SECRET"],
    ),
}


def started(keepers: Make, portal: Portal, key: str, name: str, **put_in: Any) -> Keeper:
    """Start a Roomkeeper with an example as it stands in the repository."""
    text = (EXAMPLES / f"{name}.yaml").read_text()
    keeper = keepers(portal, key, [])
    (keeper.folder / "token").write_text(CRM_SECRETS["CRM_SECRET"])
    text = text.replace("https://acme.onlyoffice.com", portal.url).replace(
        "type: hubspot", f"type: hubspot\n    url: {portal.url}/hubspot"
    )
    for vendor in ("pipedrive", "my.salesforce", "zendesk", "freshdesk", "atlassian"):
        ours = {"my.salesforce": "salesforce", "atlassian": "jira"}.get(vendor, vendor)
        text = re.sub(rf"https://acme\.{re.escape(vendor)}\.(com|net)", f"{portal.url}/{ours}", text)
    text = re.sub(r"/run/secrets/\w+", "token", text).replace("lead@acme.example", "lead@x.example")
    text = re.sub(r"public_url: .*", f"public_url: {keeper.url}", text)
    for old, new in put_in.items():
        text = text.replace(old.lstrip("_"), str(new))
    keeper.file.write_text(text)
    keeper.environment |= {**VALUES, "DOCSPACE_API_KEY": key}
    keeper.start()
    return keeper


def test_every_example_is_run() -> None:
    source = Path(__file__).read_text()
    assert all(f'"{file.stem}"' in source for file in EXAMPLES.glob("*.yaml"))


@pytest.mark.parametrize("name", ["copy-client-uploads", "copy-many-rooms"])
def test_the_copying_examples_copy(portal: Portal, keepers: Make, name: str) -> None:
    rooms = Rooms(portal)
    put_in = {"_111111": rooms.client, "_222222": rooms.internal, "_All contracts": "Acme (internal)"}
    keeper = started(keepers, portal, rooms.keeper_key, name, **put_in)
    keeper.register()

    rooms.upload("File.docx")
    keeper.settle(lambda: rooms.copies() == 1)


@pytest.mark.parametrize("vendor", ["hubspot", "pipedrive", "salesforce"])
def test_the_archiving_examples_archive(portal: Portal, keepers: Make, vendor: str) -> None:
    name = {
        "hubspot": "archive-hubspot-deal",
        "pipedrive": "archive-pipedrive-deal",
        "salesforce": "archive-salesforce-deal",
    }[vendor]
    scene = ClosingDeals(portal)
    scene.upload("File.docx")
    keeper = started(keepers, portal, scene.keeper_key, name, _222222=scene.archive)
    names = {
        "hubspot": ("docspace_room_id", "docspace_guest_id"),
        "pipedrive": ("dcf558aac1ae4e8c4f849ba5e668430d8df9be12", "9dc80c50d78a15643bfc4ca79d76156a73a1ca0e"),
        "salesforce": ("DocSpace_Room__c", "DocSpace_Guest__c"),
    }[vendor]
    deal = scene.deal(own=dict(zip(names, (scene.client, "guest@x.example"), strict=True)))

    scene.close(keeper, deal, vendor, to=f"{keeper.url}/hooks/sales")
    run = keeper.settle()[0]

    assert (run["state"], run["error"]) == ("done", None)
    assert [one["title"] for one in portal.tree(scene.archive)] == ["File.docx"]
    assert scene.guest not in scene.members()
    assert "Archived 1 files" in scene.notes(deal)[0]


def test_the_example_for_any_crm_archives(portal: Portal, keepers: Make) -> None:
    scene = ClosingDeals(portal)
    scene.upload("File.docx")
    keeper = started(keepers, portal, scene.keeper_key, "archive-any-crm", _222222=scene.archive)
    body = {"dealId": "1", "status": "Closed Won", "clientName": "Acme", "closedAt": "2026-11-21T10:00:00Z"}
    body |= {"clientRoomId": str(scene.client), "guestUserId": scene.guest}

    headers = {"Authorization": f"Bearer {CRM_SECRETS['CRM_SECRET']}"}
    httpx2.post(f"{keeper.url}/hooks/erp", json=body, headers=headers).raise_for_status()
    run = keeper.settle()[0]

    assert (run["state"], run["error"]) == ("done", None)
    assert [one["path"] for one in portal.tree(scene.archive)] == [["Acme"]]
    assert scene.guest not in scene.members()


@pytest.mark.parametrize(
    ("vendor", "name"),
    [
        ("zendesk", "room-for-zendesk-ticket"),
        ("freshdesk", "room-for-freshdesk-ticket"),
        ("jira", "room-for-jira-ticket"),
    ],
)
def test_the_ticket_examples_open_a_room(portal: Portal, keepers: Make, vendor: str, name: str) -> None:
    scene = OpeningTickets(portal)
    keeper = started(keepers, portal, scene.keeper_key, name)

    ticket = scene.open(vendor, f"{keeper.url}/hooks/support")
    run = keeper.settle()[0]

    assert ticket["answers"] == [200]
    assert (run["state"], run["error"]) == ("done", None)
    (room,) = scene.rooms()
    assert room["members"] == {scene.group: 10, scene.lead: 9}
    assert len(scene.ticket(ticket["id"])["notes"]) == 1
