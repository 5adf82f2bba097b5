"""Vendors' deliveries at a door that runs: the address as it was pasted, and what must not be kept."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable

import httpx2
import pytest
from stage import CRM_SECRETS, ClosingDeals, Keeper, Portal

Make = Callable[..., Keeper]
SECRET = CRM_SECRETS["CRM_SECRET"]
PUBLIC = "https://hooks.acme.example"


def served(keepers: Make, portal: Portal, vendor: str) -> tuple[ClosingDeals, Keeper]:
    scene = ClosingDeals(portal)
    others = {vendor: scene.connection(vendor) | {"catch_up": False}}
    automation = {"name": "note", "on": "deal.closed", "steps": [{"do": "note_on_deal", "with": {"text": "Closed"}}]}
    keeper = keepers(portal, scene.keeper_key, [automation], others=others, top={"public_url": PUBLIC})
    keeper.start()
    return scene, keeper


@pytest.mark.parametrize("slash", ["", "/"])
def test_an_address_with_a_slash_at_its_end_is_signed_as_it_is_called(
    portal: Portal, keepers: Make, slash: str
) -> None:
    _, keeper = served(keepers, portal, "hubspot")
    change = {"subscriptionType": "deal.propertyChange", "objectId": 1, "propertyName": "dealstage", "eventId": 1}
    body, stamp = json.dumps([change]).encode(), str(int(time.time() * 1000))
    message = f"POST{PUBLIC}/hooks/hubspot{slash}".encode() + body + stamp.encode()
    digest = base64.b64encode(hmac.new(SECRET.encode(), message, hashlib.sha256).digest()).decode()
    headers = {"X-HubSpot-Signature-v3": digest, "X-HubSpot-Request-Timestamp": stamp}

    assert httpx2.post(f"{keeper.url}/hooks/hubspot{slash}", content=body, headers=headers).status_code == 200
    other = "" if slash else "/"
    assert httpx2.post(f"{keeper.url}/hooks/hubspot{other}", content=body, headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/xml", "<a><OrganizationId>{org}</OrganizationId><SessionId>a-live-credential</SessionId></a>"),
        ("application/json", '{{"sessionId": "a-live-credential", "Name": "{org}"}}'),
    ],
)
def test_a_live_credential_is_not_kept_with_what_cannot_be_read(
    portal: Portal, keepers: Make, kind: str, body: str
) -> None:
    scene, keeper = served(keepers, portal, "salesforce")
    content = body.format(org=scene.connection("salesforce")["organization_id"]).encode()
    headers = {"X-Webhook-Token": SECRET, "Content-Type": kind}

    assert httpx2.post(f"{keeper.url}/hooks/salesforce", content=content, headers=headers).status_code == 400
    (kept,) = keeper.ask("events", "list", "--status", "unusable")
    assert "a-live-credential" not in json.dumps(keeper.ask("events", "show", str(kept["id"])))
    files = [one for one in (keeper.folder / "var").iterdir() if one.is_file()]
    assert files
    assert not any(b"a-live-credential" in one.read_bytes() for one in files)
