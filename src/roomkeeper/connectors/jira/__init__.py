"""Jira Service Management, Cloud and Data Center: new issues; internal comments, links and fields."""

from roomkeeper.connectors.jira import client, steps, webhook
from roomkeeper.connectors.jira.instructions import INSTRUCTIONS
from roomkeeper.connectors.jira.settings import Jira
from roomkeeper.contract.catalog import Connector
from roomkeeper.vendors import checkup, tickets
from roomkeeper.vendors.client import opener
from roomkeeper.vendors.fields import set_ticket_field

CONNECTOR = Connector(
    type="jira",
    summary="A Jira Service Management site.",
    name="Jira",
    instructions=INSTRUCTIONS,
    first=(
        "url: {url}",
        "email: {email}",
        "api_token: !env JIRA_TOKEN",
        "webhook_secret: !env JIRA_WEBHOOK_SECRET",
    ),
    settings=Jira,
    events=tickets.EVENTS,
    steps=[steps.NOTE_ON_TICKET, set_ticket_field("jira")],
    trusted_by=("webhook_secret", "webhook_token"),
    verify=webhook.verify,
    signed_in=lambda _: (webhook.SIGNATURE,),
    largest=25 * 1024 * 1024,  # facts/vendors.md 3
    read=webhook.read,
    complete=client.complete,
    connect=opener(client.JiraClient),
    by_hand=tickets.by_hand,
    trails=[tickets.TRAIL],
    examine=checkup.examine,
)
