"""What every connection to a vendor can be told."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from roomkeeper.automations.address import address
from roomkeeper.contract.receiving import Receiving


class VendorSettings(BaseModel):
    """A vendor's connection."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    unsigned: bool = Field(
        default=False, description="Accept deliveries that prove nothing. For trials only.", examples=[False]
    )
    timeout: float = Field(default=30.0, gt=0, le=600, description="Seconds to wait for an answer.", examples=[30])

    @field_validator("url", check_fields=False)
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        return address(value)


class ListingSettings(VendorSettings, Receiving):
    """A vendor's connection, at a vendor who can be asked what changed lately."""

    calls_per_minute: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        default=None,
        description="How many calls the vendor may be asked for in a minute, by your plan. If you do not say: what its "
        "smallest plan allows, where that is known.",
        examples=[700],
    )
