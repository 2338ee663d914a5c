"""One form of one patient: what it asks, whom it is about, and what became of what was typed into it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.exceptions import HTTPException

from coordinator.telling import tell
from coordinator.web.access import ROLES, May
from coordinator.web.desk import Desk
from coordinator.web.patient import deciding, observing, registering
from coordinator.web.patient.banner import Banner, Standing, banner, standing
from coordinator.web.patient.outlook import Outlook, outlook
from coordinator.web.patient.questions import Answers, Form
from coordinator.web.showing import instant
from coordinator.web.text import _
from pathway.engine import Case
from pathway.episode import Episode
from pathway.errors import NoSuchPatient, Overtaken
from pathway.facts import FIELDS
from pathway.journal import Step


@dataclass(frozen=True, slots=True)
class Overtaking:
    """Somebody was first: who saved what and when, in words."""

    said: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    case: Case
    episode: Episode
    banner: Banner
    standing: Standing
    form: Form

    def step(self, desk: Desk, answers: Answers) -> Step:
        data = {**self.form.fixed, **answers.data}
        return Step(self.form.event, self.form.kind, data, desk.me.role.acts_as or "", desk.me.name)

    def look_ahead(self, desk: Desk, steps: Sequence[Step]) -> Outlook:
        return outlook(desk.store.engine, self.case, steps, desk.now, self.episode.n)


def opened(desk: Desk, patient: str, n: int | None) -> tuple[Case, Episode]:
    """The patient and the episode that is named, else the latest open one; 404 where there is none.

    A form that was opened before its record was merged into another is not saved: its episode has another number now.
    """
    current = desk.store.current_number(patient)
    if current != patient:
        said = _("No. %(old)s goes on as No. %(now)s: the two records were merged.", old=patient, now=current)
        raise HTTPException(409, f"{said} {_('Look there; nothing was saved.')}")
    try:
        case = desk.store.case(patient)
    except NoSuchPatient:
        raise HTTPException(404, _("There is no such patient; nothing was saved.")) from None
    guideline = desk.store.engine.guideline
    still_open = [episode for episode in case.episodes if not guideline.is_terminal(episode.state)]
    wanted = [e for e in case.episodes if e.n == n] if n is not None else still_open or case.episodes
    if not wanted:
        raise HTTPException(404, _("There is no such episode; nothing was saved."))
    return case, wanted[-1]


def sheet(desk: Desk, patient: str, event: str, kind: str, about: Mapping[str, str]) -> Sheet:
    """`about`: what the address adds, such as the episode, a task or a finding. 404 for a form that is not known."""
    case, episode = opened(desk, patient, number(about.get("episode")))
    form = form_for(desk, episode, event, kind, about)
    if form is None:
        raise HTTPException(404, _("There is no such form; nothing was saved."))
    entries = desk.store.journal(episode.id)
    return Sheet(case, episode, banner(desk.store, case), standing(episode, entries, desk.now), form)


def number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None


def form_for(desk: Desk, episode: Episode, event: str, kind: str, about: Mapping[str, str]) -> Form | None:
    guideline, today = desk.store.engine.guideline, desk.today
    if event == "observe":
        return observing.observation_form(kind, today) if kind in FIELDS else None
    if event == "decide":
        fixed = {name: about[name] for name in ("service", "outcome") if about.get(name)}
        return deciding.decision_form(kind, fixed, guideline, today)
    if event == "task":
        return deciding.task_form(kind, guideline)
    if event == "admin":
        return deciding.admin_form(kind, guideline, today, owners(desk), about)
    if event == "correct":
        return deciding.correction_form(kind, episode, today, about.get("obs", ""))
    if event == "new_fracture":
        return registering.further_form(guideline, today, owners(desk))
    return None


def owners(desk: Desk) -> list[str]:
    """Who may look after a patient: every colleague who records, and whoever looks after somebody already."""
    may = {role.id for role in ROLES.values() if May.RECORD in role.may}
    return sorted({row["name"] for row in desk.store.users() if row["active"] and row["role"] in may})


def overtaking(error: Overtaken, desk: Desk) -> Overtaking:
    lines = []
    for entry in error.entries:
        said = "; ".join(told.what for told in tell([entry], desk.store.engine.guideline)) or entry.step.kind
        who = entry.step.by or {"system": _("the engine")}.get(entry.actor, entry.actor)
        lines.append((instant(entry.recorded_at, desk.zone), who, said))
    return Overtaking(tuple(lines))
