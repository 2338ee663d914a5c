"""Merging two records of one person: asked, looked at side by side, then saved; and taking it back."""

from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import Response
from starlette.datastructures import FormData

from coordinator.merging import Proposal, join, joined_into, propose
from coordinator.web.access import May
from coordinator.web.desk import Desk
from coordinator.web.doors import needs
from coordinator.web.pages.patient import note_view
from coordinator.web.pages.record import CHECKED, TYPED
from coordinator.web.patient import sheet
from coordinator.web.text import _
from pathway.engine import Case
from pathway.errors import NoSuchPatient
from pathway.journal import Refusal
from persistence.merges import Merged
from persistence.merging import Asked, Undoing, unmerge

router = APIRouter()
BOTH = "both"


@router.get("/patient/{patient}/merge")
def asked(patient: str, desk: Desk = needs(May.RECORD)) -> Response:
    note_view(desk, patient, "merge")
    return _page(desk, patient)


@router.post("/patient/{patient}/merge")
def answered(request: Request, patient: str, sent: FormData = TYPED, desk: Desk = needs(May.RECORD)) -> Response:
    typed = {name: str(sent.get(name, "")).strip() for name in ("other", "because", "although")}
    typed["other"] = "".join(typed["other"].split())
    faults = _faults(typed)
    if faults:
        return _page(desk, patient, 422, typed=typed, faults=faults)
    found = propose(desk.store, patient, typed["other"])
    if isinstance(found, Refusal):
        return _page(desk, patient, 422, typed=typed, faults={"other": f"{found.because}."})
    note_view(desk, patient, f"merge of {found.retired.number}")
    note_view(desk, found.retired.number, f"merge into {patient}")
    choices = {_name(one, other): str(sent.get(_name(one, other), "")) for one, other in found.pairs}
    if str(sent.get("stage", "")) != CHECKED:
        return _page(desk, patient, typed=typed, found=found, choices=choices)
    done = _save(desk, found, typed, choices, _seen(sent))
    if isinstance(done, Refusal):
        return _page(desk, patient, 409, typed=typed, found=found, choices=choices, refused=done.because)
    said = _("No. %(old)s goes on as No. %(now)s. It can be taken back here.", old=done.retired, now=done.surviving)
    return desk.go(f"/patient/{quote(done.surviving, safe='')}", said)


def _faults(typed: dict[str, str]) -> dict[str, str]:
    found = {}
    if not typed["other"]:
        found["other"] = _("Type the number of the other record; nothing was saved.")
    if not typed["because"]:
        found["because"] = _("Say why it is one person; nothing was saved.")
    return found


def _save(desk: Desk, found: Proposal, typed: dict[str, str], choices: dict[str, str], seen: dict[str, int]) -> Any:
    goes_on: set[str] = set()
    for one, other in found.pairs:
        choice = choices[_name(one, other)]
        goes_on |= {one.id, other.id} if choice == BOTH else {choice} & {one.id, other.id}
    asked = Asked(
        found.surviving.number,
        found.retired.number,
        typed["because"],
        desk.me.name,
        desk.me.role.acts_as or "",
        frozenset(goes_on),
        seen,
    )
    return join(desk.store, found, asked, desk.now, although=typed["although"] == "1")


def _name(one: Any, other: Any) -> str:
    return f"goes-on {one.id} {other.id}"


def _seen(sent: FormData) -> dict[str, int]:
    """The versions that the page showed, each as `episode version`."""
    pairs = (str(text).rpartition(" ") for text in sent.getlist("seen"))
    return {name: int(version) for name, _space, version in pairs if version.isdigit()}


def _page(desk: Desk, patient: str, status: int = 200, **values: Any) -> Response:
    shown: dict[str, Any] = {"typed": {}, "faults": {}, "found": None, "choices": {}, "refused": "", **values}
    banners = [sheet.banner(desk.store, _case(desk, patient))]
    if shown["found"] is not None:
        banners.append(sheet.banner(desk.store, _case(desk, shown["found"].retired.number)))
    return desk.page("merge.html", status, banners=banners, name_of=_name, both=BOTH, **shown)


def _case(desk: Desk, patient: str) -> Case:
    try:
        return desk.store.case(patient)
    except NoSuchPatient:
        raise HTTPException(404, _("There is no such patient; nothing was saved.")) from None


# ---------------------------------------------------------------- taking it back


@router.get("/patient/{patient}/unmerge/{merge}")
def asked_back(patient: str, merge: int, desk: Desk = needs(May.RECORD)) -> Response:
    note_view(desk, patient, "unmerge")
    return _back_page(desk, patient, _standing(desk, patient, merge))


@router.post("/patient/{patient}/unmerge/{merge}")
def taken_back(patient: str, merge: int, because: str = Form(""), desk: Desk = needs(May.RECORD)) -> Response:
    found = _standing(desk, patient, merge)
    if not because.strip():
        return _back_page(desk, patient, found, 422, fault=_("Say why; nothing was saved."))
    asked = Undoing(found.id, because.strip(), desk.me.name, desk.me.role.acts_as or "")
    done = unmerge(desk.store, asked, desk.now)
    if isinstance(done, Refusal):
        return _back_page(desk, patient, found, 409, refused=done.because, because=because)
    said = _("No. %(old)s and No. %(now)s are two records again.", old=done.retired, now=done.surviving)
    return desk.go(f"/patient/{quote(done.surviving, safe='')}", said)


def _standing(desk: Desk, patient: str, merge: int) -> Merged:
    found = next((each for each in joined_into(desk.store, patient) if each.id == merge), None)
    if found is None:
        raise HTTPException(404, _("There is no such merge, or it was taken back already; nothing was saved."))
    return found


def _back_page(
    desk: Desk, patient: str, found: Merged, status: int = 200, *, fault: str = "", refused: str = "", because: str = ""
) -> Response:
    case = _case(desk, patient)
    theirs = [episode for episode in case.episodes if episode.id.rpartition("-")[0] == found.retired]
    return desk.page(
        "unmerge.html",
        status,
        banner=sheet.banner(desk.store, case),
        found=found,
        theirs=theirs,
        fault=fault,
        refused=refused,
        because=because,
    )
