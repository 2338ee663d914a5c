"""Replay: every journal replayed and compared, or only what changed since; what is owed added up from the journals'
own words; against only reading the lines."""

import argparse
import json
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from sqlalchemy import select

from benchmarks.cohort import opened
from benchmarks.measure import apart, show, stopwatch, write
from coordinator.demo_cohort import build
from pathway.journal import Step
from persistence import models
from persistence.adding_up import other_work
from persistence.store import Store, table
from persistence.verify import verify

NOW = datetime(2026, 3, 16, 7, 30, tzinfo=UTC)
CALL = Step("admin", "contact", {"outcome": "reached"}, "coordinator", by="A. Desk")


def built(url: str, patients: int) -> dict[str, float]:
    store = opened(url)
    build(store, now=NOW, patients=patients)
    store.database.close()
    return {}


def one_in_a_hundred_called(url: str) -> dict[str, float]:
    """As on a day on which that many patients had something recorded."""
    store, people = opened(url), table(models.Patient)
    with store.database.reading() as connection:
        names = connection.scalars(select(people.c.id).order_by(people.c.id)).all()
    for name in names[::100]:
        store.record(name, CALL, NOW)
    store.database.close()
    return {}


def verified(url: str, *, whole: bool) -> dict[str, float]:
    def ours(store: Store) -> dict[str, float]:
        found = verify(store, at=NOW, whole=whole)
        assert not found.problems, found.problems
        return {"lines": found.lines, "episodes": found.episodes, "replayed": found.episodes - found.unchanged}

    return timed(url, ours)


def added_up(url: str) -> dict[str, float]:
    def ours(store: Store) -> dict[str, float]:
        assert other_work(store) == ()
        return {}

    return timed(url, ours)


def timed(url: str, work: Callable[[Store], dict[str, float]]) -> dict[str, float]:
    store = opened(url)
    with stopwatch() as taken:
        found = work(store)
    store.database.close()
    return {**found, "seconds": taken.seconds, "processor": taken.processor}


def only_read(file: str) -> dict[str, float]:
    """The same lines fetched and their JSON parsed, nothing more."""
    with closing(sqlite3.connect(file)) as connection, stopwatch() as taken:
        for step, effects in connection.execute("SELECT step, effects FROM entry ORDER BY episode_id, seq"):
            json.loads(step)
            json.loads(effects)
    return {"seconds": taken.seconds, "processor": taken.processor}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    size = arguments.add_mutually_exclusive_group()
    size.add_argument("--smoke", action="store_true", help="as small as can be")
    size.add_argument("--patients", type=int, default=6000)
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        file = str(Path(name, "replay.db"))
        url = f"sqlite:///{file}"
        apart(built, url, 10 if asked.smoke else asked.patients)
        runs = {
            "verify, everything replayed": apart(partial(verified, whole=True), url),
            "verify, nothing changed since": apart(partial(verified, whole=False), url),
        }
        apart(one_in_a_hundred_called, url)
        runs |= {
            "verify, one in a hundred changed since": apart(partial(verified, whole=False), url),
            "open work added up from the journals": apart(added_up, url),
            "only reading and parsing": apart(only_read, file),
        }
    report(runs, smoke=asked.smoke)


def report(runs: dict[str, dict[str, float]], *, smoke: bool) -> None:
    whole, limit = (runs[name] for name in ("verify, everything replayed", "only reading and parsing"))
    rows = [
        (
            what,
            run["processor"],
            whole["episodes"] / run["processor"],
            run["processor"] / limit["processor"],
            run["peak_mb"],
        )
        for what, run in runs.items()
    ]
    columns = ("", "processor seconds", "episodes/s", "times only reading", "peak MB")
    show(f"Replay of {whole['episodes']:.0f} episodes, {whole['lines']:.0f} journal lines", columns, rows)
    write("replay", {"workload": __doc__, "runs": runs}, smoke=smoke)


if __name__ == "__main__":
    main()
