"""Set up on pages: who may, what is tried, what is written and when. `tests/browser` goes through it by hand."""

import contextlib
import html
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from stage import Portal, Rooms, command, until
from stage.newcomer import PASSWORD, Newcomer, newcomer

from roomkeeper.configuration import env
from roomkeeper.configuration.loading import load
from roomkeeper.connectors import CATALOG


@pytest.fixture
def new(tmp_path: Path) -> Iterator[Newcomer]:
    with newcomer(tmp_path) as one:
        yield one


@pytest.fixture
def browse(new: Newcomer) -> Iterator["Browse"]:
    """Open a browser at the link, or at another."""
    opened: list[Browser] = []

    def one(link: str = "", origin: str = "") -> Browser:
        opened.append(Browser(new, link=link, origin=origin))
        return opened[-1]

    yield one
    for browser in opened:
        browser.close()


class Browser:
    """Somebody's browser: it keeps the cookie, says where a form was sent from, and reads the form's token."""

    def __init__(self, new: Newcomer, *, link: str = "", origin: str = "") -> None:
        self._client = httpx2.Client(base_url=new.url, follow_redirects=True, timeout=60)
        self._origin, self._token = origin or new.url, "none"
        self.page = self._client.get(link or new.link)

    def post(self, path: str, **fields: str) -> str:
        if found := re.search(r'name="token" value="(\w+)"', self.page.text):
            self._token = found[1]
        token = self._token
        headers = {"Origin": self._origin}
        self.page = self._client.post(path, data={"token": token, **fields}, headers=headers)
        return self.words

    def get(self, path: str) -> str:
        self.page = self._client.get(path)
        return self.words

    def close(self) -> None:
        self._client.close()

    @property
    def words(self) -> str:
        return " ".join(re.sub(r"<[^>]+>", " ", self.page.text).split())

    @property
    def at(self) -> str:
        return self.page.url.path


Browse = Callable[..., Browser]


def answers(rooms: Rooms) -> dict[str, dict[str, str]]:
    return {
        "portal": {"url": rooms.portal.url, "key": rooms.keeper_key},
        "jobs": {"job-copy": "yes"},
        "rooms": {"client": "client", "internal": f"Acme (internal) ({rooms.internal})"},
        "arrival": {"public_url": "", "password": PASSWORD},
    }


def is_served(browser: Browser) -> bool:
    """Whether the service answers by now; a connection that ends meanwhile is opened anew, as browsers do."""
    try:
        browser.get("/")
    except httpx2.TransportError:
        return False
    return browser.at == "/login"


def answered(browser: Browser, answers: dict[str, dict[str, str]]) -> None:
    for name, fields in answers.items():
        browser.post(f"/setup/{name}", **fields)


def test_only_who_brings_the_link_may_and_only_one_browser(new: Newcomer, browse: Browse, portal: Portal) -> None:
    rooms = Rooms(portal)
    mine = browse()
    stranger = browse(link="/enter?once=guessed")
    second = browse()

    assert mine.at == "/setup/portal"
    for one in (stranger, second):
        assert one.page.status_code == 403
        assert one.get("/setup/review").startswith("These pages are opened by the link")
        one.post("/setup/portal", url=portal.url, key=rooms.keeper_key)
        assert one.page.status_code == 403
    assert "link was used already" in httpx2.get(new.link).text


