"""The transitions of an episode: for each one who, when, by which rule and on what grounds."""

from collections.abc import Iterator, Mapping
from typing import Any

from coordinator.fhir.out.definition import plan_url
from coordinator.fhir.out.elements import Json, concept, instant, person, reference, resource
from coordinator.fhir.out.names import episode_name, system
from pathway.guideline import Guideline
from pathway.journal import Entry
from persistence.charts import Kept

Effect = Mapping[str, Any]
AGENTS = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"


def moves(kept: Kept) -> Iterator[tuple[Entry, int, Effect]]:
    """Each transition with its journal line and its number within it."""
    for entry in kept.entries:
        found = (effect for effect in entry.effects if effect["event"] == "transition")
        yield from ((entry, number, effect) for number, effect in enumerate(found))


def provenances(kept: Kept, guideline: Guideline) -> Iterator[Json]:
    for entry, number, effect in moves(kept):
        yield _provenance(kept, guideline, entry, number, effect)


def _provenance(kept: Kept, guideline: Guideline, entry: Entry, number: int, effect: Effect) -> Json:
    episode, rule = kept.episode, effect["rule"]
    name = episode_name(episode.id)
    return resource(
        "Provenance",
        f"{name}.{entry.seq}.{number}",
        updated=entry.recorded_at,
        target=[reference("CarePlan", name)],
        occurredDateTime=instant(entry.occurred_at),
        recorded=instant(entry.recorded_at),
        policy=[f"{plan_url(guideline, episode.profile)}#{rule}"],
        reason=[concept("rule", rule, _title(guideline, effect)), *({"text": text} for text in _grounds(effect))],
        activity={
            "text": f"{_place(effect, 'from')} to {_place(effect, 'to')}" if effect.get("from") else "Registered"
        },
        agent=[_agent(effect, entry)],
        entity=[_source(guideline, cite) for cite in effect.get("cites", ())],
    )


def _agent(effect: Effect, entry: Entry) -> Json:
    by_engine = entry.actor == "system"
    kind = "assembler" if by_engine else "author"
    return {
        "type": {"coding": [{"system": AGENTS, "code": kind}]},
        "role": [{"text": entry.actor}],
        "who": person(effect.get("by") or entry.step.by, entry.actor),
    }


def _title(guideline: Guideline, effect: Effect) -> str:
    """The rule in words. Several moves may go by one rule: the one that leads there is meant."""
    named = [rule for rule in guideline.transitions if rule.id == effect["rule"]]
    led = [rule for rule in named if rule.to.partition(".")[0] == effect["to"]]
    rule = next(iter(led or named), None)
    return (f"{rule.title} [E]" if rule.engineering else rule.title) if rule else effect["rule"]


def _grounds(effect: Effect) -> list[str]:
    said = [str(effect["reason"])] if effect.get("reason") else []
    return [*said, *map(str, effect.get("because", ()))]


def _place(effect: Effect, end: str) -> str:
    sub = effect.get(f"{end}_sub")
    return f"{effect[end]}.{sub}" if sub else str(effect[end])


def _source(guideline: Guideline, cite: str) -> Json:
    known = guideline.sources.get(cite)
    what = {"identifier": {"system": system("source"), "value": cite}, "display": known.says if known else cite}
    return {"role": "source", "what": what}


# ---------------------------------------------------------------- how an episode ended


def ended_as_planned(kept: Kept) -> bool:
    return _discharged(kept) is True


def is_not_vcf(kept: Kept) -> bool:
    """A clinician has ended the pathway because it is no vertebral fracture."""
    return _discharged(kept) is False


def _discharged(kept: Kept) -> bool | None:
    """True after surveillance, False as no fracture of this kind, None where no clinician has discharged."""
    moved = [entry.step for entry, _, _ in moves(kept)]
    if kept.episode.state != "DISCHARGED" or not moved or moved[-1].kind != "discharge":
        return None
    data = moved[-1].data
    return not (data.get("not_vcf") or data.get("reason") == "not_vcf")
