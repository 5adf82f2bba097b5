"""E-mail, by a mail server that takes it from us (RFC 5321, RFC 8314)."""

import asyncio
import smtplib
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from roomkeeper.automations.secret import Secret
from roomkeeper.connectors.notify.outward import outward
from roomkeeper.contract.message import Message
from roomkeeper.errors import Clash, Rejected, RemoteError, Unauthorized, Unreachable, WriteRefused
from roomkeeper.remote import Exchange, Observe, unobserved

_TAKEN = (250, 251)  # replies to a sender and a receiver that are taken (RFC 5321, 4.2.2)
_TRANSIENT = range(400, 500)  # replies after which it may be tried again (RFC 5321, 4.2.1)
_TAKE_A_LOOK = "Check host, port and security; `openssl s_client -starttls smtp -connect HOST:PORT` shows the server's."


class Smtp(BaseModel):
    """A mail server, and whom to write to."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    host: str = Field(description="The mail server.", examples=["smtp.acme.example"])
    port: int = Field(default=587, ge=1, le=65_535, description="Its port.", examples=[587])
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="How the line is secured; `none` only on your own network.", examples=["tls"]
    )
    user: str = Field(default="", description="The account; none if the server asks for none.", examples=["bot"])
    password: Secret | None = Field(default=None, description="Its password.", examples=["!env SMTP_PASSWORD"])
    from_: str = Field(alias="from", description="Who it is from.", examples=["roomkeeper@acme.example"])
    to: list[str] = Field(min_length=1, description="Whom it goes to.", examples=[["ops@acme.example"]])
    timeout: float = Field(default=30.0, gt=0, le=600, description="Seconds to wait for an answer.", examples=[30])


class Mailer:
    """Sends mail, a connection for each."""

    def __init__(self, settings: Smtp, *, dry: bool) -> None:
        self._settings, self._dry = settings, dry
        self._observe: Observe = unobserved

    def view(self, *, bulk: bool = False, observe: Callable[[Any], None] | None = None) -> "Mailer":  # noqa: ARG002
        """Give the same client for other work."""
        other = Mailer(self._settings, dry=self._dry)
        other._observe = observe or unobserved
        return other

    async def close(self) -> None:
        """Close nothing: no connection is kept."""

    async def send(self, message: Message) -> None:
        """Send it. Raises RemoteError."""
        if self._dry:
            raise WriteRefused("A dry run does not write: the mail was not sent", may_have_happened=False)
        started, said = time.monotonic(), ""
        try:
            await asyncio.to_thread(self._send, self._written(message))
        except RemoteError as error:
            said = error.message
            raise
        finally:
            milliseconds = round((time.monotonic() - started) * 1000)
            self._observe(Exchange("MAIL", self._settings.host, 250 if not said else 0, milliseconds, said))

    def _written(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        mail["Subject"] = " ".join(message.subject.split())
        mail["From"], mail["To"] = self._settings.from_, ", ".join(message.to or self._settings.to)
        mail["Date"], mail["Message-ID"] = formatdate(), make_msgid(domain="roomkeeper.invalid")
        mail["Auto-Submitted"] = "auto-generated"  # so that no holiday notice answers it (RFC 3834)
        mail.set_content(message.text)
        return mail

    def _send(self, mail: EmailMessage) -> None:
        with self._let_in() as line:
            refused = line.send_message(mail)
        if refused:
            what = f"{self._settings.host} took the mail, but not for {', '.join(sorted(refused))}"
            raise Rejected(what, remedy="Correct that address; the others have the mail.")

    async def let_in(self) -> str:
        """Log in and name sender and receivers, and send nothing. Raises RemoteError."""
        return await asyncio.to_thread(self._name)

    def _name(self) -> str:
        settings = self._settings
        with self._let_in() as line:
            line.ehlo_or_helo_if_needed()
            for code, said in [line.mail(settings.from_), *(line.rcpt(one) for one in settings.to)]:
                if code not in _TAKEN:
                    raise smtplib.SMTPResponseException(code, said)
            line.rset()
        return f"{settings.host}:{settings.port} would take mail from {settings.from_} for {', '.join(settings.to)}"

    @contextmanager
    def _let_in(self) -> Iterator[smtplib.SMTP]:
        """Open a line and log in; says in our words what goes wrong on it. Raises RemoteError."""
        settings = self._settings
        try:
            with self._opened() as line:
                if settings.user and settings.password is not None:
                    line.login(settings.user, settings.password.get_secret_value())
                yield line
        except smtplib.SMTPAuthenticationError as error:
            raise Unauthorized(f"{settings.host} does not accept the account {settings.user}") from error
        except smtplib.SMTPResponseException as error:
            kind = Clash if error.smtp_code in _TRANSIENT else Rejected
            raise kind(f"{settings.host} answered {error.smtp_code} {_plain(error.smtp_error)}") from error
        except smtplib.SMTPRecipientsRefused as error:
            raise Rejected(f"{settings.host} refused {', '.join(error.recipients)}") from error
        except smtplib.SMTPNotSupportedError as error:
            raise Rejected(f"{settings.host} does not take such addresses: {error}") from error
        except (smtplib.SMTPException, ssl.SSLError, OSError) as error:
            what = f"{settings.host}:{settings.port} cannot be written to: {error}"
            raise Unreachable(what, remedy=_TAKE_A_LOOK) from error

    def _opened(self) -> smtplib.SMTP:
        settings, context = self._settings, ssl.create_default_context()
        if settings.security == "tls":
            return smtplib.SMTP_SSL(settings.host, settings.port, timeout=settings.timeout, context=context)
        line = smtplib.SMTP(settings.host, settings.port, timeout=settings.timeout)
        if settings.security == "starttls":
            line.starttls(context=context)
        return line


def connect(settings: Smtp, *, tally: object, wanted: frozenset[str] = frozenset(), dry: bool = False) -> Mailer:  # noqa: ARG001
    """Open the client."""
    return Mailer(settings, dry=dry)


async def tell(client: Mailer, message: Message) -> None:
    """Send it. Raises RemoteError."""
    await client.send(message)


def _plain(said: bytes | str) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else said


CONNECTOR = outward("smtp", "E-mail.", Smtp, connect=connect, tell=tell, try_out=Mailer.let_in, knows_addresses=True)
