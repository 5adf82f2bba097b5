"""What a connection to Pipedrive can be told."""

from pydantic import Field

from roomkeeper.automations.secret import Secret, Secrets
from roomkeeper.vendors.settings import ListingSettings


class Pipedrive(ListingSettings):
    """A Pipedrive company, and the user whose token is used."""

    url: str = Field(description="The company's address.", examples=["https://acme.pipedrive.com"])
    api_token: Secret = Field(description="The API token of a top administrator.", examples=["!env PIPEDRIVE_TOKEN"])
    webhook_user: str = Field(
        default="", description="The user name that was given with the webhook.", examples=["roomkeeper"]
    )
    webhook_password: Secrets = Field(
        default=(),
        description="The password that was given with the webhook; a list of two while it is being changed.",
        examples=["!env PIPEDRIVE_WEBHOOK_PASSWORD"],
    )
    fields: dict[str, str] = Field(
        default_factory=dict,
        description="Names for custom fields, whose keys are 40 digits: `deal.fields.<name>`.",
        examples=[{"docspace_room_id": "dcf558aac1ae4e8c4f849ba5e668430d8df9be12"}],
    )
