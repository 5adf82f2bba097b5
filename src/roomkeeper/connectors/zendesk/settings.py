"""What a connection to Zendesk can be told."""

from pydantic import Field, field_validator

from roomkeeper.automations.duration import Duration
from roomkeeper.automations.secret import Secret, Secrets
from roomkeeper.vendors.settings import ListingSettings

#: What "Test webhook" signs with before a webhook exists: everybody knows it (facts/vendors.md 1).
PUBLIC_TEST_SECRET = "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ=="  # noqa: S105


class Zendesk(ListingSettings):
    """A Zendesk account, and the agent whose token is used."""

    url: str = Field(description="The account's address.", examples=["https://acme.zendesk.com"])
    email: str = Field(description="The agent's e-mail address.", examples=["bot@acme.example"])
    api_token: Secret = Field(description="An API token.", examples=["!env ZENDESK_TOKEN"])
    webhook_secret: Secrets = Field(
        default=(),
        description="The webhook's signing secret; a list of two while it is being changed.",
        examples=["!env ZENDESK_SECRET"],
    )
    window: Duration | None = Field(
        default=None,
        description="Refuse what was signed longer ago. Zendesk has sent deliveries again hours later, so by default "
        "nothing is refused for its age.",
        examples=["5m"],
    )

    @field_validator("webhook_secret")
    @classmethod
    def _is_not_public(cls, value: Secrets) -> Secrets:
        if any(secret.get_secret_value() == PUBLIC_TEST_SECRET for secret in value):
            raise ValueError(
                "is the public secret of Zendesk's test button, which everybody knows: show the webhook's own"
            )
        return value
