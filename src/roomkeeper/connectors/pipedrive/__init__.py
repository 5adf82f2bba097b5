"""Pipedrive: closed deals, told by webhooks; notes on them."""

from roomkeeper.connectors.pipedrive import client, webhook
from roomkeeper.connectors.pipedrive.instructions import INSTRUCTIONS
from roomkeeper.connectors.pipedrive.settings import Pipedrive
from roomkeeper.contract.catalog import Connector
from roomkeeper.vendors import checkup, deals
from roomkeeper.vendors.client import opener
from roomkeeper.vendors.notes import note_on_deal

_NO_KEY = "0" * 40  # as long as a field's (facts/vendors.md 5)
CONNECTOR = Connector(
    type="pipedrive",
    summary="A Pipedrive company.",
    name="Pipedrive",
    instructions=INSTRUCTIONS,
    first=(
        "url: {url}",
        "api_token: !env PIPEDRIVE_TOKEN",
        "webhook_user: roomkeeper",
        "webhook_password: !env PIPEDRIVE_WEBHOOK_PASSWORD",
        "fields:",
        f'  docspace_room_id: "{_NO_KEY}"   # API key of the field of deals for the id of the room',
        f'  docspace_guest_id: "{_NO_KEY}"   # API key of the field of deals for the address of the guest',
    ),
    settings=Pipedrive,
    events=deals.EVENTS,
    steps=[note_on_deal("pipedrive")],
    trusted_by=("webhook_user", "webhook_password"),
    verify=webhook.verify,
    read=webhook.read,
    complete=client.complete,
    connect=opener(client.PipedriveClient),
    by_hand=deals.by_hand,
    trails=[deals.TRAIL],
    examine=checkup.examine,
)
