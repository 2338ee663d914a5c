"""The house: who calls, the census, the whole journal for auditors, and the kinds of problem."""

from fastapi import APIRouter

from coordinator.api.asking import AsOf, Word, known_at
from coordinator.api.door import EVERYBODY, Caller, needs
from coordinator.api.house_shapes import CensusShape, Me, ProblemKind
from coordinator.api.paging import USUAL, Cursor, Limit, Page, instant, number, opened, sealed, text
from coordinator.api.problems import KINDS
from coordinator.api.routes.episodes import entry_shape_of
from coordinator.api.shapes import EntryShape
from coordinator.web.access import May
from persistence.audit import Asked, journal_page
from scheduler.census import census

router = APIRouter(tags=["house"])


@router.get("/me")
def get_me(caller: Caller = needs(May.OWN_ACCOUNT)) -> Me:
    """Who this token acts for, and what it may."""
    role = caller.role
    return Me(
        email=caller.email,
        name=caller.name,
        role=role.id,
        records_as=role.acts_as,
        may=sorted(permission.value for permission in role.may),
        token=caller.token,
        token_name=caller.token_name,
        scopes=list(caller.scopes),
        expires_at=caller.expires_at,
    )


@router.get("/census")
def get_census(as_of: AsOf = None, caller: Caller = needs(May.SEE_HEALTH)) -> CensusShape:
    """Count everybody: now, or as it stood then."""
    found = census(caller.store, caller.now, as_of=known_at(caller, as_of))
    return CensusShape.model_validate(found.as_json())


@router.get("/entries")
def list_all_entries(
    patient: Word = None,
    kind: Word = None,
    limit: Limit = USUAL,
    cursor: Cursor = None,
    caller: Caller = needs(May.AUDIT),
) -> Page[EntryShape]:
    """All journals, the newest line first: for those who audit."""
    after = opened(cursor, instant, text, number)
    place = (after[0], after[1], after[2]) if after else None
    found = journal_page(caller.store, Asked(patient=patient, kind=kind), after=place, size=limit)
    caller.note_view(patient or EVERYBODY, "entries")
    end = sealed(found.after[0].isoformat(), *found.after[1:]) if found.after else None
    return Page(items=[entry_shape_of(line) for line in found.lines], next=end)


@router.get("/problems")
def list_problems() -> list[ProblemKind]:
    """Every kind of problem that the API answers with, and what a caller does about it. Open to anybody."""
    return [
        ProblemKind(type=kind.type, code=kind.code, status=kind.status, title=kind.title, remedy=kind.remedy)
        for kind in KINDS.values()
    ]
