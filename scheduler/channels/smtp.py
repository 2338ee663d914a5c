"""Mail through one SMTP server."""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Literal

from scheduler.channels import ChannelDown, ChannelError, Message, Reach


@dataclass(frozen=True, slots=True)
class Smtp:
    """`timeout` is in seconds and bounds each answer of the server."""

    host: str
    port: int = 25
    security: Literal["none", "starttls", "tls"] = "none"
    user: str = ""
    password: str = field(default="", repr=False)
    sender: str = "pathway@localhost"
    timeout: float = 10.0
    name: str = "smtp"
    reach: Reach = "email"

    def send(self, message: Message, recipient: str) -> bool:
        letter = self._letter(message, recipient)
        try:
            with self._connected() as server:
                server.send_message(letter, self.sender, [recipient])
        except smtplib.SMTPRecipientsRefused as error:
            code, answer = error.recipients[recipient]
            raise _refused(code, answer) from error
        except smtplib.SMTPDataError as error:
            raise _refused(error.smtp_code, error.smtp_error) from error
        except (smtplib.SMTPException, OSError) as error:
            # No letter is at fault when the server, the account or the sender is not accepted: all must wait.
            raise ChannelDown(f"{self.host}:{self.port}: {type(error).__name__}: {error}") from error
        return False

    def _letter(self, message: Message, recipient: str) -> EmailMessage:
        letter = EmailMessage()
        try:
            letter["From"], letter["To"], letter["Subject"] = self.sender, recipient, message.subject
            letter["X-Pathway-Key"] = message.key
        except ValueError as error:
            raise ChannelError(f"not a letter: {error}", permanent=True) from error
        letter["Date"] = format_datetime(message.at)
        letter["Message-ID"] = f"<{message.id_for(recipient)}@{self._domain}>"
        letter["Auto-Submitted"] = "auto-generated"
        letter.set_content(message.body)
        return letter

    @property
    def _domain(self) -> str:
        return parseaddr(self.sender)[1].rpartition("@")[2] or "localhost"

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        with self._opened() as server:
            if self.security == "starttls":
                server.starttls(context=ssl.create_default_context())
            if self.user:
                server.login(self.user, self.password)
            yield server

    def _opened(self) -> smtplib.SMTP:
        if self.security == "tls":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self.host, self.port, timeout=self.timeout, context=context)
        return smtplib.SMTP(self.host, self.port, timeout=self.timeout)


def _refused(code: int, answer: bytes | str) -> ChannelError:
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    return ChannelError(f"{code} {text}", permanent=500 <= code <= 599)
