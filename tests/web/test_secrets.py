"""No secret anywhere: one is planted wherever one can be, and looked for wherever somebody can read."""

import base64
import contextlib
import json
import re
from pathlib import Path

import httpx2
import pytest
from mailboxes import Chat
from people import DASHBOARD, PASSWORDS, PROGRAM, TOKENS, kept_word, logged_in, with_logins
from signing import signed
from stage import CRM_SECRETS, SECRET, ClosingDeals, Keeper, simulated_portal, until

BODY, QUERY, HEADER, COOKIE = (f"planted-in-the-{place}-8f3a" for place in ("body", "query", "header", "cookie"))


@pytest.mark.long
def test_no_secret_is_in_any_page_log_metric_or_answer(tmp_path: Path) -> None:
    with simulated_portal() as portal, contextlib.ExitStack() as at_the_end:
        chat = Chat()
        at_the_end.callback(chat.close)
        scene = ClosingDeals(portal)
        keeper = _keeper(tmp_path, scene, chat)
        at_the_end.callback(keeper.stop)
        keeper.start_by_command()
        keeper.register()
        signature = _plant(scene, keeper)
        until(lambda: bool(chat.told))
        ann = logged_in(keeper, "ann")

        said = {path: ann.get(path).text for path in _pages(ann)}
        said |= {f"api {path}": _api(keeper, path) for path in _calls(keeper)}
        said |= {"metrics": ann.get("/metrics", headers=PROGRAM).text, "log": keeper.log()}
        said |= {" ".join(words): keeper.say(*words) for words in COMMANDS}
        said |= {"chat": json.dumps(chat.told), "process": _arguments(keeper)}
        word = kept_word(ann)

    assert len(said) > 60
    assert sum("Offer.docx" in text for text in said.values()) > 5  # what is to be seen is seen
    assert any("(left out)" in text for text in said.values())
    planted = {**keeper.environment, "body": BODY, "query": QUERY, "header": HEADER, "cookie": COOKIE, "word": word}
    planted |= {f"password of {name}": password for name, password in PASSWORDS.items()} | {"signature": signature}
    leaks = {(name, where) for name, secret in planted.items() for where, text in said.items() if secret in text}
    assert leaks == set()


COMMANDS = [
    ("runs", "list"),
    ("runs", "show", "1", "--calls"),
    ("runs", "list", "--json"),
    ("runs", "show", "1", "--json"),
    ("events", "list"),
    ("check",),
    ("check", "--json"),
]


def _keeper(folder: Path, scene: ClosingDeals, chat: Chat) -> Keeper:
    others = {name: scene.connection(name) for name in ("hubspot", "pipedrive", "salesforce")}
    others["ops-chat"] = {"type": "slack", "url": "!env CHAT_URL"}
    others["ops-program"] = {"type": "webhook", "url": chat.url, "token": "!env PROGRAM_TOKEN"}
    top = {"dashboard": DASHBOARD, "notify": {"to": ["ops-chat"], "heartbeat": "!env HEART_URL"}}
    copy = {"name": "copy", "on": "file.uploaded", "where": {"room": scene.client}}
    copy |= {"steps": [{"do": "copy_files", "with": {"to": scene.room("Copies")}}]}
    tell = {"do": "notify", "via": "ops-program", "with": {"text": "Archived {{ archive.files }}"}}
    automations = [copy, scene.automation(tell)]
    keeper = Keeper(folder, scene.portal, scene.keeper_key, automations, others=others, top=top, keep_webhook=False)
    keeper.environment |= {"CHAT_URL": chat.url, "HEART_URL": f"{chat.url}/heart", "PROGRAM_TOKEN": "token-of-program"}
    return with_logins(keeper)


def _plant(scene: ClosingDeals, keeper: Keeper) -> str:
    """Let things happen, good and bad, with a secret in every place; gives a signature that was sent."""
    scene.upload("Offer.docx")
    keeper.settle(lambda: bool(keeper.runs()))
    for vendor in ("hubspot", "pipedrive", "salesforce"):
        scene.close(keeper, scene.deal(), vendor)
    faults = [{"kind": "status", "status": 403, "path": "/files/fileops/copy", "times": 50}]
    scene.portal.direct("PUT", "/faults", json=faults)
    scene.upload("Another Offer.docx")
    keeper.settle(lambda: any(one["state"] == "needs_attention" for one in keeper.runs()))
    event = {"id": 4711, "createOn": "2026-06-30T12:05:09Z", "trigger": "file.uploaded"}
    payload = {"id": 41, "parentId": 999_999, "title": "Offer.docx", "password": BODY, "nested": {"apiKey": BODY}}
    content = json.dumps({"event": event, "payload": payload}).encode()
    headers = {"Authorization": f"Bearer {HEADER}", "X-Api-Key": HEADER, "Cookie": f"session={COOKIE}"}
    url = f"{keeper.url}/hooks/acme?token={QUERY}&room=1"
    assert httpx2.post(url, content=content, headers=headers | signed(content)).status_code == 200
    assert httpx2.post(url, content=content, headers=headers | signed(content, "wrong")).status_code == 401
    basic = base64.b64encode(f"roomkeeper:{CRM_SECRETS['CRM_SECRET']}".encode()).decode()
    httpx2.post(f"{keeper.url}/hooks/pipedrive", content=b"{", headers={"Authorization": f"Basic {basic}"})
    httpx2.post(f"{keeper.url}/hooks/salesforce?token={CRM_SECRETS['CRM_SECRET']}", content=b"<x/>")
    httpx2.post(f"{keeper.url}/login", data={"name": "ann", "password": SECRET})
    return signed(content)["x-docspace-signature-256"].removeprefix("sha256=")


def _pages(ann: httpx2.Client) -> list[str]:
    """Find every page that can be reached by links, and what forms would show."""
    found, seen = ["/"], set[str]()
    while found:
        path = found.pop()
        if path in seen or path.startswith(("/static", "//", "/login")):
            continue
        seen.add(path)
        links = re.findall(r'href="(/[^"#]*)"', ann.get(path).text)
        found += [link.replace("&amp;", "&") for link in links if len(seen) < 200]
    return sorted(seen)


def _calls(keeper: Keeper) -> list[str]:
    runs, events = (json.loads(_api(keeper, f"/{noun}?limit=1000")) for noun in ("runs", "events"))
    plain = [
        "/status",
        "/runs",
        "/events",
        "/automations",
        "/automations/copy",
        "/proofs",
        "/actions",
        "/search?q=offer",
    ]
    return [*plain, *(f"/runs/{one['id']}" for one in runs), *(f"/events/{one['id']}" for one in events)]


def _api(keeper: Keeper, path: str) -> str:
    return httpx2.get(f"{keeper.url}/api/v1{path}", headers={"Authorization": f"Bearer {TOKENS['OPS_TOKEN']}"}).text


def _arguments(keeper: Keeper) -> str:
    """Read the command line, as anybody on the machine can."""
    return Path(f"/proc/{keeper.processes[-1].pid}/cmdline").read_text()
