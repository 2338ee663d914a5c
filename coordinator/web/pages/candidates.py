"""Candidates: fractures that an import did not dare to enrol, each with why, until a person accepts or dismisses it."""

from fastapi import APIRouter, Form
from fastapi.responses import Response
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException

from coordinator.fhir import candidates as waiting
from coordinator.fhir.candidates import KINDS, Acceptance, Candidate
from coordinator.web import recording
from coordinator.web.access import May
from coordinator.web.desk import Desk
from coordinator.web.doors import needs
from coordinator.web.pages.patient import note_view, with_saved
from coordinator.web.pages.record import CHANGE, CHECKED, TYPED, in_words
from coordinator.web.patient import sheet
from coordinator.web.patient.banner import Banner
from coordinator.web.patient.outlook import outlook
from coordinator.web.patient.questions import Answers, Question, blank, read
from coordinator.web.patient.questions import Form as Asked
from coordinator.web.text import _
from coordinator.web.typed import page_number
from pathway.calendar import show_date
from pathway.engine import Case
from pathway.errors import NoSuchPatient
from pathway.facts import LEVELS
from pathway.journal import Refusal
from persistence.candidates import ACCEPTED, DISMISSED, WAITING, WITHDRAWN

router = APIRouter()
SIZE = 50


@router.get("/candidates")
def candidates(kind: str = "", page: str = "1", desk: Desk = needs(May.RECORD)) -> Response:
    """The most likely kind that has any, unless the address names another."""
    counts = waiting.counts(desk.store)
    shown = kind if kind in KINDS else next((each for each in KINDS if counts[each]), KINDS[0])
    number = page_number(page)
    words = kind_words()
    return desk.page(
        "candidates.html",
        rows=waiting.page_of(desk.store, shown, page=number, size=SIZE),
        tabs=[(f"/candidates?kind={each}", words[each], counts[each], each == shown) for each in KINDS],
        number=number,
        size=SIZE,
        total=counts[shown],
    )


@router.get("/candidates/{candidate}")
def one(candidate: str, desk: Desk = needs(May.RECORD)) -> Response:
    found = _found(desk, candidate)
    return _page(desk, found, blank(_form(desk, found)))


@router.post("/candidates/{candidate}/accept")
def accept(candidate: str, sent: FormData = TYPED, desk: Desk = needs(May.RECORD)) -> Response:
    """First what would come of it, then the same again to save it."""
    found = _found(desk, candidate)
    asked, stage = _form(desk, found), str(sent.get("stage", ""))
    answers = read(asked, sent, desk.today)
    if stage == CHANGE or answers.faults:
        return _page(desk, found, answers, 200 if stage == CHANGE else 422)
    if stage == CHECKED:
        return _accepted(desk, found, answers)
    ready = waiting.registration(desk.store, found, _acceptance(desk, found, answers))
    if isinstance(ready, Refusal):
        return _page(desk, found, answers, 422, refused=ready.because)
    patient, step = ready
    ahead = outlook(desk.store.engine, _case(desk, patient), [step], desk.now, None)
    if ahead.refusal is not None:
        return _page(desk, found, answers, 422, refused=ahead.refusal.because)
    return desk.page(
        "candidate_check.html",
        found=found,
        form=asked,
        answers=answers,
        said=in_words(asked, answers),
        ahead=ahead,
        patient=patient,
        known=_known(desk, patient),
    )


@router.post("/candidates/{candidate}/dismiss")
def dismiss(candidate: str, because: str = Form(""), desk: Desk = needs(May.RECORD)) -> Response:
    found = _found(desk, candidate)
    if not because.strip():
        fault = _("Say why it is no fracture for this pathway; nothing was saved.")
        return _page(desk, found, blank(_form(desk, found)), 422, fault=fault)
    refusal = waiting.dismiss(desk.store, found.id, desk.now, desk.me.name, because)
    if refusal is not None:
        return _page(desk, found, blank(_form(desk, found)), 409, refused=refusal.because)
    said = _("Dismissed. It comes back only if the source says something else.")
    return desk.go(f"/candidates?kind={found.kind}", said)


def _accepted(desk: Desk, found: Candidate, answers: Answers) -> Response:
    settings = desk.house.settings
    acceptance = _acceptance(desk, found, answers)
    done = waiting.accept(desk.store, found.id, desk.now, acceptance, zone=settings.zone, profile=settings.profile)
    if done.refusal is not None or done.outcome is None:
        return _page(desk, found, answers, 409, refused=done.refusal.because if done.refusal else "")
    patient = done.outcome.changes[-1].episode.patient
    return desk.go(with_saved(f"/patient/{patient}", recording.saved_key([done.outcome])))


def _acceptance(desk: Desk, found: Candidate, answers: Answers) -> Acceptance:
    data = answers.data
    return Acceptance(
        by=desk.me.name,
        actor=desk.me.role.acts_as or "",
        level=data["level"],
        fracture_date=data.get("fracture_date"),
        patient="".join(str(data.get("patient", "")).split()),
        owner=data.get("owner") or desk.me.name,
    )


def _form(desk: Desk, found: Candidate) -> Asked:
    """What the source left open; what it said is filled in."""
    levels = tuple((level, level) for level in LEVELS)
    owners = tuple((owner, owner) for owner in sheet.owners(desk))
    day = show_date(found.onset) if found.onset and found.precision == "day" else ""
    hint = _("The source says: %(when)s. Open if you do not know it better.", when=found.when)
    number = Question(
        "patient", _("Number"), "text", _("The service's own identifier, such as the NHS number."), required=True
    )
    questions = (
        *(() if found.patient else (number,)),
        Question("level", _("Fractured level"), "one_of", options=levels, required=True, first=found.level or ""),
        Question("fracture_date", _("Date of the fracture"), "date", hint, first=day, size=13),
        Question("owner", _("Who looks after the patient"), "one_of", options=owners),
    )
    return Asked("register", "", _("Accept this fracture"), questions)


def _found(desk: Desk, name: str) -> Candidate:
    found = waiting.one(desk.store, name)
    if found is None:
        raise HTTPException(404, _("There is no such candidate; nothing was saved."))
    if found.patient:
        note_view(desk, found.patient, "candidate")
    return found


def _case(desk: Desk, patient: str) -> Case:
    settings = desk.house.settings
    try:
        return desk.store.case(patient)
    except NoSuchPatient:
        return Case(patient, settings.zone, settings.profile)


def _known(desk: Desk, patient: str) -> Banner | None:
    """Who has that number here."""
    return sheet.banner(desk.store, _case(desk, patient)) if patient and desk.store.person(patient) else None


def _page(
    desk: Desk, found: Candidate, answers: Answers, status: int = 200, *, refused: str = "", fault: str = ""
) -> Response:
    known = _known(desk, found.patient)
    return desk.page(
        "candidate.html",
        status,
        found=found,
        kind=kind_words()[found.kind],
        waits=found.outcome == WAITING,
        outcome=outcome_words()[found.outcome],
        known=known,
        episodes=_case(desk, found.patient).episodes if known is not None else (),
        form=_form(desk, found),
        answers=answers,
        refused=refused,
        fault=fault,
    )


def kind_words() -> dict[str, str]:
    return {
        "spine": _("Of the spine"),
        "osteoporotic": _("Osteoporotic, the site is not clear"),
        "elsewhere": _("Elsewhere in the body"),
    }


def outcome_words() -> dict[str, str]:
    return {
        WAITING: _("Waits for a person"),
        ACCEPTED: _("Accepted"),
        DISMISSED: _("Dismissed"),
        WITHDRAWN: _("Taken back by the source"),
    }
