"""Recording one observation that moves a patient: alone, and beside a settling engine on the same database.

By the store itself, and by REST through the real server, which is a process of its own. Between two calls there is a
pause, as there is between people: without it an engine that waits for the database would hardly get a turn, and who
records would hardly meet it.
"""

import argparse
import multiprocessing
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from statistics import quantiles
from time import perf_counter, sleep
from typing import Any

from sqlalchemy import update

from benchmarks.cohort import BEGUN, PREFIX, UNTIL, fill, opened
from benchmarks.measure import show, write
from coordinator.cli.base import SIMULATION
from coordinator.client import PathwayClient
from coordinator.tokens import READ, RECORD, make_token
from pathway.journal import Step
from persistence import models
from persistence.accounts import Accounts
from persistence.store import Store, table
from scheduler.settle import settle_all

AT = BEGUN + timedelta(days=1)
# A loss of strength sends the patient to surgical referral at once.
FINDING = {"complete": True, "motor_deficit": True}
PAUSE = 0.05
# Recorded before the clock runs: a server loads much at its first calls.
WARMING = 5
# There are no centiles of fewer.
FEWEST = 2
PROGRAM = "desk@example.org"
OPEN = re.compile(r"Open (http://\S+)/ in a browser")

Recording = Callable[[int], None]
Way = Callable[[str], AbstractContextManager[Recording]]
Beside = Callable[[str], AbstractContextManager[Callable[[], bool]]]


def _out_of_the_way(store: Store, count: int) -> None:
    """The engine has nothing to do for those who will be recorded, so that both runs record the same."""
    episodes = table(models.Episode)
    mine = episodes.c.id.in_([_episode(number) for number in range(count)])
    with store.database.writing() as connection:
        connection.execute(update(episodes).where(mine).values(next_wake_at=None))


def _episode(number: int) -> str:
    return f"{PREFIX}{number:06d}-1"


# ---------------------------------------------------------------- the ways


def bare(file: str, count: int) -> list[float]:
    """What a transaction takes at the least: one row changed, one line added, and committed."""
    taken = []
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE bench (id INTEGER PRIMARY KEY, said TEXT)")
        for number in range(count):
            sleep(PAUSE)
            begun = perf_counter()
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE episode SET failures = 0 WHERE id = ?", (_episode(number),))
            connection.execute("INSERT INTO bench (said) VALUES (?)", ("x" * 2000,))
            connection.execute("COMMIT")
            taken.append(perf_counter() - begun)
    return taken


@contextmanager
def by_store(url: str) -> Iterator[Recording]:
    store = opened(url)

    def record(number: int) -> None:
        outcome = store.record(f"{PREFIX}{number:06d}", Step("observe", "neuro_exam", FINDING), AT)
        assert outcome.changes[0].episode.state == "SURGICAL_REFERRAL", outcome

    yield record
    store.database.close()


@contextmanager
def by_rest(url: str) -> Iterator[Recording]:
    """Through one connection that is kept alive, each write under a key of its own."""
    token = _admitted(url)
    with _served(url) as address, PathwayClient(address, token, tries=1) as pathway:
        seen = pathway.episode(_episode(0)).version

        def record(number: int) -> None:
            done = pathway.observe(_episode(number), "neuro_exam", FINDING, seen=seen)
            assert done.standings[0].state == "SURGICAL_REFERRAL", done

        yield record


@contextmanager
def _served(url: str) -> Iterator[str]:
    """The address of `pathway serve` on that database, at whose clock it is AT."""
    root = str(Path(__file__).parents[1])
    settings = {"PYTHONPATH": root, "PYTHONUNBUFFERED": "1", "PATHWAY_WEB_ADDRESS": "127.0.0.1:0"}
    # One program measures here what many programs send.
    settings["PATHWAY_API_PER_MINUTE"] = "1000000"
    command = [sys.executable, "-m", "coordinator", "--database", url, "--now", AT.isoformat(), "serve"]
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield _address(server)
        finally:
            server.terminate()
            server.communicate()


def _address(server: Any) -> str:
    said = []
    for line in server.stdout:
        said.append(line)
        if found := OPEN.search(line):
            return found[1]
    raise AssertionError(f"the server did not start: {''.join(said)}")


