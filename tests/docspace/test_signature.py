"""Only the real sender gets in."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roomkeeper.docspace import signature
from roomkeeper.errors import DeliveryRefused


def _digest(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@given(st.text(min_size=1, max_size=30), st.binary(max_size=200), st.booleans())
def test_the_right_signature_is_accepted_in_either_case(secret: str, body: bytes, upper: bool) -> None:
    digest = _digest(secret, body)

    signature.verify("sha256=" + (digest.upper() if upper else digest), body, [secret])


def test_the_published_hmac_vector() -> None:
    digest = (
        "F7BC83F430538424B13298E6AA6FB143EF4D59A14946175997479DBC2D1A3CD8"  # RFC-style: key "key", the quick brown fox
    )

    signature.verify(f"sha256={digest}", b"The quick brown fox jumps over the lazy dog", ["key"])


def test_either_of_two_secrets_will_do_while_one_is_changed() -> None:
    signature.verify(f"sha256={_digest('new', b'x')}", b"x", ["old", "new"])


@pytest.mark.parametrize(
    ("header", "said", "remedy"),
    [
        (None, "the header x-docspace-signature-256 is missing", "Give the portal's webhook a secret key"),
        ("", "the header x-docspace-signature-256 is missing", "Give the portal's webhook a secret key"),
        ("sha1=abc", "does not start with sha256=", "DocSpace"),
        ("sha256=", "does not fit the body", "Compare `webhook_secret`"),
        ("sha256=zz", "does not fit the body", "Compare `webhook_secret`"),
        ("sha256=ключ\ud800", "does not fit the body", "Compare `webhook_secret`"),
        ("sha256=" + "0" * 64, "does not fit the body", "Compare `webhook_secret`"),
    ],
)
def test_anything_else_is_refused_with_its_reason_and_a_remedy(header: str | None, said: str, remedy: str) -> None:
    with pytest.raises(DeliveryRefused) as raised:
        signature.verify(header, b"{}", ["secret"])

    assert said in raised.value.message
    assert remedy in raised.value.remedy


@given(st.binary(min_size=1, max_size=100), st.integers(0, 99), st.integers(1, 255))
def test_one_altered_byte_is_enough(body: bytes, at: int, change: int) -> None:
    at %= len(body)
    altered = body[:at] + bytes([body[at] ^ change]) + body[at + 1 :]

    with pytest.raises(DeliveryRefused):
        signature.verify(f"sha256={_digest('secret', body)}", altered, ["secret"])


def test_without_a_secret_nobody_gets_in() -> None:
    with pytest.raises(DeliveryRefused, match="no secret") as raised:
        signature.verify(f"sha256={_digest('', b'x')}", b"x", [])

    assert "Set `webhook_secret`" in raised.value.remedy
