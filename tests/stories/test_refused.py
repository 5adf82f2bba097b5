"""What the portal does not let a step do: the run says it in words, names what it is about, and waits for a person."""

from collections.abc import Callable
from typing import Any

from stage import Keeper, Portal, Rooms

Make = Callable[..., Keeper]
NOBODY = "00000000-0000-4000-8000-00000000dead"


def test_each_step_that_is_refused_says_what_it_was_about_and_what_to_do(portal: Portal, keepers: Make) -> None:
    rooms = Rooms(portal)
    file = rooms.upload("Offer.docx")["id"]
    trashed = rooms.upload("Old.docx")["id"]
    portal.call("DELETE", f"/files/file/{trashed}", json={"immediately": False})
    folder = portal.call("POST", f"/files/folder/{rooms.client}", json={"title": "Inner"})["id"]
    people = [{"user": NOBODY, "access": "read"}, {"user": "no guid", "access": "read"}]
    guest = {"email": "guest@x.example"}
    steps: dict[str, tuple[str, dict[str, Any], str]] = {
        "rename": ("rename_file", {"file": file, "title": "New.docx"}, "'Offer.docx'"),
        "comment": ("comment_on_file", {"file": file, "text": "Checked"}, "takes no comment"),
        "trashed": ("rename_file", {"file": trashed, "title": "New.docx"}, "may not see file"),
        "gone": ("comment_on_file", {"file": 987654, "text": "Checked"}, "file 987654 is gone"),
        "drive": ("rename_file", {"file": "drive-5", "title": "New.docx"}, "third-party storage"),
        "none": ("comment_on_file", {"text": "Checked"}, "the event is about no file"),
        "user": ("create_user", {"email": "new@x.example", "type": "user"}, "new@x.example gets no account"),
        "archive": ("archive_room", {"room": rooms.client}, "the account may not archive room"),
        "folder": ("archive_room", {"room": folder}, "is a folder, and only rooms can be archived"),
        "invite": ("invite", {"room": rooms.internal, "members": people}, "no guid"),
        "access": (
            "set_access",
            {"room": rooms.client, "people": [guest["email"]], "access": "none"},
            "stays as it was for 1",
        ),
        "stranger": (
            "set_access",
            {"room": rooms.internal, "people": [guest["email"]], "access": "read"},
            "stays as it was for 1",
        ),
        "people": ("disable_people", {"people": [guest["email"]]}, "1 of 1 accounts are not disabled"),
        "handover": ("reassign", {"person": "keeper@x.example", "to": guest["email"]}, "'guest@x.example' is nobody"),
        "link": ("share_link", {"room": rooms.client}, "gets no"),
        "link-of-none": ("share_link", {"room": folder}, "is no room"),
    }
    schedule = {"on": "schedule", "every": "365d", "missed": "skip"}
    automations = [
        {"name": name, **schedule, "steps": [{"do": do, "with": settings}]} for name, (do, settings, _) in steps.items()
    ]
    keeper = keepers(portal, rooms.keeper_key, automations)
    refusals = {"PUT": r"/(file/\d+|fileops/.*|rooms/.*|files/.*/comment|status/\w+)", "POST": "/(people|reassign)"}
    portal.direct(
        "PUT",
        "/faults",
        json=[
            {"kind": "status", "status": 403, "method": method, "path": path, "body": '{"error": {}}'}
            for method, path in refusals.items()
        ],
    )

    keeper.start()
    for name in steps:
        keeper.ask("start", name)
    runs = {one["automation"]: one for one in keeper.settle(lambda: len(keeper.runs()) == len(steps))}

    said = {name: (run["state"], run["error"], run["remedy"]) for name, run in runs.items()}
    silent = {name: told for name, told in said.items() if told[0] != "needs_attention" or not (told[1] and told[2])}
    assert silent == {}
    unnamed = [f"{name}: {told[1]}" for name, told in said.items() if steps[name][2] not in told[1]]
    assert not unnamed, "\n".join(unnamed)
