"""Is the machinery well? Each trouble is one sentence with a code, for people, over HTTP and in the metrics."""

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert, text, update
from typer.testing import CliRunner

from coordinator.cli import app
from persistence import models
from persistence.store import table
from scheduler import jobs
from scheduler.breaker import trip
from scheduler.clock import utcnow
from scheduler.health import LEVEL_OF, Health, for_staff, health
from scheduler.health_door import HealthAddressFaulty, health_door
from scheduler.job_runs import note_beat
from scheduler.metrics import exposition
from tests import postgres
from tests.scheduler.test_settling import break_profile
from tests.scheduler.ward import ZONE, Pigeon, change, enrol, open_store, rows, staff

ROOT = Path(__file__).resolve().parents[2]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
OUTBOX, EPISODES = table(models.Reminder), table(models.Episode)
SECONDS, MINUTES, HOURS = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
SECRETS = ("P1", "Secret", "clive@example.org", "P1-1", "K-REASSESS:1")


@pytest.fixture
def now() -> datetime:
    """The machine's own: a database server is asked for the time as well."""
    return utcnow()


@pytest.fixture
def ward(store, now):
    """A house in order: all that was due is done and told, and counted and verified a moment ago."""
    staff(store)
    enrol(store)
    jobs.run_settle(store, now)
    jobs.run_deliver(store, [Pigeon()], now, limit=1000)
    jobs.run_census(store, now, zone=ZONE)
    jobs.run_verify(store, now)
    return store


@pytest.fixture
def small(file):
    """For what concerns the door and no database: a store on SQLite, in which nothing happened yet."""
    opened = open_store(f"sqlite:///{file}")
    yield opened
    opened.database.close()


def codes(found: Health) -> list[str]:
    return [problem.code for problem in found.findings]


def told(store, now, code, **expected) -> str:
    """The one problem that there is, as its sentence."""
    found = health(store, now, **expected)
    assert codes(found) == [code]
    assert found.level == LEVEL_OF[code]
    return found.problems[0]


def message(store, key="late", **values):
    """A message of the house itself, waiting unless `values` say otherwise."""
    row = {"key": key, "kind": "alert", "code": "CENSUS", "role": "coordinator", "detail": "{}", "outcome": "waiting"}
    change(store, insert(OUTBOX).values({**row, "because": "", "attempts": 1, **values}))


# A house in order


def test_a_house_in_order_is_ok(ward, now):
    found = health(ward, now)
    assert (found.level, found.ok, found.problems) == ("ok", True, [])
    assert found.line().startswith("ok: settled 0 s ago; 0 due; 0 set aside; 0 waiting; in 24 hours ")
    ended = Counter(row.outcome for row in rows(ward, models.Reminder))
    assert {outcome: count for outcome, count in found.figures.outcomes.items() if count} == ended
    assert ended["sent"] > 0


def test_the_figures_say_what_the_last_hour_did(store, now):
    for ago in (0, 59, 61):
        note_beat(store, "settle", now - ago * MINUTES, {"fired": 10 + ago, "seconds": 0.5, "episodes": 3})
    note_beat(store, "deliver", now, {"line": "2 sent", "seconds": 1.25})
    settle, deliver = health(store, now).figures.work
    assert (settle.job, settle.runs, settle.fired, settle.seconds) == ("settle", 2, 79, 1.0)
    assert (deliver.job, deliver.runs, deliver.fired, deliver.seconds) == ("deliver", 1, 0, 1.25)


# Clocks


def test_a_machine_whose_clock_differs_from_the_servers_is_told_both_times(ward, now, kind):
    if kind == "sqlite":
        assert health(ward, now).figures.skew is None
        return
    assert abs(health(ward, utcnow()).figures.skew) < 1
    for off in (-7 * SECONDS, 7 * SECONDS):
        moved = utcnow() + off
        found = health(ward, moved)
        sentence = found.problems[0]
        assert (found.level, codes(found)[0]) == ("down", "clock_skew")
        assert f"this machine says {moved:%d-%b-%Y %H:%M:%S} UTC, the database " in sentence
        assert sentence.startswith("The clocks differ by 7 s: ")
    assert codes(health(ward, utcnow() + 4 * SECONDS)) == []


