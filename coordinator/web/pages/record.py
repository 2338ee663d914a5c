"""Recording something about one patient: the list of what can be recorded, its forms, and a second look at answers."""

from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from starlette.datastructures import FormData

from coordinator.web import recording
from coordinator.web.access import May
from coordinator.web.desk import FRAGMENT, Desk, local_path
from coordinator.web.doors import needs
from coordinator.web.pages.patient import note_view, with_saved
from coordinator.web.patient import observing, registering, sheet, todo, wording
from coordinator.web.patient.deciding import decision_words
from coordinator.web.patient.menu import menu
from coordinator.web.patient.questions import Answers, Form, blank, read
from coordinator.web.patient.sheet import Sheet
from coordinator.web.text import _
from pathway.errors import Outrun, Overtaken

router = APIRouter()
CHECKED, CHANGE = "checked", "change"


async def _sent(request: Request) -> FormData:
    return await request.form()


# What a form sent, as the parameter of a handler.
TYPED = Depends(_sent)


@router.get("/patient/{patient}/record")
def what_to_record(
    patient: str, episode: int | None = None, task: str = "", desk: Desk = needs(May.RECORD)
) -> Response:
    """Everything that can be recorded; first of all what finishes the work that the address names."""
    case, found = sheet.opened(desk, patient, episode)
    note_view(desk, patient, "record")
    entries, engine = desk.store.journal(found.id), desk.store.engine
    all_work = todo.cards(found, entries, engine.guideline, engine.profile(found.profile), found.today(desk.now))
    return desk.page(
        "record.html",
        banner=sheet.banner(desk.store, case),
        standing=sheet.standing(found, entries, desk.now),
        episode=found,
        cards=[card for card in all_work if card.task.code == task],
        groups=menu(desk, found),
        sheet=FRAGMENT in desk.request.headers,
        titles=wording.kind_title,
        decision_words=lambda kind: decision_words().get(kind) or wording.spaced(kind),
    )


@router.get("/patient/{patient}/record/{event}/{kind}")
def form(request: Request, patient: str, event: str, kind: str, desk: Desk = needs(May.RECORD)) -> Response:
    found = sheet.sheet(desk, patient, event, kind, request.query_params)
    note_view(desk, patient, f"record {event} {kind}")
    return show_form(desk, found, blank(found.form))


@router.post("/patient/{patient}/record/{event}/{kind}")
def save(
    request: Request,
    patient: str,
    event: str,
    kind: str,
    sent: FormData = TYPED,
    desk: Desk = needs(May.RECORD),
) -> Response:
    about = {**request.query_params, **{k: str(sent[k]) for k in ("episode",) if k in sent}}
    found = sheet.sheet(desk, patient, event, kind, about)
    answers = read(found.form, sent, desk.today)
    stage, seen = str(sent.get("stage", "")), sheet.number(str(sent.get("seen", ""))) or 0
    if stage == CHANGE:
        return show_form(desk, found, answers, seen=seen)
    check(found, answers, desk)
    if answers.faults:
        return show_form(desk, found, answers, 422, seen=seen)
    step = found.step(desk, answers)
    ahead = found.look_ahead(desk, [step])
    if ahead.refusal is not None and event == "observe":
        return show_form(desk, found, answers, 422, seen=seen, refused=ahead.refusal.because)
    if ahead.refusal is None and ahead.consequential and stage != CHECKED:
        return desk.page("check.html", **_about(desk, found, answers, seen), ahead=ahead)
    try:
        outcome = recording.record(desk, patient, step, episode=found.episode.n, seen=seen)
    except (Overtaken, Outrun) as error:
        fresh = sheet.sheet(desk, patient, event, kind, about)
        return show_form(desk, fresh, answers, 409, overtaken=error)
    if outcome.refusal is not None:
        fresh = sheet.sheet(desk, patient, event, kind, about)
        return show_form(desk, fresh, answers, 409, refused=outcome.refusal.because)
    back = local_path(str(sent.get("back", "")), f"/patient/{found.banner.patient}?episode={found.episode.n}")
    return desk.go(with_saved(back, recording.saved_key([outcome], _opened_n(outcome, found))))


def _opened_n(outcome: Any, found: Sheet) -> int | None:
    """The episode whose line is told of: the one that was asked for, or the one that a further fracture opened."""
    return None if found.form.event == "new_fracture" else found.episode.n


def check(found: Sheet, answers: Answers, desk: Desk) -> None:
    if found.form.event == "observe":
        observing.check(found.form.kind, answers, desk.today, found.episode.birth_date)
    elif found.form.event == "new_fracture":
        registering.check(answers)


def show_form(
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
    values = _about(desk, found, answers, seen)
    values |= {"refused": refused, "overtaken": lines, "outrun": isinstance(overtaken, Outrun)}
    return desk.page("record_form.html", status, **values)


def _about(desk: Desk, found: Sheet, answers: Answers, seen: int | None) -> dict[str, Any]:
    query = desk.request.url.query
    return {
        "banner": found.banner,
        "standing": found.standing,
        "form": found.form,
        "answers": answers,
        "seen": found.standing.version if seen is None else seen,
        "action": desk.request.url.path + (f"?{query}" if query else ""),
        "sheet": FRAGMENT in desk.request.headers,
        "words": wording,
        "mine": desk.me.role.acts_as,
        "said": shown(found, answers),
    }


def shown(found: Sheet, answers: Answers) -> list[tuple[str, str]]:
    return in_words(found.form, answers)


def in_words(asked: Form, answers: Answers) -> list[tuple[str, str]]:
    """What was answered, in words, for the second look."""
    rows = []
    for question in asked.questions:
        texts = [text for text in answers.typed.get(question.name, []) if text.strip()]
        known = dict(question.options) | {"yes": _("Yes"), "no": _("No"), "unknown": _("Not asked")}
        words = ", ".join(known.get(text, text) for text in texts) if question.shape != "text" else ", ".join(texts)
        value = answers.data.get(question.name)
        if question.shape == "date" and value is not None:
            words = f"{value:%a} {value:%d-%b-%Y}"
        rows.append((question.label, words or _("Not known")))
    return rows
