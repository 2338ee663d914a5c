"""The checks a guideline must pass before anyone is enrolled: all faults at once, by name and place."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from pathway.actions import ACTIONS
from pathway.advice import PREDICATES
from pathway.deciding import RANK
from pathway.errors import GuidelineFaulty
from pathway.guards import GUARDS
from pathway.guideline import ACTIVE, FORMER, VCF, Guideline, Profile, TaskRule, read_guideline

ANCHORS = {"onset", "care_start", "procedure", "entry"}
TASK_ANCHORS = {"identification", "today", "timer", "calcitonin"}
REMINDERS = {"alert", "escalation", "milestone", "overdue", "repeat", "due", "notice", "patient"}
ROLES = {"coordinator", "clinician", "lead"}
EFFECTS = {"move", "purpose", "in_review", "decision"}
# Administrative moves follow from what happened to the person, not from guideline advice.
NUMBERED = {"days", "calendar months", "hours", "degrees", "SD", "kg/m2", "% of expected height", "NRS 0-10"}
UNCITED = {"death", "death_correction", "reopen"}


@lru_cache(maxsize=4)
def load_guideline(folder: Path = VCF) -> Guideline:
    """Read and check a guideline folder; raises GuidelineFaulty naming every fault at once."""
    guideline = read_guideline(folder)
    found = faults(guideline)
    if found:
        raise GuidelineFaulty(*found)
    return guideline


def faults(guideline: Guideline) -> list[str]:
    """Every fault of a guideline, each one sentence that begins with its place."""
    return [
        *guideline.duplicates,
        *_transition_faults(guideline),
        *_reachability_faults(guideline),
        *_ambiguities(guideline),
        *_timer_faults(guideline),
        *_task_faults(guideline),
        *_reminder_faults(guideline),
        *_state_faults(guideline),
        *_citation_faults(guideline),
        *_recommendation_faults(guideline),
        *_profile_faults(guideline),
    ]


def _transition_faults(guideline: Guideline) -> Iterator[str]:
    paths = set(guideline.paths())
    for rule in guideline.transitions:
        place = f"transition {rule.id} ({rule.trigger})"
        for state in rule.sources:
            if state not in paths | {ACTIVE}:
                yield f"{place}: leaves unknown state {state!r}"
        if rule.to not in paths | {FORMER}:
            yield f"{place}: leads to unknown state {rule.to!r}"
        for guard in rule.guards:
            if guard.removeprefix("!") not in GUARDS:
                yield f"{place}: names unknown guard {guard!r}"
        for action in rule.actions:
            if action not in ACTIONS:
                yield f"{place}: names unknown action {action!r}"
        if rule.actor not in RANK:
            yield f"{place}: names unknown actor {rule.actor!r}"


def _reachability_faults(guideline: Guideline) -> Iterator[str]:
    reached = _reached(guideline)
    for state in guideline.states.values():
        if state.id not in reached:
            yield f"state {state.id}: no transition leads to it"


def _reached(guideline: Guideline) -> set[str]:
    """The states that a registered patient can come to."""
    reached = {rule.to.partition(".")[0] for rule in guideline.transitions if not rule.sources}
    while True:
        onward = {
            rule.to.partition(".")[0]
            for rule in guideline.transitions
            if {s.partition(".")[0] for s in guideline.expanded(rule.sources)} & reached
        }
        if onward <= reached:
            return reached
        reached |= onward


def _ambiguities(guideline: Guideline) -> Iterator[str]:
    """After a rule without guards, a second one for the same trigger and state could never be chosen."""
    certain: dict[tuple[str, str], str] = {}
    for rule in guideline.transitions:
        for state in guideline.expanded(rule.sources):
            earlier = certain.get((rule.trigger, state))
            if earlier is not None:
                yield f"transition {rule.id} ({rule.trigger}): {earlier} always moves {state} before it"
            if not rule.guards and rule.to != FORMER:
                certain[rule.trigger, state] = rule.id


def _timer_faults(guideline: Guideline) -> Iterator[str]:
    moving = {(rule.trigger, s) for rule in guideline.transitions for s in guideline.expanded(rule.sources)}
    default = guideline.profiles["default"]
    for timer in guideline.timers.values():
        place = f"timer {timer.code}"
        if timer.anchor not in ANCHORS:
            yield f"{place}: unknown anchor {timer.anchor!r}"
        for name in filter(None, (timer.parameter, timer.overdue_parameter)):
            if name not in default.parameters:
                yield f"{place}: no profile parameter {name!r}"
        for state, effect in timer.effects.items():
            if state not in guideline.states:
                yield f"{place}: speaks in unknown state {state!r}"
            elif effect not in EFFECTS | guideline.tasks.keys():
                yield f"{place}: unknown effect {effect!r} in {state}"
            elif effect == "move" and (timer.code, state) not in moving:
                yield f"{place}: no transition of {state} answers it"
        for state in (*timer.cancelled_by, *filter(None, (timer.lives_in,))):
            if state not in guideline.states:
                yield f"{place}: unknown state {state!r}"


def _task_faults(guideline: Guideline) -> Iterator[str]:
    parameters = guideline.profiles["default"].parameters
    for task in guideline.tasks.values():
        place = f"task {task.code}"
        if task.anchor not in TASK_ANCHORS:
            yield f"{place}: unknown anchor {task.anchor!r}"
        for name in filter(None, (task.due_parameter, task.ladder_parameter)):
            if name not in parameters:
                yield f"{place}: no profile parameter {name!r}"
        if not _speaks_again(task):
            yield f"{place}: neither a repeat nor a ladder, so an overdue one would fall silent"


def _speaks_again(task: TaskRule) -> bool:
    return bool(task.repeat_days or task.ladder_parameter)


def _reminder_faults(guideline: Guideline) -> Iterator[str]:
    for kind in sorted(REMINDERS ^ guideline.reminders.keys()):
        known = kind in REMINDERS
        yield f"reminder {kind}: {'has no rule' if known else 'is no kind of message that the engine knows'}"
    for rule in guideline.reminders.values():
        for role in sorted({role for roles in rule.also_by_step for role in roles} - ROLES):
            yield f"reminder {rule.kind}: unknown role {role!r}"
        if rule.useful_hours is not None and rule.useful_hours <= 0:
            yield f"reminder {rule.kind}: useful for {rule.useful_hours} hours, which is never"


def _state_faults(guideline: Guideline) -> Iterator[str]:
    for state in guideline.states.values():
        for code in state.tasks:
            if code not in guideline.tasks:
                yield f"state {state.id}: unknown task {code!r}"
        if state.terminal:
            continue
        if not state.worklist:
            yield f"state {state.id}: not an end and on no worklist, so a patient there would be lost"
        clock = any(state.id in timer.effects for timer in guideline.timers.values())
        if not clock and not state.tasks:
            yield f"state {state.id}: not an end and has neither timer nor task, so a patient there would be lost"


def _cited(guideline: Guideline) -> Iterator[tuple[str, tuple[str, ...]]]:
    for rule in guideline.transitions:
        yield f"transition {rule.id} ({rule.trigger})", rule.cites
    for timer in guideline.timers.values():
        yield f"timer {timer.code}", timer.cites
    for task in guideline.tasks.values():
        yield f"task {task.code}", task.cites
    for flag in guideline.red_flags.values():
        yield f"red flag {flag.code}", flag.cites
    for recommendation in guideline.recommendations.values():
        yield f"recommendation {recommendation.id}", recommendation.cites


def _citation_faults(guideline: Guideline) -> Iterator[str]:
    for place, cites in _cited(guideline):
        exempt = any(place.endswith(f"({trigger})") for trigger in UNCITED)
        if not cites and not exempt:
            yield f"{place}: cites no source"
        yield from _unresolved(guideline, place, cites)
    for profile in guideline.profiles.values():
        for parameter in profile.parameters.values():
            place = f"profile {profile.id}, parameter {parameter.name}"
            yield from _unresolved(guideline, place, parameter.cites)


def _unresolved(guideline: Guideline, place: str, cites: tuple[str, ...]) -> Iterator[str]:
    for cite in cites:
        source = guideline.sources.get(cite)
        if source is None:
            yield f"{place}: cites {cite}, which is in no sources file"
        elif source.truncated or not source.citable:
            yield f"{place}: cites {cite}, a heading from which nothing may be inferred"


def _recommendation_faults(guideline: Guideline) -> Iterator[str]:
    for rule in guideline.recommendations.values():
        place = f"recommendation {rule.id}"
        if rule.predicate not in PREDICATES:
            yield f"{place}: unknown predicate {rule.predicate!r}"
        for state in rule.states:
            if state != "*" and state not in guideline.states:
                yield f"{place}: shown in unknown state {state!r}"
        for note in rule.safety_notes:
            if note not in guideline.outside:
                yield f"{place}: safety note {note!r} is in no sources file"


def _profile_faults(guideline: Guideline) -> Iterator[str]:
    default = guideline.profiles["default"]
    flags = {rule.parameter for rule in guideline.red_flags.values()}
    for name in flags - default.parameters.keys():
        yield f"red flags: no profile parameter {name!r}"
    for profile in guideline.profiles.values():
        yield from _value_faults(profile, default)


def _value_faults(profile: Profile, default: Profile) -> Iterator[str]:
    for parameter in profile.parameters.values():
        place = f"profile {profile.id}, parameter {parameter.name}"
        known = default.parameters.get(parameter.name)
        if known is None:
            yield f"{place}: the default profile has no such parameter"
        elif known.choices and parameter.value not in known.choices:
            yield f"{place}: {parameter.value!r} is not one of {', '.join(map(str, known.choices))}"
        elif not known.choices and not _same_kind(parameter.value, known.value):
            yield f"{place}: {parameter.value!r} is not of the kind of {known.value!r}"
        if parameter.unit in NUMBERED and isinstance(parameter.value, str):
            yield f"{place}: {parameter.value!r} is not of the kind of a number of {parameter.unit}"
        if not parameter.cites and not parameter.engineering:
            yield f"{place}: neither cites a source nor is marked as an engineering choice"


def _same_kind(value: object, known: object) -> bool:
    if isinstance(known, int | float) and not isinstance(known, bool):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, type(known))
