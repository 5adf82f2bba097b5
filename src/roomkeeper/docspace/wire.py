"""What goes over the wire, as pure functions: build a call, read the envelope, tell an error.

The rules are the server's (facts/docspace.md: 0 envelope and errors, 3 paging, 4 titles, 7 limits, 9 statuses),
not the published documentation's, where the two differ.
"""

import hashlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from roomkeeper import outside
from roomkeeper.docspace import scopes
from roomkeeper.errors import Forbidden, Garbled, QuotaExceeded, RemoteError, ScopeMissing, Unauthorized, Unavailable
from roomkeeper.statuses import by_status, is_success, redirected

PREFIX = "/api/2.0"
# GetFolderRequestDto.cs; recorded: folder.listing
PAGE = 100  # the server's default and its maximum; more is answered 400
K = TypeVar("K", bound=int | str)
T = TypeVar("T")
LOOKS = 3  # at a listing that shows less than it counts, for somebody may come or go between its pages (ours)
FOLDER_TITLE_LIMIT = 165  # longer is answered 400 by POST /files/folder (recorded: folders.titles)
TAG_LIMIT = 255  # UTF-16 units of a tag (DbFilesTag.cs)
_WIDEST = 0xFFFF  # the last letter of three bytes, and of one UTF-16 unit (DbFile.cs)
_UNSAFE = '\t*+:"<>?|\\/'


def portal_address(said: str) -> str:
    """Give a portal's address by that of one of its pages, or of its API: a portal is all that its host serves.

    (BaseCommonLinkUtility.cs: no path base is set; recorded: every `webUrl` stands at the root)
    """
    parts = urlsplit(said)
    return f"{parts.scheme}://{parts.netloc}"


@dataclass(frozen=True)
class Call:
    """One request to the portal; `path` is below /api/2.0."""

    method: str
    path: str
    query: Mapping[str, object] = field(default_factory=dict)
    body: Mapping[str, object] | None = None
    #: A file to be uploaded: its name and content.
    file: tuple[str, bytes] | None = None

    @property
    def is_write(self) -> bool:
        """Whether it counts against the limit of writes in flight (7)."""
        return self.method != "GET"

    @property
    def counts_for_the_day(self) -> bool:
        """Whether it counts against the daily limit: POST and PUT do, DELETE does not (7)."""
        return self.method in {"POST", "PUT"}

    @property
    def mails(self) -> bool:
        """Whether it invites by e-mail address, which all users of a portal together may do so often a day.

        (BaseStartup.cs, EmailInvitationApi)
        """
        invited = (self.body or {}).get("invitations")
        return isinstance(invited, list) and any(isinstance(one, dict) and one.get("email") for one in invited)

    def __str__(self) -> str:
        """Give the method and the path, without the query: it may hold titles."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Answer:
    """The envelope's content: `response`, and `total` where the server counts."""

    response: Any
    total: int | None = None


def segment(value: int | str) -> str:
    """Quote an id for use in a path; ids of third-party storage are strings such as `sbox-12-|a`."""
    return quote(str(value), safe="")


