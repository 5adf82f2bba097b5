"""What a connection to Freshdesk can be told."""

from pydantic import Field

from roomkeeper.automations.secret import Secret, Secrets
from roomkeeper.vendors.settings import ListingSettings


class Freshdesk(ListingSettings):
    """A Freshdesk account, and the agent whose key is used."""

    url: str = Field(description="The account's address.", examples=["https://acme.freshdesk.com"])
    api_key: Secret = Field(description="The agent's API key.", examples=["!env FRESHDESK_KEY"])
    webhook_token: Secrets = Field(
        default=(),
        description="What deliveries must show: in the header X-Webhook-Token, or as the password of basic "
        "authentication; a list of two while it is being changed.",
        examples=["!env FRESHDESK_WEBHOOK_TOKEN"],
    )
