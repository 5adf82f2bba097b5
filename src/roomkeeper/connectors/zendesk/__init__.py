"""Zendesk: new tickets, told by triggers or event webhooks; internal notes and fields."""

from roomkeeper.connectors.zendesk import client, webhook
from roomkeeper.connectors.zendesk.instructions import INSTRUCTIONS
from roomkeeper.connectors.zendesk.settings import Zendesk
from roomkeeper.contract.catalog import Connector
from roomkeeper.vendors import checkup, tickets
from roomkeeper.vendors.client import opener
from roomkeeper.vendors.fields import set_ticket_field
from roomkeeper.vendors.notes import note_on_ticket

CONNECTOR = Connector(
    type="zendesk",
    summary="A Zendesk account.",
    name="Zendesk",
    instructions=INSTRUCTIONS,
    first=(
        "url: {url}",
        "email: {email}",
        "api_token: !env ZENDESK_TOKEN",
        "webhook_secret: !env ZENDESK_SECRET",
    ),
    settings=Zendesk,
    events=tickets.EVENTS,
    steps=[note_on_ticket("zendesk"), set_ticket_field("zendesk")],
    trusted_by=("webhook_secret",),
    verify=webhook.verify,
    signed_in=lambda _: (webhook.SIGNATURE,),
    read=webhook.read,
    complete=client.complete,
    connect=opener(client.ZendeskClient),
    by_hand=tickets.by_hand,
    trails=[tickets.TRAIL],
    examine=checkup.examine,
)
