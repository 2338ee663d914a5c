"""A new patient with their first fracture: looked at once more before it is saved."""

from fastapi import APIRouter
from fastapi.responses import Response
from starlette.datastructures import FormData

from coordinator.web import recording
from coordinator.web.access import May
from coordinator.web.desk import Desk
from coordinator.web.doors import needs
from coordinator.web.pages.patient import with_saved
from coordinator.web.pages.record import CHANGE, CHECKED, TYPED, in_words
from coordinator.web.patient import registering, sheet
from coordinator.web.patient.outlook import outlook
from coordinator.web.patient.questions import Answers, blank, read
from coordinator.web.text import _
from pathway.engine import Case
from pathway.journal import Step
from persistence.search import Found, search
from persistence.store import Person

router = APIRouter()


@router.get("/register")
def form(desk: Desk = needs(May.RECORD)) -> Response:
    asked = registering.registration_form(desk.store.engine.guideline, desk.today, sheet.owners(desk))
    return _page(desk, blank(asked))


@router.post("/register")
def save(sent: FormData = TYPED, desk: Desk = needs(May.RECORD)) -> Response:
    asked = registering.registration_form(desk.store.engine.guideline, desk.today, sheet.owners(desk))
    answers, stage = read(asked, sent, desk.today), str(sent.get("stage", ""))
    if stage == CHANGE:
        return _page(desk, answers)
    registering.check(answers)
    known = _known_already(desk, answers)
    if answers.faults or known:
        return _page(desk, answers, 422, known=known)
    person, step = _person(desk, answers), _step(desk, answers)
    empty = Case(person.id, person.zone, person.profile)
    ahead = outlook(desk.store.engine, empty, [step], desk.now, None)
    if ahead.refusal is not None and stage != CHECKED:
        return _page(desk, answers, 422, refused=ahead.refusal.because)
    if stage != CHECKED:
        alike = _alike(desk, answers)
        said = in_words(asked, answers)
        return desk.page("register_check.html", form=asked, answers=answers, ahead=ahead, said=said, alike=alike)
    outcome = recording.record(desk, person, step)
    if outcome.refusal is not None:
        return _page(desk, answers, 409, refused=outcome.refusal.because)
    desk.store.name_person(person)
    return desk.go(with_saved(f"/patient/{person.id}", recording.saved_key([outcome])))


def _person(desk: Desk, answers: Answers) -> Person:
    data, settings = answers.data, desk.house.settings
    given = str(data.get("given", ""))
    return Person(data["patient"], settings.zone, settings.profile, str(data["surname"]), given)


def _step(desk: Desk, answers: Answers) -> Step:
    data = {k: v for k, v in answers.data.items() if k not in registering.IDENTITY}
    data.setdefault("owner", desk.me.name)
    if "fracture_date" not in data:
        data["fracture_date_precision"] = "unknown"
    return Step("register", data=data, actor=desk.me.role.acts_as or "", by=desk.me.name)


def _known_already(desk: Desk, answers: Answers) -> str:
    """The number of somebody who is here already: they are opened, not registered again."""
    number = "".join(str(answers.data.get("patient", "")).split())
    if number:
        answers.data["patient"] = number
    if not number or desk.store.person(number) is None:
        return ""
    answers.faults["patient"] = _("A patient with this number is registered already.")
    return number


def _alike(desk: Desk, answers: Answers) -> tuple[Found, ...]:
    """Patients with the same name, or born on the same day with the same surname."""
    names = f"{answers.data['surname']} {answers.data.get('given', '')}"
    found = list(search(desk.store, names, 10).people)
    born = answers.data.get("birth_date")
    if born is not None:
        found += search(desk.store, f"{born:%d-%b-%Y} {answers.data['surname']}", 10).people
    return tuple({person.patient: person for person in found}.values())


def _page(desk: Desk, answers: Answers, status: int = 200, *, refused: str = "", known: str = "") -> Response:
    asked = registering.registration_form(desk.store.engine.guideline, desk.today, sheet.owners(desk))
    return desk.page("register.html", status, form=asked, answers=answers, refused=refused, known=known)
