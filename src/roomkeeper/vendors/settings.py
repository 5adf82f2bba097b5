"""What every connection to a vendor can be told."""

from pydantic import BaseModel, ConfigDict, Field, field_validator

from roomkeeper.automations.receiving import Receiving


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
        if not value.startswith(("http://", "https://")):
            raise ValueError("must start with https:// (or http:// on your own network)")
        if "@" in value.partition("://")[2].partition("/")[0]:
            raise ValueError("must have no user or password in it: they belong into the settings for them")
        return value.rstrip("/")


class ListingSettings(VendorSettings, Receiving):
    """A vendor's connection, at a vendor who can be asked what changed lately."""
