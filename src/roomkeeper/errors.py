"""Everything that Roomkeeper raises on purpose.

RoomkeeperError
├── ConfigError            the configuration cannot be used as it is written
├── TemplateError          a {{ … }} or an `if:` cannot be worked out
├── DeliveryRefused        a delivery is not from who it says: 401
├── DeliveryUnreadable     a delivery is authentic but cannot be read: 400
├── StoreUnavailable       nothing can be kept just now: 503
├── OrderRefused           what a person ordered makes no sense for this run, event or automation as it is
├── NotThere               a run, an event or an automation that was named does not exist
├── StepFailed             a step did what it could; the rest needs a person
├── ApprovalNeeded         a step waits for a person's consent
├── RunCancelled           somebody cancelled the run this step belongs to
└── RemoteError            a service did not do what it was asked
    ├── Unreachable          no connection, or no answer in time
    ├── Garbled              an answer that cannot be read
    ├── RemoteFault          5xx
    ├── Throttled            429
    ├── Clash                408, 409, 425: it passes
    ├── BudgetSpent          our own limit for this portal is used up
    ├── Unavailable          the portal is suspended, restoring or unknown under this name
    ├── Unauthorized         401
    ├── Forbidden            403
    ├── ScopeMissing         403: the key lacks a permission, whatever the account may do
    ├── NotFound             404
    ├── QuotaExceeded        402
    ├── Rejected             any other 4xx
    └── WriteRefused         a dry run may not write
"""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Self

#: What to do where a run's settings came out wrong.
COMPLETE_IT = (
    "Complete what the event is about (the deal, the ticket), then `roomkeeper runs retry`, which reads it again "
    "(what came to a connection of the type `http` is not: have it sent anew). If it is the automation that is wrong, "
    "correct it, then `roomkeeper runs retry --as-now`."
)


class RoomkeeperError(Exception):
    """Something went wrong in Roomkeeper."""

    #: What the reader can do about it; empty if there is nothing to do.
    remedy: str = ""

    def __init__(self, message: str = "", *, remedy: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").strip())
        if remedy:
            self.remedy = remedy

    def adding(self, said: str) -> Self:
        """Give the same error, which says this as well."""
        self.args = (f"{self} ({said})",)
        return self

    @property
    def message(self) -> str:
        """What happened, to what."""
        return str(self)

    @property
    def said(self) -> str:
        """What happened and what to do, as one text."""
        return f"{self.message}. {self.remedy}" if self.remedy else self.message


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a configuration file."""

    file: str
    line: int
    what: str
    remedy: str
    #: The name of the secret that is missing, if that is what is wrong.
    secret: str = ""

    def __str__(self) -> str:
        """`file:line: what → remedy`, as editors can follow it."""
        return f"{self.file}:{self.line}: {self.what}\n    → {self.remedy}"


class ConfigError(RoomkeeperError):
    """The configuration cannot be used as it is written."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))


class TemplateError(RoomkeeperError):
    """A template cannot be worked out."""

    remedy = COMPLETE_IT


class DeliveryRefused(RoomkeeperError):
    """A delivery is not from who it says."""

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(message, remedy=remedy)


class DeliveryUnreadable(RoomkeeperError):
    """A delivery cannot be read; its body is kept for a person to see, unless a live credential may stand in it."""

    def __init__(self, message: str, *, keeps_body: bool = True) -> None:
        super().__init__(message)
        self.keeps_body = keeps_body


class StoreUnavailable(RoomkeeperError):
    """Nothing can be kept just now."""


class StoreTakenAway(RoomkeeperError):
    """The store's file is not where it was opened any more: what is written into it has no name, and would be lost."""

    #: That of a process which must not be started again by itself: it would begin with an empty store.
    exit_code = 74
    remedy = (
        "The service has ended, so that nothing is kept where it would be lost. Put the store back in its place, then "
        "start the service; where there is none it makes an empty one. Move a store only while no service runs on it."
    )


class OrderRefused(RoomkeeperError):
    """What was ordered makes no sense for this run, event or automation as it is."""


class NotThere(RoomkeeperError):
    """What was named does not exist."""


@dataclass(frozen=True)
class FailedItem:
    """One thing that a step could not do."""

    item: str
    reason: str
    remedy: str


class StepFailed(RoomkeeperError):
    """A step could not finish; what it did do is in `result`."""

    def __init__(
        self,
        message: str,
        *,
        remedy: str,
        items: Sequence[FailedItem] = (),
        result: dict[str, object] | None = None,
    ) -> None:
        self.items = tuple(items)
        self.result = result
        super().__init__(message, remedy=remedy)


class ApprovalNeeded(RoomkeeperError):
    """A step waits for a person's consent, for so many seconds at most."""

    def __init__(self, message: str, *, within: float) -> None:
        super().__init__(message)
        self.within = within


class RunCancelled(RoomkeeperError):
    """The run was cancelled."""


class RemoteError(RoomkeeperError):
    """A service did not do what it was asked.

    `retryable` says whether the same call may succeed later, `retry_after` after how many seconds (None: no
    idea), `may_have_happened` whether the service may have done it all the same, its answer being lost.
    """

    retryable = False
    may_have_happened = False
    unanswered = False

    def __init__(
        self,
        message: str = "",
        *,
        remedy: str = "",
        status: int | None = None,
        retry_after: float | None = None,
        may_have_happened: bool | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.status = status
        self.retry_after = retry_after
        if may_have_happened is not None:
            self.may_have_happened = may_have_happened

    @property
    def may_still_happen(self) -> bool:
        """Whether the service may still be at it: nobody has answered, or something between us and it has."""
        return self.may_have_happened and (self.unanswered or self.status in _IN_ITS_PLACE)


_AWAY = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})
_IN_ITS_PLACE = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT})


