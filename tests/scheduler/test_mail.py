"""Mail over a real SMTP server: what it says, what it must not say, and what the server's answers mean."""

import base64
import smtplib
import socket
import ssl
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from sqlalchemy import insert

from persistence import models
from persistence.store import table
from scheduler.channels import Channel, ChannelDown, ChannelError, Message
from scheduler.channels.smtp import Smtp
from scheduler.outbox import deliver
from scheduler.settle import settle_all
from tests.scheduler.ward import LATE, Post, days, enrol, red_flag, reference, rows, staff

OUTBOX = table(models.Reminder)
MESSAGE = Message("P1-1:K-DXA:1:due:2026-02-02", "[pathway] due: Obtain bone densitometry", "Body\n", LATE)
TO = "clive@example.org"


@pytest.fixture
def smtp(post):
    return Smtp("127.0.0.1", post.port, sender="pathway@hospital.example")


@pytest.fixture
def due(store):
    staff(store)
    enrol(store)
    settle_all(store, LATE)
    return store


def letters(store, post, key):
    return [letter for letter in post.letters if letter["X-Pathway-Reference"] == reference(store, key)]


def plain(letter):
    return letter.get_body(("plain",)).get_content()


@contextmanager
def controlled(post: Post, **setting) -> Iterator[int]:
    """A mail server set up otherwise than the usual one; its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(post, hostname="127.0.0.1", port=port, **setting)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


def test_each_reminder_arrives_once_under_its_reference(due, smtp, post):
    deliver(due, [smtp], LATE, limit=500)
    deliver(due, [smtp], LATE + days(1), limit=500)
    assert sorted(letter["X-Pathway-Reference"] for letter in post.letters) == sorted(
        reference(due, row.key) for row in rows(due, models.Reminder)
    )


def test_no_header_names_the_patient(due, smtp, post):
    deliver(due, [smtp], LATE, limit=500)
    headers = [str(value) for letter in post.letters for value in letter.values()]
    assert headers
    assert not [value for value in headers if "P1" in value or "Secret" in value]


def test_a_letter_has_its_html_beside_the_plain_text(smtp, post):
    smtp.send(Message("P1-1:K", "s", "Lücke\n", LATE, html="<p>L&uuml;cke <b>ö</b></p>"), TO)
    smtp.send(Message("P1-1:L", "s", "Lücke\n", LATE), TO)
    both, alone = post.letters
    assert [part.get_content_type() for part in both.iter_parts()] == ["text/plain", "text/html"]
    assert both.get_body(("html",)).get_content().strip() == "<p>L&uuml;cke <b>ö</b></p>"
    assert plain(both) == plain(alone) == "Lücke\r\n"
    assert alone.get_content_type() == "text/plain"


def test_the_same_message_to_the_same_person_has_the_same_id(smtp, post):
    for _ in range(2):
        smtp.send(MESSAGE, TO)
    smtp.send(MESSAGE, "cora@example.org")
    first, second, other = post.ids()
    assert first == second != other
    assert first.endswith("@hospital.example>")


def test_a_subject_names_neither_a_person_nor_a_finding(due, smtp, post):
    red_flag(due, "P1", LATE)
    settle_all(due, LATE + days(1))
    deliver(due, [smtp], LATE + days(1), limit=500)
    subjects = {letter["Subject"] for letter in post.letters}
    assert "[pathway] alert: please open the pathway" in subjects
    assert any(subject.startswith("[pathway] escalation: ") for subject in subjects)
    for subject in subjects:
        assert not [word for word in ("P1", "Secret", "1950", "deficit", "Neuro") if word in subject]


def test_an_overdue_reminder_says_what_since_when_and_why(due, smtp, post):
    deliver(due, [smtp], LATE, limit=500)
    (letter,) = letters(due, post, "P1-1:K-REASSESS:1:overdue:2026-02-18")
    text = plain(letter)
    assert letter["Subject"] == "[pathway] overdue: work for the clinician"
    for said in ("Patient P1, episode P1-1: Reassessment", "Due 03-Feb-2026", "Overdue since 18-Feb-2026"):
        assert said in text
    source = due.engine.guideline.sources["S1-22"]
    assert f"S1-22: {source.says}"[:60] in text
    assert "Secret" not in text
    assert "Reassess the patient [E]" not in text


def test_an_engineering_choice_is_marked_as_one(due, smtp, post):
    deliver(due, [smtp], LATE, limit=500)
    (letter,) = letters(due, post, "P1-1:K-DXA:1:overdue:2026-02-17")
    assert "Obtain bone densitometry [E]" in plain(letter)
    assert "awaits clinical sign-off" in plain(letter)


def test_a_red_flag_says_that_the_program_calls_nobody(due, smtp, post):
    red_flag(due, "P1", LATE)
    deliver(due, [smtp], LATE, limit=500)
    (alert,) = rows(due, models.Reminder, OUTBOX.c.code == "RED_FLAG")
    (letter,) = letters(due, post, alert.key)
    assert "This program does not call anyone" in plain(letter)
    assert "Finding: Neurological deficit" in plain(letter)


@pytest.mark.parametrize("code", ["NEW_CODE", "LATE_RED_FLAG", "REFERRALS_CANCELLED", "CI-STRONTIUM"])
def test_every_alert_and_notice_can_be_written(due, smtp, post, code):
    now = {"key": f"P1-1:{code}", "kind": "notice", "code": code, "due_at": LATE}
    row = {**rows(due, models.Reminder)[0]._mapping, **now}
    with due.database.writing() as connection:
        connection.execute(
            insert(OUTBOX).values(
                **row,
            )
        )
    deliver(due, [smtp], LATE, limit=500)
    assert len(letters(due, post, f"P1-1:{code}")) == 1


def test_a_passing_answer_of_the_server_lets_the_reminder_wait(due, smtp, post):
    post.answers[TO] = "451 greylisted"
    deliver(due, [smtp], LATE, limit=500)
    (row,) = rows(due, models.Reminder, OUTBOX.c.code == "K-REASSESS")
    assert (row.outcome, row.because) == ("waiting", "451 greylisted")
    post.answers.clear()
    deliver(due, [smtp], LATE + days(1), limit=500)
    assert len(letters(due, post, row.key)) == 1


def test_a_permanent_answer_of_the_server_is_final(due, smtp, post):
    post.answers[TO] = "550 no such mailbox"
    deliver(due, [smtp], LATE, limit=500)
    (row,) = rows(due, models.Reminder, OUTBOX.c.code == "K-REASSESS")
    assert (row.outcome, "550 no such mailbox" in row.because) == ("failed", True)


@pytest.mark.parametrize(("answer", "permanent"), [("554 spam", True), ("452 disk full", False)])
def test_an_answer_to_the_letter_itself_is_permanent_or_passing_by_its_number(smtp, post, answer, permanent):
    post.data_answer = answer
    with pytest.raises(ChannelError) as raised:
        smtp.send(MESSAGE, TO)
    assert (raised.value.permanent, raised.value.because) == (permanent, answer)


@pytest.mark.parametrize("answer", ["421 closing for repairs", "530 sign in first"])
def test_what_is_said_of_the_server_or_the_account_concerns_every_letter(smtp, post, answer):
    post.answers[TO] = answer
    with pytest.raises(ChannelDown) as raised:
        smtp.send(MESSAGE, TO)
    assert raised.value.because == f"127.0.0.1:{post.port}: {answer}"


def test_a_letter_that_is_too_large_is_at_fault_itself(smtp, post):
    with pytest.raises(ChannelError) as raised:
        smtp.send(Message("P1-1:K", "s", "x" * 40_000_000, LATE), TO)
    assert (type(raised.value), raised.value.permanent, raised.value.because[:3]) == (ChannelError, True, "552")


def test_an_address_that_the_server_cannot_take_is_at_fault_itself():
    post = Post()
    with controlled(post, enable_SMTPUTF8=False) as port, pytest.raises(ChannelError) as raised:
        Smtp("127.0.0.1", port).send(MESSAGE, "jörg@example.org")
    assert (type(raised.value), raised.value.permanent, post.letters) == (ChannelError, True, [])


def test_a_letter_is_not_sent_again_because_the_server_does_not_say_goodbye(smtp, post, monkeypatch):
    async def refuse(*_):
        return "451 stay a while"

    monkeypatch.setattr(post, "handle_QUIT", refuse, raising=False)
    assert smtp.send(MESSAGE, TO) is False
    assert len(post.letters) == 1


def test_no_letter_is_at_fault_when_the_server_is_gone():
    with pytest.raises(ChannelDown):
        Smtp("127.0.0.1", 9, timeout=2).send(MESSAGE, TO)


@pytest.mark.parametrize("setting", [{"security": "starttls"}, {"security": "tls"}, {"user": "u", "password": "p"}])
def test_no_letter_is_at_fault_when_the_server_cannot_do_what_is_set(post, setting):
    smtp = Smtp("127.0.0.1", post.port, timeout=2, **setting)
    with pytest.raises(ChannelDown) as raised:
        smtp.send(MESSAGE, TO)
    assert isinstance(raised.value.__cause__, ssl.SSLError | smtplib.SMTPNotSupportedError)
    assert not post.letters


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_a_server_that_never_answers_is_waited_for_only_so_long(security):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        smtp = Smtp("127.0.0.1", silent.getsockname()[1], security=security, timeout=0.3)
        began = time.monotonic()
        with pytest.raises(ChannelDown, match="timed out"):
            smtp.send(MESSAGE, TO)
        assert time.monotonic() - began < 3


@pytest.mark.parametrize("spoilt", ["subject", "recipient"])
def test_a_line_break_cannot_smuggle_a_header_in(smtp, post, spoilt):
    smuggled = "x@example.org\nBcc: y@example.org"
    subject, recipient = (smuggled, TO) if spoilt == "subject" else ("s", smuggled)
    with pytest.raises(ChannelError) as raised:
        smtp.send(Message("P1-1:K", subject, "b", LATE), recipient)
    assert (raised.value.permanent, post.letters) == (True, [])


# ---------------------------------------------------------------- TLS and signing in

USER, PASSWORD = "pathway", "open-sesame-4711"


class Doorman(Post):
    """A mail server with one account, without which it takes nothing. It notes whether its letters came over TLS."""

    def __init__(self) -> None:
        super().__init__()
        self.over_tls: list[bool] = []

    async def handle_DATA(self, server, session, envelope) -> str:
        if not session.authenticated:
            return "530 sign in first"
        self.over_tls.append(server.transport.get_extra_info("ssl_object") is not None)
        return await super().handle_DATA(server, session, envelope)


class Parrot(Doorman):
    """Repeats the line with which somebody signed in, as some servers do."""

    async def handle_AUTH(self, server, session, envelope, args) -> str:
        return f"535 who is {' '.join(args)} {PASSWORD}?"


def known(server, session, envelope, mechanism, given) -> AuthResult:
    right = LoginPassword(USER.encode(), PASSWORD.encode())
    return AuthResult(success=given == right, handled=False)


@contextmanager
def guarded(post: Post, certificate: trustme.LeafCert, security: str) -> Iterator[Smtp]:
    """A real server of that kind, and the mail that signs in to it."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    tls = {"starttls": {"tls_context": context, "require_starttls": True}, "tls": {"ssl_context": context}}
    account = {"authenticator": known, "auth_require_tls": security == "starttls"}
    with controlled(post, **tls.get(security, {}), **account) as port:
        yield Smtp("127.0.0.1", port, security=security, user=USER, password=PASSWORD, timeout=5)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A hospital's own certificate authority."""
    return trustme.CA()


