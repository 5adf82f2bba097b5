"""People who use the pages: their passwords, their sessions, a login service of theirs."""

import re
from typing import Any

import argon2
import httpx2
from stage import Keeper

PASSWORDS = {"ann": "ann's long password", "bob": "bob's long password"}
TOKENS = {"CI_TOKEN": "token-of-ci-" + "7" * 20, "OPS_TOKEN": "token-of-ops-" + "8" * 20}
_cheap = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)  # the tests log in often
HASHES = {f"{name.upper()}_HASH": _cheap.hash(password) for name, password in PASSWORDS.items()}
DASHBOARD: dict[str, Any] = {
    "users": [
        {"name": "ann", "password": "!env ANN_HASH"},
        {"name": "bob", "password": "!env BOB_HASH", "role": "viewer"},
    ],
    "tokens": [
        {"name": "ci", "token": "!env CI_TOKEN"},
        {"name": "ops", "token": "!env OPS_TOKEN", "role": "operator"},
    ],
}


def with_logins(keeper: Keeper) -> Keeper:
    """Give it what the logins of `DASHBOARD` need."""
    keeper.environment |= HASHES | TOKENS
    return keeper


def visitor(keeper: Keeper) -> httpx2.Client:
    """Open a browser of sorts: it keeps cookies, and says where it comes from."""
    none_kept = httpx2.Limits(max_keepalive_connections=0)
    return httpx2.Client(
        base_url=keeper.url, limits=none_kept, headers={"Origin": keeper.url, "Sec-Fetch-Site": "same-origin"}
    )


#: What programs say in tests that have no logins.
PROGRAM = {"Authorization": f"Bearer {TOKENS['OPS_TOKEN']}"}


def with_a_token(keeper: Keeper) -> Keeper:
    """Give it what the token of `PROGRAMS` needs."""
    keeper.environment |= TOKENS
    return keeper


PROGRAMS: dict[str, Any] = {"tokens": [{"name": "ops", "token": "!env OPS_TOKEN", "role": "operator"}]}


def logged_in(keeper: Keeper, name: str) -> httpx2.Client:
    """Log somebody in."""
    client = visitor(keeper)
    answer = client.post("/login", data={"name": name, "password": PASSWORDS[name]})
    assert answer.status_code == 303, answer.text
    return client


def kept_word(client: httpx2.Client) -> str:
    """Give the session's word that a browser keeps."""
    (word,) = [one.value for one in client.cookies.jar if one.name.startswith("roomkeeper")]
    assert word
    return word


def form_token(client: httpx2.Client, path: str) -> str:
    """Read what a form must bring back."""
    found = re.search(r'name="token" value="([0-9a-f]+)"', client.get(path).text)
    assert found, path
    return found.group(1)
