"""Reasons: which automations an event was for, and why it was not for the others."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from roomkeeper.automations.automation import Automation, why_not
from roomkeeper.automations.event import Event, Place


def why(
    automations: Iterable[Automation],
    event: Event,
    taken_by: Collection[str],
    about: Iterable[Mapping[str, Any]],
    stored: Callable[[str], str],
) -> list[dict[str, Any]]:
    """Say of each automation whether it took the event, or why not, by the configuration as it is now."""
    room = next((one for one in about if one["kind"] == "room"), None)
    if room is not None and event.place is None:
        number = int(room["number"]) if room["number"].isdecimal() else room["number"]
        event = event.at_place(Place(number, room["title"], number))
    return [_judged(one, event, one.name in taken_by, stored) for one in automations]


def _judged(automation: Automation, event: Event, taken: bool, stored: Callable[[str], str]) -> dict[str, Any]:  # noqa: FBT001
    said = {"automation": automation.name, "took": taken}
    if taken:
        return said | {"because": ""}
    if event.type not in automation.event_types:
        return said | {"because": f"it listens to {automation.started_by}"}
    if automation.from_ not in {None, event.connection}:
        return said | {"because": f"it listens to the connection {automation.from_}"}
    if unfit := why_not(automation.where, event, stored=stored):
        return said | {"because": f"its `where` does not hold: {unfit}"}
    return said | {"because": "by the configuration as it is now it would; replay the event to have it do so"}
