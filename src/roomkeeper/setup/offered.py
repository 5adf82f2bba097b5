"""The services that can be chosen at first, by what they tell of."""

from collections.abc import Mapping

from roomkeeper.connectors import CATALOG
from roomkeeper.setup.choices import Service


def _offered(event: str, name: str) -> Mapping[str, Service]:
    """List those that tell of an event; their connection is to be called so."""
    tell = {type_: one for type_, one in CATALOG.connectors.items() if one.first and event in one.events}
    return {type_: Service(name, type_, one.first, one.of_deal) for type_, one in tell.items()}


CRMS = _offered("deal.closed", "sales")
HELPDESKS = {type_: one for type_, one in _offered("ticket.created", "support").items() if type_ not in CRMS}
