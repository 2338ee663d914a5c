"""Settling the real pathway: 95 days in one sweep, against the physical limit and the ways others would take.

Each episode begins conservative care; every milestone fires with its journal line, move, tasks, reminders and next
clock. The physical limit writes exactly the rows that our run wrote, in the same batches, schema, indexes and
pragmas, with the driver's prepared statements and nothing else.
"""

import argparse
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url

from benchmarks import peers
from benchmarks.cohort import UNTIL, fill, opened
from benchmarks.measure import Taken, apart, show, stopwatch, write
from benchmarks.row_by_row import real_pathway
from scheduler.settle import settle_all
from tests import postgres

BATCH = 500
WRITTEN = ("entry", "timer", "task", "referral", "reminder", "alert", "move")
SIZES = (1_000, 10_000)
SMOKE = (50,)
PATIENTS = 100
LARGE = (1_000, 10_000, 100_000)
MILLION = (1_000, 1_000_000)
MOST_LIMITED = 100_000
ROW_BY_ROW = "this very pathway by SQLModel, a session and commit per firing (SQLite)"
WORKERS = 2
SHARED = 10_000
PATIENCE = 600.0


def ours(url: str, together: Any = None) -> dict[str, float]:
    """`together`: where others settle the same database, all begin when each is ready."""
    store = opened(url)
    if together:
        together.wait()
    with stopwatch() as taken:
        done = settle_all(store, UNTIL, batch=BATCH)
    assert not done.set_aside, done.set_aside
    store.database.close()
    return {"fired": done.fired, "seconds": taken.seconds, "processor": taken.processor}


def filled(url: str, episodes: int) -> dict[str, float]:
    store = opened(url)
    fill(store, episodes)
    store.database.close()
    return {}


# ---------------------------------------------------------------- the physical limit


def raw_sqlite(before: str, after: str) -> dict[str, float]:
    """`before` is brought to what `after` holds; only the writing counts."""
    total = Taken()
    with closing(sqlite3.connect(after)) as source, closing(sqlite3.connect(before, isolation_level=None)) as target:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            target.execute(f"PRAGMA {pragma}")
        for statements in batches(source, "?"):
            with stopwatch(total):
                target.execute("BEGIN IMMEDIATE")
                for statement, rows in statements:
                    target.executemany(statement, rows)
                target.execute("COMMIT")
    return {"seconds": total.seconds, "processor": total.processor}


def raw_postgres(before: str, after: str, writer: int = 0, together: Any = None) -> dict[str, float]:
    """One of several writers `together` writes every so-manieth batch."""
    total = Taken()
    with psycopg.connect(before) as target, psycopg.connect(after) as source, target.cursor() as cursor:
        if together:
            together.wait()
        for statements in batches(source, "%s", writer, together.parties if together else 1):
            with stopwatch(total):
                for statement, rows in statements:
                    cursor.executemany(statement, rows)
                target.commit()
    return {"seconds": total.seconds, "processor": total.processor}


def batches(
    source: Any, mark: str, writer: int = 0, writers: int = 1
) -> Iterator[list[tuple[str, list[tuple[Any, ...]]]]]:
    """For each batch of episodes the statements that write what our run wrote of them, with their rows."""
    ids = [row[0] for row in source.execute("SELECT id FROM episode ORDER BY id").fetchall()]
    for first in range(writer * BATCH, len(ids), writers * BATCH):
        names = ids[first : first + BATCH]
        statements = [_updating(source, names, mark)]
        for table in WRITTEN:
            columns, rows = _read(source, table, "episode_id", names, mark)
            marks = ", ".join([mark] * len(columns))
            skip = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) ON CONFLICT DO NOTHING"
            # Lines that were there before are skipped; they cost the baseline as they cost us a look.
            if rows:
                statements.append((skip, rows))
        yield statements


def _updating(source: Any, names: list[str], mark: str) -> tuple[str, list[tuple[Any, ...]]]:
    columns, rows = _read(source, "episode", "id", names, mark)
    at = columns.index("id")
    sets = ", ".join(f"{name} = {mark}" for name in columns)
    return f"UPDATE episode SET {sets} WHERE id = {mark}", [(*row, row[at]) for row in rows]