def test_a_clock_behind_the_work_on_record_is_down(ward, now):
    note_beat(ward, "settle", now + 6 * SECONDS, {})
    sentence = told(ward, now, "clock_back")
    assert f"work is on record at {now + 6 * SECONDS:%d-%b-%Y %H:%M:%S} UTC" in sentence
    assert codes(health(ward, now + 2 * SECONDS)) == []


# Settling


def test_a_house_in_which_nothing_was_ever_settled_is_down(store, now):
    assert told(store, now, "settle_never").startswith("Nothing has ever been settled here")


@pytest.mark.parametrize(("every", "late"), [(1, 5), (60, 5), (120, 10)])
def test_settling_is_late_after_five_turns_and_five_minutes(store, now, every, late):
    note_beat(store, "settle", now - late * MINUTES, {})
    assert codes(health(store, now, settle_seconds=every)) == []
    change(store, update(table(models.JobRun)).values(finished_at=now - late * MINUTES - SECONDS))
    sentence = told(store, now, "settle_late", settle_seconds=every)
    assert sentence.startswith(f"Nothing has been settled since {now - late * MINUTES - SECONDS:%d-%b-%Y %H:%M} UTC")


def test_work_that_is_due_and_not_done_is_told_with_the_age_of_the_oldest(ward, now):
    enrol(ward, "P2")
    wakes = {"P1-1": now - 21 * MINUTES, "P2-1": now - MINUTES}
    for episode, wake in wakes.items():
        change(ward, update(EPISODES).where(EPISODES.c.id == episode).values(next_wake_at=wake))
    assert told(ward, now, "due_late") == "Due and not done: 2 episodes, the oldest for 21 min."
    change(ward, update(EPISODES).where(EPISODES.c.id == "P1-1").values(next_wake_at=now - 4 * MINUTES))
    assert codes(health(ward, now)) == []
    assert health(ward, now).figures.due == 2


def test_an_episode_that_is_set_aside_is_counted_and_named_only_to_staff(ward, now):
    enrol(ward, "P2")
    break_profile(ward, "P2-1")
    jobs.run_settle(ward, now)
    jobs.run_deliver(ward, [Pigeon()], now)
    assert told(ward, now, "set_aside").startswith("Set aside after up to 1 try: 1 episode; follow these patients")
    (detail,) = for_staff(ward, now)
    assert detail.startswith("P2-1: 1 tries, the next after ")
    assert "no-such-profile" in detail


def test_an_episode_that_works_again_is_set_aside_no_more(ward, now):
    enrol(ward, "P2")
    old = break_profile(ward, "P2-1")
    jobs.run_settle(ward, now)
    break_profile(ward, "P2-1", old)
    jobs.run_settle(ward, now + 2 * MINUTES)
    jobs.run_deliver(ward, [Pigeon()], now + 2 * MINUTES)
    assert codes(health(ward, now + 2 * MINUTES, settle_seconds=None)) == []


# Telling


def test_a_message_that_nobody_took_up_within_the_hour_is_told(ward, now):
    message(ward, fired_at=now - 2 * HOURS, try_at=now - 59 * MINUTES)
    assert codes(health(ward, now)) == []
    change(ward, update(OUTBOX).where(OUTBOX.c.key == "late").values(try_at=now - 61 * MINUTES))
    assert told(ward, now, "outbox_untried") == "To go out more than an hour ago and not taken up: 1 message."


def test_a_message_held_until_the_morning_is_no_problem(ward, now):
    message(ward, fired_at=now - 9 * HOURS, try_at=now + 2 * HOURS)
    found = health(ward, now)
    assert (codes(found), found.figures.waiting, found.figures.oldest_waiting) == ([], 1, now - 9 * HOURS)


def attempt(store, at, *, ok=False):
    row = {"reminder_key": "late", "channel": "smtp", "recipient": "cora@example.org", "answer": "", "ok": ok}
    change(store, insert(table(models.Delivery)).values(**row, attempted_at=at))


def test_a_message_that_was_tried_an_hour_ago_and_still_waits_is_told(ward, now):
    message(ward, fired_at=now - 2 * HOURS, try_at=now + MINUTES)
    attempt(ward, now - 61 * MINUTES, ok=True)
    attempt(ward, now - 59 * MINUTES)
    assert codes(health(ward, now)) == []
    attempt(ward, now - 61 * MINUTES)
    sentence = "Not handed over for more than an hour, in spite of trying: 1 message."
    assert told(ward, now, "outbox_retried") == sentence


