"""Replay: every hash chain computed again, every journal replayed and compared, against only reading the lines."""

import argparse
import json
import sqlite3
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.cohort import opened
from benchmarks.measure import apart, show, stopwatch, write
from coordinator.demo_cohort import build
from persistence.verify import verify

NOW = datetime(2026, 3, 16, 7, 30, tzinfo=UTC)


def built(url: str, patients: int) -> dict[str, float]:
    store = opened(url)
    build(store, now=NOW, patients=patients)
    store.database.close()
    return {}


def ours(url: str) -> dict[str, float]:
    store = opened(url)
    with stopwatch() as taken:
        found = verify(store)
    assert not found.problems, found.problems
    store.database.close()
    return {"lines": found.lines, "episodes": found.episodes, "seconds": taken.seconds, "processor": taken.processor}


def only_read(file: str) -> dict[str, float]:
    """The same lines fetched and their JSON parsed, nothing more."""
    with closing(sqlite3.connect(file)) as connection, stopwatch() as taken:
        for step, effects in connection.execute("SELECT step, effects FROM entry ORDER BY episode_id, seq"):
            json.loads(step)
            json.loads(effects)
    return {"seconds": taken.seconds, "processor": taken.processor}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--smoke", action="store_true", help="as small as can be")
    smoke = arguments.parse_args().smoke
    patients = 10 if smoke else 600
    with tempfile.TemporaryDirectory() as name:
        file = str(Path(name, "replay.db"))
        apart(built, f"sqlite:///{file}", patients)
        run, limit = apart(ours, f"sqlite:///{file}"), apart(only_read, file)
    rows = [
        ("verify", run["lines"] / run["processor"], run["processor"] / limit["processor"], run["peak_mb"]),
        ("only reading and parsing", run["lines"] / limit["processor"], 1.0, limit["peak_mb"]),
    ]
    columns = ("", "journal lines/s of processor time", "times only reading", "peak MB")
    show(f"Replay of {run['episodes']:.0f} episodes, {run['lines']:.0f} journal lines", columns, rows)
    write("replay", {"workload": __doc__, "ours": run, "only_reading": limit}, smoke=smoke)


if __name__ == "__main__":
    main()
