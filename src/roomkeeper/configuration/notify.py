"""Who is told outside of the pages when something wants a person."""

from pydantic import BaseModel, ConfigDict, Field

from roomkeeper.automations.duration import Duration
from roomkeeper.automations.secret import Secret


class Notify(BaseModel):
    """Who is told outside of the pages when something wants a person."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    to: list[str] = Field(
        default_factory=list,
        description="Connections of the type slack, smtp or webhook; each is told of every alert once, and of its end.",
        examples=[["ops-chat", "ops-mail"]],
    )
    heartbeat: Secret | None = Field(
        default=None,
        description="An address that is called while the service works; who misses the calls raises alarm.",
        examples=["!env HEARTBEAT_URL"],
    )
    heartbeat_every: Duration = Field(default=300.0, ge=10, description="How often.", examples=["5m"])
