"""Who may see and do what: without a session, as a viewer, from another site, with a forged form."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import jwt
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import rsa
from people import DASHBOARD, PASSWORDS, TOKENS, form_token, kept_word, logged_in, visitor, with_logins
from signing import signed
from stage import Keeper, Rooms, copy_uploads, free_port, simulated_portal

from roomkeeper.store.database import Store, opened
from roomkeeper.web import sessions

PAGES = ["/", "/runs", "/runs/1", "/events", "/events/1", "/automations", "/automations/copy-client-uploads"]
PAGES += ["/accounted", "/actions", "/search?q=File", "/runs/1/restart", "/runs/1/report.csv"]
ORDERS = ["/runs/1/restart", "/events/1/replay", "/automations/copy-client-uploads/pause"]
ORDERS += ["/automations/copy-client-uploads/try", "/runs/retry?runs=1"]
CALLS = ["/status", "/runs", "/runs/1", "/events", "/events/1", "/automations", "/automations/copy-client-uploads"]
CALLS += ["/proofs", "/actions", "/search?q=File"]


class LoginService:
    """A pretend login service (OpenID Connect), on a port of its own."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.asked: dict[str, list[str]] = {}
        self.claims: dict[str, Any] = {}
        self.signed_by: Any = self.key
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._say(service.known() if "openid-configuration" in self.path else service.keys())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                self._say({"access_token": "x", "id_token": service.token(parse_qs(body))})

            def _say(self, value: Any) -> None:
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(value).encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def known(self) -> dict[str, Any]:
        named = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        return {"issuer": self.url, **{name: f"{self.url}/{path}" for name, path in named.items()}}

    def keys(self) -> dict[str, Any]:
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [public | {"kid": "1", "use": "sig"}]}

    def token(self, form: dict[str, list[str]]) -> str:
        """Give the token that goes with the login that was begun; `claims` change what it says."""
        assert form["code_verifier"]
        now = int(time.time())
        said = {"iss": self.url, "aud": "roomkeeper", "sub": "1", "iat": now, "exp": now + 60}
        said |= {"nonce": self.asked["nonce"][0], "email": "ann@acme.example", "email_verified": True} | self.claims
        if self.signed_by is None:
            return jwt.encode(said, key=None, algorithm="none", headers={"kid": "1"})
        return jwt.encode(said, self.signed_by, algorithm="RS256", headers={"kid": "1"})


@pytest.fixture(scope="module")
def service() -> Iterator[LoginService]:
    one = LoginService()
    yield one
    one.server.shutdown()
    one.server.server_close()


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory, service: LoginService) -> Iterator[Keeper]:
    with simulated_portal() as portal:
        rooms = Rooms(portal)
        oidc = {"issuer": service.url, "client_id": "roomkeeper", "client_secret": "!env OIDC_SECRET"}
        oidc |= {"operators": ["ann@acme.example"], "viewers": ["bob@acme.example", "kate@acme.example"]}
        folder = tmp_path_factory.mktemp("access")
        top = {"dashboard": DASHBOARD | {"oidc": oidc}}
        one = with_logins(Keeper(folder, portal, rooms.keeper_key, [copy_uploads(rooms)], top=top, keep_webhook=False))
        one.file.write_text(one.file.read_text().replace('"version": 1', f'"version": 1, "public_url": "{one.url}"'))
        one.environment["OIDC_SECRET"] = "secret-of-the-login-service"
        one.start()
        one.look_back()  # what it finds by itself is not delivered
        one.register()
        rooms.upload("File.docx")
        one.settle(lambda: rooms.copies() == 1)
        yield one
        one.stop()


@pytest.mark.parametrize("path", PAGES)
def test_without_a_session_there_is_only_the_login(keeper: Keeper, path: str) -> None:
    answer = visitor(keeper).get(path)

    assert answer.status_code in {303, 401}
    assert answer.headers.get("location", "/login").startswith("/login")
    assert "File.docx" not in answer.text
    assert visitor(keeper).get(f"/live{path}").status_code in {401, 404}


