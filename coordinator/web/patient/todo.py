"""Do next: each piece of open work with why it is there, what is known, what is missing, and what finishes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from coordinator.web.patient import wording
from coordinator.web.text import _
from pathway import assessments
from pathway.calendar import show_date
from pathway.episode import Episode, Task
from pathway.facts import FIELDS, as_date
from pathway.guideline import Guideline, Profile, TaskRule
from pathway.journal import Entry

# What is recorded to finish a piece of work: the kind of observation that answers it.
ANSWERED_BY = {
    "K-NEURO": "neuro_exam",
    "K-IMG": "imaging",
    "K-IMG-PREPROC": "imaging",
    "K-CAVITD": "supplements",
    "K-OPRX": "osteoporosis_rx",
    "K-DXA": "dxa",
    "K-BONEREF": "bone_referral",
    "K-CALC-STOP": "calcitonin",
    "K-MALIG": "malignancy",
}
# The decisions that finish it, for a clinician.
DECIDED_BY = {
    "K-START": ("start_conservative",),
    "K-REASSESS": ("complete_reassessment",),
    "K-IMGREV": ("review_imaging",),
    "K-3M-DECISION": ("complete_reassessment", "review_imaging"),
    "K-AUG-CONFIRM": ("confirm_augmentation", "decline_augmentation"),
    "K-AUG-OUTCOME": ("referral_outcome",),
    "K-SURG-ACK": ("acknowledge_red_flag", "overrule_red_flag"),
    "K-SURG-OUTCOME": ("referral_outcome",),
    "K-POSTREV": ("complete_post_procedure",),
    "K-12M": ("discharge",),
}
BY_TALKING = ("K-REACH", "K-FREETEXT", "K-SURV", "K-AUG-OUTCOME", "K-SURG-OUTCOME")
# The facts that speak to each piece of work.
EVIDENCE: Mapping[str, Sequence[tuple[str, str]]] = {
    "K-NEURO": (("neuro_exam", "complete"),),
    "K-IMG": (("imaging", "modality"), ("mri_safety", "contraindicated")),
    "K-START": (("neuro_exam", "complete"), ("imaging", "modality"), ("imaging", "collapse_pct")),
    "K-CAVITD": (("supplements", "calcium_mg"), ("supplements", "vitamin_d_iu")),
    "K-OPRX": (("osteoporosis_rx", "agent"),),
    "K-DXA": (("dxa", "t_score"),),
    "K-BONEREF": (("bone_referral", "service"),),
    "K-REASSESS": (("symptoms", "nrs"), ("symptoms", "trend"), ("symptoms", "resolved"), ("imaging", "modality")),
    "K-IMGREV": (("imaging", "modality"), ("symptoms", "changed"), ("symptoms", "nrs")),
    "K-3M-DECISION": (("symptoms", "nrs"), ("symptoms", "trend"), ("imaging", "modality")),
    "K-AUG-CONFIRM": (("symptoms", "nrs"), ("symptoms", "trend"), ("imaging", "modality")),
    "K-MALIG": (("malignancy_features", "cancer_history"), ("malignancy_features", "weight_loss")),
    "K-POSTREV": (("symptoms", "nrs"), ("symptoms", "trend"), ("symptoms", "resolved")),
    "K-SURV": (("osteoporosis_rx", "agent"), ("dxa", "t_score")),
    "K-12M": (("osteoporosis_rx", "agent"), ("dxa", "t_score"), ("symptoms", "nrs")),
    "K-CALC-STOP": (("calcitonin", "action"),),
}


@dataclass(frozen=True, slots=True)
class Fact:
    """A known value with its day; `stale`: too old to count."""

    what: str
    value: str
    day: date | None
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    task: Task
    rule: TaskRule
    days_overdue: int
    opened_at: datetime
    opened_because: str
    flags: tuple[str, ...]
    known: tuple[Fact, ...]
    missing: tuple[str, ...]
    records: str
    decisions: tuple[str, ...]
    service: str
    may_be_done: bool
    by_talking: bool
    may_wait: bool
    aside_until: date | None
    aside_because: str


def cards(
    episode: Episode, entries: Sequence[Entry], guideline: Guideline, profile: Profile, today: date
) -> list[Card]:
    """Open work, the most urgent first: red flags, then the longest overdue; set aside work last."""
    found = [
        _card(episode, task, entries, guideline, profile, today) for task in episode.tasks if task.status == "open"
    ]
    return sorted(found, key=_urgency)


def _urgency(card: Card) -> tuple[Any, ...]:
    waits = card.aside_until is not None
    return (not card.rule.red_flag, waits, -card.days_overdue, card.task.due, card.task.code)


def _card(
    episode: Episode, task: Task, entries: Sequence[Entry], guideline: Guideline, profile: Profile, today: date
) -> Card:
    rule = guideline.tasks[task.code]
    known, missing = _evidence(episode, task.code, profile, today)
    aside = episode.aside(task)
    waits = aside is not None and aside.until > today
    return Card(
        task,
        rule,
        max(0, (today - task.overdue_after).days),
        task.opened_at,
        _opened_because(task, entries, guideline),
        _flags(episode, guideline) if rule.red_flag else (),
        known,
        missing,
        ANSWERED_BY.get(task.code, ""),
        DECIDED_BY.get(task.code, ()),
        {"K-AUG-OUTCOME": "augmentation", "K-SURG-OUTCOME": "surgery"}.get(task.code, ""),
        "person" in rule.closed_by,
        task.code in BY_TALKING,
        not rule.red_flag,
        aside.until if aside is not None and waits else None,
        aside.because if aside is not None and waits else "",
    )


def _flags(episode: Episode, guideline: Guideline) -> tuple[str, ...]:
    codes = dict.fromkeys(flag.code for flag in episode.open_flags())
    return tuple(guideline.red_flags[code].title for code in codes if code in guideline.red_flags)


def _opened_because(task: Task, entries: Sequence[Entry], guideline: Guideline) -> str:
    """What the journal line that opened it was about."""
    for entry in entries:
        for effect in entry.effects:
            if effect["event"] == "task_opened" and (effect["code"], effect["n"]) == (task.code, task.n):
                return _event(entry, guideline)
    return ""


def _event(entry: Entry, guideline: Guideline) -> str:
    if entry.step.event == "timer":
        return guideline.timers[entry.step.kind].title
    if entry.step.event == "observe":
        return wording.kind_title(entry.step.kind)
    if entry.step.event == "register":
        return _("Registration")
    return wording.spaced(entry.step.kind or entry.step.event)


def _evidence(episode: Episode, code: str, profile: Profile, today: date) -> tuple[tuple[Fact, ...], tuple[str, ...]]:
    """What is known of what speaks to that work, and what is not, by the form that would record it."""
    known: list[Fact] = []
    missing: dict[str, list[str]] = {}
    for kind, name in EVIDENCE.get(code, ()):
        fact = newest(episode, kind, name, profile, today)
        if fact is not None:
            known.append(fact)
        if fact is None or fact.stale:
            missing.setdefault(kind, []).append(wording.label(name))
    return tuple(known), tuple(f"{wording.kind_title(kind)} ({', '.join(names)})" for kind, names in missing.items())


def newest(episode: Episode, kind: str, name: str, profile: Profile, today: date) -> Fact | None:
    """The newest standing value of a field, in words; None where it was never answered."""
    found = episode.latest(kind, name)
    if found is None:
        return None
    fresh = kind != "symptoms" or assessments.fresh_symptoms(episode, profile, today) is not None
    return Fact(wording.label(name), shown(kind, name, found.data[name]), found.effective, not fresh)


def shown(kind: str, name: str, value: Any) -> str:
    """A value as a person reads it, with its unit."""
    spec = FIELDS[kind].get(name)
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if spec is not None and spec.is_date:
        day = as_date(value)
        return show_date(day) if isinstance(day, date) else str(value)
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    if isinstance(value, int | float):
        return f"{value:g}{' ' + spec.unit if spec and spec.unit else ''}"
    return wording.value_word(str(value)) if spec and spec.choices else str(value)
