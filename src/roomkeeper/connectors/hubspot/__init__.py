"""HubSpot: closed deals, told by webhooks or workflows; notes on them."""

from roomkeeper.connectors.hubspot import client, webhook
from roomkeeper.connectors.hubspot.instructions import INSTRUCTIONS
from roomkeeper.connectors.hubspot.settings import HubSpot
from roomkeeper.contract.catalog import Connector
from roomkeeper.vendors import checkup, deals
from roomkeeper.vendors.client import opener
from roomkeeper.vendors.notes import note_on_deal

CONNECTOR = Connector(
    type="hubspot",
    summary="A HubSpot account.",
    name="HubSpot",
    instructions=INSTRUCTIONS,
    first=(
        "access_token: !env HUBSPOT_TOKEN",
        "client_secret: !env HUBSPOT_SECRET",
    ),
    settings=HubSpot,
    events=deals.EVENTS,
    steps=[note_on_deal("hubspot")],
    trusted_by=("client_secret",),
    verify=webhook.verify,
    signed_in=lambda _: (webhook.V3, webhook.OLD),
    read=webhook.read,
    complete=client.complete,
    connect=opener(client.HubSpotClient),
    by_hand=deals.by_hand,
    trails=[deals.TRAIL],
    examine=checkup.examine,
)
