"""The fracture of an episode: where, since when, and how sure the date is."""

from typing import Any

from coordinator.fhir.out.elements import Json, coding, concept, day, instant, resource, subject
from coordinator.fhir.out.moves import is_not_vcf
from coordinator.fhir.out.names import episode_name
from coordinator.fhir.out.terms import COMPRESSION_FRACTURE, SNOMED, body_sites
from pathway.calendar import show_date
from pathway.episode import Episode
from pathway.guideline import Guideline
from persistence.charts import Kept

TERMS = "http://terminology.hl7.org/CodeSystem"
ASSERTED = "http://hl7.org/fhir/StructureDefinition/condition-assertedDate"


def condition(kept: Kept, guideline: Guideline) -> Json:
    episode = kept.episode
    ended = guideline.is_terminal(episode.state)
    return resource(
        "Condition",
        episode_name(episode.id),
        updated=kept.row.updated_at,
        extension=[{"url": ASSERTED, "valueDateTime": day(episode.identification)}],
        # What has become of a fracture whose pathway has ended is not known here, so nothing is said.
        clinicalStatus=None if ended else _status("clinical", "active"),
        verificationStatus=_status("ver-status", "refuted" if is_not_vcf(kept) else "confirmed"),
        category=[_status("category", "encounter-diagnosis")],
        code={
            "coding": [
                coding("fracture", "vertebral-compression", "Vertebral compression fracture"),
                {"system": SNOMED, "code": COMPRESSION_FRACTURE},
            ],
            "text": f"Vertebral compression fracture of {episode.level}",
        },
        bodySite=[_site(episode.level)] if episode.level else None,
        subject=subject(episode.patient),
        **_onset(episode),
        recordedDate=instant(episode.opened_at),
        note=[{"text": f"Identified on {show_date(episode.identification)}; mechanism: {_mechanism(episode)}."}],
    )


def _status(kind: str, code: str) -> Json:
    return {"coding": [{"system": f"{TERMS}/condition-{kind}", "code": code}]}


def _site(level: str) -> Json:
    found = concept("level", level, f"Vertebra {level}")
    public = body_sites().get(level)
    if public is not None:
        found["coding"].append({"system": SNOMED, "code": public})
    return found


def _onset(episode: Episode) -> dict[str, Any]:
    if episode.fracture_date is None or episode.precision == "unknown":
        return {"onsetString": "Not known; the clocks count from the day it was identified"}
    if episode.precision == "month":
        return {"onsetDateTime": f"{episode.fracture_date:%Y-%m}"}
    return {"onsetDateTime": day(episode.fracture_date)}


def _mechanism(episode: Episode) -> str:
    return "not known" if episode.mechanism == "unknown" else episode.mechanism.replace("_", " ")
