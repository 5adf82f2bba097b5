"""ONLYOFFICE DocSpace: its webhooks, and what can be done with files, rooms and guests."""

from collections.abc import Collection

from roomkeeper.connectors.docspace import checkup, places, recording, settings
from roomkeeper.connectors.docspace.events import chronicle, hooks, round_trip, trails, webhook
from roomkeeper.connectors.docspace.files import evidence
from roomkeeper.connectors.docspace.instructions import INSTRUCTIONS
from roomkeeper.connectors.docspace.steps import STEPS
from roomkeeper.contract.catalog import Connector
from roomkeeper.docspace import signature
from roomkeeper.docspace.wire import sanitise_title


def _raised(given: settings.DocSpace) -> Collection[str]:
    """List what a portal tells of, with these settings: by deliveries, and by the histories where they are read."""
    if given.polls:
        return trails.IN_HISTORY
    return {**webhook.EVENTS, **chronicle.EVENTS} if given.catch_up else webhook.EVENTS


CONNECTOR = Connector(
    type="docspace",
    summary="An ONLYOFFICE DocSpace portal.",
    name="The portal",
    instructions=INSTRUCTIONS,
    settings=settings.DocSpace,
    events={**webhook.EVENTS, **chronicle.EVENTS},
    raises=_raised,
    undelivered=frozenset(chronicle.EVENTS),
    steps=STEPS,
    trusted_by=("webhook_secret",),
    verify=webhook.verify,
    signed_in=lambda _: (signature.HEADER,),
    read=webhook.read,
    connect=settings.connect,
    complete=webhook.complete,
    place=webhook.place,
    myself=webhook.myself,
    in_order=webhook.in_order,
    stored_title=sanitise_title,
    by_hand=webhook.by_hand,
    trails=trails.TRAILS,
    upkeep=hooks.UPKEEP,
    examine=checkup.examine,
    rooms=places.rooms,
    sighted=evidence.sighted,
    record=recording.record,
    round_trip=round_trip.round_trip,
    scopes=frozenset({"files:read", "rooms:read"}),
    scopes_of_fields={"type": "accounts:read"},  # of people
)
