"""The pathway as a PlanDefinition: its clocks as offsets with their windows, its rules as conditions, its sources.

One for each profile, because the profile says how long the clocks run. `mo` means calendar months that are clamped
to the end of a shorter month and counted from the anchor's local date; UCUM's own mo is 30.4375 days.
"""

from collections.abc import Iterable, Iterator, Mapping

from coordinator.fhir.out.elements import UCUM, Json, concept, marked, resource
from coordinator.fhir.out.names import address, spelled
from pathway.guideline import Guideline, Profile, TaskRule, TimerRule, TransitionRule

ANCHORS = {
    "onset": "The fracture happened (its date; the first of the month where only that is known)",
    "identification": "The fracture was identified",
    "care_start": "Conservative care started",
    "procedure": "The procedure was done",
    "entry": "The patient came to the state",
    "calcitonin": "Calcitonin was started",
}
MONTHS = (
    "Where an offset is in mo, calendar months are meant: counted from the local date of the anchor and clamped to "
    "the end of a shorter month (30 November and 3 months is the last of February), never 30.4375 days. The window "
    "of a clock or of work is the range of its offset: due at its low end, overdue after its high end."
)
CONDITIONS = (
    "A condition names predicates of the engine as FHIRPath variables; each answers yes, no or unknown, and only a "
    "yes lets the rule move. Of several rules with one trigger the first whose conditions all hold is taken."
)


def plan_name(guideline: Guideline, profile: str) -> str:
    return f"{guideline.id}-{spelled(profile)}"[:64]


def plan_url(guideline: Guideline, profile: str) -> str:
    return address("PlanDefinition", f"{guideline.id}/{profile}")


def canonical(guideline: Guideline, profile: str) -> str:
    """What a care plan follows: the definition and its version."""
    return f"{plan_url(guideline, profile)}|{guideline.version}"


def plan_definition(guideline: Guideline, profile: Profile) -> Json:
    return resource(
        "PlanDefinition",
        plan_name(guideline, profile.id),
        url=plan_url(guideline, profile.id),
        version=guideline.version,
        name="".join(part.capitalize() for part in f"Pathway-{plan_name(guideline, profile.id)}".split("-")),
        title=f"{guideline.title}: {profile.title}",
        type={
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/plan-definition-type",
                    "code": "clinical-protocol",
                }
            ]
        },
        # Draft until a clinician has reviewed it and signed the profile off.
        status="active" if guideline.clinical_review and profile.sign_off else "draft",
        description=f"{guideline.disclaimer}\n\n{MONTHS}\n\n{CONDITIONS}\n\nProfile {profile.id}, version "
        f"{profile.version}. {profile.note}",
        usage="[E] marks an engineering choice that no source contains and that needs clinical sign-off.",
        relatedArtifact=list(_seeds(guideline)),
        action=[*_anchors(), *_clocks(guideline, profile), *_work(guideline, profile), *_rules(guideline)],
    )


def _seeds(guideline: Guideline) -> Iterator[Json]:
    for seed in guideline.seeds:
        yield {"type": "citation", "label": seed["id"], "display": seed["title"], "citation": seed["standing"]}


def _cited(guideline: Guideline, cites: Iterable[str]) -> list[Json]:
    found = []
    for cite in cites:
        source = guideline.sources[cite]
        found.append({"type": "citation", "label": cite, "display": source.says, "citation": source.evidence})
    return found


def _anchors() -> Iterator[Json]:
    for name, title in ANCHORS.items():
        yield {"id": _anchor(name), "title": title}


def _anchor(name: str) -> str:
    return f"anchor-{spelled(name)}"


# ---------------------------------------------------------------- clocks


def _clocks(guideline: Guideline, profile: Profile) -> Iterator[Json]:
    for rule in guideline.timers.values():
        low = _offset(rule, profile)
        late = _late_days(rule, profile)
        # The high end is told in the unit of the low one; days after months are told as an action of their own.
        high = {**low, "value": low["value"] + late} if low["code"] == "d" else None
        parameter = profile.parameters[rule.parameter]
        yield {
            "id": spelled(rule.code),
            "title": marked(rule.title, engineering=rule.engineering or parameter.engineering),
            "textEquivalent": f"Satisfied by: {rule.satisfied}. Overdue {late} days after it is due.",
            "code": [concept("timer", rule.code, rule.title)],
            "documentation": _cited(guideline, dict.fromkeys((*rule.cites, *parameter.cites))),
            "relatedAction": [
                {"actionId": _anchor(rule.anchor), "relationship": "after-start", **_range(low, high)},
            ],
            "action": None if high else [_overdue(rule, late)],
        }