def _admitted(url: str) -> str:
    """The token of a coordinator who is made for it, on a database whose clock may be set."""
    store = opened(url)
    store.mark_job(SIMULATION, "benchmark", AT)
    account = {"email": PROGRAM, "password_hash": None, "must_change": False, "shortcuts": True}
    Accounts(store.database).add({**account, "made_at": AT, "made_by": "benchmark"}, name="A. Desk", role="coordinator")
    made = make_token(store, PROGRAM, "benchmark", (READ, RECORD), days=1, at=AT, by="benchmark")
    store.database.close()
    return made.secret


# ---------------------------------------------------------------- the runs


@contextmanager
def nobody(_url: str) -> Iterator[Callable[[], bool]]:
    yield lambda: True


@contextmanager
def an_engine(url: str) -> Iterator[Callable[[], bool]]:
    """Another process settles everybody else; gives whether it is still at it."""
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    other = context.Process(target=settling, args=(url, ready))
    other.start()
    ready.wait()
    yield other.is_alive
    other.join()


def settling(url: str, ready: Any) -> None:
    store = opened(url)
    ready.set()
    settle_all(store, UNTIL, batch=200)
    store.database.close()


def timed(way: Way, beside: Beside, url: str, count: int) -> list[float]:
    """Seconds of each call, one patient after the other, for as long as there is somebody beside it."""
    taken: list[float] = []
    with way(url) as record:
        for number in range(WARMING):
            record(number)
        with beside(url) as there:
            for number in range(WARMING, WARMING + count):
                sleep(PAUSE)
                if len(taken) >= FEWEST and not there():
                    break
                begun = perf_counter()
                record(number)
                taken.append(perf_counter() - begun)
    return taken


def on_copies(folder: Path, count: int, episodes: int) -> dict[str, list[float]]:
    """Each run on a copy of one file."""
    filled = folder / "filled.db"
    store = opened(f"sqlite:///{filled}")
    fill(store, episodes)
    _out_of_the_way(store, WARMING + count)
    store.database.close()
    runs = {BARE: bare(str(_copied(filled)), count)}
    for way, record in WAYS.items():
        for who, beside in COMPANY.items():
            runs[f"{way}, {who}"] = timed(record, beside, f"sqlite:///{_copied(filled)}", count)
    return runs


def _copied(file: Path) -> Path:
    """In the place of the copy before."""
    copy = file.with_name("copy.db")
    for left in file.parent.glob("copy.db*"):
        left.unlink()
    shutil.copy(file, copy)
    return copy


BARE = "a bare transaction of two rows"
WAYS: dict[str, Way] = {"store.record": by_store, "REST": by_rest}
ALONE, BESIDE = "alone", "beside a settling engine"
COMPANY: dict[str, Beside] = {ALONE: nobody, BESIDE: an_engine}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--smoke", action="store_true", help="as small as can be")
    smoke = arguments.parse_args().smoke
    with tempfile.TemporaryDirectory() as name:
        runs = on_copies(Path(name), *((5, 600) if smoke else (200, 20_000)))
    report(runs, smoke=smoke)


def report(runs: dict[str, list[float]], *, smoke: bool) -> None:
    figures = {what: _centiles(taken) for what, taken in runs.items()}
    rows = [(what, len(runs[what]), *(1000 * value for value in found.values())) for what, found in figures.items()]
    show("Record one observation that moves a patient, milliseconds", ("", "calls", "p50", "p95", "p99"), rows)
    longer = {way: figures[f"{way}, {BESIDE}"]["p95"] / figures[f"{way}, {ALONE}"]["p95"] for way in WAYS}
    for way, times in longer.items():
        print(f"Beside a settling engine the p95 of {way} is {times:.1f} times as long as alone.")
    found = {way: round(times, 2) for way, times in longer.items()}
    write("record", {"workload": __doc__, "seconds": figures, "p95_beside_against_alone": found}, smoke=smoke)


def _centiles(taken: list[float]) -> dict[str, float]:
    cuts = quantiles(taken, n=100, method="inclusive")
    return {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98]}


if __name__ == "__main__":
    main()
