"""One portal, one HTTP client."""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx2

from roomkeeper.docspace.activity import Activity
from roomkeeper.docspace.allowlist import Allowlist
from roomkeeper.docspace.backups import Backups
from roomkeeper.docspace.budget import LONGEST_PAUSE, Budget
from roomkeeper.docspace.files import Files
from roomkeeper.docspace.folders import Folders
from roomkeeper.docspace.history import History
from roomkeeper.docspace.links import Links
from roomkeeper.docspace.models import EntryId, LinkState, Operation
from roomkeeper.docspace.operations import Operations
from roomkeeper.docspace.people import People
from roomkeeper.docspace.rooms import Rooms
from roomkeeper.docspace.webhooks import Webhooks
from roomkeeper.docspace.wire import PREFIX, Answer, Call, read, segment
from roomkeeper.errors import NotFound, RemoteError, Throttled
from roomkeeper.remote import CONNECT, Exchange, Observe, answered, fetched, trusted, unobserved
from roomkeeper.statuses import by_status, is_success


@dataclass(frozen=True)
class Hello:
    """What a portal tells anybody: its version, empty if it does not say; how many seconds its clock is ahead.

    `closed` says why it takes no calls just now, as the end of a sentence; it is empty for one that does.
    """

    version: str
    ahead: float | None
    closed: str = ""


#: Of the states that a portal can be in, those in which it takes no calls (TenantStatus.cs, TenantStatusFilter.cs).
_CLOSED = {
    1: "is suspended",
    2: "is to be removed",
    3: "is being moved",
    4: "is being restored from a backup",
    6: "is being encrypted",
}


class Portal:
    """A portal as one account sees it: `.rooms .folders .files .links .people …`.

    `wanted` are the fields of events that automations use. `view` gives the same portal for bulk work, or with its
    calls observed; all views share one HTTP client, one budget and the operations seen finished.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        budget: Budget,
        timeout: float = 100.0,
        wanted: frozenset[str] = frozenset(),
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.budget = budget
        self.wanted = wanted
        self._http = httpx2.AsyncClient(
            verify=trusted(),
            base_url=self.url + PREFIX,
            headers={"Authorization": f"Bearer {api_key}", "Accept": "application/json"},
            timeout=httpx2.Timeout(timeout, connect=CONNECT),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=30.0),
            transport=transport,
        )
        self._bulk = False
        self._observe: Observe = unobserved
        self._finished: dict[str, Operation] = {}
        self._bind()

    def view(self, *, bulk: bool = False, observe: Observe | None = None) -> "Portal":
        """Give the same portal for other work."""
        other = object.__new__(Portal)
        other.__dict__.update(self.__dict__)
        other._bulk = bulk
        other._observe = observe or unobserved
        other._bind()
        return other

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def send(self, call: Call) -> Answer:
        """Make one call, once.

        Raises the RemoteError that fits; for a write, `may_have_happened` tells whether it may have had its effect.
        """
        async with self.budget.permit(write=call.is_write, daily=call.counts_for_the_day, bulk=self._bulk):
            started = time.monotonic()
            status = 0
            try:
                async with answered("The portal", call):
                    response = await fetched(
                        self._http,
                        call.method,
                        call.path,
                        params=_query(call.query),
                        json=call.body,
                        files={"file": call.file} if call.file is not None else None,
                    )
                status = response.status_code
                answer = read(call, status, response.headers, response.content)
            except RemoteError as error:
                refused = _of_mail(error) if call.mails else error
                if refused is error:
                    self.budget.heed(error, daily=call.counts_for_the_day)
                self._note(call, status, started, str(refused))
                raise refused from error.__cause__
            self.budget.heed(None, daily=False)
            self._note(call, status, started, "")
            return answer

    async def content(self, file: EntryId, *, most: int) -> bytes | None:
        """Read a file's content; None if it is refused, or longer than `most` bytes.

        Raises NotFound where the portal has none, RemoteError where it passes.
        """
        content = bytearray()
        return bytes(content) if await self._read(file, most, content.extend) else None

    async def digest(self, file: EntryId, *, most: int) -> str | None:
        """Read a file's content and give its SHA-256; None if it is refused, or longer than `most` bytes.

        Raises NotFound where the portal has none, RemoteError where it passes.
        """
        digest = hashlib.sha256()
        return digest.hexdigest() if await self._read(file, most, digest.update) else None

    async def holds(self, file: EntryId) -> bool:
        """Whether the portal has the content of a file that it lists: it writes the row first (FileDao.cs).

        Where the account may not download, it is taken to. Raises RemoteError where it passes.
        """
        try:
            await self._read(file, 0, lambda _: None)
        except NotFound:
            return False
        return True

    async def _read(self, file: EntryId, most: int, take: Callable[[bytes], object]) -> bool:
        """Read a file's content; the address is that of `viewUrl` (recorded: file.info)."""
        path = f"{self.url}/filehandler.ashx"
        query = {"action": "download", "fileid": str(file)}
        call = Call("GET", "/filehandler.ashx", query=query)
        async with self.budget.permit(write=False, daily=False, bulk=self._bulk), answered("The portal", call):
            started, read = time.monotonic(), 0
            async with self._http.stream("GET", path, params=query, follow_redirects=True) as response:
                self._note(call, response.status_code, started, "")
                if not is_success(response.status_code):
                    error = by_status(response.status_code, f"The portal answered {call}", response.headers)
                    # What is refused is 403; 404 is a file that is gone, or has no content (FileHandler.ashx.cs).
                    if error.retryable or isinstance(error, NotFound):
                        raise error
                    return False
                async for chunk in response.aiter_bytes():
                    read += len(chunk)
                    if read > most:
                        return False
                    take(chunk)
        return True

    async def hello(self) -> Hello | None:
        """Ask without the key what anybody may ask: the portal's version and its clock. None if it does not answer."""
        async with httpx2.AsyncClient(verify=trusted(), timeout=CONNECT, follow_redirects=True) as stranger:
            asked = datetime.now(UTC)
            answer = await _opened(stranger, f"{self.url}{PREFIX}/settings")
        if answer is None:
            return None
        try:
            said = answer.json()["response"]
            version, closed = str(said.get("version") or ""), _CLOSED.get(said.get("tenantStatus"), "")
        except (ValueError, KeyError, TypeError, AttributeError):
            version = closed = ""
        return Hello(version, _ahead(answer.headers.get("date", ""), asked), closed)

    async def try_link(self, url: str, token: str = "") -> LinkState | int | None:
        """Try a link as a stranger would, without the key: what the portal says of it, or the status of its page.

        The page of the web client may be answered 200 whatever the link, so the portal's word counts for more. None
        if neither can be reached.
        """
        async with httpx2.AsyncClient(verify=trusted(), timeout=CONNECT, follow_redirects=True) as stranger:
            if token:
                asked = await _opened(stranger, f"{self.url}{PREFIX}/files/share/{segment(token)}")
                state = _link_state(asked)
                if state is not None:
                    return state
            page = await _opened(stranger, url)
        return page.status_code if page is not None else None

    def _bind(self) -> None:
        self.rooms = Rooms(self.send)
        self.links = Links(self.send)
        self.folders = Folders(self.send)
        self.files = Files(self.send)
        self.people = People(self.send)
        self.operations = Operations(self.send, self._finished)
        self.webhooks = Webhooks(self.send)
        self.history = History(self.send)
        self.activity = Activity(self.send)
        self.backups = Backups(self.send)
        self.allowlist = Allowlist(self.send)

    def _note(self, call: Call, status: int, started: float, error: str) -> None:
        took = round((time.monotonic() - started) * 1000)
        self._observe(Exchange(call.method, call.path, status, took, error))


