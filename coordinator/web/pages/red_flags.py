"""The red-flag questions of one patient: asked, looked at once more with what follows, then saved."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.datastructures import FormData

from coordinator.web import recording
from coordinator.web.access import May
from coordinator.web.desk import Desk
from coordinator.web.doors import needs
from coordinator.web.pages.patient import note_view, with_saved
from coordinator.web.pages.record import CHANGE, CHECKED, TYPED, shown
from coordinator.web.patient import red_flags, sheet
from coordinator.web.patient.questions import Answers, Form, read
from coordinator.web.patient.sheet import Sheet
from pathway.engine import Outcome
from pathway.errors import Outrun, Overtaken
from pathway.journal import Step

router = APIRouter()


@router.get("/patient/{patient}/red-flags")
def questions(patient: str, episode: int | None = None, desk: Desk = needs(May.RECORD)) -> Response:
    found = _opened(desk, patient, episode)
    note_view(desk, patient, "red flags")
    return _page(desk, found, _first(found.form))


@router.post("/patient/{patient}/red-flags")
def answered(request: Request, patient: str, sent: FormData = TYPED, desk: Desk = needs(May.RECORD)) -> Response:
    found = _opened(desk, patient, sheet.number(str(sent.get("episode", ""))))
    answers = read(found.form, sent, desk.today)
    stage, seen = str(sent.get("stage", "")), sheet.number(str(sent.get("seen", ""))) or 0
    if stage == CHANGE:
        return _page(desk, found, answers, seen=seen)
    red_flags.check(answers)
    if answers.faults:
        return _page(desk, found, answers, 422, seen=seen)
    steps = list(red_flags.steps(answers, desk.me.role.acts_as or "", desk.me.name))
    ahead = found.look_ahead(desk, steps)
    if ahead.refusal is not None:
        return _page(desk, found, answers, 422, seen=seen, refused=ahead.refusal.because)
    if stage != CHECKED:
        return desk.page("check.html", **_values(desk, found, answers, seen), ahead=ahead, said=shown(found, answers))
    try:
        outcomes = _save(desk, patient, steps, found.episode.n, seen)
    except (Overtaken, Outrun) as error:
        return _page(desk, _opened(desk, patient, found.episode.n), answers, 409, overtaken=error)
    key = recording.saved_key(outcomes, found.episode.n)
    return desk.go(with_saved(f"/patient/{found.banner.patient}?episode={found.episode.n}", key))


def _save(desk: Desk, patient: str, steps: list[Step], n: int, seen: int) -> list[Outcome]:
    """The first step is refused if somebody was first; the others follow it, whatever they find by then."""
    outcomes = []
    for number, step in enumerate(steps):
        known = seen if number == 0 else None
        outcomes.append(recording.record(desk, patient, step, episode=n, seen=known))
    return outcomes


def _opened(desk: Desk, patient: str, n: int | None) -> Sheet:
    case, episode = sheet.opened(desk, patient, n)
    entries = desk.store.journal(episode.id)
    standing = sheet.standing(episode, entries, desk.now)
    return Sheet(case, episode, sheet.banner(desk.store, case), standing, red_flags.red_flag_form(desk.today))


def _first(form: Form) -> Answers:
    """The day it was asked is today; no answer is filled in."""
    return Answers({q.name: [q.first] for q in form.questions if q.first and q.shape == "date"})


def _values(desk: Desk, found: Sheet, answers: Answers, seen: int | None) -> dict[str, Any]:
    return {
        "banner": found.banner,
        "standing": found.standing,
        "form": found.form,
        "answers": answers,
        "seen": found.standing.version if seen is None else seen,
        "action": desk.request.url.path,
    }


def _page(
    desk: Desk,
    found: Sheet,
    answers: Answers,
    status: int = 200,
    *,
    seen: int | None = None,
    refused: str = "",
    overtaken: Overtaken | Outrun | None = None,
) -> Response:
    lines = sheet.overtaking(overtaken, desk) if isinstance(overtaken, Overtaken) else None
    return desk.page(
        "red_flags.html",
        status,
        **_values(desk, found, answers, seen),
        groups=red_flags.groups(desk.today),
        refused=refused,
        overtaken=lines,
        outrun=isinstance(overtaken, Outrun),
    )
