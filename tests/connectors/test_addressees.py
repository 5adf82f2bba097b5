"""Whom a mail goes to: what every mail server takes, and nothing that stops the mails behind it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from roomkeeper.connectors.notify.smtp import Mailer, Smtp
from roomkeeper.connectors.notify.steps import NotifyByMail
from roomkeeper.contract.message import Message

SETTINGS = Smtp(host="127.0.0.1", **{"from": "a@acme.example"}, to=["b@acme.example"])


@pytest.mark.parametrize(
    "address", ["ann@acme.example", "ann+x@acme.example", "a.b@m\u00fcller.example", "o'n@x.example"]
)
def test_ordinary_addresses_are_taken(address: str) -> None:
    given_ = NotifyByMail(text="x", to=[address])

    assert given_.to is not None
    assert given_.to[0].isascii()


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ann",
        "a@[",
        "a@",
        "@x.example",
        "m\u00fcller@x.example",
        "a b@x.example",
        "a@x.example, b@x.example",
        "a@x\nBcc: b@x",
    ],
)
def test_what_a_server_stumbles_over_is_refused_in_words(address: str) -> None:
    with pytest.raises(ValidationError, match="e-mail address"):
        NotifyByMail(text="x", to=[address])


@given(st.text(min_size=1, max_size=40), st.text(min_size=1, max_size=40))
def test_what_is_taken_can_be_written_to(local: str, domain: str) -> None:
    try:
        taken = NotifyByMail(text="x", to=[f"{local}@{domain}"])
    except ValidationError:
        return
    mail = Mailer(SETTINGS, dry=True)._written(Message("s", "t", to=tuple(taken.to or ())))

    assert mail["To"].addresses[0].addr_spec == (taken.to or [""])[0]