def _of_mail(error: RemoteError) -> RemoteError:
    """Tell the limit of invitations by e-mail from those of calls: it ends with a day, and concerns nothing else."""
    if not isinstance(error, Throttled) or (error.retry_after or 0.0) <= LONGEST_PAUSE:
        return error
    what = "The portal sends no more invitations by e-mail today; all that are sent there count"
    return Throttled(what, status=error.status, retry_after=error.retry_after, remedy=_MAIL_AGAIN)


_MAIL_AGAIN = (
    "Nothing to do: it goes on tomorrow. Sooner, have the server's administrator allow more "
    "(MaxEmailInvitationsPerDay), or make the account by hand: who has one is invited without a mail."
)


def _ahead(date: str, asked: datetime) -> float | None:
    """Tell how far the portal's clock is ahead of ours; its header has whole seconds, the answer took a while."""
    try:
        there = parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return None
    now = datetime.now(UTC)
    ahead = (there + timedelta(seconds=0.5) - (asked + (now - asked) / 2)).total_seconds()
    return 0.0 if abs(ahead) <= 1 + (now - asked).total_seconds() else ahead


async def _opened(stranger: httpx2.AsyncClient, url: str) -> httpx2.Response | None:
    try:
        return await fetched(stranger, "GET", url)
    except (httpx2.HTTPError, httpx2.InvalidURL):
        return None


def _link_state(answer: httpx2.Response | None) -> LinkState | None:
    """Read what the portal says of a link; None if it does not say."""
    if answer is None or not is_success(answer.status_code):
        return None
    try:
        said = answer.json()["response"]["status"]
        named = {state.name.replace("_", ""): state for state in LinkState}
        return named[said.upper()] if isinstance(said, str) and not said.isdecimal() else LinkState(int(said))
    except (ValueError, KeyError, TypeError):
        return None


def _query(query: Mapping[str, object]) -> list[tuple[str, str | int | float | bool | None]]:
    """Repeat a name for each value of a list, as the server binds arrays."""
    pairs: list[tuple[str, str | int | float | bool | None]] = []
    for name, value in query.items():
        values = value if isinstance(value, list | tuple) else [value]
        pairs += [(name, _text(one)) for one in values]
    return pairs


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
