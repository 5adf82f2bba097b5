"""An automation: when this, do that; and whether an event is for it."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from roomkeeper.automations import template
from roomkeeper.automations.condition import Asked, Condition, is_met, listed
from roomkeeper.automations.duration import Duration
from roomkeeper.automations.event import Event
from roomkeeper.automations.schedule import SCHEDULE, Missed, Schedule, is_cron

#: What a step sees of the item that it is done for.
OF_AN_ITEM = frozenset({"item", "number"})


def _a_list(value: str | list[Any]) -> str | list[Any]:
    if isinstance(value, str) and not template.is_template(value):
        raise ValueError("must be a list, or a template that gives one, such as `{{ listed.files }}`")
    return value


class Step(BaseModel):
    """One step of an automation."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    do: str = Field(description="The step's name in the catalogue.", examples=["copy_files"])
    with_: dict[str, Any] = Field(
        default_factory=dict, alias="with", description="The step's own settings.", examples=[{"to": 222222}]
    )
    as_: str | None = Field(
        default=None, alias="as", description="A name for the result, for later steps.", examples=["copy"]
    )
    if_: str | None = Field(
        default=None,
        alias="if",
        description="An expression; the step is left out if it is false, or the item of `for_each` is.",
        examples=["file.title"],
    )
    for_each: Annotated[str | list[Any], AfterValidator(_a_list)] | None = Field(
        default=None,
        description="A list: the step is done for each of its items, once, and sees it as `item`, and as `number` "
        "which one it is, from 1. What fails is named, and the others are done.",
        examples=["{{ listed.files }}"],
    )
    via: str | None = Field(
        default=None, description="The connection it acts on, if there are several of its kind.", examples=["acme"]
    )

    @property
    def name(self) -> str:
        """What a run calls this step."""
        return self.as_ or self.do

    def templates(self) -> Iterator[tuple[tuple[str | int, ...], str, bool]]:
        """Find every template of the step: where it stands, its text, and whether it is a condition."""
        if self.if_ is not None:
            yield ("if",), self.if_, True
        yield from _strings([self.for_each] if isinstance(self.for_each, str) else self.for_each, ("for_each",))
        yield from _strings(self.with_, ("with",))


def _strings(value: Any, where: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str, bool]]:  # noqa: ANN401
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _strings(one, (*where, name))
    elif isinstance(value, list):
        for at, one in enumerate(value):
            yield from _strings(one, (*where, at))
    elif template.is_template(value):
        yield where, value, False


_SHORTEST = 10.0  # seconds between two moments of a schedule: it is looked every few seconds; ours


def _not_too_often(value: float) -> float:
    if value < _SHORTEST:
        raise ValueError(f"must be {_SHORTEST:g}s or more")
    return value


def _a_cron_expression(value: str) -> str:
    if not is_cron(value):
        raise ValueError("must be a cron expression: minute, hour, day, month, weekday, such as `0 8 * * mon`")
    return value


def _a_time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("must be a time zone that this machine knows, such as Europe/Berlin") from error
    return value


def _each_once(value: str | list[str]) -> str | list[str]:
    if isinstance(value, list) and len(set(value)) < len(value):
        raise ValueError("names an event twice")
    if isinstance(value, list) and SCHEDULE in value and len(value) > 1:
        raise ValueError("has `schedule` beside others: write an automation of its own for what else starts it")
    return value


