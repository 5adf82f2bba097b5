"""Which connections an automation's events come from. Pure."""

from collections.abc import Mapping

from roomkeeper.automations.automation import Automation
from roomkeeper.configuration.config import Connection
from roomkeeper.contract.catalog import Catalog


def sources(automation: Automation, connections: Mapping[str, Connection], catalog: Catalog) -> list[str]:
    """Name the connections that raise what the automation listens to."""
    return [
        name
        for name, one in connections.items()
        if set(automation.event_types) & set(catalog.connectors[one.type].raised(one.settings))
    ]
