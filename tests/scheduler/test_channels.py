"""The webhook and the Apprise channels against real servers on this machine, and what no channel may let out."""

import base64
import json
import logging
import re
import shlex
import socket
import socketserver
import ssl
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest
import trustme

from coordinator.settings import Settings, SettingsFaulty, read_settings
from coordinator.wiring import open_channels
from pathway.errors import NaiveTime
from scheduler import channels
from scheduler.channels import Channel, ChannelDown, ChannelError, Message
from scheduler.channels.apprise_urls import AppriseUrl
from scheduler.channels.smtp import Smtp
from scheduler.channels.webhook import Webhook, signed, verify
from tests.scheduler.ward import LATE, Post, mail_server

# Apprise brings a module that Python is to lose for its OpenPGP library, when it loads its services.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

SECRET, TOKEN = "wolf-in-the-tower", "Tq7zToken4711"
PERSON = ("9991002375", "Agnes", "Mustermann")
MESSAGE = Message(
    key="9991002375-1:K-DXA:1:due:2026-02-02",
    subject="[pathway] due: work for the coordinator",
    body="Patient 9991002375, Agnes Mustermann: bone densitometry is due.\n",
    html="<p>Patient 9991002375, Agnes Mustermann: bone densitometry is due.</p>",
    brief="Something waits for you in the pathway.",
    at=LATE,
)
DOCUMENT = (Path(__file__).parents[2] / "docs" / "channels.md").read_text(encoding="utf-8")


# ---------------------------------------------------------------- a server that keeps what it is told, byte by byte


class Call(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        if self.server.context:
            self.request = self.server.context.wrap_socket(self.request, server_side=True)
            self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb", buffering=0)
        head = b"".join(iter(self.rfile.readline, b"\r\n"))
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        body = self.rfile.read(int(length[1])) if length else b""
        self.server.heard.append((head, body))
        for piece in self.server.pieces():
            self.wfile.write(piece)

    def finish(self) -> None:
        super().finish()
        self.request.close()


class Door(socketserver.ThreadingTCPServer):
    """`heard` holds head and body of each call; `pieces` gives the bytes of the answer."""

    daemon_threads = True
    context: ssl.SSLContext | None = None

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Call)
        self.heard: list[tuple[bytes, bytes]] = []
        self.answers("200 OK")

    def answers(self, status: str, body: bytes = b"", **headers: str) -> None:
        fields = {"Content-Length": str(len(body)), "Connection": "close", **headers}
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
        self.pieces = lambda: [f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body]

    def handle_error(self, request, client_address) -> None:
        """A caller that hangs up, or does not trust the certificate, is what some tests are about."""

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


