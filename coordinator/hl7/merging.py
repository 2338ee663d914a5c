"""A40: two records of one person by the hospital's own word. Merged where nothing speaks against it, else asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coordinator.fhir.people import Who
from coordinator.fhir.records import Intake
from coordinator.hl7.message import Message, Segment
from coordinator.hl7.shapes import identifier_of, place_of
from coordinator.merging import join, propose
from pathway import merging
from pathway.journal import Refusal
from persistence.merging import Asked

RETIRED = "the source says that these are one person"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it: merged (or known to be), nothing to merge, or a question that only a person may answer."""

    said: str = ""
    merged: bool = False
    question: str = ""


def retired_of(segment: Segment) -> Mapping[str, Any]:
    """MRG: the record that goes on in another one, by its earlier numbers."""
    return {"resourceType": "Patient", "identifier": [identifier_of(number) for number in segment.repetitions(1)]}


def merge_by_message(intake: Intake, surviving: str, retired: str, who: Who, message: Message) -> Answer:
    store = intake.store
    known = {number: store.person(number) is not None for number in (surviving, retired)}
    if not known[retired]:
        return Answer(f"{retired} is not known here, so there is nothing to merge")
    if store.current_number(retired) == store.current_number(surviving) and known[surviving]:
        return Answer(f"{retired} goes on as {store.current_number(surviving)} already", merged=True)
    about = f"The source says that No. {retired} goes on as No. {surviving}"
    if not known[surviving]:
        return Answer(question=f"{about}, which is not known here: register that number, or go on with the old one.")
    found = propose(store, store.current_number(surviving), retired)
    if isinstance(found, Refusal):
        return Answer(question=f"{about}, but {found.because.removesuffix('; nothing was saved')}.")
    against = _against(found, who)
    if against:
        return Answer(question=f"{about}. {against} Merge the two records by hand, or say why not.")
    if intake.dry_run:
        return Answer(f"{retired} would be merged into {found.surviving.number}", merged=True)
    asked = Asked(found.surviving.number, retired, f"{RETIRED} ({place_of(message)})", str(place_of(message)))
    done = join(store, found, asked, intake.now)
    if isinstance(done, Refusal):
        return Answer(question=f"{about}, but {done.because}.")
    return Answer(f"{retired} was merged into {done.surviving}", merged=True)


def _against(found: Any, who: Who) -> str:
    """Why a machine does not merge these by itself."""
    if found.refusal:
        return f"{found.refusal.because[:1].upper()}{found.refusal.because[1:]}."
    if found.differ:
        return f"The two records here differ in {' and '.join(found.differ)}."
    if found.pairs:
        asked = "; ".join(merging.question(one, other) for one, other in found.pairs)
        return f"{asked[:1].upper()}{asked[1:]}: which goes on?"
    birth = who.birth.day if who.birth and who.birth.precision == "day" else None
    known = found.surviving.birth_date
    return "The message gives another date of birth." if birth and known and birth != known else ""