def _offset(rule: TimerRule, profile: Profile) -> Json:
    value = profile[rule.parameter]
    if rule.parameter_index is not None:
        return _quantity(value[rule.parameter_index], "mo")
    if isinstance(value, Mapping):
        return _quantity(value["months"], "mo") if "months" in value else _quantity(value["days"], "d")
    return _quantity(value, "d")


def _late_days(rule: TimerRule, profile: Profile) -> int:
    if rule.overdue_parameter:
        return int(profile[rule.overdue_parameter] - profile[rule.parameter])
    return rule.overdue_days


def _overdue(rule: TimerRule, days: int) -> Json:
    after = {"actionId": spelled(rule.code), "relationship": "after-start", "offsetDuration": _quantity(days, "d")}
    return {"id": f"{spelled(rule.code)}-overdue", "title": f"{rule.title}: overdue", "relatedAction": [after]}


def _quantity(value: int, unit: str) -> Json:
    return {"value": value, "unit": "calendar months" if unit == "mo" else "days", "system": UCUM, "code": unit}


def _range(low: Json, high: Json | None) -> Json:
    return {"offsetRange": {"low": low, "high": high}}


# ---------------------------------------------------------------- work


def _work(guideline: Guideline, profile: Profile) -> Iterator[Json]:
    for rule in guideline.tasks.values():
        yield {
            "id": rule.code,
            "title": marked(rule.title, engineering=rule.engineering),
            "priority": "stat" if rule.red_flag else "routine",
            "textEquivalent": f"Opened {rule.opened}; closed when {rule.closes}.",
            "code": [concept("task", rule.code, rule.title)],
            "documentation": _cited(guideline, rule.cites),
            "relatedAction": _window(rule, profile),
            "participant": [{"type": "practitioner", "role": {"text": rule.role}}],
        }


def _window(rule: TaskRule, profile: Profile) -> list[Json]:
    """From the anchor to due and overdue, where the anchor is a date that is known beforehand."""
    if rule.anchor not in ANCHORS:
        return []
    due = profile[rule.due_parameter] if rule.due_parameter else rule.due_days
    late = due if rule.overdue_days is None else max(due, rule.overdue_days)
    return [
        {
            "actionId": _anchor(rule.anchor),
            "relationship": "after-start",
            **_range(_quantity(due, "d"), _quantity(late, "d")),
        }
    ]


# ---------------------------------------------------------------- rules


def _rules(guideline: Guideline) -> Iterator[Json]:
    for number, rule in enumerate(guideline.transitions, 1):
        yield {
            # Several rules share one id, so the place in the guideline is part of the name.
            "id": f"{spelled(rule.id)}.{number}",
            "title": f"{rule.id}: {marked(rule.title, engineering=rule.engineering)}",
            "textEquivalent": f"From {' or '.join(rule.sources) or 'nowhere'} to {rule.to}; may be caused by: "
            f"{'the engine' if rule.actor == 'system' else rule.actor}.",
            "code": [concept("rule", rule.id, rule.title)],
            "documentation": _cited(guideline, rule.cites),
            "trigger": [{"type": "named-event", "name": rule.trigger}],
            "condition": [_condition(rule)] if rule.guards else None,
            "participant": _participants(rule),
        }


def _condition(rule: TransitionRule) -> Json:
    """All of them must hold; one with ! must not."""
    terms = [f"%{name[1:]}.not()" if name.startswith("!") else f"%{name}" for name in rule.guards]
    spoken = [f"not {name[1:]}" if name.startswith("!") else name for name in rule.guards]
    expression = {
        "description": "; ".join(name.replace("_", " ") for name in spoken),
        "language": "text/fhirpath",
        "expression": " and ".join(terms),
    }
    return {"kind": "applicability", "expression": expression}


def _participants(rule: TransitionRule) -> list[Json]:
    if rule.actor == "system":
        return [{"type": "device", "role": {"text": "engine"}}]
    return [{"type": "practitioner", "role": {"text": rule.actor}}]
