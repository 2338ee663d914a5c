"""Who a Patient resource is about, and by which of their numbers this service knows them."""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from coordinator.cohort_file import same_person
from coordinator.fhir.values import When, listed, status_of, when

Json = Mapping[str, Any]

NHS = "https://fhir.nhs.uk/Id/nhs-number"
RECORD_NUMBER = "MR"
# Numbers of a person that are no number of a patient: never kept, never compared.
PRIVATE_TYPES = ("SS", "DL", "PPN", "TAX")
PRIVATE_SYSTEMS = ("http://hl7.org/fhir/sid/us-ssn", "urn:oid:2.16.840.1.113883.4.1")
SEXES = {"female": "F", "male": "M", "other": "other"}
# All of a Patient that is kept: the rest may be large and is nobody's business here.
KEPT = (
    "resourceType", "id", "meta", "identifier", "name", "birthDate", "gender", "deceasedBoolean", "deceasedDateTime",
    "active",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Who:
    """A person as the source describes them; `number` is the one that this service uses."""

    number: str
    surname: str = ""
    given: str = ""
    birth: When | None = None
    sex: str | None = None
    deceased: bool = False
    died: When | None = None
    active: bool = True

    def may_be(self, other: "Who") -> bool:
        mine, theirs = (who.birth.day if who.birth and who.birth.precision == "day" else None for who in (self, other))
        return same_person(self.surname, mine, other.surname, theirs)


def slim(patient: Json) -> dict[str, Any]:
    return {name: patient[name] for name in KEPT if name in patient}


@dataclass(frozen=True, slots=True)
class Numbering:
    """How a patient's number is chosen: of the system named; else the best known one, or one that is known here."""

    known: Container[str]
    system: str = ""

    def choose(self, patient: Json) -> tuple[str, str]:
        """The number, or why there is none."""
        identifiers = list(_identifiers(patient))
        if self.system:
            named = [value for value, it in identifiers if it.get("system") == self.system]
            return (named[0], "") if named else ("", f"it has no identifier of {self.system}; not taken in")
        ranked = [value for value, _ in sorted(identifiers, key=lambda found: _rank(found[1]))]
        if not ranked:
            name = patient.get("id")
            return (
                (name, "") if isinstance(name, str) and name else ("", "it has no identifier and no id; not taken in")
            )
        here = list(dict.fromkeys(value for value in ranked if value in self.known))
        if ranked[0] in here or not here:
            return ranked[0], ""
        # Not known by its best number, but by another: an insurer's 1001 may be somebody else's number here.
        if len(here) > 1:
            return "", f"its numbers belong to different patients here ({', '.join(here)}); not taken in"
        return here[0], ""


def _identifiers(patient: Json) -> Iterator[tuple[str, Json]]:
    for identifier in listed(patient, "identifier"):
        value = identifier.get("value") if isinstance(identifier, Mapping) else None
        if not isinstance(value, str) or not value.strip():
            continue
        private = status_of(identifier.get("type")) in PRIVATE_TYPES or identifier.get("system") in PRIVATE_SYSTEMS
        if not private and identifier.get("use") != "old":
            yield "".join(value.split()), identifier


def _rank(identifier: Json) -> int:
    if identifier.get("system") == NHS:
        return 0
    if status_of(identifier.get("type")) == RECORD_NUMBER:
        return 1
    return 2 if identifier.get("use") in ("usual", "official") else 3


def who_of(patient: Json, number: str, zone: str) -> Who:
    names = [name for name in listed(patient, "name") if isinstance(name, Mapping)]
    official = [name for name in names if name.get("use") == "official"] or names or [{}]
    given = [text for text in listed(official[0], "given") if isinstance(text, str)]
    died = when(patient.get("deceasedDateTime"), zone)
    return Who(
        number=number,
        surname=str(official[0].get("family") or official[0].get("text") or ""),
        given=" ".join(given),
        birth=when(patient.get("birthDate"), zone),
        sex=SEXES.get(str(patient.get("gender"))),
        deceased=patient.get("deceasedBoolean") is True or "deceasedDateTime" in patient,
        died=died,
        active=patient.get("active") is not False,
    )