@contextmanager
def opened_door(context: ssl.SSLContext | None = None) -> Iterator[Door]:
    with Door() as door:
        door.context = context
        thread = threading.Thread(target=door.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield door
        finally:
            door.shutdown()
            thread.join()


@pytest.fixture
def door():
    with opened_door() as found:
        yield found


@pytest.fixture
def hook(door):
    return Webhook(f"http://{door.place}/hook/{TOKEN}?of=ward", SECRET, timeout=5)


def heads(raw: bytes) -> dict[str, str]:
    return dict(message_from_bytes(raw.partition(b"\r\n")[2], policy=policy.default))


def guarded(authority: trustme.CA, name: str = "127.0.0.1", until: datetime | None = None) -> ssl.SSLContext:
    since = until and until - timedelta(days=90)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name, not_before=since, not_after=until).configure_cert(context)
    return context


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def bundle(authority, tmp_path) -> str:
    """The file with the authority's certificate."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return str(tmp_path / "ca.pem")


def fault(channel: Channel, recipient: str = "ward") -> ChannelError:
    """What it answers to the message, after a look that neither the words nor the cause show a secret."""
    with pytest.raises(ChannelError) as raised:
        channel.send(MESSAGE, recipient)
    shown = "".join(traceback.format_exception(raised.value)) + repr(channel)
    assert not [secret for secret in (SECRET, TOKEN, *PERSON) if secret in shown]
    return raised.value


def outcome(error: ChannelError) -> str:
    return "down" if isinstance(error, ChannelDown) else "for good" if error.permanent else "passing"


# ---------------------------------------------------------------- webhook: what it says


def test_a_call_says_that_something_waits_and_no_more(hook, door):
    assert hook.send(MESSAGE, "ward") is False
    ((head, body),) = door.heard
    assert head.startswith(f"POST /hook/{TOKEN}?of=ward HTTP/1.1\r\n".encode())
    assert json.loads(body) == {
        "reference": MESSAGE.reference,
        "subject": MESSAGE.subject,
        "brief": MESSAGE.brief,
        "at": "2026-02-18T08:00:00+00:00",
    }
    assert heads(head)["Content-Type"] == "application/json"


def test_only_a_channel_for_details_carries_the_body(hook, door):
    replace(hook, detail=True).send(MESSAGE, "ward")
    ((_, body),) = door.heard
    assert json.loads(body)["body"] == MESSAGE.body


def test_a_repeated_call_has_the_same_idempotency_key_and_the_time_of_its_own_sending(hook, door):
    for message, recipient in ((MESSAGE, "a"), (replace(MESSAGE, at=LATE + timedelta(hours=1)), "a"), (MESSAGE, "b")):
        hook.send(message, recipient)
    first, again, other = (heads(head) for head, _ in door.heard)
    assert first["Idempotency-Key"] == again["Idempotency-Key"] != other["Idempotency-Key"]
    assert int(again["Pathway-Timestamp"]) - int(first["Pathway-Timestamp"]) == 3600


def test_the_receiver_can_check_the_signature(hook, door):
    hook.send(MESSAGE, "ward")
    ((head, body),) = door.heard
    assert verify(SECRET, heads(head), body, LATE)


def test_a_signature_is_what_the_documentation_says():
    """Counted out by hand once, so that signing and checking cannot drift away together."""
    assert signed("secret", datetime(2026, 1, 1, tzinfo=UTC), b"{}") == {
        "Pathway-Timestamp": "1767225600",
        "Pathway-Signature": "v1=fa7eaa06bf97d7815f3f456e97cde70c9e50cb005f01660c8d10b10c21964887",
    }


@pytest.mark.parametrize(
    ("change", "accepted"),
    [
        ({}, True),
        ({"body": b'{"a": 2}'}, False),
        ({"body": b'{"a": 1} '}, False),
        ({"secret": "another"}, False),
        ({"now": LATE + timedelta(minutes=5)}, True),
        ({"now": LATE + timedelta(minutes=5, seconds=1)}, False),
        ({"now": LATE - timedelta(minutes=5)}, True),
        ({"now": LATE - timedelta(minutes=5, seconds=1)}, False),
        ({"now": LATE + timedelta(seconds=20), "tolerance": timedelta(seconds=10)}, False),
        ({"Pathway-Timestamp": str(int(LATE.timestamp()) + 1)}, False),
        ({"Pathway-Timestamp": "soon"}, False),
        ({"Pathway-Timestamp": "٤٢"}, False),
        ({"Pathway-Timestamp": "9" * 5000}, False),
        ({"Pathway-Timestamp": ""}, False),
        ({"Pathway-Signature": ""}, False),
        ({"Pathway-Signature": "v1="}, False),
        ({"Pathway-Signature": "v1=größe\udcff"}, False),
    ],
)
def test_a_call_counts_only_as_it_was_signed_and_for_five_minutes(change, accepted):
    headers = signed(SECRET, LATE, b'{"a": 1}')
    given = {"secret": SECRET, "body": b'{"a": 1}', "now": LATE}
    for name, value in change.items():
        (headers if name in headers else given)[name] = value
    assert verify(headers=headers, **given) is accepted


def test_without_a_secret_anybody_could_sign_so_nothing_counts():
    assert not verify("", signed("", LATE, b"{}"), b"{}", LATE)


def test_a_signature_without_its_version_does_not_count():
    headers = signed(SECRET, LATE, b"{}")
    headers["Pathway-Signature"] = headers["Pathway-Signature"].removeprefix("v1=")
    assert not verify(SECRET, headers, b"{}", LATE)


def test_header_names_are_compared_in_any_spelling():
    headers = {name.upper(): value for name, value in signed(SECRET, LATE, b"{}").items()}
    assert verify(SECRET, headers, b"{}", LATE)


def test_a_receiver_without_a_zone_is_told_so():
    with pytest.raises(NaiveTime):
        verify(SECRET, signed(SECRET, LATE, b"{}"), b"{}", LATE.replace(tzinfo=None))


# ---------------------------------------------------------------- webhook: what is answered


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("301 Moved", "down"),
        ("304 Not Modified", "down"),
        ("400 Bad Request", "for good"),
        ("401 Unauthorized", "down"),
        ("403 Forbidden", "down"),
        ("404 Not Found", "down"),
        ("405 Method Not Allowed", "down"),
        ("408 Request Timeout", "passing"),
        ("410 Gone", "for good"),
        ("413 Too Large", "for good"),
        ("422 Unprocessable", "for good"),
        ("429 Too Many Requests", "passing"),
        ("500 Oops", "passing"),
        ("502 Bad Gateway", "down"),
        ("503 Unavailable", "down"),
        ("799 Whatever", "down"),
    ],
)
def test_what_an_answer_means(hook, door, status, expected):
    door.answers(status)
    error = fault(hook)
    assert (outcome(error), f"{door.place} answered {status[:3]}" in error.because) == (expected, True)
    assert "Whatever" not in error.because


@pytest.mark.parametrize(("after", "said"), [("120", "asks to wait 120 s"), ("Wed, 18 Feb 2026 09:00:00 GMT", "429")])
def test_who_asks_to_wait_is_left_alone_by_every_message(hook, door, after, said):
    door.answers("429 Too Many Requests", Retry_After=after)
    error = fault(hook)
    assert (outcome(error), said in error.because) == ("down", True)


@pytest.mark.parametrize(
    ("body", "delivered"),
    [
        (b'{"delivered": true}', True),
        (b'{"delivered": false}', False),
        (b'{"delivered": "true"}', False),
        (b"[true]", False),
        (b"\xff\xfe", False),
        (b"[" * 60_000, False),
        (b"", False),
    ],
)
def test_only_the_receiver_can_say_that_it_reached_a_person(hook, door, body, delivered):
    door.answers("202 Accepted", body)
    assert hook.send(MESSAGE, "ward") is delivered


def test_an_answer_is_read_only_so_far(hook, door):
    door.answers("200 OK", b" " * 70_000 + b'{"delivered": true}')
    assert hook.send(MESSAGE, "ward") is False


def test_an_answer_that_breaks_off_does_not_have_it_sent_again(hook, door):
    door.answers("200 OK", b'{"deli', Content_Length="5000")
    assert hook.send(MESSAGE, "ward") is False


def test_a_redirect_is_not_followed(hook, door):
    with opened_door() as elsewhere:
        door.answers("307 Temporary Redirect", Location=f"http://{elsewhere.place}/")
        assert "redirects are not followed" in fault(hook).because
    assert (len(door.heard), elsewhere.heard) == (1, [])


def test_a_proxy_of_the_environment_does_not_hear_it(hook, door, monkeypatch):
    with opened_door() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://{proxy.place}")
        monkeypatch.delenv("no_proxy", raising=False)
        hook.send(MESSAGE, "ward")
    assert (len(door.heard), proxy.heard) == (1, [])


def test_nobody_there_means_down(hook):
    error = fault(replace(hook, url="http://127.0.0.1:9/"))
    assert (outcome(error), "127.0.0.1:9: ConnectionRefusedError" in error.because) == ("down", True)


def drop_by_drop(begin: bytes, gone: threading.Event) -> Iterator[bytes]:
    """An answer of five seconds, a byte at a time, each well within the time for one read."""
    yield begin
    for _ in range(100):
        if not gone.wait(0.05):
            yield b"1"


@pytest.mark.parametrize(
    ("begin", "expected"),
    [(b"HTTP/", "down"), (b"HTTP/1.1 200 OK\r\nX: ", "taken"), (b"HTTP/1.1 200 OK\r\n\r\n", "taken")],
)
@pytest.mark.parametrize("secure", [False, True])
def test_an_answer_byte_by_byte_is_waited_for_only_so_long(authority, bundle, monkeypatch, begin, expected, secure):
    monkeypatch.setenv("SSL_CERT_FILE", bundle)
    gone = threading.Event()
    with opened_door(guarded(authority) if secure else None) as door:
        door.pieces = lambda: drop_by_drop(begin, gone)
        hook = Webhook(f"http{'s' if secure else ''}://{door.place}/", SECRET, timeout=0.5)
        began = time.monotonic()
        found = outcome(fault(hook)) if expected == "down" else hook.send(MESSAGE, "ward") or "taken"
        assert (found, time.monotonic() - began < 3) == (expected, True)
        gone.set()


def test_an_answer_that_is_no_http_is_not_repeated(hook, door):
    door.pieces = lambda: [f"{SECRET} {PERSON[1]}\r\n".encode()]
    assert "no answer in HTTP (BadStatusLine)" in fault(hook).because


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_never_answers_is_waited_for_only_so_long(scheme):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hook = Webhook(f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/", SECRET, timeout=0.3)
        began = time.monotonic()
        assert (outcome(fault(hook)), time.monotonic() - began < 3) == ("down", True)


def test_the_authority_of_the_hospital_is_trusted_by_the_usual_variable(authority, bundle, monkeypatch):
    with opened_door(guarded(authority)) as door:
        hook = Webhook(f"https://{door.place}/", SECRET, timeout=5)
        assert "its certificate is not trusted" in fault(hook).because
        monkeypatch.setenv("SSL_CERT_FILE", bundle)
        hook.send(MESSAGE, "ward")
    assert len(door.heard) == 1


@pytest.mark.parametrize(
    ("name", "until", "said"),
    [("127.0.0.1", datetime(2020, 1, 1, tzinfo=UTC), "expired"), ("hook.example.org", None, "not valid for")],
)
def test_a_certificate_that_is_expired_or_of_another_host_is_down(authority, bundle, monkeypatch, name, until, said):
    monkeypatch.setenv("SSL_CERT_FILE", bundle)
    with opened_door(guarded(authority, name, until)) as door:
        error = fault(Webhook(f"https://{door.place}/", SECRET, timeout=5))
    assert (outcome(error), said in error.because, door.heard) == ("down", True, [])


@pytest.mark.parametrize(
    "url",
    [
        "http://hook.example.org/Tq7zToken4711",
        "http://127.0.0.1.example.org/Tq7zToken4711",
        "http://localhost.example.org/",
        "http://10.0.0.7/",
        "ftp://127.0.0.1/Tq7zToken4711",
        "hook.example.org",
        "https://",
        "https://user:Tq7zToken4711@hook.example.org/",
        "https://hook.example.org/#Tq7zToken4711",
        "https://hook.example.org/a b",
        "https://hook.example.org/a\r\nX-Y: z",
        "https://hook.example.org:port/",
        "https://höök.example.org/",
        "https://[::1/",
    ],
)
def test_an_address_that_must_not_be_called_is_refused_at_set_up(url):
    with pytest.raises(SettingsFaulty) as raised:
        open_channels(Settings(webhook_url=url, webhook_secret=SECRET))
    said = str(raised.value)
    assert "PATHWAY_WEBHOOK_URL: " in said
    assert not [hidden for hidden in (TOKEN, SECRET, "hook.example") if hidden in said]


@pytest.mark.parametrize(
    "url", ["https://hook.example.org", "http://localhost:1/", "http://127.8.9.1/", "http://[::1]:8080/a?b=c"]
)
def test_https_and_this_machine_are_called(url):
    (found,) = open_channels(Settings(webhook_url=url, webhook_secret=SECRET))
    assert (found.name, found.reach, found.detail) == ("webhook", "room", False)


def test_without_a_secret_nothing_is_called():
    with pytest.raises(SettingsFaulty, match="PATHWAY_WEBHOOK_SECRET: missing"):
        open_channels(Settings(webhook_url="https://hook.example.org/"))
    with pytest.raises(ValueError, match="without a secret"):
        Webhook("https://hook.example.org/", "")


# ---------------------------------------------------------------- Apprise


class Clerk(logging.Handler):
    """Keeps what would reach the program's own log."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def logged(caplog) -> Iterator[list[str]]:
    caplog.set_level(logging.INFO)
    clerk = Clerk()
    logging.getLogger().addHandler(clerk)
    yield clerk.lines
    logging.getLogger().removeHandler(clerk)


