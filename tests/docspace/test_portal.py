"""The client at a server that misbehaves; the fakes speak HTTP."""

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from roomkeeper import errors
from roomkeeper.docspace import Budget, Limits, Portal
from roomkeeper.docspace import budget as budget_module
from roomkeeper.docspace.budget import WINDOW, LocalTally
from roomkeeper.docspace.files import OnConflict
from roomkeeper.docspace.wire import whole
from roomkeeper.remote import Exchange, ReadOnlyTransport


def _portal(
    answer: Callable[[Request], Response], *, limits: Limits = Limits(), dry: bool = False
) -> tuple[Portal, list[str]]:
    seen: list[str] = []

    async def handle(request: Request) -> Response:
        seen.append(f"{request.method} {request.scope['path'].removeprefix('/api/2.0')}?{request.url.query}")
        return answer(request)

    app = Starlette(routes=[Route("/{path:path}", handle, methods=["GET", "POST", "PUT", "DELETE"])])
    transport: httpx2.AsyncBaseTransport = httpx2.ASGITransport(app=app)
    if dry:
        transport = ReadOnlyTransport(transport)
    return Portal("http://portal", "sk-x", budget=Budget(limits, LocalTally()), transport=transport), seen


def _says(response: Any, status: int = 200) -> Callable[[Request], Response]:
    return lambda _: JSONResponse({"response": response, "count": 1, "status": 0, "statusCode": status}, status)


async def test_copy_asks_for_what_can_be_observed() -> None:
    bodies: list[Any] = []

    def answer(request: Request) -> Response:
        return JSONResponse({"response": [{"id": "op", "Operation": 1, "finished": False}]})

    portal, seen = _portal(answer)
    sent = portal._http.event_hooks

    async def keep(request: httpx2.Request) -> None:
        bodies.append(json.loads(request.content))

    portal._http.event_hooks = {**sent, "request": [keep]}
    operation = await portal.files.copy([1, "sbox-2"], 9, on_conflict=OnConflict.OVERWRITE)

    assert operation.id == "op"
    assert seen == ["PUT /files/fileops/copy?"]
    body = bodies[0]
    assert (body["deleteAfter"], body["returnSingleOperation"], body["conflictResolveType"]) == (False, True, 1)
    assert (body["fileIds"], body["destFolderId"]) == ([1, "sbox-2"], 9)


async def test_an_accepted_copy_without_an_operation_may_have_happened() -> None:
    portal, _ = _portal(_says([]))

    with pytest.raises(errors.Garbled) as raised:
        await portal.files.copy([1], 9, on_conflict=OnConflict.SKIP)

    assert raised.value.may_have_happened


async def test_a_dry_run_cannot_write() -> None:
    portal, seen = _portal(_says({"id": 1, "title": "x"}), dry=True)

    assert (await portal.folders.get(1)).id == 1
    with pytest.raises(errors.WriteRefused):
        await portal.folders.create(1, "New")
    with pytest.raises(errors.WriteRefused):
        await portal.files.copy([1], 2, on_conflict=OnConflict.SKIP)
    assert seen == ["GET /files/folder/1?"]


async def test_string_ids_are_quoted_in_paths() -> None:
    portal, seen = _portal(_says({"id": "sbox-1-|a/b?c", "title": "x"}))

    await portal.files.get("sbox-1-|a/b?c")

    assert seen[0].startswith("GET /files/file/sbox-1-|a/b?c")  # the path as the server decodes it


async def test_what_one_view_sees_finished_is_kept_for_the_others() -> None:
    answers = iter([[{"id": "a", "finished": True, "files": [{"id": 5, "title": "t"}]}], []])
    portal, seen = _portal(lambda _: JSONResponse({"response": next(answers)}))

    everything = await portal.operations.all()
    one = await portal.view(bulk=True).operations.get("a")

    assert everything[0].id == "a"
    assert one is not None
    assert one.files[0].id == 5
    assert len(seen) == 1


async def test_an_operation_that_is_not_listed_has_vanished() -> None:
    portal, _ = _portal(_says([]))

    assert await portal.operations.get("gone") is None


async def test_whose_key_it_is_comes_from_the_key_and_else_from_the_person() -> None:
    def answer(request: Request) -> Response:
        if request.url.path.endswith("/keys/@self"):
            return Response(status_code=403)
        return JSONResponse({"response": {"id": "p1", "displayName": "Person"}})

    by_key, _ = _portal(_says({"id": "k", "createBy": {"id": "u1", "displayName": "Keeper"}}))
    by_person, _ = _portal(answer)

    assert (await by_key.people.myself()).id == "u1"
    assert (await by_person.people.myself()).id == "p1"


