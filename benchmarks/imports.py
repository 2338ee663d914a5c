"""Taking in: FHIR NDJSON against only parsing its JSON, a cohort spreadsheet against only splitting its rows."""

import argparse
import csv
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.cohort import ZONE, opened
from benchmarks.measure import apart, show, stopwatch, write
from coordinator.cohort_file import CohortFileUnreadable, read_cohort
from coordinator.fhir.records import Intake
from coordinator.fhir.taking import take_in
from coordinator.importing import Intake as SheetIntake
from coordinator.importing import take_in as take_sheet
from tests.fhir.exports import condition, observation, patient

NOW = datetime(2026, 3, 16, 7, 30, tzinfo=UTC)
HEADINGS = ("MRN", "Surname", "Forename", "Date of birth", "Sex", "Level", "Date of fracture", "Date seen")
# Of an export most resources concern nobody here.
CLAIMS = 6


def ndjson(file: str, patients: int) -> None:
    with Path(file).open("w", encoding="utf-8") as out:
        for n in range(patients):
            who = f"p{n}"
            resources = [patient(who, f"H{n}"), condition(f"c{n}", of=who)]
            resources += [observation(f"o{n}", "72514-3", 5, "2026-03-01T09:00:00+00:00", of=who)]
            resources += [{"resourceType": "Claim", "id": f"x{n}-{k}", "note": "n" * 800} for k in range(CLAIMS)]
            out.writelines(json.dumps(resource) + "\n" for resource in resources)


def fhir(url: str, file: str) -> dict[str, float]:
    store = opened(url)
    with stopwatch() as taken:
        report = take_in(Intake(store, NOW, ZONE, "default", "A. Desk", "", False), Path(file))
    assert report.enrolled.registered
    store.database.close()
    return {"done": report.tally.resources, "seconds": taken.seconds, "processor": taken.processor}


def only_json(file: str) -> dict[str, float]:
    with stopwatch() as taken, Path(file).open(encoding="utf-8") as lines:
        done = sum(1 for line in lines if json.loads(line))
    return {"done": done, "seconds": taken.seconds, "processor": taken.processor}


def sheet(file: str, rows: int) -> None:
    with Path(file).open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(HEADINGS)
        for n in range(rows):
            number = f"S{n:07d}"
            writer.writerow((number, "Example", f"Test{n}", "1944-03-02", "F", "L1", "2026-02-20", "2026-02-23"))


def spreadsheet(url: str, file: str) -> dict[str, float]:
    store = opened(url)
    with stopwatch() as taken:
        found = read_cohort(Path(file).read_bytes(), today=NOW.date(), zone=ZONE)
        assert not isinstance(found, CohortFileUnreadable)
        report = take_sheet(SheetIntake(store, NOW, ZONE, "default", "A. Desk", "bench.csv"), found)
    assert report.count("recorded") == len(found.people), report.rows[:3]
    store.database.close()
    return {"done": len(found.people), "seconds": taken.seconds, "processor": taken.processor}


def only_rows(file: str) -> dict[str, float]:
    with stopwatch() as taken, Path(file).open(encoding="utf-8", newline="") as lines:
        done = sum(1 for _row in csv.reader(lines)) - 1
    return {"done": done, "seconds": taken.seconds, "processor": taken.processor}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--smoke", action="store_true", help="as small as can be")
    smoke = arguments.parse_args().smoke
    patients = 10 if smoke else 500
    with tempfile.TemporaryDirectory() as name:
        lines, rows = str(Path(name, "export.ndjson")), str(Path(name, "cohort.csv"))
        ndjson(lines, patients)
        sheet(rows, patients)
        runs = {
            "FHIR NDJSON, resources": apart(fhir, f"sqlite:///{name}/fhir.db", lines),
            "only json.loads of its lines": apart(only_json, lines),
            "spreadsheet, rows": apart(spreadsheet, f"sqlite:///{name}/sheet.db", rows),
            "only csv.reader of its rows": apart(only_rows, rows),
        }
    figures = [(what, run["done"] / run["processor"], run["peak_mb"]) for what, run in runs.items()]
    show("Taking in, per second of processor time", ("", "a second", "peak MB"), figures)
    write("imports", {"workload": __doc__, "runs": runs}, smoke=smoke)


if __name__ == "__main__":
    main()
