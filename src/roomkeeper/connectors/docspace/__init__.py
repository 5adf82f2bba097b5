"""ONLYOFFICE DocSpace: its webhooks, and what can be done with files, rooms and guests."""

from roomkeeper.connectors.docspace import (
    archive,
    checkup,
    creating,
    evidence,
    files,
    guests,
    hooks,
    inviting,
    recording,
    restore,
    rooms,
    round_trip,
    settings,
    sharing,
    trails,
    webhook,
)
from roomkeeper.contract.catalog import Connector
from roomkeeper.docspace import signature
from roomkeeper.docspace.wire import sanitise_title

CONNECTOR = Connector(
    type="docspace",
    summary="An ONLYOFFICE DocSpace portal.",
    settings=settings.DocSpace,
    events=webhook.EVENTS,
    raises=lambda given: trails.IN_HISTORY if given.polls else webhook.EVENTS,
    steps=[
        files.COPY_FILES,
        archive.ARCHIVE_FILES,
        restore.RESTORE_FILES,
        guests.REVOKE_GUEST,
        rooms.ARCHIVE_ROOM,
        creating.CREATE_ROOM,
        creating.CREATE_FOLDERS,
        creating.TAG_ROOM,
        inviting.INVITE,
        sharing.SHARE_LINK,
    ],
    trusted_by=("webhook_secret",),
    verify=webhook.verify,
    signed_in=lambda _: (signature.HEADER,),
    read=webhook.read,
    connect=settings.connect,
    complete=webhook.complete,
    place=webhook.place,
    myself=webhook.myself,
    stored_title=sanitise_title,
    by_hand=webhook.by_hand,
    trails=trails.TRAILS,
    upkeep=hooks.UPKEEP,
    examine=checkup.examine,
    sighted=evidence.sighted,
    record=recording.record,
    round_trip=round_trip.round_trip,
    scopes=frozenset({"files:read", "rooms:read"}),
    scopes_of_fields={"type": "accounts:read"},  # of people
)
