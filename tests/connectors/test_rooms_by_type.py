"""What an automation's text asks of a room, and rooms of that type cannot do: said before anything is done."""

from collections.abc import Mapping
from typing import Any

import pytest

from roomkeeper.connectors.docspace.steps import invite as inviting
from roomkeeper.connectors.docspace.steps import read_table as tables
from roomkeeper.connectors.docspace.steps import share_link as sharing


@pytest.mark.parametrize(
    ("given", "room", "said"),
    [
        ({"members": [{"email": "a@b.example", "access": "fill_forms"}]}, "collaboration", ["'fill_forms'"]),
        ({"members": [{"group": "Team", "access": "room_manager"}]}, "custom", ["cannot give a group the access"]),
        ({"members": [{"email": "a@b.example", "access": "room_manager"}]}, "custom", []),
        ({"members": [{"email": "a@b.example", "access": "no access of that name"}]}, "custom", []),
        ({"members": ["a@b.example"]}, "custom", []),
        ({"members": "{{ ticket.people }}"}, "custom", []),
        ({"members": [{"email": "a@b.example", "access": "fill_forms"}]}, "no type of that name", []),
        ({"members": [{"email": "a@b.example", "access": "fill_forms"}]}, None, []),
    ],
)
def test_what_members_cannot_be_given(given: Mapping[str, Any], room: str | None, said: list[str]) -> None:
    found = inviting.mistakes(given, room)

    assert len(found) == len(said)
    assert all(part in what for part, (_, what, _) in zip(said, found, strict=True))
    assert all(where == ("members", 0) and remedy.startswith("take one of: ") for where, _, remedy in found)


@pytest.mark.parametrize(
    ("given", "room", "said"),
    [
        ({"kind": "external"}, "collaboration", {"kind": "has no external links"}),
        ({"kind": "room", "expires": "7d"}, "collaboration", {"expires": "cannot have `expires`"}),
        ({"kind": "room", "password_env": "WORD"}, "custom", {"password_env": "cannot have `password_env`"}),
        ({"kind": "invitation", "password_env": "WORD"}, "custom", {"password_env": "has no password"}),
        ({"kind": "invitation", "deny_download": True}, "custom", {"deny_download": "cannot have `deny_download`"}),
        ({"kind": "external", "access": "room_manager"}, "custom", {"access": "cannot give the access"}),
        ({"kind": "room", "access": "read"}, "collaboration", {"access": "cannot give the access 'read'"}),
        ({"kind": "external", "expires": "7d", "access": "read"}, "custom", {}),
        ({"kind": "external"}, "no type of that name", {}),
        ({"kind": "external"}, None, {}),
    ],
)
def test_what_links_cannot_do(given: Mapping[str, Any], room: str | None, said: dict[str, str]) -> None:
    found = {str(where[0]): (what, remedy) for where, what, remedy in sharing.mistakes(given, room)}

    assert found.keys() == said.keys()
    assert all(part in found[name][0] and found[name][1] for name, part in said.items())


@pytest.mark.parametrize(("path", "many"), [("{{ file.title }}", 1), ("people.csv", 0), (None, 0)])
def test_no_path_is_worked_out_from_what_strangers_write(path: str | None, many: int) -> None:
    assert len(tables.mistakes({"path": path}, None)) == many
