"""Opening an episode: a first registration or a further fracture of the same patient (TR-01, TR-26)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pathway import assessments
from pathway.actions import ACTIONS
from pathway.calendar import add_months, show_date
from pathway.episode import Episode
from pathway.facts import LEVELS, MECHANISMS, as_date
from pathway.guideline import Guideline
from pathway.journal import Refusal
from pathway.machine import Machine
from pathway.observing import red_flag, suspect_malignancy
from pathway.turn import Turn

PRECISIONS = ("day", "month", "unknown")
YOUNGEST, OLDEST = 18 * 12, 120 * 12


@dataclass(frozen=True, slots=True)
class Onset:
    day: date
    source: str


def onset_of(fracture: date | None, precision: str, identification: date) -> Onset:
    """The fracture date; its month's first day when only the month is known; else the identification."""
    if fracture is None or precision == "unknown":
        return Onset(identification, "identification_fallback")
    if precision == "month":
        return Onset(fracture.replace(day=1), "month_earliest")
    return Onset(fracture, "fracture_date")


def dates_refused(birth: Any, fracture: Any, precision: str, identification: Any, today: date) -> Refusal | None:
    """The order birth, fracture, identification, today; age at onset 18 to 120 years (DE-01 to DE-04)."""
    named = {"birth_date": birth, "fracture_date": fracture, "identification_date": identification}
    for name, value in named.items():
        if value is not None and not isinstance(value, date):
            return Refusal("OUT_OF_RANGE", f"{name} {value!r} is not a date; nothing was saved")
    if precision not in PRECISIONS:
        because = f"fracture_date_precision {precision!r} is not one of {', '.join(PRECISIONS)}"
        return Refusal("OUT_OF_RANGE", because)
    if identification > today:
        because = f"identification {show_date(identification)} lies in the future"
        return Refusal("FUTURE_DATE", because)
    onset = onset_of(fracture, precision, identification).day
    if onset > identification:
        because = f"the fracture of {show_date(onset)} cannot have been identified on {show_date(identification)}"
        return Refusal("DATE_ORDER", because)
    if birth is None:
        return None
    if onset < birth:
        return Refusal("DATE_ORDER", f"the fracture is before birth on {show_date(birth)}")
    if not add_months(birth, YOUNGEST) <= onset <= add_months(birth, OLDEST):
        return Refusal("OUT_OF_RANGE", "age at the fracture must be from 18 to 120 years")
    return None


def registration_refused(
    step_data: Mapping[str, Any],
    actor: str,
    siblings: Sequence[Episode],
    guideline: Guideline,
    today: date,
    *,
    further: bool,
) -> Refusal | None:
    """Why this fracture may not be registered for this patient, or None."""
    level, fracture = step_data.get("level"), as_date(step_data.get("fracture_date"))
    if level not in LEVELS:
        return Refusal("OUT_OF_RANGE", f"level {level!r} is not one of T1-T12, L1-L5, S1; not registered")
    mechanism = step_data.get("mechanism") or "unknown"
    if mechanism not in MECHANISMS:
        expected = ", ".join(MECHANISMS)
        return Refusal("OUT_OF_RANGE", f"mechanism {mechanism!r} is not one of {expected}; not registered")
    refusal = dates_refused(
        as_date(step_data.get("birth_date")),
        fracture,
        step_data.get("fracture_date_precision") or "day",
        as_date(step_data.get("identification_date")) or today,
        today,
    )
    return (
        refusal
        or _out_of_scope(step_data, actor, guideline)
        or _already_known(level, fracture, siblings, guideline, further=further)
    )


def _out_of_scope(data: Mapping[str, Any], actor: str, guideline: Guideline) -> Refusal | None:
    if data["level"] in guideline.scope_levels:
        return None
    if data.get("scope_override") and actor == "clinician":
        return None
    scope = " and ".join(guideline.scope_levels)
    because = f"{data['level']} is outside this pathway ({scope}); a clinician may give scope_override"
    return Refusal("OUT_OF_RANGE", because)


def _already_known(
    level: Any, fracture: Any, siblings: Sequence[Episode], guideline: Guideline, *, further: bool
) -> Refusal | None:
    if any(sibling.state == "DECEASED" for sibling in siblings):
        return Refusal("TERMINAL", "the patient is recorded as deceased; correct the death first")
    for sibling in siblings:
        same_day = fracture is not None and sibling.fracture_date == fracture
        if sibling.level == level and same_day:
            because = f"the fracture of {level} on {show_date(fracture)} is already episode {sibling.n}"
            return Refusal("DUPLICATE_EPISODE", because)
    still_open = [sibling.n for sibling in siblings if not guideline.is_terminal(sibling.state)]
    if still_open and not further:
        because = f"episode {still_open[0]} is open; record a further fracture as new_fracture"
        return Refusal("USE_NEW_FRACTURE", because)
    if further and not siblings:
        return Refusal("STATE", "this patient has no earlier episode; register the fracture instead")
    return None


def start(turn: Turn, machine: Machine) -> None:
    """TR-01: fill the episode from the (checked) registration and open the pathway's first work."""
    _fill(turn.episode, turn.data, turn.today)
    rule = next(rule for rule in turn.guideline.transitions if rule.trigger == "register")
    turn.note(
        "transition",
        to=rule.to,
        rule=rule.id,
        actor=turn.step.actor,
        by=turn.step.by or None,
        cites=list(rule.cites),
        profile=turn.episode.profile,
        profile_version=turn.profile.version,
    )
    for action in rule.actions:
        ACTIONS[action](turn, None)
    if turn.data.get("refracture"):
        turn.note("refracture", **turn.data["refracture"])
    _first_judgements(turn, machine)


def _fill(episode: Episode, data: Mapping[str, Any], today: date) -> None:
    episode.birth_date = as_date(data.get("birth_date"))
    episode.sex = data.get("sex")
    episode.owner = data.get("owner")
    episode.level = data["level"]
    episode.mechanism = data.get("mechanism") or "unknown"
    episode.first_fracture = data.get("first_fracture")
    episode.fracture_date = as_date(data.get("fracture_date"))
    episode.precision = data.get("fracture_date_precision") or "day"
    episode.identification = as_date(data.get("identification_date")) or today
    onset = onset_of(episode.fracture_date, episode.precision, episode.identification)
    episode.onset, episode.onset_source = onset.day, onset.source


def _first_judgements(turn: Turn, machine: Machine) -> None:
    levels = {rule.code: rule.parameter for rule in turn.guideline.red_flags.values()}
    flags = assessments.immediate_flags("register", turn.data, turn.profile, levels)
    if flags:
        red_flag(turn, machine, flags, f"{turn.episode.id}:register")
    workup = turn.profile["malignancy.age50_first"] == "workup"
    if workup and assessments.over_fifty_first_fracture(turn.episode):
        suspect_malignancy(turn, machine, "age over 50 with a first fracture")
