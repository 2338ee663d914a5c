"""Which patient of ours the call is about: by a number that both sides know, and never against name or birth date."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coordinator.cds.calls import Call
from coordinator.cohort_file import same_person
from coordinator.fhir.out.names import number_of
from coordinator.fhir.people import Numbering, who_of
from persistence.store import Store


@dataclass(frozen=True, slots=True)
class Found:
    """`number`: of the patient who is followed here; empty where nobody is. `doubt`: why nothing may be shown."""

    number: str = ""
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class _Followed:
    """The numbers that are known here, each asked for when it is wanted."""

    store: Store

    def __contains__(self, number: object) -> bool:
        return isinstance(number, str) and number.isprintable() and self.store.person(number) is not None


def by_our_own_id(store: Store, call: Call) -> Found:
    """Where the calling system has the patient from our own FHIR service, its id is ours."""
    number = number_of(call.patient)
    return Found(number) if number is not None and number in _Followed(store) else Found()


def by_numbers(store: Store, person: Mapping[str, Any], system: str, zone: str) -> Found:
    if not person.get("identifier"):
        return Found()
    followed = _Followed(store)
    number, because = Numbering(followed, system).choose(person)
    if because:
        ambiguous = "belong to different patients" in because
        return Found(doubt="Its numbers belong to different patients here.") if ambiguous else Found()
    if number not in followed:
        return Found()
    known, who = store.person(number), who_of(person, number, zone)
    birth = who.birth.day if who.birth and who.birth.precision == "day" else None
    if not same_person(who.surname, birth, known.surname, known.birth_date):
        return Found(doubt=f"Number {number} belongs here to somebody with another name or date of birth.")
    return Found(number)
