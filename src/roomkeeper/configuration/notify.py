"""Who is told outside of the pages when something wants a person."""

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from roomkeeper.automations.address import is_address
from roomkeeper.automations.duration import Duration
from roomkeeper.automations.secret import NOT_SET, Secret


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

    @field_validator("heartbeat")
    @classmethod
    def _is_an_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or value.get_secret_value() == NOT_SET:
            return value
        if not is_address(value.get_secret_value()):
            raise ValueError(
                "must be an address: https:// (or http://), a host, and a port by its number if there is one"
            )
        return value

    heartbeat_every: Duration = Field(default=300.0, ge=10, description="How often.", examples=["5m"])
