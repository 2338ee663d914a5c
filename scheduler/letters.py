"""The words of a message: what, since when and why. A subject names neither a person nor a finding."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from pathway.calendar import local_date, show_date, show_instant
from pathway.guideline import Guideline
from persistence.worklist import RED_FLAG_WORK
from scheduler.channels import Message
from scheduler.reasons import OF_A_TASK, Matter

KINDS = {"repeat": "still overdue"}
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
}
OF_THE_HOUSE = {"SET_ASIDE": "an episode is set aside", "CENSUS": "census", "VERIFY": "nightly check"}
LABELS = {
    "why": "Because",
    "because": "Because",
    "suspicion": "Suspicion",
    "agent": "Drug",
    "service": "Referral",
    "services": "Referrals",
}
RED_FLAGS = ("RED_FLAG", "LATE_RED_FLAG")
CALLS_NOBODY = "This program does not call anyone. Make sure that a person has taken this on."
MARK = "[E] marks an engineering choice that no source states; it awaits clinical sign-off."


def letter(matter: Matter, guideline: Guideline, now: datetime) -> Message:
    """The message of an outbox row, as things stand now."""
    paragraphs = [*_paragraphs(matter, guideline, now), guideline.disclaimer]
    body = "\n\n".join(paragraph for paragraph in paragraphs if paragraph) + "\n"
    return Message(matter.row.key, _subject(matter, guideline), body, now)


def _subject(matter: Matter, guideline: Guideline) -> str:
    row = matter.row
    if row.kind in OF_A_TASK:
        title = guideline.tasks[row.code].title
    elif row.kind == "milestone":
        title = guideline.timers[row.code].title
    else:
        title = OF_THE_HOUSE.get(row.code, "please open the pathway")
    return f"[pathway] {KINDS.get(row.kind, row.kind)}: {title}"


def _paragraphs(matter: Matter, guideline: Guideline, now: datetime) -> Iterator[str]:
    detail = json.loads(matter.row.detail)
    rule = _rule(matter, guideline)
    engineering = rule is not None and rule.engineering
    heading = rule.title if rule else HEADINGS.get(matter.row.code, matter.row.code.replace("_", " ").lower())
    yield f"{heading} [E]" if engineering else heading
    yield _whom(matter, guideline)
    yield "\n".join(_since(matter, detail, now))
    yield "\n".join(_findings(detail, guideline))
    yield reasons(rule.cites if rule else detail.get("cites", ()), guideline)
    yield MARK if engineering else ""
    yield CALLS_NOBODY if matter.row.code in (*RED_FLAGS, *RED_FLAG_WORK) else ""


def _rule(matter: Matter, guideline: Guideline) -> Any:
    if matter.row.kind in OF_A_TASK:
        return guideline.tasks[matter.row.code]
    return guideline.timers[matter.row.code] if matter.row.kind == "milestone" else None


def _whom(matter: Matter, guideline: Guideline) -> str:
    episode = matter.episode
    if episode is None:
        return ""
    state = guideline.states[episode.state].shown(episode.sub)
    return f"Patient {episode.patient_id}, episode {episode.id}: {state}"


def _since(matter: Matter, detail: dict[str, Any], now: datetime) -> Iterator[str]:
    episode, task = matter.episode, matter.task
    if episode is None:
        return
    zone = episode.zone
    if task is None:
        yield f"Noticed {show_instant(matter.row.fired_at, zone)}"
        return
    yield f"Due {show_date(task.due)}"
    if local_date(now, zone) > task.overdue_after:
        yield f"Overdue since {show_date(task.overdue_after + timedelta(days=1))}"
    if matter.row.kind == "escalation":
        yield f"Asked for on {show_instant(task.opened_at, zone)}; nobody has answered yet"


def _findings(detail: dict[str, Any], guideline: Guideline) -> Iterator[str]:
    for flag in detail.get("flags", ()):
        rule = guideline.red_flags.get(flag)
        yield f"Finding: {rule.title if rule else flag}"
    for name, label in LABELS.items():
        if detail.get(name):
            yield f"{label}: {_plain(detail[name])}"


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def reasons(cites: Iterable[str], guideline: Guideline) -> str:
    """What the cited sources say, a line each; empty where nothing is cited."""
    known = [guideline.sources[cite] for cite in cites if cite in guideline.sources]
    return "\n".join(["Why:", *(f"  {source.id}: {source.says}" for source in known)]) if known else ""