class Automation(BaseModel):
    """One automation of the configuration file."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: str = Field(
        description="Letters, digits and hyphens; runs are listed under it.",
        examples=["copy-client-uploads"],
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$",
        max_length=80,
    )
    on: Annotated[str | Annotated[list[str], Field(min_length=1)], AfterValidator(_each_once)] = Field(
        description="The event that starts it; of a list, any of them.",
        examples=["file.uploaded", ["file.uploaded", "file.updated"]],
    )
    from_: str | None = Field(
        default=None, alias="from", description="The connection the event must come from.", examples=["acme"]
    )
    where: dict[str, Asked] = Field(
        default_factory=dict,
        description="What the event's fields must be; a list means any of them, and a mapping asks whether it "
        "`contains`, is `like`, `above`, `below` or `not` something. `room` takes an id or an exact title.",
        examples=[{"room": 111111}],
    )
    every: Annotated[Duration, AfterValidator(_not_too_often)] | None = Field(
        default=None,
        description="With `on: schedule`: how often it is due, counted from the beginning of 1970 (UTC): `1h` is each "
        "full hour, `1d` each midnight.",
        examples=["1h"],
    )
    cron: Annotated[str, AfterValidator(_a_cron_expression)] | None = Field(
        default=None,
        description="With `on: schedule`: when it is due, as minute, hour, day, month and weekday.",
        examples=["0 8 * * mon"],
    )
    time_zone: Annotated[str, AfterValidator(_a_time_zone)] | None = Field(
        default=None, description="The time zone of `cron`; UTC, if it is not said.", examples=["Europe/Berlin"]
    )
    missed: Missed = Field(
        default="once",
        description="What becomes of moments of the schedule at which nobody was there: one run for all of them "
        "(`once`), one for each (`all`), or none (`skip`).",
        examples=["skip"],
    )
    gather: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="How many waiting events of one room a run takes at most; 100 if every step can take many, else 1.",
        examples=[100],
    )
    paused: bool = Field(default=False, description="Collect events, run nothing.", examples=[True])
    steps: list[Step] = Field(description="What to do, in order.", min_length=1, examples=[[{"do": "copy_files"}]])

    @model_validator(mode="after")
    def _has_a_schedule_or_none(self) -> Self:
        said = [name for name in ("every", "cron") if getattr(self, name) is not None]
        if self.on != SCHEDULE and (said or self.time_zone is not None):
            raise ValueError("`every`, `cron` and `time_zone` belong to `on: schedule`")
        if self.on == SCHEDULE and len(said) != 1:
            raise ValueError("`on: schedule` needs `every` or `cron`, and not both")
        if self.every is not None and self.time_zone is not None:
            raise ValueError("`time_zone` belongs to `cron`: `every` is the same everywhere")
        return self

    @property
    def event_types(self) -> tuple[str, ...]:
        """The kinds of event that start it."""
        return (self.on,) if isinstance(self.on, str) else tuple(self.on)

    @property
    def started_by(self) -> str:
        """What starts it, in words."""
        return " or ".join(self.event_types)

    @property
    def schedule(self) -> Schedule | None:
        """When it is due by itself; None if something else starts it."""
        if self.on != SCHEDULE:
            return None
        return Schedule(self.every, self.cron, self.time_zone or "UTC", self.missed)

    def due(self, moment: datetime) -> dict[str, Any]:
        """Say what its schedule tells at a moment; without a schedule, nothing."""
        if self.schedule is None:
            return {}
        return {"automation": self.name, **self.schedule.told(moment.replace(microsecond=0))}

    @property
    def rooms(self) -> list[int | str]:
        """List the rooms that `where` names, by id or title; none if it is for all. A schedule is its own place."""
        if self.schedule is not None:
            return [self.schedule.place(self.name)]
        wanted = self.where.get("room", [])
        if isinstance(wanted, Condition):
            return []
        return [one if isinstance(one, int) else str(one) for one in (wanted if isinstance(wanted, list) else [wanted])]


def stages(positions: Sequence[int], steps: Sequence[Step], side_by_side: Callable[[Step], bool]) -> list[list[int]]:
    """Divide steps into stages: neighbours that may run side by side, and need nothing of each other, are one stage.

    `side_by_side` tells which kinds may; every other step is a stage of its own. A step needs another if it uses the
    other's result.
    """
    divided: list[list[int]] = []
    for position in positions:
        step = steps[position]
        last = divided[-1] if divided else []
        names = {steps[one].name for one in last}
        joins = last and side_by_side(step) and all(side_by_side(steps[one]) for one in last)
        if joins and not names & used_by(step):
            last.append(position)
        else:
            divided.append([position])
    return divided


def used_by(step: Step) -> set[str]:
    """List the variables that a step's templates and condition use."""
    texts = [(text, False) for text in template.inside([step.with_, step.for_each])]
    texts += [(step.if_, True)] if step.if_ is not None else []
    used = {path[0] for text, condition in texts for path in template.references(text, condition=condition)}
    return used - OF_AN_ITEM if step.for_each is not None else used


