"""ONLYOFFICE DocSpace: its webhooks, and what can be done with files and rooms."""

from roomkeeper.automations.catalog import Connector
from roomkeeper.connectors.docspace import files, settings, webhook
from roomkeeper.docspace.wire import sanitise_title

CONNECTOR = Connector(
    type="docspace",
    summary="An ONLYOFFICE DocSpace portal.",
    settings=settings.DocSpace,
    events=webhook.EVENTS,
    steps=[files.COPY_FILES],
    verify=webhook.verify,
    read=webhook.read,
    connect=settings.connect,
    place=webhook.place,
    myself=webhook.myself,
    stored_title=sanitise_title,
    by_hand=webhook.by_hand,
)
