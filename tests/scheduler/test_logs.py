"""Log lines: for people or for machines, and no patient in any of them, whatever goes wrong."""

import ast
import io
import json
import logging
import re
import socket
import sys
import threading
import warnings
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from pathway.errors import ClockWentBack, StoreError
from persistence import models
from persistence.store import table
from scheduler.channels import ChannelDown, ChannelError
from scheduler.channels.smtp import Smtp
from scheduler.chores import Rhythm
from scheduler.clock import utcnow
from scheduler.heartbeat import Heartbeat
from scheduler.logs import FIELDS, LEFT_OUT, OURS, WITHHELD, set_up_logs
from tests.scheduler.test_settling import break_profile
from tests.scheduler.ward import LATE, ZONE, Pigeon, change, enrol, red_flag, rows, staff

ROOT = Path(__file__).resolve().parents[2]
RHYTHM = Rhythm(settle_seconds=3600, deliver_seconds=3600, zone=ZONE)
PATIENTS = ("9434765919", "HOSP-77123", "ALPHA1")
LEVELS = ("debug", "info", "warning", "error", "critical", "exception")
log = logging.getLogger("scheduler.trial")


class Lines(io.StringIO):
    """What the process would have written to standard error."""

    def json(self) -> list[dict]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def put_back():
    """Logging as it was: it belongs to the whole process."""
    root, names = logging.getLogger(), [None, *OURS]
    handlers, levels = root.handlers[:], [logging.getLogger(name).level for name in names]
    hooks, loud = (sys.excepthook, threading.excepthook), logging.raiseExceptions
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    for name, level in zip(names, levels, strict=True):
        logging.getLogger(name).setLevel(level)
    (sys.excepthook, threading.excepthook), logging.raiseExceptions = hooks, loud


@pytest.fixture(params=["json", "text"])
def lines(request, put_back):
    """The lines of a process in that format."""
    found = Lines()
    set_up_logs(request.param, found)
    return found


@pytest.fixture
def as_json(put_back):
    found = Lines()
    set_up_logs("json", found)
    return found


# A ward in which everything goes wrong


class Chatty(Pigeon):
    """Other people's code: it raises with the whole message in its words."""

    def send(self, message, recipient):
        raise RuntimeError(f"cannot send {message.key} to {recipient}: {message.body}")


class Refusing(Pigeon):
    def send(self, message, recipient):
        raise ChannelError(f"550 {recipient}: nobody of that name for {message.body}", permanent=True)


class Dead(Pigeon):
    def send(self, message, recipient):
        raise ChannelDown(f"451 mailbox of {recipient}, {message.key}")


class Broken(Heartbeat):
    """Its nightly work stumbles over a patient, outside of every rule that would catch it."""

    def nightly_beat(self):
        (row, *_) = rows(self.store, models.Patient)
        raise KeyError(f"{row.surname}, {row.given}, {row.id}")


@pytest.fixture
def ward(store):
    staff(store)
    for patient in PATIENTS:
        enrol(store, patient)
    red_flag(store, PATIENTS[1], LATE)
    break_profile(store, f"{PATIENTS[0]}-1", f"profile of Secret {PATIENTS[0]}")
    return store


def secrets(store) -> set[str]:
    """Everything in the database that could tell whom it is about."""
    people, users = rows(store, models.Patient), rows(store, models.User)
    names = {word for row in people for word in (row.id, row.surname, row.given)}
    return (
        names
        | {row.id for row in rows(store, models.Episode)}
        | {row.key for row in rows(store, models.Reminder)}
        | {row.email for row in users}
        | {row.name for row in users}
        | {"1950-06-01", "Name of", "cannot send", "nobody of that name", "mailbox"}
    )


def leaks(store, lines) -> list[tuple[str, str]]:
    return [(secret, line) for line in lines.getvalue().splitlines() for secret in secrets(store) if secret in line]


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def channels(port: int):
    return [Chatty("chatty"), Refusing("refusing"), Dead("dead"), Smtp("127.0.0.1", port, timeout=5)]


