"""What a connection to Jira Service Management can be told."""

from typing import Self

from pydantic import Field, model_validator

from roomkeeper.automations.secret import Secret, Secrets
from roomkeeper.vendors.settings import ListingSettings


class Jira(ListingSettings):
    """A Jira site, in the cloud or in a data center, and the account that speaks there."""

    url: str = Field(description="The site's address, as people open it.", examples=["https://acme.atlassian.net"])
    email: str | None = Field(
        default=None, description="Cloud: the account's e-mail address.", examples=["bot@acme.example"]
    )
    api_token: Secret | None = Field(default=None, description="Cloud: its API token.", examples=["!env JIRA_TOKEN"])
    token: Secret | None = Field(
        default=None, description="Data Center: a personal access token.", examples=["!env JIRA_PAT"]
    )
    webhook_secret: Secrets = Field(
        default=(),
        description="The webhook's secret, checked as X-Hub-Signature; a list of two while it is being changed.",
        examples=["!env JIRA_WEBHOOK_SECRET"],
    )
    webhook_token: Secrets = Field(
        default=(),
        description="What unsigned deliveries must show: in the header X-Webhook-Token (Automation), or as `?token=` "
        "in the address (Data Center 9 and older).",
        examples=["!env JIRA_WEBHOOK_TOKEN"],
    )

    jql: str | None = Field(
        default=None,
        description="Which issues to look for when something may have been missed, or with `receive: poll`: the same "
        "as the webhook's filter. Without it, all that the account sees.",
        examples=["project = SUP"],
    )

    @model_validator(mode="after")
    def _can_speak(self) -> Self:
        if self.token is None and (self.email is None or self.api_token is None):
            raise ValueError("needs `email` and `api_token` (Cloud), or `token` (Data Center)")
        if self.token is not None and (self.email is not None or self.api_token is not None):
            raise ValueError("has `token` (Data Center) and `email` or `api_token` (Cloud): leave one of them out")
        return self

    @property
    def is_cloud(self) -> bool:
        """Whether it is in the cloud: another API version, another form of text."""
        return self.token is None