def test_a_form_of_another_site_is_not_taken(new: Newcomer, browse: Browse, portal: Portal) -> None:
    rooms = Rooms(portal)
    browser = browse(origin="http://elsewhere.example")

    said = browser.post("/setup/portal", url=portal.url, key=rooms.keeper_key)

    assert browser.page.status_code == 403
    assert "Not done" in said


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"portal": {"url": "acme", "key": "sk-1"}}, "This is no address"),
        ({"portal": {"key": "sk-not-there"}}, "Give another key"),
        ({"portal": {"url": "http://127.0.0.1:9"}}, "Correct the address"),
        ({"portal": {"url": "http://["}}, "This is no address"),
        ({"portal": {"url": "http://127.0.0.1:80:80"}}, "This is no address"),
        ({"portal": {"url": "https://:word@acme.example"}}, "This is no address"),
        ({"portal": {"key": "sk-1\r\nX: y"}}, "This is no API key"),
        ({"jobs": {"job-copy": ""}}, "Choose one at least"),
        ({"jobs": {"job-archive": "yes"}}, "Choose where deals are closed"),
        ({"rooms": {"client": "nowhere"}}, "sees no room that is called so"),
        ({"rooms": {"client": "acme"}}, "Several rooms are called so"),
        ({"rooms": {"internal": "Client: Acme"}}, "choose another"),
        ({"arrival": {"password": "short"}}, "12 characters or more"),
        ({"arrival": {"password": "x" * 1001}}, "1000 characters at most"),
        ({"arrival": {"public_url": "hooks.acme.example"}}, "begins with https://"),
    ],
)
def test_an_answer_that_will_not_do_is_said_where_it_is_given(
    new: Newcomer, browse: Browse, portal: Portal, wrong: dict[str, dict[str, str]], said: str
) -> None:
    rooms = Rooms(portal)
    browser = browse()
    ((page, fields),) = wrong.items()
    right = answers(rooms)
    for name in right:
        if name == page:
            break
        browser.post(f"/setup/{name}", **right[name])

    words = browser.post(f"/setup/{page}", **(right[page] | fields))

    assert browser.page.status_code == 422
    assert said in words
    assert rooms.keeper_key not in browser.page.text
    browser.post(f"/setup/{page}", **right[page])
    assert browser.at != f"/setup/{page}"
    assert not new.file.exists()


def test_rooms_where_the_account_may_not_work_are_named(new: Newcomer, browse: Browse, portal: Portal) -> None:
    rooms = Rooms(portal)
    mine = rooms.add("Read only", {rooms.keeper: 2})
    browser = browse()
    right = answers(rooms) | {"rooms": {"client": str(rooms.client), "internal": str(mine)}}

    answered(browser, {name: right[name] for name in ("portal", "jobs", "rooms")})

    assert browser.at == "/setup/rooms"
    assert "which is not enough" in browser.words
    assert "as room manager" in browser.words


def test_nothing_is_written_before_it_is_switched_on_and_then_all_of_it(
    new: Newcomer, browse: Browse, portal: Portal, tmp_path: Path
) -> None:
    rooms = Rooms(portal)
    rooms.upload("Offer.docx")
    browser = browse()
    answered(browser, answers(rooms))
    assert browser.at == "/setup/review"
    assert "copy_files would:" in browser.words
    assert "Offer.docx" in browser.words
    assert rooms.copies() == 0
    assert not (tmp_path / ".env").exists()
    assert not new.file.exists()

    browser.post("/setup/on")

    assert "It is switched on" in browser.words
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert load(new.file, CATALOG).automations[0].name == "copy-client-uploads"
    assert env.known(tmp_path / ".env")["DOCSPACE_API_KEY"] == rooms.keeper_key
    until(lambda: is_served(browser), within=30)  # the service, at this address
    assert rooms.keeper_key not in new.said
    assert PASSWORD not in new.said
    assert PASSWORD not in (tmp_path / ".env").read_text()


def test_a_configuration_that_came_meanwhile_is_not_written_over(new: Newcomer, browse: Browse, portal: Portal) -> None:
    browser = browse()
    answered(browser, answers(Rooms(portal)))
    new.file.write_text("mine: true\n")

    browser.post("/setup/on")

    assert "somebody else wrote it" in browser.words
    assert new.file.read_text() == "mine: true\n"


