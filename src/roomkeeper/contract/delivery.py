"""A delivery: one request that a service made to tell us of something, as it arrived."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Delivery:
    """`url` is the address as the sender called it, query included; `headers` are found in any case."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    method: str = "POST"

    def header(self, name: str) -> str:
        """Give a header; empty if it is missing."""
        wanted = name.lower()
        if wanted in self.headers:  # as the door writes them
            return self.headers[wanted]
        return next((value for key, value in self.headers.items() if key.lower() == wanted), "")

    def query(self, name: str) -> str:
        """Give a parameter of the address; empty if it is missing."""
        return next((value for key, value in parse_qsl(urlsplit(self.url).query) if key == name), "")

    @property
    def bearer(self) -> str:
        """The token of `Authorization: Bearer …`."""
        scheme, _, token = self.header("authorization").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""

    @property
    def basic(self) -> tuple[str, str]:
        """User and password of `Authorization: Basic …`; both empty if there are none to read."""
        scheme, _, given = self.header("authorization").partition(" ")
        if scheme.lower() != "basic":
            return "", ""
        try:
            sent = base64.b64decode(given.strip(), validate=True)
        except (binascii.Error, ValueError):
            return "", ""
        try:
            text = sent.decode()
        except UnicodeDecodeError:
            text = sent.decode("latin-1")  # what senders write that do not know RFC 7617
        user, _, password = text.partition(":")
        return user, password
