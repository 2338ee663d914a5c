"""Virtual time: years of patients lived through by the real engine, against as many bare machine triggers."""

import argparse
import tempfile
from datetime import UTC, datetime

from sqlalchemy import func, select
from transitions import Machine

from benchmarks.cohort import opened
from benchmarks.measure import apart, show, stopwatch, write
from coordinator.demo_cohort import build
from persistence import models
from persistence.store import table

NOW = datetime(2026, 3, 16, 7, 30, tzinfo=UTC)
YEAR = 365.25


def lived(url: str, patients: int) -> dict[str, float]:
    """Everything that happens to them, each stop of time being the engine's own next wake."""
    store = opened(url)
    with stopwatch() as taken:
        build(store, now=NOW, patients=patients)
    episodes, entries = table(models.Episode), table(models.Entry)
    with store.database.reading() as connection:
        begun = [row.onset for row in connection.execute(select(episodes.c.onset))]
        lines = connection.scalar(select(func.count()).select_from(entries))
    store.database.close()
    years = sum((NOW.date() - day).days for day in begun) / YEAR
    return {"years": years, "lines": float(lines or 0), "seconds": taken.seconds, "processor": taken.processor}


def triggered(times: int) -> dict[str, float]:
    """A machine of two states that goes there and back."""
    machine = Machine(states=["here", "there"], initial="here", auto_transitions=False)
    machine.add_transition("go", "here", "there")
    machine.add_transition("go", "there", "here")
    with stopwatch() as taken:
        for _ in range(times):
            machine.go()
    return {"seconds": taken.seconds, "processor": taken.processor}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--smoke", action="store_true", help="as small as can be")
    smoke = arguments.parse_args().smoke
    patients = 10 if smoke else 300
    with tempfile.TemporaryDirectory() as folder:
        run = apart(lived, f"sqlite:///{folder}/virtual.db", patients)
    bare = apart(triggered, int(run["lines"]))
    ratio = run["processor"] / bare["processor"]
    rows = [
        ("the real pathway", run["years"] / run["processor"], run["lines"] / run["processor"], ratio),
        ("a bare trigger a line", "", run["lines"] / bare["processor"], 1.0),
    ]
    columns = ("", "patient-years/s", "journal lines/s", "times a bare trigger")
    show(f"Virtual time: {run['years']:.0f} patient-years", columns, rows)
    write("virtual", {"workload": __doc__, "ours": run, "bare_triggers": bare}, smoke=smoke)


if __name__ == "__main__":
    main()
