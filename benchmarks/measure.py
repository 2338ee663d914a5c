"""How the benchmarks measure: each run in a process of its own, and every figure beside a baseline of the same run."""

import json
import platform
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

RESULTS = Path(__file__).with_name("results")
LIBRARIES = (
    "sqlalchemy",
    "sqlmodel",
    "transitions",
    "apscheduler",
    "psycopg",
    "procrastinate",
    "pydantic",
    "spiffworkflow",
    "dbos",
)


@dataclass(slots=True)
class Taken:
    """Seconds on the wall and of the processor (of this process alone)."""

    seconds: float = 0.0
    processor: float = 0.0


@contextmanager
def stopwatch(total: Taken | None = None) -> Iterator[Taken]:
    """What the block takes, added to `total` where one is given."""
    taken, wall, busy = total or Taken(), perf_counter(), process_time()
    yield taken
    taken.seconds += perf_counter() - wall
    taken.processor += process_time() - busy


def apart(work: Callable[..., dict[str, float]], *arguments: Any) -> dict[str, float]:
    """What `work` found, in a fresh process, with the peak of that process's memory in MB."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_with_peak, work, *arguments).result()


def _with_peak(work: Callable[..., dict[str, float]], *arguments: Any) -> dict[str, float]:
    found = work(*arguments)
    return {**found, "peak_mb": _peak_mb()}


def _peak_mb() -> float:
    """Of this program since it began; what was there before it in the same process does not count."""
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def write(name: str, found: Mapping[str, Any], *, smoke: bool) -> None:
    """results/NAME.json: the figures with the machine, the versions and the commit; not of a run that was too small."""
    if smoke:
        return
    about = {
        "machine": f"{platform.machine()}, {platform.python_implementation()} {platform.python_version()}",
        "versions": {"sqlite": sqlite3.sqlite_version, **_versions()},
        "commit": _commit(),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps({**found, **about}, indent=2) + "\n", encoding="utf-8")


def _versions() -> dict[str, str]:
    """Of what is installed: some of the peers are there only where `make bench` has put them."""
    found = {}
    for library in LIBRARIES:
        with suppress(PackageNotFoundError):
            found[library] = version(library)
    return found


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def show(title: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """A table for people; numbers are written with three figures that mean something."""
    texts = [columns, *(tuple(_text(value) for value in row) for row in rows)]
    widths = [max(len(row[place]) for row in texts) for place in range(len(columns))]
    print(f"\n{title}")
    for first, *others in texts:
        print("  ".join([first.ljust(widths[0]), *(text.rjust(w) for text, w in zip(others, widths[1:], strict=True))]))


def _text(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