def said(door: Door) -> list[dict]:
    return [json.loads(body) for _, body in door.heard]


def test_a_room_is_told_the_subject_and_the_brief(door):
    room = AppriseUrl("ward", f"json://{door.place}/{TOKEN}")
    assert (room.reach, room.send(MESSAGE, "ward")) == ("room", False)
    ((told),) = said(door)
    assert (told["title"], told["message"]) == (MESSAGE.subject, MESSAGE.brief)


def test_a_message_without_a_brief_is_its_subject(door):
    AppriseUrl("ward", f"json://{door.place}/").send(replace(MESSAGE, brief=""), "ward")
    ((told),) = said(door)
    assert (told["title"], told["message"]) == ("", MESSAGE.subject)


def test_only_a_room_for_details_is_told_the_body(door):
    AppriseUrl("ward", f"json://{door.place}/", detail=True).send(MESSAGE, "ward")
    ((told),) = said(door)
    assert told["message"] == MESSAGE.body.rstrip()


@pytest.mark.parametrize("typed", ["+447700900123", "+44 7700 900-123", "+44 (7700) 900.123"])
def test_a_telephone_gets_its_own_message(door, typed):
    sms = AppriseUrl("sms", f"signal://{door.place}/+15005550001/{{phone}}")
    assert sms.reach == "phone"
    sms.send(MESSAGE, typed)
    ((told),) = said(door)
    assert told["recipients"] == ["+447700900123"]
    assert MESSAGE.brief in told["message"]


