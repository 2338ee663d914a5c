"""Episodes: where one is, its journal, its story, what may be decided, what lies ahead."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from sqlalchemy import Row

from coordinator.api.asking import AsOf, EpisodePath, Word, known_at
from coordinator.api.door import EVERYBODY, Caller, needs
from coordinator.api.headers import etag
from coordinator.api.paging import USUAL, Cursor, Limit, Page, number, opened, paged, sealed, text
from coordinator.api.problems import Problem
from coordinator.api.shapes import (
    ChoiceShape,
    EntryShape,
    EpisodeShape,
    EpisodeWhole,
    Firing,
    FlagShape,
    Line,
    ObservationShape,
    Recommended,
    ReferralShape,
    TimerShape,
    Work,
)
from coordinator.patient import EpisodePage, patient_page
from coordinator.telling import Told, tell
from coordinator.web.access import May
from pathway.calendar import zone_named
from pathway.choices import Choice, choices
from pathway.engine import Engine
from pathway.episode import Episode
from pathway.errors import NoSuchPatient
from pathway.preview import Expected, preview
from persistence.audit import JournalLine
from persistence.journal import entry_of
from persistence.listing import EpisodesAsked, entries_after, episode_named, episodes_after
from persistence.store import Store

router = APIRouter(tags=["episodes"])
Days = Annotated[int, Query(ge=1, le=800, description="How many days ahead, on the wall of the site")]


@router.get("/episodes")
def list_episodes(
    patient: Word = None,
    state: Word = None,
    owner: Word = None,
    still_open: Annotated[bool, Query(alias="open", description="Only those that are not closed")] = False,
    limit: Limit = USUAL,
    cursor: Cursor = None,
    caller: Caller = needs(May.SEE_PATIENTS),
) -> Page[EpisodeShape]:
    """Episodes in the order of their ids."""
    guideline, after = caller.store.engine.guideline, opened(cursor, text)
    caller.note_view(patient or EVERYBODY, "episodes")
    asked = EpisodesAsked(patient, state, owner, guideline.active_states if still_open else None)
    rows = episodes_after(caller.store, asked, after[0] if after else None, limit + 1)
    return paged(rows, limit, lambda row: EpisodeShape(**_of_row(row, caller.store.engine)), lambda row: sealed(row.id))


@router.get("/episodes/{episode}")
def get_episode(
    episode: EpisodePath,
    response: Response,
    as_of: AsOf = None,
    caller: Caller = needs(May.SEE_PATIENTS),
) -> EpisodeWhole:
    """Everything about one episode, with its ETag; with as_of as it was known then, without one."""
    row, then = episode_row(caller.store, episode), known_at(caller, as_of)
    page = _page(caller, row, then)
    caller.note_view(row.patient_id, f"episode{_when(then)}")
    if then is None:
        response.headers["ETag"] = etag(page.episode.seq)
    return _whole(page, caller.store.engine)


@router.get("/episodes/{episode}/entries")
def list_entries(
    episode: EpisodePath,
    as_of: AsOf = None,
    limit: Limit = USUAL,
    cursor: Cursor = None,
    caller: Caller = needs(May.SEE_PATIENTS),
) -> Page[EntryShape]:
    """The journal of one episode, oldest first: every line with everything that it caused."""
    row, after = episode_row(caller.store, episode), opened(cursor, number)
    rows = entries_after(caller.store, episode, after[0] if after else 0, limit + 1, known_at(caller, as_of))
    caller.note_view(row.patient_id, "entries")
    return paged(rows, limit, entry_shape, lambda found: sealed(found.seq))


@router.get("/episodes/{episode}/entries/{seq}")
def get_entry(
    episode: EpisodePath,
    seq: Annotated[int, Path(ge=1, lt=2**31, examples=[4])],
    caller: Caller = needs(May.SEE_PATIENTS),
) -> EntryShape:
    """One line of the journal."""
    row = episode_row(caller.store, episode)
    found = entries_after(caller.store, episode, seq - 1, 1)
    if not found or found[0].seq != seq:
        raise Problem("not-found", f"The journal of {episode} has no line {seq}.")
    caller.note_view(row.patient_id, f"entry {seq}")
    return entry_shape(found[0])


@router.get("/episodes/{episode}/timeline")
def get_timeline(
    episode: EpisodePath,
    as_of: AsOf = None,
    limit: Limit = USUAL,
    cursor: Cursor = None,
    caller: Caller = needs(May.SEE_PATIENTS),
) -> Page[Line]:
    """The story of one episode in words, oldest first, as the screens tell it."""
    row, after = episode_row(caller.store, episode), opened(cursor, number)
    entries = caller.store.journal(episode, known_at(caller, as_of))
    lines = list(enumerate(tell(entries, caller.store.engine.guideline), 1))
    caller.note_view(row.patient_id, "timeline")
    return paged(
        lines[after[0] if after else 0 :][: limit + 1], limit, lambda line: _line(line[1]), lambda line: sealed(line[0])
    )


@router.get("/episodes/{episode}/choices")
def list_choices(episode: EpisodePath, caller: Caller = needs(May.SEE_PATIENTS)) -> list[ChoiceShape]:
    """What may be decided now, by whom and with what; and why not, where it would be refused."""
    row = episode_row(caller.store, episode)
    found = choices(_current(caller, row), caller.store.engine, caller.now)
    caller.note_view(row.patient_id, "choices")
    return [_choice(choice) for choice in found]


@router.get("/episodes/{episode}/preview")
def preview_episode(episode: EpisodePath, days: Days = 30, caller: Caller = needs(May.SEE_PATIENTS)) -> list[Firing]:
    """What will fire if nobody does anything. Nothing is written."""
    row = episode_row(caller.store, episode)
    found = preview(caller.store.engine, _current(caller, row), _until(caller, days), caller.now)
    caller.note_view(row.patient_id, "preview")
    return [_firing(expected) for expected in found]


@router.get("/preview", tags=["work"])
def preview_all(
    days: Days = 14,
    owner: Word = None,
    limit: Limit = USUAL,
    cursor: Cursor = None,
    caller: Caller = needs(May.LOOK_AHEAD),
) -> Page[Firing]:
    """What will fire for everybody if nobody does anything, episode by episode; `limit` counts episodes."""
    guideline, after = caller.store.engine.guideline, opened(cursor, text)
    asked = EpisodesAsked(owner=owner, states=guideline.active_states)
    rows = episodes_after(caller.store, asked, after[0] if after else None, limit + 1)
    until, found = _until(caller, days), list[Firing]()
    for episode in caller.store.episodes([row.id for row in rows[:limit]]):
        found += [_firing(expected) for expected in preview(caller.store.engine, episode, until, caller.now)]
    return Page(items=found, next=sealed(rows[limit - 1].id) if len(rows) > limit else None)


# ---------------------------------------------------------------- finding


def episode_row(store: Store, episode: str) -> Row:
    """Raises Problem (404)."""
    found = episode_named(store, episode)
    if found is None:
        raise Problem("not-found", f"There is no episode {episode!r}. Nothing was saved.")
    return found


def _current(caller: Caller, row: Row) -> Episode:
    return next(e for e in caller.store.case(row.patient_id).episodes if e.id == row.id)


def _page(caller: Caller, row: Row, then: datetime | None) -> EpisodePage:
    try:
        pages = patient_page(caller.store, row.patient_id, caller.now, then).episodes
    except NoSuchPatient:
        pages = ()
    found = next((page for page in pages if page.episode.id == row.id), None)
    if found is None:
        raise Problem("not-found", f"The episode {row.id} was not known then.")
    return found


def _when(then: datetime | None) -> str:
    return f" as of {then:%Y-%m-%dT%H:%MZ}" if then else ""


def _until(caller: Caller, days: int) -> datetime:
    """Days on the wall: over a change of the clocks one of them is not 24 hours long."""
    return (caller.now.astimezone(zone_named(caller.zone)) + timedelta(days=days)).astimezone(UTC)


# ---------------------------------------------------------------- shaping


def _of_row(row: Any, engine: Engine) -> dict[str, Any]:
    names = ("n", "state", "sub", "since", "level", "onset", "identification", "care_start", "owner", "guideline")
    state = engine.guideline.states[row.state]
    return {
        "episode": row.id,
        "patient": row.patient_id,
        **{name: getattr(row, name) for name in (*names, "profile", "version")},
        "title": state.shown(row.sub),
        "closed": state.terminal,
    }


def _whole(page: EpisodePage, engine: Engine) -> EpisodeWhole:
    episode, guideline = page.episode, engine.guideline
    same = ("n", "state", "sub", "level", "onset", "identification", "care_start", "owner", "guideline", "profile")
    more = ("patient", "onset_source", "mechanism", "first_fracture", "malignancy")
    return EpisodeWhole(
        episode=episode.id,
        **{name: getattr(episode, name) for name in (*same, *more)},
        title=page.state,
        closed=guideline.is_terminal(episode.state),
        since=page.since,
        version=episode.seq,
        work=[_work(work) for work in page.work],
        recommendations=[_advice(advice) for advice in page.advice],
        timers=[TimerShape(**_named(t, "code", "due", "status", "outcome", "fired_at")) for t in episode.timers],
        referrals=[_referral(referral) for referral in episode.referrals],
        flags=[
            FlagShape(code=f.code, source=f.source, raised_at=f.raised_at, open=not f.adjudicated)
            for f in episode.flags
        ],
        observations=[_observation(found) for found in episode.observations],
        disclaimer=guideline.disclaimer,
    )


def _named(thing: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(thing, name) for name in names}


def _work(work: Any) -> Work:
    return Work(
        **_named(work.task, "code", "n", "due", "overdue_after"),
        **_named(work, "title", "role", "days_overdue", "closes", "engineering"),
        cites=list(work.cites),
    )


def _advice(advice: Any) -> Recommended:
    rule = advice.rule
    return Recommended(
        **_named(rule, "id", "title", "text", "engineering"),
        because=list(advice.because),
        missing=list(advice.missing),
        cites=list(rule.cites),
    )


def _referral(referral: Any) -> ReferralShape:
    return ReferralShape(**_named(referral, "service", "n", "status", "technique", "opened_at", "changed_at"))


def _observation(found: Any) -> ObservationShape:
    return ObservationShape(
        **_named(found, "id", "kind", "effective", "recorded_at", "retracted"), data=dict(found.data)
    )


def entry_shape(row: Any) -> EntryShape:
    """Of a row of the journal."""
    return entry_shape_of(JournalLine(row.episode_id, row.patient_id, entry_of(row), row.previous_hash, row.hash))


def entry_shape_of(line: JournalLine) -> EntryShape:
    entry = line.entry
    step = entry.step
    said = {**_named(step, "event", "kind", "actor", "by", "event_id", "obs_id"), "data": dict(step.data)}
    return EntryShape(
        **_named(line, "episode", "patient", "previous_hash", "hash"),
        **_named(entry, "seq", "kind", "occurred_at", "recorded_at", "actor"),
        step={name: value for name, value in said.items() if value not in (None, "")},
        effects=[dict(effect) for effect in entry.effects],
        refusal=entry.refusal.code if entry.refusal else None,
    )


def _line(told: Told) -> Line:
    return Line(
        **_named(told, "recorded_at", "occurred_at", "what", "who", "mark", "rule"),
        because=list(told.because),
        cites=list(told.cites),
    )


def _choice(choice: Choice) -> ChoiceShape:
    names = ("event", "kind", "outcome", "service", "title", "leads_to", "role", "possible", "engineering")
    because = list(choice.because)
    return ChoiceShape(
        **_named(choice, *names),
        not_possible_because=[] if choice.possible else because,
        because=because if choice.possible else [],
        missing=list(choice.missing),
        required=list(choice.required),
        fields=list(choice.fields),
        rules=list(choice.rules),
        cites=list(choice.cites),
    )


def _firing(expected: Expected) -> Firing:
    return Firing(
        **_named(expected, "at", "patient", "episode", "owner", "moves_to"),
        code=expected.entry.step.kind,
        reminders=list(expected.reminder_kinds),
    )
