"""The services Roomkeeper connects to: one folder each, one line each."""

from roomkeeper.automations.approve import APPROVE
from roomkeeper.automations.catalog import Catalog
from roomkeeper.connectors import docspace, http, hubspot, pipedrive, salesforce

CATALOG = Catalog(
    [
        docspace.CONNECTOR,
        hubspot.CONNECTOR,
        pipedrive.CONNECTOR,
        salesforce.CONNECTOR,
        http.CONNECTOR,
    ],
    [APPROVE],
)
