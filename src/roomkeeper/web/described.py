"""An event as pages and the API describe it: all that is known of it, without its secrets."""

from collections.abc import Mapping
from typing import Any

from roomkeeper.desk import offers, overview, reasons
from roomkeeper.intake.events import event_of
from roomkeeper.web.desk import Desk


def event(desk: Desk, number: int) -> dict[str, Any]:
    """Say all of an event, without its secrets. Raises NotThere."""
    told, row = desk.history.event(number), desk.history.row(number)
    connection = desk.config.connections.get(told["connection"])
    connector = desk.config.catalog.connectors.get(connection.type) if connection is not None else None
    judged = []
    if told["type"] and told["status"] in {"accepted", "ignored"}:
        stored = connector.stored_title if connector is not None else str
        judged = reasons.why(desk.config.automations, event_of(row), told["automations"], told["about"], stored)
    if told["state"] == "parked" and not told["runs"]:
        stopped = {one["name"] for one in overview.automations(desk.store, desk.config) if one["paused"]}
        judged = [one | ({"because": "it is paused"} if one["automation"] in stopped else {}) for one in judged]
    return {
        "event": told,
        "body": told["body"],
        "trusted": _trusted(told, unsigned=bool(getattr(getattr(connection, "settings", None), "unsigned", False))),
        "judged": judged,
        "offers": offers.of_event(told),
    }


def _trusted(told: Mapping[str, object], *, unsigned: bool) -> str:
    """Say why the event was believed, or why it was not."""
    if told["status"] == "refused":
        return f"Refused: {told['reason']}."
    if told["found"]:
        return f"Found by asking the service itself ({told['found']}); it was not delivered."
    if told["target"]:
        return "Handed in by hand (`roomkeeper start`)."
    if told["head"] is None:
        return "Kept by an older Roomkeeper, which did not write down how it came."
    if unsigned:
        return "Not verified: the connection accepts deliveries without a signature (`unsigned: true`)."
    return "Verified: it proved by its signature, token or password that it is from the sender."
