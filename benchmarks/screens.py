"""What the screens take, and what each asks of the database, at 50 000 episodes against 5 000 in the same run.

A few hundred demo patients go through the real engine; their rows are then copied under new ids until the house is
full, so that what is due, overdue, red or closed keeps its share. Every few copies get coordinators of their own: in a
house a hundred times as large nobody looks after a hundred times as many patients. Only the ratio of the two means
anything.
"""

import argparse
import re
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import select

from benchmarks.cohort import opened
from benchmarks.measure import show, write
from coordinator.demo_cohort import build
from coordinator.settings import Settings
from coordinator.web.app import create_app
from coordinator.web.house import House
from coordinator.web.passwords import hash_password
from pathway.preview import preview
from persistence import models
from persistence.accounts import Accounts
from persistence.audit import Asked, journal_page
from persistence.board import counts, house_board
from persistence.changes import changed_since
from persistence.episodes_where import Which, episodes_where
from persistence.forecast import Span, coming, house_ahead, loads, of_everybody
from persistence.moved import came_and_stayed, house_moves, house_rules_fired, of_the_last_days, that_reached
from persistence.outbox_page import OutboxView, ended, outbox_page
from persistence.registry import table
from persistence.search import search
from persistence.store import Store
from persistence.why_listed import why_listed
from persistence.work_page import View, work_page
from scheduler.freshness import freshness
from scheduler.house_figures import counted, house_census

NOW = datetime(2026, 3, 16, 7, 30, tzinfo=UTC)
DEMO = 300
HOUSES = (5_000, 50_000)
# Runs of each read, after a first; of a slow one as many as fit into so many seconds.
RUNS, PATIENCE = 7, 15
PERSON = "A. Okafor (demo)"
# So many copies of the demo have the same coordinators: some five hundred patients for each.
TEAM = 5
OWNER = f"{PERSON} 0"
MONTH = timedelta(days=30)
# Journal lines as old as that carry no text in the copies: no list reads it, and it would fill the disk.
NEWS = timedelta(days=7)
# What an old message of the demo came to, said of twenty.
CAME_TO = ("suppressed", "too_late", "failed", *("delivered",) * 5)
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
RENAMED_ID = ("patient", "episode", "concern")
NUMBERED = ("delivery", "viewing")
SHORT_STEP, SHORT_EFFECTS = '{"event":"x","kind":"x"}', '{"effects":[]}'


def some_patient(store: Store) -> str:
    """One of the first copy, whose journals are whole."""
    people = table(models.Patient)
    with store.database.reading() as connection:
        return str(connection.scalar(select(people.c.id).where(people.c.id >= "c0.").order_by(people.c.id).limit(1)))


def previewed(store: Store) -> Any:
    case = store.case(some_patient(store))
    return [list(preview(store.engine, episode, NOW + MONTH, NOW)) for episode in case.episodes]


Read = Callable[[Store], Any]
READS: dict[str, Read] = {
    "Today, first page": lambda store: work_page(store, NOW, View()),
    "Today, page 5": lambda store: work_page(store, NOW, View(), page=5),
    "Today, one owner": lambda store: work_page(store, NOW, View(owners=(OWNER,))),
    "Today, one role": lambda store: work_page(store, NOW, View(role="clinician")),
    "Overdue in one state": lambda store: work_page(store, NOW, View("overdue", state="REASSESSMENT")),
    "All open work": lambda store: work_page(store, NOW, View("all")),
    "Find 'bir'": lambda store: search(store, "bir"),
    "Find a name that nobody has": lambda store: search(store, "nemo"),
    "Find a number": lambda store: search(store, some_patient(store)),
    "Board": lambda store: house_board(store, NOW),
    "Red flags behind a number": lambda store: episodes_where(store, NOW, Which(open_only=True, red=True)),
    "Rules fired in 30 days": lambda store: house_rules_fired(store, NOW, 30),
    "Reached each step, time in state": lambda store: house_moves(store, NOW),
    "Who reached a step": lambda store: that_reached(store, "SURGICAL_REFERRAL"),
    "Census": lambda store: house_census(store, NOW),
    "28 days ahead": lambda store: house_ahead(store, NOW, NOW.date(), 28, today=NOW.date()),
    "30 days ahead, one owner": lambda store: loads(store, Span(NOW.date(), (NOW + MONTH).date(), (OWNER,))),
    "A day ahead, one owner": lambda store: coming(store, Span(NOW.date(), NOW.date(), (OWNER,))),
    "Reminders that wait": lambda store: outbox_page(store, OutboxView(), at=NOW),
    "Reminders that were sent": lambda store: outbox_page(store, OutboxView("sent"), at=NOW),
    "Reminders of one patient": lambda store: outbox_page(store, OutboxView("sent", q=some_patient(store))),
    "Journal, first page": lambda store: journal_page(store, Asked()),
    "Journal, one kind": lambda store: journal_page(store, Asked(kind="observe")),
    "Changes in the last day": lambda store: changed_since(store.database, NOW - timedelta(days=1), but_by=PERSON),
    "Changes in the last hour": lambda store: changed_since(store.database, NOW - timedelta(hours=1), but_by=PERSON),
    "Why on the list": lambda store: why_listed(store, some_patient(store), NOW, View()),
    "Preview of 30 days": previewed,
    "Freshness": lambda store: freshness(store, NOW),
}

