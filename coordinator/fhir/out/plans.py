"""The care plan of an episode: one run of the pathway, with its work and its clocks."""

from collections.abc import Iterator

from coordinator.fhir.out.definition import canonical
from coordinator.fhir.out.elements import Json, coding, concept, day, instant, marked, person, reference, resource
from coordinator.fhir.out.elements import subject as about
from coordinator.fhir.out.moves import ended_as_planned
from coordinator.fhir.out.names import episode_name
from coordinator.fhir.out.tasks import task_name
from pathway.episode import Episode, Timer
from pathway.guideline import Guideline
from persistence.charts import Kept

CLOCKS = {"pending": "scheduled", "held": "on-hold", "cancelled": "cancelled", "superseded": "cancelled"}


def care_plan(kept: Kept, guideline: Guideline) -> Json:
    episode, name = kept.episode, episode_name(kept.episode.id)
    ended = guideline.is_terminal(episode.state)
    state = guideline.states[episode.state]
    return resource(
        "CarePlan",
        name,
        updated=kept.row.updated_at,
        instantiatesCanonical=[canonical(guideline, episode.profile)],
        status=status(kept, guideline),
        intent="plan",
        category=[{"coding": [coding("state", episode.path)], "text": state.shown(episode.sub)}],
        title=guideline.title,
        description=f"{state.shown(episode.sub)}: {state.means}",
        subject=about(episode.patient),
        period={"start": instant(episode.opened_at), "end": instant(kept.row.since) if ended else None},
        created=instant(episode.opened_at),
        author=person(episode.owner) if episode.owner else None,
        addresses=[reference("Condition", name)],
        activity=[*_work(episode), *_clocks(episode, guideline)],
    )


def status(kept: Kept, guideline: Guideline) -> str:
    """On hold is what the census calls held; an end that was not the planned one is revoked."""
    episode = kept.episode
    if not guideline.is_terminal(episode.state):
        return "on-hold" if any(timer.status == "held" for timer in episode.timers) else "active"
    return "completed" if ended_as_planned(kept) else "revoked"


def _work(episode: Episode) -> Iterator[Json]:
    for task in episode.tasks:
        yield {"reference": reference("Task", task_name(episode, task))}


def _clocks(episode: Episode, guideline: Guideline) -> Iterator[Json]:
    for timer in episode.timers:
        rule = guideline.timers[timer.code]
        title = marked(rule.title, engineering=rule.engineering)
        detail = {
            "kind": "Task",
            "code": concept("timer", timer.code, title),
            "status": _clock_status(episode, timer),
            "statusReason": {"text": timer.why or _outcome(timer)},
            # The day on which it falls due, by the wall clock of the site.
            "scheduledPeriod": {"start": day(timer.due)},
            "description": f"{title}. Counted from: {rule.anchor.replace('_', ' ')}.",
        }
        yield {"detail": detail}


def _clock_status(episode: Episode, timer: Timer) -> str:
    """One that has fired is done only when what it owes is: a milestone waits for what satisfies it."""
    if timer.status != "fired":
        return CLOCKS[timer.status]
    owed = episode.owed(timer.code)
    return "in-progress" if owed is timer and timer.code not in episode.satisfied else "completed"


def _outcome(timer: Timer) -> str:
    return f"Fired: {timer.outcome.replace('_', ' ')}" if timer.outcome else ""
