"""Logging in: changed passwords, guessing, and a service that nobody may look at yet."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
from people import DASHBOARD, HASHES, PASSWORDS, logged_in, visitor, with_logins
from stage import Keeper, Rooms, copy_uploads, simulated_portal


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
        guesses = [visitor(keeper).post("/login", data={"name": "ann", "password": str(n)}) for n in range(12)]
        assert [one.status_code for one in guesses] == [401] * 10 + [429] * 2
        assert int(guesses[-1].headers["retry-after"]) > 0
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

    assert Counter(guesses) == {401: 10, 429: 20}


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
    assert cookie.startswith("__Host-roomkeeper=")
    assert "Secure" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie
    assert "max-age" in page.headers["strict-transport-security"]
