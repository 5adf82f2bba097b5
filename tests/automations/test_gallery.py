"""A recipe that is put into a configuration: it holds there, and nothing else is changed."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from roomkeeper.configuration.config import Config
from roomkeeper.configuration.loading import load
from roomkeeper.configuration.recipes import all_of_them, put_into
from roomkeeper.connectors import CATALOG
from roomkeeper.errors import OrderRefused

TOP = """version: 1
listen: 127.0.0.1:8080
public_url: https://hooks.acme.example   # ours
connections:
  acme:
    type: docspace
    url: https://acme.onlyoffice.com
    api_key: !env DOCSPACE_API_KEY
    webhook_secret: !env DOCSPACE_WEBHOOK_SECRET

"""
ONE = """{0}- name: copy
{0}  on: file.uploaded
{0}  steps:
{0}    - do: copy_files
{0}      with: {{to: 7}}    # where they go
"""
FILES = {
    "as init writes it": TOP + "automations:\n" + ONE.format("  "),
    "without an indent": TOP + "automations:\n" + ONE.format(""),
    "deeper": TOP + "automations:\n" + ONE.format("      ") + "\n# the end\n",
    "none yet": TOP + "automations: []   # none yet\n",
    "no word of them": TOP,
    "not the last": TOP.replace("connections:", "automations:\n" + ONE.format("  ") + "\n# where to\nconnections:"),
    "the same names": TOP + "automations:\n" + ONE.format("  ").replace("copy\n", "route-signed\n", 1),
    "windows": (TOP + "automations:\n" + ONE.format("  ")).replace("\n", "\r\n"),
}


def checked(text: str, tmp_path: Path) -> Config:
    return load(tmp_path / "roomkeeper.yaml", CATALOG, text=text, secrets_required=False)


@pytest.mark.parametrize("name", all_of_them())
@pytest.mark.parametrize("there", FILES)
def test_it_holds_there_and_every_line_that_was_there_still_is(name: str, there: str, tmp_path: Path) -> None:
    before, recipe = FILES[there].replace("\r\n", "\n"), all_of_them()[name]
    rooms = {one.mark: (int(one.mark) + 1, f"Room: {one.about}") for one in recipe.places}
    types = {one: connection.type for one, connection in checked(before, tmp_path).connections.items()}

    after = put_into(before, recipe, rooms, types)

    names = [one.name for one in checked(before, tmp_path).automations]
    config = checked(after, tmp_path)
    new = [one for one in config.automations if one.name not in names]
    assert len(config.automations) == len(names) + len(new)
    assert len(new) == recipe.automations.count("- name: ")
    assert not any(one.mark in after for one in recipe.places)
    left = iter(after.splitlines())
    lost = [line for line in before.splitlines() if line not in left]  # in the same order, too
    assert lost in ([], ["automations: []   # none yet"])


def test_each_says_what_it_does_what_it_needs_and_where_rooms_go() -> None:
    for one in all_of_them().values():
        assert one.title
        assert one.does.endswith(".")
        assert one.needs.endswith(".")
        assert all(place.about for place in one.places)


def test_a_connection_of_its_kind_that_is_there_is_used(tmp_path: Path) -> None:
    chat = "  chat:\n    type: webhook\n    url: https://chat.acme.example/hook\n    token: !env CHAT_TOKEN\n"
    before = FILES["as init writes it"].replace("\nautomations:\n", f"{chat}\nautomations:\n")
    types = {one: connection.type for one, connection in checked(before, tmp_path).connections.items()}
    recipe = all_of_them()["notify-on-invoice-upload"]

    after = put_into(before, recipe, {"111111": (1, "a"), "222222": (2, "b")}, types)

    assert "via: chat" in after
    assert "team" not in after
    checked(after, tmp_path)


OWN = {"mail": "ann+rooms@northwind.de", "url": "https://chat.northwind.de/a/b?c=d", "host": "smtp.northwind.de"}


@pytest.mark.parametrize("name", all_of_them())
def test_one_s_own_people_and_addresses_take_the_place_of_the_example_s(name: str, tmp_path: Path) -> None:
    before, recipe = FILES["none yet"], all_of_them()[name]
    rooms = {one.mark: (int(one.mark) + 1, one.about) for one in recipe.places}
    texts = {one.mark: OWN[one.kind] for one in recipe.texts({})}

    after = put_into(before, recipe, rooms, {}, texts)

    assert all(after.count(mark) == before.count(mark) for mark in texts)
    assert not [one.what for one in checked(after, tmp_path).notes if "of an example" in one.what]


@given(st.from_regex(r"[\w.+-]{1,20}@[\w.-]{1,20}", fullmatch=True) | st.text(max_size=30))
def test_whatever_may_stand_in_the_place_of_somebody_is_read_as_it_was_given(person: str) -> None:
    recipe = all_of_them()["remind-inactive-members"]
    place = next(one for one in recipe.texts({}) if one.mark == "admin@acme.example")
    if place.why_not(person):
        return

    text = put_into(FILES["none yet"], recipe, {"111111": (1, "a")}, {}, {place.mark: person})

    team = YAML(typ="safe").load(text.replace("!env ", ""))["connections"]["mail"]
    assert team["to"] == [person]


def test_what_cannot_stand_there_is_refused_and_what_is_connected_already_is_not_asked_for() -> None:
    recipe = all_of_them()["room-for-zendesk-ticket"]
    places = {one.mark: one for one in recipe.texts({})}

    assert set(places) == {"https://acme.zendesk.com", "bot@acme.example", "lead@acme.example"}
    assert places["lead@acme.example"].why_not("nobody") == "It is to be such as lead@acme.example."
    assert places["https://acme.zendesk.com"].why_not("acme, or so")
    chat = all_of_them()["notify-on-invoice-upload"]
    assert [one.about for one in chat.texts({})] == ["where people are told"]
    assert chat.texts({"team": next(iter(chat.types.values()))}) == []


def test_what_is_written_in_one_piece_is_left_alone() -> None:
    with pytest.raises(OrderRefused, match="written in one piece"):
        put_into('{"version": 1, "automations": []}', all_of_them()["sanitize-filenames"], {"111111": (1, "a")}, {})


def test_ids_of_third_party_storage_stand_there_as_they_are(tmp_path: Path) -> None:
    odd = 'sbox-5-|Client #1, "a": \\g<1> \N{GRINNING FACE}'
    for recipe in [one for one in all_of_them().values() if one.places]:
        text = put_into(
            FILES["none yet"], recipe, {one.mark: (f"{odd} {one.mark[0]}", "a #b") for one in recipe.places}, {}
        )

        config = checked(text, tmp_path)

        assert odd in str([one.model_dump() for one in config.automations]).replace("\\\\", "\\")


def test_a_connection_of_another_kind_keeps_its_name(tmp_path: Path) -> None:
    team = "  team:\n    type: slack\n    url: !env TEAM_URL\n"
    before = FILES["as init writes it"].replace("\nautomations:\n", f"{team}\nautomations:\n")

    after = put_into(
        before, all_of_them()["notify-on-invoice-upload"], {"111111": (1, "a"), "222222": (2, "b")}, {"team": "slack"}
    )

    assert "  team-2:\n    type: webhook" in after
    assert "via: team-2" in after
    assert team in after
