"""Settling the real pathway against the physical limit: raw SQL that writes exactly the rows our run wrote.

Each episode starts conservative care; 95 days pass in one sweep, so that every milestone fires with its journal
line, move, tasks, reminders and next clock. The baseline inserts and updates the same rows with prepared statements
in the same batches, schema, indexes and pragmas, and does nothing else.
"""

import argparse
import json
import platform
import resource
import sqlite3
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from pathway.checking import load_guideline
from pathway.engine import Case, Change, Engine
from pathway.journal import Entry, Step
from persistence.database import Database
from persistence.store import Person, Store
from scheduler.settle import settle_all

BEGUN = datetime(2026, 1, 5, 9, tzinfo=UTC)
UNTIL = BEGUN + timedelta(days=95)
BATCH = 500
WRITTEN = ("entry", "timer", "task", "reminder", "alert", "referral")
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


def enrolled(engine: Engine, number: int) -> Change:
    """One patient who has just started conservative care."""
    case = Case(f"B{number:07d}", "Europe/London")
    entries: list[Entry] = []
    for minutes, (event, kind, data) in enumerate(STORY):
        actor = "clinician" if event == "decide" else "coordinator"
        step = Step(event, kind, {**data, "owner": "Bench"} if event == "register" else data, actor)
        (change,) = engine.record(case, step, BEGUN + timedelta(minutes=minutes)).changes
        case.episodes = [change.episode]
        entries += change.entries
    return Change(case.episodes[0], tuple(entries))


def fill(store: Store, episodes: int) -> None:
    for first in range(0, episodes, 2000):
        changes = [enrolled(store.engine, n) for n in range(first, min(first + 2000, episodes))]
        people = {c.episode.patient: Person(c.episode.patient, "Europe/London") for c in changes}
        store.add_histories(people, changes)


def fresh(folder: Path, name: str) -> Store:
    database = Database(f"sqlite:///{folder / name}")
    database.upgrade()
    return Store(database, Engine(load_guideline()))


def ours(store: Store) -> dict[str, float]:
    before, begun = process_time(), perf_counter()
    done = settle_all(store, UNTIL, batch=BATCH)
    seconds = perf_counter() - begun
    assert not done.set_aside, done.set_aside
    return {"fired": done.fired, "seconds": seconds, "processor_seconds": process_time() - before}


def raw_limit(folder: Path, before: Path, after: Path) -> float:
    """Seconds to bring a copy of the database from before to after with bare prepared statements."""
    copy = folder / "raw.db"
    copy.write_bytes(before.read_bytes())
    connection = sqlite3.connect(after)
    episodes = connection.execute("SELECT * FROM episode").fetchall()
    columns = [row[1] for row in connection.execute("PRAGMA table_info(episode)")]
    rows = {name: _rows_by_episode(connection, name) for name in WRITTEN}
    connection.close()
    target = sqlite3.connect(copy, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        target.execute(f"PRAGMA {pragma}")
    begun = perf_counter()
    for first in range(0, len(episodes), BATCH):
        _write_batch(target, columns, episodes[first : first + BATCH], rows)
    seconds = perf_counter() - begun
    target.close()
    return seconds


def _rows_by_episode(connection: sqlite3.Connection, name: str) -> dict[str, list[Any]]:
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({name})")]
    at = columns.index("episode_id")
    found: dict[str, list[Any]] = {}
    for row in connection.execute(f"SELECT * FROM {name}"):
        found.setdefault(row[at], []).append(row)
    return found


def _write_batch(target: sqlite3.Connection, columns: list[str], batch: list[Any], rows: Any) -> None:
    target.execute("BEGIN IMMEDIATE")
    sets = ", ".join(f"{name} = ?" for name in columns)
    target.executemany(f"UPDATE episode SET {sets} WHERE id = ?", [(*row, row[columns.index("id")]) for row in batch])
    for name in WRITTEN:
        mine = [row for episode in batch for row in rows[name].get(episode[columns.index("id")], ())]
        if mine:
            marks = ", ".join("?" * len(mine[0]))
            # Lines that were there before are skipped; they cost the baseline as they cost us a look.
            target.executemany(f"INSERT OR IGNORE INTO {name} VALUES ({marks})", mine)
    target.execute("COMMIT")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--episodes", type=int, default=10_000)
    episodes = arguments.parse_args().episodes
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = fresh(folder, "ours.db")
        fill(store, episodes)
        store.database.close()
        before = folder / "before.db"
        before.write_bytes((folder / "ours.db").read_bytes())
        store = Store(Database(f"sqlite:///{folder / 'ours.db'}"), store.engine)
        result = ours(store)
        store.database.close()
        limit = raw_limit(folder, before, folder / "ours.db")
    report(episodes, result, limit)


def report(episodes: int, result: dict[str, float], limit: float) -> None:
    fired, seconds = result["fired"], result["seconds"]
    found = {
        "workload": "settle, one sweep of 95 days, SQLite",
        "episodes": episodes,
        "firings": int(fired),
        "firings_per_second": round(fired / seconds),
        "raw_limit_per_second": round(fired / limit),
        "times_slower_than_raw": round(seconds / limit, 2),
        "processor_ms_per_firing": round(1000 * result["processor_seconds"] / fired, 3),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "machine": f"{platform.machine()}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}",
        "commit": _commit(),
    }
    for key, value in found.items():
        print(f"{key:<24} {value}")
    Path(__file__).with_name("results").joinpath("settle.json").write_text(json.dumps(found, indent=2) + "\n")


def _commit() -> str:
    return subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()


if __name__ == "__main__":
    main()