@pytest.fixture
def trusted(authority, tmp_path, monkeypatch):
    """The machine trusts it the way every program on it does, by SSL_CERT_FILE."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return authority


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_a_letter_goes_through_tls_and_a_sign_in(trusted, security):
    post = Doorman()
    with guarded(post, trusted.issue_cert("127.0.0.1"), security) as smtp:
        smtp.send(MESSAGE, TO)
    assert (len(post.letters), post.over_tls) == (1, [security != "none"])


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_of_an_unknown_authority_is_not_trusted(authority, security):
    post = Doorman()
    untrusted = pytest.raises(ChannelDown, match="its certificate is not trusted: .*issuer")
    with guarded(post, authority.issue_cert("127.0.0.1"), security) as smtp, untrusted:
        smtp.send(MESSAGE, TO)
    assert post.letters == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize(
    ("name", "until", "said"),
    [("127.0.0.1", datetime(2020, 1, 1, tzinfo=UTC), "expired"), ("mail.example.org", None, "not valid for")],
)
def test_a_certificate_that_is_expired_or_of_another_host_is_not_trusted(trusted, security, name, until, said):
    post = Doorman()
    certificate = trusted.issue_cert(name, not_after=until, not_before=until and datetime(2019, 1, 1, tzinfo=UTC))
    untrusted = pytest.raises(ChannelDown, match=f"its certificate is not trusted: .*{said}")
    with guarded(post, certificate, security) as smtp, untrusted:
        smtp.send(MESSAGE, TO)
    assert post.letters == []


@pytest.mark.parametrize("post", [Doorman(), Parrot()], ids=["silent", "repeating"])
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_wrong_password_is_said_and_never_shown(trusted, security, post):
    wrong = PASSWORD + "-mistyped"
    with guarded(post, trusted.issue_cert("127.0.0.1"), security) as smtp, pytest.raises(ChannelDown) as raised:
        replace(smtp, password=wrong).send(MESSAGE, TO)
    assert raised.value.because.endswith("it does not accept the user name and the password (535)")
    shown = "".join(traceback.format_exception(raised.value))
    hidden = [wrong, PASSWORD, base64.b64encode(f"\0{USER}\0{wrong}".encode()).decode()]
    assert not [secret for secret in hidden if secret in shown]


def test_a_password_that_cannot_be_sent_is_said_and_never_shown(trusted):
    certificate, beyond = trusted.issue_cert("127.0.0.1"), "Größe-4711"
    with guarded(Doorman(), certificate, "tls") as smtp, pytest.raises(ChannelDown, match="beyond ASCII") as raised:
        replace(smtp, password=beyond).send(MESSAGE, TO)
    assert "4711" not in "".join(traceback.format_exception(raised.value))


def test_the_password_is_not_shown():
    assert "hush" not in repr(Smtp("h", user="u", password="hush"))


def test_mail_is_a_channel(smtp):
    channel: Channel = smtp
    assert channel.name == "smtp"
