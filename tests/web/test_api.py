"""The JSON API: what it says of itself, and that nothing that can be sent to it brings it down."""

from collections.abc import Iterator

import httpx2
import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from people import DASHBOARD, TOKENS, with_logins
from schemathesis import GenerationMode
from stage import Keeper, Rooms, copy_uploads, simulated_portal, sized

OPERATOR = {"Authorization": f"Bearer {TOKENS['OPS_TOKEN']}"}


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keeper]:
    with simulated_portal() as portal:
        rooms = Rooms(portal)
        folder = tmp_path_factory.mktemp("api")
        top = {"dashboard": DASHBOARD}
        one = with_logins(Keeper(folder, portal, rooms.keeper_key, [copy_uploads(rooms)], top=top))
        one.start_apart()  # Hypothesis looks after the random numbers of this process, and the engine draws some
        one.register()
        for number in range(3):
            rooms.upload(f"Offer {number}.docx")
        one.settle(lambda: rooms.copies() == 3)
        yield one
        one.stop()


@pytest.mark.long
def test_nothing_that_can_be_sent_brings_it_down(keeper: Keeper) -> None:
    described = schemathesis.openapi.from_dict(httpx2.get(f"{keeper.url}/api/v1/openapi.json").json())
    operations = [one.ok() for one in described.get_all_operations()]
    assert len(operations) == 15

    with httpx2.Client(base_url=keeper.url, headers=OPERATOR) as http:
        for operation in operations:

            @given(case=operation.as_strategy() | operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
            @settings(
                max_examples=sized(200, 25), deadline=None, suppress_health_check=list(HealthCheck), database=None
            )
            def sends(case: schemathesis.Case) -> None:
                sent = case.as_transport_kwargs(base_url=keeper.url)
                body = sent.get("data")
                answer = http.request(
                    sent["method"],
                    sent["url"],
                    params=sent.get("params"),
                    json=sent.get("json"),
                    content=body if isinstance(body, str | bytes) else None,
                )
                assert answer.status_code < 500, answer.text
                known = case.operation.definition.raw["responses"].get(str(answer.status_code))
                if known is not None:
                    shape = known["content"]["application/json"]["schema"]
                    jsonschema.validate(answer.json(), {**shape, "components": described.raw_schema["components"]})
                else:
                    assert answer.status_code in {307, 404, 405}, answer.text  # an address that is none of ours

            sends()


def test_answers_have_the_shapes_that_are_described(keeper: Keeper) -> None:
    described = httpx2.get(f"{keeper.url}/api/v1/openapi.json").json()
    run = next(one for one in keeper.runs() if one["events"])
    event = run["events"][0]
    of = {"{number}": str(run["id"]), "{name}": "copy-client-uploads"}

    for path, operations in described["paths"].items():
        if "get" not in operations:
            continue
        shape = operations["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        asked = path.replace("{number}", str(event)) if "/events/" in path else path
        for name, value in of.items():
            asked = asked.replace(name, value)
        answer = ask(keeper, asked.removeprefix("/api/v1") + ("?q=offer" if path.endswith("/search") else ""))
        assert answer.status_code == 200, asked
        jsonschema.validate(answer.json(), {**shape, "components": described["components"]})
        assert answer.json() not in ([], {}) or path.endswith(("/proofs", "/actions")), asked


def ask(keeper: Keeper, path: str, *, method: str = "GET", **given: object) -> httpx2.Response:
    return httpx2.request(method, f"{keeper.url}/api/v1{path}", headers=OPERATOR, **given)  # type: ignore[arg-type]


def test_what_pages_show_programs_can_ask_for(keeper: Keeper) -> None:
    run = ask(keeper, "/runs?about=Offer 1.docx").json()[-1]  # the history may have told of it, too
    whole = ask(keeper, f"/runs/{run['id']}").json()
    event = ask(keeper, f"/events/{run['events'][0]}").json()

    assert whole["state"] == "done"
    assert [step["name"] for step in whole["steps"]] == ["copy_files"]
    assert any(call["path"] == "/files/fileops/copy" for call in whole["steps"][0]["calls"])
    rooms = {one["title"]: one["number"] for one in whole["about"] if one["kind"] == "room"}
    assert rooms["Acme (internal)"] == str(whole["steps"][0]["inputs"]["to"])  # where nothing was uploaded so far
    assert [one["order"] for one in whole["offers"]] == ["restart"]
    assert event["trusted"].startswith(("Verified", "Found by"))  # the history may tell of it first
    assert event["automations"] == [{"automation": "copy-client-uploads", "took": True, "because": ""}]
    assert ask(keeper, "/status").json()["is_well"]
    assert {one["kind"] for one in ask(keeper, "/search?q=offer").json()} == {"file"}
    assert ask(keeper, "/automations/copy-client-uploads").json()["text"].count("copy-client-uploads") == 1


def test_lists_come_in_parts_that_leave_nothing_out(keeper: Keeper) -> None:
    every = [one["id"] for one in ask(keeper, "/events?limit=1000").json()]

    parts, before = [], None
    while part := ask(keeper, f"/events?limit=2{f'&before={before}' if before else ''}").json():
        parts += [one["id"] for one in part]
        before = parts[-1]
    assert parts == every


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/runs?state=finished", 400, "state"),
        ("/runs?limit=0", 400, "limit"),
        ("/runs?colour=red", 400, "colour"),
        ("/runs?since=yesterday", 400, "since"),
        ("/runs/999999", 404, "no run 999999"),
        ("/events/999999", 404, "no event 999999"),
        ("/automations/none", 404, "copy-client-uploads"),
        ("/search", 400, "q"),
    ],
)
def test_what_cannot_be_answered_says_why(keeper: Keeper, path: str, status: int, said: str) -> None:
    answer = ask(keeper, path)

    assert answer.status_code == status
    assert said in answer.text


def test_orders_by_the_api_do_what_they_say(keeper: Keeper) -> None:
    run, event = keeper.runs()[0]["id"], keeper.runs()[0]["events"][0]

    assert ask(keeper, f"/runs/{run}/cancel", method="POST").status_code == 409
    assert ask(keeper, f"/runs/{run}/undo", method="POST").status_code == 409
    before = ask(keeper, f"/runs/{run}").json()["attempt"]  # another test may have ordered it, too
    assert ask(keeper, f"/runs/{run}/restart", method="POST").json() == {"run": run}
    keeper.settle(lambda: ask(keeper, f"/runs/{run}").json()["attempt"] == before + 1)
    assert len(keeper.portal.direct("GET", "/journal")) > 0
    tried = ask(keeper, "/automations/copy-client-uploads/try", method="POST", json={"event": event}).json()
    assert tried["applies"]
    assert ask(keeper, f"/events/{event}/replay", method="POST").status_code == 200
    assert ask(keeper, "/automations/copy-client-uploads/try", method="POST", json={"event": "x"}).status_code == 400
    assert ask(keeper, "/automations/copy-client-uploads/try", method="POST", content=b"{").status_code == 400


def test_what_is_refused_is_nothing_that_a_connection_told(keeper: Keeper) -> None:
    (before,) = [one["last_event"] for one in ask(keeper, "/status").json()["connections"] if one["name"] == "acme"]

    refused = httpx2.post(f"{keeper.url}/hooks/acme", content=b"{}")

    (after,) = [one["last_event"] for one in ask(keeper, "/status").json()["connections"] if one["name"] == "acme"]
    assert refused.status_code == 401
    assert before == after != ""