def _read(source: Any, table: str, key: str, names: list[str], mark: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    marks = ", ".join([mark] * len(names))
    cursor = source.execute(f"SELECT * FROM {table} WHERE {key} IN ({marks})", names)
    return [column[0] for column in cursor.description], cursor.fetchall()


# ---------------------------------------------------------------- the runs


def on_sqlite(folder: Path, episodes: int) -> dict[str, float]:
    """Ours and the limit on copies of one file; of a very large house only ours, which takes 26 kB an episode."""
    mine, limit = folder / f"{episodes}.db", folder / f"{episodes}-limit.db"
    apart(filled, f"sqlite:///{mine}", episodes)
    size = mine.stat().st_size
    limited = episodes <= MOST_LIMITED
    if limited:
        shutil.copy(mine, limit)
    found = apart(ours, f"sqlite:///{mine}") | {"bytes_per_episode": size / episodes}
    if limited:
        found["limit_seconds"] = apart(raw_sqlite, str(limit), str(mine))["seconds"]
        limit.unlink()
    mine.unlink()
    return found


def on_postgres(episodes: int) -> dict[str, float]:
    mine = postgres.fresh("mine")
    apart(filled, mine, episodes)
    limit = postgres.copy("limit", mine)
    found = apart(ours, mine)
    raw = apart(raw_postgres, _plain(limit), _plain(mine))
    return found | {"limit_seconds": raw["seconds"]}


def by_two_workers(episodes: int) -> dict[str, float]:
    """Two processes settle one database, each with a store of its own; the limit is that of one writer."""
    mine = postgres.fresh("mine")
    apart(filled, mine, episodes)
    limit, shared_limit = (postgres.copy(name, mine) for name in ("limit", "shared_limit"))
    with get_context("spawn").Manager() as manager:
        both = manager.Barrier(WORKERS, timeout=PATIENCE)
        shares = at_once(ours, *[(mine, both)] * WORKERS)
        found = {name: sum(share[name] for share in shares) for name in ("fired", "processor")}
        _require_each_once(mine, found["fired"])
        raw = apart(raw_postgres, _plain(limit), _plain(mine))
        writers = at_once(raw_postgres, *((_plain(shared_limit), _plain(mine), n, both) for n in range(WORKERS)))
    found |= {name: max(share[name] for share in shares) for name in ("seconds", "peak_mb")}
    return found | {"limit_seconds": raw["seconds"], "shared_limit_seconds": max(w["seconds"] for w in writers)}


def at_once(work: Callable[..., dict[str, float]], *calls: tuple[Any, ...]) -> list[dict[str, float]]:
    """Each call in a process of its own, all at the same time."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [run.result() for run in [pool.submit(apart, work, *call) for call in calls]]


def _require_each_once(url: str, fired: float) -> None:
    """Each firing has a line, a message of its own, and nobody is left."""
    now = {"now": UNTIL}
    with psycopg.connect(_plain(url)) as connection:
        lines, messages, left = (
            connection.execute(query, now).fetchone()
            for query in (
                "SELECT count(*) FROM entry WHERE recorded_at = %(now)s",
                "SELECT count(*) FROM reminder WHERE fired_at = %(now)s",
                "SELECT count(*) FROM episode WHERE next_wake_at <= %(now)s",
            )
        )
    assert (lines, messages, left) == ((fired,), (fired,), (0,)), (fired, lines, messages, left)


def _plain(url: str) -> str:
    """As psycopg itself takes it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    sizes = arguments.add_mutually_exclusive_group()
    sizes.add_argument("--smoke", action="store_const", const=SMOKE, dest="sizes", help="as small as can be")
    sizes.add_argument("--large", action="store_const", const=LARGE, dest="sizes", help="up to 100 000 episodes")
    sizes.add_argument("--million", action="store_const", const=MILLION, dest="sizes", help="needs 30 GB and an hour")
    sizes.add_argument("--episodes", type=int, nargs="+", dest="sizes")
    arguments.add_argument("--shared", type=int, default=SHARED, help="episodes for two workers at once")
    given = arguments.parse_args()
    asked = given.sizes or SIZES
    ways = {ROW_BY_ROW: real_pathway, **peers.ways()}
    shared = asked[0] if asked is SMOKE else given.shared
    with tempfile.TemporaryDirectory() as name:
        runs = {f"SQLite, {n:,} episodes": on_sqlite(Path(name), n) for n in asked}
        runs[f"PostgreSQL, {asked[0]:,} episodes"] = on_postgres(asked[0])
        runs[f"PostgreSQL, {shared:,} episodes, two workers"] = by_two_workers(shared)
        others = {what: apart(work, name, 5 if asked is SMOKE else PATIENTS) for what, work in ways.items()}
    report(runs, others, name="settle-million" if asked is MILLION else "settle", smoke=asked is SMOKE)
    *_, two = runs.values()
    longer = two["seconds"] / two["shared_limit_seconds"]
    print(f"Two workers take {longer:.3g} times as long as two raw writers at once.")


def _against(run: dict[str, float]) -> float | str:
    return run["seconds"] / run["limit_seconds"] if "limit_seconds" in run else "not measured"


def report(runs: dict[str, dict[str, float]], others: dict[str, dict[str, float]], *, name: str, smoke: bool) -> None:
    rate = {what: run["fired"] / run["seconds"] for what, run in runs.items()}
    columns = ("", "timers/s", "times slower than the limit", "processor µs/timer", "peak MB")
    rows = [
        (what, rate[what], _against(run), 1e6 * run["processor"] / run["fired"], run["peak_mb"])
        for what, run in runs.items()
    ]
    show("Settle, against raw SQL that writes the same rows", columns, rows)
    largest = [rate[what] for what in runs if what.startswith("SQLite")][-1]
    ways = [
        (what, run["fired"] / run["seconds"], largest * run["seconds"] / run["fired"]) for what, run in others.items()
    ]
    show("The ways others would take", ("", "timers/s", "times slower than our largest"), ways)
    if missing := peers.left_out():
        print(f"left out, not installed: {', '.join(missing)}; `make bench` installs them")
    sizes = [run for what, run in runs.items() if what.startswith("SQLite")]
    first, last = sizes[0], sizes[-1]
    growth = (last["processor"] / last["fired"]) / (first["processor"] / first["fired"])
    print(f"\nA timer of the largest house costs {growth:.2f} times one of the smallest.")
    found = {"workload": __doc__, "ours": runs, "others": others, "growth": round(growth, 2)}
    write(name, found, smoke=smoke)


if __name__ == "__main__":
    main()
