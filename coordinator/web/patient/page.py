"""Everything that the patient's page shows, as known at one instant."""

from dataclasses import dataclass
from datetime import date, datetime

from coordinator.web.patient import referrals, timeline, todo
from coordinator.web.patient.banner import Banner, Standing, banner, standing
from coordinator.web.patient.todo import Fact, shown
from coordinator.web.patient.wording import kind_title, label
from pathway.advice import Advice, advice
from pathway.choices import Choice, choices
from pathway.episode import Episode
from persistence.history import case_as_of
from persistence.store import Store


@dataclass(frozen=True, slots=True)
class Known:
    """One standing observation, for the list of what is known."""

    id: str
    kind: str
    title: str
    day: date
    facts: tuple[Fact, ...]
    note: str
    retracted: bool


@dataclass(frozen=True, slots=True)
class EpisodeView:
    episode: Episode
    standing: Standing
    today: date
    terminal: bool
    cards: tuple[todo.Card, ...]
    suspended: tuple[str, ...]
    advice: tuple[Advice, ...]
    past: tuple[timeline.Line, ...]
    overdue: tuple[timeline.Plan, ...]
    ahead: tuple[timeline.Plan, ...]
    more_ahead: int
    referrals: tuple[referrals.Loop, ...]
    known: tuple[Known, ...]
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class PatientView:
    banner: Banner
    current: EpisodeView
    others: tuple[tuple[int, str, str | None, str | None], ...]


def patient_view(
    store: Store, patient: str, now: datetime, n: int | None = None, as_of: datetime | None = None
) -> PatientView | None:
    """One episode in full (the named one, else the latest open) and the others by name; raises NoSuchPatient."""
    case, at = case_as_of(store, patient, as_of), as_of or now
    guideline = store.engine.guideline
    still_open = [e for e in case.episodes if not guideline.is_terminal(e.state)]
    wanted = [e for e in case.episodes if e.n == n] if n is not None else (still_open or case.episodes)
    if not wanted:
        return None
    others = tuple((e.n, e.state, e.sub, e.level) for e in reversed(case.episodes))
    return PatientView(banner(store, case), episode_view(store, wanted[-1], at), others)


def episode_view(store: Store, episode: Episode, at: datetime) -> EpisodeView:
    engine, guideline = store.engine, store.engine.guideline
    entries, today, profile = store.journal(episode.id, at), episode.today(at), engine.profile(episode.profile)
    plans, more = timeline.ahead(engine, episode, at)
    return EpisodeView(
        episode,
        standing(episode, entries, at),
        today,
        guideline.is_terminal(episode.state),
        tuple(todo.cards(episode, entries, guideline, profile, today)),
        tuple(guideline.tasks[t.code].title for t in episode.tasks if t.status == "suspended"),
        tuple(advice(episode, guideline, profile, today)),
        tuple(timeline.past(episode, entries, guideline)),
        tuple(timeline.overdue(episode, guideline, today)),
        tuple(plans),
        more,
        tuple(referrals.loops(episode, entries, today)),
        tuple(known(episode)),
        tuple(choices(episode, engine, at)),
    )


def known(episode: Episode) -> list[Known]:
    """Every observation, the newest first; what was taken back stays in the list, marked."""
    latest_first = sorted(episode.observations, key=lambda o: (o.effective, o.seq), reverse=True)
    return [
        Known(
            o.id,
            o.kind,
            kind_title(o.kind),
            o.effective,
            tuple(Fact(label(k), shown(o.kind, k, v), o.effective) for k, v in o.data.items() if k != "note"),
            str(o.data.get("note") or ""),
            o.retracted,
        )
        for o in latest_first
    ]