async def test_no_connection_certainly_had_no_effect() -> None:
    portal = Portal("http://127.0.0.1:9", "sk-x", budget=Budget(Limits(), LocalTally()))

    with pytest.raises(errors.Unreachable) as raised:
        await portal.folders.create(1, "x")

    assert not raised.value.may_have_happened
    await portal.close()


async def test_a_view_tells_of_each_call_without_its_query() -> None:
    told: list[Exchange] = []
    portal, _ = _portal(_says({"id": 1, "title": "x"}))

    await portal.view(observe=told.append).files.get(1)

    assert [(one.method, one.path, one.status) for one in told] == [("GET", "/files/file/1", 200)]


# --- the budget ---


async def test_no_more_calls_are_in_flight_than_allowed_and_live_ones_go_first() -> None:
    budget = Budget(Limits(writes=2), LocalTally())
    order: list[str] = []
    release = asyncio.Event()

    async def work(name: str, *, bulk: bool) -> None:
        async with budget.permit(write=True, daily=True, bulk=bulk):
            order.append(name)
            await release.wait()

    jobs = [asyncio.create_task(work(name, bulk="bulk" in name)) for name in ("live a", "live b", "bulk a", "live c")]
    await asyncio.sleep(0.01)
    assert order == ["live a", "live b"]
    release.set()
    await asyncio.gather(*jobs)

    assert order.index("live c") < order.index("bulk a")


async def test_what_a_command_called_a_minute_ago_counts_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(budget_module, "time", SimpleNamespace(monotonic=lambda: now[0], time=time.time))
    tally = LocalTally()
    asking = {"calls": 5, "writes": 0, "per_minute": 8, "per_day": 10}

    assert [(await tally.take(**asking))[0] for _ in range(3)] == [5, 3, 0]
    assert (await tally.take(**asking))[1] == WINDOW
    now[0] += WINDOW
    assert (await tally.take(**asking))[0] == 5


@pytest.mark.parametrize("has_come", [False, True], ids=["it waits", "its turn has come, and it has not run yet"])
async def test_a_cancelled_waiter_passes_its_turn_on(has_come: bool) -> None:
    budget = Budget(Limits(writes=1), LocalTally())
    got = asyncio.Event()

    async def take() -> None:
        async with budget.permit(write=True, daily=True, bulk=False):
            got.set()

    async with budget.permit(write=True, daily=True, bulk=False):
        first, second = asyncio.create_task(take()), asyncio.create_task(take())
        await asyncio.sleep(0)
        if not has_come:
            first.cancel()
    first.cancel()
    await asyncio.wait_for(second, 5)

    assert first.cancelled()
    assert got.is_set()


async def test_429_without_retry_after_pauses_everything_and_longer_each_time() -> None:
    budget = Budget(Limits(), LocalTally())

    budget.heed(errors.Throttled("x"), daily=False)
    first = budget._paused_until
    budget._paused_until = 0.0
    budget.heed(errors.Throttled("x"), daily=False)
    second = budget._paused_until - first

    assert second > 1.0
    budget.heed(None, daily=False)
    assert budget._pause == 0.0


async def test_a_day_s_writes_used_up_stop_writes_and_not_reads() -> None:
    budget = Budget(Limits(), LocalTally())

    budget.heed(errors.Throttled("x", retry_after=30_000.0), daily=True)

    with pytest.raises(errors.BudgetSpent) as raised:
        async with budget.permit(write=True, daily=True, bulk=False):
            pytest.fail("a write was let through")
    assert raised.value.retry_after is not None
    assert raised.value.retry_after > 29_000
    async with budget.permit(write=False, daily=False, bulk=False):
        pass


@pytest.mark.parametrize(
    ("whom", "kind"), [({"email": "a@x.example"}, errors.Throttled), ({"id": "7"}, errors.BudgetSpent)]
)
async def test_a_day_s_invitations_by_mail_used_up_stop_no_other_write(
    whom: dict[str, str], kind: type[errors.RemoteError]
) -> None:
    """All users of a portal share that limit (BaseStartup.cs, EmailInvitationApi)."""

    def answer(request: Request) -> Response:
        is_refused = request.url.path.endswith("/share")
        return JSONResponse(
            {"response": []}, 429 if is_refused else 200, {"Retry-After": "80000"} if is_refused else {}
        )

    portal, _ = _portal(answer)

    with pytest.raises(errors.Throttled) as raised:
        await portal.rooms.invite(7, [{**whom, "access": 2}], notify=False)

    assert ("by e-mail" in raised.value.message) is ("email" in whom)
    if kind is errors.BudgetSpent:
        with pytest.raises(kind):
            await portal.rooms.tag(7, ["x"])
    else:
        await portal.rooms.tag(7, ["x"])


