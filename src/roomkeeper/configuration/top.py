"""The top level of the file: its sections, and how long things are kept."""

from ipaddress import ip_network
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from roomkeeper.automations.duration import Duration
from roomkeeper.configuration.dashboard import Dashboard
from roomkeeper.configuration.notify import Notify

_LABEL = 64  # characters: a part of a host's name is shorter


class Retention(BaseModel):
    """How long what is over is kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    events_days: int = Field(
        default=90, ge=1, description="Days that events and their raw bodies are kept.", examples=[90]
    )
    runs_days: int = Field(default=90, ge=1, description="Days that runs and their steps are kept.", examples=[90])


class Top(BaseModel):
    """The top level of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = Field(description="The version of this format.", examples=[1])
    listen: str = Field(
        default="127.0.0.1:8080", description="Address and port to listen on.", examples=["127.0.0.1:8080"]
    )
    public_url: str | None = Field(
        default=None, description="How the portal and the vendors reach us.", examples=["https://hooks.acme.example"]
    )
    trusted_proxies: list[str] = Field(
        default=["127.0.0.1", "::1"],
        description="Addresses and networks of the proxies in front: what they say of who calls "
        "(`X-Forwarded-For`, `X-Forwarded-Proto`) is believed.",
        examples=[["10.0.0.0/8"]],
    )
    store: str = Field(
        default="./var",
        description="A folder for embedded SQLite files, or postgresql://user@host/db.",
        examples=["./var", "postgresql://roomkeeper@db/roomkeeper"],
    )
    connections: dict[str, Any] = Field(description="The portals, helpdesks and CRMs, by name.", min_length=1)
    automations: list[Any] = Field(default_factory=list, description="What to do when something happens.")
    plugins: list[str] = Field(
        default_factory=list,
        description="Installed packages with steps of your own: each names them in `STEPS`, a list of StepKind.",
        examples=[["acme_steps"]],
    )
    settle_after: Duration = Field(
        default=120.0,
        ge=1,
        description="How long a service may still be at a request that it has not answered. So long Roomkeeper looks "
        "for what was asked for before it asks again: make it longer than the slowest request of your services.",
        examples=["2m"],
    )
    outage_patience: Duration = Field(
        default=86_400.0,
        ge=0,
        description="How long runs wait for a connection that is out of order (its key is not accepted, the portal is "
        "unpaid, restoring, or away) before they ask a person.",
        examples=["1d"],
    )
    retention: Retention = Field(default=Retention(), description="How long what is over is kept.")
    dashboard: Dashboard = Field(default=Dashboard(), description="Who may see the pages and use the API.")
    notify: Notify = Field(default=Notify(), description="Who is told when something wants a person.")

    @field_validator("trusted_proxies")
    @classmethod
    def _are_addresses(cls, value: list[str]) -> list[str]:
        for one in value:
            try:
                ip_network(one, strict=False)
            except ValueError as error:
                raise ValueError(f"{one!r} is not an address or a network such as 10.0.0.0/8") from error
        return [str(ip_network(one, strict=False)) for one in value]

    @field_validator("public_url")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "https://none")
        is_plain = parts.scheme in {"http", "https"} and parts.hostname and not parts.query and not parts.fragment
        if (
            not is_plain
            or parts.username
            or any(not 0 < len(label) < _LABEL for label in str(parts.hostname).split("."))
        ):
            raise ValueError("must be an address such as https://hooks.acme.example, without a query or a user in it")
        return value
