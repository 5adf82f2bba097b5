"""The services that can be chosen at first, by what they tell of."""

from roomkeeper.connectors import CATALOG
from roomkeeper.setup.choices import Service

_OFFERED = {name: Service(name, one.first) for name, one in CATALOG.connectors.items() if one.first}
CRMS = {name: one for name, one in _OFFERED.items() if "deal.closed" in CATALOG.connectors[name].events}
HELPDESKS = {
    name: one
    for name, one in _OFFERED.items()
    if "ticket.created" in CATALOG.connectors[name].events and name not in CRMS
}
