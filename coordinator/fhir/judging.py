"""Why a fracture in a file is not enrolled by itself. No reason means: enrol."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from coordinator.fhir.fractures import OPEN, OSTEOPOROTIC, SPINE, SURE, Event, Fracture
from coordinator.fhir.people import Who
from pathway.calendar import add_months, show_date
from pathway.episode import Episode
from pathway.guideline import Guideline

ADULT, OLDEST = 18 * 12, 120 * 12
# A fracture of a level that is followed already, dated about the same, is taken for the same one.
SAME_FRACTURE = timedelta(days=1)
_STATUS = {"remission": "in remission", "": "not said to be active"}
_SURENESS = {
    "unconfirmed": "not confirmed",
    "provisional": "provisional",
    "differential": "one of several possibilities",
}


def reasons_against(
    event: Event, who: Who | None, episodes: Sequence[Episode], guideline: Guideline, today: date
) -> list[str]:
    """Everything that speaks against enrolling without a person, the weightiest first."""
    return [
        *_of_place(event, guideline),
        *_of_the_person(event, who, today),
        *_of_the_condition(event, today),
        *_of_the_record(event, episodes, guideline),
    ]


def _of_place(event: Event, guideline: Guideline) -> Iterator[str]:
    first = event.first
    if event.kind == SPINE:
        if event.level and event.level not in guideline.scope_levels:
            yield f"outside the scope {' and '.join(guideline.scope_levels)} ({event.level})"
        if not event.level:
            yield _level_unknown(event)
    elif event.kind == OSTEOPOROTIC:
        site = first.site or next((f.site for f in event.conditions if f.site), "")
        yield f"osteoporotic fracture but the site is the {site}" if site else "osteoporotic fracture, site not said"
    else:
        yield f"the site is the {first.site}" if first.site else "the site is not said"
    doubled = len({f.item.ref for f in event.conditions}) > 1
    if event.beside:
        yield f"two conditions of one event ({', '.join([event.level or first.site or 'this', *event.beside])})"
    elif doubled and not event.level:
        yield "two conditions of one event"


def _level_unknown(event: Event) -> str:
    several = next((f.levels for f in event.conditions if len(f.levels) > 1), ())
    if several:
        return f"level unknown (the condition says {' and '.join(several)})"
    said = next((f.said for f in event.conditions if f.said), ())
    region = next((f.region for f in event.conditions if f.region), "")
    extra = f"the words say {', '.join(said)}" if said else region
    return f"level unknown ({extra})" if extra and extra != "vertebra" else "level unknown"


def _of_the_person(event: Event, who: Who | None, today: date) -> Iterator[str]:
    if who is None:
        yield "the patient is in none of the files"
        return
    if who.deceased:
        yield f"deceased on {show_date(who.died.day)}" if who.died else "deceased"
    if not who.active:
        yield "the patient's record is not active"
    if who.birth is None:
        yield "date of birth unknown"
        return
    if who.birth.day > today:
        yield "date of birth in the future"
        return
    at = onset_day(event) or today
    if at < add_months(who.birth.day, ADULT):
        yield "a child"
    elif add_months(who.birth.day, OLDEST) < at:
        yield "an age of more than 120 years"
    if who.birth.precision != "day":
        yield f"date of birth only known as {who.birth.precision}"


def onset_day(event: Event) -> date | None:
    onset = event.first.onset
    return onset.day if onset else None


def _of_the_condition(event: Event, today: date) -> Iterator[str]:
    first = event.first
    if first.clinical not in OPEN:
        yield _STATUS.get(first.clinical, first.clinical)
    elif first.ended is not None and first.ended.day <= today:
        yield f"ended on {show_date(first.ended.day)}"
    if first.verification not in SURE:
        yield _SURENESS.get(first.verification, f"verification status {first.verification}")
    if first.late_stage:
        yield f"a late stage, no new fracture ({first.late_stage})"
    if first.onset and first.onset.day > today:
        yield "its onset lies in the future"
    if not all(f.item.whole for f in event.conditions):
        yield "the file could not be read to the end"


def _of_the_record(event: Event, episodes: Sequence[Episode], guideline: Guideline) -> Iterator[str]:
    for episode in episodes:
        followed = not guideline.is_terminal(episode.state)
        if followed and event.level == episode.level and not is_fracture_of(event.first, episode):
            since = show_date(episode.onset)
            yield f"{event.level} is followed already, as a fracture of {since}: the same, or another?"
    if any(episode.state == "DECEASED" for episode in episodes):
        yield "recorded here as deceased"


def is_fracture_of(fracture: Fracture, episode: Episode) -> bool:
    """Whether this is what the episode is about: the same level, and nothing in the dates against it."""
    if fracture.level != episode.level:
        return False
    if fracture.onset is None or fracture.onset.precision == "year" or episode.fracture_date is None:
        return episode.fracture_date is None
    if "month" in (fracture.onset.precision, episode.precision):
        return (fracture.onset.day.year, fracture.onset.day.month) == (
            episode.fracture_date.year,
            episode.fracture_date.month,
        )
    return abs(fracture.onset.day - episode.fracture_date) <= SAME_FRACTURE
