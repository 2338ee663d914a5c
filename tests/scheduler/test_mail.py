"""Mail over a real SMTP server: what it says, what it must not say, and what the server's answers mean."""

import ssl

import pytest
from sqlalchemy import insert

from persistence import models
from persistence.store import table
from scheduler.channels import Channel, ChannelDown, ChannelError, Message
from scheduler.channels.smtp import Smtp
from scheduler.outbox import deliver
from scheduler.settle import settle_all
from tests.scheduler.ward import LATE, days, enrol, red_flag, rows, staff

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


def letters(post, key):
    return [letter for letter in post.letters if letter["X-Pathway-Key"] == key]


def test_each_reminder_arrives_once_with_its_key(due, smtp, post):
    deliver(due, [smtp], LATE, limit=500)
    deliver(due, [smtp], LATE + days(1), limit=500)
    assert sorted(letter["X-Pathway-Key"] for letter in post.letters) == sorted(
        row.key for row in rows(due, models.Reminder)
    )


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
    (letter,) = letters(post, "P1-1:K-REASSESS:1:overdue:2026-02-18")
    text = letter.get_content()
    assert letter["Subject"] == "[pathway] overdue: Reassess the patient"
    for said in ("Patient P1, episode P1-1: Reassessment", "Due 03-Feb-2026", "Overdue since 18-Feb-2026"):
        assert said in text
    source = due.engine.guideline.sources["S1-22"]
    assert f"S1-22: {source.says}"[:60] in text
    assert "Secret" not in text
    assert "Reassess the patient [E]" not in text


def test_an_engineering_choice_is_marked_as_one(due, smtp, post):
    deliver(due, [smtp], LATE, limit=500)
    (letter,) = letters(post, "P1-1:K-DXA:1:overdue:2026-02-17")
    assert "Obtain bone densitometry [E]" in letter.get_content()
    assert "awaits clinical sign-off" in letter.get_content()


def test_a_red_flag_says_that_the_program_calls_nobody(due, smtp, post):
    red_flag(due, "P1", LATE)
    deliver(due, [smtp], LATE, limit=500)
    (alert,) = rows(due, models.Reminder, OUTBOX.c.code == "RED_FLAG")
    (letter,) = letters(post, alert.key)
    assert "This program does not call anyone" in letter.get_content()
    assert "Finding: Neurological deficit" in letter.get_content()


@pytest.mark.parametrize("code", ["NEW_CODE", "LATE_RED_FLAG", "REFERRALS_CANCELLED", "CI-STRONTIUM"])
def test_every_alert_and_notice_can_be_written(due, smtp, post, code):
    row = {**rows(due, models.Reminder)[0]._mapping, "key": f"P1-1:{code}", "kind": "notice", "code": code}
    with due.database.writing() as connection:
        connection.execute(
            insert(OUTBOX).values(
                **row,
            )
        )
    deliver(due, [smtp], LATE, limit=500)
    assert len(letters(post, f"P1-1:{code}")) == 1


def test_a_passing_answer_of_the_server_lets_the_reminder_wait(due, smtp, post):
    post.answers[TO] = "451 greylisted"
    deliver(due, [smtp], LATE, limit=500)
    (row,) = rows(due, models.Reminder, OUTBOX.c.code == "K-REASSESS")
    assert (row.outcome, row.because) == ("waiting", "451 greylisted")
    post.answers.clear()
    deliver(due, [smtp], LATE + days(1), limit=500)
    assert len(letters(post, row.key)) == 1


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


def test_no_letter_is_at_fault_when_the_server_is_gone():
    with pytest.raises(ChannelDown):
        Smtp("127.0.0.1", 9, timeout=2).send(MESSAGE, TO)


@pytest.mark.parametrize("setting", [{"security": "starttls"}, {"security": "tls"}, {"user": "u", "password": "p"}])
def test_no_letter_is_at_fault_when_the_server_cannot_do_what_is_set(post, setting):
    smtp = Smtp("127.0.0.1", post.port, timeout=2, **setting)
    with pytest.raises(ChannelDown) as raised:
        smtp.send(MESSAGE, TO)
    assert isinstance(raised.value.__cause__, ssl.SSLError | OSError)
    assert not post.letters


def test_a_key_with_a_line_break_cannot_smuggle_a_header_in(smtp, post):
    with pytest.raises(ChannelError) as raised:
        smtp.send(Message("P1\nBcc: x@example.org", "s", "b", LATE), TO)
    assert (raised.value.permanent, post.letters) == (True, [])


def test_the_password_is_not_shown():
    assert "hush" not in repr(Smtp("h", user="u", password="hush"))


def test_mail_is_a_channel(smtp):
    channel: Channel = smtp
    assert channel.name == "smtp"