@pytest.mark.long
def test_a_recipe_is_used_and_published_without_a_restart(new: Newcomer, browse: Browse, portal: Portal) -> None:
    rooms = Rooms(portal)
    browser = browse()
    answered(browser, answers(rooms))
    browser.post("/setup/on")
    until(lambda: is_served(browser), within=30)
    browser.post("/login", name="admin", password=PASSWORD)
    before = new.file.read_text()

    assert "Sort by status" in browser.get("/recipes")
    assert "Sort by status" in browser.get("/recipes?word=STATUS")
    assert "Sort by status" not in browser.get("/recipes?word=zendesk")
    assert "No recipe has" in browser.get("/recipes?word=no-such-word")
    path, mark = "/recipes/notify-on-invoice-upload", "https://chat.acme.example/hook"
    given = {"111111": "client", "222222": str(rooms.internal)}
    assert f"Instead of {mark}" in browser.get(path)
    assert f"It is to be such as {mark}." in browser.post(path, **given, **{mark: "our chat"})
    written = html.unescape(browser.post(path, **given, **{mark: "https://chat.northwind.de/rooms?key=7"}))
    assert "url: https://chat.northwind.de/rooms?key=7" in written
    assert mark not in written
    browser.get("/recipes/route-docs-by-status")
    wrong = browser.post("/recipes/route-docs-by-status", **{"111111": "nowhere", "222222": "acme"})
    assert "sees no room that is called so" in wrong
    assert "Several rooms are called so" in wrong
    browser.post("/recipes/route-docs-by-status", **{"111111": "client", "222222": str(rooms.internal)})
    assert "It is in order" in browser.words
    assert new.file.read_text() == before
    text = re.search(r'<textarea id="editor"[^>]*>\n(.*?)</textarea>', browser.page.text, re.DOTALL)
    assert text is not None
    browser.post("/configuration", order="publish", text=html.unescape(text[1]), base=before, why="a recipe")

    after = new.file.read_text()
    assert after.startswith(before.rstrip())
    assert "name: route-signed" in after
    assert f"room: {rooms.client}   # Client_ Acme" in after
    rooms.upload("signed offer.docx")
    until(lambda: any(one["path"] == ["Signed"] for one in portal.tree(rooms.internal)), within=90)


def test_it_is_stopped_like_the_service(new: Newcomer, browse: Browse) -> None:
    browse()

    assert new.stop() == 0
    assert not new.file.exists()


def test_all_three_jobs_ask_for_what_each_needs(new: Newcomer, browse: Browse, portal: Portal, tmp_path: Path) -> None:
    rooms = Rooms(portal)
    portal.direct("POST", "/groups", json={"id": "g", "name": "Support", "members": [rooms.keeper]})
    archive = rooms.add("Archive", {rooms.keeper: 9})
    jobs = {"job-copy": "yes", "job-archive": "yes", "crm": "pipedrive", "job-rooms": "yes", "helpdesk": "zendesk"}
    where = {"client": str(rooms.client), "internal": str(rooms.internal), "archive": str(archive)}
    services: dict[str, Any] = {
        "pipedrive-url": f"{portal.url}/pipedrive",
        "secret-PIPEDRIVE_TOKEN": "pipedrive-pretend",
        "pipedrive-docspace_room_id": "a" * 40,
        "pipedrive-docspace_guest_id": "b" * 40,
        "zendesk-url": f"{portal.url}/zendesk",
        "zendesk-email": "bot@acme.example",
        "secret-ZENDESK_TOKEN": "helpdesk-pretend",
        "invited": "support",
    }
    browser = browse()
    answered(browser, answers(rooms) | {"jobs": jobs, "rooms": where})
    assert browser.at == "/setup/services"

    wrong = browser.post("/setup/services", **(services | {"secret-ZENDESK_TOKEN": "wrong", "invited": "Suport"}))
    refused = browser.post("/setup/services", **(services | {"secret-ZENDESK_TOKEN": "wrong"}))
    browser.post("/setup/services", **{name: said for name, said in services.items() if "PIPEDRIVE" not in name})

    assert "no group &#39;Suport&#39;" in wrong
    assert "support" in refused.casefold()
    assert browser.at == "/setup/review", browser.words
    browser.post("/setup/on")
    config = load(new.file, CATALOG)
    assert [one.name for one in config.automations] == [
        "copy-client-uploads",
        "archive-closed-deal",
        "investigation-room",
    ]
    assert "'Support'" in str(config.automations[2].steps[1].with_)
    assert config.connections["sales"].settings.fields == {"docspace_room_id": "a" * 40, "docspace_guest_id": "b" * 40}