@pytest.mark.parametrize("path", ORDERS)
def test_without_a_session_nothing_is_done(keeper: Keeper, path: str) -> None:
    before = _actions(keeper)

    sent = visitor(keeper)
    led = sent.post(path, data={"token": "0" * 64}).headers["location"]
    assert (urlsplit(led).path, parse_qs(urlsplit(led).query)) == ("/login", {"then": [path], "undone": ["yes"]})
    assert "what you sent was not done" in sent.get(led).text
    assert _actions(keeper) == before


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("name", PASSWORDS)
def test_everybody_who_is_logged_in_sees_every_page(keeper: Keeper, path: str, name: str) -> None:
    answer = logged_in(keeper, name).get(path)

    assert answer.status_code == 200
    assert "script-src 'self'" in answer.headers.get("content-security-policy", "script-src 'self'")


@pytest.mark.parametrize("path", ORDERS)
def test_a_viewer_may_look_and_not_act(keeper: Keeper, path: str) -> None:
    bob, before = logged_in(keeper, "bob"), _actions(keeper)
    token = _token_of(bob)

    answer = bob.post(path, data={"token": token, "event": "1"})

    assert answer.status_code == 403
    assert "may look, and not act" in answer.text
    assert _actions(keeper) == before


@pytest.mark.parametrize("forged", ["no token", "a wrong token", "another's token", "another site", "another origin"])
@pytest.mark.parametrize("path", ORDERS)
def test_a_form_that_another_site_sends_does_nothing(keeper: Keeper, path: str, forged: str) -> None:
    ann, before = logged_in(keeper, "ann"), _actions(keeper)
    own = form_token(ann, "/runs/1/restart")
    token = {"no token": "", "a wrong token": "é" * 64, "another's token": _other_token(keeper)}.get(forged, own)
    headers = {
        "another site": {"Sec-Fetch-Site": "cross-site"},
        "another origin": {"Origin": "https://evil.example"},
    }.get(forged, {})

    answer = ann.post(path, data={"token": token, "event": "1"}, headers=headers)

    assert answer.status_code == 403
    assert _actions(keeper) == before


def test_an_event_is_replayed_from_its_page_and_what_makes_no_sense_is_refused(keeper: Keeper) -> None:
    ann = logged_in(keeper, "ann")
    told = keeper.ask("events", "list")
    taken = next(one["id"] for one in told if one["runs"])
    path = f"/events/{taken}/replay"

    assert "What was done for it already is not done twice" in ann.get(path).text
    led = ann.post(path, data={"token": form_token(ann, path)})
    keeper.settle(lambda: not any(one["state"] == "new" for one in keeper.ask("events", "list")))
    other = ann.post(f"/events/{taken}/dance", data={"token": form_token(ann, "/runs/1/restart")})

    assert led.headers["location"] == f"/events/{taken}"
    assert f"replayed event {taken}" in _actions(keeper)[0]["did"]
    assert "Verified: it proved" in ann.get(f"/events/{taken}").text
    assert (other.status_code, "There is no order" in other.text) == (404, True)
    assert ann.get("/events/999999/replay").status_code == 404


def test_what_is_done_is_recorded_with_who_and_when(keeper: Keeper) -> None:
    ann = logged_in(keeper, "ann")
    for order in ("pause", "resume"):
        path = f"/automations/copy-client-uploads/{order}"
        assert ann.post(path, data={"token": form_token(ann, path)}).status_code == 303

    newest = _actions(keeper)[:2]
    assert [one["did"] for one in newest] == ["resumed copy-client-uploads", "paused copy-client-uploads"]
    assert {one["by"] for one in newest} == {"ann, on the page"}
    assert all(abs(datetime.fromisoformat(one["at"]).timestamp() - time.time()) < 600 for one in newest)


def test_a_session_ends_with_the_logout(keeper: Keeper) -> None:
    ann = logged_in(keeper, "ann")
    word = kept_word(ann)
    assert ann.post("/logout").status_code == 403  # another site may not log her out
    assert ann.post("/logout", data={"token": form_token(ann, "/")}).status_code == 303

    again = visitor(keeper)
    again.cookies.set(f"roomkeeper-{keeper.port}", word)
    assert again.get("/runs").status_code == 303


def test_one_user_s_logins_end_nobody_else_s(keeper: Keeper) -> None:
    ann = logged_in(keeper, "ann")
    store = opened(str(keeper.folder / keeper.store))
    for _ in range(60):
        sessions.begin(store, "bob", "viewer", "password x", 60.0)
    store.close()

    assert ann.get("/runs").status_code == 200


