"""An event: what happened, in one shape whoever said it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

#: How the type of an event is written that an `http` connection gives a name of its own.
OWN_TYPE = r"^[a-z][a-z0-9_]{0,39}\.[a-z][a-z0-9_]{0,39}$"


@dataclass(frozen=True)
class Place:
    """Where on the portal an event happened: its room, and the way from there down to the folder."""

    room: int | str
    room_title: str
    folder: int | str
    path: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON data."""
        return {"room": self.room, "room_title": self.room_title, "folder": self.folder, "path": list(self.path)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Place":
        """Read what `to_json` gave."""
        return cls(data["room"], data["room_title"], data["folder"], tuple(data["path"]))


@dataclass(frozen=True)
class Event:
    """What a connection told us.

    `delivery` is the sender's id of this delivery, `meaning` a key that is equal for every delivery of the same
    occurrence. `facts` are the template's variables, such as `file`; `subject` is a line for people to read.
    """

    type: str
    connection: str
    at: datetime
    delivery: str
    meaning: str
    subject: str
    actor: str = ""
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    raw: Any = None
    #: Why this event starts nothing whatever the automations say; empty if it may.
    ignored: str = ""
    #: Whether it is genuine and should have started something, but nothing can be made of it: `ignored` says why.
    unusable: bool = False
    #: The sender's channel, where one meaning may stand for two occurrences, as DocSpace's may within a second:
    #: two deliveries of one meaning by one channel are then looked at twice.
    channel: str = ""
    #: What happened to what, without the moment: `file.uploaded 50123`. Set where a trail tells of the same occurrence
    #: in other words than a delivery does, so that the two are known for one by their moments.
    occurrence: str = ""
    #: What it may be instead, as an occurrence: the trail's entry says both by one word. Where a delivery has told of
    #: that, by the same person at the same moment, it is that.
    or_else: str = ""
    #: The lasting state that it tells of, without its beginning: `deal 401 won`. Set where nobody says for certain when
    #: that began: it is then the same occurrence as the last one of this standing, unless another was told of between.
    standing: str = ""
    #: How a trail names the same occurrence, where that is known, and is otherwise than `meaning`.
    witness: str = ""
    #: The trail in which it was found, if it was not delivered.
    found: str = ""
    #: What it shares with others that can be handled by one call, such as the folder; finds the place, too.
    lane: str = ""
    #: Whether the raw body may be kept; if not, `raw` is kept in its stead.
    keeps_body: bool = True
    id: int = 0
    place: Place | None = None

    def at_place(self, place: Place) -> "Event":
        """Add where it happened to what is known of it."""
        noun = self.noun
        known = dict(self.facts.get(noun, {}))
        known |= {"room": place.room, "room_title": place.room_title, "path": "/".join(place.path)}
        if known.get("id") == place.room:  # it is about the room itself, and may not have said what that is called
            known.setdefault("title", place.room_title)
        return replace(self, place=place, facts={**self.facts, noun: known})

    @property
    def noun(self) -> str:
        """What it is about."""
        return noun_of(self.type)

    def variables(self) -> dict[str, Any]:
        """Give the variables that templates and conditions see."""
        about = {
            "id": self.id,
            "type": self.type,
            "connection": self.connection,
            "at": self.at.isoformat(),
            "actor": self.actor,
            "raw": self.raw,
        }
        return {"event": about, **{name: dict(values) for name, values in self.facts.items()}}


def noun_of(type_: str) -> str:
    """Give what events of a type are about, as templates call it: `file` for `file.uploaded`."""
    return type_.partition(".")[0]
