"""The services Roomkeeper connects to: one folder each, one line each."""

from roomkeeper.automations.approve import APPROVE
from roomkeeper.automations.catalog import Catalog
from roomkeeper.connectors import docspace, freshdesk, http, hubspot, jira, notify, pipedrive, salesforce, zendesk

CATALOG = Catalog(
    [
        docspace.CONNECTOR,
        zendesk.CONNECTOR,
        freshdesk.CONNECTOR,
        jira.CONNECTOR,
        hubspot.CONNECTOR,
        pipedrive.CONNECTOR,
        salesforce.CONNECTOR,
        http.CONNECTOR,
        *notify.CONNECTORS,
    ],
    [APPROVE],
)