def test_the_command_does_not_touch_a_configuration_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "roomkeeper.yaml").write_text("mine: true\n")

    told = command("setup", "-c", str(tmp_path / "roomkeeper.yaml"), environment={}, codes=(2,)).all

    assert "is there already" in told


def test_what_was_refused_is_not_kept(new: Newcomer, browse: Browse, portal: Portal) -> None:
    rooms = Rooms(portal)
    browser = browse()
    answered(browser, answers(rooms))

    browser.post("/setup/jobs", **{"job-copy": "yes", "job-rooms": "yes"})  # and no helpdesk
    assert browser.page.status_code == 422
    browser.get("/setup/review")

    assert browser.at == "/setup/review"
    assert "copy-client-uploads" in browser.words
    browser.post("/setup/on")
    browser.post("/setup/on")  # a second click
    assert "It is switched on" in browser.words
    assert [one.name for one in load(new.file, CATALOG).automations] == ["copy-client-uploads"]


def test_a_secret_that_was_made_for_nobody_is_asked_for_once_deliveries_come(browse: Browse, portal: Portal) -> None:
    rooms = Rooms(portal)
    jobs = {"job-rooms": "yes", "helpdesk": "zendesk"}
    services = {
        "zendesk-url": f"{portal.url}/zendesk",
        "zendesk-email": "bot@acme.example",
        "secret-ZENDESK_TOKEN": "helpdesk-pretend",
        "invited": "lead@acme.example",
    }
    right = answers(rooms)
    browser = browse()
    answered(browser, {"portal": right["portal"], "jobs": jobs, "arrival": right["arrival"], "services": services})
    assert browser.at == "/setup/review", browser.words

    browser.post("/setup/arrival", public_url="https://hooks.acme.example", password="")
    assert browser.at == "/setup/services"
    browser.post("/setup/services", **services | {"secret-ZENDESK_TOKEN": ""})

    assert browser.at == "/setup/services"
    assert "This is needed" in browser.words


def test_what_the_environment_has_otherwise_is_said_before_anything_is_written(
    tmp_path: Path, portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCSPACE_API_KEY", "sk-another")
    with newcomer(tmp_path) as one, contextlib.closing(Browser(one)) as browser:
        answered(browser, answers(Rooms(portal)))
        assert "DOCSPACE_API_KEY is set in the environment" in browser.words

        browser.post("/setup/on")

        assert "DOCSPACE_API_KEY is set in the environment" in browser.words
        assert not one.file.exists()


def test_a_title_asks_for_no_secret(new: Newcomer, browse: Browse, portal: Portal, tmp_path: Path) -> None:
    rooms = Rooms(portal)
    odd = rooms.add("Acme !env HTTPS_PROXY=evil.example", {rooms.keeper: 9})
    browser = browse()
    answered(browser, answers(rooms) | {"rooms": {"client": str(rooms.client), "internal": str(odd)}})

    browser.post("/setup/on")

    assert "It is switched on" in browser.words
    assert sorted(env.known(tmp_path / ".env")) == ["ADMIN_PASSWORD_HASH", "DOCSPACE_API_KEY"]


def test_a_secret_stands_in_the_file_as_it_is(tmp_path: Path) -> None:
    env.put(tmp_path / ".env", "WORD", "${HOME} 'and' \"more\" #1")

    assert env.known(tmp_path / ".env") == {"WORD": "${HOME} 'and' \"more\" #1"}
