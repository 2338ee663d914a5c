"""Recording one observation that moves a patient: alone, and beside a settling engine on the same database."""

import argparse
import multiprocessing
import shutil
import sqlite3
import tempfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from statistics import quantiles
from time import perf_counter
from typing import Any

from sqlalchemy import update

from benchmarks.cohort import BEGUN, PREFIX, fill, opened
from benchmarks.measure import show, write
from pathway.journal import Step
from persistence import models
from persistence.store import Store, table
from scheduler.settle import settle_all

AT = BEGUN + timedelta(days=1)
UNTIL = BEGUN + timedelta(days=95)
# A loss of strength sends the patient to surgical referral at once.
FINDING = {"complete": True, "motor_deficit": True}


def _out_of_the_way(store: Store, count: int) -> None:
    """The engine has nothing to do for those who will be recorded, so that both runs record the same."""
    episodes = table(models.Episode)
    mine = episodes.c.id.in_([f"{PREFIX}{number:06d}-1" for number in range(count)])
    with store.database.writing() as connection:
        connection.execute(update(episodes).where(mine).values(next_wake_at=None))


def recorded(url: str, numbers: range) -> list[float]:
    """Seconds of each call, one patient after the other."""
    store, taken = opened(url), []
    for number in numbers:
        begun = perf_counter()
        outcome = store.record(f"{PREFIX}{number:06d}", Step("observe", "neuro_exam", FINDING), AT)
        taken.append(perf_counter() - begun)
        assert outcome.changes[0].episode.state == "SURGICAL_REFERRAL", outcome
    store.database.close()
    return taken


def bare(file: str, count: int) -> list[float]:
    """What a transaction takes at the least: one row changed, one line added, and committed."""
    taken = []
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE bench (id INTEGER PRIMARY KEY, said TEXT)")
        for number in range(count):
            begun = perf_counter()
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE episode SET failures = 0 WHERE id = ?", (f"{PREFIX}{number:06d}-1",))
            connection.execute("INSERT INTO bench (said) VALUES (?)", ("x" * 2000,))
            connection.execute("COMMIT")
            taken.append(perf_counter() - begun)
    return taken


def settling(url: str, ready: Any) -> None:
    store = opened(url)
    ready.set()
    settle_all(store, UNTIL, batch=200)
    store.database.close()


def beside(url: str, numbers: range) -> list[float]:
    """The same while another process settles everybody else."""
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    other = context.Process(target=settling, args=(url, ready))
    other.start()
    ready.wait()
    taken = recorded(url, numbers)
    still = other.is_alive()
    other.join()
    assert still, "the engine had settled everybody before the last patient was recorded"
    return taken


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--smoke", action="store_true", help="as small as can be")
    smoke = arguments.parse_args().smoke
    count, episodes = (5, 600) if smoke else (200, 20_000)
    with tempfile.TemporaryDirectory() as name:
        files = [Path(name, f"{which}.db") for which in ("bare", "alone", "beside")]
        store = opened(f"sqlite:///{files[0]}")
        fill(store, episodes)
        _out_of_the_way(store, count)
        store.database.close()
        for file in files[1:]:
            shutil.copy(files[0], file)
        runs = {
            "a bare transaction of two rows": bare(str(files[0]), count),
            "alone": recorded(f"sqlite:///{files[1]}", range(count)),
            "beside a settling engine": beside(f"sqlite:///{files[2]}", range(count)),
        }
    report(runs, smoke=smoke)


def report(runs: dict[str, list[float]], *, smoke: bool) -> None:
    figures = {what: _centiles(taken) for what, taken in runs.items()}
    rows = [(what, *(1000 * value for value in found.values())) for what, found in figures.items()]
    show("Record one observation that moves a patient, milliseconds", ("", "p50", "p95", "p99"), rows)
    unharmed = figures["beside a settling engine"]["p95"] / figures["alone"]["p95"]
    print(f"\nBeside a settling engine its p95 is {unharmed:.1f} times as long as alone.")
    write(
        "record", {"workload": __doc__, "seconds": figures, "p95_beside_against_alone": round(unharmed, 2)}, smoke=smoke
    )


def _centiles(taken: list[float]) -> dict[str, float]:
    cuts = quantiles(taken, n=100, method="inclusive")
    return {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98]}


if __name__ == "__main__":
    main()
