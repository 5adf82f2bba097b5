"""Secrets are put in on a page: into `.env`, known to what runs at once, and never shown."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from people import form_token
from stage import Keeper, Portal, Rooms, copy_uploads, until

Make = Callable[..., Keeper]
FIRST, SECOND = "first-token-of-the-erp-4711", "second-token-of-the-erp-4712"


@pytest.fixture
def rooms(portal: Portal) -> Rooms:
    return Rooms(portal)


@pytest.fixture
def keeper(rooms: Rooms, keepers: Make) -> Keeper:
    one = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms)])
    one.start()
    return one


def _posted(keeper: Keeper, path: str, **fields: str) -> httpx2.Response:
    ann = keeper.visitor()
    here = {"Origin": keeper.url, "Sec-Fetch-Site": "same-origin"}
    return ann.post(path, data={"token": form_token(ann, path.partition("?")[0])} | fields, headers=here)


def _put(keeper: Keeper, name: str, secret: str) -> httpx2.Response:
    return _posted(keeper, "/secrets", name=name, secret=secret)


def _told(keeper: Keeper, token: str) -> int:
    deal = {"dealId": "7", "clientName": "Acme"}
    return httpx2.post(f"{keeper.url}/hooks/erp", json=deal, headers={"Authorization": f"Bearer {token}"}).status_code


def test_a_service_is_added_without_a_shell(keeper: Keeper) -> None:
    before = keeper.file.read_text()
    erp = '"erp": {"type": "http", "token": !env ERP_TOKEN},\n  '
    text = before.replace('"acme": {', f'{erp}"acme": {{', 1)

    missing = _posted(keeper, "/configuration", order="check", text=text, base=before).text
    assert 'name="secret-ERP_TOKEN"' in missing
    given = {"text": text, "base": before, "secret-ERP_TOKEN": FIRST}
    assert "is not set" in _posted(keeper, "/configuration", order="check", **given).text  # it may not be whole yet
    assert not (keeper.folder / ".env").exists()
    put_in = _posted(keeper, "/configuration", order="put-in", **given).text
    assert "It is in order" in put_in
    assert "ERP_TOKEN" in put_in
    assert FIRST not in put_in
    assert _posted(keeper, "/configuration", order="publish", text=text, base=before).status_code == 303

    assert (keeper.folder / ".env").stat().st_mode & 0o777 == 0o600
    assert _told(keeper, FIRST) == 200
    assert _told(keeper, SECOND) == 401


def test_another_one_in_its_place_holds_at_once_and_none_is_shown(keeper: Keeper) -> None:
    before = keeper.file.read_text()
    _put(keeper, "ERP_TOKEN", FIRST)
    erp = '"erp": {"type": "http", "token": !env ERP_TOKEN},\n  '
    text = before.replace('"acme": {', f'{erp}"acme": {{', 1)
    _posted(keeper, "/configuration", order="publish", text=text, base=before)

    assert _put(keeper, "ERP_TOKEN", SECOND).status_code == 303

    until(lambda: _told(keeper, SECOND) == 200)
    assert _told(keeper, FIRST) == 401
    page, actions = keeper.visitor().get("/secrets").text, keeper.visitor().get("/actions").text
    assert "in the file" in page
    assert "put the secret ERP_TOKEN in" in actions
    assert not any(secret in said for secret in (FIRST, SECOND) for said in (page, actions, keeper.log()))


def test_one_that_the_configuration_cannot_use_is_refused_before_it_is_written(rooms: Rooms, keepers: Make) -> None:
    """It was written, and then nothing could be taken over, nor the service started, until somebody mended the file."""
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.start()
    before = keeper.file.read_text()
    text = before.replace("{", '{"dashboard": {"users": [{"name": "ann", "password": !env ANN_HASH}]}, ', 1)

    given = {"text": text, "base": before, "secret-ANN_HASH": "my-new-password"}
    refused = _posted(keeper, "/configuration", order="put-in", **given).text

    assert "argon2" in refused
    assert "my-new-password" not in refused
    assert not (keeper.folder / ".env").exists()


def test_one_that_nothing_asks_for_yet_is_said_to_be_so(keeper: Keeper) -> None:
    told = keeper.visitor().get(_put(keeper, "TYPO_TOKEN", FIRST).headers["location"]).text

    assert "TYPO_TOKEN is written" in told
    assert "The configuration does not ask for it yet" in told


@pytest.mark.parametrize(
    ("name", "secret", "beside", "said"),
    [
        ("9 lives", "a-secret", "name", "begins with no digit"),
        ("ERP_TOKEN", "", "secret", "It is empty"),
        ("ERP_TOKEN", "two\nlines", "secret", "It is one line"),
        ("ERP_TOKEN", "x" * 4001, "secret", "It is one line"),
        ("HTTPS_PROXY", "http://elsewhere.example", "name", "HTTPS_PROXY is no secret"),
        ("ld_preload", "/tmp/x.so", "name", "ld_preload is no secret"),
        ("API_KEY", "another-key", "name", "from its environment, which goes before the file"),
    ],
)
def test_what_cannot_be_is_said_and_not_written(keeper: Keeper, name: str, secret: str, beside: str, said: str) -> None:
    answer = _put(keeper, name, secret)

    assert answer.status_code == 422
    assert said in answer.text.partition(f'id="wrong-{beside}"')[2].partition("</p>")[0]
    assert not secret or secret not in answer.text
    assert not (keeper.folder / ".env").exists()


def test_where_the_configuration_is_managed_elsewhere_none_is_put_in(rooms: Rooms, keepers: Make) -> None:
    top: dict[str, Any] = {"dashboard": {"editing": False}}
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms)], top=top)
    keeper.start()

    assert "Secrets cannot be put in here" in keeper.visitor().get("/secrets").text
    assert _put(keeper, "ERP_TOKEN", FIRST).status_code == 409
    assert not (keeper.folder / ".env").exists()


def test_beside_a_file_that_is_not_in_order_it_is_written_and_that_is_said(keeper: Keeper) -> None:
    keeper.file.write_text(keeper.file.read_text().replace('"file.uploaded"', '"file.uplaoded"'))

    answer = _put(keeper, "ERP_TOKEN", FIRST)

    assert answer.status_code == 409
    assert "ERP_TOKEN is written, but what runs does not know it yet" in answer.text
    assert FIRST in (keeper.folder / ".env").read_text()
