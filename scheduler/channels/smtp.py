"""Mail through one SMTP server. Whom TLS trusts is the machine's list, or what SSL_CERT_FILE and SSL_CERT_DIR name."""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Literal

from scheduler.channels import ChannelDown, ChannelError, Message, Reach

# Answers that concern the server or our account, whichever letter they are given to.
OF_THE_SERVER = (421, 530, 534, 535, 538)
TOO_LARGE = 552
LONGEST_ANSWER = 300


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
                self._hand_over(server, letter, recipient)
        except ssl.SSLCertVerificationError as error:
            raise self._down(f"its certificate is not trusted: {error.verify_message}") from error
        except smtplib.SMTPResponseException as error:
            raise self._down(_answer(error.smtp_code, error.smtp_error)) from error
        except (smtplib.SMTPException, OSError) as error:
            # No letter is at fault when the server, the account or the sender is not accepted: all must wait.
            raise self._down(f"{type(error).__name__}: {error}") from error
        return False

    def _letter(self, message: Message, recipient: str) -> EmailMessage:
        letter = EmailMessage()
        try:
            letter["From"], letter["To"], letter["Subject"] = self.sender, recipient, message.subject
        except ValueError as error:
            raise ChannelError(f"not a letter: {error}", permanent=True) from error
        letter["Date"] = format_datetime(message.at)
        letter["Message-ID"] = f"<{message.id_for(recipient)}@{self._domain}>"
        letter["X-Pathway-Reference"] = message.reference
        letter["Auto-Submitted"] = "auto-generated"
        letter.set_content(message.body)
        if message.html:
            letter.add_alternative(message.html, subtype="html")
        return letter

    @property
    def _domain(self) -> str:
        return parseaddr(self.sender)[1].rpartition("@")[2] or "localhost"

    def _hand_over(self, server: smtplib.SMTP, letter: EmailMessage, recipient: str) -> None:
        try:
            server.send_message(letter, self.sender, [recipient])
        except smtplib.SMTPRecipientsRefused as error:
            raise self._refused(*error.recipients[recipient]) from error
        except smtplib.SMTPDataError as error:
            raise self._refused(error.smtp_code, error.smtp_error) from error
        except smtplib.SMTPSenderRefused as error:
            if error.smtp_code != TOO_LARGE:
                raise
            raise self._refused(error.smtp_code, error.smtp_error) from error
        except smtplib.SMTPNotSupportedError as error:
            if recipient.isascii():
                raise
            raise ChannelError("the server takes no address beyond ASCII", permanent=True) from error

    def _refused(self, code: int, answer: bytes | str) -> ChannelError:
        if code in OF_THE_SERVER:
            return self._down(_answer(code, answer))
        return ChannelError(_answer(code, answer), permanent=500 <= code <= 599)

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        with closing(self._opened()) as server:
            if self.security == "starttls":
                server.starttls(context=ssl.create_default_context())
            if self.user:
                self._sign_in(server)
            try:
                yield server
            finally:
                # The letter is taken or refused by now: a server that will not say goodbye must not change that.
                with suppress(smtplib.SMTPException, OSError):
                    server.quit()

    def _opened(self) -> smtplib.SMTP:
        if self.security == "tls":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self.host, self.port, timeout=self.timeout, context=context)
        return smtplib.SMTP(self.host, self.port, timeout=self.timeout)

    def _sign_in(self, server: smtplib.SMTP) -> None:
        # A server may repeat what it was told, so neither its words nor the error that holds them go further.
        try:
            server.login(self.user, self.password)
        except smtplib.SMTPAuthenticationError as error:
            raise self._down(f"it does not accept the user name and the password ({error.smtp_code})") from None
        except ValueError:
            raise self._down("signing in takes no user name or password beyond ASCII") from None

    def _down(self, because: str) -> ChannelDown:
        return ChannelDown(f"{self.host}:{self.port}: {because}")


def _answer(code: int, answer: bytes | str) -> str:
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    return " ".join(f"{code} {text}".split())[:LONGEST_ANSWER]