def test_the_browser_s_word_is_out_of_reach_for_scripts_and_other_sites(keeper: Keeper) -> None:
    answer = visitor(keeper).post("/login", data={"name": "ann", "password": PASSWORDS["ann"]})

    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    over_tls = visitor(keeper).post(
        "/login", data={"name": "ann", "password": PASSWORDS["ann"]}, headers={"X-Forwarded-Proto": "https"}
    )
    assert "secure" in over_tls.headers["set-cookie"].lower()


@pytest.mark.parametrize("then", ["//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example", "x"])
def test_a_login_leads_to_no_other_site(keeper: Keeper, then: str) -> None:
    given = {"name": "ann", "password": PASSWORDS["ann"], "then": then}

    assert visitor(keeper).post("/login", data=given).headers["location"] == "/"


def test_a_login_leads_to_the_page_that_was_wanted(keeper: Keeper) -> None:
    to_the_door = visitor(keeper).get("/runs?state=done").headers["location"]
    assert "then=%2Fruns%3Fstate%3Ddone" in to_the_door

    given = {"name": "ann", "password": PASSWORDS["ann"], "then": "/runs?state=done"}
    assert visitor(keeper).post("/login", data=given).headers["location"] == "/runs?state=done"


# --- the company's login service ---


def _by_service(keeper: Keeper, service: LoginService, **claims: Any) -> tuple[httpx2.Client, httpx2.Response]:
    """Log in by the service; gives the browser, and what it was answered when it came back."""
    client = visitor(keeper)
    away = urlsplit(client.get("/login/oidc?then=/runs").headers["location"])
    service.asked, service.claims = parse_qs(away.query), claims
    back = {"code": "c", "state": service.asked["state"][0]}
    return client, client.get("/login/oidc/callback", params=back)


@pytest.mark.parametrize(("email", "may"), [("ann@acme.example", 200), ("bob@acme.example", 403)])
def test_the_login_service_says_who_may_act(keeper: Keeper, service: LoginService, email: str, may: int) -> None:
    client, back = _by_service(keeper, service, email=email)

    assert back.headers["location"] == "/runs"
    assert service.asked["code_challenge_method"] == ["S256"]
    tried = client.post("/automations/copy-client-uploads/try", data={"token": _token_of(client), "event": "1"})
    assert tried.status_code == may


@pytest.mark.parametrize(
    "claims",
    [
        {"email": "eve@evil.example"},
        {"email": "\u212aate@acme.example"},  # the sign for Kelvin, which is a k once letters are folded
        {"email": "ann@acme.example", "email_verified": False},
        {"nonce": "another"},
        {"aud": "another"},
        {"iss": "https://evil.example"},
        {"exp": 1},
    ],
)
def test_whom_the_service_does_not_vouch_for_stays_outside(
    keeper: Keeper, service: LoginService, claims: dict[str, Any]
) -> None:
    client, back = _by_service(keeper, service, **claims)

    assert back.status_code == 403
    assert client.get("/runs").status_code == 303


@pytest.mark.parametrize("how", ["by another key", "by none"])
def test_a_word_that_the_service_did_not_sign_is_not_believed(keeper: Keeper, service: LoginService, how: str) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    service.signed_by = {"by another key": other, "by none": None}[how]
    try:
        _, back = _by_service(keeper, service)
    finally:
        service.signed_by = service.key

    assert back.status_code == 403


def test_a_login_that_was_begun_elsewhere_is_not_ended_here(keeper: Keeper, service: LoginService) -> None:
    begun = urlsplit(visitor(keeper).get("/login/oidc").headers["location"])
    service.asked = parse_qs(begun.query)

    back = visitor(keeper).get("/login/oidc/callback", params={"code": "c", "state": service.asked["state"][0]})
    assert back.status_code == 403


# --- the API and the metrics ---


@pytest.mark.parametrize("path", CALLS)
def test_the_api_needs_a_token(keeper: Keeper, path: str) -> None:
    ann = logged_in(keeper, "ann")

    assert httpx2.get(f"{keeper.url}/api/v1{path}").status_code == 401
    assert ann.get(f"/api/v1{path}").status_code == 401  # a page of another site could have a browser ask
    assert httpx2.get(f"{keeper.url}/api/v1{path}", headers=bearer("wrong" * 8)).status_code == 401
    assert httpx2.get(f"{keeper.url}/api/v1{path}", headers=bearer(TOKENS["CI_TOKEN"])).status_code == 200


