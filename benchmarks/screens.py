"""What the screens take, and what each asks of the database, at 50 000 episodes against 5 000 in the same run.

A few hundred demo patients go through the real engine; their rows are then copied under new ids until the house is
full, so that what is due, overdue, red or closed keeps its share. Only the ratio of the two means anything.
"""

import argparse
import json
import platform
import re
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import select

from coordinator.demo_cohort import build
from coordinator.settings import Settings
from coordinator.web.app import create_app
from coordinator.web.house import House
from coordinator.web.passwords import hash_password
from pathway.checking import load_guideline
from pathway.engine import Engine
from persistence import models
from persistence.accounts import Accounts
from persistence.audit import Asked, journal_page
from persistence.board import board
from persistence.changes import changed_since
from persistence.database import Database
from persistence.moved import reached, rules_fired, stays, that_reached
from persistence.search import search
from persistence.store import Store
from persistence.why_listed import why_listed
from persistence.work_page import View, work_page
from scheduler.freshness import freshness

NOW = datetime(2026, 3, 16, 7, 30, tzinfo=UTC)
DEMO = 300
HOUSES = (5_000, 50_000)
RUNS = 7
OWNER = "A. Okafor (demo)"
MONTH = timedelta(days=30)
# Rows that belong to a patient, each after what it refers to; the rest of a house does not grow with its patients.
COPIED = [
    "patient",
    "episode",
    "entry",
    "timer",
    "task",
    "referral",
    "reminder",
    "delivery",
    "alert",
    "move",
    "look_again",
    "contact",
    "concern",
    "viewing",
]
RENAMED = {"patient_id", "episode_id", "reminder_key", "key"}

Read = Callable[[Store], Any]
READS: dict[str, Read] = {
    "Today, first page": lambda store: work_page(store, NOW, View()),
    "Today, page 5": lambda store: work_page(store, NOW, View(), page=5),
    "Today, one owner": lambda store: work_page(store, NOW, View(owners=(OWNER,))),
    "Today, one role": lambda store: work_page(store, NOW, View(role="clinician")),
    "Overdue in one state": lambda store: work_page(store, NOW, View("overdue", state="REASSESSMENT")),
    "All open work": lambda store: work_page(store, NOW, View("all")),
    "Find 'bir'": lambda store: search(store, "bir"),
    "Find a number": lambda store: search(store, "c7.9990"),
    "Board": lambda store: board(store, NOW),
    "Rules fired in 30 days": lambda store: rules_fired(store, NOW - MONTH),
    "Reached each step": reached,
    "Who reached a step": lambda store: that_reached(store, "SURGICAL_REFERRAL"),
    "Time in state": lambda store: stays(store, NOW),
    "Journal, first page": lambda store: journal_page(store, Asked()),
    "Journal, one kind": lambda store: journal_page(store, Asked(kind="observe")),
    "Changes in the last day": lambda store: changed_since(store.database, NOW - timedelta(days=1), but_by=OWNER),
    "Why on the list": lambda store: why_listed(store, some_patient(store), NOW, View()),
    "Freshness": lambda store: freshness(store, NOW),
}

PAGES = {
    "Page: Today": "/",
    "Page: Today, all open, page 100": "/?due=all&page=100",
    "Page: patient": "/patient/{patient}",
    "Page: find": "/find?q=bir",
    "Page: board": "/board",
    "Page: reminders": "/reminders",
    "Page: time machine": "/ahead",
}
# What a browser fetches for its first look at Today.
FIRST_LOAD = r'(?:href|src)="(/static/[^"]+)"'
BYTES = "bytes of the first load"
ADDRESS, PASSWORD = "http://testserver", "made up for the benchmark"


def some_patient(store: Store) -> str:
    with store.database.reading() as connection:
        return str(connection.scalar(select(models.Patient.id).limit(1)))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--episodes", type=int, nargs=2, default=HOUSES, metavar=("SMALL", "LARGE"))
    sizes = arguments.parse_args().episodes
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        demo = opened(folder / "demo.db")
        build(demo, now=NOW, patients=DEMO)
        demo.database.close()
        small, large = (measured(folder, size) for size in sizes)
    report(sizes, small, large)


def opened(file: Path) -> Store:
    database = Database(f"sqlite:///{file}")
    database.upgrade()
    return Store(database, Engine(load_guideline()))


def measured(folder: Path, episodes: int) -> dict[str, float]:
    """Milliseconds of each read in a house of that size."""
    file = folder / f"{episodes}.db"
    opened(file).database.close()
    fill(file, folder / "demo.db", episodes)
    store = opened(file)
    found = {name: milliseconds(partial(read, store)) for name, read in READS.items()}
    with signed_in(store) as browser:
        for name, path in PAGES.items():
            found[name] = milliseconds(partial(shown, browser, path.format(patient=some_patient(store))))
        found[BYTES] = first_load(browser)
    store.database.close()
    file.unlink()
    return found