def test_an_address_cannot_become_another_part_of_the_url(door):
    personal = AppriseUrl("desk", f"json://{door.place}/to/{{email}}")
    assert personal.reach == "email"
    personal.send(MESSAGE, "cora+ward=1&x?y#z@example.org")
    assert door.heard[0][0].startswith(b"POST /to/cora+ward=1&x%3Fy%23z@example.org HTTP")


def test_mail_by_apprise_goes_to_the_one_address():
    with mail_server() as (post, port):
        url = f"mailto://127.0.0.1:{port}?from=pathway@example.org&to={{email}}&mode=insecure&smtp=127.0.0.1"
        AppriseUrl("post", url).send(MESSAGE, "cora+ward@example.org")
    (letter,) = post.letters
    assert "cora+ward@example.org" in letter["To"]


@pytest.mark.parametrize(
    ("mark", "recipient"),
    [
        ("{phone}", "+447700900123,+447700900456"),
        ("{phone}", "+447700900123/+447700900456"),
        ("{phone}", "+447700900123?batch=yes"),
        ("{phone}", "none"),
        ("{phone}", ""),
        ("{phone}", "112\n"),
        ("{email}", "a@example.org,b@example.org"),
        ("{email}", "a@example.org;b@example.org"),
        ("{email}", "a@example.org b@example.org"),
        ("{email}", "a@example.org/b@example.org"),
        ("{email}", "a%2Cb@example.org"),
        ("{email}", "cora"),
    ],
)
def test_what_is_not_one_recipient_reaches_nobody(door, mark, recipient):
    error = fault(AppriseUrl("sms", f"json://{door.place}/{mark}"), recipient)
    assert (outcome(error), door.heard) == ("for good", [])
    assert not recipient or recipient not in error.because