def read(call: Call, status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """Read an answer's envelope (0.2).

    Raises the RemoteError that fits its status (0.3, 9), Garbled if a success cannot be read.
    """
    if not is_success(status):
        raise _error(call, status, headers, body)
    document = _parse(body)
    if not isinstance(document, dict):
        raise Garbled(f"The portal answered {call} with {status} and a body that cannot be read")
    return Answer(document.get("response"), _count(document.get("total")))


def sanitise_title(title: str, *, limit: int = 170) -> str:
    """Give the title as the portal will store it (4): some characters become `_`, the rest is cut.

    The server replaces each UTF-16 surrogate, so an emoji becomes two underscores.
    """
    stored: list[str] = []
    for character in title.strip():
        if ord(character) > _WIDEST:
            stored.append("__")
        elif character in _UNSAFE or 0xD800 <= ord(character) <= 0xDFFF:  # noqa: PLR2004 - surrogates
            stored.append("_")
        else:
            stored.append(character)
    return "".join(stored)[:limit].strip()


def storable(text: str) -> str:
    """Give a comment or a tag as every portal can hold it: letters of four bytes by their numbers, as `U+1F525`.

    On MySQL its columns have three bytes a letter (DbFile.cs, DbFilesTag.cs), and what needs more is answered 500
    (recorded for a search: rooms.titles). Titles the server changes by itself.
    """
    return "".join(one if ord(one) <= _WIDEST else f"U+{ord(one):X}" for one in text)


def shortened(title: str, *, limit: int = FOLDER_TITLE_LIMIT) -> str:
    """Cut a title to what the server accepts; it counts UTF-16 units, so an emoji counts twice and is not halved."""
    return title.encode("utf-16-le", "surrogatepass")[: 2 * limit].decode("utf-16-le", "ignore").strip()


def tag(text: str) -> str:
    """Give a tag as the portal can hold it: a longer one is refused once the room is made, which stays (DbFilesTag.cs).

    One that is cut bears a digest of the whole, so that it stays apart from others that begin so.
    """
    whole = storable(text)
    if len(whole.encode("utf-16-le", "surrogatepass")) // 2 <= TAG_LIMIT:
        return whole
    digest = hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{shortened(whole, limit=TAG_LIMIT - 9)} {digest}"


def _count(total: object) -> int | None:
    """Read a number, which may come as text."""
    return int(total) if isinstance(total, int) or (isinstance(total, str) and total.isdecimal()) else None


def next_start(start: int, entries: int, total: int) -> int | None:
    """Say where the next page starts, None after the last one.

    `total` shrinks by the entries that are hidden on a page (3), so a full page never proves the end: an empty
    one does, or a short one that reaches the total.
    """
    reached = start + entries
    if entries == 0 or (reached >= total and entries < PAGE):
        return None
    return reached


class Pages:
    """The way through a listing, page by page; `start` is where the next one begins, None after the last.

    A page that shows only what was seen, of a listing that counts more, would be asked for without an end.
    """

    def __init__(self) -> None:
        self.start: int | None = 0
        self._seen: set[object] = set()

    def turn(self, shown: Collection[object], total: int) -> None:
        """Go on after a page that showed these. Raises Garbled."""
        following = next_start(self.start or 0, len(shown), total)
        if following is not None and self._seen.issuperset(shown):
            raise Garbled(f"The portal counts {total} entries, and shows the same {len(shown)} again and again")
        self._seen.update(shown)
        self.start = following


async def whole(
    read: Callable[[int, int], Awaitable[tuple[Sequence[tuple[K, T]], int]]], *, looks: int, what: str
) -> tuple[T, ...]:
    """Read a listing until all that it counts was shown. Raises Garbled where it is not.

    `read(look, start)` gives a page, each entry with its id, and how many there are; another look may ask otherwise.
    """
    found, total = dict[K, T](), 0
    for look in range(looks):
        pages = Pages()
        while pages.start is not None:
            page, total = await read(look, pages.start)
            found |= {id_: one for id_, one in page if id_}
            pages.turn([id_ for id_, _ in page], total)
        if len(found) >= total:
            return tuple(found.values())
    raise Garbled(f"The portal counts {total} {what}, and shows {len(found)} however it is asked")


def _parse(body: bytes) -> Any:  # noqa: ANN401 - JSON
    try:
        return outside.document(body).value
    except outside.Unreadable:
        return None


def _error(call: Call, status: int, headers: Mapping[str, str], body: bytes) -> RemoteError:
    document = _parse(body)
    said = _said(document)
    told = f"The portal answered {call} with {status}" + (f": {said}" if said else "")
    if status == HTTPStatus.FORBIDDEN:
        return _forbidden(call, told, document, body)
    if status == HTTPStatus.UNAUTHORIZED:
        # A token that is not accepted is answered without a word, one whose account is disabled with an error
        # (recorded: envelope.anonymous, keys.create, people.guest-disabled).
        if document is not None:
            return Unauthorized(f"{told}; the account of the key is disabled", status=status, remedy=_ENABLE)
        return Unauthorized(f"{told}, without a word: {_NOT_ACCEPTED}", status=status)
    has_error = isinstance(document, dict) and "error" in document
    if status == HTTPStatus.NOT_FOUND and not has_error:  # what is missing has an error (recorded: folder.listing)
        return Unavailable(f"{told}: it is suspended, or not known under this address", status=status)
    if status == HTTPStatus.PAYMENT_REQUIRED and not has_error:  # a quota has one (recorded: upload.chunked)
        return QuotaExceeded(f"{told}: it is not paid for", status=status, remedy=_PAY)
    return redirected(status, told, headers) or by_status(status, told, headers)


_NOT_ACCEPTED = "the key is not known there: mistyped, deleted, switched off, or past its end"
_PAY = "Pay for the portal's tariff (Payments there); what waits goes on by itself."
_ENABLE = "Enable the account (Accounts), or make a key with another one; then `roomkeeper runs retry`."


def _forbidden(call: Call, told: str, document: object, body: bytes) -> Forbidden | ScopeMissing:
    scope = scopes.needed(call.method, call.path)
    if isinstance(document, dict) and "traceId" in document and "error" not in document:
        # So is answered where some need no key: one without the scope, or not accepted any more (recorded:
        # keys.scopes, keys.create). Which of the two, the connection tells when it is asked who it is.
        return ScopeMissing(
            f"{told}, without a reason: the key lacks the permission `{scope}`, or is not accepted any more",
            status=403,
            remedy=f"Give the API key the scope `{scope}` (or full access), or make a new one; then "
            "`roomkeeper runs retry`.",
        )
    if isinstance(document, dict):
        return Forbidden(told, status=403)
    if body.strip():
        return Forbidden(
            told,
            status=403,
            remedy="Something in front of the portal, or its IP restriction, refuses this address: allow it.",
        )
    # An empty body means that the key lacks the scope; a missing right comes with an error in JSON (8).
    return ScopeMissing(
        f"{told}, without a word: the key lacks the permission `{scope}`",
        status=403,
        remedy=f"Give the API key the scope `{scope}` (or full access), then `roomkeeper runs retry`.",
    )


def _said(document: object) -> str:
    """Find what the server says: an error's message, or the fields of a failed validation (0.3)."""
    if not isinstance(document, dict):
        return ""
    error = document.get("error")
    if isinstance(error, dict):
        return str(error.get("message") or "")
    response = document.get("response")
    if isinstance(response, dict) and isinstance(response.get("errors"), dict):
        return "; ".join(f"{name}: {_flat(said)}" for name, said in response["errors"].items())
    return ""


def _flat(said: object) -> str:
    return " ".join(str(part) for part in said) if isinstance(said, list) else str(said)