def signed_in(store: Store) -> TestClient:
    store.keep_user("desk@example.org", "A. Desk", "coordinator", active=True)
    row = {"email": "desk@example.org", "password_hash": hash_password(PASSWORD), "must_change": False}
    Accounts(store.database).keep({**row, "shortcuts": True, "made_at": NOW, "made_by": "benchmark"})
    app = create_app(House(store, Settings(), lambda: NOW))
    browser = TestClient(app, ADDRESS, headers={"Origin": ADDRESS})
    browser.post("/sign-in", data={"email": "desk@example.org", "password": PASSWORD})
    return browser


def shown(browser: TestClient, path: str) -> Any:
    answer = browser.get(path)
    assert answer.status_code == 200, (path, answer.status_code)
    return answer


def first_load(browser: TestClient) -> int:
    """Bytes over the wire, compressed as a browser gets them, without headers."""
    parts = sorted(set(re.findall(FIRST_LOAD, shown(browser, "/").text)))
    return sum(carried(browser, path) for path in ["/", *parts])


def carried(browser: TestClient, path: str) -> int:
    with browser.stream("GET", path) as answer:
        assert answer.status_code == 200, (path, answer.status_code)
        assert answer.headers.get("content-encoding") == "gzip" or path != "/", "Today was not compressed"
        return sum(len(part) for part in answer.iter_raw())


def fill(file: Path, demo: Path, episodes: int) -> None:
    """Copies of the demo's rows until there are that many episodes, the last copy a part of it."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("ATTACH ? AS demo", (str(demo),))
    connection.execute("CREATE TEMP TABLE chosen AS SELECT patient_id AS id FROM demo.episode")
    there = 0
    while there < episodes:
        wanted = episodes - there
        connection.execute("BEGIN")
        connection.execute("DELETE FROM chosen")
        connection.execute("INSERT INTO chosen SELECT DISTINCT patient_id FROM demo.episode LIMIT ?", (wanted,))
        for name in COPIED:
            copy(connection, name, f"c{there}.")
        connection.execute("COMMIT")
        there = connection.execute("SELECT count(*) FROM main.episode").fetchone()[0]
    connection.close()


def copy(connection: sqlite3.Connection, name: str, prefix: str) -> None:
    columns = [column.name for column in models.SQLModel.metadata.tables[name].columns]
    numbered = name in ("delivery", "viewing", "concern")
    kept = [column for column in columns if not (numbered and column == "id")]
    renamed = RENAMED | ({"id"} if name in ("patient", "episode") else set())
    values = [f"'{prefix}' || {column}" if column in renamed else column for column in kept]
    connection.execute(
        f"INSERT INTO main.{name} ({', '.join(kept)}) SELECT {', '.join(values)} FROM demo.{name} {whose(name)}"
    )


def whose(name: str) -> str:
    """Rows of the chosen patients."""
    of_them = "IN (SELECT id FROM demo.episode WHERE patient_id IN (SELECT id FROM chosen))"
    if name == "patient":
        return "WHERE id IN (SELECT id FROM chosen)"
    if name in ("episode", "concern", "viewing"):
        return "WHERE patient_id IN (SELECT id FROM chosen)"
    if name == "delivery":
        return f"WHERE reminder_key IN (SELECT key FROM demo.reminder WHERE episode_id {of_them})"
    return f"WHERE episode_id {of_them}"


def milliseconds(read: Callable[[], Any]) -> float:
    """Of the processor, which other programs of the machine do not lengthen: the median of some runs after a first."""
    read()
    taken = []
    for _ in range(RUNS):
        begun = process_time()
        read()
        taken.append(1000 * (process_time() - begun))
    return median(taken)


def report(sizes: tuple[int, int], small: dict[str, float], large: dict[str, float]) -> None:
    carried = round(max(small.pop(BYTES), large.pop(BYTES)))
    print(f"First load of Today: {carried} bytes over the wire")
    print(f"{'':<34}{sizes[0]:>10} {sizes[1]:>10}   ratio   (milliseconds)")
    for name, before in small.items():
        print(f"{name:<34}{before:>10.1f} {large[name]:>10.1f} {large[name] / before:>7.1f}")
    found = {
        "workload": f"reads of the screens, processor time, SQLite, {sizes[1]} episodes against {sizes[0]}",
        "times_as_long": {name: round(large[name] / before, 1) for name, before in small.items()},
        "milliseconds": {name: [round(before, 1), round(large[name], 1)] for name, before in small.items()},
        "first_load_bytes": carried,
        "machine": f"{platform.machine()}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}",
        "commit": _commit(),
    }
    Path(__file__).with_name("results").joinpath("screens.json").write_text(json.dumps(found, indent=2) + "\n")


def _commit() -> str:
    return subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()


if __name__ == "__main__":
    main()
