"""The parts of a service: what dies is started again, and the others do not notice; nobody who calls is turned away."""

import asyncio
import contextlib
import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import httpx2
import psutil
import pytest
from people import PROGRAM, PROGRAMS, with_a_token
from signing import signed
from stage import Keeper, Portal, Rooms, copy_uploads, sized, until

from roomkeeper.store import services, texts

Make = Callable[..., Keeper]
PARTS = {"door", "worker", "desk"}


@pytest.fixture
def rooms(portal: Portal) -> Rooms:
    return Rooms(portal)


@pytest.fixture
def keeper(rooms: Rooms, keepers: Make) -> Keeper:
    one = with_a_token(keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms)], top={"dashboard": PROGRAMS}))
    one.start_in_parts()
    one.register()
    until(lambda: set(one.parts()) == PARTS)
    return one


def delivery(number: int) -> bytes:
    """Make what the portal tells of an upload into a room that no automation is for."""
    event = {"id": number, "createOn": "2026-06-30T12:05:09Z", "createBy": "u", "trigger": "file.uploaded"}
    return json.dumps({"event": event, "payload": {"id": number, "parentId": 999_999, "title": "x"}}).encode()


@contextlib.contextmanager
def delivering(keeper: Keeper) -> Iterator[Counter[str]]:
    """Deliver all the time, on connections that are kept; counts what became of each."""
    told, over, numbers = Counter[str](), threading.Event(), iter(range(1, 10**9))

    async def sender(client: httpx2.AsyncClient) -> None:
        while not over.is_set():
            body = delivery(next(numbers))
            try:
                answer = await client.post(f"{keeper.url}/hooks/acme", content=body, headers=signed(body))
                told[str(answer.status_code)] += 1
            except httpx2.TransportError as error:
                told[type(error).__name__] += 1
            await asyncio.sleep(0.02)

    async def all_of_them() -> None:
        async with httpx2.AsyncClient(timeout=60) as client:
            await asyncio.gather(*(sender(client) for _ in range(4)))

    thread = threading.Thread(target=asyncio.run, args=(all_of_them(),))
    thread.start()
    try:
        yield told
    finally:
        over.set()
        thread.join(70)


def killed(keeper: Keeper, role: str) -> None:
    """Kill a part, and see that another is there."""
    doomed = keeper.parts()[role]
    doomed.send_signal(signal.SIGKILL)
    until(lambda: keeper.parts().get(role, doomed).pid != doomed.pid)


@pytest.mark.crash
@pytest.mark.long
def test_while_what_works_is_killed_every_delivery_is_acknowledged_and_every_upload_copied(
    keeper: Keeper, rooms: Rooms
) -> None:
    kills = sized(10, 4)
    with delivering(keeper) as told:
        for number in range(kills):
            for file in range(5):
                rooms.upload(f"File {number} {file}.docx", f"{number} {file}".encode())
            killed(keeper, "worker")
    keeper.settle(lambda: rooms.copies() >= 5 * kills)

    print(f"{kills} kills, {told}")
    assert set(told) == {"200"}
    assert rooms.missing_and_doubled() == ([], [])


@pytest.mark.crash
def test_while_the_door_is_killed_who_calls_waits_and_none_is_refused(keeper: Keeper) -> None:
    """What a killed door was about to answer is sent again by whoever sent it; it cannot be answered by another."""
    with delivering(keeper) as told:
        for _ in range(3):
            killed(keeper, "door")
    until(lambda: httpx2.get(f"{keeper.url}/livez").status_code == 200)

    assert set(told) - {"200"} <= {"ReadError", "RemoteProtocolError", "WriteError"}
    assert "ConnectError" not in told
    assert told["200"] > sum(told.values()) - 3 * 4 - 1  # at most those that were under way


@pytest.mark.crash
def test_a_page_that_is_asked_for_while_the_desk_is_started_again_comes_when_it_is_there(keeper: Keeper) -> None:
    desk = keeper.parts()["desk"]
    desk.send_signal(signal.SIGSTOP)
    asked = threading.Thread(target=lambda: answers.append(httpx2.get(f"{keeper.url}/readyz", timeout=60)))
    answers: list[httpx2.Response] = []
    asked.start()
    time.sleep(0.3)  # it is on its way, and nobody reads it
    desk.send_signal(signal.SIGKILL)
    asked.join(60)

    assert [one.status_code for one in answers] == [200]


def test_one_connection_may_ask_both_for_what_the_door_answers_and_for_pages(keeper: Keeper) -> None:
    body = delivery(1)
    form = {"token": "x" * 40_000}  # more than goes into a letter between the parts
    with httpx2.Client(base_url=keeper.url, limits=httpx2.Limits(max_connections=1)) as one:
        asked = [
            one.get("/livez"),
            one.get("/readyz"),
            one.post("/hooks/acme", content=body, headers=signed(body)),
            one.get("/metrics", headers=PROGRAM),
            one.post("/login", data=form),
            one.post("/hooks/acme/", content=body, headers=signed(body)),
            one.get("/nowhere"),
            one.get("/hooks/nowhere"),
        ]

    assert [one.status_code for one in asked] == [200, 200, 200, 200, 403, 200, 404, 405]
    assert asked[5].json() == {"status": "duplicate"}