def test_a_viewer_s_token_may_not_act(keeper: Keeper) -> None:
    url = f"{keeper.url}/api/v1/automations/copy-client-uploads/pause"

    assert httpx2.post(url, headers=bearer(TOKENS["CI_TOKEN"])).status_code == 403
    assert httpx2.post(url, headers=bearer(TOKENS["OPS_TOKEN"])).json()["paused"]
    assert httpx2.post(url.replace("pause", "resume"), headers=bearer(TOKENS["OPS_TOKEN"])).status_code == 200
    assert _actions(keeper)[0]["by"] == "ops, by token"


def test_metrics_are_given_by_token(keeper: Keeper) -> None:
    told = httpx2.get(f"{keeper.url}/metrics", headers=bearer(TOKENS["CI_TOKEN"]))

    assert httpx2.get(f"{keeper.url}/metrics").status_code == 401
    assert told.status_code == 200
    assert 'roomkeeper_events_total{connection="acme",' in told.text


def test_while_the_store_does_not_answer_nobody_is_logged_out(keeper: Keeper) -> None:
    ann = logged_in(keeper, "ann")
    store = Store(str(keeper.folder / "var"))
    with store.write() as db:
        db.execute(sa.text("alter table sessions rename to gone"))
    try:
        said = {path: ann.get(path).status_code for path in ("/", "/runs/1", "/runs/1/report.csv")}
        posted = ann.post("/runs/1/restart", data={"token": "x"}).status_code
    finally:
        with store.write() as db:
            db.execute(sa.text("alter table gone rename to sessions"))
        store.close()

    assert set(said.values()) == {503}
    assert posted == 503
    assert ann.get("/").status_code == 200


@pytest.mark.parametrize("number", ["9" * 20, "9" * 5000, "-1", "²", "", "x", "999999"])
def test_odd_numbers_get_a_clear_word(keeper: Keeper, number: str) -> None:
    ann = logged_in(keeper, "ann")
    tried = ann.post(
        "/automations/copy-client-uploads/try",
        data={"token": form_token(ann, "/runs/1/restart"), "event": number},
    )

    assert tried.status_code in ({404, 422} if number else {200})  # without one, it is tried with what happened last
    assert "Internal" not in tried.text
    assert ann.get(f"/runs/{number}").status_code in {200, 404, 307}
    assert ann.get(f"/runs?before={number}&since={number}&until={number}&about={number}").status_code == 200
    assert ann.get(f"/search?q={number}").status_code == 200


def test_half_characters_and_markup_in_a_body_are_shown_as_they_are(keeper: Keeper) -> None:
    ann = logged_in(keeper, "ann")
    title = "\\ud800 <script>alert(1)</script> \\u0000"
    content = (
        '{"event": {"id": 31, "createOn": "2026-06-30T12:05:09Z", "trigger": "file.uploaded"}, '
        f'"payload": {{"id": 43, "parentId": 999999, "title": "{title}"}}}}'
    ).encode()
    assert httpx2.post(f"{keeper.url}/hooks/acme", content=content, headers=signed(content)).status_code == 200

    newest = httpx2.get(f"{keeper.url}/api/v1/events?limit=1", headers=bearer(TOKENS["CI_TOKEN"])).json()[0]["id"]
    page = ann.get(f"/events/{newest}")
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert httpx2.get(f"{keeper.url}/api/v1/events/{newest}", headers=bearer(TOKENS["CI_TOKEN"])).status_code == 200


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _actions(keeper: Keeper) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx2.get(f"{keeper.url}/api/v1/actions", headers=bearer(TOKENS["CI_TOKEN"])).json()
    return found


def _token_of(client: httpx2.Client) -> str:
    """Work out a session's token as its pages would have it: for who sees no form."""
    import hashlib
    import hmac

    return hmac.new(kept_word(client).encode(), b"roomkeeper form", hashlib.sha256).hexdigest()


def _other_token(keeper: Keeper) -> str:
    return form_token(logged_in(keeper, "ann"), "/runs/1/restart")
