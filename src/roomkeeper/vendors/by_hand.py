"""Events that somebody asks for by hand."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from roomkeeper.automations.event import Event
from roomkeeper.errors import NotThere

BY_HAND = "by hand"


def about(noun: str) -> Callable[[str, str, Mapping[str, Any]], Event]:
    """Give the maker of events about a deal or a ticket, of which at least the id must be said."""

    def make(connection: str, type_: str, fields: Mapping[str, Any]) -> Event:
        """Make the event: `deal.id=42`. Raises NotThere."""
        given = dict(fields.get(noun) or {})
        if not given.get("id"):
            raise NotThere(f"{type_} needs to know which {noun}", remedy=f"Add `--with {noun}.id=…`.")
        now = datetime.now(UTC)
        lane = f"{noun} {given['id']}"
        name = f"{BY_HAND} {lane} {now.isoformat()}"
        return Event(
            type_,
            connection,
            now,
            delivery=name,
            meaning=name,
            subject=lane,
            facts={noun: given},
            lane=lane,
            raw={"by_hand": dict(fields)},
        )

    return make
