"""What a connection to a sender of JSON can be told; there is nothing to call there."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from roomkeeper.automations.duration import Duration
from roomkeeper.automations.secret import Secrets
from roomkeeper.vendors.settings import VendorSettings

#: Our fields, and thus what `fields` may name.
DEAL_FIELDS = ("id", "name", "status", "company", "contact.email", "owner.email", "amount", "currency", "url", "at")
TICKET_FIELDS = ("id", "key", "subject", "url", "priority", "requester.name", "requester.email", "created_at")
_HEADER = r"^[A-Za-z0-9-]{1,64}$"


class Http(VendorSettings):
    """A sender of JSON."""

    event: Literal["deal.closed", "ticket.created"] | None = Field(
        default=None,
        description="What its deliveries mean. If it is left out, the sample documents' own bodies are understood.",
        examples=["deal.closed"],
    )
    fields: dict[str, str] = Field(
        default_factory=dict,
        description="Our field: the dotted path in the body.",
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

    @field_validator("fields")
    @classmethod
    def _are_ours(cls, value: dict[str, str]) -> dict[str, str]:
        known = {*DEAL_FIELDS, *TICKET_FIELDS}
        wrong = sorted(set(value) - known)
        if wrong:
            raise ValueError(f"there is no field {', '.join(wrong)}; there is {', '.join(sorted(known))}")
        return value

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
