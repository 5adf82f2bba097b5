"""What a connection to a portal can be told."""

from pydantic import BaseModel, ConfigDict, Field, field_validator

from roomkeeper.automations.address import address
from roomkeeper.automations.secret import Secret, Secrets
from roomkeeper.contract.receiving import Receiving
from roomkeeper.docspace import Budget, Limits, Portal
from roomkeeper.docspace.budget import Tally
from roomkeeper.docspace.wire import PREFIX, portal_address
from roomkeeper.remote import ReadOnlyTransport


class BudgetSettings(BaseModel):
    """The limits of the portal's user; the defaults are the server's (facts/docspace.md 7)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests_per_minute: int = Field(default=1500, ge=1, description="Calls in any minute.", examples=[1500])
    reads: int = Field(default=50, ge=1, description="GET calls in flight.", examples=[50])
    writes: int = Field(default=15, ge=1, description="Other calls in flight.", examples=[15])
    writes_per_day: int = Field(default=10_000, ge=1, description="POST and PUT calls in a day.", examples=[10_000])


class DocSpace(Receiving):
    """A portal, and the account that Roomkeeper uses there."""

    url: str = Field(description="The portal's address.", examples=["https://acme.onlyoffice.com"])
    api_key: Secret = Field(description="An API key of a dedicated account.", examples=["!env DOCSPACE_API_KEY"])
    webhook_secret: Secrets = Field(
        default=(),
        description="The secret key of the portal's webhook; a list of two while it is being changed.",
        examples=["!env DOCSPACE_WEBHOOK_SECRET"],
    )
    keep_webhook: bool = Field(
        default=True,
        description="Enable, correct and re-create the portal's webhook if something happens to it.",
        examples=[False],
    )
    unsigned: bool = Field(
        default=False, description="Accept deliveries without a signature. For trials only.", examples=[False]
    )
    budget: BudgetSettings = Field(default=BudgetSettings(), description="The portal's limits for this account.")
    timeout: float = Field(
        default=100.0, gt=0, le=600, description="Seconds to wait for an answer of the portal.", examples=[100]
    )

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        given = address(value)
        if given not in {plain := portal_address(given), f"{plain}{PREFIX}"}:
            raise ValueError(f"must be the portal's own address, not that of one of its pages: {plain}")
        return plain


def connect(
    settings: DocSpace,
    *,
    tally: Tally,
    wanted: frozenset[str] = frozenset(),
    dry: bool = False,
) -> Portal:
    """Open the client; a dry one cannot write."""
    limits = Limits(**settings.budget.model_dump())
    return Portal(
        settings.url,
        settings.api_key.get_secret_value(),
        budget=Budget(limits, tally),
        timeout=settings.timeout,
        wanted=wanted,
        transport=ReadOnlyTransport() if dry else None,
    )
