"""Sorting what was read by patient, in a scratch database on disk, so that memory stays flat whatever the size.

A file is sorted as a whole or, where it turns out to be of another release of FHIR, not at all.
"""

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from coordinator.fhir.edge import refused_because
from coordinator.fhir.findings import Findings, Place, printable
from coordinator.fhir.journal_files import is_journal, is_ours
from coordinator.fhir.people import Numbering, Who, slim, who_of
from coordinator.fhir.reading import Found, Reading
from coordinator.fhir.relevance import is_wanted
from coordinator.fhir.values import reference_of, stamp_of
from coordinator.fhir.versions import R4, Sign, sign_of

Json = dict[str, Any]

TABLES = """
CREATE TABLE patient (n INTEGER PRIMARY KEY, file INTEGER, ref TEXT, url TEXT, number TEXT, stamp TEXT, place TEXT,
                      line INTEGER, deceased INTEGER, body TEXT);
CREATE TABLE item (n INTEGER PRIMARY KEY, file INTEGER, subject TEXT, number TEXT, ref TEXT, stamp TEXT, place TEXT,
                   line INTEGER, whole INTEGER, body TEXT);
CREATE TABLE medication (file INTEGER, ref TEXT, url TEXT, body TEXT);
CREATE TABLE lost (file INTEGER, ref TEXT, url TEXT);
CREATE TABLE journal (n INTEGER PRIMARY KEY, file INTEGER, place TEXT, line INTEGER, body TEXT);
"""
INDEXES = """
CREATE INDEX patient_ref ON patient (ref, file);
CREATE INDEX patient_url ON patient (url, file);
CREATE INDEX patient_number ON patient (number);
CREATE INDEX lost_ref ON lost (ref);
CREATE INDEX lost_url ON lost (url);
CREATE INDEX medication_ref ON medication (ref);
CREATE INDEX medication_url ON medication (url);
CREATE INDEX item_subject ON item (subject, file);
"""
# Within a file a reference means what the file says; only a reference that it does not hold is looked for elsewhere.
OWN = """UPDATE item SET number = (SELECT number FROM patient p WHERE p.file = item.file
         AND (p.ref = item.subject OR p.url = item.subject) LIMIT 1) WHERE number IS NULL AND subject != ''"""
ELSEWHERE = """UPDATE item SET number = (SELECT CASE WHEN count(DISTINCT number) = 1 THEN min(number) END
               FROM patient p WHERE p.ref = item.subject OR p.url = item.subject)
               WHERE number IS NULL AND subject != ''"""


@dataclass(frozen=True, slots=True)
class Item:
    """One resource of a patient; `whole` is False when its file could not be read to the end."""

    resource: Json
    ref: str
    stamp: str
    place: Place
    whole: bool


@dataclass(frozen=True, slots=True)
class Person:
    """Everything that was read of one number; `who` is None where no Patient resource was read."""

    number: str
    who: Who | None
    place: Place
    items: tuple[Item, ...]


@dataclass
class Tally:
    """What was seen in all files."""

    files: int = 0
    resources: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    wanted: int = 0
    ours: int = 0
    refused_files: list[str] = field(default_factory=list)


