"""One patient: who, where, what to do next and why, the past and what lies ahead; now, or as it was known."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Form, Query
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from coordinator.fhir.candidates import waiting
from coordinator.merging import joined_into
from coordinator.web import recording
from coordinator.web.access import May
from coordinator.web.desk import Desk, local_path
from coordinator.web.diagram import Diagram, diagram
from coordinator.web.doors import needs
from coordinator.web.patient import referrals
from coordinator.web.patient.deciding import decision_words, question_words
from coordinator.web.patient.page import PatientView, patient_view
from coordinator.web.patient.questions import read_day
from coordinator.web.patient.wording import kind_title, spaced
from coordinator.web.text import _
from pathway.calendar import zone_named
from pathway.errors import NoSuchPatient
from persistence.accounts import Accounts

router = APIRouter()


@router.get("/patient/{patient}")
def patient_page(
    patient: str,
    as_of: str = Query("", alias="as-of"),
    episode: int | None = None,
    saved: str = "",
    show: str = "",
    desk: Desk = needs(May.SEE_PATIENTS),
) -> Response:
    current = desk.store.current_number(patient)
    if current != patient:
        said = _("No. %(old)s goes on as No. %(now)s: the two records were merged.", old=patient, now=current)
        return desk.go(f"/patient/{quote(current, safe='')}", said)
    instant, fault = known_at(desk, as_of)
    view = found(desk, patient, episode, instant)
    note_view(desk, patient, f"patient{' as of ' + as_of if instant else ''}")
    status = 422 if fault else 200
    return show_patient(desk, view, status, as_of=instant, fault=fault, saved=saved, all=show == "all")


def show_patient(desk: Desk, view: PatientView, status: int = 200, *, saved: str = "", **values: Any) -> Response:
    writes = desk.me.may(May.RECORD) and values.get("as_of") is None
    shown: dict[str, Any] = {"as_of": None, "fault": "", "all": False, **values}
    return desk.page(
        "patient.html",
        status,
        view=view,
        writes=writes,
        merges=joined_into(desk.store, view.banner.patient),
        candidates=waiting(desk.store, desk.now, patient=view.banner.patient) if writes else (),
        picture=_picture(desk, view),
        saved=recording.saved(desk, saved),
        titles=kind_title,
        decision_words=lambda kind: decision_words().get(kind) or spaced(kind),
        field_words=question_words(desk.today),
        services=referrals.service_words(),
        statuses=referrals.status_words(),
        steps=referrals.step_words(),
        **shown,
    )


def _picture(desk: Desk, view: PatientView) -> Diagram:
    """The pathway with the patient in it, and the ways that are open now."""
    current = view.current
    possible = {rule for choice in current.choices if choice.possible for rule in choice.rules}
    return diagram(desk.store.engine.guideline, here=current.episode.path, possible=possible)


@router.post("/undo")
def undo(episode: str = Form(""), seq: int = Form(0), back: str = Form(""), desk: Desk = needs(May.RECORD)) -> Response:
    """Take a routine line back, and say what stays."""
    patient, key, fault = recording.undo(desk, episode, seq)
    if fault:
        view = found(desk, patient, None, None)
        return show_patient(desk, view, 409, fault=fault)
    return desk.go(with_saved(local_path(back, f"/patient/{patient}"), key))


def with_saved(path: str, key: str) -> str:
    """An address of this site with what was just saved in it."""
    bare, _question, query = path.partition("?")
    kept = [part for part in query.split("&") if part and not part.startswith("saved=")]
    return f"{bare}?{'&'.join([*kept, f'saved={key}'])}" if key else path


def found(desk: Desk, patient: str, episode: int | None, as_of: datetime | None) -> PatientView:
    """Answers with 404 where there is no such patient or episode, or nobody knew of them then."""
    try:
        view = patient_view(desk.store, patient, desk.now, episode, as_of)
    except NoSuchPatient:
        view = None
    if view is None:
        raise HTTPException(404, _("There is no such patient or episode, or they were not known then."))
    return view


def note_view(desk: Desk, patient: str, page: str) -> None:
    Accounts(desk.store.database).note_view(desk.me.email, desk.me.role.id, patient, page, desk.now)


def known_at(desk: Desk, text: str) -> tuple[datetime | None, str]:
    """The last second of that local day, or now if it is today; and what is wrong with it."""
    if not text.strip():
        return None, ""
    day, fault = read_day(_("What was known on"), text.strip(), desk.today)
    if day is None:
        return None, fault
    if day > desk.today:
        return None, _("That day lies in the future, and nobody knows it yet; the timeline looks ahead.")
    end = datetime.combine(day + timedelta(days=1), time(0), zone_named(desk.zone)).astimezone(UTC)
    return min(end - timedelta(seconds=1), desk.now), ""
