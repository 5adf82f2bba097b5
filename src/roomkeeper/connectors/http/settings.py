"""What a connection to a sender of JSON can be told; there is nothing to call there."""

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from roomkeeper.automations.duration import Duration
from roomkeeper.automations.event import OWN_TYPE
from roomkeeper.automations.secret import Secrets
from roomkeeper.vendors.settings import VendorSettings

#: Our fields, and thus what `fields` may name.
DEAL_FIELDS = ("id", "name", "status", "company", "contact.email", "owner.email", "amount", "currency", "url", "at")
TICKET_FIELDS = ("id", "key", "subject", "url", "priority", "requester.name", "requester.email", "created_at")
_OURS = frozenset({"deal.closed", "ticket.created"})  # which other services raise, too
_THERE = frozenset({"connection", "fields"})  # which every event of one's own has by itself
_OWN_FIELD = re.compile(r"[a-z][a-z0-9_]{0,59}")
_HEADER = r"^[A-Za-z0-9-]{1,64}$"


class Http(VendorSettings):
    """A sender of JSON."""

    event: Annotated[str, Field(pattern=OWN_TYPE)] | None = Field(
        default=None,
        description="What its deliveries mean: `deal.closed`, `ticket.created`, or a name of your own, such as "
        "`employee.hired`, for automations to listen to. If it is left out, the sample documents' own bodies are "
        "understood.",
        examples=["deal.closed"],
    )
    fields: dict[str, str] = Field(
        default_factory=dict,
        description="Our field, or one of your own event: the dotted path in the body. With `id`, what is about one "
        "thing is done one after the other.",
        examples=[{"id": "dealId", "status": "deal.status", "company": "clientName"}],
    )
    token: Secrets = Field(
        default=(),
        description="Expected in `Authorization: Bearer …`; a list of two while it is being changed.",
        examples=["!file /run/secrets/erp_token"],
    )
    hmac_secret: Secrets = Field(
        default=(),
        description="Signs the body, with HMAC-SHA256, instead: in hex, with or without `sha256=` before it, or in "
        "base64.",
        examples=["!env ERP_HMAC_SECRET"],
    )
    signature_header: Annotated[str, Field(pattern=_HEADER)] = Field(
        default="X-Signature-256",
        description="The header in which the signature comes.",
        examples=["X-Hub-Signature-256"],
    )
    timestamp_header: Annotated[str, Field(pattern=_HEADER)] | None = Field(
        default=None,
        description="The header in which the sender says when it signed, in seconds since 1970. With it, what is "
        "signed is the time, a full stop and the body, and a delivery that was signed longer ago than "
        "`timestamp_window` is refused: nobody can send a captured one again.",
        examples=["X-Timestamp"],
    )
    timestamp_window: Annotated[Duration, Field(ge=1)] = Field(
        default=300.0, description="How long ago a delivery may have been signed.", examples=["5m"]
    )

    receive: Literal["webhook"] = Field(
        default="webhook",
        description="Its events are always delivered: there is nothing that could be asked for them.",
        examples=["webhook"],
    )

    @property
    def is_known(self) -> bool:
        """Whether its event is one that other services raise, too, or is recognised by its body."""
        return self.event is None or self.event in _OURS

    @model_validator(mode="after")
    def _has_fields_of_its_event(self) -> Self:
        if self.is_known:
            known = {*DEAL_FIELDS, *TICKET_FIELDS}
            if wrong := sorted(set(self.fields) - known):
                raise ValueError(f"there is no field {', '.join(wrong)}; there is {', '.join(sorted(known))}")
        elif wrong := sorted(one for one in self.fields if not _OWN_FIELD.fullmatch(one)):
            said = f"a field of your own is written in small letters, digits and underscores, not {', '.join(wrong)}"
            raise ValueError(said)
        elif taken := sorted(set(self.fields) & _THERE):
            raise ValueError(f"every event has {', '.join(taken)} already: give it another name")
        return self

    @model_validator(mode="after")
    def _a_time_is_signed(self) -> Self:
        if self.timestamp_header is not None and not self.hmac_secret:
            raise ValueError("`timestamp_header` says what is signed: set `hmac_secret`, too")
        return self


class Nothing:
    """The client of a service that is never called."""

    def view(self, *, bulk: bool = False, observe: Callable[[Any], None] | None = None) -> "Nothing":  # noqa: ARG002
        """Give itself."""
        return self

    async def close(self) -> None:
        """Close nothing."""


def connect(
    settings: Http,  # noqa: ARG001 - every connector has these
    *,
    tally: object,  # noqa: ARG001
    wanted: frozenset[str] = frozenset(),  # noqa: ARG001
    dry: bool = False,  # noqa: ARG001
) -> Nothing:
    """Open nothing."""
    return Nothing()
