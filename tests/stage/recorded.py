"""What a real portal answered (DocSpace 3.7.2), and what the product asks to be given it."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from roomkeeper.docspace import Portal
from roomkeeper.docspace.files import OnConflict
from roomkeeper.docspace.models import Webhook

RECORDED: dict[str, Any] = json.loads((Path(__file__).parents[1] / "docspace/recorded/answers.json").read_text())
HOOK = Webhook(id=0, name="n", uri="https://keeper.example/hook")
#: What the product asks to be given each recorded answer.
ASKED: dict[str, Callable[[Portal], Awaitable[object]]] = {
    "file": lambda portal: portal.files.get(1),
    "uploaded": lambda portal: portal.files.upload(1, "a.txt", b"abc"),
    "folder": lambda portal: portal.folders.create(1, "by keeper"),
    "contents": lambda portal: portal.folders.page(1, 0, sort_by="AZ"),
    "path": lambda portal: portal.folders.path(1),
    "subfolders": lambda portal: portal.folders.subfolders(1),
    "rooms": lambda portal: portal.rooms.all(),
    "members": lambda portal: portal.rooms.members(1),
    "external links": lambda portal: portal.links.of("rooms", 1),
    "invitation link": lambda portal: portal.links.make("rooms", 1, {}),
    "primary link": lambda portal: portal.links.primary(1),
    "template status": lambda portal: portal.rooms.template_status(),
    "operation, begun": lambda portal: portal.files.copy([1], 2, on_conflict=OnConflict.SKIP),
    "operation, ended": lambda portal: portal.operations.all(),
    "key": lambda portal: portal.people.key(),
    "person": lambda portal: portal.people.get("00000000-0000-0000-0000-000000000000"),
    "groups": lambda portal: portal.people.groups(),
    "webhook": lambda portal: portal.webhooks.register(HOOK, "s"),
    "webhooks": lambda portal: portal.webhooks.all(),
    "delivery log": lambda portal: portal.webhooks.log(1),
    "history": lambda portal: portal.history.of_folder(1),
}
