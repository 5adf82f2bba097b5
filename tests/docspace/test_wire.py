"""The wire: envelopes, errors, titles, pages."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roomkeeper import errors
from roomkeeper.docspace import titles, wire
from roomkeeper.docspace.models import Contents, File, Folder, Operation, RoomType
from roomkeeper.docspace.wire import Call

PROBLEM = json.dumps({"type": "https://x", "title": "Forbidden", "status": 403, "traceId": "00-1-2-00"}).encode()
GET, PUT = Call("GET", "/files/1"), Call("PUT", "/files/fileops/copy")
ERROR = json.dumps(
    {"error": {"message": "Access denied", "type": "x", "stack": None, "hresult": 0}, "status": 1}
).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind", "retryable"),
    [
        (401, b"", errors.Unauthorized, False),
        (403, b"", errors.ScopeMissing, False),
        (403, ERROR, errors.Forbidden, False),
        (403, b'"your address is blocked"', errors.Forbidden, False),
        (403, b"<html>blocked</html>", errors.Forbidden, False),
        (404, b"", errors.Unavailable, True),
        (404, ERROR, errors.NotFound, False),
        (402, b"", errors.QuotaExceeded, False),
        (429, b"", errors.Throttled, True),
        (400, ERROR, errors.Rejected, False),
        (415, ERROR, errors.Rejected, False),
        (301, b"", errors.Unavailable, True),
        (302, b"<html>", errors.Unavailable, True),
        (500, ERROR, errors.RemoteFault, True),
        (502, b"<html>", errors.RemoteFault, True),
    ],
)
def test_a_status_becomes_the_error_that_fits(status: int, body: bytes, kind: type, retryable: bool) -> None:
    with pytest.raises(errors.RemoteError) as raised:
        wire.read(PUT, status, {}, body)

    assert type(raised.value) is kind
    assert raised.value.retryable is retryable
    assert raised.value.status == status
    assert "PUT /files/fileops/copy" in raised.value.message


@pytest.mark.parametrize(
    ("call", "scope"),
    [
        (Call("PUT", "/files/fileops/copy"), "files:write"),
        (Call("GET", "/files/rooms/7/share"), "rooms:read"),
        (Call("GET", "/people/email"), "accounts:read"),
        (Call("GET", "/people/@self"), "accounts.self:read"),
        (Call("GET", "/group"), "accounts:read"),
        (Call("POST", "/settings/webhook"), "*:write"),
    ],
)
def test_a_scope_that_is_missing_is_named_by_what_was_asked(call: Call, scope: str) -> None:
    with pytest.raises(errors.ScopeMissing, match=re.escape(f"`{scope}`")) as raised:
        wire.read(call, 403, {}, b"")

    assert f"`{scope}`" in raised.value.remedy


@pytest.mark.parametrize(("body", "kind"), [(PROBLEM, errors.ScopeMissing), (ERROR, errors.Forbidden)])
def test_where_some_need_no_key_a_key_that_does_not_do_is_told_in_a_problem(body: bytes, kind: type) -> None:
    """Recorded: keys.scopes, keys.create."""
    with pytest.raises(errors.RemoteError) as raised:
        wire.read(Call("GET", "/files/file/7"), 403, {"content-type": "application/problem+json"}, body)

    assert type(raised.value) is kind
    assert ("`files:read`" in raised.value.remedy) == (kind is errors.ScopeMissing)


def test_a_redirect_names_where_it_leads() -> None:
    with pytest.raises(errors.Unavailable, match=r"a redirect to https://acme\.example/new") as raised:
        wire.read(GET, 308, {"location": "https://acme.example/new"}, b"")
    assert "correct `url`" in raised.value.remedy


def test_a_failed_validation_in_the_success_shape_names_its_fields() -> None:
    body = json.dumps(
        {"response": {"errors": {"Title": ["too long"], "Id": ["no guid"]}}, "status": 1, "statusCode": 400}
    )

    with pytest.raises(errors.Rejected, match="Title: too long; Id: no guid"):
        wire.read(GET, 400, {}, body.encode())


@pytest.mark.parametrize(
    ("header", "seconds"), [({}, None), ({"retry-after": "120"}, 120.0), ({"retry-after": "soon"}, None)]
)
def test_retry_after_is_kept_if_it_is_a_number(header: dict[str, str], seconds: float | None) -> None:
    with pytest.raises(errors.Throttled) as raised:
        wire.read(GET, 429, header, b"")

    assert raised.value.retry_after == seconds


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"[" * 100_000, b"\xff"])
def test_a_success_that_cannot_be_read_may_have_had_its_effect(body: bytes) -> None:
    with pytest.raises(errors.Garbled) as raised:
        wire.read(PUT, 200, {}, body)

    assert raised.value.may_have_happened


def test_an_absent_response_is_none_and_the_envelope_s_count_is_not_believed() -> None:
    assert wire.read(GET, 200, {}, b'{"count":1,"status":0}') == wire.Answer(None, None)
    assert wire.read(GET, 200, {}, b'{"response":[1,2,3],"count":1,"total":9}') == wire.Answer([1, 2, 3], 9)


@given(st.integers(0, 999), st.binary(max_size=300))
def test_no_answer_whatever_raises_anything_but_our_errors(status: int, body: bytes) -> None:
    try:
        wire.read(GET, status, {}, body)
    except errors.RemoteError as error:
        assert error.message


@pytest.mark.parametrize(
    ("title", "stored"),
    [
        ('A/B: C+ "2026"', "A_B_ C_ _2026_"),
        ("Report 😀", "Report __"),
        ("  spaced\tout  ", "spaced_out"),
        ("<a>|b?*\\", "_a__b___"),
        ("שלום", "שלום"),
    ],
)
def test_titles_are_stored_as_the_server_stores_them(title: str, stored: str) -> None:
    assert wire.sanitise_title(title) == stored


@given(st.text(max_size=400))
def test_a_stored_title_is_stored_again_as_it_is(title: str) -> None:
    once = wire.sanitise_title(title)

    assert wire.sanitise_title(once) == once
    assert len(once.encode("utf-16-le", "surrogatepass")) // 2 <= 170


@given(st.text(max_size=400))
def test_a_shortened_title_fits_and_is_not_cut_within_a_character(title: str) -> None:
    short = wire.shortened(title.encode("utf-8", "ignore").decode())

    assert len(short.encode("utf-16-le")) // 2 <= 165


@given(st.integers(0, 450), st.sets(st.integers(0, 449), max_size=60))
def test_paging_sees_every_entry_that_is_not_hidden(count: int, hidden: set[int]) -> None:
    """The server hides entries after paging and lowers the total by those of this page (3)."""
    seen: set[int] = set()
    start: int | None = 0
    while start is not None:
        page = [n for n in range(start, min(start + wire.PAGE, count)) if n not in hidden]
        seen |= set(page)
        lost = min(wire.PAGE, max(0, count - start)) - len(page)
        start = wire.next_start(start, len(page), count - lost)

    whole_pages_hidden = any(all(n in hidden for n in range(at, min(at + 100, count))) for at in range(max(1, count)))
    assert whole_pages_hidden or seen == {n for n in range(count) if n not in hidden}


def test_models_tolerate_what_is_new_and_read_what_is_odd() -> None:
    folder = Folder.of({"id": 7, "title": "x", "roomType": 77, "surprise": {"a": 1}})
    file = File.of(
        {"id": "sbox-12-|a b", "title": "x", "created": "2026-06-30T14:05:09.0000000+02:00", "updated": "soon"}
    )
    operation = Operation.of(
        {"id": "x", "Operation": 1, "processed": "12", "error": None, "files": [{"title": "no id"}]}
    )

    assert folder.room_type == 77
    assert Folder.of({"id": 7, "title": "x", "roomType": 2}).room_type is RoomType.COLLABORATION
    assert file.id == "sbox-12-|a b"
    assert file.created is not None
    assert file.created.isoformat() == "2026-06-30T14:05:09+02:00"
    assert file.updated is None
    assert operation.files[0].id is None


@pytest.mark.parametrize(
    ("entries", "total", "following"),
    [
        (0, 100, None),  # an empty page ends it, whatever is counted
        (1, 100, 51),
        (2, 52, None),  # a short one that reaches the total, too
        (2, 53, 52),
        (wire.PAGE, 50 + wire.PAGE, 50 + wire.PAGE),  # a full one never does
    ],
)
def test_a_page_is_the_last_one_or_says_where_the_next_begins(entries: int, total: int, following: int | None) -> None:
    assert wire.next_start(50, entries, total) == following


@pytest.mark.parametrize("response", [None, [], "x", {"title": "no id"}, {"id": [], "title": 3}])
def test_an_answer_of_another_shape_is_garbled(response: object) -> None:
    with pytest.raises(errors.Garbled):
        File.of(response)


def test_contents_count_folders_and_files_in_one_offset() -> None:
    contents = Contents.of({"files": [{"id": 1, "title": "a"}], "folders": [{"id": 1, "title": "b"}], "total": 5})

    assert contents.entries == 2


@given(st.text(min_size=1, max_size=300), st.text(min_size=1, max_size=300))
def test_a_tag_is_no_longer_than_the_portal_takes_and_stays_apart_from_others(one: str, other: str) -> None:
    cut = [wire.tag(text) for text in (one, other)]

    assert all(len(text.encode("utf-16-le", "surrogatepass")) // 2 <= wire.TAG_LIMIT for text in cut)
    assert (cut[0] == cut[1]) is (wire.storable(one) == wire.storable(other))


def test_long_tags_that_begin_alike_stay_apart() -> None:
    assert wire.tag("k" * 300) != wire.tag("k" * 301)
    assert wire.tag("k" * 255) == "k" * 255


def test_an_entry_is_found_by_its_very_title_and_else_by_one_that_the_database_takes_for_the_same() -> None:
    def folder(number: int, title: str) -> Folder:
        return Folder.of({"id": number, "title": title})

    both = [folder(1, "Muller"), folder(2, "Müller"), folder(3, "Other")]

    assert [one.id for one in titles.bearing("Müller", both)] == [2]
    assert [one.id for one in titles.bearing("MÜLLER", both)] == [1, 2]
    assert titles.bearing("Miller", both) == []