@contextmanager
def sorting(findings: Findings, numbering: Numbering, zone: str) -> Iterator["Sorting"]:
    # The empty name is SQLite's own for a file on disk that nobody else can see and that goes away by itself.
    scratch = sqlite3.connect("", isolation_level=None)
    try:
        scratch.executescript(f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; {TABLES}")
        yield Sorting(scratch, findings, numbering, zone)
    finally:
        scratch.close()


class Sorting:
    def __init__(self, scratch: sqlite3.Connection, findings: Findings, numbering: Numbering, zone: str) -> None:
        self._scratch, self._findings, self._numbering, self._zone = scratch, findings, numbering, zone
        self.tally = Tally()

    # ---------------------------------------------------------------- in

    def file(self, reading: Reading) -> Iterator[int]:
        """Sort the resources of one file; yields now and then how far into the file it is."""
        self.tally.files += 1
        number, faults, more = self.tally.files, len(self._findings.faults), self._findings.faults_more
        signs: dict[str, tuple[int, Sign, Place]] = {}
        for seen, found in enumerate(reading.resources()):
            sign = sign_of(found.resource)
            if sign is not None:
                count, first, place = signs.get(sign.release, (0, sign, found.place))
                signs[sign.release] = (count + 1, first, place)
            self._sort(found, number, sign)
            if seen % 200 == 0:
                yield reading.progress()
        release = max(signs, key=lambda name: (signs[name][0], name == R4), default=R4)
        if release != R4:
            self._forget(number, faults, more)
            _, sign, place = signs[release]
            self._findings.refuse(
                place, f"the file is FHIR {release}, not R4 ({sign.because}); nothing in it was taken in"
            )
            self.tally.refused_files.append(reading.named.name)
        elif not reading.complete:
            self._scratch.execute("UPDATE item SET whole = 0 WHERE file = ?", (number,))
        yield reading.progress()

    def _forget(self, number: int, faults: int, more: int) -> None:
        for table in ("patient", "item", "medication", "lost", "journal"):
            self._scratch.execute(f"DELETE FROM {table} WHERE file = ?", (number,))
        # One sentence says it all.
        del self._findings.faults[faults:]
        self._findings.faults_more = more

    def _sort(self, found: Found, file: int, sign: Sign | None) -> None:
        self.tally.resources += 1
        self.tally.kinds[printable(found.kind[:60])] += 1
        if is_ours(found.resource):
            self._ours(found, file)
            return
        resource = slim(found.resource) if found.kind == "Patient" else found.resource
        if found.kind != "Patient" and not is_wanted(resource):
            return
        self.tally.wanted += 1
        text = json.dumps(resource, ensure_ascii=False)
        because = self._refusal(resource, sign) if _storable(text) else "it holds characters that are no text"
        if because:
            self._findings.refuse(found.place, f"{because}; not taken in")
            if found.kind == "Patient":
                self._scratch.execute("INSERT INTO lost VALUES (?, ?, ?)", (file, _ref(resource), _url(found)))
            return
        if found.kind == "Patient":
            self._patient(found, resource, file, text)
        elif found.kind == "Medication":
            row = (file, _ref(resource), _url(found), text)
            self._scratch.execute("INSERT INTO medication VALUES (?, ?, ?, ?)", row)
        else:
            self._item(found, resource, file, text)

    def _ours(self, found: Found, file: int) -> None:
        """What an engine like this one wrote is not judged anew: its journals say it all, the rest is for others."""
        self.tally.ours += 1
        if is_journal(found.resource):
            row = (file, found.place.file, found.place.line, json.dumps(found.resource))
            self._scratch.execute("INSERT INTO journal (file, place, line, body) VALUES (?, ?, ?, ?)", row)

    def _refusal(self, resource: Json, sign: Sign | None) -> str:
        if sign is not None and sign.release != R4:
            return f"it looks like FHIR {sign.release}, not R4 ({sign.because})"
        if resource.get("modifierExtension"):
            return "it carries a modifierExtension, which may turn its meaning round; a person must read it"
        return refused_because(resource)

    def _patient(self, found: Found, patient: Json, file: int, text: str) -> None:
        number, because = self._numbering.choose(patient)
        if because:
            self._findings.refuse(found.place, because)
            self._scratch.execute("INSERT INTO lost VALUES (?, ?, ?)", (file, _ref(patient), _url(found)))
            return
        deceased = who_of(patient, number, self._zone).deceased
        place = found.place
        row = (file, _ref(patient), _url(found), number, stamp_of(patient), place.file, place.line, deceased, text)
        self._scratch.execute(
            "INSERT INTO patient (file, ref, url, number, stamp, place, line, deceased, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )

    def _item(self, found: Found, resource: Json, file: int, text: str) -> None:
        subject = resource.get("subject")
        identifier = subject.get("identifier") if isinstance(subject, Mapping) else None
        value = identifier.get("value") if isinstance(identifier, Mapping) else None
        known = value if isinstance(value, str) and value in self._numbering.known else None
        row = (file, reference_of(subject), known, _identity(found, text), stamp_of(resource))
        self._scratch.execute(
            "INSERT INTO item (file, subject, number, ref, stamp, place, line, whole, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?)",
            (*row, found.place.file, found.place.line, text),
        )

    # ---------------------------------------------------------------- out

    def settle(self) -> None:
        """Everything is in: find whom each resource is about."""
        self._scratch.executescript(f"{INDEXES}{OWN};{ELSEWHERE};CREATE INDEX item_number ON item (number);")

    def journals(self) -> Iterator[tuple[Json, Place]]:
        """The journals of patients in an export of an engine like this one."""
        query = "SELECT body, place, line FROM journal ORDER BY n"
        for body, file, line in self._scratch.execute(query):
            resource = json.loads(body)
            yield resource, _named(Place(file, line), resource)

    def people(self) -> Iterator[str]:
        """The numbers of which something was read, or who are said to have died."""
        query = """SELECT number FROM item WHERE number IS NOT NULL
                   UNION SELECT number FROM patient WHERE deceased = 1 ORDER BY 1"""
        for (number,) in self._scratch.execute(query):
            yield number

    def count_people(self) -> int:
        return sum(1 for _ in self.people())

    def person(self, number: str) -> Person | None:
        """One patient with their resources, the newest version of each; None where the number is of two people."""
        rows = self._scratch.execute(
            "SELECT body, place, line FROM patient WHERE number = ? ORDER BY stamp, n", (number,)
        ).fetchall()
        found = [(json.loads(body), Place(file, line)) for body, file, line in rows]
        people = [(who_of(patient, number, self._zone), _named(place, patient)) for patient, place in found]
        for who, place in people[:-1]:
            if not who.may_be(people[-1][0]):
                other = people[-1][1]
                because = f"number {number} is also the number of somebody else ({other}); neither was taken in"
                self._findings.refuse(place, because)
                return None
        # Of several records of one person the newest; but one that knows of a death is believed before all others.
        best = next((each for each in reversed(people) if each[0].deceased), people[-1] if people else None)
        items = tuple(self._items("number = ?", (number,)))
        return Person(number, best[0], best[1], items) if best else Person(number, None, Place(""), items)

    def orphans(self) -> Iterator[tuple[Item, str]]:
        """Resources whose patient was not found, each with why; those of a refused patient are told of already."""
        query = """SELECT i.n, i.subject, (SELECT count(DISTINCT number) FROM patient p
                   WHERE p.ref = i.subject OR p.url = i.subject) FROM item i WHERE i.number IS NULL
                   AND NOT EXISTS (SELECT 1 FROM lost l WHERE i.subject IN (l.ref, l.url) AND i.subject != '')
                   ORDER BY i.n"""
        for n, subject, several in self._scratch.execute(query):
            (item,) = self._items("n = ?", (n,))
            if not subject:
                yield item, "it does not say whom it is about"
            elif several:
                yield item, f"two different people are called {subject} in these files"
            else:
                yield item, f"its patient {subject} is in none of the files"

    def _items(self, where: str, values: tuple[Any, ...]) -> list[Item]:
        query = f"SELECT body, ref, stamp, place, line, whole FROM item WHERE {where} ORDER BY stamp, n"
        newest: dict[str, Item] = {}
        for body, ref, stamp, file, line, whole in self._scratch.execute(query, values):
            resource = json.loads(body)
            newest.pop(ref, None)
            newest[ref] = Item(resource, ref, stamp, _named(Place(file, line), resource), bool(whole))
        return list(newest.values())

    def medication(self, reference: str) -> Json | None:
        """The Medication that a request refers to, where it is one of those that are known here."""
        query = "SELECT body FROM medication WHERE ref = ? OR url = ? LIMIT 1"
        found = self._scratch.execute(query, (reference, reference)).fetchone()
        return json.loads(found[0]) if found else None


def _storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\\u0000" not in text


def _ref(resource: Json) -> str:
    name = resource.get("id")
    return f"{resource['resourceType']}/{name}" if isinstance(name, str) and name and name.isprintable() else ""


def _url(found: Found) -> str:
    """The address in a Bundle, in the spelling of references; one that says no more than the id does is left out."""
    return reference_of({"reference": found.url}) if found.url else ""


def _identity(found: Found, text: str) -> str:
    """What makes a resource the same one when it comes again: its id, else its address, else all it says."""
    name = _ref(found.resource) or found.url
    return name or f"{found.kind}#{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def _named(place: Place, resource: Json) -> Place:
    return Place(place.file, place.line, _ref(resource) or str(resource["resourceType"]))
