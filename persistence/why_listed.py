"""Why is this patient on my list, or why not? Each piece of open work of one patient against a view of the worklist."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select

from pathway.calendar import show_date
from pathway.episode import Episode, Task, Timer
from pathway.guideline import Guideline
from persistence import models
from persistence.registry import table
from persistence.store import Store
from persistence.work_page import View

LOOKS = table(models.LookAgain)
WEEK = timedelta(days=7)
Aside = dict[tuple[str, str, int], tuple[date, str]]


@dataclass(frozen=True, slots=True)
class Because:
    """One reason. kind: not_due, not_late, late, already_due, later, set_aside, not_set_aside, owner, role, not_red,
    elsewhere, suspended; of an episode closed, no_work, held or nothing_ahead. `until`: the day on which it ends."""

    kind: str
    sentence: str
    until: date | None = None


@dataclass(frozen=True, slots=True)
class WhyTask:
    """Open work: on the list, or every reason why it is not."""

    code: str
    n: int
    title: str
    listed: bool
    reasons: tuple[Because, ...]


@dataclass(frozen=True, slots=True)
class WhyEpisode:
    """`reasons`: what keeps the whole episode off every list."""

    episode: str
    n: int
    state: str
    sub: str | None
    owner: str | None
    tasks: tuple[WhyTask, ...]
    reasons: tuple[Because, ...]

    @property
    def listed(self) -> bool:
        return any(task.listed for task in self.tasks)


def why_listed(store: Store, patient: str, at: datetime, view: View) -> tuple[WhyEpisode, ...]:
    """Every episode of one patient, the first fracture first; raises NoSuchPatient. What was typed to search for is
    left out of account: the question is about this patient."""
    case = store.case(patient)
    with store.database.reading() as connection:
        query = select(LOOKS).where(LOOKS.c.episode_id.in_([episode.id for episode in case.episodes]))
        aside = {(row.episode_id, row.code, row.n): (row.until, row.because) for row in connection.execute(query)}
    return tuple(_episode(store.engine.guideline, episode, episode.today(at), view, aside) for episode in case.episodes)


def _episode(guideline: Guideline, episode: Episode, today: date, view: View, aside: Aside) -> WhyEpisode:
    tasks = tuple(
        _task(guideline, episode, task, today, view, aside) for task in episode.tasks if task.status != "closed"
    )
    reasons = () if tasks else tuple(_without_work(guideline, episode))
    return WhyEpisode(episode.id, episode.n, episode.state, episode.sub, episode.owner, tasks, reasons)


def _task(guideline: Guideline, episode: Episode, task: Task, today: date, view: View, aside: Aside) -> WhyTask:
    rule = guideline.tasks[task.code]
    reasons = [*_hidden(task), *_of_another(guideline, episode, task, view)]
    until, because = aside.get((episode.id, task.code, task.n), (today, ""))
    waits = until > today and not rule.red_flag
    if waits and view.tab == "now":
        reasons.append(Because("set_aside", f"Set aside until {show_date(until)}: {because}.", until))
    if view.tab == "aside" and not waits:
        reasons.append(Because("not_set_aside", "It is not set aside."))
    reasons += _by_day(task, today, view.tab)
    return WhyTask(task.code, task.n, rule.title, not reasons, tuple(reasons))


def _hidden(task: Task) -> Iterator[Because]:
    if task.status == "suspended":
        yield Because("suspended", "Suspended: it opens again when the episode goes on.")


def _of_another(guideline: Guideline, episode: Episode, task: Task, view: View) -> Iterator[Because]:
    rule = guideline.tasks[task.code]
    if view.owners and (episode.owner or "") not in view.owners:
        yield Because("owner", f"The patient is looked after by {episode.owner or 'nobody'}.")
    if view.role and rule.role != view.role:
        yield Because("role", f"It is work of a {rule.role}.")
    if view.red_only and not rule.red_flag:
        yield Because("not_red", "It is no red-flag work.")
    if (view.state and episode.state != view.state) or (view.sub and episode.sub != view.sub):
        yield Because("elsewhere", f"The patient is in {guideline.states[episode.state].shown(episode.sub)}.")


def _by_day(task: Task, today: date, tab: str) -> Iterator[Because]:
    late, due = task.overdue_after < today, task.due <= today
    if tab in ("now", "today") and not late and not due:
        yield Because("not_due", f"Not due before {show_date(task.due)}.", task.due)
    if tab == "today" and late:
        yield Because("late", f"Overdue since {show_date(task.overdue_after)}, so no longer due today.")
    if tab == "overdue" and not late:
        first = task.overdue_after + timedelta(days=1)
        yield Because("not_late", f"Not overdue before {show_date(first)}.", first)
    if tab == "week" and (late or due):
        yield Because("already_due", f"Due since {show_date(task.due)}, so not among what is still to come.")
    if tab == "week" and not late and task.due > today + WEEK:
        yield Because("later", f"Due on {show_date(task.due)}, in more than seven days.", task.due - WEEK)


def _without_work(guideline: Guideline, episode: Episode) -> Iterator[Because]:
    state = guideline.states[episode.state]
    if state.terminal:
        yield Because("closed", f"The episode is closed: {state.title}.")
        return
    waiting = sorted((t for t in episode.timers if t.waiting), key=lambda timer: (timer.due, timer.code))
    for timer in waiting:
        if timer.status == "held":
            yield Because("held", f"{_named(guideline, timer)} is held until the patient leaves {state.title}.")
    ahead = next((timer for timer in waiting if timer.status == "pending"), None)
    if ahead is not None:
        sentence = f"No work is open; next is {_named(guideline, ahead)} on {show_date(ahead.due)}."
        yield Because("no_work", sentence, ahead.due)
    elif not waiting:
        yield Because("nothing_ahead", "No work is open and no date lies ahead: tell whoever runs this system.")


def _named(guideline: Guideline, timer: Timer) -> str:
    return guideline.timers[timer.code].title