def acts_on(step: Step, wanted: Collection[str], event_connection: str, types: Mapping[str, str]) -> str | None:
    """Name the connection that a step acts on, of one of the types `wanted`: never another than the automation meant.

    It is the one that the step names, the event's own, or the only one that fits; None if that is not clear.
    `types` gives the type of each connection. A step that needs no connection gets the event's.
    """
    named = step.via or event_connection
    if named not in types:
        return None
    if step.via is not None or types[named] in wanted or "" in wanted:
        return named
    fitting = [name for name, type_ in types.items() if type_ in wanted]
    return fitting[0] if len(fitting) == 1 else None


def listening_to(connection: str, automations: Iterable[Automation], raised: Collection[str]) -> list[Automation]:
    """List the automations that listen to a connection, given the kinds of event that it raises."""
    return [one for one in automations if one.from_ in {None, connection} and set(one.event_types) & set(raised)]


def heard_of(automations: Iterable[Automation]) -> frozenset[str]:
    """List the kinds of event that start any of these."""
    return frozenset(type_ for one in automations for type_ in one.event_types)


def is_for(automation: Automation, event: Event) -> bool:
    """Whether the automation listens to this kind of event from this connection; a schedule is for one automation."""
    if event.type not in automation.event_types or automation.from_ not in {None, event.connection}:
        return False
    return automation.on != SCHEDULE or _field(event, "automation") in {(None,), (automation.name,)}


def matches(where: Mapping[str, Any], event: Event, *, stored: Callable[[str], str] = str) -> bool:
    """Whether the event's fields are what `where` asks for; `stored` gives a title as the service stores it."""
    return not unmet(where, event, stored=stored)


def why_not(where: Mapping[str, Any], event: Event, *, stored: Callable[[str], str] = str) -> str:
    """Say which conditions do not hold, in words; empty if all do."""
    missed = unmet(where, event, stored=stored)
    return "; ".join(
        f"{name} must be {f'({wanted})' if isinstance(wanted, Condition) else wanted}, and is {have}"
        for name, wanted, have in missed
    )


def unmet(
    where: Mapping[str, Any], event: Event, *, stored: Callable[[str], str] = str
) -> list[tuple[str, object, str]]:
    """List the conditions that do not hold: (field, what it must be, what it is)."""
    missed: list[tuple[str, object, str]] = []
    for name, wanted in where.items():
        have = _field(event, name)
        asked: object = wanted
        if name == "room":
            asked = wanted.as_stored(stored) if isinstance(wanted, Condition) else _as_stored(listed(wanted), stored)
        if not is_met(asked, have):
            missed.append((name, wanted, _shown(have)))
    return missed


def _field(event: Event, name: str) -> tuple[object, ...]:
    """Give the values that may stand for a field: a room goes by its id or its title."""
    if name == "room" and event.place is not None:
        return event.place.room, event.place.room_title
    if name == "actor":
        return (event.actor,)
    value: object = event.facts.get(event.noun, {})
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return (value,)


def _as_stored(titles: Sequence[object], stored: Callable[[str], str]) -> list[object]:
    return [stored(one) if isinstance(one, str) else one for one in titles]


def _shown(have: tuple[object, ...]) -> str:
    return " ".join(str(one) for one in have if one is not None) or "not known"
