"""What was to be told (CommunicationRequest) and each attempt to tell it (Communication), from the outbox."""

import json
from collections.abc import Iterator
from typing import Any

from coordinator.fhir.out.elements import Json, concept, instant, person, reference, resource, subject
from coordinator.fhir.out.names import episode_name, message_name
from pathway.episode import Episode
from pathway.guideline import Guideline
from persistence.charts import Chart

STATUSES = {
    "waiting": "active",
    "sent": "completed",
    "delivered": "completed",
    "suppressed": "revoked",
    "too_late": "revoked",
    "failed": "revoked",
}
PATIENT = "patient"


def requests(chart: Chart, guideline: Guideline) -> Iterator[Json]:
    episodes = {kept.row.id: kept.episode for kept in chart.episodes}
    for row in chart.messages:
        yield _request(row, episodes[row.episode_id], guideline)


def communications(chart: Chart, guideline: Guideline) -> Iterator[Json]:
    episodes = {kept.row.id: kept.episode for kept in chart.episodes}
    messages = {row.key: row for row in chart.messages}
    for tried in chart.deliveries:
        row = messages[tried.reminder_key]
        yield _attempt(row, tried, episodes[row.episode_id], guideline)


def _request(row: Any, episode: Episode, guideline: Guideline) -> Json:
    rule = guideline.reminders.get(row.kind)
    return resource(
        "CommunicationRequest",
        _name(row, episode),
        updated=row.settled_at or row.fired_at,
        basedOn=[reference("CarePlan", episode_name(episode.id))],
        status=STATUSES.get(row.outcome, "unknown"),
        statusReason={"text": f"{row.outcome.replace('_', ' ')}: {row.because}" if row.because else row.outcome},
        category=[concept("message", row.kind, rule.title if rule else row.kind)],
        priority="urgent" if rule and rule.urgent else "routine",
        medium=[{"text": row.channel}] if row.channel else None,
        subject=subject(episode.patient),
        about=_about(row, episode),
        payload=[{"contentString": subject_line(row, guideline)}],
        occurrenceDateTime=instant(row.due_at or row.fired_at),
        authoredOn=instant(row.fired_at),
        recipient=[_recipient(row, row.role, episode)],
        reasonCode=[{"text": row.code}],
    )


def _name(row: Any, episode: Episode) -> str:
    return message_name(episode_name(episode.id), row.key)


def _about(row: Any, episode: Episode) -> list[Json] | None:
    if row.task_n is None or not any((t.code, t.n) == (row.code, row.task_n) for t in episode.tasks):
        return None
    return [reference("Task", f"{episode_name(episode.id)}.{row.code}.{row.task_n}")]


def subject_line(row: Any, guideline: Guideline) -> str:
    """What it is about, in the words of the guideline; the words that went out are the site's templates."""
    rule = guideline.reminders.get(row.kind)
    task, timer = guideline.tasks.get(row.code), guideline.timers.get(row.code)
    because = json.loads(row.detail).get("because") if row.detail else None
    about = task.title if task else timer.title if timer else because if isinstance(because, str) else row.code
    return f"{rule.title if rule else row.kind}: {about}"


def _recipient(row: Any, name: str, episode: Episode) -> Json:
    return subject(episode.patient) if row.kind == PATIENT else person(name)


def _attempt(row: Any, tried: Any, episode: Episode, guideline: Guideline) -> Json:
    return resource(
        "Communication",
        f"{episode_name(episode.id)}.d{tried.id}",
        updated=tried.attempted_at,
        basedOn=[reference("CommunicationRequest", _name(row, episode))],
        status="completed" if tried.ok else "not-done",
        statusReason=None if tried.ok else {"text": tried.answer or "No answer"},
        category=[concept("message", row.kind, row.kind)],
        medium=[{"text": tried.channel}],
        subject=subject(episode.patient),
        sent=instant(tried.attempted_at) if tried.ok else None,
        recipient=[_recipient(row, tried.recipient, episode)],
        payload=[{"contentString": subject_line(row, guideline)}],
    )
