"""The ways in which the same would be done with other parts: three timers a patient, each fires a move, a journal
line, a reminder and the next timer. A toy beside the real pathway, so the comparison flatters them."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import procrastinate
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from procrastinate import PsycopgConnector
from sqlalchemy import MetaData, create_engine, make_url
from sqlmodel import Field, Session, SQLModel, select
from transitions import Machine

from benchmarks.measure import stopwatch
from tests import postgres

STEPS = 3
STATES = ("care", "reassessment", "imaging", "review")
BEGUN = datetime(2026, 1, 5, 9, tzinfo=UTC)


class Toy(SQLModel):
    """Tables apart from those of the project."""

    metadata = MetaData()


class Ward(Toy, table=True):
    __tablename__ = "bench_patient"
    id: int = Field(primary_key=True)
    state: str = STATES[0]


class Line(Toy, table=True):
    __tablename__ = "bench_line"
    id: int | None = Field(default=None, primary_key=True)
    patient: int = Field(index=True)
    said: str
    at: datetime


class Note(Toy, table=True):
    __tablename__ = "bench_note"
    key: str = Field(primary_key=True)
    patient: int
    at: datetime


class Clock(Toy, table=True):
    __tablename__ = "bench_clock"
    id: int | None = Field(default=None, primary_key=True)
    patient: int = Field(index=True)
    step: int
    due: datetime = Field(index=True)
    fired: bool = False


TABLES = [model.__table__ for model in (Ward, Line, Note, Clock)]  # type: ignore[attr-defined]  # they have one


def file_in(folder: str, name: str) -> str:
    """The URL of a new SQLite file that is written as ours are: with a log ahead, which such a file keeps for good."""
    file = f"{folder}/{name}"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    return f"sqlite:///{file}"


def engine_on(url: str, patients: int) -> Any:
    engine = create_engine(url)
    Toy.metadata.create_all(engine, TABLES)
    with Session(engine) as session:
        for number in range(patients):
            session.add(Ward(id=number))
            session.add(Clock(patient=number, step=0, due=BEGUN))
        session.commit()
    return engine


def fire(engine: Any, patient: int, step: int) -> None:
    """One firing in a session of its own, with its commit."""
    with Session(engine) as session:
        fire_in(session, patient, step)
        session.commit()


def fire_in(session: Session, patient: int, step: int) -> None:
    """One firing in a session that others commit: read, move by a machine, write."""
    clock = session.exec(select(Clock).where(Clock.patient == patient, Clock.step == step)).one()
    ward = session.get_one(Ward, patient)
    machine = Machine(model=None, states=list(STATES), initial=STATES[0], auto_transitions=False)
    for source, goal in zip(STATES, STATES[1:], strict=False):
        machine.add_transition("due", source, goal)
    model = type("Model", (), {})()
    machine.add_model(model, initial=ward.state)
    model.due()
    ward.state, clock.fired = model.state, True
    session.add(Line(patient=patient, said=f"moved to {ward.state}", at=clock.due))
    session.add(Note(key=f"{patient}:{step}", patient=patient, at=clock.due))
    if step + 1 < STEPS:
        session.add(Clock(patient=patient, step=step + 1, due=clock.due + timedelta(days=28)))


def told(engine: Any) -> int:
    with Session(engine) as session:
        return len(session.exec(select(Note.key)).all())


def a_session_each(folder: str, patients: int) -> dict[str, float]:
    engine = engine_on(file_in(folder, "session.db"), patients)
    with stopwatch() as taken:
        for step in range(STEPS):
            for patient in range(patients):
                fire(engine, patient, step)
    assert told(engine) == STEPS * patients
    return {"fired": STEPS * patients, "seconds": taken.seconds}


# ---------------------------------------------------------------- a job a timer

SHARED: dict[str, Any] = {}


def job(patient: int, step: int) -> None:
    fire(SHARED["engine"], patient, step)
    if step + 1 < STEPS:
        SHARED["scheduler"].add_job(job, "date", run_date=BEGUN, args=[patient, step + 1], misfire_grace_time=None)


def apscheduler_jobs(folder: str, patients: int) -> dict[str, float]:
    SHARED["engine"] = engine_on(file_in(folder, "jobs.db"), patients)
    store = SQLAlchemyJobStore(file_in(folder, "store.db"))
    scheduler = BackgroundScheduler(
        jobstores={"default": store}, executors={"default": ThreadPoolExecutor(1)}, timezone=UTC
    )
    SHARED["scheduler"] = scheduler
    scheduler.start(paused=True)
    for patient in range(patients):
        scheduler.add_job(job, "date", run_date=BEGUN, args=[patient, 0], misfire_grace_time=None)
    with stopwatch() as taken:
        scheduler.resume()
        while told(SHARED["engine"]) < STEPS * patients:
            time.sleep(0.05)
    scheduler.shutdown()
    return {"fired": STEPS * patients, "seconds": taken.seconds}


def procrastinate_jobs(_folder: str, patients: int) -> dict[str, float]:
    url = postgres.empty("jobs")
    engine = engine_on(url, patients)
    conninfo = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    app = procrastinate.App(connector=PsycopgConnector(conninfo=conninfo))

    @app.task(name="fire")
    async def fire_timer(patient: int, step: int) -> None:
        await asyncio.to_thread(fire, engine, patient, step)
        if step + 1 < STEPS:
            await fire_timer.configure(schedule_at=BEGUN).defer_async(patient=patient, step=step + 1)

    async def run() -> float:
        async with app.open_async():
            await app.schema_manager.apply_schema_async()
            for patient in range(patients):
                await fire_timer.configure(schedule_at=BEGUN).defer_async(patient=patient, step=0)
            with stopwatch() as taken:
                # A worker ends when nothing waits, though a firing of its own may still be about to defer the next.
                for _ in range(STEPS):
                    if told(engine) < STEPS * patients:
                        await app.run_worker_async(wait=False, concurrency=10, install_signal_handlers=False)
            return taken.seconds

    seconds = asyncio.run(run())
    assert told(engine) == STEPS * patients
    return {"fired": STEPS * patients, "seconds": seconds}


# ---------------------------------------------------------------- all of them

Way = Callable[[str, int], dict[str, float]]
WAYS: Mapping[str, Way] = {
    "transitions and SQLModel, a session and commit per timer (SQLite)": a_session_each,
    "APScheduler 3, a stored job per timer (SQLite)": apscheduler_jobs,
    "procrastinate, a job per timer, ten at a time (PostgreSQL)": procrastinate_jobs,
}
# The project does without these; `make bench` installs them. The package, and the module here that runs it.
BENCH_ONLY = {"SpiffWorkflow": "benchmarks.spiff_processes", "dbos": "benchmarks.dbos_workflows"}


def ways() -> dict[str, Way]:
    """Every way whose parts are installed."""
    found = dict(WAYS)
    for package, module in BENCH_ONLY.items():
        if find_spec(package):
            found |= import_module(module).WAYS
    return found


def left_out() -> list[str]:
    """The packages of the ways that cannot be measured here."""
    return [package for package in BENCH_ONLY if not find_spec(package)]