class Unreachable(RemoteError):
    """No connection, or no answer in time."""

    retryable = True
    unanswered = True
    may_have_happened = True
    remedy = "Check that the address is right and that the service is up; Roomkeeper goes on trying."


class Garbled(RemoteError):
    """The answer cannot be read."""

    retryable = True
    may_have_happened = True
    remedy = "Check what stands between Roomkeeper and the service; Roomkeeper goes on trying."


class RemoteFault(RemoteError):
    """The service has an internal fault."""

    retryable = True
    may_have_happened = True
    remedy = "Look into the service's own log if this goes on; Roomkeeper goes on trying."

    @property
    def may_be_of_the_request(self) -> bool:
        """Whether this request may be what it stumbles over: 502, 503 and 504 say that the service is away."""
        return self.status not in _AWAY


class Throttled(RemoteError):
    """The service wants fewer calls."""

    retryable = True
    remedy = "Nothing to do: Roomkeeper slows down. If this goes on, see what else uses the same account."


class Clash(RemoteError):
    """Somebody else was at it at the same moment, or it was too early."""

    retryable = True
    remedy = "Nothing to do: Roomkeeper tries again."


class BudgetSpent(RemoteError):
    """The calls that this connection may make today are used up."""

    retryable = True
    remedy = "Raise `budget` for this connection if the portal allows more; otherwise work goes on tomorrow."


class Unavailable(RemoteError):
    """The portal is suspended, restoring, or not known under this address."""

    retryable = True
    remedy = "Check the portal's address and that it is active and paid for; Roomkeeper goes on trying."


class Unauthorized(RemoteError):
    """The key is not accepted: unknown, expired, or its owner is disabled."""

    remedy = "Make a new key or token at the service, put it in place, and have it taken over (`roomkeeper reload`)."


class Forbidden(RemoteError):
    """The account may not do this."""

    remedy = "Give the key's owner the right it lacks, then `roomkeeper runs retry`."


class ScopeMissing(RemoteError):
    """The key lacks the permission for this, whatever the account may do: it says nothing of what was asked for."""

    remedy = "Give the API key the scope that is named (or full access), then `roomkeeper runs retry`."


class NotFound(RemoteError):
    """It does not exist, or not any more."""

    remedy = "Check the id; if it was deleted on purpose, cancel the run."


class QuotaExceeded(RemoteError):
    """The portal's tariff, storage or room quota is used up."""

    remedy = "Free space or raise the quota in the portal, then `roomkeeper runs retry`."


class Rejected(RemoteError):
    """The service does not accept the request."""

    remedy = "See what it says; correct the automation, then `roomkeeper runs retry`."


class FormRoleHeld(Rejected):
    """Somebody has a role in a form of a data room, and is not taken out of it unasked."""

    may_have_happened = False
    remedy = (
        "Take that person out of the room by hand: the portal says there which forms wait for them, and asks whether "
        "they are to be given up. Or give the role to somebody else. Then `roomkeeper runs retry`."
    )


class WriteRefused(RemoteError):
    """A dry run may not write."""