def test_no_line_names_anybody_whatever_goes_wrong(ward, lines, post):
    for address in ("cora@example.org", "clive@example.org"):
        post.answers[address] = f"550 {address} Secret is unknown"
    clock = [LATE]
    for port in (closed_port(), post.port):
        heart = Heartbeat(ward, channels(port), RHYTHM, lambda: clock[0])
        for beat in (heart.settle_beat, heart.deliver_beat, heart.digest_beat, heart.nightly_beat):
            # What comes out of a beat is logged by the scheduler around it: see the next test.
            with suppress(RuntimeError):
                beat()
        clock[0] += timedelta(hours=20)
    change(ward, update(table(models.Episode)).values(failed_because="Secret"))
    clock[0] = LATE - timedelta(days=1)
    heart.settle_beat()
    assert len(lines.getvalue().splitlines()) >= 6
    assert leaks(ward, lines) == []


def test_a_job_that_stumbles_over_a_patient_is_logged_without_the_patient(ward, lines):
    heart = Broken(ward, [Pigeon()], RHYTHM)
    heart.start()
    try:
        until = utcnow() + timedelta(seconds=20)
        while "raised an exception" not in lines.getvalue():
            assert utcnow() < until, lines.getvalue()
    finally:
        heart.stop()
    assert "KeyError" in lines.getvalue()
    assert "tests.scheduler.test_logs:" in lines.getvalue()
    assert leaks(ward, lines) == []


def test_a_database_that_refuses_a_row_is_logged_without_the_row(ward, lines):
    (row, *_) = rows(ward, models.Patient)
    try:
        change(ward, insert(table(models.Patient)).values(**row._asdict()))
    except Exception:
        # Whatever the driver's error is: all of its words hold the row.
        log.exception("a patient cannot be added: %s", sys.exception())
    assert "IntegrityError <- " in lines.getvalue()
    assert leaks(ward, lines) == []


# What a line says


def test_a_line_for_machines_is_one_json_object_with_its_time_in_utc(as_json):
    log.info("%d of %d after %.1f s at %s", 3, 4, 1.5, LATE, extra={"channel": "smtp"})
    (line,) = as_json.json()
    stamp = datetime.fromisoformat(line.pop("timestamp"))
    assert abs(utcnow() - stamp) < timedelta(minutes=1)
    assert stamp.tzinfo == UTC
    assert line == {
        "event": "3 of 4 after 1.5 s at 2026-02-18 08:00:00+00:00",
        "level": "info",
        "logger": "scheduler.trial",
        "channel": "smtp",
    }


