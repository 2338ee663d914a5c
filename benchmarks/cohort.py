"""Patients of the real pathway who have just begun conservative care: some by the engine, the rest copies of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import String

from pathway.checking import load_guideline
from pathway.engine import Case, Change, Engine
from pathway.journal import Entry, Step
from persistence import models
from persistence.database import Database
from persistence.store import Person, Store

BEGUN = datetime(2026, 1, 5, 9, tzinfo=UTC)
# Every milestone has fired by then.
UNTIL = BEGUN + timedelta(days=95)
ZONE = "Europe/London"
# By the engine itself; whatever is more is copied from these in SQL, under other names.
OWN = 1_000
PREFIX = "Bench-"
COPIED = ("patient", "episode", "entry", "timer", "task", "referral", "alert", "move", "reminder")
STORY = (
    ("register", "", {"birth_date": "1950-06-01", "sex": "F", "level": "L1", "fracture_date": "2026-01-02"}),
    ("observe", "neuro_exam", {"complete": True, "motor_deficit": False, "sensory_deficit": False}),
    (
        "observe",
        "imaging",
        {
            "modality": "MRI",
            "performed": "2026-01-05",
            "collapse_pct": 8,
            "kyphosis": 5,
            "scoliosis": 2,
            "retropulsion": False,
        },
    ),
    ("decide", "start_conservative", {}),
)


def opened(url: str) -> Store:
    database = Database(url)
    database.upgrade()
    return Store(database, Engine(load_guideline()))


def enrolled(engine: Engine, number: int) -> Change:
    """One patient who has just started conservative care."""
    case = Case(f"{PREFIX}{number:06d}", ZONE)
    entries: list[Entry] = []
    for minutes, (event, kind, data) in enumerate(STORY):
        actor = "clinician" if event == "decide" else "coordinator"
        step = Step(event, kind, {**data, "owner": "A. Desk"} if event == "register" else data, actor)
        (change,) = engine.record(case, step, BEGUN + timedelta(minutes=minutes)).changes
        case.episodes = [change.episode]
        entries += change.entries
    return Change(case.episodes[0], tuple(entries))


def fill(store: Store, episodes: int) -> None:
    """Copies keep everything but their names, so their hash chains are those of their models: settling reads none."""
    for first in range(0, min(episodes, OWN), 500):
        changes = [enrolled(store.engine, n) for n in range(first, min(first + 500, episodes, OWN))]
        people = {c.episode.patient: Person(c.episode.patient, ZONE) for c in changes}
        store.add_histories(people, changes)
    there = min(episodes, OWN)
    while there < episodes:
        more = min(OWN, episodes - there)
        with store.database.writing() as connection:
            for name in COPIED:
                connection.exec_driver_sql(_copying(name, f"Bench{there}-", more))
        there += more
    with store.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")


def _copying(name: str, prefix: str, count: int) -> str:
    """Of the first `count` of those that the engine made. They are named, so that an index leads to them however many
    copies there are."""
    columns = [column for column in models.SQLModel.metadata.tables[name].columns if not _counts(name, column)]
    names = ", ".join(f'"{column.name}"' for column in columns)
    values = ", ".join(
        f"""replace("{c.name}", '{PREFIX}', '{prefix}')""" if _says(c) else f'"{c.name}"' for c in columns
    )
    whose = "id" if name in ("patient", "episode") else "episode_id"
    suffix = "" if name == "patient" else "-1"
    mine = ", ".join(f"'{PREFIX}{number:06d}{suffix}'" for number in range(count))
    return f"""INSERT INTO "{name}" ({names}) SELECT {values} FROM "{name}" WHERE "{whose}" IN ({mine})"""


def _counts(name: str, column: Any) -> bool:
    """Whether the database numbers it itself."""
    return name not in ("patient", "episode") and column.name == "id"


def _says(column: Any) -> bool:
    """Whether a column may name the patient."""
    return isinstance(getattr(column.type, "impl", column.type), String)
