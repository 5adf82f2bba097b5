"""Tell a vendor's delivery from a stranger's: over the raw bytes, in constant time, refusing without a secret. Pure."""

import base64
import hashlib
import hmac
import time
import unicodedata
from collections.abc import Callable, Iterable, Sequence

from pydantic import SecretStr

from roomkeeper.errors import DeliveryRefused

_TOGETHER = 60  # seconds in which the same body is taken for one delivery that is sent again; ours


def plain(secrets: Iterable[SecretStr]) -> list[str]:
    """Take the secrets that are set."""
    return [value for secret in secrets if (value := secret.get_secret_value())]


def must_be_set(secrets: Sequence[str], setting: str) -> None:
    """Refuse everything where no secret is configured. Raises DeliveryRefused."""
    if not secrets:
        raise DeliveryRefused(
            "no secret is configured for this connection, so no delivery can be trusted", remedy=f"Set `{setting}`."
        )


def same(given: str, expected: Iterable[str]) -> bool:
    """Whether it is one of the expected, all of them compared, in constant time.

    A letter with an accent may be written as one character or as two (RFC 7617, 4, asks for the first).
    """
    mine = _composed(given)
    return any([hmac.compare_digest(mine, _composed(one)) for one in expected])  # noqa: C419 - constant time


def _composed(text: str) -> bytes:
    return unicodedata.normalize("NFC", text).encode("utf-8", "replace")


def hmac_sha256_hex(secret: str, message: bytes) -> str:
    """HMAC-SHA256 as hex digits."""
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def hmac_sha256_base64(secret: str, message: bytes) -> str:
    """HMAC-SHA256 as base64."""
    return base64.b64encode(hmac.new(secret.encode(), message, hashlib.sha256).digest()).decode()


def check_signature(
    given: str, secrets: Sequence[str], expected: Callable[[str], str], *, header: str, over: str = ""
) -> None:
    """Compare a signature with what each secret would give; `over` is what else is signed. Raises DeliveryRefused."""
    if not given:
        raise DeliveryRefused(
            f"the header {header} is missing", remedy="Check that the sender signs its deliveries with the secret."
        )
    if not same(given, [expected(secret) for secret in secrets]):
        raise DeliveryRefused(
            f"the signature in {header} does not fit{over}: another secret, or the body was altered on its way",
            remedy="Compare the secret here with the one at the sender; nothing in between may rewrite the body."
            + (" The address that the sender calls is signed, too: set `public_url` to exactly that." if over else ""),
        )


def arrival(body: bytes) -> str:
    """Name what has just arrived without a name of its own: the same body is the same within one minute of the clock.

    One that is told again later is looked up once more, and known by what it is found to be.
    """
    return f"{hashlib.sha256(body).hexdigest()} at {time.time() // _TOGETHER:.0f}"
