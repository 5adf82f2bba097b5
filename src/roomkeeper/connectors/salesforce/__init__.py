"""Salesforce: closed opportunities, told by Outbound Messages or a flow's callout; tasks on them as notes."""

from roomkeeper.connectors.salesforce import client, webhook
from roomkeeper.connectors.salesforce.instructions import INSTRUCTIONS
from roomkeeper.connectors.salesforce.settings import Salesforce
from roomkeeper.contract.catalog import Connector
from roomkeeper.vendors import checkup, deals
from roomkeeper.vendors.client import opener
from roomkeeper.vendors.notes import note_on_deal

CONNECTOR = Connector(
    type="salesforce",
    summary="A Salesforce organisation.",
    name="Salesforce",
    instructions=INSTRUCTIONS,
    of_deal=("DocSpace_Room__c", "DocSpace_Guest__c"),
    first=(
        "url: {url}",
        "client_id: the-connected-app   # its consumer key",
        "client_secret: !env SALESFORCE_CLIENT_SECRET",
        "organization_id: 00D000000000000   # Setup, Company Information",
        "webhook_token: !env SALESFORCE_WEBHOOK_TOKEN",
    ),
    settings=Salesforce,
    events=deals.EVENTS,
    steps=[note_on_deal("salesforce")],
    trusted_by=("webhook_token",),
    verify=webhook.verify,
    largest=25 * 1024 * 1024,  # a hundred notifications, of whatever fields the administrator picks; ours
    read=webhook.read,
    acknowledge=webhook.acknowledge,
    complete=client.complete,
    connect=opener(client.SalesforceClient),
    by_hand=deals.by_hand,
    trails=[deals.TRAIL],
    examine=checkup.examine,
)