async def test_what_the_portal_warns_of_is_passed_on() -> None:
    portal, _ = _portal(_says({"members": [], "error": 0, "warning": "the address belongs to somebody else"}))

    assert (
        await portal.rooms.invite(7, [{"email": "a@x.example"}], notify=False) == "the address belongs to somebody else"
    )


async def test_our_own_count_of_a_day_is_kept_too() -> None:
    budget = Budget(Limits(writes_per_day=2), LocalTally())
    for _ in range(2):
        async with budget.permit(write=True, daily=True, bulk=False):
            pass

    with pytest.raises(errors.BudgetSpent):
        async with budget.permit(write=True, daily=True, bulk=False):
            pytest.fail("a write was let through")


async def test_a_finished_operation_is_kept_until_whoever_waits_for_it_has_asked() -> None:
    """Each has a hundred files: two thousand of them were hundreds of megabytes."""
    answers = iter([[{"id": "a", "finished": True}, {"id": "b", "finished": True}], []])
    portal, seen = _portal(lambda _: JSONResponse({"response": next(answers)}))

    asked = [await portal.operations.get("a"), await portal.operations.get("b")]
    again = await portal.operations.get("a")

    assert [one.id for one in asked if one is not None] == ["a", "b"]
    assert again is None
    assert len(seen) == 2


Ask = Callable[[Portal], Awaitable[Any]]


@pytest.mark.parametrize(
    ("ask", "answer", "unsaid"),
    [
        (lambda portal: portal.activity.kept_for(), {}, "for how long it keeps its records"),
        (lambda portal: portal.activity.used(), [], "what its files use"),
        (lambda portal: portal.activity.people(), None, "how many accounts it has"),
        (lambda portal: portal.allowlist.is_on(), {"enable": "yes"}, "whether its list of addresses is in force"),
        (lambda portal: portal.people.myself(), None, "whose key this is"),
        (lambda portal: portal.webhooks.all(), {}, "not a list of webhooks"),
        (lambda portal: portal.people.groups(), {"id": 1}, "not a list of groups"),
    ],
)
async def test_what_only_the_portal_can_say_is_never_guessed(ask: Ask, answer: Any, unsaid: str) -> None:
    portal, _ = _portal(_says(answer))

    with pytest.raises(errors.Garbled, match=unsaid):
        await ask(portal)


async def test_a_backup_that_was_accepted_and_not_begun_may_have_happened() -> None:
    portal, _ = _portal(_says(None))

    with pytest.raises(errors.Rejected, match="began none") as refused:
        await portal.backups.start(5)

    assert refused.value.may_have_happened


async def test_a_listing_that_never_shows_what_it_counts_is_no_list() -> None:
    async def same_again(_look: int, _start: int) -> tuple[list[tuple[int, str]], int]:
        return [(1, "a"), (2, "b")], 6

    async def one_is_missing(_look: int, start: int) -> tuple[list[tuple[int, str]], int]:
        return ([(1, "a"), (2, "b")], 3) if start == 0 else ([], 3)

    with pytest.raises(errors.Garbled, match="counts 6 entries, and shows the same 2 again and again"):
        await whole(same_again, looks=2, what="files")
    with pytest.raises(errors.Garbled, match="counts 3 files, and shows 2 however it is asked"):
        await whole(one_is_missing, looks=2, what="files")


async def test_a_key_of_a_disabled_account_is_told_from_one_that_is_not_accepted() -> None:
    """Recorded: envelope.anonymous, people.guest-disabled."""
    disabled, _ = _portal(lambda _: JSONResponse({"error": {"message": "Access denied"}, "statusCode": 401}, 401))
    silent, _ = _portal(lambda _: Response(status_code=401))

    with pytest.raises(errors.Unauthorized, match="the account of the key is disabled"):
        await disabled.people.myself()
    with pytest.raises(errors.Unauthorized, match="without a word"):
        await silent.people.myself()


async def test_finished_operations_are_not_kept_for_ever() -> None:
    done = [{"id": f"op{number}", "Operation": 1, "finished": True, "progress": 100} for number in range(6000)]
    portal, _ = _portal(_says(done))

    await portal.operations.all()

    assert 0 < len(portal._finished) < len(done)


