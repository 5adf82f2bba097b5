"""A small recording of a portal, to be sent with a report of a fault: what it answers, without contents or names.

Only readings are made. Of an answer there remain the names of its fields, the kinds of their values, and the numbers
that are the portal's own words, such as an access or the type of a room.
"""

import re
from collections.abc import Mapping
from typing import Any

from roomkeeper.docspace import Portal
from roomkeeper.docspace.wire import Call
from roomkeeper.errors import RemoteError

#: Fields whose numbers and texts mean something to every portal, and name nobody.
_TOLD = frozenset(
    {
        *("access", "roomType", "rootFolderType", "folderType", "parentRoomType", "fileEntryType", "fileStatus"),
        *("subjectType", "linkType", "status", "activationStatus", "triggers", "trigger", "version", "culture"),
        *("utcOffset", "permissions", "Operation"),
    }
)
_ABOUT_PORTAL = (  # ours
    Call("GET", "/settings"),
    Call("GET", "/settings/security/password"),
    Call("GET", "/keys/@self"),
    Call("GET", "/people/@self"),
    Call("GET", "/group", query={"count": 1}),
    Call("GET", "/files/rooms", query={"count": 1}),
    Call("GET", "/files/fileops"),
    Call("GET", "/settings/webhook"),
    Call("GET", "/settings/webhooks/log", query={"count": 2}),
)
_ABOUT_ROOM: tuple[tuple[str, dict[str, object]], ...] = (  # ours
    ("/files/rooms/{room}", {}),
    ("/files/{room}", {"count": 2, "sortBy": "AZ", "sortOrder": 0}),
    ("/files/{room}", {"count": 2, "filterType": 1, "withSubFolders": True, "sortBy": "AZ", "sortOrder": 0}),
    ("/files/folder/{room}/path", {}),
    ("/files/folder/{room}/log", {"count": 5}),
    ("/files/rooms/{room}/share", {"filterType": 0, "count": 2}),
    ("/files/rooms/{room}/links", {"type": 1}),
)


async def record(portal: Portal) -> list[dict[str, Any]]:
    """Ask what can be asked without changing anything; gives a line for each call."""
    lines = []
    room: object = None
    for call in _ABOUT_PORTAL:
        line, response = await _asked(portal, call, call.path)
        lines.append(line)
        if call.path == "/files/rooms" and isinstance(response, Mapping) and response.get("folders"):
            room = response["folders"][0].get("id")
    for path, query in _ABOUT_ROOM if room is not None else ():
        line, _ = await _asked(portal, Call("GET", path.format(room=room), query=query), path)
        lines.append(line)
    return lines


async def _asked(portal: Portal, call: Call, path: str) -> tuple[dict[str, Any], Any]:
    line: dict[str, Any] = {"call": f"{call.method} {path}", "query": dict(call.query)}
    try:
        answer = await portal.send(call)
    except RemoteError as error:
        return line | {"status": error.status, "error": type(error).__name__}, None
    return line | {"status": 200, "total": answer.total, "shape": shape(answer.response)}, answer.response


def shape(value: Any, name: str = "") -> Any:  # noqa: ANN401 - JSON
    """Say what a value is without saying it. Pure."""
    if isinstance(value, Mapping):
        return {key: shape(one, str(key)) for key, one in value.items()}
    if isinstance(value, list):
        return {"list of": len(value), "the first": shape(value[0], name) if value else None}
    if value is None or isinstance(value, bool) or (name in _TOLD and isinstance(value, int | str)):
        return value
    return _kind(value)


def _kind(value: object) -> str:
    if isinstance(value, int | float):
        return "number"
    text = str(value)
    if not text:
        return "empty"
    if re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text):
        return "GUID"
    dated = re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?", text)
    if dated is not None:
        zone = "Z" if dated[2] == "Z" else "an offset" if dated[2] else "no zone"
        return f"date with {len(dated[1] or '.') - 1} digits, {zone}"
    if text.isdecimal():
        return "number as text"
    return "address" if text.startswith(("http://", "https://", "/")) else "text"
