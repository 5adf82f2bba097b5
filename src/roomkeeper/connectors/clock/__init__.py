"""The clock: what is due at a time, by `on: schedule`. There is one by itself."""

from roomkeeper.connectors.clock import schedules
from roomkeeper.contract.catalog import Connector

CONNECTOR = Connector(
    type="clock",
    summary="The machine's clock: there is one by itself where an automation says `on: schedule`.",
    is_built_in=True,
    settings=schedules.Clock,
    events=schedules.EVENTS,
    verify=schedules.verify,
    read=schedules.read,
    connect=schedules.connect,
    by_hand=schedules.by_hand,
    trails=schedules.TRAILS,
    examine=schedules.examine,
)