class _Bought(LocalTally):
    """A tally that notes how many calls were asked for at once."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[int, int, int]] = []

    async def take(self, *, calls: int, writes: int, per_minute: int, per_day: int) -> tuple[int, float]:
        self.asked.append((calls, writes, per_minute))
        return await super().take(calls=calls, writes=writes, per_minute=per_minute, per_day=per_day)


async def _passes(budget: Budget, *, write: bool = False, bulk: bool = False, within: float = 30.0) -> bool:
    """Tell whether one more call may be made so soon."""
    try:
        async with asyncio.timeout(within), budget.permit(write=write, daily=write, bulk=bulk):
            return True
    except TimeoutError:
        return False


async def test_reads_are_bought_one_by_one_and_in_bundles_once_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget_module, "_PREPAID_LIFE", 60.0)  # however busy this machine is
    tally = _Bought()
    budget = Budget(Limits(), tally)

    assert all([await _passes(budget) for _ in range(40)])
    assert all([await _passes(budget, write=True) for _ in range(3)])

    assert tally.asked == [*((calls, 0, 1500) for calls in (1, 2, 4, 8, 16, 25)), *[(1, 1, 1500)] * 3]


@pytest.mark.parametrize(("bulk", "most"), [(False, 20), (True, 18)])
async def test_a_minute_holds_its_calls_and_bulk_work_leaves_a_tenth(bulk: bool, most: int) -> None:
    budget = Budget(Limits(requests_per_minute=20), LocalTally())

    assert all([await _passes(budget, write=True, bulk=bulk) for _ in range(most)])
    assert not await _passes(budget, write=True, bulk=bulk, within=0.2)


async def test_bulk_work_leaves_a_fifth_of_the_places_and_one_that_gives_up_takes_none() -> None:
    budget = Budget(Limits(writes=5), LocalTally())
    async with contextlib.AsyncExitStack() as held:
        for _ in range(4):
            await held.enter_async_context(budget.permit(write=True, daily=False, bulk=True))

        assert not await _passes(budget, write=True, bulk=True, within=0.2)
        assert await _passes(budget, write=True)
        assert await _passes(budget, write=False, bulk=True)

    assert await _passes(budget, write=True, bulk=True)


async def test_a_day_that_is_over_stops_writes_in_words_and_no_read() -> None:
    budget = Budget(Limits(), LocalTally())
    budget.heed(errors.Throttled("too many", retry_after=7200.0), daily=True)

    assert await _passes(budget)
    with pytest.raises(errors.BudgetSpent, match="no more writes for 120 minutes") as spent:
        await _passes(budget, write=True)
    assert 7190 < (spent.value.retry_after or 0) <= 7200


async def test_a_success_ends_what_refusals_had_made_longer() -> None:
    budget = Budget(Limits(), LocalTally())

    budget.heed(errors.Throttled("too many", retry_after=0.01), daily=False)
    budget.heed(errors.NotFound("gone"), daily=False)
    assert await _passes(budget)
    budget.heed(errors.Throttled("too many"), daily=False)
    assert not await _passes(budget, within=0.2)
    budget.heed(None, daily=False)

    assert budget._pause == 0.0


async def test_an_owner_who_was_invited_as_well_is_one_member() -> None:
    """Such a one has two lines in the listing, and counts twice."""
    lines = [
        {"access": 9, "sharedToUser": {"id": "ann", "displayName": "Ann"}, "isOwner": True},
        {"access": 2, "sharedToUser": {"id": "bob", "displayName": "Bob"}, "isOwner": False},
        {"access": 9, "sharedToUser": {"id": "ann", "displayName": "Ann"}, "isOwner": False},
    ]
    portal, seen = _portal(lambda _: JSONResponse({"response": lines, "count": 3, "total": 3}))

    members = await portal.rooms.members(7)

    assert [(one.id, one.is_owner) for one in members] == [("ann", True), ("bob", False)]
    assert len(seen) == 1


async def test_what_has_no_title_hides_no_other() -> None:
    files = [{"id": 1, "title": None, "version": 1}, {"id": 2, "title": "Offer.docx", "version": 1}]
    answer = {"response": {"files": files, "folders": [], "current": {"id": 9, "title": "X"}, "total": 2, "count": 2}}
    portal, _ = _portal(lambda _: JSONResponse(answer))

    page = await portal.folders.page(9, 0, sort_by="AZ")

    assert [one.title for one in page.files] == ["", "Offer.docx"]


async def test_members_whom_pages_of_one_size_leave_out_are_found_by_pages_of_another() -> None:
    """Of equal access and first name they come in any order, another for each page (SecurityDao.cs)."""
    everybody = [{"access": 2, "sharedToUser": {"id": f"m{number}"}} for number in range(150)]

    def answer(request: Request) -> Response:
        start, count = (int(request.query_params[name]) for name in ("startIndex", "count"))
        left_out = everybody[start : start + count]
        shown = [one for one in left_out if count != 100 or one["sharedToUser"] != {"id": "m120"}]
        shown += everybody[:1] if len(shown) < len(left_out) else []  # shown twice instead
        return JSONResponse({"response": shown, "count": len(shown), "total": 150})

    portal, seen = _portal(answer)

    assert len(await portal.rooms.members(7)) == 150
    assert len(seen) == 4
