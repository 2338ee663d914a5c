"""Finding what was asked for, patient by patient, with what a page goes on from."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from datetime import datetime

from coordinator.api.paging import opened, sealed, text
from coordinator.fhir.out.bundles import definitions
from coordinator.fhir.out.counts import measure, measure_report
from coordinator.fhir.out.elements import Json
from coordinator.fhir.out.names import is_too_long, number_of, patient_id
from coordinator.fhir.out.record import BUILDERS, parts_of, resources
from coordinator.fhir.serving.asking import Asked
from coordinator.fhir.serving.outcomes import FhirProblem
from persistence.charts import ALL, Chart, chart, charts
from persistence.store import Store

# A page looks through so many patients at most; one that found less still says where the next begins.
LOOKED_THROUGH = 200


@dataclass(frozen=True, slots=True)
class Page:
    """What was found, of whom, and the cursor of the next page; None on the last."""

    found: list[Json]
    patients: list[str]
    next: str | None


def versioned(resource: Json) -> Json:
    """The version of a resource is made of what it says: it changes exactly when that does."""
    said = json.dumps({**resource, "meta": None}, sort_keys=True, ensure_ascii=False)
    version = hashlib.sha256(said.encode()).hexdigest()[:16]
    return {**resource, "meta": {"versionId": version, **resource["meta"]}}


# ---------------------------------------------------------------- one


def find(store: Store, kind: str, name: str, now: datetime) -> tuple[Json, str] | None:
    """The resource of that id and the number of its patient; empty where it is nobody's."""
    if kind not in BUILDERS:
        return next(((each, "") for each in of_the_house(store, kind, now) if each["id"] == name), None)
    whole = chart_of(store, name, parts_of(kind))
    if whole is None:
        return None
    made = resources(whole, store.engine.guideline, now, [kind])
    return next(((each, whole.patient.id) for each in made if each["id"] == name), None)


def chart_of(store: Store, name: str, parts: Set[str] = ALL) -> Chart | None:
    """The patient in whose record an id is."""
    number = number_of(name)
    if number is not None:
        return chart(store, number, parts)
    if not is_too_long(name):
        return None
    first = name.partition(".")[0]
    known = (number for number in store.numbers() if patient_id(number) == first)
    number = next(known, None)
    return chart(store, number, parts) if number is not None else None


def of_the_house(store: Store, kind: str, now: datetime) -> Iterator[Json]:
    guideline = store.engine.guideline
    if kind == "Measure":
        yield measure(guideline)
    elif kind == "MeasureReport":
        yield measure_report(store, now)
    else:
        found = definitions(guideline, store.engine.profiles.values())
        yield from (each for each in found if each["resourceType"] == kind)


# ---------------------------------------------------------------- many


def search(store: Store, asked: Asked, now: datetime) -> Page:
    if asked.kind not in BUILDERS:
        return _of_the_house(store, asked, now)
    place, parts = opened(asked.cursor, text, text), parts_of(asked.kind)
    if asked.named:
        return _page(asked, store, now, _named(store, asked.named, parts), place, bounded=False)
    after = place[0] if place else ""
    return _page(asked, store, now, _all(store, after, parts), place, bounded=True)


def _of_the_house(store: Store, asked: Asked, now: datetime) -> Page:
    place = opened(asked.cursor, text)
    fitting = [each for each in of_the_house(store, asked.kind, now) if asked.fits(each)]
    rest = _after(fitting, place[0]) if place else fitting
    more = sealed(rest[asked.count - 1]["id"]) if len(rest) > asked.count else None
    return Page(rest[: asked.count], [], more)


def _named(store: Store, names: Iterable[str], parts: Set[str]) -> Iterator[Chart]:
    """The charts of those ids of patients, each once, in the order of their numbers."""
    found = {whole.patient.id: whole for name in names if (whole := chart_of(store, name, parts)) is not None}
    yield from (found[number] for number in sorted(found))


def _all(store: Store, after: str, parts: Set[str]) -> Iterator[Chart]:
    """From that patient on; that one first, for a page may have ended in the middle."""
    if after:
        first = chart(store, after, parts)
        if first is not None and first.patient.id == after:
            yield first
    yield from charts(store, _unreadable, after=after, parts=parts)


def _unreadable(number: str, because: str) -> None:
    raise FhirProblem(500, f"The record of a patient cannot be read ({because.partition(':')[0]}); tell who runs this.")


def _page(
    asked: Asked, store: Store, now: datetime, people: Iterable[Chart], place: tuple[str, ...] | None, *, bounded: bool
) -> Page:
    """A cursor is a patient's number and the id after which to go on; without an id, after that patient."""
    found: list[Json] = []
    seen: list[str] = []
    number, name = place or ("", "")
    before = number
    for looked, whole in enumerate(people):
        current = whole.patient.id
        if bounded and looked >= LOOKED_THROUGH:
            return Page(found, seen, sealed(before, ""))
        if place and (current < number or (current == number and not name)):
            continue
        made = list(resources(whole, store.engine.guideline, now, [asked.kind]))
        fitting = [each for each in (_after(made, name) if current == number else made) if asked.fits(each)]
        room = asked.count - len(found)
        found += fitting[:room]
        seen += [current] if fitting[:room] else []
        if len(fitting) > room:
            return Page(found, seen, sealed(current, found[-1]["id"]) if room else sealed(before, ""))
        before = current
    return Page(found, seen, None)


def _after(made: list[Json], name: str) -> list[Json]:
    """What comes after the one of that id; all of it where that one is gone."""
    places = [place for place, each in enumerate(made) if each["id"] == name]
    return made[places[0] + 1 :] if places else made