def test_a_message_that_failed_for_good_is_told_for_a_day(ward, now):
    ended = {"fired_at": now - 30 * HOURS, "try_at": now - 30 * HOURS, "outcome": "failed"}
    message(ward, **ended, settled_at=now - 25 * HOURS)
    assert codes(health(ward, now)) == []
    message(ward, "later", **ended, settled_at=now - 23 * HOURS)
    sentence = "Refused for good in the last 24 hours: 1 message; see that a person passes on what they say."
    assert told(ward, now, "failed") == sentence


def test_a_channel_that_is_down_is_named_and_its_reason_only_to_staff(ward, now):
    with ward.database.writing() as connection:
        for instant in (now - 20 * MINUTES, now):
            trip(connection, "smtp", "550 no such person as clive@example.org", instant)
    sentence = told(ward, now, "channel_down")
    assert sentence.startswith(
        f"The channel smtp is down since {now - 20 * MINUTES:%d-%b-%Y %H:%M} UTC, after 2 tries;"
    )
    assert "clive" not in sentence
    assert "clive@example.org" in for_staff(ward, now)[0]


# The nightly checks


def test_a_census_that_does_not_add_up_is_told_until_one_does(ward, now):
    enrol(ward, "P2", owner="")
    change(ward, update(EPISODES).where(EPISODES.c.id == "P2-1").values(owner=""))
    jobs.run_settle(ward, now)
    jobs.nightly_census(ward, now + SECONDS, zone=ZONE)
    jobs.run_deliver(ward, [Pigeon()], now + SECONDS, limit=1000)
    assert told(ward, now + 2 * SECONDS, "census_wrong").endswith("does not add up; see `pathway census`.")
    change(ward, update(EPISODES).values(owner="Desk"))
    jobs.run_census(ward, now + 2 * SECONDS, zone=ZONE)
    assert codes(health(ward, now + 2 * SECONDS)) == []


def test_a_verification_that_found_differences_is_told(ward, now):
    change(ward, update(EPISODES).values(owner="Somebody else"))
    jobs.run_verify(ward, now + SECONDS)
    jobs.run_deliver(ward, [Pigeon()], now + SECONDS)
    assert told(ward, now + SECONDS, "verify_wrong").endswith("found differences; see `pathway verify`.")


def test_a_night_without_checks_is_told(ward, now):
    runs = table(models.JobRun)
    change(ward, update(runs).where(runs.c.job != "settle").values(finished_at=now - 30 * HOURS))
    assert codes(health(ward, now)) == []
    assert codes(health(ward, now + 2 * SECONDS)) == ["census_old", "verify_old"]


def test_a_house_that_never_made_its_checks_is_told_after_a_day(store, now):
    for ago in (31, 29, 0):
        note_beat(store, "settle", now - ago * HOURS, {})
    assert codes(health(store, now)) == ["census_old", "verify_old"]


def test_a_rehearsal_has_no_daemon_and_no_clock_to_agree_with(store, now):
    assert codes(health(store, now + 400 * 24 * HOURS, settle_seconds=None)) == []


# A database that is down


@pytest.fixture(params=["no server", "no folder", "no database", "not a file of SQLite"])
def unusable(request, tmp_path):
    """A URL behind which there is nothing to ask."""
    (tmp_path / "letter.txt").write_text("Dear colleague, this is no database at all." * 100)
    return {
        "no server": "postgresql+psycopg://nobody@127.0.0.1:1/pathway",
        "no folder": f"sqlite:///{tmp_path}/none/pathway.db",
        "no database": postgres.url_of("pathway_test_never_made"),
        "not a file of SQLite": f"sqlite:///{tmp_path}/letter.txt",
    }[request.param]


def test_a_database_that_cannot_be_used_is_an_answer(unusable, now):
    store = open_store(unusable)
    found = health(store, now)
    assert (found.level, codes(found), found.figures) == ("down", ["database"], None)
    assert found.line() == "down: the database could not be asked"
    store.database.close()