def test_a_recipient_that_the_service_does_not_take_is_at_fault_itself(door):
    error = fault(AppriseUrl("sms", f"signal://{door.place}/+15005550001/{{phone}}"), "1234")
    assert (outcome(error), door.heard) == ("for good", [])


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("302 Found", "down"),
        ("400 Bad Request", "passing"),
        ("401 Unauthorized", "down"),
        ("404 Not Found", "down"),
        ("413 Too Large", "passing"),
        ("422 Unprocessable", "passing"),
        ("429 Too Many Requests", "down"),
        ("500 Oops", "down"),
        ("503 Unavailable", "down"),
    ],
)
@pytest.mark.parametrize("url", ["gotify://{}/" + TOKEN, "signal://{}/+15005550001/{{phone}}"])
def test_what_the_answer_to_apprise_means(door, logged, url, status, expected):
    door.answers(status)
    error = fault(AppriseUrl("ward", url.format(door.place)), "+447700900123")
    assert (outcome(error), status[:3] in error.because, logged) == (expected, True, [])
    assert "447700900123" not in error.because


def test_a_redirect_is_not_followed_by_apprise(door):
    with opened_door() as elsewhere:
        door.answers("307 Temporary Redirect", Location=f"http://{elsewhere.place}/")
        assert outcome(fault(AppriseUrl("ward", f"json://{door.place}/"))) == "down"
    assert (len(door.heard), elsewhere.heard) == (1, [])


