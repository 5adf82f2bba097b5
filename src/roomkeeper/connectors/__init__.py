"""The services Roomkeeper connects to: one folder each, one line each."""

from roomkeeper.automations.catalog import Catalog
from roomkeeper.connectors import docspace

CATALOG = Catalog(
    [
        docspace.CONNECTOR,
    ]
)
