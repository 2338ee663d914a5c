"""One signed HTTP call a message, to a program of the site's own. docs/channels.md tells that program what to check.

Whom TLS trusts is the machine's list, or what SSL_CERT_FILE and SSL_CERT_DIR name. Neither redirects nor the
proxies of the environment are followed: the call goes to the address that was set, or nowhere.
"""

import hashlib
import hmac
import ipaddress
import json
import re
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import SplitResult, urlsplit

from pathway.errors import NaiveTime
from scheduler.channels import ChannelDown, ChannelError, Message, Reach

REPLAY_WINDOW = timedelta(minutes=5)
LONGEST_ANSWER = 64 * 1024  # bytes of it that are read
# What is said of this message; every other refusal is said of the channel.
FOR_GOOD = (400, 410, 413, 422)
PASSING = (408, 409, 425, 429, 500)


@dataclass(frozen=True, slots=True)
class Webhook:
    """`timeout` is in seconds, for the connection and then for the whole answer.

    Raises ValueError, in one sentence, for an address that must not be called or an empty secret.
    """

    url: str = field(repr=False)
    secret: str = field(repr=False)
    detail: bool = False
    timeout: float = 10.0
    name: str = "webhook"
    reach: Reach = "room"

    def __post_init__(self) -> None:
        check_address(self.url)
        if not self.secret:
            raise ValueError("a call without a secret cannot be signed")

    def send(self, message: Message, recipient: str) -> bool:
        body = _body(message, detail=self.detail)
        return _delivered(self.call(body, message.id_for(recipient), message.at))

    def call(self, body: bytes, name: str, at: datetime) -> bytes:
        """One signed call; what was answered. `name` is the same for the same thing, however often it is told.

        Raises ChannelError and ChannelDown.
        """
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "pathway",
            "Idempotency-Key": name,
            **signed(self.secret, at, body),
        }
        try:
            status, retry_after, answer = self._posted(body, headers)
        except ssl.SSLCertVerificationError as error:
            raise ChannelDown(f"{self._place}: its certificate is not trusted: {error.verify_message}") from error
        except HTTPException as error:
            # Its words quote what was answered, which may be what was asked.
            raise ChannelDown(f"{self._place}: no answer in HTTP ({type(error).__name__})") from None
        except OSError as error:
            raise ChannelDown(f"{self._place}: {type(error).__name__}: {error}") from error
        if not 200 <= status <= 299:
            raise _refusal(self._place, status, retry_after)
        return answer

    def _posted(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, str, bytes]:
        """Status, Retry-After, and the answer as far as it came in time."""
        with closing(self._connection()) as connection:
            connection.connect()
            # The connection's own timeout bounds each read, so a far end that answers byte by byte would escape it.
            limit = threading.Timer(self.timeout, _cut, [connection.sock])
            limit.start()
            try:
                connection.request("POST", _target(self._parts), body, dict(headers))
                response = connection.getresponse()
                answer = b""
                # It has been taken over by now: an answer that breaks off must not have it sent again.
                with suppress(OSError, HTTPException):
                    answer = response.read(LONGEST_ANSWER)
                response.close()
                return response.status, response.getheader("Retry-After") or "", answer
            finally:
                limit.cancel()

    def _connection(self) -> HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            return HTTPSConnection(host, port, timeout=self.timeout, context=ssl.create_default_context())
        return HTTPConnection(host, port, timeout=self.timeout)

    @property
    def _parts(self) -> SplitResult:
        return urlsplit(self.url)

    @property
    def _place(self) -> str:
        # Path and query may hold a token, so only the host is ever named.
        return self._parts.netloc


# ---------------------------------------------------------------- signing


def signed(secret: str, at: datetime, body: bytes) -> dict[str, str]:
    """The headers that let a receiver check who says this and when."""
    timestamp = str(int(at.timestamp()))
    return {"Pathway-Timestamp": timestamp, "Pathway-Signature": f"v1={_mac(secret, timestamp, body)}"}


def verify(
    secret: str, headers: Mapping[str, str], body: bytes, now: datetime, tolerance: timedelta = REPLAY_WINDOW
) -> bool:
    """For receivers: whether a holder of `secret` signed exactly these bytes, at most `tolerance` away from `now`.

    `now` is aware, or NaiveTime is raised. A call that comes again within the tolerance passes again: its
    Idempotency-Key is the same.
    """
    if now.tzinfo is None:
        raise NaiveTime(repr(now))
    given = {name.lower(): value for name, value in headers.items()}
    timestamp, signature = given.get("pathway-timestamp", ""), given.get("pathway-signature", "")
    if not secret or not re.fullmatch("[0-9]{1,11}", timestamp):
        return False
    fresh = abs(now.timestamp() - int(timestamp)) <= tolerance.total_seconds()
    expected = f"v1={_mac(secret, timestamp, body)}"
    return fresh and hmac.compare_digest(signature.encode(errors="replace"), expected.encode())


def _mac(secret: str, timestamp: str, body: bytes) -> str:
    return hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


# ---------------------------------------------------------------- what is said, and what is answered


def _body(message: Message, *, detail: bool) -> bytes:
    said = {
        "reference": message.reference,
        "subject": message.subject,
        "brief": message.brief,
        "at": message.at.isoformat(),
    }
    return json.dumps({**said, "body": message.body} if detail else said).encode()


def _delivered(answer: bytes) -> bool:
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("delivered") is True


def _refusal(place: str, status: int, retry_after: str) -> ChannelError:
    because = f"{place} answered {_named(status)}"
    if status in FOR_GOOD:
        return ChannelError(because, permanent=True)
    if retry_after.isascii() and retry_after.isdigit():
        because += f" and asks to wait {retry_after[:6]} s"
    if status in PASSING and not retry_after:
        return ChannelError(because)
    return ChannelDown(f"{because}; redirects are not followed" if 300 <= status <= 399 else because)


def _named(status: int) -> str:
    """The number with its usual words: those of the answer could be anything."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _cut(connected: socket.socket) -> None:
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


# ---------------------------------------------------------------- the address


def _target(parts: SplitResult) -> str:
    return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"


def check_address(url: str) -> None:
    """Raises ValueError with one sentence that does not repeat the URL, which may hold a token."""
    try:
        parts = urlsplit(url)
        host, scheme, _ = parts.hostname, parts.scheme, parts.port
    except ValueError:
        host = scheme = ""
    if not host or not re.fullmatch("[!-~]+", url) or parts.fragment or parts.username is not None:
        expected = "https://host/path, in ASCII, without a user name and without a fragment"
        raise ValueError(f"not an address that can be called; expected {expected}")
    if scheme != "https" and not (scheme == "http" and _loopback(host)):
        raise ValueError("only https is called; http is for this machine itself, as in http://127.0.0.1:8080/path")


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
