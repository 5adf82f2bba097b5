"""The services Roomkeeper connects to: one folder each, one line each."""

from roomkeeper.connectors import (
    clock,
    docspace,
    freshdesk,
    http,
    hubspot,
    jira,
    notify,
    pipedrive,
    salesforce,
    zendesk,
)
from roomkeeper.contract.approve import APPROVE
from roomkeeper.contract.catalog import Catalog

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
        clock.CONNECTOR,
        *notify.CONNECTORS,
    ],
    [APPROVE],
)
