"""What a connection to HubSpot can be told."""

from typing import Annotated

from pydantic import AfterValidator, Field

from roomkeeper.automations.secret import Secret, Secrets
from roomkeeper.vendors.settings import ListingSettings


class HubSpot(ListingSettings):
    """A HubSpot account, and the app that speaks for it."""

    url: str = Field(
        default="https://api.hubapi.com", description="The base of the API.", examples=["https://api.hubapi.com"]
    )
    access_token: Secret = Field(description="The app's access token.", examples=["!env HUBSPOT_TOKEN"])
    client_secret: Secrets = Field(
        default=(),
        description="The app's client secret, which signs deliveries; a list of two while it is being changed.",
        examples=["!env HUBSPOT_SECRET"],
    )
    only_v3: bool = Field(
        default=False,
        description="Refuse the older signatures v1 and v2, which do not keep a delivery from being sent again.",
        examples=[True],
    )
    app_url: Annotated[str, AfterValidator(lambda url: url.rstrip("/"))] = Field(
        default="https://app.hubspot.com",
        description="Where people open deals; app-eu1.hubspot.com in the European data centre.",
        examples=["https://app-eu1.hubspot.com"],
    )
