"""Logging in: changed passwords, guessing, and a service that nobody may look at yet."""

import contextlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from people import DASHBOARD, HASHES, PASSWORDS, logged_in, visitor, with_logins
from stage import Keeper, Rooms, copy_uploads, simulated_portal, until


def test_a_changed_password_ends_the_sessions_and_guessing_ends_soon(tmp_path: Path) -> None:
    with simulated_portal() as portal:
        rooms = Rooms(portal)
        top = {"dashboard": DASHBOARD}
        keeper = with_logins(Keeper(tmp_path, portal, rooms.keeper_key, [copy_uploads(rooms)], top=top))
        keeper.start()
        ann = logged_in(keeper, "ann")
        assert ann.get("/").status_code == 200
        keeper.stop()
        keeper.environment["ANN_HASH"] = HASHES["BOB_HASH"]
        keeper.start()

        assert ann.get("/").status_code == 303
        guesses = [visitor(keeper).post("/login", data={"name": "ann", "password": str(n)}) for n in range(20)]
        assert [one.status_code for one in guesses[:5]] == [401] * 5
        refused = next(one for one in guesses if one.status_code == 429)
        assert int(refused.headers["retry-after"]) > 0
        assert "Try again in" in refused.text
        keeper.stop()


def test_one_session_has_so_many_live_pages_and_others_have_theirs(tmp_path: Path) -> None:
    with simulated_portal() as portal, contextlib.ExitStack() as streams:
        rooms = Rooms(portal)
        top = {"dashboard": DASHBOARD}
        keeper = with_logins(Keeper(tmp_path, portal, rooms.keeper_key, [copy_uploads(rooms)], top=top))
        keeper.start()
        ann, bob = logged_in(keeper, "ann"), logged_in(keeper, "bob")
        looked_at = []  # an iterator that is dropped ends its stream

        def begun(who: httpx2.Client) -> int:
            stream = streams.enter_context(who.stream("GET", "/live/"))
            if stream.status_code == 200:
                looked_at.append(stream.iter_lines())
                next(looked_at[-1])
            return stream.status_code

        assert [begun(ann) for _ in range(13)] == [200] * 12 + [429]
        assert begun(bob) == 200
        streams.close()
        until(lambda: begun(ann) == 200)
        streams.close()
        keeper.stop()


def test_many_guesses_at_once_are_no_way_around(tmp_path: Path) -> None:
    with simulated_portal() as portal:
        rooms = Rooms(portal)
        top = {"dashboard": DASHBOARD}
        keeper = with_logins(Keeper(tmp_path, portal, rooms.keeper_key, [copy_uploads(rooms)], top=top))
        keeper.start()
        with ThreadPoolExecutor(30) as threads:
            given = {"name": "ann", "password": "a guess"}
            guesses = list(threads.map(lambda _: visitor(keeper).post("/login", data=given).status_code, range(30)))
        keeper.stop()

    counted = Counter(guesses)
    assert counted[401] + counted[429] == 30
    assert 5 <= counted[401] < 10


@pytest.mark.parametrize(("trusted", "is_believed"), [(["127.0.0.1"], True), (["10.0.0.0/8"], False)])
def test_a_proxy_is_believed_if_it_is_trusted(tmp_path: Path, trusted: list[str], is_believed: bool) -> None:
    """Each of many visitors behind a trusted proxy has attempts of their own, and what it says of TLS counts."""
    with simulated_portal() as portal:
        rooms = Rooms(portal)
        top = {"dashboard": DASHBOARD, "trusted_proxies": trusted}
        keeper = with_logins(Keeper(tmp_path, portal, rooms.keeper_key, [copy_uploads(rooms)], top=top))
        keeper.start()
        browser = visitor(keeper)
        for number in range(7):
            said = {"X-Forwarded-For": f"203.0.113.{number}", "X-Forwarded-Proto": "https"}
            given = {"name": f"nobody {number}", "password": "a guess"}
            last = browser.post("/login", data=given, headers=said)
        keeper.stop()

    assert last.status_code == (401 if is_believed else 429)
    assert ("strict-transport-security" in last.headers) is is_believed


def test_an_address_that_is_none_is_named(tmp_path: Path) -> None:
    with simulated_portal() as portal:
        rooms = Rooms(portal)
        top = {"trusted_proxies": ["proxy.acme.example"]}
        keeper = Keeper(tmp_path, portal, rooms.keeper_key, [copy_uploads(rooms)], top=top)

        said = keeper.ask("check", codes=(2,))

    assert "proxy.acme.example" in said["problems"][0]["what"]


def test_a_service_that_can_be_reached_from_outside_shows_nothing_without_a_login(tmp_path: Path) -> None:
    """Through a plain proxy on this machine, everybody looks like somebody at this machine."""
    with simulated_portal() as portal:
        rooms = Rooms(portal)
        top = {"public_url": "https://hooks.acme.example"}
        keeper = Keeper(tmp_path, portal, rooms.keeper_key, [copy_uploads(rooms)], top=top, keep_webhook=False)
        keeper.start()
        pages = [httpx2.get(f"{keeper.url}{path}") for path in ("/", "/runs", "/live/")]
        calls = [httpx2.get(f"{keeper.url}{path}").status_code for path in ("/api/v1/runs", "/metrics")]
        ready = httpx2.get(f"{keeper.url}/readyz").status_code
        keeper.stop()

    assert {one.status_code for one in pages} == {403}
    assert "roomkeeper password" in pages[0].text
    assert calls == [401, 401]
    assert ready == 200


def test_secrets_of_logins_are_checked(tmp_path: Path) -> None:
    with simulated_portal() as portal:
        rooms = Rooms(portal)
        keeper = with_logins(
            Keeper(tmp_path, portal, rooms.keeper_key, [copy_uploads(rooms)], top={"dashboard": DASHBOARD})
        )
        keeper.environment |= {"ANN_HASH": "a password in the clear", "CI_TOKEN": "short"}

        said = keeper.ask("check", codes=(2,))

    problems = " ".join(f"{one['what']} {one['remedy']}" for one in said["problems"])
    assert "roomkeeper password" in problems
    assert "20 characters" in problems
    assert "a password in the clear" not in problems


def test_with_an_https_address_the_word_is_given_for_tls_alone(tmp_path: Path) -> None:
    with simulated_portal() as portal:
        rooms = Rooms(portal)
        top = {"public_url": "https://hooks.acme.example", "dashboard": DASHBOARD}
        made = Keeper(tmp_path, portal, rooms.keeper_key, [copy_uploads(rooms)], top=top, keep_webhook=False)
        keeper = with_logins(made)
        keeper.start()
        answer = visitor(keeper).post("/login", data={"name": "ann", "password": PASSWORDS["ann"]})
        page = visitor(keeper).get("/login")
        keeper.stop()

    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-roomkeeper")
    assert "Secure" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie
    assert "max-age" in page.headers["strict-transport-security"]