def test_what_the_parts_count_is_counted_together(keeper: Keeper, rooms: Rooms) -> None:
    def counted() -> list[str]:
        told = httpx2.get(f"{keeper.url}/metrics", headers=PROGRAM).text.splitlines()
        return [one for one in told if one.startswith(("roomkeeper_events_total{", "roomkeeper_runs_ended_total{"))]

    rooms.upload("File.docx")
    keeper.settle(lambda: rooms.copies() == 1)
    until(lambda: any("runs_ended" in one for one in counted()))
    before = counted()
    killed(keeper, "worker")

    assert 'roomkeeper_runs_ended_total{automation="copy-client-uploads",state="done"} 1.0' in before
    assert any(one.startswith('roomkeeper_events_total{connection="acme",status=') for one in before)
    assert set(before) <= set(counted())


def test_a_changed_file_is_taken_over_by_all_and_one_that_is_started_again_runs_what_the_others_run(
    keeper: Keeper, rooms: Rooms
) -> None:
    keeper.rewrite(automations=[copy_uploads(rooms) | {"name": "copies-for-the-team"}])
    told = keeper.ask("reload")
    keeper.file.write_text("this is no configuration")
    killed(keeper, "worker")
    rooms.upload("File.docx")
    (run,) = keeper.settle(lambda: rooms.copies() == 1)

    assert sorted((one["role"], one["took_over"]) for one in told) == [(part, True) for part in sorted(PARTS)]
    assert run["automation"] == "copies-for-the-team"


def test_a_part_that_is_started_again_knows_the_secrets_of_now(rooms: Rooms, keepers: Make) -> None:
    later = {"dashboard": {"tokens": [{"name": "ops", "token": "!env LATER", "role": "operator"}]}}
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms)], top=later)
    (keeper.folder / ".env").write_text(f"LATER=old-{'1' * 30}\n")
    keeper.start_in_parts()
    until(lambda: set(keeper.parts()) == PARTS)
    (keeper.folder / ".env").write_text(f"LATER=new-{'2' * 30}\n")
    keeper.environment["LATER"] = f"new-{'2' * 30}"  # of the command: to the service it is the file's
    keeper.say("reload")
    killed(keeper, "desk")

    asked = httpx2.get(f"{keeper.url}/metrics", headers={"Authorization": f"Bearer new-{'2' * 30}"}, timeout=30)
    assert asked.status_code == 200


def test_when_the_supervisor_is_killed_all_end_and_the_next_service_begins_at_once(keeper: Keeper) -> None:
    parts = list(keeper.parts().values())
    keeper.kill()
    psutil.wait_procs(parts, timeout=20)
    keeper.start_in_parts()

    assert [one for one in parts if one.is_running()] == []
    assert httpx2.get(f"{keeper.url}/readyz").status_code == 200


def test_a_store_that_is_taken_away_ends_all_who_use_it_and_that_is_said(keeper: Keeper) -> None:
    parts = list(keeper.parts().values())
    (keeper.folder / "var").rename(keeper.folder / "elsewhere")

    _, left = psutil.wait_procs(parts, timeout=40)

    assert left == []
    assert "was taken away, or replaced, while it was in use" in keeper.log()
    assert keeper.processes[-1].wait(40) == 74  # which is not started again: it would begin with an empty store
    assert not (keeper.folder / "var").exists()
    (keeper.folder / "elsewhere").rename(keeper.folder / "var")
    keeper.start_in_parts()
    assert httpx2.get(f"{keeper.url}/readyz").status_code == 200


def test_a_second_service_on_the_same_store_is_refused_in_words_and_leaves_nothing(keeper: Keeper) -> None:
    first = keeper.processes[-1]
    other = keeper.port
    keeper.port += 1
    known, links = len(texts.newest(keeper.opened())), keeper.log().count("good once")
    second = keeper.start_in_parts(wait=False)

    assert second.wait(40) == 1
    assert "Another Roomkeeper serves the store" in keeper.log()
    assert (len(texts.newest(keeper.opened())), keeper.log().count("good once")) == (known, links)
    assert first.poll() is None
    assert httpx2.get(f"http://127.0.0.1:{other}/readyz").status_code == 200
    until(lambda: set(parts_of(keeper, first.pid)) == PARTS)  # what the second one said of itself is forgotten
    assert sorted(one["role"] for one in keeper.ask("reload")) == sorted(PARTS)


def parts_of(keeper: Keeper, supervisor: int) -> set[str]:
    """List the parts of a service that are known in the store."""
    alive = {one.pid for one in psutil.Process(supervisor).children()}
    return {one.role for one in services.running(keeper.opened()) if int(one.name.rpartition(" ")[2]) in alive}