# What a large house keeps for some minutes: here as the engine reckons it, which nobody waits for.
RECKONINGS: dict[str, Read] = {
    "Board": lambda store: counts(store, NOW),
    "Rules fired in 30 days": lambda store: of_the_last_days(store, NOW, days=30),
    "Reached each step, time in state": lambda store: came_and_stayed(store, NOW),
    "Census": lambda store: counted(store, NOW),
    "28 days ahead": lambda store: of_everybody(store, NOW, first=NOW.date(), days=28),
    "Messages by outcome": lambda store: ended(store, NOW),
}

PAGES = {
    "Page: Today": "/",
    "Page: Today, all open, page 100": "/?due=all&page=100",
    "Page: patient": "/patient/{patient}",
    "Page: find": "/find?q=bir",
    "Page: board": "/board",
    "Page: pathway": "/pathway",
    "Page: cohort": "/cohort",
    "Page: census": "/census",
    "Page: reminders": "/reminders",
    "Page: time machine": "/ahead",
}
# What a browser fetches for its first look at Today.
FIRST_LOAD = r'(?:href|src)="(/static/[^"]+)"'
BYTES = "bytes of the first load"
RECKONED = "Reckoned: "
ADDRESS, PASSWORD = "http://testserver", "made up for the benchmark"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--episodes", type=int, nargs=2, default=HOUSES, metavar=("SMALL", "LARGE"))
    arguments.add_argument("--houses", type=Path, help="keep the filled houses there, and take those that are there")
    arguments.add_argument("--smoke", action="store_true", help="as small as can be; nothing is written")
    asked = arguments.parse_args()
    patients, sizes, runs = (9, (9, 20), 1) if asked.smoke else (DEMO, tuple(asked.episodes), RUNS)
    with tempfile.TemporaryDirectory() as name:
        folder = asked.houses or Path(name)
        houses = [house(folder, patients, size) for size in sizes]
        small, large = (measured(file, runs) for file in houses)
    report(sizes, small, large, smoke=asked.smoke)


def house(folder: Path, patients: int, episodes: int) -> Path:
    """The file of a house of that size, filled if it is not there."""
    demo, file = folder / f"demo-{patients}.db", folder / f"{episodes}.db"
    if not demo.exists():
        store = opened(f"sqlite:///{demo}")
        build(store, now=NOW, patients=patients)
        store.database.close()
        send_old_messages(demo)
    if not file.exists():
        opened(f"sqlite:///{file}").database.close()
        fill(file, demo, episodes)
    return file


def measured(file: Path, runs: int) -> dict[str, float]:
    """Milliseconds of each read in a house, and of what its engine reckons."""
    store = opened(f"sqlite:///{file}")
    found = {RECKONED + name: milliseconds(partial(read, store), runs) for name, read in RECKONINGS.items()}
    found |= {name: milliseconds(partial(read, store), runs) for name, read in READS.items()}
    with signed_in(store) as browser:
        for name, path in PAGES.items():
            found[name] = milliseconds(partial(shown, browser, path.format(patient=some_patient(store))), runs)
        found[BYTES] = first_load(browser)
    store.database.close()
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


