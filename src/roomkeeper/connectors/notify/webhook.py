"""A program of your own that takes JSON."""

import hashlib
import hmac
import json

from pydantic import BaseModel, ConfigDict, Field, field_validator

from roomkeeper.automations.address import address
from roomkeeper.automations.secret import Secret
from roomkeeper.connectors.notify.outward import outward
from roomkeeper.connectors.notify.posting import Poster
from roomkeeper.contract.message import Message


class Webhook(BaseModel):
    """Where JSON is posted to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(description="The address.", examples=["https://ops.acme.example/roomkeeper"])
    token: Secret | None = Field(
        default=None, description="Sent as `Authorization: Bearer …`.", examples=["!env OPS_TOKEN"]
    )
    hmac_secret: Secret | None = Field(
        default=None,
        description="Signs the body: `X-Signature-256: sha256=<HMAC-SHA256 in hex>`.",
        examples=["!env OPS_HMAC_SECRET"],
    )
    timeout: float = Field(default=30.0, gt=0, le=600, description="Seconds to wait for an answer.", examples=[30])

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        return address(value)


class SigningPoster(Poster):
    """A poster that says who it is."""

    def __init__(self, settings: Webhook, *, dry: bool) -> None:
        super().__init__(settings.url, timeout=settings.timeout, dry=dry)
        self._settings = settings

    def headers(self, body: bytes) -> dict[str, str]:
        """Sign a body."""
        token, secret = self._settings.token, self._settings.hmac_secret
        said = {"Authorization": f"Bearer {token.get_secret_value()}"} if token is not None else {}
        if secret is not None:
            signed = hmac.new(secret.get_secret_value().encode(), body, hashlib.sha256).hexdigest()
            said["X-Signature-256"] = f"sha256={signed}"
        return said


def connect(
    settings: Webhook,
    *,
    tally: object,  # noqa: ARG001
    wanted: frozenset[str] = frozenset(),  # noqa: ARG001
    dry: bool = False,
) -> SigningPoster:
    """Open the client."""
    return SigningPoster(settings, dry=dry)


async def tell(client: SigningPoster, message: Message) -> None:
    """Post it: subject and text for people, the data for the program. Raises RemoteError."""
    told = {"subject": message.subject, "text": message.text, **message.data}
    await client.post(json.loads(json.dumps(told)))


CONNECTOR = outward(
    "webhook", "A program of yours that takes JSON.", Webhook, connect=connect, tell=tell, try_out=Poster.reached
)
