"""Writing an export: a Bundle for one patient, a folder of Bundles, or a folder of NDJSON, one file a type.

A file gets its name when it is whole; what is interrupted leaves files that end in .part, which nobody reads.
"""

import gzip
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from coordinator.fhir.out.bundles import bundle, definitions
from coordinator.fhir.out.counts import measure, measure_report
from coordinator.fhir.out.elements import Json
from coordinator.fhir.out.record import resources
from persistence.charts import chart, charts
from persistence.store import Store

OnPatient = Callable[[], None]


@dataclass
class Written:
    """What an export holds: how many of each type, and the patients who could not be read, each with why."""

    patients: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def fault(self, number: str, because: str) -> None:
        self.faults.append(f"patient {number} could not be read ({because}); not in the export")


def house(store: Store, now: datetime) -> Iterator[Json]:
    """What belongs to no patient: the pathway, our codes, and the census."""
    guideline = store.engine.guideline
    yield from definitions(guideline, store.engine.profiles.values())
    yield measure(guideline)
    yield measure_report(store, now)


def patient_bundle(store: Store, number: str, now: datetime) -> Json | None:
    """One patient with the definitions that the resources speak of; None where the number is not known."""
    found, engine = chart(store, number), store.engine
    if found is None:
        return None
    followed = {kept.episode.profile: engine.profile(kept.episode.profile) for kept in found.episodes}
    told = [*resources(found, engine.guideline, now), *definitions(engine.guideline, followed.values())]
    return bundle(told, now)


def write_bundles(store: Store, folder: Path, now: datetime, on_patient: OnPatient) -> Written:
    """A Bundle for each patient, named by the patient's id, and one of what belongs to no patient."""
    written = Written()
    for found in charts(store, written.fault):
        told = list(resources(found, store.engine.guideline, now))
        written.kinds.update(each["resourceType"] for each in told)
        _whole(folder / f"{told[0]['id']}.json", bundle(told, now))
        written.patients += 1
        on_patient()
    told = list(house(store, now))
    written.kinds.update(each["resourceType"] for each in told)
    _whole(folder / "definitions.json", bundle(told, now))
    return written


def write_ndjson(store: Store, folder: Path, now: datetime, on_patient: OnPatient, *, packed: bool = False) -> Written:
    """One file for each type, as a bulk export has them."""
    written = Written()
    with _Folder(folder, packed=packed) as files:
        for found in _everything(store, now, written, on_patient):
            files.write(found)
    return written


def write_lines(store: Store, out: IO[str], now: datetime, on_patient: OnPatient) -> Written:
    """Every resource on a line of its own, of whatever type."""
    written = Written()
    for found in _everything(store, now, written, on_patient):
        out.write(line_of(found))
    return written


def _everything(store: Store, now: datetime, written: Written, on_patient: OnPatient) -> Iterator[Json]:
    for each in house(store, now):
        written.kinds[each["resourceType"]] += 1
        yield each
    for found in charts(store, written.fault):
        for each in resources(found, store.engine.guideline, now):
            written.kinds[each["resourceType"]] += 1
            yield each
        written.patients += 1
        on_patient()


def line_of(found: Json) -> str:
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")) + "\n"


def _whole(path: Path, found: Json) -> None:
    if path.exists():
        raise FileExistsError(f"{path.name} is there already")
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")
    part.rename(path)


class _Folder:
    """The files of a folder, each opened at the first resource of its type and named when all is written."""

    def __init__(self, folder: Path, *, packed: bool) -> None:
        self._folder, self._packed = folder, packed
        self._files: dict[str, IO[str]] = {}
        self._stack = ExitStack()

    def __enter__(self) -> "_Folder":
        return self

    def __exit__(self, kind: Any, *_error: Any) -> None:
        self._stack.close()
        if kind is None:
            for name in self._files:
                self._part(name).rename(self._folder / self._name(name))

    def write(self, found: Json) -> None:
        kind = found["resourceType"]
        if kind not in self._files:
            self._files[kind] = self._stack.enter_context(_opened(self._part(kind), packed=self._packed))
        self._files[kind].write(line_of(found))

    def _name(self, kind: str) -> str:
        return f"{kind}.ndjson.gz" if self._packed else f"{kind}.ndjson"

    def _part(self, kind: str) -> Path:
        return self._folder / f"{self._name(kind)}.part"


@contextmanager
def _opened(path: Path, *, packed: bool) -> Iterator[IO[str]]:
    with path.open("wb") as raw:
        if not packed:
            with io.TextIOWrapper(raw, encoding="utf-8", newline="\n") as text:
                yield text
            return
        # Without name and time in it, the same export is the same file.
        with (
            gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as squeezed,
            io.TextIOWrapper(squeezed, encoding="utf-8", newline="\n") as text,
        ):
            yield text
