"""A08: what the hospital now says of somebody. A name may change; a date of birth that does is for a person."""

from typing import Any

from coordinator.fhir.people import Who
from coordinator.fhir.records import Intake
from pathway.calendar import show_date
from persistence.names import full_name
from persistence.renaming import Renaming, rename


def update_name(intake: Intake, who: Who, place: str) -> tuple[str, str]:
    """What was taken over, and what only a person may judge; both in words, either may be empty."""
    number = intake.store.current_number(who.number)
    known = intake.store.person(number)
    if known is None:
        return "", ""
    was, now = full_name(known.surname, known.given), full_name(who.surname, who.given)
    question = _question(known, who, was, now)
    if question or was == now or not who.surname:
        return "", question
    if not intake.dry_run:
        rename(intake.store, Renaming(number, who.surname, who.given, place), intake.now)
    return f"name changed from {was} to {now}", ""


def _question(known: Any, who: Who, was: str, now: str) -> str:
    birth_date, sex = known.birth_date, known.sex
    birth = who.birth.day if who.birth and who.birth.precision == "day" else None
    if birth and birth_date and birth != birth_date:
        days = f"{show_date(birth)}, and here it is {show_date(birth_date)}"
        return f"The source now gives the date of birth {days}: is it the same person, and which is right?"
    if who.sex and sex and who.sex != sex:
        return f"The source now gives the sex {who.sex}, and here it is {sex}: which is right?"
    changed = was != now and who.surname and was != "Not known"
    if changed and not (birth and birth_date):
        return (
            f"The source now gives the name {now}, and here it is {was}; no date of birth says that it is one person."
        )
    return ""
