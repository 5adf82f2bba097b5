"""Anything that can POST JSON: it may tell of closed deals, of new tickets, and of what else one gives a name."""

from roomkeeper.connectors.http import own, webhook
from roomkeeper.connectors.http.instructions import INSTRUCTIONS
from roomkeeper.connectors.http.settings import Http, connect
from roomkeeper.contract.catalog import Connector

CONNECTOR = Connector(
    type="http",
    summary="Anything that can POST JSON.",
    name="Your CRM",
    instructions=INSTRUCTIONS,
    of_deal=("clientRoomId", "guestUserId"),
    first=(
        "event: deal.closed",
        "token: !env CRM_TOKEN   # expected in `Authorization: Bearer`",
    ),
    settings=Http,
    events=webhook.EVENTS,
    trusted_by=("token", "hmac_secret"),
    raises=webhook.raises,
    own=own.kinds,
    verify=webhook.verify,
    signed_in=lambda settings: (settings.signature_header,),
    read=webhook.read,
    complete=webhook.complete,
    connect=connect,
    by_hand=webhook.by_hand,
)