def test_a_database_of_another_version_is_an_answer(ward, now):
    with ward.database.writing() as connection:
        found = connection.scalar(text("SELECT version_num FROM alembic_version"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    try:
        assert told(ward, now, "schema").endswith("run `pathway init`.")
    finally:
        with ward.database.writing() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :found"), {"found": found})


def test_a_database_that_goes_away_is_noticed_at_the_next_question(new_url, now, kind, tmp_path):
    store = open_store(new_url())
    note_beat(store, "settle", now, {})
    assert health(store, now).ok
    if kind == "postgresql":
        postgres.drop(store.database.url)
    else:
        change(store, text("DROP TABLE reminder"))
    assert codes(health(store, now)) == ["database"]
    store.database.close()


# What monitors see names nobody


def troubled(store, now):
    """A ward in which as much as possible is wrong, a second after `now`."""
    now += SECONDS
    enrol(store, "P12")
    break_profile(store, "P12-1", "Secret-P12")
    jobs.run_settle(store, now)
    with store.database.writing() as connection:
        trip(connection, "smtp", "550 clive@example.org: Secret is unknown", now)
    ended = {"fired_at": now, "try_at": now, "outcome": "failed", "settled_at": now}
    message(store, "P1-1:K-REASSESS:1:due", episode_id="P1-1", patient_id="P1", **ended)
    change(store, update(EPISODES).where(EPISODES.c.id == "P1-1").values(owner=""))
    jobs.run_census(store, now, zone=ZONE)
    jobs.run_verify(store, now)


def test_nothing_that_monitors_see_names_anybody(ward, now):
    troubled(ward, now)
    found = health(ward, now + SECONDS)
    assert {"set_aside", "channel_down", "failed", "census_wrong", "verify_wrong"} <= set(codes(found))
    shown = [found.line(), *found.problems, json.dumps(found.as_json()), exposition(found)[1].decode()]
    assert [(secret, line) for secret in SECRETS for line in shown if secret in line] == []
    assert [
        secret for secret in ("P12-1", "Secret-P12", "clive") if secret not in " ".join(for_staff(ward, now + SECONDS))
    ] == []


# Over HTTP


class Monitor:
    """Somebody who asks; `host` and `port` are those of the door."""

    def __init__(self, url: str) -> None:
        self.host, self.port = urlsplit(url).hostname, urlsplit(url).port

    def __call__(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str, str]:
        """Status, content type and body."""
        asking = http.client.HTTPConnection(self.host, self.port, timeout=30)
        try:
            asking.request(method, path, headers=headers)
            answer = asking.getresponse()
            return answer.status, answer.getheader("Content-Type"), answer.read().decode()
        finally:
            asking.close()


@contextmanager
def watched(store, **settings):
    with health_door("127.0.0.1:0", store, **settings) as url:
        yield Monitor(url)


def samples(body: str) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(body)
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def test_a_monitor_gets_the_figures_of_a_house_in_order(ward):
    with watched(ward) as ask:
        assert ask("/healthz") == (200, "text/plain; charset=utf-8", "alive\n")
        status, kind, body = ask("/readyz")
        assert (status, kind, json.loads(body)["level"]) == (200, "application/json", "ok")
        status, kind, body = ask("/metrics")
    found = samples(body)
    assert status == 200
    assert kind.startswith("text/plain; version=0.0.4")
    assert (found["pathway_health",], found["pathway_problems", "failed"]) == (0, 0)
    assert found["pathway_messages_last_day", "sent"] == len(rows(ward, models.Reminder, OUTBOX.c.outcome == "sent"))
    assert found["pathway_check_content", "census"] == 1


def test_degraded_is_ready_and_down_is_not(ward, now):
    with watched(ward, clock=lambda: now) as ask:
        message(ward, fired_at=now, try_at=now - 2 * HOURS)
        status, _, body = ask("/readyz")
        assert (status, json.loads(body)["level"]) == (200, "degraded")
        note_beat(ward, "settle", now + HOURS, {})
        status, _, body = ask("/readyz")
        assert (status, [p["code"] for p in json.loads(body)["problems"]]) == (503, ["clock_back", "outbox_untried"])
        found = samples(ask("/metrics")[2])
        assert (found["pathway_health",], found["pathway_problems", "clock_back"]) == (2, 1)


def test_while_the_database_is_down_the_process_still_answers(unusable):
    store = open_store(unusable)
    with watched(store) as ask:
        assert ask("/healthz")[0] == 200
        status, _, body = ask("/readyz")
        assert (status, json.loads(body)["figures"]) == (503, None)
        status, _, body = ask("/metrics")
        found = samples(body)
        assert (status, found["pathway_health",], found["pathway_problems", "database"]) == (200, 2, 1)
        assert {name for name, *_ in found} == {"pathway_health", "pathway_problems"}
    store.database.close()


def spoken(ask: Monitor, question: str) -> str:
    """Everything that comes back on the wire."""
    with socket.create_connection((ask.host, ask.port), timeout=30) as line:
        line.sendall(f"{question} HTTP/1.0\r\n\r\n".encode())
        return line.makefile("rb").read().decode()


def test_a_head_is_the_answer_without_its_body(small):
    with watched(small, clock=lambda: datetime(2026, 3, 3, tzinfo=UTC)) as ask:
        for path in ("/healthz", "/readyz", "/metrics", "/elsewhere"):
            whole, head = spoken(ask, f"GET {path}"), spoken(ask, f"HEAD {path}")
            head_of_it, _, body = whole.partition("\r\n\r\n")
            without_dates = [re.sub(r"Date: .*", "", text) for text in (f"{head_of_it}\r\n\r\n", head)]
            assert without_dates[0] == without_dates[1]
            assert f"Content-Length: {len(body)}" in head


@pytest.mark.parametrize("path", ["/", "/health", "/healthz/", "/metrics/../etc", "/readyz%20"])
def test_there_is_nothing_else(small, path):
    with watched(small) as ask:
        assert ask(path) == (404, "text/plain; charset=utf-8", "There are /healthz, /readyz and /metrics.\n")


def test_nothing_can_be_written(small):
    with watched(small) as ask:
        assert [ask("/healthz", method)[0] for method in ("POST", "PUT", "DELETE")] == [501, 501, 501]


def test_prometheus_may_ask_for_the_newer_format(small):
    with watched(small) as ask:
        _, kind, body = ask("/metrics?name=x", Accept="application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    assert body.endswith("# EOF\n")


def test_many_monitors_at_once_are_all_answered(ward):
    answers = []
    with watched(ward) as ask:
        crowd = [threading.Thread(target=lambda: answers.append(ask("/readyz")[0])) for _ in range(12)]
        for one in crowd:
            one.start()
        for one in crowd:
            one.join()
    assert answers == [200] * 12


def test_a_question_behind_one_that_hangs_is_answered_without_the_database(ward, monkeypatch):
    monkeypatch.setattr("scheduler.health_door.PATIENCE", 0.05)
    entered, release = threading.Event(), threading.Event()

    def slow_the_first_time():
        if not entered.is_set():
            entered.set()
            release.wait(30)
        return utcnow()

    with watched(ward, clock=slow_the_first_time) as ask:
        first = threading.Thread(target=ask, args=("/readyz",))
        first.start()
        entered.wait(30)
        status, _, body = ask("/readyz")
        assert ask("/healthz")[0] == 200
        release.set()
        first.join()
    assert (status, json.loads(body)["problems"][0]["code"]) == (503, "database")


def test_a_monitor_that_says_nothing_keeps_nobody_waiting(ward):
    with watched(ward) as ask, socket.create_connection((ask.host, ask.port)):
        assert ask("/readyz")[0] == 200


def test_the_door_stands_at_its_address_only_and_is_closed_afterwards(small):
    with watched(small) as ask:
        assert ask.host == "127.0.0.1"
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.2", ask.port), timeout=5)
    with pytest.raises(OSError, match="refused"):
        ask("/healthz")


def test_without_an_address_there_is_no_door(small):
    before = threading.active_count()
    with health_door("", small) as url:
        assert (url, threading.active_count()) == ("", before)


@pytest.mark.parametrize("address", ["8077", ":8077", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536"])
def test_an_address_that_is_none_is_refused_in_a_sentence(small, address):
    with pytest.raises(HealthAddressFaulty, match=re.escape(f"nothing was started: found {address!r}")):
        health_door(address, small).__enter__()


def test_an_address_that_is_taken_is_refused_in_a_sentence(small):
    with watched(small) as ask, pytest.raises(HealthAddressFaulty, match="Address already in use"):
        health_door(f"127.0.0.1:{ask.port}", small).__enter__()


DAEMON = """
    import sys
    from scheduler.health_door import health_door
    from scheduler.chores import Rhythm
    from scheduler.heartbeat import Heartbeat
    from tests.scheduler.ward import open_store

    store = open_store(sys.argv[1])
    with health_door("127.0.0.1:0", store) as url:
        heart = Heartbeat(store, [], Rhythm())
        print(url, flush=True)
        heart.run()
    print("stopped", flush=True)
"""


@contextmanager
def process_of(script, url):
    command = [sys.executable, "-c", textwrap.dedent(script), url]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
        limit = threading.Timer(60, process.kill)
        limit.start()
        try:
            yield process
        finally:
            limit.cancel()
            process.kill()


def test_a_daemon_with_a_door_is_watched_and_stops_cleanly(url):
    with process_of(DAEMON, url) as process:
        ask = Monitor(process.stdout.readline().strip())
        until = utcnow() + timedelta(seconds=30)
        while ask("/readyz")[0] != 200:
            assert utcnow() < until
        process.send_signal(signal.SIGTERM)
        output, complaint = process.communicate()
    assert (process.returncode, output) == (0, "stopped\n"), complaint


SIGNALLED = """
    import os, signal, sys
    from scheduler.health_door import health_door
    from tests.scheduler.ward import open_store

    with health_door("127.0.0.1:0", open_store(sys.argv[1])):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        os.kill(os.getpid(), signal.SIGTERM)
        print("waits for", signal.sigwait({signal.SIGTERM}).name)
"""


def test_a_signal_waits_for_the_main_thread(file):
    """The daemon holds signals back while it works; one that reached the thread of the door would end it there."""
    with process_of(SIGNALLED, f"sqlite:///{file}") as process:
        output, complaint = process.communicate()
    assert (process.returncode, output) == (0, "waits for SIGTERM\n"), complaint


# The command line


@pytest.fixture
def shell(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(app, list(words))


def test_the_command_says_what_is_wrong_and_names_episodes_only_when_asked(ward, url, shell, monkeypatch):
    monkeypatch.setenv("PATHWAY_DATABASE", url)
    fine = shell("health")
    assert (fine.exit_code, fine.stdout.partition(":")[0], fine.stdout.count("\n")) == (0, "ok", 1)
    troubled(ward, utcnow() - SECONDS)
    plain, named, machine = shell("health"), shell("health", "--names"), shell("health", "--json")
    assert (plain.exit_code, named.exit_code, machine.exit_code) == (1, 1, 1)
    assert "Set aside after up to 1 try: 1 episode" in plain.stdout
    assert [secret for secret in SECRETS for shown in (plain, machine) if secret in shown.stdout] == []
    assert "P12-1: 1 tries" in named.stdout
    assert json.loads(machine.stdout)["level"] == "degraded"


def test_the_command_answers_for_a_database_that_is_down(unusable, shell):
    for words in (("health",), ("health", "--names"), ("health", "--json")):
        result = shell("-d", unusable, *words)
        assert (result.exit_code, type(result.exception)) == (2, SystemExit), result.exception
        assert "The database cannot be used, so nothing is settled and nobody is told." in result.stdout


def test_the_command_asks_nobody_to_settle_a_rehearsal(shell):
    rehearsal = ("-d", "sqlite:///rehearsal.db")
    shell(*rehearsal, "init", "--simulation")
    assert shell(*rehearsal, "--now", "2031-03-03T08:00", "health").exit_code == 0
    shell("init")
    assert shell("--now", "2031-03-03T08:00", "health").exit_code == 2


# The page


def everything(store, now) -> Health:
    """Health with every figure there is."""
    troubled(store, now)
    found = health(store, now + SECONDS)
    return replace(found, figures=replace(found.figures, skew=0.25))


def test_the_page_explains_every_problem_and_every_metric(ward, now):
    assert set(re.findall(r"^### `(\w+)`", OPERATIONS, re.MULTILINE)) == set(LEVEL_OF)
    names = {name for name, *_ in samples(exposition(everything(ward, now))[1].decode())}
    assert set(re.findall(r"^\| `(pathway_\w+)", OPERATIONS, re.MULTILINE)) == names


def test_the_alert_rules_use_metrics_and_labels_that_exist(ward, now):
    found = samples(exposition(everything(ward, now))[1].decode())
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", OPERATIONS, re.DOTALL)]
    (rules,) = [group["rules"] for block in blocks for group in block.get("groups", [])]
    asked = [used for rule in rules for used in re.findall(r'(pathway_\w+)(?:\{\w+="(\w+)"\})?', rule["expr"])]
    assert len(asked) >= len(rules) > 5
    for name, label in asked:
        assert any(key[0] == name and (not label or label in key) for key in found), (name, label)
    assert all({"alert", "expr", "for", "labels", "annotations"} == set(rule) for rule in rules)
    (scrape,) = [block["scrape_configs"] for block in blocks if "scrape_configs" in block]
    assert scrape[0]["metrics_path"] == "/metrics"