def test_a_line_for_people_is_one_line(put_back):
    lines = Lines()
    set_up_logs("text", lines)
    log.warning("a message cannot be written", extra={"channel": "smtp"})
    stamp, rest = lines.getvalue().split(" ", 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", stamp)
    assert " ".join(rest.split()) == "[warning ] a message cannot be written [scheduler.trial] channel=smtp"
    assert lines.getvalue().count("\n") == 1


def test_a_text_in_a_message_is_left_out(as_json):
    log.info("%s of %s: %r", "P1", ["P1"], b"P1")
    log.info("%(a)s and %(b)d", {"a": "P1", "b": 2})
    log.info("%s of %d, born %s", Path("P1"), 3, LATE.date())
    events = [line["event"] for line in as_json.json()]
    assert events == [
        f"{LEFT_OUT} of {LEFT_OUT}: '{LEFT_OUT}'",
        f"{LEFT_OUT} and 2",
        f"{LEFT_OUT} of 3, born {LEFT_OUT}",
    ]


def test_a_message_that_does_not_fit_its_values_is_written_without_them(as_json, capsys):
    for template, value in (("%d patients", "P1"), ("%s and %s", 1), ("%(name)s", {"patient": "P1"})):
        log.info(template, value)
    assert [line["event"] for line in as_json.json()] == ["%d patients", "%s and %s", "%(name)s"]
    assert capsys.readouterr() == ("", "")


def test_a_field_that_is_not_known_to_be_safe_is_left_out(as_json):
    log.info("sent", extra={"patient": "P1", "key": "P1-1", "job": "settle"})
    (line,) = as_json.json()
    assert line.keys() == {"event", "level", "logger", "timestamp", "job"}


def test_an_exception_is_its_types_and_the_places_in_the_code(as_json):
    try:
        try:
            int("Secret")
        except ValueError as error:
            raise StoreError("Secret") from error
    except StoreError:
        log.exception("%s could not be written", "P1", stack_info=True)
    (line,) = as_json.json()
    assert line.keys() == {"event", "level", "logger", "timestamp", "error", "trace"}
    assert line["event"] == f"{LEFT_OUT} could not be written"
    assert line["error"] == "StoreError: The store could not do what was asked. <- ValueError"
    name = "test_an_exception_is_its_types_and_the_places_in_the_code"
    assert [re.sub(r":\d+ ", ": ", place) for place in line["trace"]] == [f"tests.scheduler.test_logs: {name}"] * 2
    assert "Secret" not in as_json.getvalue()


def test_an_error_of_ours_in_a_message_is_its_sentence_without_details(as_json):
    log.error("%s", ClockWentBack("Secret"))
    (line,) = as_json.json()
    sentence = "The machine's clock is behind the last recorded work, so nothing was done; set the clock right."
    assert line["event"] == f"ClockWentBack: {sentence}"


def test_what_a_library_says_is_left_out_but_for_those_that_speak_of_jobs(as_json):
    logging.getLogger("urllib3.connectionpool").warning("cannot reach +4917012345 for Secret")
    logging.getLogger("apscheduler.executors.default").error('Job "%s" raised an exception', "settle_beat")
    try:
        raise RuntimeError("Secret\nP1")
    except RuntimeError as error:
        logging.getLogger("procrastinate.worker").exception(f"Main coroutine error: {error!r}")
    assert [line["event"] for line in as_json.json()] == [WITHHELD, 'Job "settle_beat" raised an exception', WITHHELD]
    assert {line["place"].partition(":")[0] for line in as_json.json()} == {"test_logs"}


def test_what_libraries_say_of_their_ordinary_work_is_no_line(as_json):
    logging.getLogger("apscheduler.executors.default").info('Running job "%s"', "settle_beat")
    logging.getLogger("sqlalchemy.engine").info("INSERT INTO patient")
    log.debug("looking")
    assert as_json.getvalue() == ""


def test_what_nobody_caught_in_a_thread_is_a_line_without_its_words(as_json, capsys):
    def stumble():
        raise ValueError("Secret")

    thread = threading.Thread(target=stumble)
    thread.start()
    thread.join()
    (line,) = as_json.json()
    assert (line["level"], line["error"]) == ("critical", "ValueError")
    assert "Secret" not in as_json.getvalue() + capsys.readouterr().err


def test_what_nobody_caught_at_all_is_a_line_without_its_words(as_json):
    sys.excepthook(ValueError, ValueError("Secret"), None)
    (line,) = as_json.json()
    assert (line["event"], line["error"], line["trace"]) == ("nobody caught this", "ValueError", [])


def test_a_warning_is_a_line_without_its_words(as_json):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("Secret", stacklevel=1)
    (line,) = as_json.json()
    assert (line["level"], line["event"]) == ("warning", WITHHELD)


def test_setting_up_twice_writes_each_line_once(put_back):
    first, second = Lines(), Lines()
    set_up_logs("json", first)
    set_up_logs("json", second)
    log.info("once")
    assert (first.getvalue(), len(second.json())) == ("", 1)


# Our own calls


def log_calls():
    for file in sorted(ROOT.glob("*/**/*.py")):
        if file.relative_to(ROOT).parts[0] in OURS:
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in {f"log.{level}" for level in LEVELS}:
                    yield f"{file.relative_to(ROOT)}:{node.lineno}", node


def test_every_line_of_ours_is_a_sentence_in_the_source_with_known_fields():
    """A message put together before it is logged could not be cleaned; a field that is not known would be lost."""
    found = list(log_calls())
    assert len(found) > 5
    for place, call in found:
        names = {value.id for value in ast.walk(call.args[0]) if isinstance(value, ast.Name)}
        assert not names or not isinstance(call.args[0], ast.JoinedStr | ast.BinOp | ast.Call), place
        for extra in (keyword.value for keyword in call.keywords if keyword.arg == "extra"):
            assert {ast.literal_eval(key) for key in extra.keys} <= set(FIELDS), place
