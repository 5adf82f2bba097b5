"""Who may see the pages and use the API: users, a login service, tokens."""

from typing import Literal

import argon2
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from roomkeeper.automations.address import address
from roomkeeper.automations.duration import Duration
from roomkeeper.automations.secret import NOT_SET, Secret

Role = Literal["viewer", "operator"]
_TOKEN = 20  # characters


class User(BaseModel):
    """Somebody who may log in to the pages."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=100, description="The name to log in with.", examples=["ann"])
    password: Secret = Field(
        description="The argon2 hash of the password; `roomkeeper password` makes one.", examples=["!env ANN_PASSWORD"]
    )
    role: Role = Field(
        default="operator", description="operator may do everything, viewer only look.", examples=["viewer"]
    )

    @field_validator("password")
    @classmethod
    def _is_a_hash(cls, value: SecretStr) -> SecretStr:
        try:
            if value.get_secret_value() != NOT_SET:
                argon2.extract_parameters(value.get_secret_value())
        except argon2.exceptions.InvalidHashError as error:
            raise ValueError("must be an argon2 hash; `roomkeeper password` makes one of your password") from error
        return value


class Token(BaseModel):
    """A program that may use the API."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=100, description="What its actions are recorded under.", examples=["ci"])
    token: Secret = Field(
        description="Expected in `Authorization: Bearer …`; 20 characters or more.", examples=["!env CI_TOKEN"]
    )
    role: Role = Field(
        default="viewer", description="operator may do everything, viewer only look.", examples=["operator"]
    )

    @field_validator("token")
    @classmethod
    def _is_long(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value()) < _TOKEN and value.get_secret_value() != NOT_SET:
            raise ValueError(f"must have {_TOKEN} characters or more; `openssl rand -hex 24` makes one")
        return value


class LoginService(BaseModel):
    """A company's own login, by OpenID Connect (authorization code flow with PKCE)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: str = Field(description="Its address, as its discovery document has it.", examples=["https://login.acme"])
    client_id: str = Field(description="What it knows Roomkeeper by.", examples=["roomkeeper"])
    client_secret: Secret = Field(description="Its secret for us.", examples=["!env OIDC_SECRET"])
    claim: str = Field(
        default="email", description="The claim that decides on the role: a word or a list.", examples=["groups"]
    )
    operators: list[str] = Field(
        default_factory=list, description="Values of the claim that make an operator.", examples=[["ann@acme.example"]]
    )
    viewers: list[str] = Field(
        default_factory=list, description="Values that make a viewer.", examples=[["bob@acme.example"]]
    )
    scopes: list[str] = Field(default=["openid", "email", "profile"], description="What is asked for.")

    @field_validator("issuer")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        return address(value)


class Dashboard(BaseModel):
    """Who may see the pages and use the API. Without users or a login service, a link opens the pages."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    users: list[User] = Field(default_factory=list, description="Who logs in with a password.")
    oidc: LoginService | None = Field(default=None, description="Your company's login service.")
    tokens: list[Token] = Field(default_factory=list, description="Programs that use the API.")
    editing: bool = Field(
        default=True,
        description="Whether operators may change this file on the page; `false` where it is managed elsewhere.",
        examples=[False],
    )
    session: Duration = Field(default=12 * 3600.0, description="How long a login lasts.", examples=["12h"])

    @property
    def has_login(self) -> bool:
        """Whether people log in."""
        return bool(self.users) or self.oidc is not None