@pytest.mark.parametrize("end", ["", "?optional=yes", "?retry=3&wait=0.1", "/{phone}"])
def test_a_service_that_is_not_there_is_down(end):
    error = fault(AppriseUrl("ward", f"json://127.0.0.1:9/{TOKEN}{end}"), "+447700900123")
    assert outcome(error) == "down"
    assert error.because.startswith("JSON: ")


@pytest.mark.parametrize("end", ["", "/{phone}"])
def test_a_service_that_never_answers_is_waited_for_only_so_long(end):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"json://127.0.0.1:{silent.getsockname()[1]}/{TOKEN}{end}?rto=1&cto=1"
        began = time.monotonic()
        assert outcome(fault(AppriseUrl("ward", url, timeout=0.3), "+447700900123")) == "down"
        assert time.monotonic() - began < 1


def test_apprise_trusts_the_authority_that_its_own_variable_names(authority, bundle, monkeypatch):
    with opened_door(guarded(authority)) as door:
        room = AppriseUrl("ward", f"jsons://{door.place}/")
        assert outcome(fault(room)) == "down"
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
        room.send(MESSAGE, "ward")
    assert len(door.heard) == 1


def test_two_threads_on_one_channel_reach_each_their_own(door):
    sms, numbers = AppriseUrl("sms", f"signal://{door.place}/+15005550001/{{phone}}"), range(447700900100, 447700900120)
    threads = [threading.Thread(target=sms.send, args=(MESSAGE, f"+{number}")) for number in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told["recipients"] for told in said(door)) == [[f"+{number}"] for number in numbers]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (f"nosuch://{TOKEN}", "does not know"),
        (f"msteams://{TOKEN}", "does not know"),
        (TOKEN, "does not know"),
        ("", "does not know"),
        (f"json://[{TOKEN}", "does not know"),
        (f"ntfy://127.0.0.1/{TOKEN}/another", "several recipients"),
        (f"signal://{TOKEN}.example.org/+15005550001/+15005550002/{{phone}}", "several recipients"),
        (f"json://{TOKEN}.example.org/{{phone}}/{{email}}", "in braces"),
        (f"json://{TOKEN}.example.org/{{phone}}/{{phone}}", "in braces"),
        (f"json://{TOKEN}.example.org/{{Phone}}", "in braces"),
        (f"json://{TOKEN}.example.org/{{phone", "in braces"),
        (f"signal://{TOKEN}.example.org/+15005550001/{{email}}", "takes no recipient"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_at_set_up(url, why, logged):
    with pytest.raises(SettingsFaulty) as raised:
        open_channels(Settings(apprise={"ward": url}))
    assert "PATHWAY_APPRISE: channel 'ward': " in str(raised.value)
    assert why in str(raised.value)
    assert (TOKEN in str(raised.value), logged) == (False, [])


# ---------------------------------------------------------------- set-up


def test_what_is_set_up_is_opened_in_order(tmp_path):
    found = open_channels(
        Settings(
            smtp_host="mail.example.org",
            outbox_log=tmp_path / "outbox.log",
            webhook_url="https://hook.example.org/",
            webhook_secret=SECRET,
            apprise={"ward": "json://chat.example.org/", "sms": "signal://sms.example.org/+15005550001/{phone}"},
            detail_channels=("ward", "webhook"),
            urgent_only=("sms",),
        )
    )
    assert [(channel.name, channel.reach) for channel in found] == [
        ("smtp", "email"),
        ("logfile", "email"),
        ("webhook", "room"),
        ("ward", "room"),
        ("sms", "phone"),
    ]
    assert [getattr(channel, "detail", None) for channel in found] == [None, None, True, True, False]
    assert open_channels(Settings()) == []


@pytest.mark.parametrize("name", ["smtp", "webhook", "logfile"])
def test_a_name_is_given_once(name):
    with pytest.raises(SettingsFaulty, match=f"PATHWAY_APPRISE: channel '{name}' is the name of another"):
        open_channels(Settings(apprise={name: "json://chat.example.org/"}))


@pytest.mark.parametrize("name", ["", "two words", f"json://{TOKEN}", "x" * 41, "a\n"])
def test_a_name_is_one_short_word(name):
    with pytest.raises(SettingsFaulty, match="PATHWAY_APPRISE: a channel's name is one short word") as raised:
        open_channels(Settings(apprise={name: "json://chat.example.org/"}))
    assert TOKEN not in str(raised.value)


@pytest.mark.parametrize("setting", ["detail_channels", "urgent_only"])
def test_what_is_said_of_a_channel_that_is_not_set_up_is_refused(setting):
    with pytest.raises(SettingsFaulty, match=f"PATHWAY_{setting.upper()}: no channel 'wadr' is set up; there is ward"):
        open_channels(Settings(apprise={"ward": "json://chat.example.org/"}, **{setting: ("wadr",)}))


# ---------------------------------------------------------------- what no channel lets out

# Mail goes to a colleague's own box and the log file stays in the house: both carry the body by nature.
CARRY_THE_BODY = {"Smtp", "LogFile"}
IN_THE_OPEN = {
    "webhook": lambda place: Webhook(f"http://{place}/", SECRET),
    "room": lambda place: AppriseUrl("ward", f"json://{place}/room"),
    "gotify": lambda place: AppriseUrl("ward", f"gotify://{place}/{TOKEN}"),
    "ntfy": lambda place: AppriseUrl("ward", f"ntfy://{place}/room"),
    "telephone": lambda place: AppriseUrl("sms", f"signal://{place}/+15005550001/{{phone}}"),
    "address": lambda place: AppriseUrl("desk", f"json://{place}/{{email}}"),
}
RECIPIENTS = {"room": "ward", "phone": "+447700900123", "email": "cora@example.org"}


TO_URLSAFE = bytes.maketrans(b"+/", b"-_")


def let_out(raw: bytes) -> list[str]:
    """What of the patient can be read in these bytes, as they are or out of base64."""
    runs = re.findall(rb"[A-Za-z0-9+/_-]{8,}", raw)
    hidden = [base64.urlsafe_b64decode(run[: len(run) // 4 * 4].translate(TO_URLSAFE)) for run in runs]
    return [word for word in (*PERSON, "P1-1", "K-DXA:1") if any(word.encode() in part for part in (raw, *hidden))]


def test_every_channel_of_the_package_is_looked_at():
    modules = [import_module(f"{channels.__name__}.{found.name}") for found in iter_modules(channels.__path__)]
    classes = {
        name
        for module in modules
        for name, found in vars(module).items()
        if getattr(found, "__module__", "") == module.__name__ and hasattr(found, "send")
    }
    looked_at = {type(make("127.0.0.1:9")).__name__ for make in IN_THE_OPEN.values()}
    assert classes == looked_at | CARRY_THE_BODY
    assert not [name for name in classes if f"`{name}`" not in DOCUMENT]


@pytest.mark.parametrize("kind", IN_THE_OPEN)
def test_in_the_open_nothing_of_the_patient_is_on_the_wire(door, kind):
    channel = IN_THE_OPEN[kind](door.place)
    channel.send(MESSAGE, RECIPIENTS[channel.reach])
    ((head, body),) = door.heard
    assert b"Something waits for you" in body
    assert let_out(head + body) == []
    assert b"github" not in head + body


@pytest.mark.parametrize("kind", IN_THE_OPEN)
def test_the_look_at_the_wire_would_find_it(door, kind):
    channel = replace(IN_THE_OPEN[kind](door.place), detail=True)
    channel.send(MESSAGE, RECIPIENTS[channel.reach])
    ((head, body),) = door.heard
    assert let_out(head + body) == list(PERSON)
    assert let_out(base64.b64encode(b"x" * 30 + MESSAGE.body.encode())) == list(PERSON)


class Copyist(Post):
    """Keeps a letter as it came."""

    async def handle_DATA(self, server, session, envelope) -> str:
        self.letters.append(envelope.content)
        return "250 OK"


def test_the_head_of_a_letter_holds_nothing_of_the_patient(monkeypatch):
    monkeypatch.setattr("tests.scheduler.ward.Post", Copyist)
    with mail_server() as (post, port):
        Smtp("127.0.0.1", port).send(MESSAGE, "cora@example.org")
    (raw,) = post.letters
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"X-Pathway-Reference: " + MESSAGE.reference.encode() in head
    assert (let_out(head), b"K-DXA" in raw, PERSON[1].encode() in body) == ([], False, True)


# ---------------------------------------------------------------- the documentation


def examples(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, flags=re.DOTALL)


@pytest.mark.parametrize("example", examples("sh"), ids=lambda text: text.split("=")[0].removeprefix("export "))
def test_the_settings_in_the_documentation_open_channels(example, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for word in shlex.split(example, comments=True):
        if "=" in word:
            monkeypatch.setenv(*word.split("=", 1))
    assert open_channels(read_settings())


def test_the_receiver_in_the_documentation_agrees_with_the_sender(hook, door):
    (source,) = examples("python")
    receiver: dict = {}
    exec(source, receiver)  # the example is ours, and run so that it cannot rot
    hook.send(MESSAGE, "ward")
    ((head, body),) = door.heard
    headers = heads(head)
    assert receiver["genuine"](SECRET, headers, body, LATE.timestamp())
    assert not receiver["genuine"](SECRET, headers, body + b" ", LATE.timestamp())
    assert not receiver["genuine"](SECRET, headers, body, LATE.timestamp() + 301)
    assert not receiver["genuine"]("another", headers, body, LATE.timestamp())
