"""Chats with incoming webhooks as Slack has them: Slack, Mattermost, Rocket.Chat and others.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from roomkeeper.automations.address import address
from roomkeeper.automations.secret import NOT_SET, Secret
from roomkeeper.connectors.notify.outward import outward
from roomkeeper.connectors.notify.posting import Poster
from roomkeeper.contract.message import Message

_LONGEST = 3500  # characters: Slack cuts what is longer than 4,000


class Slack(BaseModel):
    """An incoming webhook of a chat."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Secret = Field(description="The webhook's whole address, which is a secret.", examples=["!env SLACK_WEBHOOK"])
    timeout: float = Field(default=30.0, gt=0, le=600, description="Seconds to wait for an answer.", examples=[30])

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, value: SecretStr) -> SecretStr:
        return value if value.get_secret_value() == NOT_SET else SecretStr(address(value.get_secret_value()))


def connect(settings: Slack, *, tally: object, wanted: frozenset[str] = frozenset(), dry: bool = False) -> Poster:  # noqa: ARG001
    """Open the client."""
    return Poster(settings.url.get_secret_value(), timeout=settings.timeout, dry=dry)


async def tell(client: Poster, message: Message) -> None:
    """Post it. Raises RemoteError."""
    text = message.text if len(message.text) <= _LONGEST else f"{message.text[:_LONGEST]}…"
    for sign, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):  # or a title could ping a whole channel
        text = text.replace(sign, written)
    await client.post({"text": text})


CONNECTOR = outward(
    "slack",
    "A chat with Slack-compatible incoming webhooks.",
    Slack,
    connect=connect,
    tell=tell,
    try_out=Poster.reached,
)
