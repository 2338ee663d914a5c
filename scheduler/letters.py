"""The facts of a message: what, since when and why. How they are said stands in templates/."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from pathway.calendar import local_date, show_date, show_instant
from pathway.guideline import Guideline
from scheduler.channels import Message
from scheduler.placeholders import CALLS_NOBODY, KINDS, MARK, Finding, Reason
from scheduler.reasons import OF_A_TASK, Matter
from scheduler.words import Words, built_in

HEADINGS = {
    "RED_FLAG": "Red flag: a clinician must judge it now",
    "LATE_RED_FLAG": "Red flag in a result that came after the episode was closed",
    "MALIGNANCY_SUSPECTED": "Malignancy is suspected",
    "CI-STRONTIUM": "Strontium is recorded and must not be used",
    "CALCITONIN_OUTSIDE_WINDOW": "Calcitonin is recorded outside its window",
    "REFERRAL_WITHDRAWN": "A referral that had been sent is withdrawn",
    "REFERRALS_CANCELLED": "Open referrals are cancelled",
    "REFERRAL_OPEN_ON_CLOSURE": "The episode is closed while a referral is open",
    "SET_ASIDE": "The engine cannot go on with this episode; follow the patient by hand until it is repaired",
    "CENSUS": "The census does not add up",
    "VERIFY": "The journals and the tables do not agree",
    "WEBHOOK": "Another system was not told of state changes",
}
OF_THE_HOUSE = {
    "SET_ASIDE": "an episode is set aside",
    "CENSUS": "census",
    "VERIFY": "nightly check",
    "WEBHOOK": "webhook",
}
LABELS = {
    "why": "Because",
    "because": "Because",
    "suspicion": "Suspicion",
    "agent": "Drug",
    "service": "Referral",
    "services": "Referrals",
}
RED_FLAGS = ("RED_FLAG", "LATE_RED_FLAG")


def letter(matter: Matter, guideline: Guideline, now: datetime, words: Words | None = None) -> Message:
    """The message of an outbox row, as things stand now, in the site's words or those built in."""
    row = matter.row
    return (words or built_in()).message(row.kind, facts(matter, guideline, now), row.key, now)


def facts(matter: Matter, guideline: Guideline, now: datetime) -> dict[str, Any]:
    """What a template of staff may say about an outbox row: each placeholder of placeholders.LETTER."""
    row, rule = matter.row, _rule(matter, guideline)
    detail = matter.detail
    engineering = rule is not None and rule.engineering
    heading = rule.title if rule else HEADINGS.get(row.code, row.code.replace("_", " ").lower())
    return {
        "kind": KINDS[row.kind].shown if row.kind in KINDS else row.kind,
        "role": row.role,
        "topic": _topic(row, rule),
        "title": rule.title if rule else OF_THE_HOUSE.get(row.code, "please open the pathway"),
        "heading": f"{heading} [E]" if engineering else heading,
        **_whom(matter, guideline),
        **_since(matter, now),
        "findings": tuple(_findings(detail, guideline)),
        "reasons": reasons(rule.cites if rule else detail.get("cites", ()), guideline),
        "engineering_mark": MARK if engineering else "",
        "calls_nobody": CALLS_NOBODY if _of_a_red_flag(row, rule) else "",
        "disclaimer": guideline.disclaimer,
    }


def _topic(row: Any, rule: Any) -> str:
    """What a subject may say: the title of a task can be a finding."""
    return f"work for the {row.role}" if rule else OF_THE_HOUSE.get(row.code, "please open the pathway")


def facts_for_patient(service_phone: str) -> dict[str, Any]:
    """All that a template for patients may say."""
    return {"service_phone": service_phone}


def _rule(matter: Matter, guideline: Guideline) -> Any:
    if matter.row.kind in OF_A_TASK:
        return guideline.tasks[matter.row.code]
    return guideline.timers[matter.row.code] if matter.row.kind == "milestone" else None


def _of_a_red_flag(row: Any, rule: Any) -> bool:
    return row.code in RED_FLAGS or (row.kind in OF_A_TASK and rule.red_flag)


def _whom(matter: Matter, guideline: Guideline) -> dict[str, str]:
    episode = matter.episode
    if episode is None:
        return {"patient": "", "episode": "", "state": ""}
    state = guideline.states[episode.state].shown(episode.sub)
    return {"patient": episode.patient_id, "episode": episode.id, "state": state}


def _since(matter: Matter, now: datetime) -> dict[str, str]:
    episode, task = matter.episode, matter.task
    said = {"noticed": "", "due": "", "overdue_since": "", "asked_for": ""}
    if episode is None:
        return said
    if task is None:
        return said | {"noticed": show_instant(matter.row.fired_at, episode.zone)}
    said["due"] = show_date(task.due)
    if local_date(now, episode.zone) > task.overdue_after:
        said["overdue_since"] = show_date(task.overdue_after + timedelta(days=1))
    if matter.row.kind == "escalation":
        said["asked_for"] = show_instant(task.opened_at, episode.zone)
    return said


def _findings(detail: dict[str, Any], guideline: Guideline) -> Iterator[Finding]:
    for flag in detail.get("flags", ()):
        rule = guideline.red_flags.get(flag)
        yield Finding("Finding", rule.title if rule else flag)
    for name, label in LABELS.items():
        if detail.get(name):
            yield Finding(label, _plain(detail[name]))


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def reasons(cites: Iterable[str], guideline: Guideline) -> tuple[Reason, ...]:
    """What the cited sources say; empty where nothing is cited."""
    return tuple(Reason(cite, guideline.sources[cite].says) for cite in cites if cite in guideline.sources)
