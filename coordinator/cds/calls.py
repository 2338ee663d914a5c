"""Reading a call: which hook, of which patient, and what goes with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from coordinator.api.problems import Problem

Json = Mapping[str, Any]
HOOK = "patient-view"
OUTCOMES = ("accepted", "overridden")
LONGEST = 2000


@dataclass(frozen=True, slots=True)
class Call:
    """`person`: the Patient resource that was sent along; None where none was. `server`: where its FHIR is."""

    user: str
    patient: str
    person: Json | None
    server: str


def call_of(body: Any) -> Call:
    """Raises Problem (422, 412) with what is wrong."""
    if not isinstance(body, Mapping):
        raise _malformed("The body is no JSON object")
    if body.get("hook") != HOOK:
        raise _malformed(f"hook is {str(body.get('hook'))[:60]!r}; expected {HOOK}")
    try:
        UUID(str(body.get("hookInstance")))
    except ValueError as error:
        raise _malformed("hookInstance is no UUID") from error
    context = body.get("context")
    if not isinstance(context, Mapping) or not isinstance(context.get("patientId"), str):
        raise _malformed("context.patientId is missing")
    prefetch = body.get("prefetch")
    person = prefetch.get("patient") if isinstance(prefetch, Mapping) else None
    if person is not None and (not isinstance(person, Mapping) or person.get("resourceType") != "Patient"):
        raise _malformed("prefetch.patient is no Patient resource")
    if person is not None and person.get("id") != context["patientId"]:
        raise _malformed("prefetch.patient is not the patient of context.patientId")
    return Call(
        _text(context.get("userId"))[:200],
        context["patientId"],
        person,
        str(body.get("fhirServer") or "").rstrip("/"),
    )


def feedback_of(body: Any, told_by: str, at: datetime) -> list[dict[str, Any]]:
    """Rows of card_feedback; raises Problem (422) with the first thing that is wrong, and then nothing is kept."""
    told = body.get("feedback") if isinstance(body, Mapping) else None
    if not isinstance(told, list) or not told:
        raise _malformed("feedback is no list")
    return [_feedback(each, number, told_by, at) for number, each in enumerate(told)]


def _feedback(each: Any, number: int, told_by: str, at: datetime) -> dict[str, Any]:
    place = f"feedback[{number}]"
    if not isinstance(each, Mapping) or not isinstance(each.get("card"), str):
        raise _malformed(f"{place}.card is missing")
    if each.get("outcome") not in OUTCOMES:
        raise _malformed(f"{place}.outcome is none of {', '.join(OUTCOMES)}")
    return {
        "card_id": _text(each["card"]),
        "outcome_at": _instant(each.get("outcomeTimestamp"), f"{place}.outcomeTimestamp"),
        "told_by": told_by,
        "outcome": each["outcome"],
        **_reason(each.get("overrideReason")),
        "told_at": at,
    }


def _instant(text: Any, place: str) -> datetime:
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except (AttributeError, ValueError, TypeError) as error:
        raise _malformed(f"{place} is no time; expected one such as 2026-03-16T09:00:00Z") from error
    if found.tzinfo is None:
        raise _malformed(f"{place} has no zone; expected one such as 2026-03-16T09:00:00Z")
    return found.astimezone(UTC)


def _reason(given: Any) -> dict[str, str]:
    given = given if isinstance(given, Mapping) else {}
    reason = given.get("reason")
    coded = reason if isinstance(reason, Mapping) else {}
    said = coded.get("display") or coded.get("code") or ""
    return {"reason": _text(said)[:200], "comment": _text(given.get("userComment"))}


def _text(value: Any) -> str:
    """Text that a database can hold; empty for what is none."""
    if not isinstance(value, str):
        return ""
    return "".join(mark for mark in value[:LONGEST] if mark.isprintable() or mark in "\n\t")


def _malformed(because: str) -> Problem:
    return Problem("malformed", f"{because}; nothing was shown or saved.")
