"""Freshdesk: new tickets, told by an automation's webhook; private notes and fields."""

from roomkeeper.connectors.freshdesk import client, webhook
from roomkeeper.connectors.freshdesk.instructions import INSTRUCTIONS
from roomkeeper.connectors.freshdesk.settings import Freshdesk
from roomkeeper.contract.catalog import Connector
from roomkeeper.vendors import checkup, tickets
from roomkeeper.vendors.client import opener
from roomkeeper.vendors.fields import set_ticket_field
from roomkeeper.vendors.notes import note_on_ticket

CONNECTOR = Connector(
    type="freshdesk",
    summary="A Freshdesk account.",
    name="Freshdesk",
    instructions=INSTRUCTIONS,
    first=(
        "url: {url}",
        "api_key: !env FRESHDESK_KEY",
        "webhook_token: !env FRESHDESK_WEBHOOK_TOKEN",
    ),
    settings=Freshdesk,
    events=tickets.EVENTS,
    steps=[note_on_ticket("freshdesk"), set_ticket_field("freshdesk")],
    trusted_by=("webhook_token",),
    verify=webhook.verify,
    read=webhook.read,
    complete=client.complete,
    connect=opener(client.FreshdeskClient),
    by_hand=tickets.by_hand,
    trails=[tickets.TRAIL],
    examine=checkup.examine,
)
