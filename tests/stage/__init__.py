"""The stage for whole-product tests: a pretend portal in a process of its own, and a real Roomkeeper, talking HTTP."""

from roomkeeper.demo import Portal
from stage.commands import command
from stage.keeper import CRM_SECRETS, SECRET, SETTLE_AFTER, Keeper
from stage.portals import simulated_portal
from stage.ports import free_port
from stage.scenes import NOTE, ORGANIZATION, ClosingDeals, OpeningTickets, Rooms, copy_uploads, sized
from stage.waiting import next_second, until

__all__ = [
    "CRM_SECRETS",
    "NOTE",
    "ORGANIZATION",
    "SECRET",
    "SETTLE_AFTER",
    "ClosingDeals",
    "Keeper",
    "OpeningTickets",
    "Portal",
    "Rooms",
    "command",
    "copy_uploads",
    "free_port",
    "next_second",
    "simulated_portal",
    "sized",
    "until",
]
