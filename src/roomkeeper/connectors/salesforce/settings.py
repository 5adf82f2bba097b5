"""What a connection to Salesforce can be told."""

from pydantic import Field

from roomkeeper.automations.secret import Secret, Secrets
from roomkeeper.vendors.settings import ListingSettings


class Salesforce(ListingSettings):
    """A Salesforce organisation, and the connected app that speaks for it."""

    url: str = Field(description="The organisation's own address.", examples=["https://acme.my.salesforce.com"])
    client_id: str = Field(
        description="The connected app's consumer key; the app allows the client credentials flow.",
        examples=["3MVG9…"],
    )
    client_secret: Secret = Field(
        description="The connected app's consumer secret.", examples=["!env SALESFORCE_CLIENT_SECRET"]
    )
    organization_id: str = Field(
        min_length=15,
        max_length=18,
        description="The organisation's id, which every Outbound Message must bear.",
        examples=["00D5g00000abcde"],
    )
    webhook_token: Secrets = Field(
        default=(),
        description="What senders must show: in the header X-Webhook-Token, as the password of basic "
        "authentication, or as `?token=` in the address of an Outbound Message.",
        examples=["!env SALESFORCE_WEBHOOK_TOKEN"],
    )