def send_old_messages(demo: Path) -> None:
    """Nobody is told anything in the demo: what fell due before yesterday gets an outcome, as in a house at work."""
    yesterday = (NOW - timedelta(days=1)).strftime("%Y-%m-%d %H:%M:%S.%f")
    outcomes = " ".join(f"WHEN {number} THEN '{outcome}'" for number, outcome in enumerate(CAME_TO))
    connection = sqlite3.connect(demo)
    connection.execute(
        f"UPDATE reminder SET outcome = CASE rowid % 20 {outcomes} ELSE 'sent' END, settled_at = fired_at, attempts = 1"
        " WHERE fired_at < ?",
        (yesterday,),
    )
    connection.commit()
    connection.close()


def fill(file: Path, demo: Path, episodes: int) -> None:
    """Whole copies of the demo, as many as come nearest to that many episodes; indexes are made when all is there."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode=OFF")
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("ATTACH ? AS demo", (str(demo),))
    own = connection.execute("SELECT count(*) FROM demo.episode").fetchone()[0]
    indexes = connection.execute("SELECT name, sql FROM main.sqlite_master WHERE type = 'index' AND sql NOTNULL")
    made = indexes.fetchall()
    for name, _sql in made:
        connection.execute(f"DROP INDEX main.{name}")
    connection.execute("BEGIN")
    for number in range(max(1, round(episodes / own))):
        for name in COPIED:
            copy(connection, name, number)
    connection.execute("COMMIT")
    for _name, sql in made:
        connection.execute(sql)
    connection.close()


def copy(connection: sqlite3.Connection, name: str, number: int) -> None:
    columns = [column.name for column in models.SQLModel.metadata.tables[name].columns]
    kept = [column for column in columns if not (name in NUMBERED and column == "id")]
    values = [copied(name, column, number) for column in kept]
    connection.execute(f"INSERT INTO main.{name} ({', '.join(kept)}) SELECT {', '.join(values)} FROM demo.{name}")


def copied(name: str, column: str, number: int) -> str:
    """The value of a column in that copy, in SQL. The first copy is whole; the later ones are shorter than life."""
    if column in RENAMED or (column == "id" and name in RENAMED_ID):
        return f"'c{number}.' || {column}"
    if column == "owner":
        return f"{column} || ' {number // TEAM}'"
    if number and name == "entry" and column in ("hash", "previous_hash"):
        return f"substr({column}, 1, 8)"
    if number and name == "entry" and column in ("step", "effects"):
        since = (NOW - NEWS).strftime("%Y-%m-%d %H:%M:%S.%f")
        short = SHORT_STEP if column == "step" else SHORT_EFFECTS
        return f"CASE WHEN recorded_at > '{since}' THEN {column} ELSE '{short}' END"
    if number and column == "document":
        # As long as what a page of the file has of a whole one, the rest of which lies elsewhere.
        return f"substr({column}, 1, 2000)"
    return column


def milliseconds(read: Callable[[], Any], runs: int = RUNS) -> float:
    """Of the processor, which other programs of the machine do not lengthen: the median of some runs after a first."""
    read()
    taken: list[float] = []
    while len(taken) < runs and sum(taken) < 1000 * PATIENCE:
        begun = process_time()
        read()
        taken.append(1000 * (process_time() - begun))
    return median(taken)


def report(sizes: Sequence[int], small: dict[str, float], large: dict[str, float], *, smoke: bool) -> None:
    carried = round(max(small.pop(BYTES), large.pop(BYTES)))
    print(f"First load of Today: {carried} bytes over the wire")
    pairs = {name: (before, large[name]) for name, before in small.items()}
    engine = {name: both for name, both in pairs.items() if name.startswith(RECKONED)}
    reads = {name: both for name, both in pairs.items() if name not in engine}
    for title, part in (("Reads", reads), ("Reckoned anew by the engine, where it is kept", engine)):
        rows = [
            (name, f"{before:.1f}", f"{after:.1f}", f"{after / before:.1f}") for name, (before, after) in part.items()
        ]
        show(f"{title}, in milliseconds of the processor", ("", str(sizes[0]), str(sizes[1]), "ratio"), rows)
    found = {
        "workload": f"reads of the screens, processor time, SQLite, {sizes[1]} episodes against {sizes[0]}",
        "times_as_long": {name: round(after / before, 1) for name, (before, after) in reads.items()},
        "milliseconds": {name: [round(value, 1) for value in both] for name, both in pairs.items()},
        "first_load_bytes": carried,
    }
    write("screens", found, smoke=smoke)


if __name__ == "__main__":
    main()
